//! The endpoints for those who have no SDK: browsers, cron jobs, OpenTelemetry, log drains.

use std::time::Instant;

use crate::support::{
    Client, Message, PATIENCE, Relay, Reply, Request, Upstream, envelope, fresh_id, proxy_config,
};

const CSP: &str = r#"{"csp-report":{"document-uri":"https://a.b/"}}"#;

fn security(key: &str, media_type: &str, body: &str) -> Request {
    Request::new("POST", &format!("/api/42/csp-report/?sentry_key={key}"))
        .header("Content-Type", media_type)
        .body(body)
}

/// The `google.rpc.Status` of an answer in JSON.
fn rpc_status(answer: &Message) -> (u64, String) {
    let status = answer.json();
    let code = status["code"].as_u64().expect("a code");
    (code, status["message"].as_str().expect("a message").to_owned())
}

#[test]
fn each_report_of_a_list_becomes_an_envelope_with_an_id_of_its_own() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let list = format!("[{CSP}, {CSP}]");
    let answer = security(&fresh_id(), "application/reports+json; charset=utf-8", &list)
        .header("User-Agent", "Firefox")
        .header("Origin", "https://a.b")
        .send(relay.address());
    assert_eq!((answer.status(), &*answer.text()), (200, ""));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));

    let envelopes: Vec<_> = upstream.wait_for(2).iter().map(|request| envelope(request)).collect();
    assert_ne!(envelopes[0].text("event_id"), envelopes[1].text("event_id"));
    for envelope in &envelopes {
        assert_eq!(envelope.types(), ["raw_security"]);
        assert_eq!(envelope.items[0].payload, CSP.as_bytes());
        assert_eq!(envelope.text("user_agent"), "Firefox");
        assert_eq!(envelope.text("origin"), "https://a.b/");
    }
    assert_eq!(relay.settle().delivered, 2);
}

#[test]
fn an_empty_list_of_reports_is_fine_and_an_empty_body_is_not() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let key = fresh_id();
    for (media_type, body, status) in [
        ("application/csp-report", "[]", 200),
        ("application/csp-report", "", 400),
        ("application/csp-report; charset", CSP, 400),
        ("text/csp-report", CSP, 415),
    ] {
        let answer = security(&key, media_type, body).send(relay.address());
        assert_eq!(answer.status(), status, "{media_type} {body}");
    }
    assert_eq!(relay.settle().received, 0);
}

#[test]
fn a_check_in_by_head_has_its_effect_and_no_body() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let path =
        format!("/api/42/cron/na%C3%AFve%20job/{}/?status=in_progress&duration=1.5", fresh_id());
    let mut client = Client::connect(relay.address());
    let answer = client.exchange(&Request::new("HEAD", &path)).unwrap();
    assert_eq!((answer.status(), answer.body.len()), (202, 0));

    let envelope = envelope(&upstream.wait_for(1)[0]);
    let payload: serde_json::Value = serde_json::from_slice(&envelope.items[0].payload).unwrap();
    assert_eq!(payload["monitor_slug"], "naïve job");
    assert_eq!(payload["duration"], 1.5);
    assert_eq!(payload["status"], "in_progress");
    assert_eq!(relay.settle().delivered, 1);
}

#[test]
fn a_check_in_keeps_what_it_says_beyond_what_we_know() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let body = r#"{"status":"ok","check_in_id":"83a7c03ed0a04e1b97e2e3b18d38f244","x":[1],
        "monitor_config":{"schedule":{"type":"crontab","value":"0 * * * *"},"y":{"z":null}}}"#;
    let answer = Request::new("POST", &format!("/api/42/cron/job/{}", fresh_id()))
        .header("Content-Type", "application/json; charset=utf-8")
        .body(body)
        .send(relay.address());
    assert_eq!(answer.status(), 202);
    let envelope = envelope(&upstream.wait_for(1)[0]);
    let payload: serde_json::Value = serde_json::from_slice(&envelope.items[0].payload).unwrap();
    let mut expected: serde_json::Value = serde_json::from_str(body).unwrap();
    expected["monitor_slug"] = "job".into();
    assert_eq!(payload, expected);
    assert_eq!(relay.settle().delivered, 1);
}

#[test]
fn whoever_sends_check_ins_by_hand_is_not_told_of_limits() {
    let upstream = Upstream::answering([Reply::new(429)
        .header("X-Sentry-Rate-Limits", "60:monitor;log_item:key")
        .into()]);
    let relay = Relay::start(proxy_config(&upstream));
    let key = fresh_id();
    let cron = || Request::new("GET", &format!("/api/42/cron/job/{key}?status=ok"));
    assert_eq!(cron().send(relay.address()).status(), 202);
    relay.settle();
    // Now the limit is known: dropped, with a success all the same.
    assert_eq!(cron().send(relay.address()).status(), 202);
    assert_eq!(upstream.requests().len(), 1);
    let by_envelope = Request::envelope(&key, "{}\n{\"type\":\"check_in\"}\n{}");
    assert_eq!(by_envelope.send(relay.address()).status(), 429);
    let stats = relay.settle();
    assert_eq!((stats.received, stats.discarded_total()), (3, 3), "{stats:?}");
}

#[test]
fn an_exporter_is_answered_in_the_form_it_speaks() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let key = fresh_id();
    let traces = |media_type: &str| {
        Request::new("POST", "/api/42/integration/otlp/v1/traces/")
            .header("Content-Type", media_type)
    };
    // The Python exporter compresses, and writes its header in lower case.
    let body = b"\x0a\x00";
    let answer = traces("application/x-protobuf")
        .header("x-sentry-auth", &format!("sentry sentry_key={key}"))
        .body(*body)
        .encoded("gzip")
        .send(relay.address());
    assert_eq!((answer.status(), answer.body.len()), (200, 0));
    assert_eq!(answer.header("content-type"), Some("application/x-protobuf"));
    let envelope = envelope(&upstream.wait_for(1)[0]);
    assert_eq!(envelope.items[0].payload, body);

    let refused = traces("application/json").header("x-sentry-auth", "sentry sentry_key=short");
    let answer = refused.send(relay.address());
    assert_eq!(answer.status(), 400);
    assert_eq!(rpc_status(&answer), (3, "bad sentry DSN public key".to_owned()));

    let broken =
        traces("application/json").auth(&key).header("Content-Encoding", "gzip").body("{}");
    let answer = broken.send(relay.address());
    assert_eq!(answer.status(), 400);
    let (code, message) = rpc_status(&answer);
    assert_eq!(code, 3);
    assert!(
        message.starts_with("unable to read body: Failed to buffer the request body: "),
        "{message}"
    );
    assert_eq!(relay.settle().delivered, 1);
}

#[test]
fn an_exporter_is_told_of_limits_with_headers_and_a_status() {
    let upstream = Upstream::answering([Reply::new(429).header("Retry-After", "30").into()]);
    let relay = Relay::start(proxy_config(&upstream));
    let key = fresh_id();
    Request::envelope(&key, "{}\n{\"type\":\"event\"}\n{}").send(relay.address());
    upstream.wait_for(1);
    let logs = || {
        Request::new("POST", "/api/42/integration/otlp/v1/logs")
            .auth(&key)
            .header("Content-Type", "application/json")
            .body("{}")
    };
    let until_known = Instant::now() + PATIENCE;
    let answer = loop {
        let answer = logs().send(relay.address());
        if answer.status() == 429 {
            break answer;
        }
        assert!(Instant::now() < until_known, "the limit is never told");
    };
    assert_eq!(rpc_status(&answer).0, 8);
    assert!(answer.header("retry-after").is_some());
    assert!(answer.header("x-sentry-rate-limits").is_some());
    relay.stop_now();
}
