#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! - [`ContentEncoding`]: the encodings an SDK may name, as `Content-Encoding` spells them.
//! - [`decode`]: a whole body, bytes to bytes, up to a limit.
//! - [`Decoder`]: a body piece by piece, in bounded steps, for a caller that streams or pays for memory.
//! - [`Encoder`] and [`Level`]: many bodies, one after the other, from one set of buffers.
//! - `Container` (feature `containers`): compressed files that say themselves what they are.
//! - [`DecodeError`], [`EncodeError`], [`UnknownEncoding`]: what went wrong, and after how many bytes.
#![forbid(unsafe_code)]

#[cfg(feature = "containers")]
mod container;
mod decode;
mod encode;
mod encoding;
mod error;
mod output;
mod stream;

#[cfg(feature = "containers")]
pub use crate::container::{Container, ContainerReader};
pub use crate::decode::{Decoder, decode};
pub use crate::encode::{Encoder, Level};
pub use crate::encoding::ContentEncoding;
pub use crate::error::{DecodeError, EncodeError, UnknownEncoding};
