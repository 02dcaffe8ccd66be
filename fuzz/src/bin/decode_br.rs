//! Any bytes as a br body: see `content_encoding.rs`.
#![no_main]

#[path = "../content_encoding.rs"]
mod content_encoding;

use relay_compression::ContentEncoding;

libfuzzer_sys::fuzz_target!(|data: &[u8]| content_encoding::check(ContentEncoding::Br, data));
