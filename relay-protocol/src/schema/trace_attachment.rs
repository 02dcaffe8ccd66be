//! What goes before an attachment of a trace (spec/schema.md 15).

use super::{AttributeMap, Pii, Timestamp, attribute_map, interface};
use crate::TraceId;

interface! {
    /// What an attachment of a trace says of itself: the first bytes of an item with the content type
    /// `application/vnd.sentry.trace-attachment`.
    TraceAttachmentMeta = "traceattachmentmeta", other: Maybe {
        /// The trace.
        trace_id: TraceId = "trace_id" { required: true, pii: Pii::No };
        /// The id of the attachment.
        attachment_id: uuid::Uuid = "attachment_id" { required: true, pii: Pii::No };
        /// When.
        timestamp: Timestamp = "timestamp" { required: true, pii: Pii::No };
        /// The name of the file. At most 256 characters.
        filename: String = "filename" { max_chars: Some(256), allowance: 40, pii: Pii::Yes };
        /// What it is. At most 128 characters.
        content_type: String = "content_type" { max_chars: Some(128), required: true, pii: Pii::No };
        /// Anything else.
        attributes: AttributeMap = "attributes" {
            shape: attribute_map::ATTRIBUTES.shape, pii: Pii::Maybe
        };
    }
}
