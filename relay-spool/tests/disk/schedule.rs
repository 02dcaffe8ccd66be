//! What a child does with a spool while its file operations are written down: a random sequence of everything that a
//! spool can be asked for, with a mark for each request and each answer.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use relay_spool::{Dropped, RecordId, Schedule, Settings, Spool, Stored, Sync, TargetId, WhenFull};
use relay_spool::{SpoolError, blocking};

use crate::interposer::Interposer;
use crate::random::Random;
use crate::record::{self, Sizes, TARGETS, noon};

/// What a schedule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Everything, with restarts, clean and not.
    Mixed,
    /// So many commits that the log is checkpointed and begun anew while in use.
    Log,
    /// So much that is removed that pages go back to the file system.
    Space,
    /// More than fits, so that the oldest make room.
    Full,
    /// Syncs fail for a while.
    FailingSync,
    /// The file is overwritten in places, and rescued.
    Damage,
}

pub(crate) const KINDS: [Kind; 6] =
    [Kind::Mixed, Kind::Log, Kind::Space, Kind::Full, Kind::FailingSync, Kind::Damage];

impl Kind {
    pub(crate) fn sizes(self) -> Sizes {
        match self {
            Self::Log => Sizes::Small,
            Self::Space => Sizes::Large,
            _ => Sizes::Mixed,
        }
    }

    fn settings(self, sync: Sync) -> Settings {
        let settings = Settings { sync, ..Settings::default() };
        match self {
            Self::Full => {
                Settings { max_bytes: 150_000, when_full: WhenFull::DropOldest, ..settings }
            }
            _ => settings,
        }
    }
}

/// One life of a process: `part` 0 begins the spool, later ones find what the one before has left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    pub(crate) kind: Kind,
    pub(crate) seed: u64,
    pub(crate) part: u64,
    pub(crate) sync: Sync,
}

/// Records and requests of each life are numbered from here on.
const NUMBERS_PER_LIFE: u64 = 1_000_000;

impl Life {
    pub(crate) fn task(self) -> String {
        let Self { kind, seed, part, sync } = self;
        format!("schedule {kind:?} {seed} {part} {sync:?}")
    }

    pub(crate) fn of_task(task: &str) -> Option<Self> {
        let words: Vec<&str> = task.split(' ').collect();
        let ["schedule", kind, seed, part, sync] = words[..] else { return None };
        let kind = KINDS.into_iter().find(|known| format!("{known:?}") == kind)?;
        let sync = if sync == "Disk" { Sync::Disk } else { Sync::System };
        Some(Self { kind, seed: seed.parse().ok()?, part: part.parse().ok()?, sync })
    }

    /// Does it, in a child.
    pub(crate) fn live(self) -> ! {
        let mut run = Run::begin(self);
        match self.kind {
            Kind::Mixed | Kind::Full => {
                for _ in 0..15 + run.random.below(40) {
                    run.anything();
                }
                if run.random.once_in(2) {
                    // As a kill would end it.
                    run.interposer.end();
                }
            }
            Kind::Log => {
                for _ in 0..330 {
                    run.append(1);
                    if run.random.once_in(4) {
                        run.settle();
                    }
                    run.remove();
                }
            }
            Kind::Space => {
                for _ in 0..10 {
                    run.append(5);
                    run.settle();
                }
                run.clear(1000);
                for _ in 0..3 {
                    run.append(1);
                    run.reopen();
                }
            }
            Kind::FailingSync => {
                for _ in 0..4 {
                    run.some_steps();
                    run.fail_syncs();
                    run.some_steps();
                    if self.part == 0 && run.random.once_in(3) {
                        // The next process meets what the system only takes for written.
                        run.settle();
                        run.interposer.end();
                    }
                    run.heal();
                }
            }
            Kind::Damage => run.damage(),
        }
        run.reopen();
        run.interposer.end();
    }
}

/// What became of appends.
#[derive(Default)]
struct Answers {
    awaited: usize,
    failed: usize,
}

struct Run {
    life: Life,
    random: Random,
    interposer: Arc<Interposer>,
    spool: Spool,
    targets: Vec<TargetId>,
    /// Those that were read and not removed since.
    known: VecDeque<Stored>,
    next_record: u64,
    next_request: u64,
    answers: Arc<(Mutex<Answers>, Condvar)>,
    failing: bool,
}

impl Run {
    fn begin(life: Life) -> Self {
        let interposer = Arc::new(Interposer::new());
        interposer.say("begun");
        let (spool, targets) = open(&interposer, life);
        Self {
            life,
            random: Random::new(life.seed * 64 + life.part),
            interposer,
            spool,
            targets,
            known: VecDeque::new(),
            next_record: 1 + life.part * NUMBERS_PER_LIFE,
            next_request: life.part * NUMBERS_PER_LIFE,
            answers: Arc::default(),
            failing: false,
        }
    }

    fn anything(&mut self) {
        match self.random.below(20) {
            0..8 => {
                let count = 1 + self.random.below(4);
                self.append(count);
            }
            8..10 => drop(self.settle()),
            10 => self.load(),
            11..14 => self.remove(),
            14..16 => self.reschedule(),
            16 => self.expire(),
            17 => {
                let limit = 1 + self.random.below(4);
                self.clear(limit);
            }
            _ if self.failing => {}
            18 if self.random.once_in(2) => self.reopen(),
            _ => drop(self.settle()),
        }
    }

    fn some_steps(&mut self) {
        for _ in 0..self.random.below(15) {
            self.anything();
        }
    }

    fn request(&mut self) -> u64 {
        self.next_request += 1;
        self.next_request
    }

    /// Does not wait for the answer.
    fn append(&mut self, count: usize) {
        let request = self.request();
        let first = self.next_record;
        self.next_record += count as u64;
        let records = (first..self.next_record).map(|number| {
            let target = self.targets[record::target_of(number)];
            record::record(number, self.life.kind.sizes(), target)
        });
        let records = records.collect();
        self.interposer.say(&format!("append {request} {first} {count}"));
        self.answers.0.lock().unwrap_or_else(PoisonError::into_inner).awaited += 1;
        let (interposer, answers) = (Arc::clone(&self.interposer), Arc::clone(&self.answers));
        self.spool.append(records, move |reply| {
            let failed = reply.is_err();
            interposer.say(&match reply {
                Ok(appended) => {
                    let mut mark = format!("stored {request}");
                    for id in appended.stored {
                        write!(mark, " {}", id.map_or(0, RecordId::get)).expect("to a string");
                    }
                    numbers(&format!("{mark} |"), &appended.dropped)
                }
                Err(_) => format!("failed {request}"),
            });
            let mut state = answers.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.awaited -= 1;
            state.failed += usize::from(failed);
            answers.1.notify_one();
        });
    }

    /// Waits for all answers; how many were errors so far.
    fn settle(&mut self) -> usize {
        let (state, answered) = &*self.answers;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.awaited > 0 {
            state = answered.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.failed
    }

    fn load(&mut self) {
        let target = self.targets[self.random.below(self.targets.len())];
        let now = noon() + Duration::from_secs(self.random.below(20) as u64);
        let limit = 1 + self.random.below(30);
        let loaded =
            blocking(|reply| self.spool.load(target, RecordId::default(), limit, now, reply));
        let loaded = self.unless_failing(loaded).unwrap_or_default();
        for record in loaded.ripe.into_iter().chain(loaded.ready) {
            if self.known.iter().all(|known| known.id != record.id) {
                self.known.push_back(record);
            }
        }
    }

    fn pick(&mut self) -> Option<Stored> {
        if self.known.is_empty() {
            self.load();
        }
        let index = self.random.below(self.known.len().max(1));
        self.known.remove(index)
    }

    fn remove(&mut self) {
        let Some(record) = self.pick() else { return };
        self.interposer.say(&format!("remove {}", record::number_of(&record)));
        self.spool.remove(record.reference());
    }

    fn reschedule(&mut self) {
        let Some(mut record) = self.pick() else { return };
        record.schedule.attempts += 1;
        let due = (!self.random.once_in(3))
            .then(|| noon() + Duration::from_secs(self.random.below(20) as u64));
        record.schedule.due = due;
        let Schedule { attempts, .. } = record.schedule;
        self.interposer.say(&format!("reschedule {} {attempts}", record::number_of(&record)));
        self.spool.reschedule(record.id, record.schedule);
        self.known.push_back(record);
    }

    fn expire(&mut self) {
        let before = noon() + Duration::from_secs(self.next_record.saturating_sub(5));
        let limit = 1 + self.random.below(4);
        self.drop_with(|spool, reply| spool.expire(before, limit, reply));
    }

    fn clear(&mut self, limit: usize) {
        let target = self.targets[self.random.below(self.targets.len())];
        self.drop_with(|spool, reply| spool.clear(target, limit, reply));
    }

    fn drop_with(
        &mut self,
        ask: impl FnOnce(&Spool, Box<dyn FnOnce(Result<Vec<Dropped>, SpoolError>) + Send>),
    ) {
        let request = self.request();
        self.interposer.say(&format!("drop {request}"));
        let dropped = blocking(|reply| ask(&self.spool, reply));
        if let Some(dropped) = self.unless_failing(dropped) {
            self.interposer.say(&numbers(&format!("dropped {request}"), &dropped));
            self.known.retain(|known| dropped.iter().all(|dropped| dropped.id != known.id));
        }
    }

    fn unless_failing<T>(&self, answer: Result<T, SpoolError>) -> Option<T> {
        match answer {
            Err(_) if self.failing => None,
            answer => Some(answer.expect("the disk is well")),
        }
    }

    fn reopen(&mut self) {
        self.spool.close();
        self.interposer.say("closed");
        (self.spool, self.targets) = open(&self.interposer, self.life);
    }

    fn fail_syncs(&mut self) {
        let suffix = ["*", "spool.db", "spool.db-wal"][self.random.below(3)];
        let skip = self.random.below(3);
        let times = if self.random.once_in(2) { -1 } else { 1 + self.random.below(3) as i32 };
        const EIO: i32 = 5;
        self.interposer.say(&format!("fault sync {EIO} {skip} {times} {suffix}"));
        self.failing = true;
    }

    /// The disk is well again, and so is the spool with the next request.
    fn heal(&mut self) {
        let before = self.settle();
        self.interposer.say("well");
        self.failing = false;
        self.append(1);
        let fault = |spool: &Spool| spool.status().fault;
        assert_eq!(self.settle(), before, "on a disk that is well: {:?}", fault(&self.spool));
    }

    fn damage(&mut self) {
        for _ in 0..20 + self.random.below(20) {
            self.append(2);
            if self.random.once_in(3) {
                self.settle();
                self.reschedule();
            }
        }
        self.settle();
        let closed_first = self.random.once_in(2);
        if closed_first {
            self.reopen();
        }
        self.interposer.say("damaged");
        let path = self.interposer.folder.join("spool.db");
        let mut file = OpenOptions::new().write(true).open(path).expect("it is there");
        let pages = file.metadata().expect("it is open").len() as usize / 4096;
        for _ in 0..1 + self.random.below(3) {
            let page = if self.random.once_in(4) { 0 } else { self.random.below(pages.max(1)) };
            let garbage: Vec<u8> =
                (0..512).flat_map(|_| self.random.number().to_le_bytes()).collect();
            file.seek(SeekFrom::Start(page as u64 * 4096)).expect("a place in it");
            file.write_all(&garbage).expect("room for it");
        }
        file.sync_all().expect("the disk is well");
        if self.random.once_in(2) {
            self.spool.close();
            (self.spool, self.targets) = open(&self.interposer, self.life);
        }
        // The first time it meets the damage, and some of what it has read is gone with the old file.
        self.everything();
        // It may still know by heart what the disk has lost.
        self.spool.close();
        (self.spool, self.targets) = open(&self.interposer, self.life);
        self.everything();
        let survivors = self.everything();
        for _ in 0..5 {
            self.append(1);
            self.settle();
        }
        self.interposer.say(&survivors);
    }

    fn everything(&self) -> String {
        let all = blocking(|reply| self.spool.list(RecordId::default(), 10_000, u64::MAX, reply));
        let mut mark = "survivors".to_owned();
        for (stored, _) in all.expect("a rescue makes it readable") {
            write!(mark, " {}", record::number_of(&stored)).expect("to a string");
        }
        mark
    }
}

fn open(interposer: &Interposer, life: Life) -> (Spool, Vec<TargetId>) {
    let spool = Spool::open(&interposer.folder, life.kind.settings(life.sync));
    let spool = spool.expect("the folder is ours");
    let targets = TARGETS.map(|name| spool.target(name).expect("the disk is well"));
    (spool, targets.to_vec())
}

fn numbers(head: &str, dropped: &[Dropped]) -> String {
    dropped.iter().fold(head.to_owned(), |text, dropped| format!("{text} {}", dropped.id))
}
