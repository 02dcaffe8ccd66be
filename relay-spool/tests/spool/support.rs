//! Records as the tests write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use relay_spool::{
    Appended, Loaded, Meta, NewRecord, RecordId, Spool, SpoolError, TargetId, blocking,
};

/// A time that does not depend on when the test runs.
pub(crate) fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

pub(crate) fn record(target: TargetId, body: &str) -> NewRecord {
    let meta = Meta {
        target,
        project: 42,
        key: "a94ae32be2582e0bcb7b0ba0d8ba36f3".to_owned(),
        received: noon(),
        event_id: None,
        item_count: 1,
        items: "error".to_owned(),
        encoding: "identity".to_owned(),
        headers: "x-test: 1".to_owned(),
    };
    NewRecord { meta, body: body.to_owned().into() }
}

pub(crate) fn try_append(spool: &Spool, records: Vec<NewRecord>) -> Result<Appended, SpoolError> {
    blocking(|reply| spool.append(records, reply))
}

/// Stores one record for which there is room.
pub(crate) fn append(spool: &Spool, record: NewRecord) -> RecordId {
    let appended = try_append(spool, vec![record]).expect("the spool is well");
    appended.stored[0].expect("there is room")
}

pub(crate) fn load(spool: &Spool, target: TargetId, after: RecordId, limit: usize) -> Loaded {
    load_at(spool, target, after, limit, noon())
}

pub(crate) fn load_at(
    spool: &Spool,
    target: TargetId,
    after: RecordId,
    limit: usize,
    now: SystemTime,
) -> Loaded {
    blocking(|reply| spool.load(target, after, limit, now, reply)).expect("the spool is well")
}

/// The bodies of everything that waits, oldest first.
pub(crate) fn bodies(spool: &Spool) -> Vec<String> {
    let all = blocking(|reply| spool.list(RecordId::default(), 10_000, u64::MAX, reply));
    let all = all.expect("the spool is well");
    all.into_iter().map(|(_, body)| String::from_utf8_lossy(&body).into_owned()).collect()
}
