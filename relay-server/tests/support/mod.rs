//! What the test binaries share: a fake upstream, a raw client and the relay between the two.
#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]

mod client;
mod coding;
mod envelope;
mod http2;
mod relay;
mod upstream;
mod wire;

use std::time::Duration;

pub(crate) use self::client::{Client, Request};
pub(crate) use self::coding::{decode, encode, encode_with};
pub(crate) use self::envelope::{Envelope, Item};
pub(crate) use self::http2::{abandon as abandon_http2, exchange as exchange_http2};
pub(crate) use self::relay::{Relay, proxy_config};
pub(crate) use self::upstream::{Answer, Reply, Upstream, envelope, in_order, is_envelope};
pub(crate) use self::wire::Message;

/// How long a test waits for what must happen; only a failing test ever waits that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// 32 hexadecimal digits that no other test uses: a public key, an event id.
pub(crate) fn fresh_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
