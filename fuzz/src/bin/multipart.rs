//! Forms of crash reports, as they arrive: a line with the boundary, a line whose bytes are the lengths of the chunks, the
//! form. In whatever pieces it comes, it is the same form. See `exchange.rs`.
#![no_main]

#[path = "../exchange.rs"]
mod exchange;

use crate::exchange::{Framing, Request, check};

const AUTH: &[u8] = b"X-Sentry-Auth: Sentry sentry_key=0123456789abcdef0123456789abcdef";

const TARGETS: [&str; 2] =
    ["POST /api/42/minidump/", "POST /api/42/events/9ec79c33ec9942ab8353589fcb2e04dc/attachments/"];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let (Some(boundary), Some(lengths), Some(body)) = (lines.next(), lines.next(), lines.next())
    else {
        return;
    };
    if boundary.iter().any(u8::is_ascii_control) {
        return;
    }
    let media_type = [b"Content-Type: multipart/form-data; boundary=", boundary].concat();
    for method_and_target in TARGETS {
        let [whole, pieces] = [Framing::Whole, Framing::Chunks(lengths)].map(|framing| {
            let headers = vec![AUTH, &media_type[..]];
            check(&Request { method_and_target, headers, body, framing })
        });
        if !whole.is_busy() && !pieces.is_busy() {
            assert_eq!((whole.status, whole.received), (pieces.status, pieces.received));
        }
    }
});
