//! A spool on a disk that fails: what is acknowledged is stored, what is stored is given out, and all is well again
//! once the disk is.

use std::path::Path;
use std::time::{Duration, Instant};

use relay_spool::{
    FaultKind, OpenError, RecordId, Schedule, Settings, Spool, SpoolError, TargetId, View, blocking,
};

use crate::interposer::{Interposer, Watched};
use crate::record::{self, Sizes, noon};

const EIO: i32 = 5;
const EACCES: i32 = 13;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;

/// A disk that fails in one way.
struct Case {
    name: &'static str,
    /// CALL ERROR SKIP TIMES SUFFIX, as the interposer takes them.
    faults: &'static [(&'static str, i32, u32, i32, &'static str)],
    kind: FaultKind,
    /// Whether what was stored before can be read meanwhile.
    readable: bool,
}

const CASES: [Case; 11] = [
    Case {
        name: "full disk",
        faults: &[("write", ENOSPC, 0, -1, "*"), ("truncate", ENOSPC, 0, -1, "*")],
        kind: FaultKind::DiskFull,
        readable: true,
    },
    Case {
        name: "disk that is full in the middle of a write",
        faults: &[("short", ENOSPC, 3, 1, "*"), ("write", ENOSPC, 4, -1, "*")],
        kind: FaultKind::DiskFull,
        readable: true,
    },
    Case {
        name: "disk that cannot write",
        faults: &[("write", EIO, 0, -1, "*")],
        kind: FaultKind::Io,
        readable: true,
    },
    Case {
        name: "disk that cannot write the middle of a commit",
        faults: &[("write", EIO, 5, -1, "*")],
        kind: FaultKind::Io,
        readable: true,
    },
    Case {
        name: "disk that cannot sync",
        faults: &[("sync", EIO, 0, -1, "*")],
        kind: FaultKind::Io,
        readable: true,
    },
    Case {
        name: "disk that fails to sync once",
        faults: &[("sync", EIO, 0, 1, "*")],
        kind: FaultKind::Io,
        readable: true,
    },
    Case {
        name: "disk that cannot sync the log for long",
        faults: &[("sync", EIO, 0, 20, "-wal")],
        kind: FaultKind::Io,
        readable: true,
    },
    Case {
        name: "disk that cannot read",
        faults: &[("read", EIO, 0, -1, "*"), ("write", EIO, 0, -1, "*")],
        kind: FaultKind::Io,
        readable: false,
    },
    Case {
        name: "disk that is gone",
        faults: &[
            ("open", EIO, 0, -1, "*"),
            ("read", EIO, 0, -1, "*"),
            ("write", EIO, 0, -1, "*"),
            ("sync", EIO, 0, -1, "*"),
        ],
        kind: FaultKind::Io,
        readable: false,
    },
    Case {
        name: "disk that became read-only",
        faults: &[("write", EROFS, 0, -1, "*"), ("open", EROFS, 0, -1, "*")],
        kind: FaultKind::Io,
        readable: true,
    },
    Case {
        name: "folder that may not be written any more",
        faults: &[("write", EACCES, 0, -1, "*"), ("open", EACCES, 0, -1, "*")],
        kind: FaultKind::Io,
        readable: true,
    },
];

/// Each case in a process of its own.
pub(crate) fn a_failing_disk_costs_nothing_that_was_acknowledged() -> Result<(), String> {
    let mut failures = Vec::new();
    for case in &CASES {
        for way in ["runtime", "start"] {
            let output = Watched::new().run(&format!("{way} {}", case.name), false);
            if !output.status.success() {
                let text = String::from_utf8_lossy(&output.stderr);
                failures.push(format!("{}, {way}: {text}", case.name));
            }
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

/// A disk that has room for something small now and then is full all the same.
pub(crate) fn a_disk_with_too_little_room_is_full_until_it_has_more() -> Result<(), String> {
    let output = Watched::new().run("too little room", false);
    let text = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(text.into_owned()) }
}

/// Whoever delivers all there is on a full disk has room again.
pub(crate) fn what_is_removed_makes_room_on_a_full_disk() -> Result<(), String> {
    let output = Watched::new().run("removals", false);
    let text = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(text.into_owned()) }
}

/// The child's side of that.
fn removals() {
    let interposer = Interposer::new();
    let spool = open(&interposer.folder);
    let target = spool.target("upstream").expect("the disk is well");
    // All of it is still in the log when the room is over; or the half is in the file.
    let mut stored = Vec::new();
    for room in [3, 16] {
        interposer.say(&format!("room {}", room << 20));
        let record = || record::record(1, Sizes::Large, target);
        // For as long as it is found now and then that there is still some room, and on to the end.
        let begun = Instant::now();
        loop {
            match blocking(|reply| spool.append(vec![record()], reply)) {
                Ok(appended) => {
                    stored.push(appended.stored[0].expect("the settings leave room"));
                }
                Err(_) if begun.elapsed() > Duration::from_secs(4) => break,
                Err(_) => std::thread::yield_now(),
            }
        }
        let fault = spool.status().fault.expect("the disk is full");
        assert_eq!(fault.kind(), FaultKind::DiskFull);
        for id in stored.drain(..) {
            spool.remove(relay_spool::RecordRef::new(id, record().meta.item_count));
        }
        let begun = Instant::now();
        while spool.status().fault.is_some() || spool.status().total().records > 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", spool.status());
            std::thread::yield_now();
        }
        let appended = blocking(|reply| spool.append(vec![record()], reply));
        stored.extend(appended.expect("there is room").stored[0]);
        interposer.say("well");
    }
    spool.close();
    let reserve = interposer.folder.join("spool.reserve");
    let left = reserve.metadata().map_or(0, |metadata| metadata.len());
    assert!(left <= 256 * 1024, "{left} bytes are kept for the next start");
    verify(&interposer.folder);
}

/// A spool starts on a disk without any room, whether the last one ended in order or not, gives out what is in it,
/// and has room again when that is removed.
pub(crate) fn a_disk_without_any_room_keeps_no_spool_from_starting() -> Result<(), String> {
    for end in ["closed", "killed"] {
        let watched = Watched::new();
        for task in [format!("fill {end}"), "no room".to_owned()] {
            let output = watched.run(&task, false);
            if !output.status.success() {
                let text = String::from_utf8_lossy(&output.stderr);
                return Err(format!("{end}, {task}: {text}"));
            }
        }
    }
    Ok(())
}

const FILLED: usize = 40;

/// The child's side: what there is when the room is over.
fn fill(end: &str) {
    let interposer = Interposer::new();
    let spool = open(&interposer.folder);
    let target = spool.target("upstream").expect("the disk is well");
    for number in 0..FILLED as u64 {
        let record = record::record(number, Sizes::Large, target);
        blocking(|reply| spool.append(vec![record], reply)).expect("the disk is well");
    }
    match end {
        "closed" => spool.close(),
        _ => interposer.end(),
    }
}

/// The child's side: not a byte more than there is.
fn no_room() {
    let interposer = Interposer::new();
    let files = std::fs::read_dir(&interposer.folder).expect("the folder").flatten();
    let size: u64 = files.map(|file| file.metadata().expect("a file").len()).sum();
    interposer.say(&format!("room {size}"));
    // As a tool would that looks first, which leaves the reserve alone.
    let looked = View::open(&interposer.folder).expect("it can be read");
    assert_eq!(looked.list(RecordId::default(), 100).expect("it can be read").len(), FILLED);
    drop(looked);
    let spool = open(&interposer.folder);
    let target = spool.target("upstream").expect("there since the start");
    let stored = blocking(|reply| spool.list(RecordId::default(), 100, u64::MAX, reply));
    let stored = stored.expect("it can be read");
    assert_eq!(stored.len(), FILLED);
    let mut stored: Vec<_> = stored.iter().map(|(record, _)| record.reference()).collect();
    let too_much = || {
        let mut record = record::record(1, Sizes::Small, target);
        record.body = vec![b'x'; 1 << 20].into();
        record
    };
    // What the log took is room once it has been brought into the file.
    let refused = loop {
        match blocking(|reply| spool.append(vec![too_much()], reply)) {
            Ok(appended) => {
                let id = appended.stored[0].expect("the settings leave room");
                stored.push(relay_spool::RecordRef::new(id, too_much().meta.item_count));
            }
            Err(refused) => break refused,
        }
        assert!(stored.len() < 2 * FILLED, "the limit is not felt");
    };
    assert!(matches!(refused, SpoolError::Fault(fault) if fault.kind() == FaultKind::DiskFull));
    stored.into_iter().for_each(|record| spool.remove(record));
    let begun = Instant::now();
    while spool.status().fault.is_some() || spool.status().total().records > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", spool.status());
        std::thread::yield_now();
    }
    blocking(|reply| spool.append(vec![too_much()], reply)).expect("there is room");
    spool.close();
    verify(&interposer.folder);
}

/// The child's side of the one before.
fn too_little_room() {
    let interposer = Interposer::new();
    let spool = open(&interposer.folder);
    let target = spool.target("upstream").expect("the disk is well");
    let append = |length: usize| {
        let mut record = record::record(1, Sizes::Small, target);
        record.body = vec![b'x'; length].into();
        blocking(|reply| spool.append(vec![record], reply)).map(|_| ())
    };
    let is_full = || spool.status().fault.is_some_and(|fault| fault.kind() == FaultKind::DiskFull);
    append(10).expect("the disk is well");
    let files = std::fs::read_dir(&interposer.folder).expect("it is there");
    let sizes = files.map(|file| file.and_then(|file| file.metadata()).expect("it is there").len());
    interposer.say(&format!("room {}", sizes.sum::<u64>() + 256 * 1024));

    append(512 * 1024).expect_err("there is not that much room");
    for _ in 0..3 {
        append(10).expect("there is room for that");
        assert!(is_full(), "there is still not enough for what failed: {:?}", spool.status());
    }
    // In this time it is tried out twice.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(2500) {
        assert!(is_full(), "nothing has changed: {:?}", spool.status());
        std::thread::yield_now();
    }
    interposer.say("well");
    while spool.status().fault.is_some() {
        assert!(begun.elapsed() < Duration::from_secs(10), "nobody looks: {:?}", spool.status());
        std::thread::yield_now();
    }
    append(512 * 1024).expect("there is room");
    assert!(spool.status().fault.is_none());
    spool.close();
    verify(&interposer.folder);
}

/// The child's side; whether there is such a task.
pub(crate) fn run(task: &str) -> bool {
    match task {
        "too little room" => too_little_room(),
        "removals" => removals(),
        "fill closed" => fill("closed"),
        "fill killed" => fill("killed"),
        "no room" => no_room(),
        _ => return is_a_case(task),
    }
    true
}

fn is_a_case(task: &str) -> bool {
    let Some((way, name)) = task.split_once(' ') else { return false };
    let Some(case) = CASES.iter().find(|case| case.name == name) else { return false };
    match way {
        "runtime" => case.fails_at_run_time(),
        "start" => case.fails_at_the_start(),
        _ => return false,
    }
    true
}

impl Case {
    fn begin(&self, interposer: &Interposer) {
        for (call, error, skip, times, suffix) in self.faults {
            interposer.say(&format!("fault {call} {error} {skip} {times} {suffix}"));
        }
    }

    fn fails_at_run_time(&self) {
        let interposer = Interposer::new();
        let mut expected = Expected::default();
        let spool = open(&interposer.folder);
        let target = spool.target("upstream").expect("the disk is well");
        for _ in 0..20 {
            expected.append(&spool, target).expect("the disk is well");
        }
        expected.remove_first(&spool, target);

        self.begin(&interposer);
        let mut failed = 0;
        for _ in 0..20 {
            if let Err(error) = expected.append(&spool, target) {
                failed += 1;
                let SpoolError::Fault(fault) = &error else { panic!("{error:?}") };
                assert_eq!(fault.kind(), self.kind, "{fault}");
                assert_eq!(spool.status().fault.as_ref(), Some(fault), "the status says so");
            }
        }
        assert!(failed > 0, "it does not fail");
        // Not to be done twice, nor forgotten.
        if self.readable {
            expected.remove_first(&spool, target);
            let fault = spool.status().fault;
            expected.check(&spool);
            assert!(fault.is_none() || spool.status().fault.is_some(), "reading mends nothing");
            put_off_the_first(&spool, target);
        }

        if self.faults.iter().any(|(.., times, _)| *times == -1) {
            // Reading does not make it well.
            let _ = blocking(|reply| spool.body(RecordId::new(1), reply));
            assert!(spool.status().fault.is_some(), "the status says so until it is over");
        }
        interposer.say("well");
        // A load balancer that hears of it sends nothing any more: nobody must be waiting for that.
        let begun = Instant::now();
        while spool.status().fault.is_some() {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "nobody looks: {:?}",
                spool.status()
            );
            std::thread::yield_now();
        }
        expected.append(&spool, target).expect("the disk is well again");
        assert!(spool.status().fault.is_none(), "and the status says so");
        expected.append(&spool, target).expect("and stays so");
        expected.check(&spool);
        assert_eq!(spool.status().set_aside.len(), 0, "a fault is no damage");
        spool.close();

        let spool = open(&interposer.folder);
        expected.check(&spool);
        spool.close();
        verify(&interposer.folder);
    }

    fn fails_at_the_start(&self) {
        let interposer = Interposer::new();
        let mut expected = Expected::default();
        let spool = open(&interposer.folder);
        let target = spool.target("upstream").expect("the disk is well");
        for _ in 0..20 {
            expected.append(&spool, target).expect("the disk is well");
        }
        // Not closed in order, so that there is a log to be read.
        let copy = interposer.folder.with_file_name("copy");
        std::fs::create_dir(&copy).expect("room");
        for file in ["spool.db", "spool.db-wal"] {
            std::fs::copy(interposer.folder.join(file), copy.join(file)).expect("room");
        }
        spool.close();

        self.begin(&interposer);
        match Spool::open(&copy, Settings::default()) {
            Err(OpenError::Locked { .. } | OpenError::Missing { .. } | OpenError::Newer { .. }) => {
                panic!("none of that");
            }
            Err(_) => {}
            Ok(spool) => {
                for _ in 0..3 {
                    // It may come to nothing.
                    let _ = expected.append(&spool, target);
                }
                assert_eq!(spool.status().set_aside.len(), 0, "a fault is no damage");
            }
        }
        interposer.say("well");
        let spool = open(&copy);
        assert_eq!(spool.status().set_aside.len(), 0, "a fault is no damage");
        expected.append(&spool, target).expect("the disk is well again");
        expected.check(&spool);
        spool.close();
        verify(&copy);
    }
}

/// What must be there. What was refused with an error may be, of which the caller knows nothing.
#[derive(Default)]
struct Expected {
    next: u64,
    stored: Vec<u64>,
    refused: Vec<u64>,
}

impl Expected {
    fn append(&mut self, spool: &Spool, target: TargetId) -> Result<(), SpoolError> {
        self.next += 1;
        let record = record::record(self.next, Sizes::Mixed, target);
        let appended = blocking(|reply| spool.append(vec![record], reply));
        match appended {
            Ok(appended) => {
                assert!(appended.stored[0].is_some(), "there is room");
                self.stored.push(self.next);
                Ok(())
            }
            Err(error) => {
                self.refused.push(self.next);
                Err(error)
            }
        }
    }

    /// May take effect later, which the caller does not notice.
    fn remove_first(&mut self, spool: &Spool, target: TargetId) {
        let first = blocking(|reply| spool.load(target, RecordId::default(), 1, noon(), reply));
        let first = &first.expect("it can be read").ready[0];
        spool.remove(first.reference());
        let number = record::number_of(first);
        self.stored.retain(|stored| *stored != number);
        self.refused.push(number);
    }

    fn check(&self, spool: &Spool) {
        let all = blocking(|reply| spool.list(RecordId::default(), 10_000, u64::MAX, reply));
        let all = all.expect("it can be read");
        let numbers: Vec<u64> = all.iter().map(|(stored, _)| record::number_of(stored)).collect();
        for number in &self.stored {
            assert!(numbers.contains(number), "record {number} was acknowledged and is lost");
        }
        for (stored, body) in &all {
            let number = record::number_of(stored);
            let known = self.stored.contains(&number) || self.refused.contains(&number);
            assert!(known, "record {number} is invented");
            let expected = record::record(number, Sizes::Mixed, stored.meta.target);
            assert_eq!(expected.meta, stored.meta);
            assert!(expected.body == *body, "record {number} is not what was stored");
        }
    }
}

/// Whether or not the disk knows of it yet, nobody forgets that it waits for a time.
fn put_off_the_first(spool: &Spool, target: TargetId) {
    let load =
        |limit| blocking(|reply| spool.load(target, RecordId::default(), limit, noon(), reply));
    let first = load(1).expect("it can be read").ready[0].id;
    let due = noon() + Duration::from_secs(60);
    spool.reschedule(first, Schedule { attempts: 1, due: Some(due), refused_since: None });
    assert_eq!(load(1).expect("it can be read").next_due, Some(due));
}

pub(crate) fn open(folder: &Path) -> Spool {
    Spool::open(folder, Settings::default()).expect("it opens")
}

pub(crate) fn verify(folder: &Path) {
    let findings = View::open(folder).expect("readable").verify(|_| {}).expect("readable");
    assert!(findings.is_sound(), "{findings:?}");
}
