//! The behaviour of the envelope codec as seen from outside.

mod builder;
mod conformance;
mod decode;
mod encode;
mod fixtures;
mod header;
mod item;
mod round_trip;
mod trace;

use std::error::Error;

use bytes::Bytes;
use relay_envelope::{DecodeError, Envelope, Limits};

const KEY: &str = "a94ae32be2582e0bcb7b0ba0d8ba36f3";
const EVENT_ID: &str = "9ec79c33ec9942ab8353589fcb2e04dc";

fn decode(text: impl AsRef<[u8]>) -> Result<Envelope, DecodeError> {
    Envelope::decode(Bytes::copy_from_slice(text.as_ref()), &Limits::default())
}

/// The envelope that has `header` as its first line, and no items.
fn decode_header(header: &str) -> Envelope {
    decode(header).unwrap_or_else(|error| panic!("{header}: {:?}", causes(&error)))
}

/// The texts a server answers with: the error and all that caused it.
fn causes(error: &dyn Error) -> Vec<String> {
    let mut causes = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    causes
}

fn faults(text: impl AsRef<[u8]>) -> Vec<String> {
    causes(&decode(text).expect_err("this is no envelope"))
}

/// The header line as it is written again.
fn rewritten(header: &str) -> String {
    let bytes = decode_header(header).encode();
    std::str::from_utf8(&bytes).expect("headers are text").trim_end().to_owned()
}
