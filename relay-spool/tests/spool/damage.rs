//! A file that is damaged is put aside; what can be read of it goes on.

use std::fs::OpenOptions;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use relay_spool::{
    FaultKind, OpenError, RecordId, Settings, Spool, SpoolError, Sync, View, blocking,
};

use crate::support::{append, bodies, load, record, try_append};

/// A closed spool with `count` records, each of about one page.
fn filled(folder: &Path, count: usize) {
    let spool = Spool::open(folder, Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    for n in 0..count {
        append(&spool, record(target, &format!("{n:04}{}", "x".repeat(3000))));
    }
    spool.close();
}

fn overwrite(folder: &Path, offset: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(folder.join("spool.db")).expect("the file");
    file.seek(SeekFrom::Start(offset)).expect("a place in it");
    file.write_all(bytes).expect("room for it");
}

#[test]
fn a_file_that_is_no_database_is_put_aside_and_a_new_one_begun() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 3);
    overwrite(folder.path(), 0, &[0xa5; 4096]);
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens all the same");
    let aside = spool.status().set_aside;
    assert_eq!(aside.len(), 1);
    assert!(aside[0].exists());
    let target = spool.target("upstream").expect("a target");
    append(&spool, record(target, "new"));
    assert_eq!(bodies(&spool), ["new"]);
}

#[test]
fn what_can_be_read_of_a_damaged_file_is_carried_over() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 200);
    // In the midst of the records: some leaves of the table, and of the index perhaps.
    overwrite(folder.path(), 100 * 4096, &[0xa5; 8 * 4096]);
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    // Whoever reads everything meets the damage.
    let mut seen = Vec::new();
    let mut after = RecordId::default();
    loop {
        let loaded = load(&spool, target, after, 50);
        for record in &loaded.ready {
            after = record.id;
            match blocking(|reply| spool.body(record.id, reply)) {
                Ok(Some(_)) => seen.push(record.id),
                Ok(None) | Err(SpoolError::DamagedRecord(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        if loaded.complete {
            break;
        }
    }
    assert!(seen.len() >= 180, "{} of 200 are left", seen.len());
    let status = spool.status();
    assert_eq!(status.set_aside.len(), 1);
    assert_eq!(status.lost_items, 200 - status.total().items, "what is missing is known");
    assert!(status.fault.is_none());
    spool.close();
    let findings = View::open(folder.path()).expect("readable").verify(|_| {}).expect("readable");
    assert!(findings.is_sound(), "{findings:?}");
}

#[test]
fn a_file_that_was_cut_short_gives_what_is_left_and_says_what_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 200);
    let path = folder.path().join("spool.db");
    let pages = std::fs::metadata(&path).expect("the file").len() / 4096;
    let file = OpenOptions::new().write(true).open(&path).expect("the file");
    file.set_len(pages * 9 / 10 * 4096).expect("it can be cut");
    drop(file);
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let left = bodies(&spool).len();
    assert!((150..200).contains(&left), "{left} of 200 are left");
    let status = spool.status();
    assert_eq!(status.set_aside.len(), 1);
    assert_eq!(status.lost_items, 200 - left as u64);
    assert!(!status.is_loss_unknown);
}

#[test]
fn a_file_that_does_not_tell_what_was_in_it_leaves_nobody_in_the_belief_that_it_was_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 3);
    overwrite(folder.path(), 0, &[0; 4096]);
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens all the same");
    assert!(spool.status().is_loss_unknown);
    // But for what the process knows itself.
    let target = spool.target("upstream").expect("a target");
    append(&spool, record(target, "new"));
    assert_eq!(spool.status().lost_items, 0);
}

#[test]
fn a_survivor_that_is_given_up_and_then_removed_was_never_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 200);
    overwrite(folder.path(), 100 * 4096, &[0xa5; 8 * 4096]);
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    let list =
        |spool: &Spool| blocking(|reply| spool.list(RecordId::default(), 1000, u64::MAX, reply));
    while spool.status().set_aside.is_empty() {
        list(&spool).expect("the spool is well");
    }
    let lost = spool.status().lost_items;
    assert!(lost > 0);
    let (first, _) = list(&spool).expect("the spool is well").swap_remove(0);
    let given_up = blocking(|reply| spool.clear(target, 1, reply)).expect("the spool is well");
    assert_eq!(given_up[0].id, first.id);
    // Its owner had it under way, and is done with it now.
    spool.remove(first.reference());
    append(&spool, record(target, "after the removal"));
    assert_eq!(spool.status().lost_items, lost);
}

#[test]
fn a_record_whose_bytes_have_changed_is_not_given_out() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 1);
    let file = std::fs::read(folder.path().join("spool.db")).expect("the file");
    let place = file.windows(8).position(|window| window == b"xxxxxxxx").expect("the body") + 100;
    overwrite(folder.path(), place as u64, b"y");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let body = blocking(|reply| spool.body(RecordId::new(1), reply));
    assert_eq!(body, Err(SpoolError::DamagedRecord(RecordId::new(1))));
    let findings = View::open(folder.path()).expect("readable").verify(|_| {}).expect("readable");
    assert_eq!(findings.damaged, [RecordId::new(1)]);
}

/// Where a file may be damaged, and what must be left of 200 records of about a page each.
const DAMAGES: [(&str, Damage, usize); 9] = [
    ("the first page", |_| vec![(0, garbage(PAGE))], 0),
    ("the header alone", |_| vec![(0, garbage(100))], 0),
    ("the schema", |_| vec![(100, garbage(PAGE - 100))], 0),
    ("an interior page of the records", |file| pages(file, 0x05, &[0xa5; PAGE]), 0),
    ("all leaves of the index", |file| pages(file, 0x0a, &[0xa5; PAGE]), 200),
    ("the heads of some leaves", |file| pages(file, 0x0d, &[0; 8])[50..60].to_vec(), 150),
    ("cells of some leaves", |file| pages(file, 0x0d, &garbage(PAGE))[50..60].to_vec(), 150),
    ("the end of the file", |file| vec![(file.len() as u64 - 4096 * 20, garbage(20 * PAGE))], 150),
    ("pages that say where pages are", |_| vec![(PAGE as u64, garbage(PAGE))], 150),
];

/// What to write where into a file.
type Damage = fn(&[u8]) -> Vec<(u64, Vec<u8>)>;

const PAGE: usize = 4096;

/// Bytes that mean nothing.
fn garbage(length: usize) -> Vec<u8> {
    (0..length as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Overwrites the start of each page of a kind, as its first byte tells it.
fn pages(file: &[u8], kind: u8, with: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let pages = file.chunks(PAGE).enumerate().filter(|(_, page)| page[0] == kind);
    pages.map(|(number, _)| ((number * PAGE) as u64, with.to_vec())).collect()
}

/// Reads everything that waits as a relay does.
fn drain(spool: &Spool) -> Vec<RecordId> {
    let target = spool.target("upstream").expect("a target");
    let mut seen = Vec::new();
    let mut after = RecordId::default();
    loop {
        let loaded = load(spool, target, after, 50);
        for record in &loaded.ready {
            after = record.id;
            if let Ok(Some(body)) = blocking(|reply| spool.body(record.id, reply)) {
                assert_eq!(body[..4], *format!("{:04}", record.id.get() - 1).as_bytes());
                seen.push(record.id);
            }
        }
        if loaded.complete {
            return seen;
        }
    }
}

#[test]
fn wherever_a_file_is_damaged_the_rest_is_given_out_and_the_spool_goes_on() {
    for (place, damage, least) in DAMAGES {
        for running in [false, true] {
            let folder = tempfile::tempdir().expect("a folder");
            filled(folder.path(), 200);
            let damages = damage(&std::fs::read(folder.path().join("spool.db")).expect("it"));
            assert!(!damages.is_empty(), "there is none: {place}");
            let early = running.then(|| Spool::open(folder.path(), Settings::default()));
            for (offset, bytes) in damages {
                overwrite(folder.path(), offset, &bytes);
            }
            let spool = early.unwrap_or_else(|| Spool::open(folder.path(), Settings::default()));
            let spool = spool.expect(place);
            let seen = drain(&spool);
            assert!(seen.len() >= least, "{place}: {} of 200 are left", seen.len());
            let status = spool.status();
            assert!(status.fault.is_none(), "{place}: {status:?}");
            assert!(status.set_aside.iter().all(|path| path.exists()), "{place}");
            let target = spool.target("upstream").expect("a target");
            assert!(append(&spool, record(target, "0200")).get() > 0, "{place}");
            spool.close();
            if running {
                // It may still have known by heart what the disk had lost: what hung from that is gone only now.
                continue;
            }
            let spool = Spool::open(folder.path(), Settings::default()).expect(place);
            assert!(bodies(&spool).contains(&"0200".to_owned()), "{place}");
        }
    }
}

/// What a relay leaves that is killed: `count` records in the log, each of about a page and with a commit of its own.
fn killed(folder: &Path, count: usize) -> Vec<u8> {
    let running = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(running.path(), Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    for n in 0..count {
        append(&spool, record(target, &body(n)));
    }
    // Not closed, so that all is in the log.
    for file in ["spool.db", "spool.db-wal"] {
        std::fs::copy(running.path().join(file), folder.join(file)).expect("room");
    }
    std::fs::read(folder.join("spool.db-wal")).expect("it is there")
}

fn body(n: usize) -> String {
    format!("{n:04}{}", "x".repeat(3000))
}

#[test]
fn what_stands_behind_the_damage_of_a_log_is_carried_over() {
    // How many bytes in a row are wrong, and how many records are missing at most: a page has one of those records, and
    // after its first commit nothing of it changes. A frame is left out that is not what was written, and the next as
    // well if a checksum is wrong.
    for (wrong, most) in [(1, 1), (PAGE, 3)] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut log = killed(folder.path(), 60);
        let in_the_middle = body(30);
        let place = log.windows(8).rposition(|window| *window == in_the_middle.as_bytes()[..8]);
        let place = place.expect("it is there") + 100;
        log[place..][..wrong].iter_mut().for_each(|byte| *byte ^= 0x10);
        std::fs::write(folder.path().join("spool.db-wal"), &log).expect("room");
        let file = std::fs::read(folder.path().join("spool.db")).expect("it is there");

        // A crash before the new file is complete leaves everything to be done again, and whoever looks changes nothing.
        let nursery = folder.path().join("rescue");
        std::fs::create_dir_all(nursery.join("mended")).expect("room");
        std::fs::hard_link(folder.path().join("spool.db"), nursery.join("mended/spool.db"))
            .expect("a name");
        let view = View::open(folder.path()).expect("readable");
        assert!(view.verify(|_| {}).expect("readable").is_sound(), "what stands before it is");
        drop(view);

        let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
        let status = spool.status();
        let [aside] = &status.set_aside[..] else { panic!("{status:?}") };
        let aside_log = aside.with_file_name(format!("{}-wal", name_of(aside)));
        assert!(std::fs::read(aside_log).expect("it is there") == log);
        assert!(std::fs::read(aside).expect("it is there") == file);

        let left = bodies(&spool);
        assert!((60 - most..60).contains(&left.len()), "{} are left", left.len());
        assert!(!left.contains(&in_the_middle) && left.contains(&body(59)));
        assert!((0..60).map(body).filter(|body| left.contains(body)).eq(left.iter().cloned()));
        assert_eq!(status.lost_items, 60 - left.len() as u64);
        let target = spool.target("upstream").expect("a target");
        append(&spool, record(target, "new"));
        spool.close();
        let findings = View::open(folder.path()).expect("readable").verify(|_| {});
        assert!(findings.expect("readable").is_sound());
        assert!(!folder.path().join("rescue").exists());
        let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
        assert_eq!(spool.status().set_aside.len(), 0, "it is done");
        assert_eq!(bodies(&spool).len(), left.len() + 1);
    }
}

#[test]
fn a_damaged_log_of_a_later_format_or_without_its_file_is_no_business_of_ours() {
    let folder = tempfile::tempdir().expect("a folder");
    killed(folder.path(), 20);
    let path = |name: &str| folder.path().join(name);
    let later = rusqlite::Connection::open(path("spool.db")).expect("it opens");
    later.execute_batch("PRAGMA user_version = 3;").expect("room");
    let mut log = std::fs::read(path("spool.db-wal")).expect("it is there");
    let middle = log.len() / 2;
    log[middle] ^= 0x10;

    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(path("spool.db"), folder.path().join("spool.db")).expect("room");
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("spool.db-wal"), &log).expect("room");
    let error = Spool::open(folder.path(), Settings::default()).expect_err("it is not ours");
    assert!(matches!(error, OpenError::Newer { found: 3, .. }), "{error}");
    assert!(std::fs::read(path("spool.db-wal")).expect("it is there") == log);

    std::fs::remove_file(path("spool.db")).expect("it is there");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    assert_eq!(spool.status().set_aside.len(), 0);
    assert!(bodies(&spool).is_empty());
}

fn name_of(path: &Path) -> String {
    path.file_name().expect("it has a name").to_string_lossy().into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_wrong_byte_of_the_log_costs_two_records_at_most(
        at in any::<Index>(),
        length in prop_oneof![3 => Just(1), 1 => 2..10 * PAGE],
        wrong in 1..=u8::MAX,
    ) {
        static KILLED: LazyLock<(tempfile::TempDir, Vec<u8>)> = LazyLock::new(|| {
            let folder = tempfile::tempdir().expect("a folder");
            let log = killed(folder.path(), 40);
            (folder, log)
        });
        let (killed, log) = &*KILLED;
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::copy(killed.path().join("spool.db"), folder.path().join("spool.db")).expect("room");
        let mut log = log.clone();
        let at = at.index(log.len());
        log.iter_mut().skip(at).take(length).for_each(|byte| *byte ^= wrong);
        std::fs::write(folder.path().join("spool.db-wal"), log).expect("room");

        let settings = Settings { sync: Sync::System, ..Settings::default() };
        let spool = Spool::open(folder.path(), settings).expect("it opens");
        let all = blocking(|reply| spool.list(RecordId::default(), 1000, u64::MAX, reply));
        let all = all.expect("the spool is well");
        for (stored, found) in &all {
            prop_assert!(*found == body(stored.id.get() as usize - 1), "{:?}", stored);
        }
        // Its header is 32 bytes, without which there is no log. Else it is damage, which costs each frame that it touches
        // and the one behind, with a record at most in each; or within the last two commits, which count as not there.
        let most = if length == 1 { 2 } else { length / PAGE + 3 };
        prop_assert!(at < 32 || all.len() >= 40 - most, "byte {}: {} are left", at, all.len());
        let target = spool.target("upstream").expect("a target");
        prop_assert!(append(&spool, record(target, "new")).get() > 0);
        prop_assert_eq!(bodies(&spool).len(), all.len() + 1);
        spool.close();
        let findings = View::open(folder.path()).expect("readable").verify(|_| {});
        prop_assert!(findings.expect("readable").is_sound());
    }
}

#[test]
fn no_byte_of_the_header_keeps_a_relay_from_starting() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 3);
    let file = std::fs::read(folder.path().join("spool.db")).expect("the file");
    for offset in 0..100 {
        for value in [0, 1, 0x7f, 0xff] {
            let folder = tempfile::tempdir().expect("a folder");
            let mut file = file.clone();
            file[offset] = value;
            std::fs::write(folder.path().join("spool.db"), &file).expect("room");
            match Spool::open(folder.path(), Settings::default()) {
                Ok(spool) => {
                    let target = spool.target("upstream").expect("a target");
                    append(&spool, record(target, "new"));
                    assert!(bodies(&spool).contains(&"new".to_owned()), "{offset}: {value}");
                }
                // The number of the format, which may well be true.
                Err(OpenError::Newer { .. }) => assert!((60..64).contains(&offset), "{offset}"),
                Err(error) => panic!("byte {offset} is {value}: {error:?}"),
            }
        }
    }
}

#[test]
fn a_rescue_that_a_crash_has_ended_is_gone_on_with_only_if_its_note_is_whole() {
    // What stands in the note, and whether the new file is complete then.
    let notes: [(&[u8], bool); 11] = [
        (b"spool.db.damaged-1764190000000\n", true),
        (b"", false),
        (b"\n", false),
        (b"spool.db.damaged-1764190000000", false),
        (b"spool.db.damaged-1764190000000\n\n", false),
        (b"spool.db.damaged-\n", false),
        (b"spool.db\n", false),
        // A power cut has left zeros, or what the disk held before.
        (b"\0\0\0\0\0\0\0\0\0damaged-1764190000000\n", false),
        (b"spool.db.damaged-17641\0\0\0\0\0\0\0\0\n", false),
        (b"spool.db.damaged-../../elsewhere\n", false),
        (b"\xff\xfe\n", false),
    ];
    for (note, is_whole) in notes {
        let folder = tempfile::tempdir().expect("a folder");
        filled(folder.path(), 3);
        let nursery = folder.path().join("rescue");
        filled(&nursery, 2);
        std::fs::write(nursery.join("aside"), note).expect("room for it");
        let note = note.escape_ascii();
        let spool = Spool::open(folder.path(), Settings::default());
        let spool = spool.unwrap_or_else(|error| panic!("{note}: {error}"));
        assert_eq!(bodies(&spool).len(), if is_whole { 2 } else { 3 }, "{note}");
        assert!(!nursery.exists(), "{note}");
        let aside = folder.path().join("spool.db.damaged-1764190000000");
        assert_eq!(aside.exists(), is_whole, "{note}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_was_removed_or_replaced_takes_nothing_more_until_it_is_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    append(&spool, record(target, "kept"));
    std::fs::rename(path("spool.db"), path("elsewhere")).expect("a place for it");
    for replace in [false, true] {
        if replace {
            std::fs::write(path("spool.db"), "").expect("room for it");
        }
        let refused = try_append(&spool, vec![record(target, "lost")]).expect_err("it is gone");
        assert!(matches!(refused, SpoolError::Fault(fault) if fault.kind() == FaultKind::Gone));
        assert!(spool.status().fault.is_some());
        // What was in it can still be delivered.
        assert_eq!(bodies(&spool), ["kept"]);
    }
    std::fs::rename(path("elsewhere"), path("spool.db")).expect("its old place");
    append(&spool, record(target, "and more"));
    assert_eq!(bodies(&spool), ["kept", "and more"]);
}
