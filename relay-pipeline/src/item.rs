//! What an item is to the rules: does it make an event, does it need one, how much does it count.

use relay_envelope::{Item, ItemType};
use relay_protocol::{CountedItem, DataCategories, DataCategory, Quantities};

/// Whether this item is worth nothing without the event of its envelope, and is dropped with it.
///
/// Source: `spec/ingest.md` 6.1.
pub fn needs_event(item: &Item) -> bool {
    item.creates_event()
        || matches!(
            item.ty(),
            ItemType::Attachment
                | ItemType::FormData
                | ItemType::UserReport
                | ItemType::ReplayEvent
                | ItemType::Profile
        )
}

/// How much of which data category an item is; nothing for types that are never counted.
///
/// Source: `spec/ingest.md` 6.2.
pub fn quantities(item: &Item) -> Quantities {
    let length = item.payload().len() as u64;
    let bytes = match item.ty() {
        ItemType::Attachment if has_content_type(item, &ATTACHMENT_REFERENCE) => {
            item.attachment_length().unwrap_or(length)
        }
        ItemType::Attachment => length.saturating_sub(item.meta_length().map_or(0, u64::from)),
        _ => length,
    };
    CountedItem {
        item_type: item.ty().as_str(),
        bytes,
        item_count: item.item_count(),
        span_count: item.span_count(),
        platform: item.platform().as_deref(),
        content_type: item.content_type().as_deref(),
    }
    .quantities()
}

/// The categories of what counts this much that rate limits are enforced for: not the indexed ones, which only
/// count what is stored.
pub fn enforced(quantities: &Quantities) -> DataCategories {
    let indexed =
        [DataCategory::TransactionIndexed, DataCategory::SpanIndexed, DataCategory::ProfileIndexed];
    let categories = quantities.categories();
    categories.iter().filter(|category| !indexed.contains(category)).collect()
}

/// Whether an attachment belongs to a span or a trace rather than to an event.
pub(crate) fn is_trace_attachment(item: &Item) -> bool {
    *item.ty() == ItemType::Attachment
        && (item.has_span_id() || has_content_type(item, &TRACE_ATTACHMENT))
}

/// Whether a `span` item holds many spans rather than being one.
pub(crate) fn is_span_container(item: &Item) -> bool {
    *item.ty() == ItemType::Span
        && has_content_type(item, &["application/vnd.sentry.items.span.v2+json"])
}

// Both have two spellings (`spec/ingest.md` 5.6).
const ATTACHMENT_REFERENCE: [&str; 2] =
    ["application/vnd.sentry.attachment-ref+json", "application/vnd.sentry.attachment-ref"];
const TRACE_ATTACHMENT: [&str; 2] =
    ["application/vnd.sentry.trace-attachment", "application/vnd.sentry.attachment.v2"];

pub(crate) fn has_content_type(item: &Item, names: &[&str]) -> bool {
    item.content_type().is_some_and(|is| names.iter().any(|name| is.eq_ignore_ascii_case(name)))
}
