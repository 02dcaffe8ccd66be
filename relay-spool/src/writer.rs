//! The writer: the one thread that changes the file, turn by turn.

use std::collections::HashSet;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use crate::database::{DATABASE_FILE, Database, EARLY, FORMAT, Unusable};
use crate::error::{LONGEST_NAME, MOST_TARGETS};
use crate::inbox::{Inbox, Turn, Window};
use crate::record::to_millis;
use crate::spool::{Append, Appended, Loaded, Note, Settings, Wanted, WhenFull};
use crate::status::{Status, Totals};
use crate::{
    ArchiveReader, ArchivedRecord, Dropped, Fault, FaultKind, Filter, ImportError, Imported,
    NewRecord, OpenError, RecordId, RecordRef, Removal, Removed, Schedule, SpoolError, Stored,
    TargetId, rescue, reserve,
};

pub(crate) struct Writer {
    folder: Option<PathBuf>,
    settings: Settings,
    /// `None` where it could not be opened again: with the next turn, perhaps.
    database: Option<Database>,
    /// Which file that is.
    identity: Option<Identity>,
    /// How often in a row something has failed.
    failures: u32,
    books: Books,
    /// What could not be written yet.
    notes: Vec<Note>,
    /// The appends of the last turn.
    company: usize,
    /// Records up to this number may have been lost with a damaged file.
    damaged_until: RecordId,
    /// Those of them that were given up since: whoever still asks to remove one had not lost it.
    given_up: HashSet<RecordId>,
    rescued: Option<Instant>,
    tended: Option<Instant>,
    /// Whether there is something to tend to even if nothing comes.
    restless: bool,
    /// The last write that failed, until as much as failed could be written: a disk that is full can be read all the
    /// time, and has room for something small now and then.
    write_fault: Option<Fault>,
    /// The bytes of the largest commit that failed since then.
    shortage: u64,
    tried_out: Option<Instant>,
    unreadable: Option<Unreadable>,
    /// Bytes that were stored since the reserve was looked after.
    unreserved: u64,
    status: Arc<Mutex<Status>>,
}

/// Reads that fail one after the other.
#[derive(Debug, Clone, Copy)]
struct Unreadable {
    first: Instant,
    last: Instant,
    times: u32,
}

/// The running totals, as they are on the disk.
#[derive(Debug, Clone, Default)]
struct Books {
    targets: Vec<Account>,
    last_id: RecordId,
    /// When the record that was received last of all was received, in milliseconds.
    newest: i64,
}

#[derive(Debug, Clone)]
struct Account {
    id: TargetId,
    name: Arc<str>,
    totals: Totals,
    /// Named in this process, so that it has a share.
    named: bool,
    changed: bool,
}

/// No append waits longer for company, whatever the settings say.
const LONGEST_WINDOW: Duration = Duration::from_secs(1);

/// After so many failures of the disk in a row the file is opened again.
const IO_PATIENCE: u32 = 8;

/// A file that is damaged again at once, or a disk too full for a new one, must not be answered with copy after copy.
const RESCUED_EVERY: Duration = Duration::from_secs(60);

/// What SQLite takes for a row, and no record exceeds.
const LARGEST: u64 = 1_000_000_000;

/// Free pages are given back in pieces of this many, this often, and not all of them: the next record needs some.
const PAGES_GIVEN_BACK: u32 = 512;
const PAGES_KEPT: u64 = 2048;
const TENDED_EVERY: Duration = Duration::from_millis(250);

/// After a write that failed it is tried this often whether there is room, and for how much more.
const TRIED_OUT_EVERY: Duration = Duration::from_secs(1);
const ROOM_TO_SPARE: u64 = 1024 * 1024;

/// On a full disk so few records are removed in one transaction, or the log has no room for it.
const NOTES_AT_ONCE: usize = 16;

/// What the disk fails to read so often, for so long, it will not read any more. A read that fails long after the one
/// before is another matter.
const UNREADABLE_TIMES: u32 = 8;
const UNREADABLE_FOR: Duration = Duration::from_secs(3);
const UNREADABLE_AGAIN: Duration = Duration::from_secs(600);

/// At the start nobody asks again, so that we do, so often.
const START_TRIES: u32 = 4;
const START_PAUSE: Duration = Duration::from_millis(500);

/// What could not be written is looked for again after this long.
const WRITTEN_BY_THEN: Duration = Duration::from_secs(1);

impl Writer {
    pub(crate) fn open(
        folder: Option<PathBuf>,
        settings: Settings,
        status: Arc<Mutex<Status>>,
    ) -> Result<Self, OpenError> {
        let mut writer = Self {
            folder,
            settings,
            database: None,
            identity: None,
            failures: 0,
            books: Books::default(),
            notes: Vec::new(),
            company: 0,
            damaged_until: RecordId::default(),
            given_up: HashSet::new(),
            rescued: None,
            tended: None,
            restless: false,
            write_fault: None,
            shortage: 0,
            tried_out: None,
            unreadable: None,
            unreserved: 0,
            status,
        };
        let open_error = |folder: &Option<PathBuf>, unusable| {
            let folder = folder.clone().unwrap_or_default();
            match unusable {
                Unusable::Newer(found) => OpenError::Newer { folder, found, known: FORMAT },
                Unusable::Fault(source) => OpenError::File { folder, source },
            }
        };
        let is_unreadable = |opened: &Result<(), Unusable>| matches!(opened, Err(Unusable::Fault(fault)) if fault.is_unreadable());
        let mut opened = writer.start();
        // A disk without any room has none for the log and its index either, which SQLite reports as it comes.
        if let (Err(Unusable::Fault(fault)), Some(folder)) = (&opened, &writer.folder)
            && matches!(fault.kind(), FaultKind::DiskFull | FaultKind::Io)
            && !fault.is_unreadable()
            && reserve::release(folder).is_ok()
        {
            opened = writer.start();
        }
        for _ in 1..START_TRIES {
            if is_unreadable(&opened) {
                std::thread::sleep(START_PAUSE);
                opened = writer.start();
            }
        }
        if let Err(Unusable::Fault(fault)) = &opened
            && (fault.kind() == FaultKind::Damaged || fault.is_unreadable())
        {
            opened = writer.rescue(fault.is_unreadable());
        }
        opened.map_err(|unusable| open_error(&writer.folder, unusable))?;
        writer.tend(Instant::now());
        Ok(writer)
    }

    /// Takes turns until the last one, and leaves everything in the database file.
    pub(crate) fn work(&mut self, inbox: &Inbox) {
        let window = Window(self.settings.commit_window.min(LONGEST_WINDOW));
        loop {
            let turn = inbox.next(window, self.company, self.restless.then_some(TENDED_EVERY));
            let last = turn.last;
            self.turn(turn);
            if last {
                break;
            }
        }
        if let (Some(database), Some(folder)) = (&self.database, &self.folder) {
            let _ = reserve::release(folder);
            // What stays in the log is read from there at the next start.
            let _ = database.checkpoint();
            // Which takes room as well.
            let _ = reserve::keep(folder, reserve::STEP);
        }
        self.database = None;
    }

    fn turn(&mut self, turn: Turn) {
        let Turn { appends, mut notes, asks, last: _ } = turn;
        self.notes.append(&mut notes);
        if !appends.is_empty() || !self.notes.is_empty() {
            self.commit(appends);
        }
        for ask in asks {
            ask(Some(self));
        }
        let now = Instant::now();
        // What this turn has changed wants tending too, even if no other follows.
        self.restless = true;
        if self.tended.is_none_or(|at| now - at >= TENDED_EVERY) {
            self.tend(now);
        }
    }

    /// All appends and notes in one transaction.
    fn commit(&mut self, appends: Vec<Append>) {
        self.company = appends.len();
        let notes = std::mem::take(&mut self.notes);
        let settings = self.settings.clone();
        let records = appends.iter().flat_map(|append| &append.records);
        let size = records.map(NewRecord::size).fold(0, u64::saturating_add);
        let started = Instant::now();
        let done = self.write(|database, books| {
            let mut missing = Vec::new();
            for note in &notes {
                missing.extend(books.note(database, note)?);
            }
            let appended = appends
                .iter()
                .map(|append| books.append(database, &append.records, &settings))
                .collect::<Result<Vec<_>, Fault>>()?;
            Ok((missing, appended))
        });
        match done {
            Ok((missing, appended)) => {
                // Of a file that may have been damaged only now: whoever removes something had not lost it.
                let found = missing.iter().filter(|record| {
                    record.id <= self.damaged_until && !self.given_up.contains(&record.id)
                });
                let found = found.map(|record| u64::from(record.item_count)).sum();
                for note in &notes {
                    note.removes().map(|id| self.given_up.remove(&id));
                }
                self.remember_given_up(appended.iter().flat_map(|appended| &appended.dropped));
                {
                    let mut status = self.status();
                    status.commits.add(started.elapsed());
                    status.lost_items = status.lost_items.saturating_sub(found);
                }
                for (append, appended) in appends.into_iter().zip(appended) {
                    append.answer(Ok(appended));
                }
                self.unreserved = self.unreserved.saturating_add(size);
                if self.unreserved >= reserve::STEP {
                    self.keep_reserve(0);
                }
            }
            Err(fault) => {
                self.notes = notes;
                self.shortage = self.shortage.max(size);
                for append in appends {
                    append.answer(Err(fault.clone().into()));
                }
            }
        }
    }

    pub(crate) fn target(&mut self, name: &str) -> Result<TargetId, SpoolError> {
        Ok(self.write(|database, books| books.name(database, name))?)
    }

    pub(crate) fn targets(&self) -> Vec<(TargetId, String)> {
        let accounts = self.books.targets.iter();
        accounts.map(|account| (account.id, account.name.to_string())).collect()
    }

    pub(crate) fn load(
        &mut self,
        target: TargetId,
        after: RecordId,
        limit: usize,
        now: SystemTime,
    ) -> Result<Loaded, SpoolError> {
        // A disk that is full may still be read, and does not know yet until when these wait.
        let unwritten = self.notes.iter().filter_map(|note| match note {
            Note::Reschedule(_, schedule) => schedule.due,
            Note::Remove(_) => None,
        });
        let unwritten = unwritten.min().map(|due| due.max(now + WRITTEN_BY_THEN));
        let loaded = |database: &Database, ripe: Vec<Stored>| {
            // Those that were ripe are ready from now on, and the caller has them.
            let mut ready = database.ready(target, after, limit)?;
            let complete = ready.len() < limit;
            ready.retain(|record| ripe.iter().all(|other| other.id != record.id));
            let next_due = [database.next_due(target)?, unwritten].into_iter().flatten().min();
            Ok(Loaded { ripe, ready, complete, next_due })
        };
        let next_due = self.read(|database| database.next_due(target))?;
        if next_due.is_none_or(|due| due > now) {
            return Ok(self.read(|database| loaded(database, Vec::new()))?);
        }
        // At once or not at all: what is ripe is given out once.
        let ripened =
            self.write(|database, _| loaded(database, database.ripen(target, now, limit)?));
        match ripened {
            Ok(loaded) => Ok(loaded),
            // What waits for no time can be had from a disk that takes nothing.
            Err(_) => Ok(self.read(|database| {
                let next_due = Some(now + WRITTEN_BY_THEN);
                Ok(Loaded { next_due, ..loaded(database, Vec::new())? })
            })?),
        }
    }

    pub(crate) fn body(&mut self, record: RecordId) -> Result<Option<Bytes>, SpoolError> {
        self.read(|database| match database.body(record) {
            Err(SpoolError::Fault(fault)) => Err(fault),
            body => Ok(body),
        })?
    }

    pub(crate) fn list(
        &mut self,
        after: RecordId,
        limit: usize,
        max_bytes: u64,
    ) -> Result<Vec<(Stored, Bytes)>, SpoolError> {
        let records = self.read(|database| database.list(after, limit))?;
        let mut listed = Vec::new();
        let mut bytes = 0;
        for record in records {
            if bytes >= max_bytes {
                break;
            }
            bytes += record.body_size;
            match self.body(record.id) {
                Ok(Some(body)) => listed.push((record, body)),
                // Gone with a damaged file just now, or damaged itself.
                Ok(None) | Err(SpoolError::DamagedRecord(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(listed)
    }

    pub(crate) fn select(
        &mut self,
        filter: &Filter,
        after: RecordId,
        limit: usize,
    ) -> Result<Vec<Stored>, SpoolError> {
        Ok(self.read(|database| database.select(filter, after, limit))?)
    }

    pub(crate) fn find(&mut self, wanted: &Wanted) -> Result<Option<Stored>, SpoolError> {
        Ok(self.read(|database| match wanted {
            Wanted::Id(id) => database.find(*id),
            Wanted::Event(event_id) => database.find_event(event_id),
        })?)
    }

    pub(crate) fn expire(
        &mut self,
        before: SystemTime,
        limit: usize,
    ) -> Result<Vec<Dropped>, SpoolError> {
        let is_too_old = |database: &Database| {
            let oldest = database.oldest()?;
            Ok(oldest.and_then(|(record, received)| (received < before).then_some(record)))
        };
        if self.read(is_too_old)?.is_none() {
            return Ok(Vec::new());
        }
        let dropped =
            self.write(|database, books| books.drop_while(database, limit, is_too_old))?;
        self.remember_given_up(&dropped);
        Ok(self.without_removed(dropped))
    }

    fn remember_given_up<'a>(&mut self, dropped: impl IntoIterator<Item = &'a Dropped>) {
        let until = self.damaged_until;
        self.given_up.extend(dropped.into_iter().map(|record| record.id).filter(|id| *id <= until));
    }

    /// Leaves out what was to be removed anyway, and could not be yet.
    fn without_removed(&self, mut dropped: Vec<Dropped>) -> Vec<Dropped> {
        if !self.notes.is_empty() {
            let removed: HashSet<_> = self.notes.iter().filter_map(Note::removes).collect();
            dropped.retain(|record| !removed.contains(&record.id));
        }
        dropped
    }

    pub(crate) fn clear(
        &mut self,
        target: TargetId,
        limit: usize,
    ) -> Result<Vec<Dropped>, SpoolError> {
        let dropped = self.write(|database, books| {
            books.drop_while(database, limit, |database| database.first_of(target))
        })?;
        self.remember_given_up(&dropped);
        Ok(dropped)
    }

    pub(crate) fn discard(
        &mut self,
        records: &[RecordRef],
        removal: Removal,
    ) -> Result<Totals, SpoolError> {
        Ok(self.write(|database, books| {
            let mut discarded = Totals::default();
            for record in records {
                database.account_for(record.id, removal)?;
                discarded += books.remove(database, record.id)?.unwrap_or_default();
            }
            Ok(discarded)
        })?)
    }

    pub(crate) fn take_removed(&mut self) -> Result<Vec<Removed>, SpoolError> {
        if self.read(Database::removed)?.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.write(|database, _| {
            let removed = database.removed()?;
            database.clear_removed()?;
            Ok(removed)
        })?)
    }

    pub(crate) fn give_back(&mut self) -> Result<(), SpoolError> {
        Ok(self.read(|database| {
            let mut free = database.free_pages()?;
            while free > 0 {
                let left = database.give_back(PAGES_GIVEN_BACK)?;
                if left >= free {
                    break;
                }
                free = left;
            }
            Ok(())
        })?)
    }

    pub(crate) fn import(
        &mut self,
        archive: &mut ArchiveReader<impl BufRead>,
        target: Option<&str>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Imported, ImportError> {
        // An archive can be read only once, so that this cannot be tried again as other writes are: at least the file
        // is open, and was rescued if that takes it, before it begins.
        self.read(|_| Ok(()))?;
        let settings = Settings { when_full: WhenFull::Reject, ..self.settings.clone() };
        let mut books = self.books.clone();
        let done = self.database()?.transaction(|database| {
            let mut imported = Imported::default();
            while let Some(record) = archive.read()? {
                books.import(database, record, target, &settings, &mut imported)?;
                if archive.records().is_multiple_of(256) {
                    progress(archive.records());
                }
            }
            books.save(database)?;
            Ok(imported)
        });
        let fault = match &done {
            Ok(_) => {
                self.books = books;
                None
            }
            Err(ImportError::Spool(SpoolError::Fault(fault))) => Some(fault.clone()),
            Err(_) => None,
        };
        if fault.is_some() {
            self.write_fault.clone_from(&fault);
        }
        self.note_fault(fault);
        done
    }

    /// Runs `work` in one transaction, once more where the file turns out to be damaged and could be replaced.
    fn write<T>(
        &mut self,
        work: impl Fn(&Database, &mut Books) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let done = self.with_rescue(|writer| {
            // The books of the file that is written: it may have to be opened first.
            writer.file_in_place()?;
            let mut books = writer.books.clone();
            let done = writer.database()?.transaction(|database| -> Result<T, Fault> {
                let done = work(database, &mut books)?;
                books.save(database)?;
                Ok(done)
            })?;
            writer.books = books;
            Ok(done)
        });
        if let Err(fault) = &done {
            self.write_fault = Some(fault.clone());
        }
        // A success says nothing of what failed before, see `try_out`.
        self.status().fault = self.write_fault.clone();
        done
    }

    /// On a disk that is full: removes what is to be removed, and gives its space back, in the room that was reserved.
    fn make_room(&mut self) {
        let Some(folder) = self.folder.clone() else { return };
        // Each step does what it can, and in a second there is another try.
        let _ = reserve::release(&folder);
        let _ = self.read(Database::checkpoint);
        let mut waiting = std::mem::take(&mut self.notes);
        while self.notes.is_empty() && !waiting.is_empty() {
            let rest = waiting.split_off(waiting.len().min(NOTES_AT_ONCE));
            self.notes = std::mem::replace(&mut waiting, rest);
            self.commit(Vec::new());
            let _ = self.read(Database::checkpoint);
        }
        self.notes.append(&mut waiting);
        let _ = self.read(|database| {
            database.give_back(PAGES_GIVEN_BACK)?;
            database.checkpoint()
        });
        // Before anybody tries how much room there is.
        self.keep_reserve(ROOM_TO_SPARE);
    }

    fn keep_reserve(&mut self, least: u64) {
        self.unreserved = 0;
        if let Some(folder) = &self.folder {
            // Where there is no room for it there will be some another time.
            let _ = reserve::keep(folder, least);
        }
    }

    /// Tries whether what could not be written can be by now.
    fn try_out(&mut self) {
        self.tried_out = Some(Instant::now());
        let bytes = self.shortage.min(LARGEST - ROOM_TO_SPARE) + ROOM_TO_SPARE;
        let tried = self.with_rescue(|writer| writer.file_in_place()?.try_out(bytes));
        self.write_fault = tried.err();
        if self.write_fault.is_none() {
            self.shortage = 0;
        }
        self.status().fault = self.write_fault.clone();
    }

    /// The file, if it is where it belongs.
    fn file_in_place(&mut self) -> Result<&mut Database, Fault> {
        self.database()?;
        if self.folder.as_deref().is_some_and(|folder| identity(folder) != self.identity) {
            return Err(Fault::gone());
        }
        self.database()
    }

    fn read<T>(&mut self, work: impl Fn(&Database) -> Result<T, Fault>) -> Result<T, Fault> {
        self.with_rescue(|writer| work(writer.database()?))
    }

    fn with_rescue<T>(&mut self, work: impl Fn(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut done = work(self);
        if self.folder.is_some() && self.rescued.is_none_or(|at| at.elapsed() >= RESCUED_EVERY) {
            if done.as_ref().is_err_and(|fault| fault.kind() == FaultKind::Damaged) {
                done = self.can_be_read().and_then(|()| work(self));
            }
            if let Err(fault) = &done {
                let is_unreadable = fault.is_unreadable() && self.will_stay_unreadable();
                if fault.kind() == FaultKind::Damaged || is_unreadable {
                    done = self.rescue(is_unreadable).map_err(taken_over).and_then(|()| work(self));
                }
            }
        }
        self.note_fault(done.as_ref().err().cloned());
        done
    }

    /// Whether the disk can read all of the file. SQLite calls a file damaged that it cannot.
    fn can_be_read(&mut self) -> Result<(), Fault> {
        // Whoever closes a file gives back the locks that others in the process have on it.
        self.database = None;
        let Some(folder) = &self.folder else { return Ok(()) };
        rescue::read_through(folder).map_err(Fault::unreadable)
    }

    /// Counts a read that failed; whether there is no hope any more.
    fn will_stay_unreadable(&mut self) -> bool {
        let now = Instant::now();
        let before = self.unreadable.filter(|before| now - before.last < UNREADABLE_AGAIN);
        let mut reads = before.unwrap_or(Unreadable { first: now, last: now, times: 0 });
        reads.last = now;
        reads.times = reads.times.saturating_add(1);
        self.unreadable = Some(reads);
        reads.times >= UNREADABLE_TIMES && now - reads.first >= UNREADABLE_FOR
    }

    /// Draws the consequences of how a piece of work went.
    fn note_fault(&mut self, fault: Option<Fault>) {
        match &fault {
            None => self.failures = 0,
            Some(fault) => self.open_beside(fault.kind()),
        }
        let mut status = self.status();
        status.targets.clear();
        status.targets.extend(self.books.targets.iter().map(|a| (a.id, a.totals)));
        status.share = self.books.share(&self.settings);
        status.when_full = self.settings.when_full;
        status.fault = self.write_fault.clone().or(fault);
    }

    /// Opens the file once more after a failure, in case what lies below it has been replaced, or what SQLite remembers
    /// of it is wrong.
    ///
    /// The transaction was rolled back, and mostly the next one succeeds with the connection that there is. So that one
    /// goes only when there is another: it may still read, and as long as it is open nobody reads from the log what the
    /// failed commit wrote there.
    fn open_beside(&mut self, kind: FaultKind) {
        self.failures = self.failures.saturating_add(1);
        let patience = match kind {
            FaultKind::DiskFull | FaultKind::Gone => return,
            FaultKind::Io => IO_PATIENCE,
            _ => 1,
        };
        if let (Some(folder), Some(_)) = (&self.folder, &self.database)
            && self.failures.is_multiple_of(patience)
            && let Ok(database) = Database::open(folder, self.settings.sync)
        {
            // What cannot be read is not better.
            let _ = self.enter(database);
        }
    }

    fn database(&mut self) -> Result<&mut Database, Fault> {
        if self.database.is_none() {
            self.reopen().map_err(taken_over)?;
        }
        Ok(self.database.as_mut().expect("opened above"))
    }

    /// Opens the file at the start, unless its log is damaged: SQLite would go on with what stands before the damage, and
    /// forget the rest.
    fn start(&mut self) -> Result<(), Unusable> {
        if let Some(folder) = &self.folder {
            // What is left of a rescue may belong to another log.
            rescue::finish(folder)?;
            if rescue::damage_of_log(folder).is_some() {
                return Err(Fault::damaged_log().into());
            }
        }
        self.reopen_twice()
    }

    /// Opens the file, and once more before it counts as damaged.
    fn reopen_twice(&mut self) -> Result<(), Unusable> {
        match self.reopen() {
            Err(Unusable::Fault(fault)) if fault.kind() == FaultKind::Damaged => {
                self.can_be_read()?;
                self.reopen()
            }
            opened => opened,
        }
    }

    fn reopen(&mut self) -> Result<(), Unusable> {
        let database = match &self.folder {
            Some(folder) => {
                rescue::finish(folder)?;
                Database::open(folder, self.settings.sync)?
            }
            None => Database::in_memory()?,
        };
        Ok(self.enter(database)?)
    }

    /// Reads the books of a database that was just opened.
    fn enter(&mut self, database: Database) -> Result<(), Fault> {
        let named = |id| self.books.targets.iter().any(|account| account.id == id && account.named);
        let targets = database.targets()?.into_iter();
        let targets =
            targets.map(|(id, name, totals)| Account::new(id, &name, totals, named(id))).collect();
        self.books = Books {
            targets,
            last_id: database.last_id()?.max(self.books.last_id),
            newest: database.newest()?.max(self.books.newest),
        };
        self.database = Some(database);
        self.identity = self.folder.as_deref().and_then(identity);
        Ok(())
    }

    /// Puts the damaged file aside and goes on with a new one, in which is what could be read. `at_last` says that the
    /// disk has failed to read it for long.
    fn rescue(&mut self, at_last: bool) -> Result<(), Unusable> {
        self.database = None;
        self.rescued = Some(Instant::now());
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        let before = self.books.clone();
        let known: Vec<(TargetId, String)> = self.targets();
        let sync = self.settings.sync;
        let (set_aside, counted) = rescue::rescue(&folder, &known, before.last_id, sync, at_last)?;
        let database =
            Database::open(&folder, self.settings.sync).map_err(|unusable| match unusable {
                Unusable::Fault(fault) => fault,
                Unusable::Newer(_) => std::io::Error::other("a new file is not new").into(),
            })?;
        self.enter(database)?;
        self.damaged_until = self.books.last_id;
        self.unreadable = None;
        // What a damaged file says of itself may be anything; one that is read in part tells the truth.
        let is_known = !before.targets.is_empty();
        let known = is_known.then(|| before.items());
        let counted = counted.filter(|counted| match at_last {
            true => true,
            false => !is_known && counted.is_likely(self.settings.max_bytes),
        });
        let before = known.max(counted.map(|counted| counted.items));
        let lost = before.unwrap_or_default().saturating_sub(self.books.items());
        let mut status = self.status();
        status.lost_items = status.lost_items.saturating_add(lost);
        status.is_loss_unknown |= before.is_none();
        status.set_aside.push(set_aside);
        Ok(())
    }

    /// What needs to be done now and then: free pages go back, the age of the oldest is looked up, and a disk that
    /// failed is tried, for perhaps nobody writes until it is known to be well.
    fn tend(&mut self, now: Instant) {
        self.tended = Some(now);
        if let Some(fault) = &self.write_fault
            && self.tried_out.is_none_or(|at| now - at >= TRIED_OUT_EVERY)
        {
            if fault.kind() == FaultKind::DiskFull {
                self.make_room();
            }
            self.try_out();
        }
        self.keep_reserve(0);
        let oldest = self.read(Database::oldest);
        let has_folder = self.folder.is_some();
        let free = self.read(|database| {
            let free = database.free_pages()?;
            Ok(if has_folder && free > PAGES_KEPT {
                database.give_back(PAGES_GIVEN_BACK)?
            } else {
                free
            })
        });
        self.restless = self.write_fault.is_some()
            || !free.as_ref().is_ok_and(|free| *free <= PAGES_KEPT || !has_folder);
        if let (Ok(oldest), Ok(_)) = (oldest, free) {
            self.status().oldest = oldest.map(|(_, received)| received);
        }
    }

    pub(crate) fn shared_status(&self) -> Arc<Mutex<Status>> {
        Arc::clone(&self.status)
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of a file that was ours until now.
fn taken_over(unusable: Unusable) -> Fault {
    match unusable {
        Unusable::Fault(fault) => fault,
        Unusable::Newer(_) => {
            std::io::Error::other("another version has taken the file over").into()
        }
    }
}

/// What tells one file from another of the same name.
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(folder: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    let file = std::fs::metadata(folder.join(DATABASE_FILE)).ok()?;
    Some((file.dev(), file.ino()))
}

/// Elsewhere a file that is in use cannot be removed.
#[cfg(not(unix))]
fn identity(_: &Path) -> Option<Identity> {
    None
}

impl Account {
    fn new(id: TargetId, name: &str, totals: Totals, named: bool) -> Self {
        Self { id, name: name.into(), totals, named, changed: false }
    }
}

impl Books {
    fn items(&self) -> u64 {
        self.targets.iter().map(|account| account.totals.items).sum()
    }

    fn account(&mut self, id: TargetId) -> Option<&mut Account> {
        self.targets.iter_mut().find(|account| account.id == id)
    }

    /// Bytes that each target may hold: those that are in use, or hold something, share what there is.
    fn share(&self, settings: &Settings) -> u64 {
        let sharing =
            self.targets.iter().filter(|account| account.named || account.totals.records > 0);
        settings.max_bytes / (sharing.count().max(1) as u64)
    }

    fn append(
        &mut self,
        database: &Database,
        records: &[NewRecord],
        settings: &Settings,
    ) -> Result<Appended, Fault> {
        let share = self.share(settings);
        let mut appended = Appended::default();
        for record in records {
            let size = record.size();
            let target = record.meta.target;
            let room_in = |books: &mut Self| {
                books.account(target).is_some_and(|account| account.totals.bytes + size <= share)
            };
            if size <= share.min(LARGEST) && settings.when_full == WhenFull::DropOldest {
                while !room_in(self) {
                    let Some(oldest) = database.first_of(target)? else { break };
                    self.remove(database, oldest.id)?;
                    appended.dropped.push(oldest);
                }
            }
            if !room_in(self) || size > LARGEST {
                appended.stored.push(None);
                continue;
            }
            // SQLite's numbers end there; only a damaged file can come near.
            let next = self.last_id.0.checked_add(1);
            self.last_id.0 = next.ok_or(std::io::Error::other("there are no more numbers"))?;
            let received = to_millis(record.meta.received);
            let early = received < self.newest.saturating_sub(EARLY);
            self.newest = self.newest.max(received);
            database.insert(self.last_id, record, &Schedule::default(), early)?;
            let added = Totals { records: 1, items: record.meta.item_count.into(), bytes: size };
            if let Some(account) = self.account(target) {
                account.totals += added;
                account.changed = true;
            }
            appended.stored.push(Some(self.last_id));
        }
        Ok(appended)
    }

    fn import(
        &mut self,
        database: &Database,
        record: ArchivedRecord,
        target: Option<&str>,
        settings: &Settings,
        imported: &mut Imported,
    ) -> Result<(), ImportError> {
        let index = imported.totals.records;
        let name = target.unwrap_or(&record.target).to_owned();
        if name.len() > LONGEST_NAME {
            return Err(ImportError::LongName { record: index });
        }
        if !imported.targets.contains(&name) {
            if imported.targets.len() == MOST_TARGETS {
                return Err(ImportError::TooManyTargets { record: index });
            }
            self.name(database, &name)?;
            imported.targets.push(name.clone());
        }
        let id = database.target(&name)?;
        let record = record.into_new(id);
        let size = record.size();
        let items = record.meta.item_count.into();
        if self.append(database, &[record], settings)?.stored == [None] {
            let share = self.share(settings);
            let taken = self.account(id).map_or(0, |account| account.totals.bytes);
            let room = share.saturating_sub(taken);
            return Err(ImportError::Full { record: index, size, target: name, room, share });
        }
        imported.totals += Totals { records: 1, items, bytes: size };
        Ok(())
    }

    /// The target of this name is one that has a share from now on.
    fn name(&mut self, database: &Database, name: &str) -> Result<TargetId, Fault> {
        let id = database.target(name)?;
        match self.account(id) {
            Some(account) => account.named = true,
            None => self.targets.push(Account::new(id, name, Totals::default(), true)),
        }
        Ok(id)
    }

    /// Gives back a record that was to be removed and is not there.
    fn note(&mut self, database: &Database, note: &Note) -> Result<Option<RecordRef>, Fault> {
        match note {
            Note::Remove(record) => {
                let was_there = self.remove(database, record.id)?.is_some();
                Ok((!was_there).then_some(*record))
            }
            Note::Reschedule(id, schedule) => {
                database.reschedule(*id, schedule)?;
                Ok(None)
            }
        }
    }

    /// Gives back what was there.
    fn remove(&mut self, database: &Database, id: RecordId) -> Result<Option<Totals>, Fault> {
        let Some((target, totals)) = database.remove(id)? else { return Ok(None) };
        if let Some(account) = self.account(target) {
            account.totals -= totals;
            account.changed = true;
        }
        Ok(Some(totals))
    }

    fn drop_while(
        &mut self,
        database: &Database,
        limit: usize,
        next: impl Fn(&Database) -> Result<Option<Dropped>, Fault>,
    ) -> Result<Vec<Dropped>, Fault> {
        let mut dropped = Vec::new();
        while dropped.len() < limit
            && let Some(record) = next(database)?
        {
            self.remove(database, record.id)?;
            dropped.push(record);
        }
        Ok(dropped)
    }

    /// Writes down what has changed.
    fn save(&mut self, database: &Database) -> Result<(), Fault> {
        let (last_id, newest) = (self.last_id, self.newest);
        for account in self.targets.iter_mut().filter(|account| account.changed) {
            database.set_totals(account.id, account.totals, last_id, newest)?;
            account.changed = false;
        }
        Ok(())
    }
}
