//! What a user has to say about an event (spec/schema.md 11). Strict: a wrong type is an error.

use serde::{Deserialize, Deserializer, Serialize};

use crate::EventId;

/// What a user has to say about an event: the payload of an item `user_report`. Keys beside these are not kept.
///
/// Its successor is an event with a [`FeedbackContext`](super::FeedbackContext).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserReport {
    /// The event.
    pub event_id: EventId,
    /// Who says it; may be empty.
    #[serde(default, deserialize_with = "text_or_null")]
    pub name: String,
    /// How to answer; may be empty.
    #[serde(default, deserialize_with = "text_or_null")]
    pub email: String,
    /// What they say; may be empty.
    #[serde(default, deserialize_with = "text_or_null")]
    pub comments: String,
}

fn text_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
