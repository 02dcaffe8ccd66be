//! Store payloads: the JSON event that old SDKs post without an envelope around it (`spec/ingest.md` 3.5).

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use relay_auth::Credentials;
use relay_compression::{ContentEncoding, DecodeError, Decoder};
use relay_envelope::{Envelope, Item, ItemType};
use relay_protocol::EventId;
use serde::Deserialize;

use super::{Bundle, Request, content_type, envelope};
use crate::body::BodyError;
use crate::rejection::Rejection;

/// Why a store body that is not JSON holds none either.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PayloadError {
    #[error("invalid symbol at {0}")]
    Symbol(usize),
    #[error("invalid length at {0}")]
    Length(usize),
    #[error(transparent)]
    Inflate(DecodeError),
}

#[derive(Deserialize)]
struct PixelQuery {
    sentry_data: String,
}

/// Reads the body, or the query of a `GET`: what stands for one.
pub(super) async fn read(
    mut request: Request<'_>,
    sender: &Credentials,
) -> Result<Bundle, Rejection> {
    let max_event_size = request.relay.config.limits.items.max_event_size;
    let (bytes, memory) = if request.is_post() {
        let received = request.receive(max_event_size).await?;
        (received.bytes, received.memory)
    } else {
        let PixelQuery { sentry_data } = request.query()?;
        let memory = request.relay.budget.reserve(sentry_data.len()).map_err(BodyError::from)?;
        (sentry_data.into(), memory)
    };
    let envelope = if content_type(&request.head.headers) == "application/x-sentry-envelope" {
        envelope::decode(bytes)?
    } else {
        read_store(bytes, sender.client.as_deref(), max_event_size)?
    };
    Ok(Bundle::new(vec![envelope], memory))
}

/// Makes an envelope of a store body: JSON, base64 of JSON, or base64 of deflated JSON.
fn read_store(
    body: Bytes,
    client: Option<&str>,
    max_event_size: usize,
) -> Result<Envelope, Rejection> {
    if body.is_empty() {
        return Err(Rejection::EmptyBody);
    }
    let mut payload = unwrap_payload(body, max_event_size)?;
    if payload.is_empty() {
        return Err(Rejection::EmptyBody);
    }
    if client.is_some_and(|client| {
        client.starts_with("raven-python/") || client.starts_with("sentry-python/")
    }) && let Cow::Owned(zeroed) = without_nan(&payload)
    {
        payload = zeroed.into();
    }
    let head: EventHead = serde_json::from_slice(&payload).map_err(Rejection::Json)?;

    let mut envelope = Envelope::new();
    envelope.header_mut().event_id = Some(head.event_id.unwrap_or_else(EventId::random).into());
    let mut item = Item::new(head.item_type(), payload);
    item.set_content_type("application/json");
    envelope.push(item);
    Ok(envelope)
}

fn unwrap_payload(body: Bytes, max_event_size: usize) -> Result<Bytes, Rejection> {
    if body.starts_with(b"{") {
        return Ok(body);
    }
    let decoded =
        BASE64.decode(&body).map_err(|error| Rejection::StoreBody(base64_error(&error)))?;
    if decoded.starts_with(b"{") {
        return Ok(decoded.into());
    }
    inflate(&decoded, max_event_size)
        .map_err(|error| Rejection::StoreBody(PayloadError::Inflate(error)))
}

/// Inflates at most `max_event_size` bytes. What is cut off there is no longer JSON, and refused as such.
fn inflate(deflated: &[u8], max_event_size: usize) -> Result<Bytes, DecodeError> {
    let mut decoder = Decoder::new(ContentEncoding::Deflate, max_event_size);
    let mut rest = deflated;
    while !rest.is_empty() {
        match decoder.write_some(&mut rest) {
            Err(DecodeError::TooLarge { .. }) => return Ok(decoder.take()),
            written => written?,
        };
    }
    decoder.finish()
}

fn base64_error(error: &base64::DecodeError) -> PayloadError {
    match error {
        base64::DecodeError::InvalidByte(at, _)
        | base64::DecodeError::InvalidLastSymbol { offset: at, .. } => PayloadError::Symbol(*at),
        _ => PayloadError::Length(0),
    }
}

/// What must be known of an event to wrap it.
#[derive(Deserialize)]
struct EventHead<'a> {
    #[serde(default)]
    event_id: Option<EventId>,
    #[serde(default, borrow, rename = "type")]
    event_type: EventType<'a>,
}

/// May be left out or unknown, but not `null`.
#[derive(Default, Deserialize)]
struct EventType<'a>(#[serde(borrow)] Cow<'a, str>);

impl EventHead<'_> {
    fn item_type(&self) -> ItemType {
        match &*self.event_type.0 {
            "transaction" => ItemType::Transaction,
            "csp" => ItemType::Security,
            // The event type by which the reference marks feedback inside.
            "userreportv2" => ItemType::Feedback,
            _ => ItemType::Event,
        }
    }
}

/// Old Python clients write numbers that JSON does not have: they become zeros of the same length, so that
/// nothing else moves.
fn without_nan(json: &[u8]) -> Cow<'_, [u8]> {
    let mut zeroed = Cow::Borrowed(json);
    let (mut at, mut in_string) = (0, false);
    while let Some(byte) = json.get(at) {
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'N' | b'I' | b'-' if !in_string => {
                let rest = json.get(at..).unwrap_or_default();
                let token = [&b"NaN"[..], b"Infinity", b"-Infinity"]
                    .into_iter()
                    .find(|t| rest.starts_with(t));
                if let Some(token) = token {
                    let zero: &[u8] = if token.starts_with(b"-") { b"-0" } else { b"0" };
                    if let Some(slot) = zeroed.to_mut().get_mut(at..at + token.len()) {
                        slot.fill(b' ');
                        slot.iter_mut().zip(zero).for_each(|(byte, zero)| *byte = *zero);
                    }
                    at += token.len() - 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    zeroed
}

/// The answer to the store pixel: a transparent GIF of one by one.
pub(super) const PIXEL: &[u8] = &[
    0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 0x01, 0x00, 0x01, 0x00, 0x00, 0xff, 0x00, 0x2c, 0x00, 0x00,
    0x00, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x02, 0x00, 0x3b,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_none_become_zeros_of_the_same_length() {
        let cases = [
            (r#"{"x":NaN}"#, r#"{"x":0  }"#),
            (r#"{"x":[Infinity,-Infinity]}"#, r#"{"x":[0       ,-0       ]}"#),
            (r#"{"x":"NaN \" NaN","y":-1}"#, r#"{"x":"NaN \" NaN","y":-1}"#),
            (r#"{"x":NaN"#, r#"{"x":0  "#),
            (r#"{"x":Na"#, r#"{"x":Na"#),
        ];
        for (json, expected) in cases {
            assert_eq!(without_nan(json.as_bytes()), expected.as_bytes(), "{json}");
        }
    }

    #[test]
    fn the_event_type_chooses_the_item() {
        let cases = [
            (r#"{}"#, ItemType::Event),
            (r#"{"type":"transaction"}"#, ItemType::Transaction),
            (r#"{"type":"csp"}"#, ItemType::Security),
            (r#"{"type":"userreportv2"}"#, ItemType::Feedback),
            (r#"{"type":"feedback"}"#, ItemType::Event),
            (r#"{"type":"future"}"#, ItemType::Event),
        ];
        for (json, expected) in cases {
            let envelope =
                read_store(Bytes::from_static(json.as_bytes()), None, 1024).expect("a valid event");
            assert_eq!(*envelope.items()[0].ty(), expected, "{json}");
        }
        for json in [r#"{"type":null}"#, r#"{"type":1}"#, r#"{"event_id":"zz"}"#] {
            let refused = read_store(Bytes::from_static(json.as_bytes()), None, 1024);
            assert!(matches!(refused, Err(Rejection::Json(_))), "{json}");
        }
    }
}
