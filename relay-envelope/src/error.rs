/// Why a byte sequence is not an envelope.
///
/// The texts are those SDKs know from Sentry. [`position`](Self::position) says where; no message
/// repeats payload bytes, the header errors name a value only where it has the wrong type.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The whole is larger than [`Limits::max_size`](crate::Limits::max_size).
    #[error("envelope exceeds {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },

    /// There is nothing, or nothing but white space.
    #[error("missing envelope header")]
    MissingHeader,

    /// The envelope does not start with a JSON object, or a key of it has a value it cannot have.
    #[error("invalid envelope header")]
    Header(#[source] serde_json::Error),

    /// A header is larger than [`Limits::max_header_size`](crate::Limits::max_header_size).
    #[error("header exceeds {limit} bytes")]
    HeaderTooLarge {
        /// Whose header.
        at: Position,
        /// The limit in bytes.
        limit: usize,
    },

    /// An item does not start with a JSON object, has no `type`, or a `length` that is none.
    #[error("invalid item header")]
    ItemHeader {
        /// Which item.
        at: Position,
        /// What JSON has to say.
        source: serde_json::Error,
    },

    /// Something other than a line feed follows a header or a payload. Also the way in which
    /// envelopes with CRLF fail, and those with a `length` that is too small.
    #[error("missing newline after header or payload")]
    MissingNewline {
        /// Behind whose header, or behind which item's payload.
        at: Position,
    },

    /// An item declares more payload than is left, or white space follows the last item.
    #[error("unexpected end of file")]
    UnexpectedEof {
        /// Which item is cut off, or would have been the next.
        at: Position,
    },

    /// There are more items than [`Limits::max_items`](crate::Limits::max_items).
    #[error("too many individual items")]
    TooManyItems {
        /// The first one that is too many.
        at: Position,
    },
}

/// A place in an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The item, counted from zero; `None` for the envelope header.
    pub item: Option<usize>,
    /// Bytes from the start of the envelope to the header in question.
    pub offset: usize,
}

impl DecodeError {
    /// Where the fault is; `None` if it is the envelope as a whole or its header's JSON.
    pub fn position(&self) -> Option<Position> {
        match *self {
            Self::TooLarge { .. } | Self::MissingHeader | Self::Header(_) => None,
            Self::HeaderTooLarge { at, .. }
            | Self::ItemHeader { at, .. }
            | Self::MissingNewline { at }
            | Self::UnexpectedEof { at }
            | Self::TooManyItems { at } => Some(at),
        }
    }
}
