//! Every limit on what a request brings, in two tables (`spec/ingest.md` 7): what is just within it is accepted and arrives
//! upstream as it was sent, what is just over it is refused as it says there, or left out, and accounted for.

use std::fmt;

use relay_server::Config;

use crate::support::{
    Message, Relay, Reply, Request, Upstream, fresh_id, is_envelope, proxy_config,
};

/// What happens to what is over the limit.
#[derive(Debug, Clone, Copy)]
enum Over {
    /// 413, as for an item of this kind; the items are counted as `too_large`.
    Item(&'static str),
    /// The same, before there is an envelope whose items could be counted.
    Unread(&'static str),
    /// 413 in text: while the body is read.
    Body,
    /// 413 in text: by the length that is announced.
    Announced,
    /// 413: all parts of a form together.
    Form,
    /// 400: a part of a form, with this cause.
    Part(&'static str),
    /// 400 with this detail and this cause.
    Broken(&'static str, &'static str),
    /// 413 without a word.
    Silent,
    /// 413 with a `google.rpc.Status`.
    Otlp,
    /// So many items are accepted, the other one is left out and counted as this.
    LeftOut(u64, &'static str),
}

use Over::{Announced, Body, Broken, Form, Item, LeftOut, Otlp, Part, Silent, Unread};

/// The setting, what is within it, what is over it, and what happens then.
struct Row {
    key: &'static str,
    set: fn(&mut Config),
    within: Request,
    over: Request,
    then: Over,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {:?}", self.key, self.then)
    }
}

fn row(key: &'static str, set: fn(&mut Config), within: Request, over: Request, then: Over) -> Row {
    Row { key, set, within, over, then }
}

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// An envelope of items of a type, further fields of their headers, and a size.
fn items(items: &[(&str, &str, usize)]) -> Request {
    let mut body = b"{}\n".to_vec();
    for (ty, fields, size) in items {
        let head = format!("{{\"type\":\"{ty}\"{fields},\"length\":{size}}}\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&vec![b'x'; *size]);
        body.push(b'\n');
    }
    Request::envelope(KEY, body)
}

fn one(ty: &str, size: usize) -> Request {
    items(&[(ty, "", size)])
}

/// So many items of ten bytes.
fn many(ty: &str, count: usize) -> Request {
    items(&vec![(ty, "", 10); count])
}

fn two(first: (&str, usize), second: (&str, usize)) -> Request {
    items(&[(first.0, "", first.1), (second.0, "", second.1)])
}

/// A container of so many elements.
fn container(ty: &str, count: usize, size: usize) -> Request {
    let content_type = match ty {
        "span" => "span.v2",
        "trace_metric" => "trace-metric",
        ty => ty,
    };
    let fields = format!(
        ",\"item_count\":{count},\"content_type\":\"application/vnd.sentry.items.{content_type}+json\""
    );
    items(&[(ty, &fields, size)])
}

fn attachment(ty: &str, size: usize) -> Request {
    items(&[("attachment", &format!(",\"attachment_type\":\"{ty}\""), size)])
}

/// Each group of items (`spec/ingest.md` 7.2) at the smallest size that tells it from the others.
#[rustfmt::skip]
fn groups() -> Vec<Row> {
    let event: fn(&mut Config) = |config| config.limits.items.max_event_size = 100;
    let file: fn(&mut Config) = |config| config.limits.items.max_attachment_size = 100;
    let files: fn(&mut Config) = |config| config.limits.items.max_attachments_size = 100;
    let file_count: fn(&mut Config) = |config| config.limits.items.max_attachment_count = 2;
    let sessions: fn(&mut Config) = |config| config.limits.items.max_sessions_size = 100;
    let session_count: fn(&mut Config) = |config| config.limits.items.max_session_count = 2;
    let profile: fn(&mut Config) = |config| config.limits.items.max_profile_size = 100;
    let replay: fn(&mut Config) = |config| config.limits.items.max_replay_compressed_size = 100;
    let reports: fn(&mut Config) = |config| config.limits.items.max_client_reports_size = 100;
    let report_count: fn(&mut Config) = |config| config.limits.items.max_client_reports_count = 2;
    let check_in: fn(&mut Config) = |config| config.limits.items.max_check_in_size = 100;
    let buckets: fn(&mut Config) = |config| config.limits.items.max_metric_buckets_size = 100;
    let log: fn(&mut Config) = |config| config.limits.items.max_log_size = 100;
    let metric: fn(&mut Config) = |config| config.limits.items.max_trace_metric_size = 100;
    let span: fn(&mut Config) = |config| config.limits.items.max_span_size = 100;
    let span_count: fn(&mut Config) = |config| config.limits.items.max_standalone_span_count = 2;
    let whole: fn(&mut Config) = |config| config.limits.items.max_container_size = 100;
    let none: fn(&mut Config) = |_| {};
    vec![
        // One event of any kind.
        row("max_event_size", event, one("event", 100), one("event", 101), Item("event")),
        row("max_event_size", event, one("transaction", 100), one("transaction", 101), Item("transaction")),
        row("max_event_size", event, one("security", 100), one("security", 101), Item("security")),
        row("max_event_size", event, one("raw_security", 100), one("raw_security", 101), Item("raw_security")),
        row("max_event_size", event, one("replay_event", 100), one("replay_event", 101), Item("replay_event")),
        row("max_event_size", event, one("feedback", 100), one("feedback", 101), Item("user_report_v2")),
        row("max_event_size", event, one("form_data", 100), one("form_data", 101), Item("form_data")),
        row("one event", none, one("event", 9), two(("event", 9), ("event", 9)), Item("event")),
        row("one event", none, one("event", 9), two(("event", 9), ("transaction", 9)), Item("transaction")),
        row("one event", none, one("event", 9), two(("event", 9), ("security", 9)), Item("security")),
        row("one event", none, one("event", 9), two(("event", 9), ("raw_security", 9)), Item("raw_security")),
        row("one event", none, one("event", 9), two(("event", 9), ("replay_event", 9)), Item("replay_event")),
        row("one event", none, one("event", 9), two(("event", 9), ("feedback", 9)), Item("user_report_v2")),
        row("one event", none, one("event", 9), two(("event", 9), ("form_data", 9)), Item("form_data")),
        // Files.
        row("max_attachment_size", file, one("attachment", 100), one("attachment", 101), Item("attachment:attachment")),
        row("max_attachment_size", file, one("unreal_report", 100), one("unreal_report", 101), Item("unreal_report")),
        row("max_attachment_size", file, one("user_report", 100), one("user_report", 101), Item("user_report")),
        row("max_attachment_size", file, attachment("event.minidump", 100), attachment("event.minidump", 101),
            Item("attachment:minidump")),
        row("max_attachment_size", file, attachment("event.applecrashreport", 100),
            attachment("event.applecrashreport", 101), Item("attachment:apple_crash_report")),
        row("max_attachment_size", file, attachment("event.view_hierarchy", 100),
            attachment("event.view_hierarchy", 101), Item("attachment:view_hierarchy")),
        row("max_attachment_size", file, attachment("event.nv_gpudmp", 100), attachment("event.nv_gpudmp", 101),
            Item("attachment:attachment")),
        row("max_attachments_size", files, two(("attachment", 60), ("user_report", 40)),
            two(("attachment", 60), ("user_report", 41)), Item("user_report")),
        row("max_attachments_size", files, two(("user_report", 60), ("attachment", 40)),
            two(("user_report", 60), ("attachment", 41)), Item("attachment:attachment")),
        row("max_attachments_size", files, two(("attachment", 60), ("unreal_report", 40)),
            two(("attachment", 60), ("unreal_report", 41)), Item("unreal_report")),
        row("max_attachment_count", file_count, many("attachment", 2), many("attachment", 3), Item("attachment:attachment")),
        row("max_attachment_count", file_count, many("user_report", 2), many("user_report", 3), Item("user_report")),
        // Sessions.
        row("max_sessions_size", sessions, one("session", 100), one("session", 101), Item("session")),
        row("max_sessions_size", sessions, one("sessions", 100), one("sessions", 101), Item("sessions")),
        row("max_sessions_size", sessions, two(("session", 60), ("sessions", 40)),
            two(("session", 60), ("sessions", 41)), Item("sessions")),
        row("max_session_count", session_count, many("session", 2), many("session", 3), Item("session")),
        row("max_session_count", session_count, many("sessions", 2), many("sessions", 3), Item("sessions")),
        // One profile of either kind.
        row("max_profile_size", profile, one("profile", 100), one("profile", 101), Item("profile")),
        row("max_profile_size", profile, one("profile_chunk", 100), one("profile_chunk", 101), Item("profile_chunk")),
        row("one profile", none, one("profile", 9), two(("profile", 9), ("profile_chunk", 9)), Item("profile_chunk")),
        // A recording and a video.
        row("max_replay_compressed_size", replay, one("replay_recording", 100), one("replay_recording", 101),
            Item("replay_recording")),
        row("max_replay_compressed_size", replay, one("replay_video", 100), one("replay_video", 101), Item("replay_video")),
        row("one recording", replay, two(("replay_recording", 100), ("replay_video", 100)), many("replay_recording", 2),
            Item("replay_recording")),
        row("one video", none, one("replay_video", 9), many("replay_video", 2), Item("replay_video")),
        // What happened at the client, and what it runs.
        row("max_client_reports_size", reports, two(("client_report", 60), ("client_report", 40)),
            two(("client_report", 60), ("client_report", 41)), Item("client_report")),
        row("max_client_reports_count", report_count, many("client_report", 2), many("client_report", 3),
            Item("client_report")),
        row("max_check_in_size", check_in, one("check_in", 100), one("check_in", 101), Item("check_in")),
        row("one check-in", none, one("check_in", 9), many("check_in", 2), Item("check_in")),
        row("max_metric_buckets_size", buckets, one("metric_buckets", 100), one("metric_buckets", 101),
            Item("metric_buckets")),
        row("one metric_buckets", none, one("metric_buckets", 9), many("metric_buckets", 2), Item("metric_buckets")),
        // Containers, by their average element; what is left of the division does not count.
        row("max_log_size", log, container("log", 2, 201), container("log", 2, 202), Item("log")),
        row("max_trace_metric_size", metric, container("trace_metric", 2, 201), container("trace_metric", 2, 202),
            Item("trace_metric")),
        row("max_span_size", span, container("span", 2, 201), container("span", 2, 202), Item("span")),
        row("max_log_size", log, container("log", 0, 100), container("log", 0, 101), Item("log")),
        row("max_container_size", whole, container("log", 9, 100), container("log", 9, 101), Item("log")),
        row("max_container_size", whole, container("trace_metric", 9, 100), container("trace_metric", 9, 101),
            Item("trace_metric")),
        row("max_container_size", whole, container("span", 9, 100), container("span", 9, 101), Item("span")),
        row("one container of logs", none, many("log", 1), many("log", 2), Item("log")),
        row("one container of metrics", none, many("trace_metric", 1), many("trace_metric", 2), Item("trace_metric")),
        // Spans outside of one.
        row("max_span_size", span, one("span", 100), one("span", 101), Item("span")),
        row("max_standalone_span_count", span_count, many("span", 2), many("span", 3), Item("span")),
        row("max_container_size", whole, two(("span", 60), ("span", 40)), two(("span", 60), ("span", 41)), Item("span")),
        // The first item that is too large refuses those of other groups as well.
        row("max_check_in_size", check_in, two(("session", 9), ("check_in", 100)),
            two(("session", 9), ("check_in", 101)), Item("check_in")),
        // Fixed.
        row("500 items", |config| config.limits.items.max_session_count = 1000, many("session", 500),
            many("session", 501), Broken("invalid event envelope", "too many individual items")),
    ]
}

fn post(path: &str, media_type: &str, body: &[u8]) -> Request {
    Request::new("POST", path).auth(KEY).header("Content-Type", media_type).body(body)
}

/// JSON of this length.
fn json(length: usize) -> Vec<u8> {
    format!("{{\"status\":\"ok\",\"message\":\"{}\"}}", "x".repeat(length - 28)).into_bytes()
}

fn store(body: impl Into<Vec<u8>>) -> Request {
    Request::store(KEY, body)
}

/// A store body as old SDKs send them: base64 of deflated JSON of this length.
fn deflated(length: usize) -> Request {
    use base64::Engine as _;
    let deflated = crate::support::encode("deflate", &json(length));
    store(base64::engine::general_purpose::STANDARD.encode(deflated))
}

fn envelope_of(length: usize) -> Request {
    let head = "{}\n{\"type\":\"thing\"}\n";
    Request::envelope(KEY, format!("{head}{}", "x".repeat(length - head.len())))
}

/// The same through the tunnel, with the sender in the envelope.
fn tunnelled(length: usize) -> Request {
    let head = format!("{{\"dsn\":\"http://{KEY}@sentry.example/42\"}}\n{{\"type\":\"thing\"}}\n");
    Request::new("POST", "/tunnel").body(format!("{head}{}", "x".repeat(length - head.len())))
}

const DUMP: &str = "upload_file_minidump";

/// The parts of a form: a name, whether it is a file, and the size.
fn form_body(parts: &[(&str, bool, usize)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, is_file, size) in parts {
        let filename = if *is_file { "; filename=\"f\"" } else { "" };
        let head =
            format!("--BOUND\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&dump(*size));
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--BOUND--\r\n");
    body
}

fn form(path: &str, body: &[u8]) -> Request {
    post(path, "multipart/form-data; boundary=BOUND", body)
}

fn dump(size: usize) -> Vec<u8> {
    b"MDMP".iter().copied().chain(std::iter::repeat(b'x')).take(size).collect()
}

fn raw_dump(body: &[u8]) -> Request {
    post("/api/42/minidump/", "application/x-dmp", body)
}

fn minidump(parts: &[(&str, bool, usize)]) -> Request {
    form("/api/42/minidump/", &form_body(parts))
}

/// A form of this length, by what stands before its first part.
fn minidump_of(length: usize) -> Request {
    let parts = form_body(&[(DUMP, true, 40)]);
    let mut body = vec![b'x'; length - parts.len() - 2];
    body.extend_from_slice(b"\r\n");
    body.extend_from_slice(&parts);
    form("/api/42/minidump/", &body)
}

fn files(parts: &[(&str, bool, usize)]) -> Request {
    form("/api/42/events/0123456789abcdef0123456789abcdef/attachments/", &form_body(parts))
}

fn unreal(size: usize) -> Request {
    Request::new("POST", &format!("/api/42/unreal/{KEY}/")).body(vec![b'x'; size])
}

fn upload(length: usize) -> Request {
    Request::new("POST", "/api/42/upload/")
        .auth(KEY)
        .header("Tus-Resumable", "1.0.0")
        .header("Upload-Length", &length.to_string())
}

fn append(length: usize) -> Request {
    Request::new("PATCH", "/api/42/upload/u/?upload_id=u&upload_length=9&upload_signature=s")
        .auth(KEY)
        .header("Tus-Resumable", "1.0.0")
        .header("Content-Type", "application/offset+octet-stream")
        .header("Upload-Offset", "0")
        .header("X-Decoded-Content-Length", &length.to_string())
        .body(vec![b'x'; length])
}

/// Each limit on a body or what is in it (`spec/ingest.md` 7.1).
#[rustfmt::skip]
fn bodies() -> Vec<Row> {
    let event: fn(&mut Config) = |config| config.limits.items.max_event_size = 100;
    let envelope: fn(&mut Config) = |config| config.limits.max_envelope_size = 100;
    let tunnel: fn(&mut Config) = |config| {
        config.limits.max_envelope_size = 200;
        config.tunnel.allow = vec!["sentry.example/*".parse().expect("a target")];
    };
    let file: fn(&mut Config) = |config| config.limits.items.max_attachment_size = 100;
    let all: fn(&mut Config) = |config| config.limits.items.max_attachments_size = 100;
    let whole: fn(&mut Config) = |config| config.limits.items.max_container_size = 100;
    let upload_size: fn(&mut Config) = |config| {
        config.limits.max_upload_size = 100;
        config.upload.forward = true;
    };
    let outer: fn(&mut Config) = |config| {
        config.limits.max_upload_size = 360;
        config.limits.items.max_attachments_size = 40;
    };
    const OTLP: &str = "/api/42/integration/otlp/v1";
    let (logs, traces) = (format!("{OTLP}/logs"), format!("{OTLP}/traces/"));
    let vercel = "/api/42/integration/vercel/logs/";
    let nel = "/api/42/nel/";
    let (csp, cron) = ("/api/42/security/", "/api/42/cron/job/");
    let (plain, protobuf) = ("application/json", "application/x-protobuf");
    let raw = "field \"upload_file_minidump\" exceeded the size limit: 100 bytes";
    vec![
        row("max_event_size", event, store(json(100)), store(json(101)), Body),
        row("max_event_size", event, store(json(100)).chunked(), store(json(101)).chunked(), Body),
        row("max_event_size", event, store(json(100)).encoded("gzip"), store(json(101)).encoded("gzip"), Body),
        row("max_event_size", event, post(csp, plain, &json(100)), post(csp, plain, &json(101)), Body),
        row("max_event_size", event, post(cron, plain, &json(100)), post(cron, plain, &json(101)), Body),
        row("max_event_size", event, deflated(100), deflated(101),
            Broken("invalid JSON data: Error(\"EOF while parsing an object\", line: 1, column: 100)",
                "EOF while parsing an object at line 1 column 100")),
        // Fields become an item, in which each has nine bytes beside its value.
        row("max_event_size", event, minidump(&[(DUMP, true, 4), ("a", false, 41), ("b", false, 41)]),
            minidump(&[(DUMP, true, 4), ("a", false, 42), ("b", false, 41)]), Item("form_data")),
        row("max_event_size", event, minidump(&[(DUMP, true, 4), ("a", false, 41), ("b", false, 41)]),
            minidump(&[(DUMP, true, 4), ("a", false, 61), ("b", false, 40)]), Unread("form_data")),
        row("max_envelope_size", envelope, envelope_of(100), envelope_of(101), Body),
        row("max_envelope_size", envelope, envelope_of(100).chunked(), envelope_of(101).chunked(), Body),
        row("max_envelope_size", envelope, envelope_of(100).encoded("zstd"), envelope_of(101).encoded("zstd"), Body),
        row("max_envelope_size", tunnel, tunnelled(200), tunnelled(201), Body),
        row("max_attachment_size", file, raw_dump(&dump(100)), raw_dump(&dump(101)), Unread("attachment:minidump")),
        row("max_attachment_size", file, raw_dump(&crate::support::encode("gzip", &dump(100))),
            raw_dump(&crate::support::encode("gzip", &dump(101))), Unread("attachment:minidump")),
        row("max_attachment_size", file, minidump(&[(DUMP, true, 100)]), minidump(&[(DUMP, true, 101)]), Part(raw)),
        row("max_attachment_size", file, minidump(&[(DUMP, true, 9), ("a", true, 100)]),
            minidump(&[(DUMP, true, 9), ("a", true, 101)]), LeftOut(1, "too_large:attachment:attachment")),
        row("max_attachment_size", file, files(&[("a", true, 100)]), files(&[("a", true, 101)]),
            Part("field \"a\" exceeded the size limit: 100 bytes")),
        row("max_attachments_size", all, minidump(&[(DUMP, true, 60), ("a", true, 40)]).chunked(),
            minidump(&[(DUMP, true, 60), ("a", true, 41)]).chunked(), Form),
        row("max_attachments_size", all, unreal(100), unreal(101), Body),
        row("max_upload_size", upload_size, upload(100), upload(101), Silent),
        row("max_upload_size", upload_size, append(100), append(101), Silent),
        row("max_upload_size and max_attachments_size", outer, minidump_of(400), minidump_of(401), Announced),
        row("max_upload_size and max_attachments_size", outer, minidump_of(400).chunked(), minidump_of(401).chunked(), Form),
        row("max_container_size", whole, post(&logs, plain, &json(100)), post(&logs, plain, &json(101)), Otlp),
        row("max_container_size", whole, post(&traces, plain, &json(100)), post(&traces, plain, &json(101)), Otlp),
        row("max_container_size", whole, post(&logs, protobuf, &[b'x'; 100]), post(&logs, protobuf, &[b'x'; 101]), Otlp),
        row("max_container_size", whole, post(vercel, plain, &json(100)), post(vercel, plain, &json(101)), Body),
        row("max_container_size", whole, post(nel, plain, &json(100)), post(nel, plain, &json(101)), Body),
    ]
}

#[test]
fn an_item_at_its_limit_arrives_and_one_over_it_refuses_the_envelope() {
    groups().iter().for_each(check);
}

#[test]
fn a_body_at_its_limit_arrives_and_one_over_it_is_refused_or_left_out() {
    bodies().iter().for_each(check);
}

fn check(row: &Row) {
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    (row.set)(&mut config);
    let relay = Relay::start(config);

    let answer = row.within.send(relay.address());
    assert!((200..300).contains(&answer.status()), "{row}: {} {}", answer.status(), answer.text());
    let stats = relay.settle();
    let arrived: usize = upstream.envelopes().iter().map(|envelope| envelope.items.len()).sum();
    assert_eq!((stats.delivered, stats.discarded_total()), (arrived as u64, 0), "{row}");
    let requests = upstream.requests().len();
    assert_eq!(requests, 1, "{row}");

    let answer = row.over.send(relay.address());
    let after = relay.settle();
    let accepted = match row.then {
        LeftOut(items, _) => items,
        _ => 0,
    };
    assert_told(row, &answer);
    assert_eq!(after.delivered - stats.delivered, accepted, "{row}: {after:?}");
    let arrived = upstream.requests().iter().filter(|request| is_envelope(request)).count();
    assert_eq!(arrived, upstream.envelopes().len(), "{row}");
    if accepted == 0 {
        // A body that is streamed may have begun.
        let complete = upstream.requests().len() - requests;
        assert_eq!(complete, 0, "{row}: the upstream hears nothing of it");
    }
    let discarded: Vec<_> = after.discarded.iter().map(|(reason, n)| (&**reason, *n)).collect();
    let counted = after.received - stats.received;
    match row.then {
        Item(kind) => {
            assert_eq!(discarded, [(&*format!("too_large:{kind}"), counted)], "{row}");
            assert!(counted > 0, "{row}");
        }
        LeftOut(items, reason) => {
            assert_eq!((discarded, counted), (vec![(reason, 1)], items + 1), "{row}");
        }
        _ => assert_eq!((discarded.len(), counted), (0, 0), "{row}"),
    }
}

/// The answer to what is over the limit, to the letter.
fn assert_told(row: &Row, answer: &Message) {
    let of_item = |kind: &str| {
        format!(
            "{{\"detail\":\"envelope exceeded size limits for type '{kind}' \
             (https://develop.sentry.dev/sdk/envelopes/#size-limits)\"}}"
        )
    };
    let broken = |detail: &str, cause: &str| {
        format!("{{\"detail\":{},\"causes\":[{}]}}", quoted(detail), quoted(cause))
    };
    let (status, text) = match row.then {
        Item(kind) | Unread(kind) => (413, of_item(kind)),
        Body => (413, "Failed to buffer the request body: length limit exceeded".to_owned()),
        Announced => (413, "length limit exceeded".to_owned()),
        Form => (413, r#"{"detail":"request content exceeded size limits"}"#.to_owned()),
        Part(cause) => (400, broken("invalid multipart data", cause)),
        Broken(detail, cause) => (400, broken(detail, cause)),
        Silent => (413, String::new()),
        Otlp => (413, String::new()),
        LeftOut(..) => (200, String::new()),
    };
    assert_eq!(answer.status(), status, "{row}: {}", answer.text());
    let message = "unable to read body: Failed to buffer the request body: length limit exceeded";
    match (row.then, answer.header("content-type")) {
        (Otlp, Some("application/json")) => {
            assert_eq!(answer.text(), format!("{{\"code\":8,\"message\":\"{message}\"}}"), "{row}");
        }
        (Otlp, Some("application/x-protobuf")) => {
            let length = u8::try_from(message.len()).expect("a short message");
            let expected = [&[0x08, 8, 0x12, length], message.as_bytes()].concat();
            assert_eq!(answer.body, expected, "{row}");
        }
        // An id.
        (LeftOut(..), _) => {}
        (_, media_type) => {
            assert_eq!(answer.text(), text, "{row}");
            let expected = match text.get(..1) {
                Some("{") => Some("application/json"),
                Some(_) => Some("text/plain; charset=utf-8"),
                None => None,
            };
            assert_eq!(media_type, expected, "{row}");
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[test]
fn what_nobody_knows_has_no_limit_but_that_of_the_envelope() {
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    let items_at_one = &mut config.limits.items;
    items_at_one.max_event_size = 1;
    items_at_one.max_attachment_size = 1;
    items_at_one.max_attachments_size = 1;
    items_at_one.max_attachment_count = 1;
    items_at_one.max_container_size = 1;
    let relay = Relay::start(config);
    let unknown = [
        ("thing", "", 5000),
        ("thing", "", 5000),
        ("statsd", "", 5000),
        ("attachment", ",\"attachment_type\":\"thing\"", 5000),
        ("attachment", ",\"attachment_type\":\"thing\"", 5000),
    ];
    assert_eq!(items(&unknown).send(relay.address()).status(), 200);
    assert_eq!(relay.settle().delivered, 5);
}

#[test]
fn no_more_uploads_are_under_way_than_the_limit_says() {
    let upstream = Upstream::scripted(|_| Reply::new(201).into());
    upstream.hold();
    let mut config = proxy_config(&upstream);
    config.upload.forward = true;
    config.upload.max_concurrent_requests = 2;
    let relay = Relay::start(config);
    std::thread::scope(|scope| {
        let asking: Vec<_> =
            (0..2).map(|_| scope.spawn(|| upload(5).send(relay.address()).status())).collect();
        upstream.wait_for(2);
        let refused = upload(5).send(relay.address());
        assert_eq!((refused.status(), &*refused.text()), (503, ""));
        assert_eq!(upstream.requests().len(), 2);
        upstream.release();
        for asked in asking {
            assert_eq!(asked.join().expect("an answer"), 201);
        }
    });
    assert_eq!(upload(5).send(relay.address()).status(), 201);
}

/// Events for two keys: the limit is one of connections to the upstream, whoever sends.
#[test]
fn envelopes_over_the_limit_of_requests_in_flight_wait_and_lose_nothing() {
    let upstream = Upstream::start();
    upstream.hold();
    let mut config = proxy_config(&upstream);
    config.limits.max_concurrent_requests = 2;
    let relay = Relay::start(config);
    for number in 0..6 {
        let key = if number % 2 == 0 { KEY.to_owned() } else { fresh_id() };
        let sent = Request::envelope(&key, "{}\n{\"type\":\"event\"}\n{}\n");
        assert_eq!(sent.send(relay.address()).status(), 200, "nobody is kept waiting");
    }
    upstream.wait_for(2);
    assert_eq!((relay.stats().waiting, upstream.requests().len()), (6, 2));
    upstream.release();
    assert_eq!(relay.settle().delivered, 6);
    assert_eq!(upstream.envelopes().len(), 6);
}
