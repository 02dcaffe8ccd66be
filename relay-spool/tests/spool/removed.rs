//! What was removed by hand is accounted for, once.

use relay_spool::{RecordId, RecordRef, Removal, Removed, Settings, Spool, View, blocking};

use crate::support::{append, record};

fn take(spool: &Spool) -> Vec<Removed> {
    blocking(|reply| spool.take_removed(reply)).expect("the spool is well")
}

#[test]
fn the_account_survives_a_restart_and_is_given_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    let store = |items: &str, count| {
        let mut record = record(target, "x");
        record.meta.items = items.to_owned();
        record.meta.item_count = count;
        RecordRef::new(append(&spool, record), count)
    };
    let (one, two, three, four) = (
        store(r#"{"error":1}"#, 1),
        store(r#"{"error":1}"#, 1),
        store(r#"{"session":2}"#, 2),
        store(r#"{"error":1}"#, 1),
    );
    let unknown = RecordRef::new(RecordId::new(99), 1);
    let discard = |records, removal| {
        blocking(|reply| spool.discard(records, removal, reply)).expect("the spool is well")
    };
    assert_eq!(discard(vec![one, two, three, unknown], Removal::Purged).records, 3);
    assert_eq!(discard(vec![four, one], Removal::Exported).records, 1);
    spool.close();

    let view = View::open(folder.path()).expect("readable");
    let entry = |items: &str, removal, records, item_count| {
        let record = record(target, "x");
        let (project, key) = (record.meta.project, record.meta.key);
        Removed { target, project, key, items: items.to_owned(), removal, records, item_count }
    };
    let expected = [
        entry(r#"{"error":1}"#, Removal::Exported, 1, 1),
        entry(r#"{"error":1}"#, Removal::Purged, 2, 2),
        entry(r#"{"session":2}"#, Removal::Purged, 1, 2),
    ];
    assert_eq!(view.removed().expect("readable"), expected);
    drop(view);

    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    assert_eq!(take(&spool), expected);
    assert_eq!(take(&spool), []);
    spool.close();
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    assert_eq!(take(&spool), []);
}
