//! Age: what is too old is found, in whatever order it came.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use relay_spool::{RecordId, Settings, Spool, TargetId, View, blocking};

use crate::support::{append, noon, record};

fn at(seconds: u64) -> SystemTime {
    noon() + Duration::from_secs(seconds)
}

fn store(spool: &Spool, target: TargetId, seconds: u64) -> RecordId {
    let mut record = record(target, "x");
    record.meta.received = at(seconds);
    append(spool, record)
}

fn expire(spool: &Spool, before: u64, limit: usize) -> Vec<RecordId> {
    let dropped = blocking(|reply| spool.expire(at(before), limit, reply));
    dropped.expect("the spool is well").iter().map(|record| record.id).collect()
}

#[test]
fn old_records_that_were_stored_behind_younger_ones_expire_when_their_time_is_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let (a, b) = (spool.target("a").expect("a target"), spool.target("b").expect("a target"));
    let young = store(&spool, a, 1000);
    let (older, oldest) = (store(&spool, a, 20), store(&spool, b, 10));
    let youngest = store(&spool, b, 2000);
    let view = View::open(folder.path()).expect("readable");
    assert_eq!(view.oldest().expect("readable"), Some(at(10)));
    assert_eq!(view.oldest_of(a).expect("readable"), Some(at(20)));
    assert_eq!(view.oldest_of(b).expect("readable"), Some(at(10)));
    assert_eq!(expire(&spool, 30, 10), [oldest, older]);
    assert_eq!(expire(&spool, 30, 10), []);
    assert_eq!(expire(&spool, 5000, 10), [young, youngest]);
    assert_eq!(view.oldest_of(a).expect("readable"), None);
}

#[test]
fn what_is_early_is_known_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let target = spool.target("a").expect("a target");
    let young = store(&spool, target, 1000);
    spool.close();
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let old = store(&spool, target, 10);
    spool.close();
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    assert_eq!(expire(&spool, 500, 10), [old]);
    assert_eq!(expire(&spool, 1001, 10), [young]);
}

/// What may happen to a spool, times in seconds.
#[derive(Debug, Clone)]
enum Step {
    Store(u64),
    Remove(usize),
    Expire(u64),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..500_u64).prop_map(|tens| Step::Store(tens * 10)),
        2 => any::<prop::sample::Index>().prop_map(|which| Step::Remove(which.index(64))),
        2 => (0..500_u64).prop_map(|tens| Step::Expire(tens * 10 + 5)),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn everything_that_is_too_old_expires_and_nothing_else(steps in steps()) {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || Spool::open(folder.path(), Settings::default()).expect("it opens");
        let mut spool = open();
        let mut model: BTreeMap<RecordId, u64> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Store(seconds) => {
                    let target = spool.target("a").expect("a target");
                    model.insert(store(&spool, target, seconds), seconds);
                }
                Step::Remove(which) => {
                    let Some(id) = model.keys().nth(which).copied() else { continue };
                    let gone = vec![relay_spool::RecordRef::new(id, 1)];
                    let removal = relay_spool::Removal::Purged;
                    blocking(|reply| spool.discard(gone, removal, reply)).expect("the spool is well");
                    model.remove(&id);
                }
                Step::Expire(before) => {
                    let mut expired = expire(&spool, before, 100);
                    expired.sort_unstable();
                    let expected: Vec<_> =
                        model.iter().filter(|(_, at)| **at < before).map(|(id, _)| *id).collect();
                    prop_assert_eq!(&expired, &expected);
                    model.retain(|_, at| *at >= before);
                }
                Step::Restart => {
                    spool.close();
                    spool = open();
                }
            }
        }
        let view = View::open(folder.path());
        if let Ok(view) = view {
            let oldest = model.values().min().map(|seconds| at(*seconds));
            prop_assert_eq!(view.oldest().expect("readable"), oldest);
        }
    }
}
