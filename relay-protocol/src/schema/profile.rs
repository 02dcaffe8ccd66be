//! What has to be readable of a profile (spec/schema.md 15). Strict: a wrong type is an error.

use serde::Deserialize;

use crate::EventId;

/// What relays read of a profile: of the payload of an item `profile` or `profile_chunk`. The rest is passed on unread.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ProfileHeader {
    /// The id of the profile or chunk.
    #[serde(alias = "profile_id", alias = "chunk_id")]
    pub event_id: EventId,
    /// The platform; see [`Platform`](crate::Platform).
    pub platform: String,
    /// The release; see [`Release`](crate::Release).
    #[serde(default)]
    pub release: Option<String>,
    /// The format: `1` for samples, `2` for chunks; without one only Android's is known.
    #[serde(default)]
    pub version: Option<String>,
}

impl ProfileHeader {
    /// Whether chunks of this platform count as from a user interface; otherwise they are from a backend.
    pub fn is_user_interface(&self) -> bool {
        matches!(&*self.platform, "cocoa" | "android" | "javascript")
    }
}

/// Where an attachment is that was uploaded before: the payload of an item with the content type
/// `application/vnd.sentry.attachment-ref+json`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct AttachmentRef {
    /// Where it is.
    pub location: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}
