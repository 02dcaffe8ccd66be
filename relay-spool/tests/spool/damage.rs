//! A file that is damaged is put aside; what can be read of it goes on.

use std::fs::OpenOptions;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use relay_spool::{RecordId, Settings, Spool, SpoolError, View, blocking};

use crate::support::{append, bodies, load, record};

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
