//! Errors: what keeps a spool from being opened, and what keeps it from doing its work.

use std::path::PathBuf;
use std::sync::Arc;

use crate::ArchiveError;

/// Why a spool could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it: one relay per folder.
    #[error("the spool folder {} is in use by {holder}", folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// Who holds it, as its lock file says.
        holder: String,
    },
    /// The folder or the lock file could not be made, opened or synced.
    #[error("cannot use the spool folder {}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A later version of this software wrote the file.
    #[error(
        "the spool in {} has format {found}, this version reads up to {known}: use the version that wrote it, or \
         move the file away", folder.display()
    )]
    Newer {
        /// The folder.
        folder: PathBuf,
        /// The version in the file.
        found: i64,
        /// The last version known here.
        known: i64,
    },
    /// An earlier version of this software wrote the file, and no relay has opened it since.
    #[error(
        "the spool in {} has format {found}, this version writes {known}: it is brought up to date when a relay is \
         started on it", folder.display()
    )]
    Older {
        /// The folder.
        folder: PathBuf,
        /// The version in the file.
        found: i64,
        /// The version written here.
        known: i64,
    },
    /// There is no spool in the folder.
    #[error("there is no spool in {}", folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
    },
    /// The file could not be read or written.
    #[error("cannot open the spool in {}", folder.display())]
    File {
        /// The folder.
        folder: PathBuf,
        /// The reason.
        source: Fault,
    },
    /// No thread could be started.
    #[error("cannot start the thread of the spool")]
    Thread(#[source] std::io::Error),
}

/// Why a spool did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// It has been closed.
    #[error("the spool is closed")]
    Closed,
    /// The disk, or the file on it, failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The bytes of this one record are not those that were stored.
    #[error("record {0} is damaged")]
    DamagedRecord(crate::RecordId),
}

/// Why records were not exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The spool could not be read.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The archive could not be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The spool could not be written.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The archive could not be read, or is not what was written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A target has no room for all that is meant for it.
    #[error(
        "record {record} does not fit: it has {size} bytes, and its target {target:?} has room for {room} of its \
         {share}"
    )]
    Full {
        /// Which record of the archive, counted from zero.
        record: u64,
        /// The bytes it would count.
        size: u64,
        /// The name of its target.
        target: String,
        /// The bytes that are left to the target.
        room: u64,
        /// The bytes that the target may hold.
        share: u64,
    },
    /// A name is longer than that of any target.
    #[error("record {record} names a target with more than {LONGEST_NAME} bytes")]
    LongName {
        /// Which record of the archive, counted from zero.
        record: u64,
    },
    /// More targets are named than anybody has.
    #[error("record {record} names another target after {MOST_TARGETS}")]
    TooManyTargets {
        /// Which record of the archive, counted from zero.
        record: u64,
    },
}

impl From<Fault> for ImportError {
    fn from(fault: Fault) -> Self {
        Self::Spool(fault.into())
    }
}

/// Bytes of the name of a target in an archive at most: the owner's words, but not any amount of them.
pub(crate) const LONGEST_NAME: usize = 1024;

/// Targets of one archive at most: each new one makes the shares of all smaller.
pub(crate) const MOST_TARGETS: usize = 1024;

/// A failure of the file or of the disk below it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {text}")]
pub struct Fault {
    kind: FaultKind,
    text: Arc<str>,
    /// Whether it was reading that failed.
    reading: bool,
}

/// What sort of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// No space left.
    DiskFull,
    /// The file or folder may not be written.
    ReadOnly,
    /// Reading, writing or syncing failed.
    Io,
    /// The file was removed or replaced while it was in use: what is written to it is nobody's any more.
    Gone,
    /// The file is not, or no longer, what this software wrote.
    Damaged,
    /// Anything else.
    Other,
}

impl std::fmt::Display for FaultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::DiskFull => "the disk is full",
            Self::ReadOnly => "the spool cannot be written",
            Self::Io => "the disk fails",
            Self::Gone => "the spool file is gone",
            Self::Damaged => "the spool file is damaged",
            Self::Other => "the spool fails",
        })
    }
}

impl Fault {
    /// What sort of failure it is.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }
}

impl Fault {
    pub(crate) fn panicked() -> Self {
        Self::new(FaultKind::Other, "its thread has ended; restart the relay")
    }

    pub(crate) fn gone() -> Self {
        Self::new(FaultKind::Gone, "it was removed or replaced while in use; restart the relay")
    }

    pub(crate) fn damaged_log() -> Self {
        Self::new(FaultKind::Damaged, "its log is not what was written")
    }

    /// Something that is there could not be read.
    pub(crate) fn unreadable(error: std::io::Error) -> Self {
        Self { reading: true, ..error.into() }
    }

    /// Whether something that is there could not be read: if that goes on, it is as good as damaged.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.reading
    }

    fn new(kind: FaultKind, text: impl Into<Arc<str>>) -> Self {
        Self { kind, text: text.into(), reading: false }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::types::FromSqlError;
        use rusqlite::{ErrorCode as Code, ffi};
        let kind = match &error {
            rusqlite::Error::SqliteFailure(cause, _) => match cause.code {
                Code::DiskFull => FaultKind::DiskFull,
                Code::ReadOnly | Code::PermissionDenied | Code::CannotOpen => FaultKind::ReadOnly,
                Code::SystemIoFailure => FaultKind::Io,
                Code::DatabaseCorrupt | Code::NotADatabase => FaultKind::Damaged,
                _ => FaultKind::Other,
            },
            // The schema is ours and strict: a value of another type, or an SQL error, is damage.
            rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::FromSqlConversionFailure(..) => FaultKind::Damaged,
            _ => FaultKind::Other,
        };
        // Which SQLite takes for a broken file system, and often calls damage instead.
        let reading = error.sqlite_error().is_some_and(|cause| {
            matches!(
                cause.extended_code,
                ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS
            )
        });
        // `Utf8Error` and conversion errors name types and positions, never values.
        let text = match &error {
            rusqlite::Error::FromSqlConversionFailure(column, ty, cause)
                if !cause.is::<FromSqlError>() =>
            {
                format!("column {column} is no {ty}")
            }
            error => error.to_string(),
        };
        Self { reading, ..Self::new(kind, text) }
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let kind = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => FaultKind::DiskFull,
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => FaultKind::ReadOnly,
            _ => FaultKind::Io,
        };
        Self::new(kind, error.to_string())
    }
}
