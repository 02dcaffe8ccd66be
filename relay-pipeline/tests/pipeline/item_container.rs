//! Containers of logs, spans and metrics: spec/schema.md 13, spec/processing.md 11.5 to 11.8.

use std::time::Duration;

use relay_envelope::{Item, ItemType};
use relay_pipeline::{ContainerKind, Discarded, Inference, ItemContainer, ItemLimits};
use relay_protocol::InvalidReason;
use serde_json::{Value, json};

const TRACE: &str = "4c79f60c11214eb38604f4ae0781bfb2";
const NOW: f64 = 1_700_000_000.0;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn item(kind: ContainerKind, body: &str, count: u32) -> Item {
    let ty = match kind {
        ContainerKind::Logs => ItemType::Log,
        ContainerKind::Spans => ItemType::Span,
        ContainerKind::TraceMetrics => ItemType::TraceMetric,
    };
    let mut item = Item::new(ty, body.to_owned());
    item.set_content_type(kind.content_type());
    item.set_item_count(count);
    item
}

fn of(kind: ContainerKind, elements: &[Value]) -> Item {
    item(kind, &json!({ "items": elements }).to_string(), elements.len() as u32)
}

fn open(item: &Item) -> ItemContainer<'_> {
    let kind = ContainerKind::of(item).expect("it is a container");
    ItemContainer::open(kind, item).expect("it can be opened")
}

fn items(container: &ItemContainer<'_>) -> Value {
    let written: Value = serde_json::from_str(&container.to_json()).expect("it is JSON");
    assert_eq!(written["version"], 2);
    assert_eq!(written.as_object().map(|keys| keys.len()), Some(2));
    written["items"].clone()
}

fn reasons(discarded: &[Discarded]) -> Vec<&str> {
    discarded.iter().map(|it| it.reason.as_str()).collect()
}

fn log(body: &str) -> Value {
    json!({"timestamp": NOW, "trace_id": TRACE, "level": "info", "body": body})
}

fn span(id: u64) -> Value {
    json!({
        "trace_id": TRACE, "span_id": format!("{id:016x}"), "name": "n", "status": "ok",
        "start_timestamp": NOW - 1.0, "end_timestamp": NOW,
    })
}

fn metric(name: &str) -> Value {
    json!({"timestamp": NOW, "trace_id": TRACE, "name": name, "type": "counter", "value": 1.0})
}

fn with(mut value: Value, key: &str, to: Value) -> Value {
    value[key] = to;
    value
}

fn without(mut value: Value, key: &str) -> Value {
    value.as_object_mut().expect("an object").remove(key);
    value
}

#[test]
fn a_container_is_what_its_item_says_or_nothing() {
    use InvalidReason::{InvalidJson, RequestTooLarge};
    let body = json!({"items": [log("a")]}).to_string();
    let reason = |item: &Item| ItemContainer::open(ContainerKind::Logs, item).err();
    assert_eq!(reason(&item(ContainerKind::Logs, &body, 1)), None);
    assert_eq!(reason(&item(ContainerKind::Logs, &body, 2)), Some(InvalidJson));
    assert_eq!(reason(&item(ContainerKind::Logs, &body, 0)), Some(InvalidJson));
    assert_eq!(reason(&item(ContainerKind::Spans, &body, 1)), Some(InvalidJson));
    let mut without_type = Item::new(ItemType::Log, body.clone());
    without_type.set_item_count(1);
    assert_eq!(reason(&without_type), Some(InvalidJson));
    let mut without_count = Item::new(ItemType::Log, body);
    without_count.set_content_type(ContainerKind::Logs.content_type());
    assert_eq!(reason(&without_count), Some(InvalidJson));
    for broken in ["", "[]", "{}", "{\"items\":{}}", "{\"items\":null}", "{\"items\":[1}"] {
        assert_eq!(reason(&item(ContainerKind::Logs, broken, 1)), Some(InvalidJson), "{broken}");
    }
    let many = format!("{{\"items\":[{}0]}}", "0,".repeat(1_000_000));
    assert_eq!(reason(&item(ContainerKind::Logs, &many, 1_000_001)), Some(RequestTooLarge));
}

#[test]
fn a_span_without_the_type_of_a_container_is_no_container() {
    let mut item = Item::new(ItemType::Span, "{}");
    assert_eq!(ContainerKind::of(&item), None);
    item.set_content_type("application/vnd.sentry.items.span.v2+json");
    assert_eq!(ContainerKind::of(&item), Some(ContainerKind::Spans));
    assert_eq!(ContainerKind::of(&Item::new(ItemType::Event, "{}")), None);
}

#[test]
fn the_version_says_what_may_be_inferred() {
    let auto = json!({"infer_ip": "auto", "infer_user_agent": "auto"});
    let nothing = Inference::default();
    let user_agent = Inference { user_agent: true, address: false };
    let all = Inference { user_agent: true, address: true };
    let with = |kind, version: Value, settings: &Value| {
        let body = json!({"version": version, "ingest_settings": settings, "items": []});
        open(&item(kind, &body.to_string(), 0)).inference()
    };
    for (version, of_logs, of_spans) in [
        (Value::Null, user_agent, nothing),
        (json!(0), nothing, nothing),
        (json!(1), user_agent, nothing),
        (json!(2), all, all),
        (json!(3), nothing, nothing),
        (json!("2"), nothing, nothing),
        (json!(-1), nothing, nothing),
    ] {
        assert_eq!(with(ContainerKind::Logs, version.clone(), &auto), of_logs, "{version}");
        assert_eq!(with(ContainerKind::Spans, version.clone(), &auto), of_spans, "{version}");
        assert_eq!(
            with(ContainerKind::TraceMetrics, version.clone(), &auto),
            of_spans,
            "{version}"
        );
    }
    for settings in [json!(null), json!(7), json!({"infer_ip": "AUTO", "infer_user_agent": 1})] {
        assert_eq!(with(ContainerKind::Logs, json!(2), &settings), nothing, "{settings}");
    }
    assert_eq!(
        with(
            ContainerKind::Spans,
            json!(2),
            &json!({"infer_ip": "auto", "infer_user_agent": "never"})
        ),
        Inference { address: true, user_agent: false },
    );
}

#[test]
fn elements_are_checked_each_with_a_meta_of_its_own() {
    let body = json!({
        "mine": 1, "_meta": {"mine": {"": {"len": 1}}},
        "items": [
            with(log("a"), "attributes", json!({"a": {"type": "integer", "value": "1"}})),
            with(with(log("b"), "other", json!([1])), "_meta", json!({"body": {"": {"len": 9}}})),
        ],
    });
    let item = item(ContainerKind::Logs, &body.to_string(), 2);
    let mut container = open(&item);
    assert_eq!(container.discard_invalid(), []);
    let items = items(&container);
    assert_eq!(items[0]["attributes"]["a"], Value::Null);
    assert_eq!(
        items[0]["_meta"]["attributes"]["a"][""],
        json!({"err": ["invalid_data"], "val": {"type": "integer", "value": "1"}})
    );
    assert_eq!(items[1]["other"], json!([1]));
    assert_eq!(items[1]["_meta"], json!({"body": {"": {"len": 9}}}));
}

#[test]
fn elements_that_lack_something_go_with_a_reason_and_the_others_stay() {
    for key in ["timestamp", "trace_id", "level", "body"] {
        let item = of(ContainerKind::Logs, &[log("a"), without(log("b"), key), log("c")]);
        let mut container = open(&item);
        assert_eq!(reasons(&container.discard_invalid()), ["no_data"], "{key}");
        assert_eq!(items(&container).as_array().map(Vec::len), Some(2));
    }
    let item =
        of(ContainerKind::Logs, &[json!(1), json!(null), with(log("x"), "trace_id", json!("x"))]);
    let mut container = open(&item);
    let discarded = container.discard_invalid();
    assert_eq!(reasons(&discarded), ["no_data", "no_data", "no_data"]);
    assert!(container.is_empty());
    // One byte at least counts for each.
    for discarded in &discarded {
        assert_eq!(discarded.quantities.as_slice().iter().map(|(_, n)| *n).max(), Some(1));
    }
}

#[test]
fn spans_have_ids_of_their_own_and_end_after_they_begin() {
    let elements = [
        span(1),
        without(span(2), "span_id"),
        with(span(3), "span_id", json!("0000000000000000")),
        without(span(4), "name"),
        with(span(5), "end_timestamp", json!(NOW - 2.0)),
        with(span(6), "attributes", json!({"sentry.segment.id": {"type": "string", "value": "x"}})),
        with(
            span(7),
            "attributes",
            json!({"sentry.segment.id": {"type": "string", "value": "fa90fdead5f74053"}}),
        ),
        with(span(1), "name", json!("later")),
        // What is refused takes nobody's place.
        without(span(7), "status"),
    ];
    let item = of(ContainerKind::Spans, &elements);
    let mut container = open(&item);
    assert_eq!(
        reasons(&container.discard_invalid()),
        [
            "duplicate",
            "invalid_span",
            "invalid_span",
            "no_data",
            "timestamp",
            "invalid_span",
            "no_data"
        ]
    );
    let items = items(&container);
    assert_eq!(items[0]["span_id"], "0000000000000007");
    assert_eq!(items[1]["name"], "later");
}

#[test]
fn names_of_metrics_become_valid_and_types_are_known() {
    let item = of(
        ContainerKind::TraceMetrics,
        &[
            metric("a b-/c.d_e"),
            metric(" "),
            metric("é"),
            with(metric("x"), "type", json!("set")),
            with(metric("x"), "value", json!("1")),
        ],
    );
    let mut container = open(&item);
    assert_eq!(
        reasons(&container.discard_invalid()),
        ["invalid_trace_metric", "invalid_trace_metric", "no_data"]
    );
    let items = items(&container);
    assert_eq!((&items[0]["name"], &items[1]["name"]), (&json!("a_b_c.d_e"), &json!("_")));
}

#[test]
fn sizes_are_those_of_text_and_attributes_and_bounded() {
    let attributes = json!({
        "text": {"type": "string", "value": "é"}, "flag": {"type": "boolean", "value": true},
        "n": {"type": "integer", "value": 100_000}, "list": {"type": "array", "value": [1, 2, null]},
    });
    let large = with(log("x"), "body", json!("x".repeat(2 << 20)));
    let claims = with(log("small"), "__header", json!({"byte_size": 7_000_000, "mine": 1}));
    let elements = [with(log("body"), "attributes", attributes), log(""), large, claims];
    let item = of(ContainerKind::Logs, &elements);
    let limits = ItemLimits::default();

    let mut container = open(&item);
    assert_eq!(container.measure(false, &limits), []);
    let sizes: Vec<_> = items(&container)
        .as_array()
        .expect("a list")
        .iter()
        .map(|log| log["__header"]["byte_size"].clone())
        .collect();
    // 4; 4 + 2, 4 + 1, 1 + 8, 4 + 16
    assert_eq!(sizes, [json!(44), json!(1), json!(2 << 20), json!(5)]);
    assert_eq!(items(&container)[3]["__header"]["mine"], 1);

    let mut container = open(&item);
    let discarded = container.measure(true, &limits);
    assert_eq!(reasons(&discarded), ["too_large:log"]);
    assert_eq!(discarded[0].quantities.as_slice()[1].1, 7_000_000);

    let limits = ItemLimits { max_log_size: (2 << 20) - 1, ..ItemLimits::default() };
    assert_eq!(reasons(&open(&item).measure(false, &limits)), ["too_large:log"]);
    let item = of(ContainerKind::Spans, &[span(1)]);
    let mut container = open(&item);
    assert_eq!(container.measure(false, &limits), []);
    assert_eq!(items(&container)[0].get("__header"), None);
}

#[test]
fn wrong_clocks_and_times_to_come_are_corrected_and_old_elements_go() {
    let received = "2023-11-14T22:13:20Z".parse().expect("a time");
    let elements = [
        span(1),
        with(
            with(span(2), "start_timestamp", json!(NOW + 100.0)),
            "end_timestamp",
            json!(NOW + 101.5),
        ),
        with(span(3), "start_timestamp", json!(NOW - 90.0 * 86_400.0 - 1.0)),
    ];
    let item = of(ContainerKind::Spans, &elements);
    let mut container = open(&item);
    let discarded = container.correct_times(None, received, 90 * DAY);
    assert_eq!(reasons(&discarded), ["timestamp"]);
    let items_now = items(&container);
    assert_eq!(items_now[0], elements[0]);
    assert_eq!(items_now[1]["start_timestamp"], NOW);
    assert_eq!(items_now[1]["end_timestamp"], NOW + 1.5);
    assert_eq!(
        items_now[1]["_meta"]["start_timestamp"][""]["err"],
        json!([["future_timestamp", {"sdk_time": "2023-11-14T22:15:00+00:00", "server_time": "2023-11-14T22:13:20+00:00"}]])
    );

    let mut container = open(&item);
    let sent = "2023-11-14T21:13:20Z".parse().ok();
    let discarded = container.correct_times(sent, received, 90 * DAY);
    assert_eq!(reasons(&discarded), [""; 0], "an hour later it is young enough");
    let items = items(&container);
    assert_eq!(items[0]["end_timestamp"], NOW + 3600.0 - 3599.0);
    assert_eq!(items[0]["_meta"]["start_timestamp"][""]["err"][0][0], "clock_drift");
}

#[test]
fn addresses_are_filled_in_where_the_sender_wants_it() {
    let received = "2023-11-14T22:13:20.5Z".parse().expect("a time");
    let client = "192.0.2.7".parse().ok();
    let auto = json!({"client.address": {"type": "string", "value": "{{auto}}"}});
    let own = json!({"client.address": {"type": "string", "value": "192.0.2.1"}, "db.statement": {"type": "string", "value": "x"}});
    let elements =
        [with(log("a"), "attributes", auto), with(log("b"), "attributes", own), log("c")];
    let found = |version: Value, client| {
        let body =
            json!({"version": version, "ingest_settings": {"infer_ip": "auto"}, "items": elements});
        let item = item(ContainerKind::Logs, &body.to_string(), 3);
        let mut container = open(&item);
        container.normalize_attributes(received, client);
        let items = items(&container);
        for log in items.as_array().expect("a list") {
            assert_eq!(
                log["attributes"]["sentry.observed_timestamp_nanos"],
                json!({"type": "string", "value": "1700000000500000000"})
            );
        }
        assert_eq!(items[1]["attributes"]["db.query.text"]["value"], "x");
        [0, 1, 2].map(|n| items[n]["attributes"]["client.address"]["value"].clone())
    };
    let none = Value::Null;
    assert_eq!(
        found(json!(2), client),
        [json!("192.0.2.7"), json!("192.0.2.1"), json!("192.0.2.7")]
    );
    assert_eq!(found(json!(1), client), [json!("192.0.2.7"), json!("192.0.2.1"), none.clone()]);
    assert_eq!(found(json!(0), client), [json!("192.0.2.7"), json!("192.0.2.1"), none.clone()]);
    assert_eq!(found(json!(2), None), [none.clone(), json!("192.0.2.1"), none]);
}
