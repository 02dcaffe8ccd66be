//! A spool holds so many bytes, and nothing beyond its age.

use std::time::Duration;

use relay_spool::{RecordId, Settings, Spool, WhenFull, blocking};

use crate::support::{append, bodies, load, noon, record, try_append};

fn spool(max_bytes: u64, when_full: WhenFull) -> Spool {
    Spool::in_memory(Settings { max_bytes, when_full, ..Settings::default() }).expect("it opens")
}

#[test]
fn a_full_spool_refuses_and_takes_again_when_something_went() {
    let spool = spool(3000, WhenFull::Reject);
    let target = spool.target("upstream").expect("a target");
    let body = "x".repeat(1000);
    append(&spool, record(target, &body));
    append(&spool, record(target, &body));
    let full = try_append(&spool, vec![record(target, &body)]).expect("the spool is well");
    assert_eq!(full.stored, [None]);
    spool.remove(load(&spool, target, RecordId::default(), 1).ready[0].reference());
    append(&spool, record(target, &body));
    assert!(spool.status().total().bytes <= 3000);
}

#[test]
fn a_full_spool_that_drops_the_oldest_says_which() {
    let spool = spool(3000, WhenFull::DropOldest);
    let target = spool.target("upstream").expect("a target");
    let first = append(&spool, record(target, &"1".repeat(1000)));
    append(&spool, record(target, &"2".repeat(1000)));
    let new = vec![record(target, &"3".repeat(1000))];
    let appended = try_append(&spool, new).expect("the spool is well");
    assert_eq!(appended.dropped.iter().map(|d| d.id).collect::<Vec<_>>(), [first]);
    assert!(appended.stored[0].is_some());
    assert_eq!(spool.status().total().records, 2);
}

#[test]
fn what_can_never_fit_drops_nothing() {
    let spool = spool(3000, WhenFull::DropOldest);
    let target = spool.target("upstream").expect("a target");
    append(&spool, record(target, "kept"));
    let huge = vec![record(target, &"x".repeat(3000))];
    let appended = try_append(&spool, huge).expect("the spool is well");
    assert_eq!(appended.stored, [None]);
    assert_eq!(bodies(&spool), ["kept"]);
}

#[test]
fn a_target_that_takes_nothing_leaves_room_for_another() {
    let spool = spool(6000, WhenFull::Reject);
    let (dead, live) = (spool.target("dead").expect("one"), spool.target("live").expect("two"));
    let body = "x".repeat(1000);
    append(&spool, record(dead, &body));
    append(&spool, record(dead, &body));
    let both = vec![record(dead, &body), record(live, &body)];
    let appended = try_append(&spool, both).expect("the spool is well");
    assert_eq!(appended.stored.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn what_is_too_old_is_given_up_from_the_oldest_on() {
    let spool = spool(1 << 20, WhenFull::Reject);
    let target = spool.target("upstream").expect("a target");
    for hour in 0..4 {
        let mut record = record(target, &hour.to_string());
        record.meta.received = noon() + Duration::from_secs(3600 * hour);
        append(&spool, record);
    }
    let before = noon() + Duration::from_secs(2 * 3600);
    let expired = blocking(|reply| spool.expire(before, 1, reply)).expect("the spool is well");
    assert_eq!(expired.len(), 1);
    let expired = blocking(|reply| spool.expire(before, 100, reply)).expect("the spool is well");
    assert_eq!(expired.len(), 1);
    assert_eq!(bodies(&spool), ["2", "3"]);
    assert_eq!(spool.status().total().records, 2);
}

#[test]
fn clearing_a_target_leaves_the_others() {
    let spool = spool(1 << 20, WhenFull::Reject);
    let (one, two) = (spool.target("one").expect("one"), spool.target("two").expect("two"));
    append(&spool, record(one, "1"));
    append(&spool, record(two, "2"));
    let cleared = blocking(|reply| spool.clear(one, 100, reply)).expect("the spool is well");
    assert_eq!(cleared.len(), 1);
    assert_eq!(bodies(&spool), ["2"]);
}

#[test]
fn space_is_given_back_to_the_file_system() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    let body = "x".repeat(1 << 20);
    for _ in 0..32 {
        append(&spool, record(target, &body));
    }
    // Enough turns for all of it, a few pages at a time; each append is one.
    blocking(|reply| spool.clear(target, 100, reply)).expect("the spool is well");
    let size = || std::fs::metadata(folder.path().join("spool.db")).expect("it is there").len();
    let begun = std::time::Instant::now();
    while size() > 16 << 20 {
        append(&spool, record(target, "x"));
        assert!(begun.elapsed() < Duration::from_secs(60), "{} bytes are kept", size());
    }
}

#[test]
fn the_age_of_the_oldest_is_known_though_nothing_more_comes() {
    let spool = spool(1 << 20, WhenFull::Reject);
    let target = spool.target("upstream").expect("a target");
    append(&spool, record(target, "one"));
    spool.remove(load(&spool, target, RecordId::default(), 1).ready[0].reference());
    let begun = std::time::Instant::now();
    while spool.status().total().records > 0 || spool.status().oldest.is_some() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", spool.status());
        std::thread::yield_now();
    }
}

#[test]
fn what_records_count_is_what_they_take_in_the_file() {
    for body in [10, 300, 1000, 1900, 2100, 3000, 4000, 4100, 5000, 8000, 9000, 100_000] {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
        let target = spool.target("upstream").expect("a target");
        let count = 4_000_000 / (body + 1000);
        let records = (0..count).map(|_| record(target, &"x".repeat(body))).collect();
        try_append(&spool, records).expect("the spool is well");
        let counted = spool.status().total().bytes as f64;
        spool.close();
        let file = std::fs::metadata(folder.path().join("spool.db")).expect("it is there").len();
        let ratio = file as f64 / counted;
        assert!((0.8..1.05).contains(&ratio), "bodies of {body}: {ratio:.3} times what is counted");
    }
}
