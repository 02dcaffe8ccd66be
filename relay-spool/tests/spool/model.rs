//! The spool against a model of it in memory, for arbitrary sequences of requests.

use std::time::{Duration, SystemTime};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use relay_spool::{
    NewRecord, RecordId, RecordRef, Schedule, Settings, Spool, Sync, TargetId, Totals, View,
    WhenFull, blocking,
};

use crate::support::{noon, record, try_append};

const TARGETS: [&str; 3] = ["one", "two", "three"];

/// Enough for a handful of records, so that it matters.
const MAX_BYTES: u64 = 9_000;

#[derive(Debug, Clone)]
enum Request {
    /// Each record: the target, the length of its body, when it was received.
    Append(Vec<(usize, usize, u64)>),
    Remove(Index),
    Reschedule(Index, u32, Option<u64>),
    Load {
        target: usize,
        after: Index,
        limit: usize,
        now: u64,
    },
    Expire {
        before: u64,
        limit: usize,
    },
    Clear {
        target: usize,
        limit: usize,
    },
    Name(usize),
    Reopen,
}

fn requests() -> impl Strategy<Value = Request> {
    let target = 0..TARGETS.len();
    prop_oneof![
        6 => vec((target.clone(), 0..1_500_usize, 0..100_u64), 1..4).prop_map(Request::Append),
        3 => any::<Index>().prop_map(Request::Remove),
        3 => (any::<Index>(), 0..9_u32, proptest::option::of(1..100_u64))
            .prop_map(|(index, attempts, due)| Request::Reschedule(index, attempts, due)),
        3 => (target.clone(), any::<Index>(), 1..6_usize, 0..100_u64).prop_map(
            |(target, after, limit, now)| Request::Load { target, after, limit, now }
        ),
        1 => (0..100_u64, 1..4_usize).prop_map(|(before, limit)| Request::Expire { before, limit }),
        1 => (target.clone(), 1..4_usize).prop_map(|(target, limit)| Request::Clear { target, limit }),
        1 => target.prop_map(Request::Name),
        1 => Just(Request::Reopen),
    ]
}

/// What the model knows of a record.
#[derive(Debug, Clone)]
struct Entry {
    id: u64,
    record: NewRecord,
    schedule: Schedule,
    reference: Option<RecordRef>,
}

impl Entry {
    fn size(&self) -> u64 {
        self.record.size()
    }

    fn due(&self) -> u64 {
        self.schedule.due.map_or(0, ticks)
    }
}

#[derive(Debug)]
struct Model {
    ids: Vec<TargetId>,
    named: [bool; TARGETS.len()],
    when_full: WhenFull,
    /// In the order of arrival.
    entries: Vec<Entry>,
    last_id: u64,
}

impl Model {
    fn totals(&self, target: TargetId) -> Totals {
        let mut totals = Totals::default();
        for entry in self.entries.iter().filter(|entry| entry.record.meta.target == target) {
            totals += Totals {
                records: 1,
                items: entry.record.meta.item_count.into(),
                bytes: entry.size(),
            };
        }
        totals
    }

    fn share(&self) -> u64 {
        let holds = |id: &TargetId| self.totals(*id).records > 0;
        let sharing = self.ids.iter().zip(self.named).filter(|(id, named)| *named || holds(id));
        MAX_BYTES / sharing.count().max(1) as u64
    }

    /// Which one of `target` goes first, to make room.
    fn first_of(&self, target: TargetId) -> Option<usize> {
        let of_target = self.entries.iter().enumerate();
        let of_target = of_target.filter(|(_, entry)| entry.record.meta.target == target);
        of_target.min_by_key(|(_, entry)| (entry.due(), entry.id)).map(|(index, _)| index)
    }

    /// The numbers that were given, and those that were given up for them.
    fn append(&mut self, records: Vec<NewRecord>) -> (Vec<Option<u64>>, Vec<u64>) {
        let share = self.share();
        let (mut stored, mut dropped) = (Vec::new(), Vec::new());
        for record in records {
            let target = record.meta.target;
            let schedule = Schedule::default();
            let entry = Entry { id: self.last_id + 1, record, schedule, reference: None };
            let fits = |model: &Self| model.totals(target).bytes + entry.size() <= share;
            while self.when_full == WhenFull::DropOldest && entry.size() <= share && !fits(self) {
                let oldest = self.first_of(target).expect("an empty target has room");
                dropped.push(self.entries.remove(oldest).id);
            }
            if fits(self) {
                self.last_id += 1;
                stored.push(Some(entry.id));
                self.entries.push(entry);
            } else {
                stored.push(None);
            }
        }
        (stored, dropped)
    }

    /// Those that were ripe, those that were ready, whether that is all, and when the next one is due.
    fn load(
        &mut self,
        target: TargetId,
        after: u64,
        limit: usize,
        now: u64,
    ) -> (Vec<u64>, Vec<u64>, bool, Option<u64>) {
        let of_target = |entry: &&mut Entry| entry.record.meta.target == target;
        let mut waiting: Vec<&mut Entry> = self.entries.iter_mut().filter(of_target).collect();
        waiting.sort_by_key(|entry| (entry.due(), entry.id));
        let mut ripe = Vec::new();
        for entry in waiting.iter_mut().filter(|e| (1..=now).contains(&e.due())).take(limit) {
            entry.schedule.due = None;
            ripe.push(entry.id);
        }
        waiting.sort_by_key(|entry| entry.id);
        let ready = waiting.iter().filter(|entry| entry.due() == 0 && entry.id > after);
        let mut ready: Vec<u64> = ready.map(|entry| entry.id).take(limit).collect();
        let complete = ready.len() < limit;
        ready.retain(|id| !ripe.contains(id));
        let next_due = waiting.iter().map(|entry| entry.due()).filter(|due| *due > 0).min();
        (ripe, ready, complete, next_due)
    }
}

/// Times of the test are seconds, behind noon.
/// A tick is longer than what ages are exact to.
const TICK: u64 = 2;

fn time(ticks: u64) -> SystemTime {
    noon() + Duration::from_secs(ticks * TICK)
}

fn ticks(time: SystemTime) -> u64 {
    time.duration_since(noon()).expect("all times are behind it").as_secs() / TICK
}

fn ids(records: &[relay_spool::Stored]) -> Vec<u64> {
    records.iter().map(|record| record.id.get()).collect()
}

fn dropped_ids(dropped: &[relay_spool::Dropped]) -> Vec<u64> {
    dropped.iter().map(|dropped| dropped.id.get()).collect()
}

/// Everything that can be seen is as in the model.
fn compare(spool: &Spool, model: &mut Model) -> Result<(), TestCaseError> {
    let all = blocking(|reply| spool.list(RecordId::default(), 1_000, u64::MAX, reply));
    let all = all.expect("the spool is well");
    prop_assert_eq!(all.len(), model.entries.len());
    for ((stored, body), entry) in all.iter().zip(&mut model.entries) {
        prop_assert_eq!(stored.id.get(), entry.id);
        prop_assert_eq!(&stored.meta, &entry.record.meta);
        prop_assert_eq!(stored.schedule, entry.schedule);
        prop_assert_eq!(stored.size, entry.size());
        prop_assert_eq!(stored.body_size, entry.record.body.len() as u64);
        prop_assert_eq!(body, &entry.record.body);
        entry.reference = Some(stored.reference());
    }
    for (id, totals) in spool.status().targets {
        prop_assert_eq!(totals, model.totals(id));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_is_asked_the_spool_does_as_its_model(
        requests in vec(requests(), 1..40),
        drops_oldest in any::<bool>(),
    ) {
        let when_full = if drops_oldest { WhenFull::DropOldest } else { WhenFull::Reject };
        let settings =
            Settings { max_bytes: MAX_BYTES, when_full, sync: Sync::System, ..Settings::default() };
        let folder = tempfile::tempdir().expect("a folder");
        let open = || Spool::open(folder.path(), settings.clone()).expect("it opens");
        let mut spool = open();
        let named = TARGETS.map(|name| spool.target(name).expect("a target"));
        let mut model = Model {
            ids: named.to_vec(),
            named: [true; TARGETS.len()],
            when_full,
            entries: Vec::new(),
            last_id: 0,
        };
        for request in requests {
            match request {
                Request::Append(records) => {
                    let records = records.into_iter().map(|(target, length, received)| {
                        let mut record = record(model.ids[target], &"x".repeat(length));
                        record.meta.received = time(received);
                        record.meta.item_count = length as u32 % 5;
                        record
                    });
                    let records: Vec<NewRecord> = records.collect();
                    let appended = try_append(&spool, records.clone()).expect("the spool is well");
                    let stored: Vec<_> =
                        appended.stored.iter().map(|id| id.map(RecordId::get)).collect();
                    prop_assert_eq!((stored, dropped_ids(&appended.dropped)), model.append(records));
                }
                Request::Remove(index) if !model.entries.is_empty() => {
                    let entry = model.entries.remove(index.index(model.entries.len()));
                    spool.remove(entry.reference.expect("it was listed"));
                }
                Request::Reschedule(index, attempts, due) if !model.entries.is_empty() => {
                    let index = index.index(model.entries.len());
                    let entry = &mut model.entries[index];
                    let due = due.map(time);
                    entry.schedule = Schedule { attempts, due, refused_since: due };
                    spool.reschedule(RecordId::new(entry.id), entry.schedule);
                }
                Request::Remove(_) | Request::Reschedule(..) => {}
                Request::Load { target, after, limit, now } => {
                    let target = model.ids[target];
                    let after = after.index(model.last_id as usize + 1) as u64;
                    let place = RecordId::new(after);
                    let loaded =
                        blocking(|reply| spool.load(target, place, limit, time(now), reply));
                    let loaded = loaded.expect("the spool is well");
                    let found = (
                        ids(&loaded.ripe),
                        ids(&loaded.ready),
                        loaded.complete,
                        loaded.next_due.map(ticks),
                    );
                    prop_assert_eq!(found, model.load(target, after, limit, now));
                }
                Request::Expire { before, limit } => {
                    let expired = blocking(|reply| spool.expire(time(before), limit, reply));
                    let received = |entry: &Entry| ticks(entry.record.meta.received);
                    let mut old: Vec<(u64, u64)> =
                        model.entries.iter().map(|entry| (received(entry), entry.id)).collect();
                    old.retain(|(received, _)| *received < before);
                    old.sort_unstable();
                    old.truncate(limit);
                    let old: Vec<u64> = old.into_iter().map(|(_, id)| id).collect();
                    model.entries.retain(|entry| !old.contains(&entry.id));
                    prop_assert_eq!(dropped_ids(&expired.expect("the spool is well")), old);
                }
                Request::Clear { target, limit } => {
                    let target = model.ids[target];
                    let cleared = blocking(|reply| spool.clear(target, limit, reply));
                    let mut gone = Vec::new();
                    while gone.len() < limit && let Some(index) = model.first_of(target) {
                        gone.push(model.entries.remove(index).id);
                    }
                    prop_assert_eq!(dropped_ids(&cleared.expect("the spool is well")), gone);
                }
                Request::Name(target) => {
                    let id = spool.target(TARGETS[target]).expect("a target");
                    prop_assert_eq!(id, model.ids[target]);
                    model.named[target] = true;
                }
                Request::Reopen => {
                    spool.close();
                    spool = open();
                    // Nobody has asked for a target yet.
                    model.named = [false; TARGETS.len()];
                }
            }
            compare(&spool, &mut model)?;
        }
        let view = View::open(folder.path()).expect("it can be read");
        let listed = view.list(RecordId::default(), 1_000).expect("readable");
        let expected: Vec<u64> = model.entries.iter().map(|entry| entry.id).collect();
        prop_assert_eq!(ids(&listed), expected);
        for (id, name, totals) in view.targets().expect("readable") {
            prop_assert!(TARGETS.contains(&name.as_str()));
            prop_assert_eq!(totals, model.totals(id));
        }
        let findings = view.verify(|_| {}).expect("readable");
        prop_assert!(findings.is_sound(), "{:?}", findings);
    }
}
