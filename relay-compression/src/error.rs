use crate::ContentEncoding;

/// The name is none of `identity`, `gzip`, `deflate`, `br` and `zstd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown content encoding")]
pub struct UnknownEncoding;

/// Why a body could not be decoded.
///
/// `offset` counts encoded bytes from the start of the body. No message repeats bytes of the body: they
/// may be personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The body decodes to more than was allowed.
    #[error("decoded body exceeds {limit} bytes")]
    TooLarge {
        /// How many decoded bytes were allowed.
        limit: usize,
    },

    /// The bytes are not what the encoding prescribes, or a checksum differs.
    #[error("corrupt {encoding} stream at byte {offset}: {reason}")]
    Corrupt {
        /// The encoding that was declared.
        encoding: ContentEncoding,
        /// Up to here the stream was fine. The fault lies here or a little later: zstd judges block by block.
        offset: u64,
        /// What the codec says about it.
        reason: &'static str,
    },

    /// The bytes end before the stream does.
    #[error("{encoding} stream ends too early, after {offset} bytes")]
    Truncated {
        /// The encoding that was declared.
        encoding: ContentEncoding,
        /// How many bytes there were.
        offset: u64,
    },

    /// The allocator refused.
    #[error("out of memory")]
    OutOfMemory,
}

/// Why a body could not be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The allocator refused.
    #[error("out of memory")]
    OutOfMemory,

    /// The codec gave up, which it has no reason to do.
    #[error("{encoding} encoder failed: {reason}")]
    Codec {
        /// The encoding that was to be produced.
        encoding: ContentEncoding,
        /// What the codec says about it.
        reason: &'static str,
    },
}
