//! What browsers report becomes events and logs.

use relay_pipeline::{ReportContext, network_error_log, security_event};
use relay_protocol::payload::Payload;
use relay_protocol::schema::{Described, Event, Timestamp, check};
use serde_json::{Value, json};

fn event(report: &Value) -> Value {
    let context = ReportContext {
        release: Some("1.0"),
        environment: Some("prod"),
        origin: Some("https://shop.example"),
    };
    let event = security_event(report.to_string().as_bytes(), &context);
    serde_json::to_value(event.expect("a report")).expect("an event is JSON")
}

fn message(report: Value) -> String {
    event(&json!({ "csp-report": report }))["logentry"]["formatted"]
        .as_str()
        .expect("a message")
        .to_owned()
}

#[test]
fn a_violation_becomes_an_event_that_the_schema_has_nothing_to_say_against() {
    let report = json!({"csp-report": {
        "document-uri": "https://shop.example/cart?x=1", "referrer": "https://search.example/",
        "violated-directive": "img-src https://shop.example https://cdn.example data:",
        "effective-directive": "img-src", "original-policy": "img-src *",
        "blocked-uri": "https://ads.example/pixel.gif?id=7", "status-code": "200",
    }});
    let event = event(&report);
    let expected = json!({
        "type": "csp",
        "culprit": "img-src 'self' https://cdn.example data:",
        "logentry": {"formatted": "Blocked 'image' from 'ads.example'"},
        "release": "1.0",
        "environment": "prod",
        "tags": [
            ["effective-directive", "img-src"], ["blocked-uri", "https://ads.example/pixel.gif?id=7"],
            ["blocked-host", "ads.example"],
        ],
        "request": {
            "url": "https://shop.example/cart?x=1",
            "headers": [["Referer", "https://search.example/"], ["Origin", "https://shop.example"]],
        },
        "csp": {
            "effective_directive": "img-src", "blocked_uri": "https://ads.example/pixel.gif?id=7",
            "document_uri": "https://shop.example/cart?x=1", "original_policy": "img-src *",
            "referrer": "https://search.example/", "status_code": 200,
            "violated_directive": "img-src https://shop.example https://cdn.example data:",
        },
    });
    assert_eq!(event, expected);
    let json = event.to_string();
    let mut payload = Payload::parse(json.as_bytes()).expect("this is JSON");
    let root = payload.root();
    check(&mut payload, root, Event::INTERFACE);
    assert_eq!(payload.to_json(), json);
}

#[test]
fn the_sentence_names_what_was_blocked_and_where_it_came_from() {
    let csp = |blocked: &str, violated: &str| json!({"blocked-uri": blocked, "violated-directive": violated});
    for (report, expected) in [
        (
            csp("https://a.example:8080/x", "style-src-elem 'self'"),
            "Blocked 'style-src-elem' from 'a.example'",
        ),
        (csp("https://a.example/x", "form-action 'self'"), "Blocked 'action to' from 'a.example'"),
        (csp("data", "font-src 'self'"), "Blocked 'font' from 'data'"),
        (csp("self", "style-src 'self'"), "Blocked inline 'style'"),
        (json!({"violated-directive": "style-src 'self'"}), "Blocked inline 'style'"),
        (csp("", "script-src 'unsafe-inline'"), "Blocked unsafe inline 'script'"),
        (csp("'self'", "script-src 'unsafe-eval'"), "Blocked unsafe eval() 'script'"),
        (csp("self", "script-src 'none'"), "Blocked unsafe (eval() or inline) 'script'"),
    ] {
        assert_eq!(message(report.clone()), expected, "{report}");
    }
}

#[test]
fn a_report_of_the_new_kind_is_one_as_well_and_payment_pages_keep_their_secrets() {
    let report = json!({"type": "csp-violation", "age": 1, "url": "https://shop.example/", "body": {
        "documentURL": "https://shop.example/", "effectiveDirective": "connect-src",
        "blockedURL": "https://api.stripe.com/v1/x?token=secret#y", "lineNumber": 7,
    }});
    let event = event(&report);
    assert_eq!(event["tags"][1], json!(["blocked-uri", "https://api.stripe.com/v1/x"]));
    assert_eq!(event["csp"]["line_number"], 7);
}

#[test]
fn what_is_no_report_says_why() {
    for (report, reason) in [
        ("not json", "security_report"),
        ("[]", "security_report"),
        ("{}", "security_report_type"),
        (r#"{"type":1}"#, "security_report_type"),
        (r#"{"expect-ct-report":{}}"#, "security_report_type"),
        (r#"{"type":"network-error","body":{}}"#, "invalid-csp"),
        (r#"{"type":"deprecation"}"#, "invalid-csp"),
        (r#"{"csp-report":{"violated-directive":"mine"}}"#, "security_report"),
        (r#"{"csp-report":[]}"#, "security_report"),
        (r#"{"csp-report":{"status-code":"x","violated-directive":"img-src"}}"#, "security_report"),
    ] {
        let refused = security_event(report.as_bytes(), &ReportContext::default());
        assert_eq!(refused.expect_err(report).as_str(), reason, "{report}");
    }
}

#[test]
fn a_failed_request_becomes_a_log_with_the_names_of_the_conventions() {
    let report = serde_json::from_value(json!({
        "age": 1500, "type": "network-error", "url": "https://shop.example/cart", "user_agent": "Firefox",
        "body": {
            "elapsed_time": 12, "method": "GET", "phase": "dns", "protocol": "h2", "referrer": "",
            "sampling_fraction": 0.5, "server_ip": "", "status_code": 0, "type": "dns.name_not_resolved",
        },
    }))
    .expect("a report");
    let received = Timestamp::from_seconds(1_700_000_000.0).expect("in reach");
    let trace = "4c79f60c11214eb38604f4ae0781bfb2".parse().expect("a trace id");
    let log = serde_json::to_value(network_error_log(report, received, trace)).expect("JSON");
    let text = |text: &str| json!({"type": "string", "value": text});
    assert_eq!(
        log,
        json!({
            "timestamp": 1_699_999_998.5, "trace_id": "4c79f60c11214eb38604f4ae0781bfb2", "level": "warn",
            "body": "dns.name_not_resolved",
            "attributes": {
                "browser.report.type": text("network-error"), "http.request.method": text("GET"),
                "nel.phase": text("dns"), "nel.type": text("dns.name_not_resolved"),
                "network.protocol.name": text("h2"), "url.full": text("https://shop.example/cart"),
                "user_agent.original": text("Firefox"),
                "nel.elapsed_time": {"type": "integer", "value": 12},
                "http.response.status_code": {"type": "integer", "value": 0},
                "nel.sampling_fraction": {"type": "double", "value": 0.5},
                "server.address": text("shop.example"),
            },
        })
    );
}
