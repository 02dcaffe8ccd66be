use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::EventId;
use crate::wire_enum::deserialize_from_str;

/// The id of a trace: a UUID in any of its spellings, written as 32 lower-case hex digits (spec/schema.md 2).
///
/// The nil id parses; normalisation puts a random one in its place.
///
/// ```
/// use relay_protocol::TraceId;
///
/// let id: TraceId = "4C79F60C-1121-4EB3-8604-F4AE0781BFB2".parse()?;
/// assert_eq!(id.to_string(), "4c79f60c11214eb38604f4ae0781bfb2");
/// # Ok::<(), relay_protocol::ParseTraceIdError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(Uuid);

impl TraceId {
    /// Whether all bits are zero.
    pub const fn is_nil(self) -> bool {
        self.0.is_nil()
    }
}

impl From<Uuid> for TraceId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl From<TraceId> for Uuid {
    fn from(id: TraceId) -> Self {
        id.0
    }
}

/// The trace of an event that names none.
impl From<EventId> for TraceId {
    fn from(id: EventId) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0.as_simple(), f)
    }
}

/// The text is not a trace id. The message does not repeat the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid trace id")]
pub struct ParseTraceIdError(#[source] uuid::Error);

impl FromStr for TraceId {
    type Err = ParseTraceIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self).map_err(ParseTraceIdError)
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_simple().encode_lower(&mut Uuid::encode_buffer()))
    }
}

deserialize_from_str!(TraceId, "a trace id");

/// The id of a span: exactly 16 hex digits that are not all zero, written in lower case (spec/schema.md 2).
///
/// ```
/// use relay_protocol::SpanId;
///
/// let id: SpanId = "FA90FDEAD5F74053".parse()?;
/// assert_eq!(id.to_string(), "fa90fdead5f74053");
/// assert!("0000000000000000".parse::<SpanId>().is_err());
/// # Ok::<(), relay_protocol::ParseSpanIdError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(NonZeroU64);

impl SpanId {
    /// The id with that number.
    pub const fn new(number: NonZeroU64) -> Self {
        Self(number)
    }

    /// The number that the digits spell.
    pub const fn get(self) -> NonZeroU64 {
        self.0
    }

    /// The span of an event that names none: the first half of its id, or the second if the first is
    /// zero. Only the nil id has none.
    pub fn of_event(id: EventId) -> Option<Self> {
        let (high, low) = Uuid::from(id).as_u64_pair();
        NonZeroU64::new(high).or(NonZeroU64::new(low)).map(Self)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The text is not a span id. The message does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid span id")]
pub struct ParseSpanIdError;

impl FromStr for SpanId {
    type Err = ParseSpanIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // `from_str_radix` alone would read a sign.
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ParseSpanIdError);
        }
        let number = u64::from_str_radix(text, 16).map_err(|_| ParseSpanIdError)?;
        NonZeroU64::new(number).map(Self).ok_or(ParseSpanIdError)
    }
}

impl Serialize for SpanId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

deserialize_from_str!(SpanId, "a span id");
