//! What does it cost to look into a payload, and what to bring an event into form?
//!
//! `serde_json::Value` is what a tool would use without these crates. `sentry-types` reads events and transactions into
//! its structs, of which it knows fewer fields: a column for orientation, not a race.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use relay_benches::payload::{
    SHAPES, full, ingress, parse, parse_and_write, payload, value, value_and_write,
};
use relay_pipeline::normalize::Ingress;
use relay_protocol::EventId;
use sentry_types::protocol::v7;

fn payloads(c: &mut Criterion) {
    for shape in SHAPES {
        let body = payload(shape);
        let ingress = ingress(&body);
        let mut group = c.benchmark_group("payload");
        group.throughput(Throughput::Bytes(body.len() as u64));
        let id = |name| BenchmarkId::new(name, shape);
        group.bench_function(id("parse"), |b| b.iter(|| parse(black_box(&body))));
        group.bench_function(id("parse+write"), |b| b.iter(|| parse_and_write(black_box(&body))));
        group.bench_function(id("full"), |b| b.iter(|| full(black_box(&body), &ingress)));
        group.bench_function(id("serde_json parse"), |b| b.iter(|| value(black_box(&body))));
        group.bench_function(id("serde_json parse+write"), |b| {
            b.iter(|| value_and_write(black_box(&body)));
        });
        let read = serde_json::from_slice::<v7::Event<'_>>;
        if shape.starts_with("error") && read(&body).is_ok() {
            group.bench_function(id("sentry-types parse"), |b| b.iter(|| read(black_box(&body))));
        }
        let read = serde_json::from_slice::<v7::Transaction<'_>>;
        if shape.starts_with("transaction") && read(&body).is_ok() {
            group.bench_function(id("sentry-types parse"), |b| b.iter(|| read(black_box(&body))));
        }
        group.finish();
    }
}

/// Makes a body of so many parts.
type MakeBody = fn(usize) -> String;

/// Bodies made to be slow, in three sizes: time has to grow with the size and no faster.
fn growing(c: &mut Criterion) {
    let shapes: [(&str, MakeBody); 14] = [
        ("measurements", |n| {
            let entries: Vec<_> =
                (0..n).map(|i| format!("\"{}{i}\":1", ["A", "!"][i % 2])).collect();
            format!("{{\"measurements\":{{{}}}}}", entries.join(","))
        }),
        ("mechanism", |n| {
            let entries: Vec<_> = (0..n).map(|i| format!("\"k{i}\":1")).collect();
            format!("{{\"exception\":{{\"mechanism\":{{{}}}}}}}", entries.join(","))
        }),
        ("meta", |n| {
            let values: Vec<_> = (0..n).map(|i| format!("\"k{i}\":1")).collect();
            let metas: Vec<_> =
                (0..n).map(|i| format!("\"k{i}\":{{\"\":{{\"len\":1}}}}")).collect();
            let (values, metas) = (values.join(","), metas.join(","));
            format!("{{\"extra\":{{{values}}},\"_meta\":{{\"extra\":{{{metas}}}}}}}")
        }),
        ("same_key", |n| format!("{{{}}}", vec!["\"level\":1"; n].join(","))),
        ("unknown_keys", |n| {
            let entries: Vec<_> = (0..n).map(|i| format!("\"k{i}\":1")).collect();
            format!("{{{}}}", entries.join(","))
        }),
        ("wrong_breadcrumbs", |n| format!("{{\"breadcrumbs\":[{}]}}", vec!["1"; n].join(","))),
        ("tags_of_map", |n| {
            let entries: Vec<_> = (0..n).map(|i| format!("\"k {i}\":[{i}]")).collect();
            format!("{{\"tags\":{{{}}}}}", entries.join(","))
        }),
        ("deep", |n| {
            let nested = format!("{}1{}", "[".repeat(100), "]".repeat(100));
            format!("{{\"extra\":{{\"a\":[{}]}}}}", vec![nested.as_str(); n / 100].join(","))
        }),
        ("keys_of_user", |n| {
            let entries: Vec<_> = (0..n).map(|i| format!("\"k{i}\":1")).collect();
            format!("{{\"user\":{{\"data\":{{\"k1\":1}},{}}}}}", entries.join(","))
        }),
        ("form", |n| {
            let pairs: Vec<_> = (0..n).map(|i| format!("k{i}=1")).collect();
            format!("{{\"request\":{{\"data\":\"{}\"}}}}", pairs.join("&"))
        }),
        ("placeholders", |n| {
            let params: Vec<_> = (0..n).map(|i| format!("\"k{i}\":\"\"")).collect();
            let (message, params) = ("%(k0)s".repeat(n), params.join(","));
            format!("{{\"logentry\":{{\"message\":\"{message}\",\"params\":{{{params}}}}}}}")
        }),
        ("digits", |n| {
            let text = format!("Windows {}", "1".repeat(n));
            format!("{{\"contexts\":{{\"os\":{{\"raw_description\":\"{text}\"}}}}}}")
        }),
        ("spans_of_one_id", |n| {
            let id = "\"trace_id\":\"4c79f60c11214eb38604f4ae0781bfb2\",\"span_id\":\"fa90fdead5f74053\"";
            let times = "\"start_timestamp\":0,\"timestamp\":1";
            let span = format!("{{{id},{times},\"parent_span_id\":\"fa90fdead5f74053\"}}");
            let spans = vec![span; n / 8].join(",");
            let event = "\"type\":\"transaction\"";
            format!("{{{event},{times},\"contexts\":{{\"trace\":{{{id}}}}},\"spans\":[{spans}]}}")
        }),
        ("escapes", |n| format!("{{\"message\":\"{}\"}}", "\\u00e9\\n".repeat(n))),
    ];
    let mut group = c.benchmark_group("payload_growing");
    group.sample_size(10);
    for (shape, make) in shapes {
        for size in [12_000, 48_000, 192_000] {
            let body = make(size);
            let ingress = Ingress::new(chrono::DateTime::UNIX_EPOCH, EventId::random());
            group.throughput(Throughput::Bytes(body.len() as u64));
            group.bench_function(BenchmarkId::new(shape, size), |b| {
                b.iter(|| full(black_box(body.as_bytes()), &ingress));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, payloads, growing);
criterion_main!(benches);
