use serde_json::{Value, json};

use crate::support::{Folder, Outcome, Relay, Server, answer};

fn accepted() -> String {
    answer("200 OK", "Content-Type: application/json\r\n", "{}")
}

/// The header and the items of an envelope, as JSON.
fn captured(relay: &Relay, id: &str) -> Value {
    let (status, body) = relay.get(&format!("/api/relay/events/{id}/?format=json"));
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("JSON")
}

fn id(outcome: &Outcome) -> &str {
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let id = outcome.stdout.trim_end_matches('\n');
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{outcome:?}");
    id
}

#[test]
fn an_event_with_everything_arrives_at_a_relay() {
    let folder = Folder::with("notes.txt", "a line\nanother");
    let relay = Relay::start(&folder, &[]);
    let arguments = [
        "send",
        "--dsn",
        relay.dsn(),
        "-m",
        "it broke",
        "--exception",
        "IoError: disk: full",
        "--exception",
        "Cause",
        "--level",
        "fatal",
        "--tag",
        "region:eu",
        "--tag",
        "url:http://a/",
        "--extra",
        "size:3",
        "--user",
        "id:7",
        "--user",
        "email:a@b.test",
        "--release",
        "app@1.0",
        "--dist",
        "7",
        "--environment",
        "staging",
        "--attach",
        "notes.txt",
    ];
    let outcome = folder.outcome(&arguments);
    let entry = captured(&relay, id(&outcome));

    let event = entry.pointer("/items/0/payload").expect("an event");
    for (key, value) in [
        ("event_id", json!(id(&outcome))),
        ("platform", json!("other")),
        ("message", json!("it broke")),
        ("level", json!("fatal")),
        ("tags", json!({"region": "eu", "url": "http://a/"})),
        ("extra", json!({"size": "3"})),
        ("user", json!({"id": "7", "email": "a@b.test"})),
        ("release", json!("app@1.0")),
        ("dist", json!("7")),
        ("environment", json!("staging")),
        ("sdk", json!({"name": "relay.send", "version": env!("CARGO_PKG_VERSION")})),
        (
            "exception",
            json!({"values": [{"type": "Cause", "value": ""}, {"type": "IoError", "value": "disk: full"}]}),
        ),
    ] {
        assert_eq!(event.get(key), Some(&value), "{key}");
    }
    assert!(event.get("timestamp").is_some());
    assert_eq!(entry.pointer("/items/1/header/filename"), Some(&json!("notes.txt")));
    let (_, attachment) = relay.get(&format!("/api/relay/events/{}/items/1/", id(&outcome)));
    assert_eq!(attachment, "a line\nanother");
}

#[test]
fn an_event_is_an_error_in_production_unless_told_otherwise() {
    let folder = Folder::new();
    let relay = Relay::start(&folder, &[]);
    let outcome = folder.outcome(&["send", "--dsn", relay.dsn(), "-m", "x"]);
    let entry = captured(&relay, id(&outcome));
    assert_eq!(entry.pointer("/items/0/payload/level"), Some(&json!("error")));
    assert_eq!(entry.pointer("/items/0/payload/environment"), Some(&json!("production")));
}

#[test]
fn every_encoding_arrives() {
    let folder = Folder::new();
    let relay = Relay::start(&folder, &[]);
    for encoding in ["identity", "gzip", "deflate", "br", "zstd"] {
        let outcome =
            folder.outcome(&["send", "--dsn", relay.dsn(), "-m", encoding, "--encoding", encoding]);
        let entry = captured(&relay, id(&outcome));
        assert_eq!(entry.pointer("/items/0/payload/message"), Some(&json!(encoding)));
    }
}

#[test]
fn the_dsn_can_come_from_the_environment() {
    let folder = Folder::new();
    let relay = Relay::start(&folder, &[]);
    let mut command = folder.relay(&["send", "-m", "x"]);
    id(&Outcome::of(command.env("SENTRY_DSN", relay.dsn())));
}

#[test]
fn an_empty_dsn_does_nothing_at_all() {
    let folder = Folder::new();
    let by_flag = folder.outcome(&["send", "--dsn", "", "--envelope", "missing"]);
    let by_variable = Outcome::of(folder.relay(&["send", "-m", "x"]).env("SENTRY_DSN", ""));
    for outcome in [by_flag, by_variable] {
        assert_eq!(outcome.code, Some(0));
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
    }
}

#[test]
fn a_broken_dsn_is_an_error_that_keeps_the_secret() {
    let outcome = Folder::new().outcome(&["send", "--dsn", "http://key:secret@host/", "-m", "x"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.starts_with("error: --dsn or SENTRY_DSN is not a DSN\n"), "{outcome:?}");
    assert!(!outcome.stderr.contains("secret"), "{outcome:?}");
}

#[test]
fn an_envelope_is_sent_byte_for_byte() {
    let text = "{\"event_id\":\"9ec79c33ec9942ab8353589fcb2e04dc\", \"x\":1}\n{\"type\":\"odd\" }\nany bytes";
    let folder = Folder::with("envelope", text);
    let server = Server::answering(accepted());
    let arguments =
        ["send", "--dsn", &server.dsn(), "--envelope", "envelope", "--encoding", "identity"];
    let outcome = folder.outcome(&arguments);
    assert_eq!(id(&outcome), "9ec79c33ec9942ab8353589fcb2e04dc");
    let request = server.request();
    assert_eq!(request.body, text.as_bytes());
    let head = request.head.to_ascii_lowercase();
    assert!(head.starts_with("post /api/42/envelope/ http/1.1\r\n"), "{head}");
    for header in [
        "content-type: application/x-sentry-envelope\r\n",
        "x-sentry-auth: sentry sentry_key=0123456789abcdef0123456789abcdef, sentry_version=7",
        "user-agent: relay.send/",
    ] {
        assert!(head.contains(header), "{head}");
    }
    assert!(!head.contains("content-encoding"), "{head}");
}

#[test]
fn an_envelope_can_come_from_standard_input_and_without_an_id() {
    use std::io::Write;
    use std::process::Stdio;

    let server = Server::answering(accepted());
    let folder = Folder::new();
    let dsn = server.dsn();
    let mut command =
        folder.relay(&["send", "--dsn", &dsn, "--envelope", "-", "--encoding", "identity"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    child.stdin.take().expect("a pipe").write_all(b"{}\n").expect("it reads");
    let outcome = Outcome::from(child.wait_with_output().expect("an end"));
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), ""), "{outcome:?}");
    assert_eq!(server.request().body, b"{}\n");
}

#[test]
fn a_file_that_is_no_envelope_is_not_sent() {
    let folder = Folder::with("bad", "{}\n{\"type\":\"event\",\"length\":10}\n{}");
    let outcome = folder.outcome(&["send", "--dsn", "http://k@127.0.0.1:1/1", "--envelope", "bad"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.starts_with("error: bad is not an envelope\n"), "{outcome:?}");
    assert!(
        outcome.stderr.contains("caused by: the fault is in item 0, at byte 3\n"),
        "{outcome:?}"
    );
}

#[test]
fn a_missing_file_is_named() {
    let folder = Folder::new();
    for arguments in [["--envelope", "missing"].as_slice(), &["-m", "x", "--attach", "missing"]] {
        let outcome =
            folder.outcome(&[&["send", "--dsn", "http://k@127.0.0.1:1/1"], arguments].concat());
        assert_eq!(outcome.code, Some(1));
        assert!(outcome.stderr.contains("missing\n  caused by: "), "{outcome:?}");
    }
}

#[test]
fn a_rate_limit_is_obeyed_and_told() {
    let limits = "X-Sentry-Rate-Limits: 60:error:key:too_many\r\nRetry-After: 60\r\n";
    let server = Server::answering(answer(
        "429 Too Many Requests",
        limits,
        "{\"detail\":\"Sentry dropped data\"}",
    ));
    let outcome = Folder::new().outcome(&["send", "--dsn", &server.dsn(), "-m", "x"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""));
    assert_eq!(
        outcome.stderr,
        "error: the server answered 429 Too Many Requests\n  \
         caused by: Sentry dropped data\n  \
         caused by: rate limited: error for 60 s (too_many)\n"
    );
    server.request();
}

#[test]
fn a_retry_after_alone_limits_everything() {
    let server = Server::answering(answer("429 Too Many Requests", "Retry-After: 30\r\n", ""));
    let outcome = Folder::new().outcome(&["send", "--dsn", &server.dsn(), "-m", "x"]);
    assert!(
        outcome.stderr.ends_with("caused by: rate limited: everything for 30 s (generic)\n"),
        "{outcome:?}"
    );
}

#[test]
fn a_refusal_is_told_with_the_reasons_of_the_server() {
    let body = "{\"detail\":\"bad request\",\"causes\":[\"one\",\"two\"]}";
    let server = Server::answering(answer("400 Bad Request", "", body));
    let outcome = Folder::new().outcome(&["send", "--dsn", &server.dsn(), "-m", "x"]);
    assert_eq!(outcome.code, Some(1));
    assert_eq!(
        outcome.stderr,
        "error: the server answered 400 Bad Request\n  \
         caused by: bad request\n  caused by: one\n  caused by: two\n"
    );
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let outcome = Folder::new().outcome(&[
        "send",
        "--dsn",
        "http://0123456789abcdef0123456789abcdef@127.0.0.1:1/1",
        "-m",
        "x",
    ]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.starts_with(
            "error: could not send to http://127.0.0.1:1\n  caused by: cannot connect to 127.0.0.1:1\n"
        ),
        "{outcome:?}"
    );
}
