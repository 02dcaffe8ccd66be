//! A view: the spool of a folder as a tool sees it, whether or not a relay is running on it.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;

use crate::database::{DATABASE_FILE, Database, FORMAT, Unusable};
use crate::lock::FolderLock;
use crate::{OpenError, RecordId, SpoolError, Stored, TargetId, Totals, Wanted};

/// A spool to look at. Nothing here changes what waits.
#[derive(Debug)]
pub struct View {
    folder: PathBuf,
    database: Database,
}

impl View {
    /// Opens the spool in `folder` for reading.
    ///
    /// # Errors
    ///
    /// If there is none, or it cannot be read.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let missing = || OpenError::Missing { folder: folder.to_owned() };
        if !folder.join(DATABASE_FILE).exists() {
            return Err(missing());
        }
        let database = Database::open_read_only(folder).map_err(|unusable| {
            let folder = folder.to_owned();
            match unusable {
                Unusable::Newer(found) => OpenError::Newer { folder, found, known: FORMAT },
                Unusable::Fault(source) => OpenError::File { folder, source },
            }
        })?;
        // Whoever made the file has not come further, or is just about to.
        let database = database.ok_or_else(missing)?;
        Ok(Self { folder: folder.to_owned(), database })
    }

    /// The process that has the spool open, if any.
    pub fn holder(&self) -> Option<String> {
        FolderLock::holder(&self.folder)
    }

    /// All targets that were ever named, with what waits for them.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn targets(&self) -> Result<Vec<(TargetId, String, Totals)>, SpoolError> {
        Ok(self.database.targets()?)
    }

    /// At most `limit` records behind `after`, oldest first, whatever they wait for.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn list(&self, after: RecordId, limit: usize) -> Result<Vec<Stored>, SpoolError> {
        Ok(self.database.list(after, limit)?)
    }

    /// The record that is wanted.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn find(&self, wanted: &Wanted) -> Result<Option<Stored>, SpoolError> {
        Ok(match wanted {
            Wanted::Id(id) => self.database.find(*id)?,
            Wanted::Event(event_id) => self.database.find_event(event_id)?,
        })
    }

    /// The bytes of a record; `None` if there is none of that number.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or the bytes are not those that were stored.
    pub fn body(&self, record: RecordId) -> Result<Option<Bytes>, SpoolError> {
        self.database.body(record)
    }

    /// When the oldest record was received.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn oldest(&self) -> Result<Option<SystemTime>, SpoolError> {
        Ok(self.database.oldest()?.map(|(_, received)| received))
    }

    /// Looks at everything: the structure of the file, the totals, each body. Calls `progress` with the records
    /// that were looked at, now and then.
    ///
    /// # Errors
    ///
    /// If the file cannot be read at all; what is wrong with it is in the findings.
    pub fn verify(&self, mut progress: impl FnMut(u64)) -> Result<Findings, SpoolError> {
        let mut findings =
            Findings { structure: self.database.integrity(100)?, ..Findings::default() };
        for (id, name, written) in self.database.targets()? {
            match self.database.count(id) {
                Ok(counted) if counted != written => {
                    findings.totals.push((name, written, counted));
                }
                Ok(_) => {}
                Err(fault) => findings.structure.push(fault.to_string()),
            }
        }
        let mut after = RecordId::default();
        loop {
            let piece = match self.database.list(after, 256) {
                Ok(piece) => piece,
                Err(fault) => {
                    findings.structure.push(fault.to_string());
                    break;
                }
            };
            let Some(last) = piece.last() else { break };
            after = last.id;
            for record in &piece {
                findings.records += 1;
                match self.database.body(record.id) {
                    Ok(_) => {}
                    Err(SpoolError::DamagedRecord(id)) => findings.damaged.push(id),
                    Err(error) => findings.structure.push(error.to_string()),
                }
            }
            progress(findings.records);
        }
        Ok(findings)
    }
}

/// What [`View::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Findings {
    /// Records that were looked at.
    pub records: u64,
    /// What is wrong with the file, in SQLite's words.
    pub structure: Vec<String>,
    /// Targets of which the running totals (first) are not what was counted (second). On the spool of a running
    /// relay they may have changed in between.
    pub totals: Vec<(String, Totals, Totals)>,
    /// Records whose bytes are not those that were stored.
    pub damaged: Vec<RecordId>,
}

impl Findings {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.structure.is_empty() && self.totals.is_empty() && self.damaged.is_empty()
    }
}
