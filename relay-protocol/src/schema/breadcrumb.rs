//! What happened before an event (spec/schema.md 4.4).

use serde_json::Value;

use super::{Map, Pii, Timestamp, interface};
use crate::{EventId, Level};

interface! {
    /// Something that happened before an event.
    Breadcrumb = "breadcrumb", other: No {
        /// When.
        timestamp: Timestamp = "timestamp" { pii: Pii::No };
        /// What kind it is. At most 128 characters; `default` by default.
        ty: String = "type" | "ty" { max_chars: Some(128), pii: Pii::No };
        /// What it belongs to, often the name of a logger. At most 128 characters.
        category: String = "category" { max_chars: Some(128), pii: Pii::No };
        /// How severe it is. `info` by default.
        level: Level = "level" { pii: Pii::No };
        /// What happened, for people. At most 8,192 characters.
        message: String = "message" { max_chars: Some(8192), allowance: 200, pii: Pii::Yes };
        /// Anything else about it. At most 2 KiB, five levels deep.
        data: Map<Value> = "data" {
            max_depth: Some(5), max_bytes: Some(2048), skip_empty: true, pii: Pii::Yes
        };
        /// The event that it stands for.
        event_id: EventId = "event_id" { pii: Pii::No };
        /// What made it, in SDKs that have several layers.
        origin: String = "origin" { pii: Pii::No };
    }
}
