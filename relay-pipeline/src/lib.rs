#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! - [`check_sizes`] and [`ItemLimits`]: how large and how many the items of one envelope may be.
//! - [`admit`]: which items may enter while rate limits are in force; gives an [`Admission`].
//! - [`needs_event`], [`quantities`], [`enforced`]: what an item is to the rules.
//! - [`Discarded`]: an item that was turned away, and why.
//! - [`normalize`]: an event as Sentry wants to see it, whatever the SDK.
#![forbid(unsafe_code)]

mod admission;
mod item;
mod item_limits;
pub mod normalize;

pub use crate::admission::{Admission, Discarded, admit};
pub use crate::item::{enforced, needs_event, quantities};
pub use crate::item_limits::{ItemLimits, ItemTooLarge, check_sizes};
