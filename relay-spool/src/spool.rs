//! The spool: a handle to the thread that writes.

use std::collections::HashSet;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::Fault;
use crate::inbox::{Closed, Inbox};
use crate::lock::FolderLock;
use crate::writer::Writer;
use crate::{
    ArchiveReader, Dropped, Filter, ImportError, NewRecord, OpenError, RecordId, RecordRef,
    Removal, Removed, Schedule, SpoolError, Status, Stored, TargetId, Totals,
};

/// How a spool is kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Bytes of the file that records may take, all targets together; each target has an even share, so that one that
    /// takes nothing leaves room for the others. The file is larger by some per cent, its log by up to 16 MiB.
    pub max_bytes: u64,
    /// What to do with a record that does not fit.
    pub when_full: WhenFull,
    /// How long an append may wait for others to share its commit, a second at most. Only where there are others: one that comes
    /// alone never waits.
    pub commit_window: Duration,
    /// How far a commit reaches.
    pub sync: Sync,
}

impl Default for Settings {
    /// 2 GiB, and what does not fit is refused.
    fn default() -> Self {
        Self {
            max_bytes: 2 * 1024 * 1024 * 1024,
            when_full: WhenFull::Reject,
            commit_window: Duration::from_millis(2),
            sync: Sync::Disk,
        }
    }
}

/// What to do with a record that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// Refuse it.
    #[default]
    Reject,
    /// Give up older ones of its target, those that wait for a time last.
    DropOldest,
}

impl std::fmt::Display for WhenFull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reject => "reject",
            Self::DropOldest => "drop-oldest",
        })
    }
}

/// A text is neither `reject` nor `drop-oldest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected reject or drop-oldest")]
pub struct ParseWhenFullError;

impl std::str::FromStr for WhenFull {
    type Err = ParseWhenFullError;

    fn from_str(text: &str) -> Result<Self, ParseWhenFullError> {
        let known = [Self::Reject, Self::DropOldest];
        known.into_iter().find(|known| known.to_string() == text).ok_or(ParseWhenFullError)
    }
}

/// How far a commit has to reach before it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// To the disk: what is stored survives a power cut.
    Disk,
    /// To the operating system: what is stored survives the end of the process only.
    System,
}

/// What became of the records of one append, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Appended {
    /// Their numbers; `None` for one that its target had no room for.
    pub stored: Vec<Option<RecordId>>,
    /// Older ones that were given up for them.
    pub dropped: Vec<Dropped>,
}

/// A piece of what waits for a target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loaded {
    /// Those whose time had come, whatever their place; from now on they wait for no time.
    pub ripe: Vec<Stored>,
    /// Those that wait for no time, oldest first.
    pub ready: Vec<Stored>,
    /// Whether `ready` is all there is behind the place that was asked for.
    pub complete: bool,
    /// When the next of those that wait for a time may go.
    pub next_due: Option<SystemTime>,
}

/// What was imported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imported {
    /// How much it was.
    pub totals: Totals,
    /// The names of the targets it is for.
    pub targets: Vec<String>,
}

/// Called once, on the thread of the spool, in the order of the commits. It must return at once, and panicking ends
/// the spool.
pub(crate) type Reply<T> = Box<dyn FnOnce(Result<T, SpoolError>) + Send>;

/// Records to be stored together. Whoever wants that is answered in any case, also if this is just dropped.
pub(crate) struct Append {
    pub(crate) records: Vec<NewRecord>,
    reply: Option<Reply<Appended>>,
}

impl Append {
    pub(crate) fn new(
        records: Vec<NewRecord>,
        reply: impl FnOnce(Result<Appended, SpoolError>) + Send + 'static,
    ) -> Self {
        Self { records, reply: Some(Box::new(reply)) }
    }

    pub(crate) fn answer(mut self, appended: Result<Appended, SpoolError>) {
        if let Some(reply) = self.reply.take() {
            reply(appended);
        }
    }
}

impl Drop for Append {
    fn drop(&mut self) {
        if let Some(reply) = self.reply.take() {
            reply(Err(SpoolError::Closed));
        }
    }
}

/// A change that nobody waits for.
pub(crate) enum Note {
    Remove(RecordRef),
    Reschedule(RecordId, Schedule),
}

impl Note {
    /// The record that it wants removed, if it does.
    pub(crate) fn removes(&self) -> Option<RecordId> {
        match self {
            Self::Remove(record) => Some(record.id),
            Self::Reschedule(..) => None,
        }
    }
}

/// A question, or a change that somebody waits for: `Some` is the writer, `None` means that it is gone.
pub(crate) type Ask = Box<dyn FnOnce(Option<&mut Writer>) + Send>;

/// Durable records, oldest first, in a folder that nobody else writes meanwhile.
///
/// One thread does all the work; the methods hand it over and return at once, and the `reply` of a method is called
/// on that thread when it is done. [`blocking`] waits instead. Dropping the last handle closes the spool.
#[derive(Clone)]
pub struct Spool {
    shared: Arc<Shared>,
}

struct Shared {
    inbox: Arc<Inbox>,
    status: Arc<Mutex<Status>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Spool {
    /// Opens the spool in `folder`, or makes one.
    ///
    /// A file that is damaged beyond opening, or that the disk still fails to read after some seconds, is put aside, and
    /// a new one begun with what could be read of it: [`Status::set_aside`] says so. The same is done at run time.
    ///
    /// # Errors
    ///
    /// If another process has the folder, a later version wrote the file, or the disk fails.
    pub fn open(folder: &Path, settings: Settings) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Folder { folder: folder.to_owned(), source };
        make_folder(folder).map_err(failed)?;
        let lock = FolderLock::take(folder)?;
        Self::start(Some(folder.to_owned()), settings, Some(lock))
    }

    /// A spool that is gone with the process.
    ///
    /// # Errors
    ///
    /// If there is no memory for it, or no thread.
    pub fn in_memory(settings: Settings) -> Result<Self, OpenError> {
        Self::start(None, settings, None)
    }

    fn start(
        folder: Option<PathBuf>,
        settings: Settings,
        lock: Option<FolderLock>,
    ) -> Result<Self, OpenError> {
        let status = Arc::<Mutex<Status>>::default();
        let inbox = Arc::<Inbox>::default();
        let mut writer = Writer::open(folder, settings, Arc::clone(&status))?;
        let turns = Arc::clone(&inbox);
        let thread = std::thread::Builder::new()
            .name("relay-spool".to_owned())
            .spawn(move || {
                // If it panics, nobody may wait for it.
                let _abandon = AbandonOnDrop(&turns, writer.shared_status());
                writer.work(&turns);
                drop(lock);
            })
            .map_err(OpenError::Thread)?;
        Ok(Self { shared: Arc::new(Shared { inbox, status, thread: Mutex::new(Some(thread)) }) })
    }

    /// The target of this name; new ones begin to exist with it. The number stays the same for the life of the file.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn target(&self, name: &str) -> Result<TargetId, SpoolError> {
        let name = name.to_owned();
        self.wait_for(move |writer| writer.target(&name))
    }

    /// All targets that were ever named, with their names.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn targets(&self) -> Result<Vec<(TargetId, String)>, SpoolError> {
        self.wait_for(|writer| Ok(writer.targets()))
    }

    /// Stores records, all of them or, on an error, none. The reply comes when they are on the disk.
    pub fn append(
        &self,
        records: Vec<NewRecord>,
        reply: impl FnOnce(Result<Appended, SpoolError>) + Send + 'static,
    ) {
        let append = Append::new(records, reply);
        if let Err(Closed(append)) = self.shared.inbox.append(append) {
            append.answer(Err(SpoolError::Closed));
        }
    }

    /// Removes a record, with the next commit. After a crash before that it is there again.
    pub fn remove(&self, record: RecordRef) {
        self.shared.inbox.note(Note::Remove(record));
    }

    /// Records that were to be [removed](Self::remove) and that the spool has not got round to. Asked for on the thread of
    /// the spool, by a reply that brings a [`Dropped`], it tells whose removal came too late.
    pub fn leaving(&self) -> HashSet<RecordId> {
        self.shared.inbox.removals()
    }

    /// Says what was tried with a record and when it may be tried again; with the next commit, as above.
    pub fn reschedule(&self, record: RecordId, schedule: Schedule) {
        self.shared.inbox.note(Note::Reschedule(record, schedule));
    }

    /// Reads what waits for `target`: at most `limit` records whose time has come by `now`, and at most `limit`
    /// behind `after` that wait for no time.
    pub fn load(
        &self,
        target: TargetId,
        after: RecordId,
        limit: usize,
        now: SystemTime,
        reply: impl FnOnce(Result<Loaded, SpoolError>) + Send + 'static,
    ) {
        self.ask(move |writer| writer.load(target, after, limit, now), reply);
    }

    /// Reads the bytes of a record; `None` if there is none of that number.
    pub fn body(
        &self,
        record: RecordId,
        reply: impl FnOnce(Result<Option<Bytes>, SpoolError>) + Send + 'static,
    ) {
        self.ask(move |writer| writer.body(record), reply);
    }

    /// Reads records behind `after`, of all targets and whatever they wait for, with their bytes: at most `limit`,
    /// and no further once `max_bytes` are reached.
    pub fn list(
        &self,
        after: RecordId,
        limit: usize,
        max_bytes: u64,
        reply: impl FnOnce(Result<Vec<(Stored, Bytes)>, SpoolError>) + Send + 'static,
    ) {
        self.ask(move |writer| writer.list(after, limit, max_bytes), reply);
    }

    /// Reads what is known of records behind `after` that `filter` lets through, at most `limit`.
    pub fn select(
        &self,
        filter: Filter,
        after: RecordId,
        limit: usize,
        reply: impl FnOnce(Result<Vec<Stored>, SpoolError>) + Send + 'static,
    ) {
        self.ask(move |writer| writer.select(&filter, after, limit), reply);
    }

    /// Reads what is known of the record that is wanted.
    pub fn find(
        &self,
        wanted: Wanted,
        reply: impl FnOnce(Result<Option<Stored>, SpoolError>) + Send + 'static,
    ) {
        self.ask(move |writer| writer.find(&wanted), reply);
    }

    /// Gives up what was received before `before`, from the oldest on, `limit` records at most.
    pub fn expire(
        &self,
        before: SystemTime,
        limit: usize,
        reply: impl FnOnce(Result<Vec<Dropped>, SpoolError>) + Send + 'static,
    ) {
        self.ask(move |writer| writer.expire(before, limit), reply);
    }

    /// Gives up the oldest `limit` records of `target`.
    pub fn clear(
        &self,
        target: TargetId,
        limit: usize,
        reply: impl FnOnce(Result<Vec<Dropped>, SpoolError>) + Send + 'static,
    ) {
        self.ask(move |writer| writer.clear(target, limit), reply);
    }

    /// Removes these records by hand; the reply comes when that is on the disk, and says how much it was.
    ///
    /// The file keeps account of them until somebody asks with [`take_removed`](Self::take_removed).
    pub fn discard(
        &self,
        records: Vec<RecordRef>,
        removal: Removal,
        reply: impl FnOnce(Result<Totals, SpoolError>) + Send + 'static,
    ) {
        self.ask(move |writer| writer.discard(&records, removal), reply);
    }

    /// What was removed by hand since this was last asked. Whoever asks accounts for it from now on.
    pub fn take_removed(
        &self,
        reply: impl FnOnce(Result<Vec<Removed>, SpoolError>) + Send + 'static,
    ) {
        self.ask(Writer::take_removed, reply);
    }

    /// Gives the space of what was removed back to the file system, all of it at once, as far as the file goes when it
    /// is closed. For tools: a spool at work does the same little by little.
    pub fn give_back(&self, reply: impl FnOnce(Result<(), SpoolError>) + Send + 'static) {
        self.ask(|writer| writer.give_back(), reply);
    }

    /// Stores what is in an archive: all of it or, on an error or a crash, nothing. Returns when it is on the disk; until
    /// then the spool does nothing else, which is for tools. Calls `progress` with the records stored, now and then.
    ///
    /// Records go behind those that wait. They keep the time they were received and begin without attempts, refusals
    /// or times to wait for: those were about the upstream of another spool. `target` takes all of them; without it
    /// each goes to the target of the name it had. Nothing is dropped to make room, whatever the settings.
    ///
    /// # Errors
    ///
    /// If the archive is not what was written, does not fit, or the disk fails.
    pub fn import(
        &self,
        mut archive: ArchiveReader<impl BufRead + Send + 'static>,
        target: Option<String>,
        mut progress: impl FnMut(u64) + Send + 'static,
    ) -> Result<Imported, ImportError> {
        self.wait_for(move |writer| {
            Ok(writer.import(&mut archive, target.as_deref(), &mut progress))
        })?
    }

    /// What it holds and how it fares.
    pub fn status(&self) -> Status {
        self.shared.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does what it was asked so far, writes everything, and gives the folder free. Returns when that is done.
    pub fn close(&self) {
        self.shared.close();
    }

    fn ask<T: 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, SpoolError> + Send + 'static,
        reply: impl FnOnce(Result<T, SpoolError>) + Send + 'static,
    ) {
        let ask: Ask = Box::new(move |writer| {
            reply(match writer {
                Some(writer) => work(writer),
                None => Err(SpoolError::Closed),
            });
        });
        if let Err(Closed(ask)) = self.shared.inbox.ask(ask) {
            ask(None);
        }
    }

    fn wait_for<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, SpoolError> + Send + 'static,
    ) -> Result<T, SpoolError> {
        blocking(|reply| self.ask(work, reply))
    }
}

/// Which record is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The one of this number.
    Id(RecordId),
    /// The oldest of the event with this id, 32 hexadecimal digits in lower case.
    Event(String),
}

/// Waits for the reply to what `ask` asks for.
///
/// ```
/// use relay_spool::{RecordId, Settings, Spool, blocking};
///
/// let spool = Spool::in_memory(Settings::default())?;
/// let body = blocking(|reply| spool.body(RecordId::new(1), reply))?;
/// assert_eq!(body, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Those of the reply, and [`SpoolError::Closed`] if there will be none.
pub fn blocking<T: Send + 'static>(
    ask: impl FnOnce(Box<dyn FnOnce(Result<T, SpoolError>) + Send>),
) -> Result<T, SpoolError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    ask(Box::new(move |reply| {
        // Whoever asked is waiting right below.
        let _ = sender.send(reply);
    }));
    receiver.recv().unwrap_or(Err(SpoolError::Closed))
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl Shared {
    fn close(&self) {
        self.inbox.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A reply may have held the last handle: then this is the thread, and it ends behind this turn.
        let is_another =
            |thread: &JoinHandle<()>| thread.thread().id() != std::thread::current().id();
        if let Some(thread) = thread.filter(is_another) {
            // A panic has been reported where it happened, and closed the inbox.
            let _ = thread.join();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close();
    }
}

struct AbandonOnDrop<'a>(&'a Inbox, Arc<Mutex<Status>>);

impl Drop for AbandonOnDrop<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.1.lock().unwrap_or_else(PoisonError::into_inner).fault = Some(Fault::panicked());
        }
        self.0.abandon();
    }
}

/// For the owner of the process alone, and on the disk before anything in it is.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    match folder.metadata() {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => {
            let error = std::io::ErrorKind::NotADirectory;
            return Err(std::io::Error::new(error, "there is a file of that name"));
        }
        // Not there, or out of reach, which making it will tell.
        Err(_) => {}
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let parents = folder.ancestors().skip(1).take_while(|parent| !parent.as_os_str().is_empty());
    parents.chain([Path::new(".")]).for_each(|parent| {
        // Not every system can sync a folder, and a missing one is no reason not to begin.
        let _ = std::fs::File::open(parent).and_then(|parent| parent.sync_all());
    });
    Ok(())
}
