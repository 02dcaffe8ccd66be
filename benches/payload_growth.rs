//! Does a payload that somebody wrote to be slow cost more than its size?
//!
//! Each input doubles from step to step, and criterion reports bytes per second: a curve that stays flat is linear time.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use relay_benches::payload::full;
use relay_pipeline::normalize::Ingress;
use relay_protocol::{Condition, EventId, Field, Glob, Subject};

/// Elements of the smallest input, and how often they double.
const SMALLEST: usize = 250;
const STEPS: u32 = 5;

type Input = (&'static str, fn(usize) -> String);

fn repeated(count: usize, separator: &str, element: impl Fn(usize) -> String) -> String {
    (0..count).map(element).collect::<Vec<_>>().join(separator)
}

const INPUTS: [Input; 12] = [
    ("keys nobody knows", |n| format!("{{{}}}", repeated(n, ",", |i| format!(r#""key{i}":{i}"#)))),
    ("the same key again", |n| {
        format!("{{{}}}", repeated(n, ",", |_| r#""user":{"id":1}"#.to_owned()))
    }),
    ("the same meta again", |n| {
        let keys = repeated(n, ",", |i| format!(r#""key{i}":1"#));
        format!("{{{},{keys}}}", repeated(n, ",", |_| r#""_meta":1"#.to_owned()))
    }),
    ("an image of many keys", |n| {
        let keys = repeated(n, ",", |i| format!(r#""code_file":null,"key{i}":1"#));
        format!(r#"{{"debug_meta":{{"images":[{{"type":"apple","name":"x",{keys}}}]}}}}"#)
    }),
    ("a context that comes again", |n| {
        let contexts = repeated(n, ",", |i| format!(r#""reprocessing":{{}},"key{i}":{{}}"#));
        format!(r#"{{"contexts":{{{contexts}}}}}"#)
    }),
    ("tags of one name", |n| {
        format!(r#"{{"tags":[{}]}}"#, repeated(n, ",", |_| r#"["a","b"]"#.to_owned()))
    }),
    ("as deep as may be", |n| {
        let one = format!("{}{}", "[".repeat(100), "]".repeat(100));
        format!(r#"{{"extra":{{{}}}}}"#, repeated(n / 50 + 1, ",", |i| format!(r#""k{i}":{one}"#)))
    }),
    ("escapes", |n| format!(r#"{{"message":"{}"}}"#, r"\u00e9\n".repeat(n * 4))),
    ("frames", |n| {
        let frames = repeated(n, ",", |i| {
            format!(r#"{{"function":"f{i}","filename":"a.py","lineno":{i}}}"#)
        });
        format!(r#"{{"exception":[{{"type":"E","stacktrace":{{"frames":[{frames}]}}}}]}}"#)
    }),
    ("spans without parents", |n| {
        let span = |i: usize| {
            format!(
                r#"{{"span_id":"{i:016x}","trace_id":"4c79f60c11214eb38604f4ae0781bfb2","start_timestamp":1,
                "timestamp":2,"parent_span_id":"{:016x}"}}"#,
                i / 2 + 1
            )
        };
        format!(
            r#"{{"type":"transaction","start_timestamp":1,"timestamp":2,"contexts":{{"trace":{{
            "trace_id":"4c79f60c11214eb38604f4ae0781bfb2","span_id":"00000000000000ff"}}}},"spans":[{}]}}"#,
            repeated(n, ",", |i| span(i + 1))
        )
    }),
    ("meta of everything", |n| {
        let mut json = String::from(r#"{"extra":{"#);
        json.push_str(&repeated(n, ",", |i| format!(r#""k{i}":null"#)));
        json.push_str(r#"},"_meta":{"extra":{"#);
        json.push_str(&repeated(n, ",", |i| format!(r#""k{i}":{{"":{{"rem":[["x","x"]]}}}}"#)));
        json.push_str("}}}");
        json
    }),
    ("identifiers in a name", |n| {
        let mut json = String::from(r#"{"type":"transaction","transaction":""#);
        for i in 0..n {
            let _ = write!(json, "/ab{i:04}-{i:04}");
        }
        json.push_str(
            r#"","start_timestamp":1,"timestamp":2,"contexts":{"trace":{
            "trace_id":"4c79f60c11214eb38604f4ae0781bfb2","span_id":"00000000000000ff"}}}"#,
        );
        json
    }),
];

fn payloads(c: &mut Criterion) {
    let received = "1970-01-01T00:00:03Z".parse().expect("a time");
    let ingress = Ingress::new(received, EventId::random());
    for (name, input) in INPUTS {
        let mut group = c.benchmark_group(format!("payload_growth/{name}"));
        for step in 0..STEPS {
            let elements = SMALLEST << step;
            let body = input(elements);
            group.throughput(Throughput::Bytes(body.len() as u64));
            group.bench_function(BenchmarkId::from_parameter(elements), |b| {
                b.iter(|| full(black_box(body.as_bytes()), &ingress));
            });
        }
        group.finish();
    }
}

/// A text, whatever it is called.
struct Text(String);

impl Subject for Text {
    fn field(&self, _: &str) -> Option<Field<'_>> {
        Some(Field::from(self.0.as_str()))
    }
}

fn patterns(c: &mut Criterion) {
    let glob = Glob::new(&"*a".repeat(30)).expect("a pattern");
    let condition: Condition = serde_json::from_value(serde_json::json!({
        "op": "glob", "name": "event.message", "value": ["*a*a*a*a*a*b", "*aaaaaaaa?aaaaaaab*"],
    }))
    .expect("a condition");
    for (name, find) in [
        ("glob", &(|text: &Text| glob.is_match(&text.0)) as &dyn Fn(&Text) -> bool),
        ("condition", &|text: &Text| condition.matches(text)),
    ] {
        let mut group = c.benchmark_group(format!("payload_growth/{name}"));
        for step in 0..STEPS {
            let text = Text("a".repeat(SMALLEST << step) + "c");
            group.throughput(Throughput::Bytes(text.0.len() as u64));
            group.bench_function(BenchmarkId::from_parameter(text.0.len()), |b| {
                b.iter(|| find(black_box(&text)));
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(100))
        .measurement_time(std::time::Duration::from_millis(400))
        .sample_size(10);
    targets = payloads, patterns
}
criterion_main!(benches);
