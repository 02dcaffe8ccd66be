#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! - [`Spool`], [`Settings`], [`WhenFull`], [`Sync`]: the spool of a running process. [`blocking`] waits for a reply.
//! - [`NewRecord`], [`Meta`], [`Stored`], [`Schedule`], [`RecordId`], [`RecordRef`], [`TargetId`]: what goes in and
//!   what comes out.
//! - [`Appended`], [`Loaded`], [`Dropped`], [`Wanted`]: questions and answers.
//! - [`Removal`], [`Removed`]: what was taken out by hand, and is accounted for when somebody asks.
//! - [`Status`], [`Totals`], [`Latency`]: what it holds and how it fares.
//! - [`View`], [`Filter`], [`Files`], [`Findings`]: the spool of a folder as a tool sees it, also while a relay runs on it.
//! - [`ArchiveWriter`], [`ArchiveReader`], [`ArchivedRecord`]: records in a file that goes to another spool. [`Exported`],
//!   [`Imported`]: how much went there and came from there.
//! - [`OpenError`], [`SpoolError`], [`Fault`], [`FaultKind`], [`ArchiveError`], [`ExportError`], [`ImportError`],
//!   [`ParseWhenFullError`], [`ParseRemovalError`]: what may go wrong.
#![forbid(unsafe_code)]

mod archive;
mod database;
mod error;
mod filter;
mod inbox;
mod lock;
mod log;
mod record;
mod removed;
mod rescue;
mod reserve;
mod spool;
mod status;
mod view;
mod writer;

pub use crate::archive::{ArchiveError, ArchiveReader, ArchiveWriter, ArchivedRecord};
pub use crate::error::{ExportError, Fault, FaultKind, ImportError, OpenError, SpoolError};
pub use crate::filter::Filter;
pub use crate::record::{
    Dropped, Meta, NewRecord, RecordId, RecordRef, Schedule, Stored, TargetId,
};
pub use crate::removed::{ParseRemovalError, Removal, Removed};
pub use crate::spool::{
    Appended, Imported, Loaded, ParseWhenFullError, Settings, Spool, Sync, Wanted, WhenFull,
    blocking,
};
pub use crate::status::{Latency, Status, Totals};
pub use crate::view::{Exported, Files, Findings, View};
