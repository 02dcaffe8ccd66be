//! What is seen from outside, by topic.

#[cfg(feature = "containers")]
mod container;
mod decode;
mod encode;
mod encoding;
mod limit;
mod round_trip;
mod sdk;

use relay_compression::ContentEncoding::{self, Br, Deflate, Gzip, Identity, Zstd};
use relay_compression::{Encoder, Level};

const ALL: [ContentEncoding; 5] = [Identity, Gzip, Deflate, Br, Zstd];
const COMPRESSED: [ContentEncoding; 4] = [Gzip, Deflate, Br, Zstd];

const ENVELOPE: &[u8] = b"{}\n{\"type\":\"event\"}\n{\"message\":\"x\"}\n";

fn encode(encoding: ContentEncoding, body: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(encoding, Level::default_for(encoding));
    encoder.encode([body]).expect("memory suffices").to_vec()
}

/// Bytes without any pattern; the same on every run.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// Text with noise in between.
fn mixed(length: usize) -> Vec<u8> {
    const TEXT: &[u8] = b"{\"timestamp\":1700000000,\"level\":\"info\"}";
    let noise = noise(length / 5 + 8);
    let mut bytes: Vec<u8> = noise.chunks(8).flat_map(|noise| [TEXT, noise].concat()).collect();
    bytes.truncate(length);
    bytes
}
