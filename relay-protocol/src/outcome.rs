use crate::{FilterReason, InvalidReason, ItemKind, ReasonCode};

/// What became of a piece of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Outcome {
    /// It is in Sentry.
    Accepted = 0,
    /// A filter or sampling rule of the project held it back.
    Filtered = 1,
    /// A quota or rate limit held it back.
    RateLimited = 2,
    /// It was broken, not allowed, or could not be handled.
    Invalid = 3,
    /// It was over the limit that protects the service.
    Abuse = 4,
    /// The SDK dropped it and said so in a client report.
    ClientDiscard = 5,
    /// It was over a limit on the number of distinct values.
    CardinalityLimited = 6,
}

impl Outcome {
    /// The number on the wire.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The name on the wire, in lower snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Filtered => "filtered",
            Self::RateLimited => "rate_limited",
            Self::Invalid => "invalid",
            Self::Abuse => "abuse",
            Self::ClientDiscard => "client_discard",
            Self::CardinalityLimited => "cardinality_limited",
        }
    }
}

/// Why a relay discarded a piece of data.
///
/// ```
/// use relay_protocol::{DiscardReason, ItemKind, Outcome};
///
/// let reason = DiscardReason::TooLarge(ItemKind::Minidump);
/// assert_eq!(reason.outcome(), Outcome::Invalid);
/// assert_eq!(reason.as_str(), "too_large:attachment:minidump");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiscardReason {
    /// An inbound filter matched.
    Filtered(FilterReason),
    /// A rate limit was in force; the code is that of the limit that lasts longest, if it has one.
    RateLimited(Option<ReasonCode>),
    /// An item was over its size limit.
    TooLarge(ItemKind),
    /// The data was not acceptable for another reason.
    Invalid(InvalidReason),
}

impl DiscardReason {
    /// The kind of outcome that the reason explains.
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Filtered(_) => Outcome::Filtered,
            Self::RateLimited(_) => Outcome::RateLimited,
            Self::TooLarge(_) | Self::Invalid(_) => Outcome::Invalid,
        }
    }

    /// The text on the wire, empty for a rate limit that gives no reason.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Filtered(filter) => filter.as_str(),
            Self::RateLimited(code) => code.as_ref().map_or("", ReasonCode::as_str),
            Self::TooLarge(kind) => kind.too_large(),
            Self::Invalid(reason) => reason.as_str(),
        }
    }
}
