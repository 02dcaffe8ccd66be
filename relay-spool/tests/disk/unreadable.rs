//! A disk with a place that it cannot read any more: what stands elsewhere is given out, what is lost is known, and the
//! spool goes on in a new file.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use relay_spool::{
    FaultKind, RecordId, RecordRef, Settings, Spool, SpoolError, TargetId, blocking,
};

use crate::faults::{open, verify};
use crate::interposer::{Interposer, Watched};
use crate::record::{self, Sizes, noon};

const PAGE: usize = 4096;

/// So many records, of which the last is larger than a page. The log has room for all of them.
const RECORDS: u64 = 120;

struct Case {
    name: &'static str,
    /// Where it is: in which file of the spool folder, at which byte.
    place: fn(&Path) -> (PathBuf, usize),
    /// At least so many records are left.
    least: u64,
}

const CASES: [Case; 7] = [
    Case { name: PASSING, place: |spool| in_the_body_of(spool, RECORDS), least: RECORDS },
    Case { name: "in a body", place: |spool| in_the_body_of(spool, RECORDS), least: RECORDS - 1 },
    Case { name: PAGE_OF_RECORDS, place: |spool| page(spool, 0x0d), least: RECORDS - 30 },
    Case { name: "in a page above those", place: |spool| page(spool, 0x05), least: 0 },
    Case { name: "in the index", place: |spool| page(spool, 0x0a), least: RECORDS - 1 },
    Case { name: "at the beginning", place: |spool| (spool.join("spool.db"), 0), least: 0 },
    Case { name: "in the log", place: in_the_log, least: RECORDS / 4 },
];

/// The one that goes away again.
const PASSING: &str = "in a body, for a moment";

const PAGE_OF_RECORDS: &str = "in a page of records";

/// Each case in a process of its own, all at once: they have to be patient.
pub(crate) fn what_the_disk_cannot_read_holds_up_nothing_else() -> Result<(), String> {
    let failed = |case: &Case| {
        let output = Watched::new().run(&format!("unreadable {}", case.name), false);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (!output.status.success()).then(|| format!("{}: {text}", case.name))
    };
    let failures: Vec<String> = std::thread::scope(|scope| {
        let cases = CASES.iter().map(|case| scope.spawn(move || failed(case)));
        let cases: Vec<_> = cases.collect();
        cases.into_iter().filter_map(|case| case.join().expect("it does not panic")).collect()
    });
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

/// The child's side; whether there is such a task.
pub(crate) fn run(task: &str) -> bool {
    let Some(name) = task.strip_prefix("unreadable ") else { return false };
    let Some(case) = CASES.iter().find(|case| case.name == name) else { return false };
    case.live();
    true
}

impl Case {
    fn live(&self) {
        let interposer = Interposer::new();
        let folder = self.filled(&interposer);
        let (path, offset) = (self.place)(&folder);
        interposer.say(&format!("unreadable {offset} {} {}", offset + 512, path.display()));

        let spool = open(&folder);
        let target = spool.target("upstream").expect("it can be read by now");
        let mut all: Vec<u64> = (1..=RECORDS).collect();
        if spool.status().set_aside.is_empty()
            && let Some(number) = first_unreadable(&spool)
        {
            if self.name == PASSING {
                interposer.say("well");
                assert_eq!(drain(&spool, target).expect("it can be read"), all);
                assert_eq!(spool.status().set_aside.len(), 0, "a fault is no damage");
                return;
            }
            if self.name == PAGE_OF_RECORDS {
                // It was delivered, say, and cannot be removed for the same reason.
                let record = record::record(number, size(number), target);
                spool.remove(RecordRef::new(RecordId::new(number), record.meta.item_count));
                all.retain(|other| *other != number);
            }
        }
        let begun = Instant::now();
        while spool.status().set_aside.is_empty() {
            // Which may fail until then.
            let _ = drain(&spool, target);
            assert!(begun.elapsed() < Duration::from_secs(30), "no rescue: {:?}", spool.status());
        }
        while spool.status().fault.is_some() {
            assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", spool.status());
        }
        let left = drain(&spool, target).expect("what is left can be read");
        assert!(left.len() as u64 >= self.least, "{} are left", left.len());
        let items = |numbers: &[u64]| -> u64 {
            let records =
                numbers.iter().map(|number| record::record(*number, size(*number), target));
            records.map(|record| u64::from(record.meta.item_count)).sum()
        };
        let new = record::record(RECORDS + 1, Sizes::Small, target);
        blocking(|reply| spool.append(vec![new], reply)).expect("the spool goes on");
        let status = spool.status();
        // Whatever the log had, nobody has counted, and of a file without a beginning nobody knows anything.
        if !matches!(self.name, "in the log" | "at the beginning") {
            assert_eq!(status.lost_items, items(&all) - items(&left), "{status:?}");
        }
        assert!(status.set_aside[0].exists(), "{status:?}");
        spool.close();
        let spool = open(&folder);
        assert_eq!(spool.status().set_aside.len(), 0, "it is done");
        let after = drain(&spool, target).expect("all can be read");
        assert_eq!(after[..left.len()], left);
        assert_eq!(after[left.len()..], [RECORDS + 1]);
        spool.close();
        verify(&folder);
    }

    /// A folder with records, of a spool that was closed or, if the log is to be there, killed.
    fn filled(&self, interposer: &Interposer) -> PathBuf {
        let folder = interposer.folder.clone();
        let spool = open(&folder);
        let target = spool.target("upstream").expect("the disk is well");
        for number in 1..=RECORDS {
            let record = record::record(number, size(number), target);
            blocking(|reply| spool.append(vec![record], reply)).expect("the disk is well");
        }
        if self.name != "in the log" {
            spool.close();
            return folder;
        }
        let copy = folder.with_file_name("copy");
        std::fs::create_dir(&copy).expect("room");
        for file in ["spool.db", "spool.db-wal"] {
            std::fs::copy(folder.join(file), copy.join(file)).expect("room");
        }
        spool.close();
        copy
    }
}

fn size(number: u64) -> Sizes {
    if number == RECORDS { Sizes::Large } else { Sizes::Small }
}

/// The first record whose body the disk does not read, while everything counts as well.
fn first_unreadable(spool: &Spool) -> Option<u64> {
    (1..=RECORDS).find(|number| {
        let body = blocking(|reply| spool.body(RecordId::new(*number), reply));
        assert_eq!(spool.status().set_aside.len(), 0, "that was too fast");
        matches!(body, Err(SpoolError::Fault(fault)) if fault.kind() == FaultKind::Io)
    })
}

/// Reads everything that waits as a relay does, each record as it was stored; their numbers.
fn drain(spool: &Spool, target: TargetId) -> Result<Vec<u64>, SpoolError> {
    let mut numbers = Vec::new();
    let mut after = RecordId::default();
    loop {
        let loaded = blocking(|reply| spool.load(target, after, 50, noon(), reply))?;
        for stored in &loaded.ready {
            after = stored.id;
            let Some(body) = blocking(|reply| spool.body(stored.id, reply))? else { continue };
            let number = record::number_of(stored);
            let expected = record::record(number, size(number), stored.meta.target);
            assert_eq!(expected.meta, stored.meta);
            assert!(expected.body == body, "record {number} is not what was stored");
            numbers.push(number);
        }
        if loaded.complete {
            return Ok(numbers);
        }
    }
}

/// In the midst of the body of that record.
fn in_the_body_of(spool: &Path, number: u64) -> (PathBuf, usize) {
    let path = spool.join("spool.db");
    let file = std::fs::read(&path).expect("it can be read");
    let memory = Spool::in_memory(Settings::default()).expect("memory");
    let target = memory.target("upstream").expect("memory");
    let record = record::record(number, Sizes::Large, target);
    let middle = &record.body[record.body.len() / 2..][..32];
    let place = file.windows(middle.len()).position(|window| window == middle);
    (path, place.expect("it is there"))
}

/// A page of a kind, as its first byte tells it, that holds more than those of the smaller tables.
fn page(spool: &Path, kind: u8) -> (PathBuf, usize) {
    let path = spool.join("spool.db");
    let file = std::fs::read(&path).expect("it can be read");
    let cells = |page: &[u8]| u16::from_be_bytes([page[3], page[4]]);
    let number = file.chunks(PAGE).position(|page| page[0] == kind && cells(page) > 4);
    (path, number.expect("there is one") * PAGE)
}

fn in_the_log(spool: &Path) -> (PathBuf, usize) {
    let path = spool.join("spool.db-wal");
    let length = std::fs::metadata(&path).expect("it is there").len() as usize;
    (path, length / 2)
}
