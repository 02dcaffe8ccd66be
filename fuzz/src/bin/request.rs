//! A whole request, to its answer and beyond: a line with method and target, lines of headers, an empty line, the body.
//! See `exchange.rs`.
#![no_main]

#[path = "../exchange.rs"]
mod exchange;

use crate::exchange::{Framing, Request, check};

/// Would make of it another number of requests, or of answers.
const FRAMING: [&str; 7] =
    ["content-length", "transfer-encoding", "connection", "expect", "upgrade", "te", "host"];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (data, &b""[..]),
    };
    if head.contains(&b'\r') {
        return;
    }
    let mut lines = head.split(|byte| *byte == b'\n');
    let Some(Ok(method_and_target)) = lines.next().map(std::str::from_utf8) else { return };
    let is_framing = |line: &[u8]| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
        FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing.as_bytes()))
    };
    let headers = lines.filter(|line| !is_framing(line)).collect();
    check(&Request { method_and_target, headers, body, framing: Framing::of(body) });
});
