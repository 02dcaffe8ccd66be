#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! - [`check_sizes`] and [`ItemLimits`]: how large and how many the items of one envelope may be.
//! - [`admit`]: which items may enter while rate limits are in force; gives an [`Admission`].
//! - [`needs_event`], [`quantities`], [`enforced`]: what an item is to the rules.
//! - [`Discarded`]: an item that was turned away, and why.
//! - [`security_event`], [`network_error_log`], [`ReportContext`]: what browsers report by themselves, as events and logs.
//! - [`ItemContainer`] with [`ContainerKind`] and [`Inference`]: an item of many logs, spans or metrics, opened.
//! - [`ClockDrift`]: what to do about senders with a wrong clock.
//! - [`TraceSubject`]: a sampling context as conditions see it.
//! - [`normalize`]: an event as Sentry wants to see it, whatever the SDK.
#![forbid(unsafe_code)]

mod admission;
mod browser_report;
mod clock_drift;
mod item;
mod item_container;
mod item_limits;
pub mod normalize;
mod trace_subject;

pub use crate::admission::{Admission, Discarded, admit};
pub use crate::browser_report::{ReportContext, network_error_log, security_event};
pub use crate::clock_drift::ClockDrift;
pub use crate::item::{enforced, needs_event, quantities};
pub use crate::item_container::{ContainerKind, Inference, ItemContainer};
pub use crate::item_limits::{ItemLimits, ItemTooLarge, check_sizes};
pub use crate::trace_subject::TraceSubject;
