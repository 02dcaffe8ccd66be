//! Files of earlier formats are brought up to date when a relay is started on them.

use std::path::Path;
use std::time::Duration;

use relay_spool::{OpenError, Settings, Spool, View, blocking};

use crate::support::{append, bodies, record};

/// A spool of format 1, as the relay left it that wrote that format, with three envelopes in it.
fn format_1(folder: &Path) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/spool/format-1.db");
    std::fs::copy(file, folder.join("spool.db")).expect("the fixture is there");
}

#[test]
fn what_waits_in_format_1_goes_on_in_the_present_one() {
    let folder = tempfile::tempdir().expect("a folder");
    format_1(folder.path());
    let error = View::open(folder.path()).expect_err("tools change nothing");
    assert!(matches!(error, OpenError::Older { found: 1, .. }), "{error}");

    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    assert_eq!(spool.status().set_aside.len(), 0);
    assert_eq!(bodies(&spool).len(), 3);
    let view = View::open(folder.path()).expect("readable by now");
    assert!(view.verify(|_| {}).expect("readable").is_sound());
    let oldest = view.oldest().expect("readable").expect("three records");

    // What comes behind and is older expires first, as in a file that was made today.
    let target = spool.target("upstream").expect("a target");
    let mut old = record(target, "old");
    old.meta.received = oldest - Duration::from_secs(60);
    let old = append(&spool, old);
    let expired = blocking(|reply| spool.expire(oldest, 10, reply)).expect("the spool is well");
    assert_eq!(expired.iter().map(|record| record.id).collect::<Vec<_>>(), [old]);
    spool.close();
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    assert_eq!(bodies(&spool).len(), 3);
}

#[test]
fn a_damaged_file_of_format_1_is_rescued() {
    let folder = tempfile::tempdir().expect("a folder");
    format_1(folder.path());
    // The second page on: nothing but the first is left whole.
    let path = folder.path().join("spool.db");
    let mut file = std::fs::read(&path).expect("it was copied");
    for page in file.chunks_mut(4096).skip(4) {
        page.fill(0xa5);
    }
    std::fs::write(&path, file).expect("it can be written");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    append(&spool, record(target, "new"));
    assert!(bodies(&spool).contains(&"new".to_owned()));
}
