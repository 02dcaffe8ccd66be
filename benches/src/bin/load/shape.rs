//! What a request carries.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use clap::ValueEnum;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::Result;

/// A shape of traffic; the bytes are those of `relay_benches::corpus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Shape {
    /// An error as a small service sends it.
    #[value(name = "error_3k")]
    Error3k,
    /// An error with 40 frames and breadcrumbs.
    #[value(name = "error_60k")]
    Error60k,
    /// A transaction with 100 spans.
    #[value(name = "transaction_80k")]
    Transaction80k,
    /// A session update.
    SessionUpdate,
    /// A batch of 100 logs.
    #[value(name = "logs_40k")]
    Logs40k,
    /// An error and an attachment of 1 MB.
    #[value(name = "error_with_1mb_attachment")]
    ErrorWith1mbAttachment,
}

/// Enough different bodies that no cache of the processor or of a codec sees the same one soon again.
const VARIANTS: u32 = 32;

impl Shape {
    /// In the order of the table in `docs/benchmarks.md`.
    pub(crate) const ALL: [Self; 6] = [
        Self::Error3k,
        Self::Error60k,
        Self::Transaction80k,
        Self::SessionUpdate,
        Self::Logs40k,
        Self::ErrorWith1mbAttachment,
    ];

    /// As the corpus and the command line spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Error3k => "error_3k",
            Self::Error60k => "error_60k",
            Self::Transaction80k => "transaction_80k",
            Self::SessionUpdate => "session_update",
            Self::Logs40k => "logs_40k",
            Self::ErrorWith1mbAttachment => "error_with_1mb_attachment",
        }
    }

    /// As a row of the table.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Error3k => "3 KB error",
            Self::Error60k => "60 KB error, 40 frames",
            Self::Transaction80k => "80 KB transaction, 100 spans",
            Self::SessionUpdate => "session update",
            Self::Logs40k => "40 KB batch of 100 logs",
            Self::ErrorWith1mbAttachment => "error + 1 MB attachment",
        }
    }

    /// How many requests make a measurement of about a second, long enough for a figure that holds.
    pub(crate) fn requests(self) -> usize {
        match self {
            Self::Error3k | Self::SessionUpdate => 20_000,
            Self::Error60k | Self::Transaction80k | Self::Logs40k => 6_000,
            Self::ErrorWith1mbAttachment => 400,
        }
    }

    /// The bodies in rotation: different envelopes of this shape, gzip level 6.
    pub(crate) fn bodies(self) -> Result<Arc<[Bytes]>> {
        let variants = (0..VARIANTS).map(|variant| {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::new(6));
            gzip.write_all(&self.envelope(variant))?;
            Ok(Bytes::from(gzip.finish()?))
        });
        variants.collect()
    }

    fn envelope(self, variant: u32) -> Vec<u8> {
        let (ty, size) = match self {
            Self::Error3k => ("event", 3_000),
            Self::Error60k => ("event", 60_000),
            Self::Transaction80k => ("transaction", 80_000),
            Self::SessionUpdate => ("session", 300),
            Self::Logs40k => ("log", 40_000),
            Self::ErrorWith1mbAttachment => ("event", 3_000),
        };
        let mut seed = u64::from(variant) + 1;
        let mut random = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let mut parts = Vec::new();
        let mut total = 0;
        while total < size {
            let part = format!(
                r#"{{"filename":"app/{}.py","function":"f{}","lineno":{},"in_app":true,"context_line":"    return self.do_{}(value)"}}"#,
                random() % 997,
                random() % 89,
                random() % 2000,
                random()
            );
            total += part.len() + 1;
            parts.push(part);
        }
        let payload =
            format!(r#"{{"event_id":"{:032x}","frames":[{}]}}"#, variant + 1, parts.join(","));
        let mut text = format!(
            "{{\"event_id\":\"{:032x}\",\"sent_at\":\"2026-11-24T02:00:00.000Z\"}}\n{{\"type\":\"{ty}\",\"length\":{}}}\n{payload}\n",
            variant + 1, payload.len()
        ).into_bytes();
        if self == Self::ErrorWith1mbAttachment {
            let mut attachment = Vec::new();
            while attachment.len() < 1_000_000 {
                attachment.extend_from_slice(
                    format!(
                        "2026-11-24T02:00:00Z INFO worker {} did {} in {}\n",
                        random() % 16,
                        random() % 1000,
                        random() % 100000
                    )
                    .as_bytes(),
                );
            }
            text.extend_from_slice(
                format!(
                    "{{\"type\":\"attachment\",\"length\":{},\"filename\":\"a.log\"}}\n",
                    attachment.len()
                )
                .as_bytes(),
            );
            text.extend_from_slice(&attachment);
            text.push(b'\n');
        }
        text
    }
}
