//! What holds for any event.

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::prelude::*;
use relay_pipeline::normalize::{GeoLookup, Lookups, Place, Settings, UserAgent, UserAgents};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::normalize::{RECEIVED, ingress, normalized_text, transaction_with};

/// Texts that steps look at, and any others.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c/%:=&.\\\\0-9é ]{0,12}",
        // Enough to be trimmed, with something to find at the very end.
        ("[a-c/:=%.]{1,9}", 10..1000usize, "[\n0-9/=?#]{0,3}")
            .prop_map(|(part, times, end)| part.repeat(times) + &end),
        prop::sample::select(vec![
            "",
            "{{auto}}",
            "192.0.2.1",
            "?",
            "javascript",
            "java",
            "transaction",
            "url",
            "latest",
            "none",
            "iPhone",
            "http://u@x:80/%a?b=c#d",
            "/users/12/x",
            "a=b; c=d",
            "{\"a\":\"1\"}",
            "\"\\\"1\\\"\"",
            "a=b&c",
            "%s {}",
            "Error: x",
            "Linux",
            "Windows 10 (10.0.19044)",
            ".NET Framework 4.8",
            "{0}",
            "%(a)s",
            "get",
            "0x1",
            "4c79f60c11214eb38604f4ae0781bfb2",
            "fa90fdead5f74053",
            "00000000000000000000000000000000",
            "never",
            "com.example.somewhat.lengthy.pkg.inner.deeper.even.more.levels.MyClassName",
            "sentry.javascript.browser",
        ])
        .prop_map(str::to_owned),
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => text().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => (-3i64..300).prop_map(Value::from),
        1 => (-10.0..10.0f64).prop_map(|offset| Value::from(RECEIVED + offset)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((key(), inner), 0..4).prop_map(|keys| Value::from(Map::from_iter(keys))),
        ]
    })
}

/// What does not fit into any bag: too long, too deep, or both, and as text.
fn large() -> impl Strategy<Value = Value> {
    prop_oneof![
        ("[a-zé日]", 80..120usize, 20..200usize)
            .prop_map(|(text, length, count)| json!(vec![text.repeat(length); count])),
        (1..12usize, value()).prop_map(|(depth, value)| {
            (0..depth).fold(value, |value, level| json!({"k": value, "level": level}))
        }),
        (1..12usize, text()).prop_map(|(depth, text)| {
            let deep = (0..depth).fold(json!(text), |value, _| json!([value, "x"]));
            json!(deep.to_string())
        }),
        vec((key(), text()), 0..40)
            .prop_map(|all| all.into_iter().map(|(key, text)| (key, json!(text))).collect()),
    ]
}

/// Every key that some step looks at.
fn key() -> impl Strategy<Value = String> {
    let keys = "id username email ip_address data name version build raw_description type value module stacktrace frames \
        filename abs_path function symbol pre_context post_context context_line mechanism meta errno signal number code \
        help_link message formatted params url method headers cookies query_string fragment env REMOTE_ADDR \
        inferred_content_type source timestamp start_timestamp span_id trace_id parent_span_id op status level category \
        browser os device runtime trace response reprocessing replay family model settings infer_ip images values lcp \
        frames_total frames_slow app.start.cold app_start_warm stall_total_time unit geo city release environment dist user \
        server_name device.class integrations sdk_info sdk_name";
    let keys: Vec<&str> = keys.split_whitespace().collect();
    prop_oneof![6 => prop::sample::select(keys).prop_map(str::to_owned), 1 => "[a-b]{1,2}"]
}

/// What relays before this one may have done.
fn meta() -> impl Strategy<Value = Value> {
    let keys = [
        "user",
        "email",
        "ip_address",
        "release",
        "transaction",
        "logger",
        "timestamp",
        "tags",
        "0",
        "1",
        "extra",
    ];
    let record = prop::sample::select(vec![
        json!({"": {"rem": [["@email", "s", 0, 3]], "len": 40}}),
        json!({"": {"rem": [["@ip", "x"]]}}),
        json!({"": {"rem": [["!limit", "s", 197, 200]], "len": 300}}),
        json!({"": {"err": ["invalid_data"], "val": "x"}}),
    ]);
    vec((vec(prop::sample::select(keys.to_vec()), 1..3), record), 0..4).prop_map(|records| {
        let records = records.into_iter().map(|(path, record)| {
            path[1..].iter().rev().fold((path[0].to_owned(), record), |(first, record), key| {
                (first, json!({ *key: record }))
            })
        });
        records.collect()
    })
}

fn fields(keys: &'static [&'static str]) -> impl Strategy<Value = Value> {
    vec((prop::sample::select(keys), value()), 0..5)
        .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// An event of which most parts have about the right form.
fn event() -> impl Strategy<Value = Value> {
    let pairs = || vec((text(), text()).prop_map(|(key, value)| json!([key, value])), 0..5);
    let frame = fields(&[
        "filename",
        "abs_path",
        "function",
        "symbol",
        "pre_context",
        "post_context",
        "context_line",
    ]);
    let mechanism = fields(&["type", "help_link", "handled", "meta"]);
    let exception = (fields(&["type", "value", "module"]), vec(frame, 0..3), mechanism).prop_map(
        |(mut exception, frames, mechanism)| {
            exception["stacktrace"] = json!({"frames": frames});
            exception["mechanism"] = mechanism;
            exception
        },
    );
    let parts: Vec<(&'static str, BoxedStrategy<Value>)> = vec![
        ("exception", vec(exception, 0..3).prop_map(Value::from).boxed()),
        ("tags", pairs().prop_map(Value::from).boxed()),
        ("user", fields(&["id", "username", "email", "ip_address", "plan", "data", "geo"]).boxed()),
        ("logentry", fields(&["message", "formatted", "params"]).boxed()),
        (
            "request",
            (
                fields(&["url", "method", "data", "env", "fragment", "query_string", "cookies"]),
                prop::option::of(large()),
                pairs(),
            )
                .prop_map(|(mut request, data, mut headers)| {
                    if let Some(data) = data {
                        request["data"] = data;
                    }
                    headers.push(json!(["Cookie", "a=b; c"]));
                    headers.push(json!(["User-Agent", "Windows"]));
                    request["headers"] = headers.into();
                    request
                })
                .boxed(),
        ),
        (
            "contexts",
            vec(
                (
                    prop::sample::select(vec![
                        "os",
                        "device",
                        "runtime",
                        "browser",
                        "trace",
                        "response",
                        "reprocessing",
                        "x",
                    ]),
                    fields(&[
                        "name",
                        "version",
                        "build",
                        "raw_description",
                        "family",
                        "model",
                        "data",
                        "trace_id",
                        "span_id",
                    ]),
                ),
                0..4,
            )
            .prop_map(|contexts| {
                contexts.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            })
            .boxed(),
        ),
        (
            "breadcrumbs",
            vec(fields(&["type", "level", "timestamp", "message", "data"]), 0..3)
                .prop_map(Value::from)
                .boxed(),
        ),
        (
            "measurements",
            vec((key(), (-3.0..200_000.0f64)), 0..6)
                .prop_map(|all| {
                    all.into_iter().map(|(key, value)| (key, json!({"value": value}))).collect()
                })
                .boxed(),
        ),
        (
            "spans",
            vec(fields(&["op", "status", "description"]), 0..4).prop_map(Value::from).boxed(),
        ),
        (
            "extra",
            vec((key(), large()), 0..4).prop_map(Map::from_iter).prop_map(Value::from).boxed(),
        ),
        (
            "threads",
            vec((fields(&["id", "name", "crashed"]), large()), 0..3)
                .prop_map(|threads| {
                    let thread = |(mut thread, vars): (Value, Value)| {
                        thread["stacktrace"] = json!({"frames": [{"function": "f", "vars": vars}]});
                        thread
                    };
                    threads.into_iter().map(thread).collect()
                })
                .boxed(),
        ),
        (
            "debug_meta",
            vec(fields(&["name", "uuid", "code_file", "debug_id", "image_addr"]), 0..3)
                .prop_map(|images| {
                    let typed = |(mut image, ty): (Value, &str)| {
                        image["type"] = ty.into();
                        image
                    };
                    let types = ["apple", "elf", "x"];
                    json!({"images": images.into_iter().zip(types).map(typed).collect::<Value>()})
                })
                .boxed(),
        ),
        ("_meta", meta().boxed()),
        ("sdk", fields(&["name", "version", "settings", "integrations"]).boxed()),
    ];
    let texts = fields(&[
        "release",
        "environment",
        "dist",
        "platform",
        "logger",
        "level",
        "transaction",
        "server_name",
        "site",
        "type",
        "timestamp",
        "event_id",
        "stacktrace",
        "csp",
        "transaction_info",
        "time_spent",
        "threads",
        "modules",
    ]);
    let parts: Vec<_> = parts
        .into_iter()
        .map(|(key, part)| {
            prop::option::of(part).prop_map(move |part| part.map(|part| (key, part)))
        })
        .collect();
    (texts, parts).prop_map(|(mut event, parts)| {
        for (key, part) in parts.into_iter().flatten() {
            event[key] = part;
        }
        event
    })
}

struct Echo;

impl UserAgents for Echo {
    fn parse(&self, user_agent: &str) -> UserAgent {
        let text = Some(user_agent.to_owned());
        UserAgent { browser: text.clone(), os: text.clone(), device: text, ..UserAgent::default() }
    }
}

impl GeoLookup for Echo {
    fn lookup(&self, address: IpAddr) -> Option<Place> {
        let city = Some(address.to_string());
        Some(Place { city, ..Place::default() })
    }
}

fn settings() -> Settings {
    let mut settings: Settings = serde_json::from_value(json!({
        "txNameRules": [{"pattern": "/*/**", "expiry": "2030-01-01T00:00:00Z"}],
        "measurements": {"builtinMeasurements": [{"name": "lcp", "unit": "millisecond"}], "maxCustomMeasurements": 3},
        "breakdownsV2": {"span_ops": {"type": "spanOperations", "matches": ["a", "http"]}},
        "performanceScore": {"profiles": [
            {"condition": {"op": "eq", "name": "event.platform", "value": "javascript"}, "scoreComponents": [
                {"measurement": "lcp", "weight": 1, "p10": 1, "p50": 2},
            ]},
        ]},
    }))
    .expect("these are settings");
    settings.exclusive_times = true;
    settings
}

/// Whether a second time changes nothing.
fn settles(event: &Value, drifts: bool) -> Result<(), TestCaseError> {
    let mut lookups = Lookups::default();
    lookups.user_agents = Some(&Echo);
    lookups.geo = Some(&Echo);
    let mut ingress = ingress();
    ingress.sent_at = drifts.then(|| ingress.received_at - std::time::Duration::from_secs(7200));
    ingress.replay_id = drifts.then_some(Uuid::from_u128(7));
    ingress.client_sample_rate = drifts.then_some(0.25);
    ingress.client_ip = Some("192.0.2.7".parse().expect("an address"));
    ingress.client = Some("test/1");
    ingress.project_id = Some(1);
    let settings = settings();
    let Ok(once) = normalized_text(&event.to_string(), &ingress, &settings, &lookups) else {
        return Ok(());
    };
    let twice = normalized_text(&once, &ingress, &settings, &lookups);
    prop_assert_eq!(twice, Ok(once));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn normalising_an_event_twice_changes_nothing(event in event(), drifts: bool) {
        settles(&event, drifts)?;
    }

    #[test]
    fn normalising_a_transaction_twice_changes_nothing(
        changes in event(),
        times in vec((-2.0..2.0f64, 0.0..2.0f64), 4),
    ) {
        let mut event = transaction_with(changes);
        event["type"] = json!("transaction");
        event["timestamp"] = json!(RECEIVED);
        let trace = json!({"trace_id": "4c79f60c11214eb38604f4ae0781bfb2", "span_id": "fa90fdead5f74053"});
        if event["contexts"].is_object() {
            event["contexts"]["trace"] = trace;
        }
        if let Some(spans) = event["spans"].as_array_mut() {
            for (index, (span, (start, length))) in spans.iter_mut().zip(times).enumerate() {
                span["trace_id"] = json!("4c79f60c11214eb38604f4ae0781bfb2");
                span["span_id"] = json!(format!("{:016x}", index + 1));
                span["parent_span_id"] = json!(format!("{index:016x}"));
                span["start_timestamp"] = json!(RECEIVED + start);
                span["timestamp"] = json!(RECEIVED + start + length);
            }
        }
        settles(&event, false)?;
    }
}
