//! The message of an event (spec/schema.md 4.1).

use serde_json::Value;

use super::{Pii, Shape, interface};

interface! {
    /// The message of an event. A text alone, or anything but an object, is taken for [`formatted`](Self::formatted).
    LogEntry = "logentry", other: Yes {
        /// The template with placeholders. At most 8,192 characters.
        message: String = "message" {
            shape: Shape::JsonText, max_chars: Some(8192), allowance: 200, pii: Pii::No
        };
        /// The text with everything filled in. At most 8,192 characters.
        formatted: String = "formatted" {
            shape: Shape::JsonText, max_chars: Some(8192), allowance: 200, pii: Pii::Yes
        };
        /// What goes into the placeholders: a list by position, an object by name. At most 2 KiB, five levels deep.
        params: Value = "params" {
            shape: Shape::Params, max_depth: Some(5), max_bytes: Some(2048), pii: Pii::Yes
        };
    }
}

impl From<&str> for LogEntry {
    fn from(formatted: &str) -> Self {
        Self { formatted: Some(formatted.to_owned()), ..Self::default() }
    }
}
