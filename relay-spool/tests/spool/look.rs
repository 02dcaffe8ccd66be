//! What tools look at, and throw away.

use std::time::Duration;

use relay_spool::{
    Filter, NewRecord, OpenError, RecordId, Removal, Settings, Spool, View, blocking,
};

use crate::support::{append, bodies, noon, record};

const EVENT: &str = "00112233445566778899aabbccddeeff";

#[test]
fn where_nobody_may_look_it_is_not_said_that_there_is_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = View::open(&folder.path().join("nothing")).expect_err("there is none");
    assert!(matches!(missing, OpenError::Missing { .. }), "{missing}");
    // No folder at all stands for one of somebody else: who runs the tests may be allowed to look everywhere.
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("room for it");
    let hidden = View::open(&file).expect_err("there is none");
    assert!(matches!(hidden, OpenError::Folder { .. }), "{hidden}");
}

#[test]
fn a_filter_lets_through_what_fits_all_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let (a, b) = (spool.target("a").expect("a target"), spool.target("b").expect("a target"));
    let store = |target, project, seconds, change: fn(&mut NewRecord)| {
        let mut record = record(target, "x");
        record.meta.project = project;
        record.meta.received += Duration::from_secs(seconds);
        change(&mut record);
        append(&spool, record)
    };
    let first = store(a, 1, 10, |_| {});
    let second = store(b, u64::MAX, 0, |record| record.meta.event_id = Some(EVENT.to_owned()));
    let third = store(a, 1, 20, |record| {
        record.meta.key = "other".to_owned();
        record.meta.item_count = 3;
    });

    let view = View::open(folder.path()).expect("readable");
    let ids = |filter: &Filter, after| -> Vec<RecordId> {
        let selected = view.select(filter, after, 10).expect("readable");
        let matching = view.matching(filter).expect("readable");
        if after == RecordId::default() {
            assert_eq!(matching.records, selected.len() as u64, "{filter:?}");
            assert_eq!(matching.bytes, selected.iter().map(|record| record.size).sum::<u64>());
        }
        selected.iter().map(|record| record.id).collect()
    };
    let start = RecordId::default();
    let all = Filter::default();
    assert_eq!(ids(&all, start), [first, second, third]);
    assert_eq!(ids(&all, first), [second, third]);
    assert_eq!(ids(&Filter { target: Some(a), ..all.clone() }, start), [first, third]);
    assert_eq!(ids(&Filter { project: Some(u64::MAX), ..all.clone() }, start), [second]);
    assert_eq!(ids(&Filter { key: Some("other".to_owned()), ..all.clone() }, start), [third]);
    assert_eq!(ids(&Filter { event_id: Some(EVENT.to_owned()), ..all.clone() }, start), [second]);
    let before = Some(noon() + Duration::from_secs(20));
    assert_eq!(ids(&Filter { received_before: before, ..all.clone() }, start), [first, second]);
    let both = Filter { target: Some(a), received_before: before, ..all };
    assert_eq!(ids(&both, start), [first]);
    assert_eq!(ids(&both, first), []);
    let oldest = view.oldest_of(a).expect("readable");
    assert_eq!(oldest, Some(noon() + Duration::from_secs(10)));
}

#[test]
fn what_is_discarded_is_gone_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    let mut two_items = record(target, "one");
    two_items.meta.item_count = 2;
    append(&spool, two_items);
    append(&spool, record(target, "two"));
    let view = View::open(folder.path()).expect("readable");
    let all = view.list(RecordId::default(), 10).expect("readable");
    let first = vec![all[0].reference(), all[0].reference()];
    let discarded =
        blocking(|reply| spool.discard(first, Removal::Purged, reply)).expect("the spool is well");
    assert_eq!((discarded.records, discarded.items, discarded.bytes), (1, 2, all[0].size));
    assert_eq!(bodies(&spool), ["two"]);
    assert_eq!(spool.status().total().records, 1);
    assert!(view.verify(|_| {}).expect("readable").is_sound());
}

#[test]
fn the_space_of_what_was_discarded_can_be_given_back_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    append(&spool, record(target, &"x".repeat(4 << 20)));
    let all = blocking(|reply| spool.load(target, RecordId::default(), 1, noon(), reply));
    let record = all.expect("the spool is well").ready[0].reference();
    blocking(|reply| spool.discard(vec![record], Removal::Purged, reply))
        .expect("the spool is well");
    blocking(|reply| spool.give_back(reply)).expect("the spool is well");
    spool.close();
    let files = View::open(folder.path()).expect("readable").files().expect("readable");
    assert!(files.database < 64 << 10, "{files:?}");
}

#[test]
fn asking_who_holds_a_folder_leaves_no_trace_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    Spool::open(folder.path(), Settings::default()).expect("it opens").close();
    std::fs::remove_file(folder.path().join("spool.lock")).expect("it is there");
    let view = View::open(folder.path()).expect("readable");
    assert_eq!(view.holder(), None);
    assert!(!folder.path().join("spool.lock").exists());
}

#[test]
fn files_that_were_put_aside_are_listed_with_their_size() {
    let folder = tempfile::tempdir().expect("a folder");
    Spool::open(folder.path(), Settings::default()).expect("it opens").close();
    std::fs::write(folder.path().join("spool.db"), [0xa5; 5000]).expect("a file");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens all the same");
    let files = View::open(folder.path()).expect("readable").files().expect("readable");
    assert!(files.database > 0);
    assert_eq!(files.set_aside, [(spool.status().set_aside[0].clone(), 5000)]);
}
