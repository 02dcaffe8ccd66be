//! What exporters of OpenTelemetry send: a first byte that says which signal and which format, and any bytes as the body. It
//! goes on as it came, or its sender is told why not, in the format it was sent in. See `exchange.rs`.
#![no_main]

#[path = "../exchange.rs"]
mod exchange;

use crate::exchange::{Framing, Request, check};

const AUTH: &[u8] = b"X-Sentry-Auth: Sentry sentry_key=0123456789abcdef0123456789abcdef";

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&choice, body)) = data.split_first() else { return };
    let method_and_target = match choice & 1 {
        0 => "POST /api/42/integration/otlp/v1/traces",
        _ => "POST /api/42/integration/otlp/v1/logs/",
    };
    let is_json = choice & 2 == 0;
    let media_type: &[u8] = match (is_json, choice & 4) {
        (true, 0) => b"Content-Type: application/json",
        (true, _) => b"Content-Type: Application/JSON; charset=UTF-8",
        (false, _) => b"Content-Type: application/x-protobuf",
    };
    let mut headers = vec![AUTH, media_type];
    match choice >> 3 & 7 {
        1 => headers.push(b"Content-Encoding: gzip"),
        2 => headers.push(b"Content-Encoding: zstd"),
        3 => headers[0] = b"X-Sentry-Auth: Sentry sentry_key=none",
        _ => {}
    }
    let request = Request { method_and_target, headers, body, framing: Framing::of(body) };
    let outcome = check(&request);
    let answer = outcome.body();
    match outcome.status {
        200 => {
            assert_eq!(outcome.received, 1);
            assert_eq!(answer, if is_json { b"{}" } else { &b""[..] });
        }
        _ => {
            assert_eq!(outcome.received, 0);
            let message = if is_json { json_message(answer) } else { protobuf_message(answer) };
            assert!(message.is_some_and(|message| !message.is_empty()), "no status: {answer:?}");
        }
    }
});

/// The text of a `google.rpc.Status`.
fn json_message(status: &[u8]) -> Option<String> {
    let status: serde_json::Value = serde_json::from_slice(status).ok()?;
    status["code"].as_u64().filter(|code| (1..=16).contains(code))?;
    Some(status["message"].as_str()?.to_owned())
}

fn protobuf_message(status: &[u8]) -> Option<String> {
    let [0x08, 1..=16, 0x12, rest @ ..] = status else { return None };
    let end_of_length = rest.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let (length, text) = rest.split_at(end_of_length);
    let length = length.iter().rev().fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f));
    (text.len() == length).then(|| String::from_utf8(text.to_vec()).ok())?
}
