//! Files for an event that was or will be sent by itself (`spec/ingest.md` 3.9), and what forms become in general.

use bytes::Bytes;
use mime::Mime;
use relay_envelope::{AttachmentType, Envelope, Item, ItemType};
use relay_protocol::EventId;

use super::{Bundle, Request};
use crate::body::BodyError;
use crate::multipart::{self, Form, FormLimits, Part, WhenLarge};
use crate::rejection::Rejection;

pub(super) async fn read(request: Request<'_>) -> Result<Bundle, Rejection> {
    let event_id = request.path.event_id.unwrap_or_default();
    let event_id: EventId =
        event_id.parse().map_err(|_| Rejection::EventId(event_id.to_owned()))?;
    let limits = request.relay.config.limits.items.max_attachments_size;
    let limits = request.form_limits(limits);
    let Form { parts, memory, .. } = read_form(request, &limits, |_| WhenLarge::Refuse).await?;
    let mut envelope = Envelope::new();
    envelope.header_mut().event_id = Some(event_id.into());
    let (files, fields): (Vec<Part>, Vec<Part>) =
        parts.into_iter().partition(|part| part.filename.is_some());
    for part in files {
        envelope.push(file(part, &AttachmentType::Attachment));
    }
    if let Some(fields) = form_data(&fields) {
        envelope.push(fields);
    }
    Ok(Bundle::new(vec![envelope], memory))
}

/// Reads the parts of a form.
pub(super) async fn read_form(
    request: Request<'_>,
    limits: &FormLimits,
    when_large: impl Fn(&str) -> WhenLarge,
) -> Result<Form, Rejection> {
    let Request { relay, head, body, encoding, .. } = request;
    let memory = relay.budget.reserve(0).map_err(BodyError::from)?;
    Ok(multipart::read(&head.headers, body, encoding, limits, memory, when_large).await?)
}

/// The item of a part with a file name.
pub(super) fn file(part: Part, ty: &AttachmentType) -> Item {
    let mut item = Item::attachment(&part.filename.unwrap_or_default(), part.content);
    item.set_attachment_type(ty);
    if let Some(media_type) = &part.media_type {
        item.set_content_type(content_type(media_type));
    }
    item
}

/// What receivers know of media types, in its plain form; any other is bytes to them (`spec/ingest.md` 5.6).
fn content_type(media_type: &Mime) -> &'static str {
    const KNOWN: [&str; 11] = [
        "application/json",
        "application/x-ndjson",
        "text/xml",
        "application/xml",
        "text/plain",
        "application/x-msgpack",
        "application/octet-stream",
        "application/x-dmp",
        "application/x-sentry-envelope",
        "application/x-protobuf",
        "application/x-perfetto-trace",
    ];
    const WITH_CHARSET: usize = 4;
    let mut parameters = media_type.params();
    let only_utf8 = match (parameters.next(), parameters.next()) {
        (None, _) => KNOWN.len(),
        (Some((name, value)), None) if name == mime::CHARSET && value == mime::UTF_8 => {
            WITH_CHARSET
        }
        _ => 0,
    };
    let known = KNOWN.iter().take(only_utf8).find(|known| **known == media_type.essence_str());
    known.copied().unwrap_or("application/octet-stream")
}

/// The parts without a file name, as one item: each a key and a value, each of which follows its length. `None` if there
/// are none, of those that have a name.
pub(super) fn form_data(fields: &[Part]) -> Option<Item> {
    let mut data = Vec::new();
    for field in fields {
        let Some(name) = &field.name else { continue };
        let value = String::from_utf8_lossy(&field.content);
        for text in [name.as_str(), &value] {
            let length = u32::try_from(text.len()).ok()?;
            data.extend_from_slice(&length.to_le_bytes());
            data.extend_from_slice(text.as_bytes());
        }
    }
    if data.is_empty() {
        return None;
    }
    let mut item = Item::new(ItemType::FormData, Bytes::from(data));
    item.set_content_type("text/plain");
    Some(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_that_receivers_know_lose_what_says_nothing() {
        for (written, expected) in [
            ("Application/JSON; charset=utf-8", "application/json"),
            ("application/json; charset=latin1", "application/octet-stream"),
            ("text/plain", "text/plain"),
            ("text/plain; charset=utf-8", "application/octet-stream"),
            ("image/png", "application/octet-stream"),
            ("application/x-dmp", "application/x-dmp"),
        ] {
            assert_eq!(
                content_type(&written.parse().expect("a media type")),
                expected,
                "{written}"
            );
        }
    }
}
