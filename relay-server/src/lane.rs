//! Lanes: what waits for one target. The oldest of it stands in memory, ready to go; the rest is on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Instant, SystemTime};

use relay_spool::{Loaded, RecordId, TargetId};

use crate::record::Record;

/// Records of one lane that stand in memory at most; their bodies are another matter.
pub(crate) const MAX_STANDING: usize = 1024;

/// No record is overtaken by one with a number higher by more than this.
const NEAR: u64 = 32;

/// With fewer than this the lane is filled up again.
const FEW: usize = MAX_STANDING / 4;

/// So many records are fetched at once.
pub(crate) const FETCHED: usize = MAX_STANDING / 2;

/// What a record waits for that may not go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A pause after an attempt.
    Backoff,
    /// The end of a rate limit.
    Limit,
}

#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// Its name in the spool; `None` without one.
    pub(crate) target: Option<TargetId>,
    ready: BTreeMap<RecordId, Box<Record>>,
    later: BTreeMap<(Instant, RecordId), (Wait, Box<Record>)>,
    /// Of what waits for no time, everything up to this number has been here; what comes behind it is on the disk
    /// alone if `beyond` says that there is something.
    seen: RecordId,
    beyond: bool,
    /// Records behind `seen` that have been here all the same, because their time had come.
    early: BTreeSet<RecordId>,
    fetching: bool,
    /// When the disk has something that waited for a time.
    due_on_disk: Option<Instant>,
    /// The disk could not be read: not before this.
    again: Option<Instant>,
}

impl Lane {
    /// A lane whose records, if there are any, are on the disk.
    pub(crate) fn new(target: Option<TargetId>, has_records: bool) -> Self {
        Self { target, beyond: has_records, ..Self::default() }
    }

    /// A record that was just accepted. Where older ones wait on the disk, or too many stand here, it waits there too.
    pub(crate) fn arrive(&mut self, record: Box<Record>) {
        let on_disk = self.target.is_some();
        if on_disk && (self.beyond || self.ready.len() >= MAX_STANDING) {
            self.beyond = true;
            return;
        }
        self.seen = record.id;
        self.early.clear();
        self.ready.insert(record.id, record);
    }

    /// A record that was here before takes its place again.
    pub(crate) fn come_back(&mut self, record: Box<Record>) {
        self.ready.insert(record.id, record);
    }

    /// A record may go at `at`. It stays in memory as long as there is room.
    pub(crate) fn wait_here(&mut self, at: Instant, wait: Wait, record: Box<Record>) {
        self.later.insert((at, record.id), (wait, record));
    }

    pub(crate) fn has_room_to_wait(&self) -> bool {
        self.later.len() < MAX_STANDING
    }

    /// A record waits on the disk until `at`.
    pub(crate) fn wait_on_disk(&mut self, at: Instant) {
        self.due_on_disk = Some(self.due_on_disk.map_or(at, |due| due.min(at)));
    }

    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The oldest record that may go, or one close behind it that `worker` received itself: what another thread has
    /// allocated costs more to free, as both are then after one lock. `room` records may go now, in any order.
    pub(crate) fn pop(&mut self, worker: usize, room: usize) -> Option<Box<Record>> {
        let (front, record) = self.ready.first_key_value()?;
        let own = match record.worker {
            None => None,
            Some(_) => {
                let reach = (room as u64).saturating_sub(1).min(NEAR);
                let near = ..=RecordId::new(front.get().saturating_add(reach));
                self.ready.range(near).find(|(_, record)| record.worker == Some(worker))
            }
        };
        let id = own.map_or(*front, |(id, _)| *id);
        self.ready.remove(&id)
    }

    /// Moves what has waited long enough back into the order of arrival.
    pub(crate) fn ripen(&mut self, now: Instant) {
        while let Some(entry) = self.later.first_entry()
            && entry.key().0 <= now
        {
            let ((_, id), (_, record)) = entry.remove_entry();
            self.ready.insert(id, record);
        }
    }

    /// When something that waits here or on the disk may go.
    pub(crate) fn due(&self) -> Option<Instant> {
        // With enough standing here, it is fetched when that is gone.
        let on_disk = self.again.or(self.due_on_disk);
        let on_disk = on_disk.filter(|_| !self.fetching && self.ready.len() < FEW);
        let here = self.later.keys().next().map(|(at, _)| *at);
        [on_disk, here].into_iter().flatten().min()
    }

    /// What to fetch from the disk now, if anything: what is behind the number, for the target. Who asks fetches, and
    /// says so with [`Lane::fetched`].
    pub(crate) fn fetch(&mut self, now: Instant) -> Option<(TargetId, RecordId)> {
        let is_due = self.due_on_disk.is_some_and(|due| due <= now);
        let wanted = (self.beyond || is_due)
            && self.ready.len() < FEW
            && self.again.is_none_or(|again| again <= now);
        let target = self.target.filter(|_| wanted && !self.fetching)?;
        self.fetching = true;
        self.due_on_disk = self.due_on_disk.filter(|_| !is_due);
        Some((target, self.seen))
    }

    /// What was fetched, with `read` to make records of it; an error comes back at `again`.
    pub(crate) fn fetched<E>(
        &mut self,
        loaded: Result<Loaded, E>,
        again: Instant,
        now: (Instant, SystemTime),
        mut read: impl FnMut(&relay_spool::Stored) -> Option<Box<Record>>,
    ) -> Result<(), E> {
        self.fetching = false;
        self.again = None;
        let Loaded { ripe, ready, complete, next_due } = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                self.again = Some(again);
                // Perhaps that was what it was fetched for.
                self.wait_on_disk(again);
                return Err(error);
            }
        };
        let (now, wall) = now;
        // What was put there meanwhile the disk did not have yet.
        if let Some(due) = next_due {
            self.wait_on_disk(now + due.duration_since(wall).unwrap_or_default());
        }
        self.beyond = !complete;
        let reached = ready.last().map(|last| last.id);
        // Some may have arrived here while the rest was fetched.
        let is_new = |id: &RecordId| *id > self.seen && !self.early.contains(id);
        let ready: Vec<_> = ready.into_iter().filter(|stored| is_new(&stored.id)).collect();
        if let Some(last) = reached.filter(|last| *last > self.seen) {
            self.seen = last;
            self.early = self.early.split_off(&last);
        }
        self.early.extend(ripe.iter().map(|stored| stored.id).filter(|id| *id > self.seen));
        for stored in ripe.iter().chain(&ready) {
            if let Some(record) = read(stored) {
                self.ready.insert(record.id, record);
            }
        }
        Ok(())
    }

    /// Takes out the record `id`, if it stands here.
    pub(crate) fn take_out(&mut self, id: RecordId) -> Option<Box<Record>> {
        if let Some(record) = self.ready.remove(&id) {
            return Some(record);
        }
        // Only for records that the spool gave up, which are few.
        let key = *self.later.keys().find(|(_, of)| *of == id)?;
        self.later.remove(&key).map(|(_, record)| record)
    }

    /// Takes out what was received before `before`; how many items that were.
    pub(crate) fn drop_older(&mut self, before: SystemTime) -> u64 {
        let old = self.ready.extract_if(.., |_, record| record.received < before);
        let mut items = old.map(|(_, record)| record.item_count()).sum();
        let late = self.later.extract_if(.., |_, (_, record)| record.received < before);
        items += late.map(|(_, (_, record))| record.item_count()).sum::<u64>();
        items
    }

    /// What waits after an attempt may be tried at once.
    pub(crate) fn hurry(&mut self) {
        for (key, (wait, record)) in std::mem::take(&mut self.later) {
            match wait {
                Wait::Backoff => drop(self.ready.insert(record.id, record)),
                Wait::Limit => drop(self.later.insert(key, (wait, record))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use relay_spool::{Meta, Schedule, Settings, Spool, Stored};

    use super::*;
    use crate::budget::Budget;

    fn target() -> TargetId {
        let spool = Spool::in_memory(Settings::default()).expect("memory");
        spool.target("upstream").expect("memory")
    }

    fn stored(target: TargetId, id: u64) -> Stored {
        let meta = Meta {
            target,
            project: 1,
            key: "a94ae32be2582e0bcb7b0ba0d8ba36f3".to_owned(),
            received: SystemTime::UNIX_EPOCH,
            event_id: None,
            item_count: 1,
            items: r#"{"error":1}"#.to_owned(),
            encoding: "identity".to_owned(),
            headers: String::new(),
        };
        let (id, schedule) = (RecordId::new(id), Schedule::default());
        Stored { id, meta, schedule, size: 200, body_size: 1 }
    }

    fn record(stored: &Stored) -> Option<Box<Record>> {
        Record::from_stored(stored, 0, Budget::new(0).take(0)).map(Box::new)
    }

    /// What the disk gives: these that were ripe, these that are ready, and whether that is all.
    fn fetched(lane: &mut Lane, target: TargetId, ripe: &[u64], ready: &[u64], complete: bool) {
        let all = |ids: &[u64]| ids.iter().map(|id| stored(target, *id)).collect();
        let loaded = Loaded { ripe: all(ripe), ready: all(ready), complete, next_due: None };
        let now = (Instant::now(), SystemTime::now());
        lane.fetched(Ok::<_, ()>(loaded), now.0, now, record).expect("no error was given");
    }

    fn rest(lane: &mut Lane) -> Vec<u64> {
        std::iter::from_fn(|| lane.pop(0, usize::MAX)).map(|record| record.id.get()).collect()
    }

    #[test]
    fn while_older_records_wait_on_the_disk_new_ones_wait_there_too() {
        let target = target();
        let mut lane = Lane::new(Some(target), true);
        lane.arrive(record(&stored(target, 900)).expect("a record"));
        assert!(!lane.is_ready());
        let now = Instant::now();
        assert_eq!(lane.fetch(now), Some((target, RecordId::default())));
        assert_eq!(lane.fetch(now), None, "once at a time");
        fetched(&mut lane, target, &[], &[1, 2], false);
        assert_eq!(lane.fetch(now), Some((target, RecordId::new(2))));
        fetched(&mut lane, target, &[], &[900], true);
        lane.arrive(record(&stored(target, 901)).expect("a record"));
        assert_eq!(lane.fetch(now), None, "there is nothing else");
        assert_eq!(rest(&mut lane), [1, 2, 900, 901]);
    }

    #[test]
    fn a_record_that_came_early_does_not_come_a_second_time() {
        let target = target();
        let mut lane = Lane::new(Some(target), true);
        fetched(&mut lane, target, &[50], &[1, 2], false);
        // It is on its way, say; the disk still has it, and it waits for no time any more.
        assert_eq!(rest(&mut lane), [1, 2, 50]);
        fetched(&mut lane, target, &[], &[49, 50, 51], true);
        assert_eq!(rest(&mut lane), [49, 51]);
    }

    #[test]
    fn what_waits_on_the_disk_for_a_time_is_fetched_when_it_has_come() {
        let target = target();
        let mut lane = Lane::new(Some(target), false);
        let now = Instant::now();
        assert_eq!((lane.due(), lane.fetch(now)), (None, None));
        let (soon, late) = (now + Duration::from_secs(1), now + Duration::from_secs(60));
        lane.wait_on_disk(late);
        lane.wait_on_disk(soon);
        assert_eq!((lane.due(), lane.fetch(now)), (Some(soon), None));
        assert_eq!(lane.fetch(soon), Some((target, RecordId::default())));
        assert_eq!(lane.due(), None, "somebody is about it");
    }

    #[test]
    fn what_is_left_to_the_disk_while_that_is_read_is_not_forgotten() {
        let target = target();
        let mut lane = Lane::new(Some(target), true);
        let now = Instant::now();
        assert!(lane.fetch(now).is_some());
        let due = now + Duration::from_secs(60);
        lane.wait_on_disk(due);
        // Read before that was written there.
        fetched(&mut lane, target, &[], &[], true);
        assert_eq!(lane.due(), Some(due));
        assert!(lane.fetch(due).is_some());
    }

    #[test]
    fn a_disk_that_cannot_be_read_is_asked_again_after_a_pause() {
        let target = target();
        let mut lane = Lane::new(Some(target), true);
        let now = Instant::now();
        assert!(lane.fetch(now).is_some());
        let again = now + Duration::from_secs(1);
        let failed = lane.fetched(Err("broken"), again, (now, SystemTime::now()), record);
        assert_eq!(failed, Err("broken"));
        assert_eq!((lane.due(), lane.fetch(now)), (Some(again), None));
        assert!(lane.fetch(again).is_some());
    }

    #[test]
    fn what_arrives_while_the_disk_is_read_does_not_come_from_there_as_well() {
        let target = target();
        let mut lane = Lane::new(Some(target), false);
        let now = Instant::now();
        lane.wait_on_disk(now);
        assert!(lane.fetch(now).is_some());
        lane.arrive(record(&stored(target, 7)).expect("a record"));
        assert_eq!(rest(&mut lane), [7], "it is on its way");
        fetched(&mut lane, target, &[3], &[7, 8], false);
        assert_eq!(rest(&mut lane), [3, 8]);
        lane.arrive(record(&stored(target, 9)).expect("a record"));
        assert!(!lane.is_ready());
        assert_eq!(lane.fetch(now), Some((target, RecordId::new(8))));
    }

    #[test]
    fn what_goes_to_the_disk_while_it_is_read_is_not_forgotten() {
        let target = target();
        let mut lane = Lane::new(Some(target), true);
        let now = Instant::now();
        assert!(lane.fetch(now).is_some());
        let later = now + Duration::from_secs(60);
        lane.wait_on_disk(later);
        // The disk was read before that was written.
        fetched(&mut lane, target, &[], &[], true);
        assert_eq!(lane.due(), Some(later));
        assert!(lane.fetch(later).is_some());
    }

    #[test]
    fn however_much_is_due_on_the_disk_no_more_is_fetched_while_enough_stands_here() {
        let target = target();
        let mut lane = Lane::new(Some(target), false);
        let now = Instant::now();
        let ids: Vec<u64> = (1..=FEW as u64).collect();
        fetched(&mut lane, target, &ids, &[], true);
        lane.wait_on_disk(now);
        assert_eq!((lane.fetch(now), lane.due()), (None, None));
        lane.pop(0, 1);
        assert_eq!(lane.due(), Some(now));
        assert!(lane.fetch(now).is_some());
    }

    #[test]
    fn a_worker_takes_what_it_received_itself_but_overtakes_nobody_by_far() {
        let target = target();
        let arrived = |records: &[(u64, usize)]| {
            let mut lane = Lane::new(Some(target), false);
            for (id, worker) in records {
                let record = record(&stored(target, *id)).expect("a record");
                lane.arrive(Box::new(Record { worker: Some(*worker), ..*record }));
            }
            lane
        };
        let records = [(1, 1), (2, 0), (3, 0), (1 + NEAR, 0), (2 + NEAR, 0), (3 + NEAR, 1)];
        assert_eq!(rest(&mut arrived(&records)), [2, 3, 1 + NEAR, 1, 2 + NEAR, 3 + NEAR]);
        for (room, first) in [(1, 1), (2, 2), (3, 2)] {
            let popped = arrived(&records).pop(0, room).expect("several came");
            assert_eq!(popped.id.get(), first, "room for {room}");
        }

        let mut lane = Lane::new(Some(target), true);
        fetched(&mut lane, target, &[], &[1], true);
        let own = record(&stored(target, 2)).expect("a record");
        lane.arrive(Box::new(Record { worker: Some(0), ..*own }));
        assert_eq!(rest(&mut lane), [1, 2], "what comes from the disk is nobody's");
    }

    #[test]
    fn without_a_disk_everything_stands_here() {
        let target = target();
        let mut lane = Lane::default();
        for id in 1..=2 * MAX_STANDING as u64 {
            let stored = stored(target, id);
            lane.arrive(record(&stored).expect("a record"));
        }
        assert_eq!(rest(&mut lane).len(), 2 * MAX_STANDING);
    }
}
