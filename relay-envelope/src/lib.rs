#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! - [`Envelope`]: a header and its items; [`Envelope::decode`] under [`Limits`], [`Envelope::encode`].
//! - [`EncodedParts`]: the same bytes as a list of slices, for whoever compresses or writes them.
//! - [`EnvelopeHeader`] with [`ClientHints`], [`Trace`] and [`SamplingContext`]: the first line.
//! - [`Item`] with [`ItemType`] and [`AttachmentType`]: a header line and a payload that stays bytes.
//! - [`Fields`]: header keys nobody here interprets, as JSON text.
//! - [`DecodeError`] and [`Position`]: what is wrong with an envelope, and where.
#![forbid(unsafe_code)]

mod envelope;
mod error;
mod fields;
mod header;
mod item;
mod item_header;
mod item_type;
mod plain;
mod scalar;
mod trace;
mod writer;

pub use crate::envelope::{EncodedParts, Envelope, Limits};
pub use crate::error::{DecodeError, Position};
pub use crate::fields::Fields;
pub use crate::header::{ClientHints, EnvelopeHeader};
pub use crate::item::Item;
pub use crate::item_type::{AttachmentType, ItemType};
pub use crate::trace::{SamplingContext, Trace};
