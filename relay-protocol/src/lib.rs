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
//! - [`schema`]: events and all other payloads, as structs and as tables; checking and reading what SDKs send.
//! - [`ClientReport`]: the payload by which a client tells what it dropped itself.
//! - [`TraceId`], [`SpanId`], [`SpanStatus`], [`Level`], [`EventType`], [`Platform`]: small words of events.
//! - [`Release`], [`Version`], [`Environment`], [`Dist`]: names that must be valid, and [`NameError`].
//! - [`Glob`], [`Globs`] and [`PathPattern`]: patterns of rules, for texts and for transaction names.
//! - [`Condition`]: when a rule applies to a [`Subject`], by its [`Field`]s: [`EventSubject`],
//!   [`ReplaySubject`], [`SpanSubject`], [`SpanV2Subject`], [`LogSubject`], [`TraceMetricSubject`], [`SessionSubject`].
#![forbid(unsafe_code)]

mod category;
mod client_report;
mod condition;
mod environment;
mod event_id;
mod event_type;
mod glob;
mod item_kind;
mod level;
mod name;
mod outcome;
mod path_pattern;
pub mod payload;
mod platform;
mod quantity;
mod reason;
mod release;
pub mod schema;
mod span_status;
mod subject;
mod trace_id;
mod wire_enum;

pub use crate::category::{CategoryUnit, DataCategories, DataCategoriesIter, DataCategory};
pub use crate::client_report::{ClientReport, DiscardedEvent};
pub use crate::condition::{Condition, ConditionError, Field, Subject};
pub use crate::environment::{Dist, Environment};
pub use crate::event_id::{EventId, ParseEventIdError};
pub use crate::event_type::{EventType, ParseEventTypeError};
pub use crate::glob::{Glob, GlobError, Globs};
pub use crate::item_kind::ItemKind;
pub use crate::level::{Level, ParseLevelError};
pub use crate::name::NameError;
pub use crate::outcome::{DiscardReason, Outcome};
pub use crate::path_pattern::PathPattern;
pub use crate::platform::{ParsePlatformError, Platform};
pub use crate::quantity::{CountedItem, Quantities};
pub use crate::reason::{FilterReason, InvalidReason, ReasonCode, ReasonCodeError};
pub use crate::release::{Release, Version};
pub use crate::span_status::{ParseSpanStatusError, SpanStatus};
pub use crate::subject::{
    EventSubject, LogSubject, ReplaySubject, SessionSubject, SpanSubject, SpanV2Subject,
    TraceMetricSubject,
};
pub use crate::trace_id::{ParseSpanIdError, ParseTraceIdError, SpanId, TraceId};
