//! Foreign protocols: bodies that travel in an item `integration`, alone in their envelope. Servers take such items from
//! relays that they trust; any other has to bring the body to the endpoint that the protocol has there as well.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::HeaderValue;
use relay_envelope::{Envelope, Item, ItemType, Limits};

/// A protocol that is none of Sentry's, and the format of its bodies (`spec/ingest.md` 3.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Foreign {
    OtlpTracesJson,
    OtlpTracesProtobuf,
    OtlpLogsJson,
    OtlpLogsProtobuf,
    VercelLogsJson,
    VercelLogsLines,
    NetworkErrors,
}

impl Foreign {
    const ALL: [Self; 7] = [
        Self::OtlpTracesJson,
        Self::OtlpTracesProtobuf,
        Self::OtlpLogsJson,
        Self::OtlpLogsProtobuf,
        Self::VercelLogsJson,
        Self::VercelLogsLines,
        Self::NetworkErrors,
    ];

    /// The item of a body.
    pub(crate) fn item(self, body: Bytes) -> Item {
        let mut item = Item::new(ItemType::Integration, body);
        item.set_content_type(self.content_type());
        item
    }

    /// Of the item.
    fn content_type(self) -> &'static str {
        match self {
            Self::OtlpTracesJson => "application/vnd.sentry.integration.otel.spans+json",
            Self::OtlpTracesProtobuf => "application/vnd.sentry.integration.otel.spans+protobuf",
            Self::OtlpLogsJson => "application/vnd.sentry.integration.otel.logs+json",
            Self::OtlpLogsProtobuf => "application/vnd.sentry.integration.otel.logs+protobuf",
            Self::VercelLogsJson => "application/vnd.sentry.integration.vercel.logs+json",
            Self::VercelLogsLines => "application/vnd.sentry.integration.vercel.logs+ndjson",
            Self::NetworkErrors => "application/vnd.sentry.integration.browser.nel+json",
        }
    }

    /// Where an upstream takes the body, behind the project in the path.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::OtlpTracesJson | Self::OtlpTracesProtobuf => "integration/otlp/v1/traces",
            Self::OtlpLogsJson | Self::OtlpLogsProtobuf => "integration/otlp/v1/logs",
            Self::VercelLogsJson | Self::VercelLogsLines => "integration/vercel/logs",
            Self::NetworkErrors => "nel/",
        }
    }

    /// Of the body, as it is said there.
    pub(crate) fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::OtlpTracesJson | Self::OtlpLogsJson | Self::VercelLogsJson => "application/json",
            Self::OtlpTracesProtobuf | Self::OtlpLogsProtobuf => "application/x-protobuf",
            Self::VercelLogsLines => "application/x-ndjson",
            Self::NetworkErrors => "application/reports+json",
        })
    }

    /// Takes the body out of its envelope. `None` if that holds anything else.
    pub(crate) fn unwrap(envelope: Bytes) -> Option<(Self, Bytes)> {
        let limits = Limits { max_size: usize::MAX, ..Limits::default() };
        let (_, items) = Envelope::decode(envelope, &limits).ok()?.into_parts();
        let [item] = &items[..] else { return None };
        Some((Self::of(item)?, item.payload().clone()))
    }

    fn of(item: &Item) -> Option<Self> {
        let content_type = item.content_type().filter(|_| *item.ty() == ItemType::Integration)?;
        Self::ALL.into_iter().find(|foreign| foreign.content_type() == content_type)
    }
}

/// Whether the envelope of a record may be taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapping {
    /// The envelope is what was sent.
    Needed,
    /// It may be around a foreign body: nothing but the body counts then.
    Optional,
    /// So it is, or else it is of no use: the upstream refused it for what is in it.
    Refused,
}

impl Wrapping {
    /// Of an envelope with these items.
    pub(crate) fn of(items: &[Item]) -> Self {
        match items {
            [item] if *item.ty() == ItemType::Integration => Self::Optional,
            _ => Self::Needed,
        }
    }
}

/// Whether one upstream refuses foreign bodies in envelopes, and takes them without; remembered until the relay stops.
#[derive(Debug, Default)]
pub(crate) struct TakesBare(AtomicBool);

impl TakesBare {
    /// Whether to try without the envelope.
    pub(crate) fn asks_for(&self, wrapping: Wrapping) -> bool {
        match wrapping {
            Wrapping::Needed => false,
            Wrapping::Optional => self.0.load(Ordering::Relaxed),
            Wrapping::Refused => true,
        }
    }

    /// The upstream took a body whose envelope it had refused: from now on without.
    pub(crate) fn adopt(&self) {
        if !self.0.swap(true, Ordering::Relaxed) {
            tracing::info!(
                "the upstream does not take bodies of foreign protocols in envelopes, using their endpoints"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_body_comes_out_of_its_envelope_as_it_went_in() {
        for foreign in Foreign::ALL {
            let mut envelope = Envelope::new();
            envelope.push(foreign.item(Bytes::from_static(b"a\nb\0")));
            assert_eq!(Wrapping::of(envelope.items()), Wrapping::Optional);
            let unwrapped = Foreign::unwrap(envelope.encode());
            assert_eq!(unwrapped, Some((foreign, Bytes::from_static(b"a\nb\0"))));
        }
    }

    #[test]
    fn any_other_envelope_stays_as_it_is() {
        for envelope in [
            "{}\n",
            "{}\n{\"type\":\"log\",\"content_type\":\"application/vnd.sentry.integration.otel.logs+json\"}\n{}\n",
            "{}\n{\"type\":\"integration\",\"content_type\":\"application/vnd.sentry.integration.new\"}\n{}\n",
            "{}\n{\"type\":\"integration\"}\n{}\n",
            "{}\n{\"type\":\"integration\",\"content_type\":\"application/vnd.sentry.integration.otel.logs+json\"}\n{}\n\
             {\"type\":\"event\"}\n{}\n",
            "no envelope",
        ] {
            assert_eq!(Foreign::unwrap(envelope.into()), None, "{envelope}");
        }
    }
}
