//! What was stored is there again.

use relay_spool::{OpenError, RecordId, Schedule, Settings, Spool, View, Wanted, blocking};

use crate::support::{append, bodies, load, noon, record};

#[test]
fn a_stored_record_is_there_after_a_restart_with_all_that_is_known_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    let mut stored = record(target, "a body");
    stored.meta.project = u64::MAX;
    stored.meta.event_id = Some("00112233445566778899aabbccddeeff".to_owned());
    let id = append(&spool, stored.clone());
    spool.reschedule(id, Schedule { attempts: 3, due: None, refused_since: Some(noon()) });
    spool.close();

    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    assert_eq!(spool.target("upstream").expect("a target"), target);
    let again = load(&spool, target, RecordId::default(), 10);
    assert!(again.complete);
    assert_eq!(again.ready.len(), 1);
    assert_eq!(again.ready[0].meta, stored.meta);
    assert_eq!(again.ready[0].schedule.attempts, 3);
    assert_eq!(again.ready[0].schedule.refused_since, Some(noon()));
    let body = blocking(|reply| spool.body(id, reply)).expect("the spool is well");
    assert_eq!(body, Some(stored.body));
    let found = Wanted::Event("00112233445566778899aabbccddeeff".to_owned());
    let found = blocking(|reply| spool.find(found, reply)).expect("the spool is well");
    assert_eq!(found.expect("it waits").id, id);
}

#[test]
fn a_removed_record_is_not_there_after_a_clean_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    append(&spool, record(target, "one"));
    append(&spool, record(target, "two"));
    let first = load(&spool, target, RecordId::default(), 1).ready[0].reference();
    spool.remove(first);
    spool.close();

    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    assert_eq!(bodies(&spool), ["two"]);
    assert_eq!(spool.status().total().records, 1);
}

#[test]
fn numbers_are_not_given_twice_even_when_the_last_record_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    let first = append(&spool, record(target, "one"));
    spool.remove(load(&spool, target, RecordId::default(), 1).ready[0].reference());
    spool.close();

    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    assert!(append(&spool, record(target, "two")) > first);
}

#[test]
fn a_second_spool_on_the_folder_is_told_who_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let second = Spool::open(folder.path(), Settings::default()).expect_err("it is taken");
    assert!(
        matches!(&second, OpenError::Locked { holder, .. }
        if *holder == format!("process {}", std::process::id())),
        "{second:?}"
    );
    spool.close();
    Spool::open(folder.path(), Settings::default()).expect("it is free again");
}

#[test]
fn a_view_sees_what_a_running_spool_has_stored() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(matches!(View::open(folder.path()), Err(OpenError::Missing { .. })));
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    let id = append(&spool, record(target, "one"));
    let view = View::open(folder.path()).expect("it can be read");
    assert_eq!(view.holder(), Some(format!("process {}", std::process::id())));
    assert_eq!(view.list(RecordId::default(), 10).expect("readable")[0].id, id);
    assert_eq!(view.body(id).expect("readable").as_deref(), Some(&b"one"[..]));
    let findings = view.verify(|_| {}).expect("readable");
    assert!(findings.is_sound(), "{findings:?}");
    assert_eq!(findings.records, 1);
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_what_waits() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("spool");
    let spool = Spool::open(&folder, Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    append(&spool, record(target, "one"));
    let mode = |path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(folder.clone()), 0o700);
    for file in ["spool.db", "spool.db-wal"] {
        assert_eq!(mode(folder.join(file)), 0o600, "{file}");
    }
}
