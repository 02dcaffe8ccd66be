//! Rescue: a new file with what can be read of a damaged one.
//!
//! The new file grows beside the damaged one. When all of it is on the disk a note says so; from then on [`finish`]
//! puts the old one aside and the new one in its place, and does what is left of that after a crash at any time.
//!
//! Of a log that is damaged, the frames that are whole are read from a copy of it. The log itself stays as it is and is
//! put aside with its database: until then a crash changes nothing.
//!
//! What the disk has failed to read for long is damaged as well: the file that was put aside keeps the place where it
//! cannot be read from being used for anything else.

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::database::{DATABASE_FILE, Database, EARLY, Unusable, log_of};
use crate::log::{self, Damage};
use crate::record::to_millis;
use crate::spool::Sync;
use crate::status::Totals;
use crate::{Fault, FaultKind, NewRecord, RecordId, Removed, Stored, TargetId};

/// A folder beside the database, in which the new one is made.
const RESCUE_FOLDER: &str = "rescue";

/// In that folder, once the new database is complete: the name under which the old one is put aside.
const NOTE: &str = "aside";

/// What SQLite keeps beside a database, and the database itself. It goes last: while the old one is there nobody
/// can take its log for that of the new one.
const COMPANIONS: [&str; 4] = ["-wal", "-journal", "-shm", ""];

/// Copies what can be read of the database in `folder` into a new one and puts the old one aside; where that is, and
/// what the old one counted itself, if it tells.
///
/// `known` are the targets as the process remembers them, `last` is the last number it gave: in case the file does
/// not tell any more. `at_last` is said of a file that has been unreadable for long enough.
pub(crate) fn rescue(
    folder: &Path,
    known: &[(TargetId, String)],
    last: RecordId,
    sync: Sync,
    at_last: bool,
) -> Result<(PathBuf, Option<Totals>), Unusable> {
    let nursery = folder.join(RESCUE_FOLDER);
    remove_if_there(&nursery)?;
    std::fs::create_dir(&nursery)?;
    let mut new = Database::open(&nursery, sync).map_err(fault)?;
    if at_last {
        cut_log(folder, &nursery)?;
    }
    let damage = damage_of_log(folder);
    let opened = match &damage {
        Some(damage) => open_mended(folder, &nursery, damage),
        None => Database::open(folder, sync).map(Some),
    };
    let old = match opened {
        Ok(old) => old,
        Err(Unusable::Fault(fault)) if at_last && fault.is_unreadable() => None,
        // There is nothing wrong with the file.
        Err(newer @ Unusable::Newer(_)) if damage.is_some() => return Err(newer),
        // It may be readable another time.
        Err(Unusable::Fault(fault))
            if matches!(
                fault.kind(),
                FaultKind::Io | FaultKind::ReadOnly | FaultKind::DiskFull
            ) =>
        {
            return Err(fault.into());
        }
        Err(_) => Database::open_read_only(folder).ok().flatten(),
    };
    let counted = old.as_ref().and_then(|old| old.targets().ok());
    let counted = counted.map(|targets| Totals::sum(targets.iter().map(|(.., totals)| *totals)));
    let patience = if at_last { DISK_PATIENCE } else { PATIENCE };
    copy(old, &mut new, known, last, patience)?;
    new.checkpoint()?;
    drop(new);

    let aside = free_name(folder);
    sync_folder(&nursery);
    sync_folder(folder);
    let mut note = std::fs::File::create(nursery.join(NOTE))?;
    writeln!(note, "{aside}")?;
    note.sync_all()?;
    sync_folder(&nursery);
    finish(folder)?;
    Ok((folder.join(aside), counted))
}

/// Whether the log of the database in `folder` is damaged. One that cannot be read is not, as yet: SQLite meets that too,
/// and in the end it is cut off there.
pub(crate) fn damage_of_log(folder: &Path) -> Option<Damage> {
    // Without its database a log is worth nothing.
    let is_there = folder.join(DATABASE_FILE).exists();
    is_there.then(|| log::damage(&log_of(folder)).ok().flatten()).flatten()
}

/// Opens the database in `folder` to read it with what can be saved of its log.
///
/// SQLite looks for a log beside the file alone, so that the file gets a second name beside the mended one. It is not
/// written through that: what is opened read-only neither changes anything nor brings the log into the file when it is
/// closed. So a copy, for which a disk that is nearly full has no room, is made only where the system has no links.
fn open_mended(
    folder: &Path,
    nursery: &Path,
    damage: &Damage,
) -> Result<Option<Database>, Unusable> {
    let mended = nursery.join("mended");
    std::fs::create_dir(&mended)?;
    log::mend(&log_of(folder), damage, &log_of(&mended))?;
    let (file, name) = (folder.join(DATABASE_FILE), mended.join(DATABASE_FILE));
    if std::fs::hard_link(&file, &name).is_err() {
        std::fs::copy(file, name)?;
    }
    Database::open_read_only(&mended)
}

/// Reads all that there is of the database in `folder`, which nobody has open.
pub(crate) fn read_through(folder: &Path) -> std::io::Result<()> {
    for path in [folder.join(DATABASE_FILE), log_of(folder)] {
        match std::fs::File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            file => drop(std::io::copy(&mut file?, &mut std::io::sink())?),
        }
    }
    Ok(())
}

/// Lets a log that cannot be read to its end go on with what stands before that place: SQLite takes nothing from behind
/// it. All of it stays under a name of those that are put aside.
fn cut_log(folder: &Path, nursery: &Path) -> std::io::Result<()> {
    let path = log_of(folder);
    let mut log = match std::fs::File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        log => log?,
    };
    let cut = nursery.join("log");
    let mut readable = std::fs::File::create(&cut)?;
    let mut piece = [0; 4096];
    loop {
        match log.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => readable.write_all(piece.get(..length).unwrap_or_default())?,
            Err(_) => break,
        }
    }
    readable.sync_all()?;
    // Not every system has links.
    let _ = std::fs::hard_link(&path, folder.join(format!("{}-wal", free_name(folder))));
    std::fs::rename(cut, path)?;
    sync_folder(folder);
    Ok(())
}

/// Puts a complete rescued database in the place of the old one, as far as that is left to do; throws away one that
/// is not complete.
pub(crate) fn finish(folder: &Path) -> std::io::Result<()> {
    let nursery = folder.join(RESCUE_FOLDER);
    if !nursery.exists() {
        return Ok(());
    }
    let new = nursery.join(DATABASE_FILE);
    let note = std::fs::read_to_string(nursery.join(NOTE)).unwrap_or_default();
    // A power cut may leave a note that was not synced yet with other bytes in it.
    if let Some(aside) = note.strip_suffix('\n').filter(|name| is_name_to_set_aside(name))
        && new.exists()
    {
        for companion in COMPANIONS {
            let from = folder.join(format!("{DATABASE_FILE}{companion}"));
            if from.exists() {
                std::fs::rename(from, folder.join(format!("{aside}{companion}")))?;
            }
        }
        sync_folder(folder);
        std::fs::rename(new, folder.join(DATABASE_FILE))?;
        sync_folder(folder);
    }
    remove_if_there(&nursery)
}

/// So many records in one transaction.
const PIECE: usize = 256;

fn copy(
    old: Option<Database>,
    new: &mut Database,
    known: &[(TargetId, String)],
    last: RecordId,
    patience: u32,
) -> Result<(), Fault> {
    let mut targets: Vec<(TargetId, String)> = known.to_vec();
    let on_disk = old.as_ref().and_then(|old| old.targets().ok()).unwrap_or_default();
    targets.extend(on_disk.into_iter().map(|(id, name, _)| (id, name)));
    // Removed by hand, and not asked for yet. An old format has none.
    let removed = old.as_ref().and_then(|old| old.removed().ok()).unwrap_or_default();
    let mut survivors = old.map(|old| {
        let last = last_of(&old, last);
        Survivors { after: RecordId::default(), last, old, patience }
    });
    // The last number that was given may have been lost: the next ones are beyond all that counting could have reached.
    let mut last = last.max(RecordId(to_millis(SystemTime::now())));
    let mut newest = 0;
    let mut new_ids: Vec<(TargetId, TargetId, Totals)> = Vec::new();
    if targets.is_empty() {
        // It is kept with the targets.
        let nobody = TargetId(0);
        targets.push((nobody, unknown_target(nobody)));
    }
    loop {
        let piece = survivors.as_mut().map(|s| s.next(PIECE)).unwrap_or_default();
        new.transaction(|new| -> Result<(), Fault> {
            for (name_of, name) in targets.drain(..) {
                if !new_ids.iter().any(|(old_id, ..)| *old_id == name_of) {
                    new_ids.push((name_of, new.target(&name)?, Totals::default()));
                }
            }
            for (stored, body) in &piece {
                let entry = match new_ids.iter().position(|(id, ..)| *id == stored.meta.target) {
                    Some(index) => index,
                    None => {
                        // Its name is lost; what waits for it is not.
                        let name = unknown_target(stored.meta.target);
                        new_ids.push((stored.meta.target, new.target(&name)?, Totals::default()));
                        new_ids.len() - 1
                    }
                };
                let Some((_, target, totals)) = new_ids.get_mut(entry) else { continue };
                let mut meta = stored.meta.clone();
                meta.target = *target;
                let record = NewRecord { meta, body: body.clone() };
                *totals += Totals {
                    records: 1,
                    items: record.meta.item_count.into(),
                    bytes: record.size(),
                };
                let received = to_millis(record.meta.received);
                let early = received < newest - EARLY;
                newest = newest.max(received);
                new.insert(stored.id, &record, &stored.schedule, early)?;
                last = last.max(stored.id);
            }
            for (_, target, totals) in &new_ids {
                new.set_totals(*target, *totals, last, newest)?;
            }
            Ok(())
        })?;
        if piece.is_empty() {
            return new.transaction(|new| {
                for entry in removed {
                    let target = new_ids.iter().find(|(id, ..)| *id == entry.target);
                    let Some((_, target, _)) = target else { continue };
                    new.insert_removed(&Removed { target: *target, ..entry })?;
                }
                Ok(())
            });
        }
    }
}

/// The name of a target that has lost its own.
pub(crate) fn unknown_target(target: TargetId) -> String {
    format!("unknown-{}", target.0)
}

/// Goes through a damaged file from the first number to the last.
struct Survivors {
    old: Database,
    after: RecordId,
    last: RecordId,
    /// After so many numbers in a row that cannot be read, the steps grow.
    patience: u32,
}

const PATIENCE: u32 = 10_000;

/// Where the disk fails to read: it may take seconds to say so each time, and no page has more records.
const DISK_PATIENCE: u32 = 100;

impl Survivors {
    /// The next records that can be read, bytes and all; none at the end.
    fn next(&mut self, most: usize) -> Vec<(Stored, bytes::Bytes)> {
        let mut piece = Vec::new();
        let mut failures = 0_u32;
        while piece.len() < most && self.after < self.last {
            match self.old.list(self.after, 1) {
                Ok(records) => {
                    failures = 0;
                    let Some(record) = records.into_iter().next() else {
                        self.after = self.last;
                        break;
                    };
                    self.after = record.id;
                    if let Ok(Some(body)) = self.old.body(record.id) {
                        piece.push((record, body));
                    }
                }
                Err(_) => {
                    failures = failures.saturating_add(1);
                    let doublings = failures.saturating_sub(self.patience).min(40);
                    self.after.0 = self.after.0.saturating_add(1_i64 << doublings);
                }
            }
        }
        piece
    }
}

/// The last number there may be, as far as anybody knows.
fn last_of(old: &Database, known: RecordId) -> RecordId {
    match old.last_id() {
        Ok(last) => last.max(known),
        Err(_) if known > RecordId::default() => known,
        // Ten thousand records a second for a year.
        Err(_) => RecordId::new(300_000_000_000),
    }
}

/// Between the name of the database and the milliseconds since 1970 at which it was put aside.
const SET_ASIDE: &str = ".damaged-";

/// Whether a file of this name is one that was put aside, or what belonged to it.
pub(crate) fn is_set_aside(name: &OsStr) -> bool {
    let name = name.to_str().and_then(|name| name.strip_prefix(DATABASE_FILE));
    name.is_some_and(|rest| rest.starts_with(SET_ASIDE))
}

/// Whether this is a name that [`free_name`] gives, whole.
fn is_name_to_set_aside(name: &str) -> bool {
    let time = name.strip_prefix(DATABASE_FILE).and_then(|rest| rest.strip_prefix(SET_ASIDE));
    time.is_some_and(|time| !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit()))
}

fn free_name(folder: &Path) -> String {
    let now = to_millis(SystemTime::now());
    (0..)
        .map(|more| format!("{DATABASE_FILE}{SET_ASIDE}{}", now + more))
        .find(|name| COMPANIONS.iter().all(|of| !folder.join(format!("{name}{of}")).exists()))
        .expect("numbers do not end")
}

fn remove_if_there(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// So that renames are on the disk; not every system can.
fn sync_folder(folder: &Path) {
    let _ = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
}

fn fault(unusable: Unusable) -> Fault {
    match unusable {
        Unusable::Fault(fault) => fault,
        Unusable::Newer(_) => std::io::Error::other("a new file is not new").into(),
    }
}
