//! A view: the spool of a folder as a tool sees it, whether or not a relay is running on it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;

use crate::database::{DATABASE_FILE, Database, FORMAT, Unusable};
use crate::lock::FolderLock;
use crate::rescue::{is_set_aside, unknown_target};
use crate::{
    ArchiveWriter, ArchivedRecord, ExportError, FaultKind, Filter, OpenError, RecordId, Removed,
    SpoolError, Stored, TargetId, Totals, Wanted,
};

/// So many records are read at once.
const PIECE: usize = 256;

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
        match folder.join(DATABASE_FILE).try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(missing()),
            Err(source) => return Err(OpenError::Folder { folder: folder.to_owned(), source }),
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
        if database.format < FORMAT {
            let (found, known) = (database.format, FORMAT);
            return Err(OpenError::Older { folder: folder.to_owned(), found, known });
        }
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

    /// What was removed by hand since a relay last asked, see [`Spool::take_removed`](crate::Spool::take_removed).
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn removed(&self) -> Result<Vec<Removed>, SpoolError> {
        Ok(self.database.removed()?)
    }

    /// At most `limit` records behind `after`, oldest first, whatever they wait for.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn list(&self, after: RecordId, limit: usize) -> Result<Vec<Stored>, SpoolError> {
        Ok(self.database.list(after, limit)?)
    }

    /// At most `limit` records behind `after` that `filter` lets through, oldest first.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn select(
        &self,
        filter: &Filter,
        after: RecordId,
        limit: usize,
    ) -> Result<Vec<Stored>, SpoolError> {
        Ok(self.database.select(filter, after, limit)?)
    }

    /// How much `filter` lets through. Looks at all records.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn matching(&self, filter: &Filter) -> Result<Totals, SpoolError> {
        Ok(self.database.matching(filter)?)
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

    /// When the oldest record of `target` was received.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn oldest_of(&self, target: TargetId) -> Result<Option<SystemTime>, SpoolError> {
        Ok(self.database.oldest_of(target)?)
    }

    /// The largest number that a record ever had.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn last(&self) -> Result<RecordId, SpoolError> {
        Ok(self.database.last_id()?)
    }

    /// The files of the spool and how large they are.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn files(&self) -> std::io::Result<Files> {
        let size_of = |name: &str| match self.folder.join(name).metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            metadata => metadata.map(|metadata| metadata.len()),
        };
        let mut files = Files {
            database: size_of(DATABASE_FILE)?,
            log: size_of(&format!("{DATABASE_FILE}-wal"))?,
            set_aside: Vec::new(),
        };
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            if is_set_aside(&entry.file_name()) {
                files.set_aside.push((entry.path(), entry.metadata()?.len()));
            }
        }
        files.set_aside.sort();
        Ok(files)
    }

    /// Writes what `filter` lets through into an archive, but for what came after the call. Records that a relay settles
    /// meanwhile may be in it or not. Calls `progress` with the records written, now and then.
    ///
    /// # Errors
    ///
    /// If the spool cannot be read or the archive cannot be written. Records with damaged or unreadable bytes are no
    /// error: they are left out and named.
    pub fn export(
        &self,
        filter: &Filter,
        archive: &mut ArchiveWriter<impl Write>,
        mut progress: impl FnMut(u64),
    ) -> Result<Exported, ExportError> {
        let last = self.database.last_id().map_err(SpoolError::from)?;
        let mut exported = Exported { last, ..Exported::default() };
        let mut names: Vec<(TargetId, String)> = Vec::new();
        let mut after = RecordId::default();
        loop {
            let piece = self.select(filter, after, PIECE)?;
            for record in &piece {
                after = record.id;
                if after > last {
                    return Ok(exported);
                }
                let body = match self.body(record.id) {
                    Ok(Some(body)) => body,
                    Ok(None) => continue,
                    Err(SpoolError::DamagedRecord(id)) => {
                        exported.damaged.push(id);
                        continue;
                    }
                    Err(SpoolError::Fault(fault))
                        if fault.is_unreadable() || fault.kind() == FaultKind::Damaged =>
                    {
                        exported.damaged.push(record.id);
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                };
                let target = record.meta.target;
                if !names.iter().any(|(id, _)| *id == target) {
                    // A running relay may have got another.
                    names = self.targets()?.into_iter().map(|(id, name, _)| (id, name)).collect();
                }
                let name = names.iter().find(|(id, _)| *id == target);
                let name = name.map_or_else(|| unknown_target(target), |(_, name)| name.clone());
                let (meta, schedule) = (record.meta.clone(), record.schedule);
                exported.totals +=
                    Totals { records: 1, items: record.meta.item_count.into(), bytes: record.size };
                archive.write(&ArchivedRecord::new(name, meta, schedule, body))?;
            }
            if piece.len() < PIECE {
                return Ok(exported);
            }
            progress(exported.totals.records);
        }
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
        let counted = self.database.snapshot(|database| {
            let mut counted = Vec::new();
            for (id, name, written) in database.targets()? {
                counted.push((name, written, database.count(id)));
            }
            Ok(counted)
        })?;
        for (name, written, counted) in counted {
            match counted {
                Ok(counted) if counted != written => {
                    findings.totals.push((name, written, counted));
                }
                Ok(_) => {}
                Err(fault) => findings.structure.push(fault.to_string()),
            }
        }
        let mut after = RecordId::default();
        loop {
            let piece = match self.database.list(after, PIECE) {
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

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Exported {
    /// How much it was.
    pub totals: Totals,
    /// No record behind this one was looked at.
    pub last: RecordId,
    /// Records that were left out because their bytes cannot be read, or are not those that were stored.
    pub damaged: Vec<RecordId>,
}

/// The files in a spool folder, with their sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Files {
    /// The database.
    pub database: u64,
    /// Its log, which holds what is not in the database file yet.
    pub log: u64,
    /// Damaged files that were put aside, in the order of their names, which is that of time.
    pub set_aside: Vec<(PathBuf, u64)>,
}

/// What [`View::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Findings {
    /// Records that were looked at.
    pub records: u64,
    /// What is wrong with the file, in SQLite's words.
    pub structure: Vec<String>,
    /// Targets of which the running totals (first) are not what was counted (second).
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
