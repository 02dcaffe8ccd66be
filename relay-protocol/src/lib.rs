#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! - [`EventId`]: the id an SDK gives to an event, in every spelling the protocol accepts.
//! - [`DataCategory`] and [`DataCategories`]: what limits, quotas and outcomes count, and a set of it.
//! - [`CountedItem`] and [`Quantities`]: how much of which category one envelope item is.
//! - [`Outcome`] and [`DiscardReason`]: what became of data, and the words for why it was dropped.
//!   [`InvalidReason`], [`FilterReason`], [`ItemKind`] and [`ReasonCode`] are the parts of a reason.
//! - [`payload`]: JSON payloads as a tree that borrows the body, is edited in place and keeps `_meta` beside it.
//! - [`ClientReport`]: the payload by which a client tells what it dropped itself.
#![forbid(unsafe_code)]

mod category;
mod client_report;
mod event_id;
mod item_kind;
mod outcome;
pub mod payload;
mod quantity;
mod reason;

pub use crate::category::{CategoryUnit, DataCategories, DataCategoriesIter, DataCategory};
pub use crate::client_report::{ClientReport, DiscardedEvent};
pub use crate::event_id::{EventId, ParseEventIdError};
pub use crate::item_kind::ItemKind;
pub use crate::outcome::{DiscardReason, Outcome};
pub use crate::quantity::{CountedItem, Quantities};
pub use crate::reason::{FilterReason, InvalidReason, ReasonCode, ReasonCodeError};
