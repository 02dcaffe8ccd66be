use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// The id of an event: a UUID of any version, the nil UUID included.
///
/// Reads 32 hex digits, the hyphenated form, `{…}` and `urn:uuid:…`, digits in any case. Writes 32
/// lower-case hex digits, which is the form that JSON payloads and envelope headers carry.
///
/// ```
/// use relay_protocol::EventId;
///
/// let id: EventId = "9EC79C33-EC99-42AB-8353-589FCB2E04DC".parse()?;
/// assert_eq!(id.to_string(), "9ec79c33ec9942ab8353589fcb2e04dc");
/// assert_eq!(id.hyphenated().to_string(), "9ec79c33-ec99-42ab-8353-589fcb2e04dc");
/// # Ok::<(), relay_protocol::ParseEventIdError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Uuid);

impl EventId {
    /// A fresh random id (UUID version 4).
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The form with hyphens, as the text answers of the crash report endpoints spell it.
    pub fn hyphenated(self) -> uuid::fmt::Hyphenated {
        self.0.hyphenated()
    }
}

impl From<Uuid> for EventId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl From<EventId> for Uuid {
    fn from(id: EventId) -> Self {
        id.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0.as_simple(), f)
    }
}

/// The text is not an event id. The message does not repeat the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an event identifier")]
pub struct ParseEventIdError(#[source] uuid::Error);

impl FromStr for EventId {
    type Err = ParseEventIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self).map_err(ParseEventIdError)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_simple().encode_lower(&mut Uuid::encode_buffer()))
    }
}

/// Reads a string.
///
/// # Deviation
///
/// The error names the text it found, as the reference does, because it is part of an answer's body.
/// A text that is too long for any spelling of an id is named by its length only.
impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(EventIdVisitor)
    }
}

struct EventIdVisitor;

impl EventIdVisitor {
    const LONGEST: usize = "urn:uuid:00000000-0000-0000-0000-000000000000".len();
}

impl Visitor<'_> for EventIdVisitor {
    type Value = EventId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event identifier")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<EventId, E> {
        text.parse().map_err(|_| match text.len() {
            ..=Self::LONGEST => E::invalid_value(Unexpected::Str(text), &self),
            length => E::invalid_length(length, &self),
        })
    }
}
