//! What waits comes in the order of arrival, and what was put off when it is due.

use std::time::Duration;

use relay_spool::{RecordId, Schedule, Settings, Spool, blocking};

use crate::support::{append, load, load_at, noon, record};

#[test]
fn what_waits_is_read_in_pieces_oldest_first_and_for_one_target() {
    let spool = Spool::in_memory(Settings::default()).expect("it opens");
    let (ours, other) = (spool.target("ours").expect("one"), spool.target("other").expect("two"));
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(append(&spool, record(ours, &n.to_string())));
        append(&spool, record(other, "x"));
    }
    let first = load(&spool, ours, RecordId::default(), 3);
    assert!(!first.complete);
    let second = load(&spool, ours, first.ready[2].id, 3);
    assert!(second.complete);
    let all: Vec<RecordId> = [first.ready, second.ready].concat().iter().map(|r| r.id).collect();
    assert_eq!(all, ids);
}

#[test]
fn a_record_that_was_put_off_stands_in_nobodys_way_and_comes_when_it_is_due() {
    let spool = Spool::in_memory(Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    let (first, second) =
        (append(&spool, record(target, "1")), append(&spool, record(target, "2")));
    let due = noon() + Duration::from_secs(60);
    spool.reschedule(first, Schedule { attempts: 1, due: Some(due), refused_since: None });

    let before = load(&spool, target, RecordId::default(), 10);
    assert_eq!(before.ready.iter().map(|r| r.id).collect::<Vec<_>>(), [second]);
    assert!(before.ripe.is_empty());
    assert_eq!(before.next_due, Some(due));

    let after = load_at(&spool, target, second, 10, due);
    assert_eq!(after.ripe.iter().map(|r| r.id).collect::<Vec<_>>(), [first]);
    assert_eq!(after.ripe[0].schedule.attempts, 1);
    assert!(after.ready.is_empty());
    assert_eq!(after.next_due, None);
    // Whoever forgets about it, by restarting for example, finds it among the others.
    let again = load_at(&spool, target, RecordId::default(), 10, due);
    assert_eq!(again.ready.iter().map(|r| r.id).collect::<Vec<_>>(), [first, second]);
}

#[test]
fn appends_that_come_together_share_a_commit() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    let before = spool.status().commits.count;
    let (done, replies) = std::sync::mpsc::channel();
    for n in 0..500 {
        let done = done.clone();
        let records = vec![record(target, &n.to_string())];
        spool.append(records, move |reply| done.send(reply).expect("somebody waits"));
    }
    for n in 1..=500 {
        let reply = replies.recv().expect("a reply").expect("the spool is well");
        assert_eq!(reply.stored, [Some(RecordId::new(n))], "replies come in the order of commits");
    }
    let commits = spool.status().commits.count - before;
    assert!(commits < 250, "{commits} commits for 500 records");
}

#[test]
fn after_close_nothing_is_taken_and_everybody_is_told() {
    let spool = Spool::in_memory(Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    spool.close();
    let refused = blocking(|reply| spool.append(vec![record(target, "late")], reply));
    assert_eq!(refused, Err(relay_spool::SpoolError::Closed));
    assert!(blocking(|reply| spool.body(RecordId::new(1), reply)).is_err());
}

/// Holds the thread, so that others wait behind it, until what this gives back is dropped; then it does this first.
fn hold(spool: &Spool, then: impl FnOnce() + Send + 'static) -> std::sync::mpsc::Sender<()> {
    let (release, held) = std::sync::mpsc::channel();
    let (begin, begun) = std::sync::mpsc::channel();
    spool.body(RecordId::new(1), move |_| {
        begin.send(()).expect("the test waits");
        let _ = held.recv();
        then();
    });
    begun.recv().expect("the thread is there");
    release
}

#[test]
fn a_reply_that_panics_leaves_nobody_waiting() {
    let spool = Spool::in_memory(Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    let release = hold(&spool, || panic!("as a test asked for"));
    let (told, replies) = std::sync::mpsc::channel();
    for _ in 0..3 {
        let told = told.clone();
        let records = vec![record(target, "late")];
        spool.append(records, move |reply| told.send(reply.err()).expect("somebody waits"));
    }
    spool.body(RecordId::new(1), move |reply| told.send(reply.err()).expect("somebody waits"));
    drop(release);
    let replies: Vec<_> = replies.into_iter().collect();
    assert_eq!(replies, vec![Some(relay_spool::SpoolError::Closed); 4]);
}

#[test]
fn the_last_handle_may_go_within_a_reply() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let (told, end) = std::sync::mpsc::channel::<()>();
    let handle = spool.clone();
    let (gone, go) = std::sync::mpsc::channel::<()>();
    spool.body(RecordId::new(1), move |_| {
        let _ = go.recv();
        drop(handle);
        drop(told);
    });
    drop(spool);
    drop(gone);
    end.recv().expect_err("nothing is sent");
    // The thread ends by itself, and gives the folder free.
    while Spool::open(folder.path(), Settings::default()).is_err() {
        std::thread::yield_now();
    }
}

#[test]
fn who_appends_is_told_when_the_thread_ends_in_the_middle_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    let release = hold(&spool, || {});
    // All in one turn.
    let (told, replies) = std::sync::mpsc::channel();
    spool.append(vec![record(target, "stored")], |_| panic!("as a test asked for"));
    for _ in 0..3 {
        let told = told.clone();
        let records = vec![record(target, "stored")];
        spool.append(records, move |reply| told.send(reply.err()).expect("somebody waits"));
    }
    drop((release, told));
    let replies: Vec<_> = replies.into_iter().collect();
    assert_eq!(replies, vec![Some(relay_spool::SpoolError::Closed); 3]);
    // The thread says so when it is through with its end.
    spool.close();
    assert!(spool.status().fault.is_some());
    // They were on the disk already: nobody was promised that, and it does no harm.
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    assert_eq!(crate::support::bodies(&spool), ["stored"; 4]);
}
