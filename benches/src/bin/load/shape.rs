//! What a request carries.

use std::io::Write;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use relay_benches::corpus;

use crate::Result;

/// A shape of traffic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// As the corpus and the command line spell it.
    pub(crate) name: &'static str,
    /// As a row of the table.
    pub(crate) title: &'static str,
    /// How many make a measurement of about a second, long enough for a figure that holds.
    pub(crate) requests: usize,
    envelope: fn(u32) -> Bytes,
}

/// Enough different bodies that no cache of the processor or of a codec sees the same one soon again.
const VARIANTS: u32 = 32;

impl Shape {
    pub(crate) const ERROR_3K: Self = Self {
        name: "error_3k",
        title: "3 KB error",
        requests: 20_000,
        envelope: corpus::error_3k,
    };

    /// In the order of the table in `docs/benchmarks.md`.
    pub(crate) const ALL: [Self; 6] = [
        Self::ERROR_3K,
        Self {
            name: "error_60k",
            title: "60 KB error, 40 frames",
            requests: 6_000,
            envelope: corpus::error_60k,
        },
        Self {
            name: "transaction_80k",
            title: "80 KB transaction, 100 spans",
            requests: 6_000,
            envelope: corpus::transaction_80k,
        },
        Self {
            name: "session_update",
            title: "session update",
            requests: 20_000,
            envelope: corpus::session_update,
        },
        Self {
            name: "logs_40k",
            title: "40 KB batch of 100 logs",
            requests: 6_000,
            envelope: corpus::logs_40k,
        },
        Self {
            name: "error_with_1mb_attachment",
            title: "error + 1 MB attachment",
            requests: 400,
            envelope: corpus::error_with_1mb_attachment,
        },
    ];

    /// The bodies in rotation: different envelopes of this shape, gzip level 6.
    pub(crate) fn bodies(self) -> Result<Arc<[Bytes]>> {
        let variants = (0..VARIANTS).map(|variant| {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::new(6));
            gzip.write_all(&(self.envelope)(variant))?;
            Ok(Bytes::from(gzip.finish()?))
        });
        variants.collect()
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        let shape = Self::ALL.into_iter().find(|shape| shape.name == name);
        shape.ok_or_else(|| format!("there are {}", Self::ALL.map(|shape| shape.name).join(", ")))
    }
}
