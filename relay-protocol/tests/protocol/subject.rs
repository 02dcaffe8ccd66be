//! The fields that conditions can ask for, by the names of spec/processing.md 8.2.

use relay_protocol::payload::{NodeRef, Payload};
use relay_protocol::{
    EventSubject, Field, LogSubject, ReplaySubject, SessionSubject, SpanSubject, SpanV2Subject,
    Subject, TraceMetricSubject,
};
use serde_json::{Value, json};

/// What a subject says to a name, as JSON.
fn field(subject: &dyn Subject, name: &str) -> Value {
    match subject.field(name) {
        None => Value::Null,
        Some(Field::Text(text)) => json!(text),
        Some(Field::Bool(value)) => json!(value),
        Some(Field::Number(number)) => json!(number),
        Some(Field::Uuid(uuid)) => json!(format!("uuid {uuid}")),
        Some(Field::SpanId(id)) => json!(format!("span {id}")),
        Some(Field::Ip(address)) => json!(format!("ip {address}")),
    }
}

fn expect(
    value: &Value,
    subject: for<'t> fn(NodeRef<'t>) -> Box<dyn Subject + 't>,
    fields: &[(&str, Value)],
) {
    let json = value.to_string();
    let payload = Payload::parse(json.as_bytes()).expect("this is JSON");
    let subject = subject(payload.node(payload.root()));
    for (name, expected) in fields {
        assert_eq!(&field(&*subject, name), expected, "{name}");
    }
}

fn event() -> Value {
    json!({
        "type": "transaction", "level": "info", "release": "app@1.2.3-rc.1", "dist": "d", "environment": "prod",
        "transaction": "/a", "logger": "l", "start_timestamp": 10.5, "timestamp": 11,
        "logentry": {"formatted": "f", "message": "m"},
        "user": {
            "id": "", "email": "a@b.co", "ip_address": "192.0.2.1", "name": "n", "segment": "s",
            "sentry_user": "email:a@b.co", "geo": {"city": "Graz", "country_code": "AT"},
        },
        "request": {"method": "GET", "url": "http://x", "headers": [["X-Foo", "bar"], ["x"]]},
        "transaction_info": {"source": "url"},
        "sdk": {"name": "sdk", "version": "1"},
        "contexts": {
            "app": {"in_foreground": true},
            "device": {"battery_level": 50, "family": "Pixel", "serial": "secret"},
            "os": {"os": "Linux 5", "name": "Linux", "rooted": false},
            "browser": {"browser": "Chrome 1", "version": "1"},
            "runtime": {"runtime": "CPython 3", "name": "CPython"},
            "trace": {"op": "http", "status": "ok"},
            "response": {"status_code": 404},
            "unreal": {"crash_type": "GPU"},
        },
        "measurements": {"lcp": {"value": 3.5}, "ttfb.requesttime": {"value": 1}},
        "breakdowns": {"span_ops": {"ops.http": {"value": 7}}},
        "extra": {"a": {"b": "c"}, "n": null},
        "tags": [["k.1", "v"], ["k.1", "w"], null],
    })
}

#[test]
fn events_answer_to_all_names() {
    let fields = [
        ("event.level", json!("info")),
        ("event.release", json!("app@1.2.3-rc.1")),
        ("event.release.package", json!("app")),
        ("event.release.version.short", json!("1.2.3")),
        ("event.release.build", json!(null)),
        ("event.dist", json!("d")),
        ("event.environment", json!("prod")),
        ("event.transaction", json!("/a")),
        ("event.transaction.source", json!("url")),
        ("event.logger", json!("l")),
        ("event.platform", json!("other")),
        ("event.duration", json!(500.0)),
        ("event.logentry.formatted", json!("f")),
        ("event.logentry.message", json!("m")),
        ("event.user.id", json!(null)),
        ("event.user.email", json!("a@b.co")),
        ("event.user.ip_address", json!("192.0.2.1")),
        ("event.user.name", json!("n")),
        ("event.user.segment", json!("s")),
        ("event.user.geo.city", json!("Graz")),
        ("event.user.geo.country_code", json!("AT")),
        ("event.user.geo.region", json!(null)),
        ("event.sentry_user", json!("email:a@b.co")),
        ("event.request.method", json!("GET")),
        ("event.request.url", json!("http://x")),
        ("event.request.headers.x-foo", json!("bar")),
        ("event.request.headers.X-Bar", json!(null)),
        ("event.sdk.name", json!("sdk")),
        ("event.sdk.version", json!("1")),
        ("event.contexts.app.in_foreground", json!(true)),
        ("event.contexts.device.battery_level", json!(50.0)),
        ("event.contexts.device.family", json!("Pixel")),
        ("event.contexts.device.serial", json!(null)),
        ("event.contexts.os", json!("Linux 5")),
        ("event.contexts.os.rooted", json!(false)),
        ("event.contexts.browser", json!("Chrome 1")),
        ("event.contexts.browser.version", json!("1")),
        ("event.contexts.runtime", json!("CPython 3")),
        ("event.contexts.runtime.name", json!("CPython")),
        ("event.contexts.trace.op", json!("http")),
        ("event.contexts.trace.status", json!("ok")),
        ("event.contexts.response.status_code", json!(404.0)),
        ("event.contexts.unreal.crash_type", json!("GPU")),
        ("event.contexts.gpu.name", json!(null)),
        ("event.measurements.lcp.value", json!(3.5)),
        ("event.measurements.ttfb.requesttime.value", json!(1.0)),
        ("event.measurements.lcp", json!(null)),
        ("event.breakdowns.span_ops.ops.http", json!(7.0)),
        ("event.extra.a.b", json!("c")),
        ("event.extra.a", json!(null)),
        ("event.extra.n", json!(null)),
        ("event.tags.k.1", json!("v")),
        ("event.tags.other", json!(null)),
        ("event.nonsense", json!(null)),
        ("level", json!(null)),
        ("", json!(null)),
    ];
    expect(&event(), |node| Box::new(EventSubject::new(node)), &fields);
}

#[test]
fn only_transactions_have_a_duration() {
    let mut event = event();
    event["type"] = json!("error");
    expect(&event, |node| Box::new(EventSubject::new(node)), &[("event.duration", json!(null))]);
}

#[test]
fn replays_answer_to_some_names_of_events() {
    let fields = [
        ("event.release", json!("app@1.2.3-rc.1")),
        ("event.user.email", json!("a@b.co")),
        ("event.request.headers.X-Foo", json!("bar")),
        ("event.contexts.os.name", json!("Linux")),
        ("event.transaction", json!(null)),
        ("event.tags.k.1", json!(null)),
    ];
    expect(&event(), |node| Box::new(ReplaySubject::new(node)), &fields);
}

#[test]
fn spans_of_transactions_answer_by_their_fields() {
    let span = json!({
        "trace_id": "4C79F60C11214EB38604F4AE0781BFB2", "span_id": "fa90fdead5f74053", "op": "db", "description": "d",
        "status": "ok", "exclusive_time": 2, "is_segment": true, "origin": "auto", "start_timestamp": 1, "timestamp": 1.25,
        "tags": {"a.b": "t"}, "data": {"db.system": "pg", "sentry.release": "r", "browser.name": "Chrome"},
        "sentry_tags": {"user.id": "u"}, "measurements": {"m": {"value": 1}},
    });
    let fields = [
        ("span.trace_id", json!("uuid 4c79f60c-1121-4eb3-8604-f4ae0781bfb2")),
        ("span.span_id", json!("span fa90fdead5f74053")),
        ("span.parent_span_id", json!(null)),
        ("span.op", json!("db")),
        ("span.description", json!("d")),
        ("span.status", json!("ok")),
        ("span.exclusive_time", json!(2.0)),
        ("span.is_segment", json!(true)),
        ("span.was_transaction", json!(null)),
        ("span.origin", json!("auto")),
        ("span.duration", json!(250.0)),
        ("span.tags.a.b", json!("t")),
        ("span.data.db.system", json!("pg")),
        ("span.sentry_tags.user.id", json!("u")),
        ("span.measurements.m.value", json!(1.0)),
        ("event.release", json!("r")),
        ("event.environment", json!(null)),
        ("event.contexts.browser.name", json!("Chrome")),
        ("span.name", json!(null)),
    ];
    expect(&span, |node| Box::new(SpanSubject::new(node)), &fields);
}

#[test]
fn items_of_containers_answer_by_their_attributes() {
    let item = json!({
        "name": "n", "status": "ok", "body": "b",
        "attributes": {"a.b": {"type": "integer", "value": 7}},
    });
    let seven = json!(7.0);
    expect(
        &item,
        |node| Box::new(SpanV2Subject::new(node)),
        &[
            ("span.name", json!("n")),
            ("span.status", json!("ok")),
            ("span.attributes.a.b.value", seven.clone()),
            ("span.attributes.a.b", json!(null)),
            ("span.body", json!(null)),
        ],
    );
    expect(
        &item,
        |node| Box::new(LogSubject::new(node)),
        &[
            ("log.body", json!("b")),
            ("log.attributes.a.b.value", seven.clone()),
            ("span.name", json!(null)),
        ],
    );
    expect(
        &item,
        |node| Box::new(TraceMetricSubject::new(node)),
        &[("trace_metric.name", json!("n")), ("trace_metric.attributes.a.b.value", seven)],
    );
}

#[test]
fn sessions_answer_by_their_attributes() {
    let session = json!({"attrs": {"release": "r", "environment": "e"}, "release": "x"});
    expect(
        &session,
        |node| Box::new(SessionSubject::new(node)),
        &[
            ("event.release", json!("r")),
            ("event.environment", json!("e")),
            ("event.status", json!(null)),
        ],
    );
}
