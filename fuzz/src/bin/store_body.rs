//! Any bytes as the body of an event: JSON, base64, zlib behind base64. See `exchange.rs`.
#![no_main]

#[path = "../exchange.rs"]
mod exchange;

use crate::exchange::{Framing, Request, check};

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    // Of a client for which numbers that are none are mended first.
    let auth = b"X-Sentry-Auth: Sentry sentry_key=0123456789abcdef0123456789abcdef, sentry_client=raven-python/6.0";
    check(&Request {
        method_and_target: "POST /api/42/store/",
        headers: vec![&auth[..]],
        body,
        framing: Framing::of(body),
    });
});
