//! Lanes: what waits for one target. The oldest of it stands in memory, ready to go; the rest is on the disk.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use relay_spool::{Loaded, RecordId, TargetId};

use crate::record::Record;

/// Records of one lane that stand in memory at most; their bodies are another matter.
pub(crate) const MAX_STANDING: usize = 1024;

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
    fetching: bool,
    /// When the disk has something that waited for a time.
    due_on_disk: Option<Instant>,
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

    /// The oldest record that may go.
    pub(crate) fn pop(&mut self) -> Option<Box<Record>> {
        self.ready.pop_first().map(|(_, record)| record)
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
        let on_disk = self.due_on_disk.filter(|_| !self.fetching);
        let here = self.later.keys().next().map(|(at, _)| *at);
        [on_disk, here].into_iter().flatten().min()
    }

    /// What to fetch from the disk now, if anything: what is behind the number, for the target. Who asks fetches, and
    /// says so with [`Lane::fetched`].
    pub(crate) fn fetch(&mut self, now: Instant) -> Option<(TargetId, RecordId)> {
        let wanted =
            self.beyond && self.ready.len() < FEW || self.due_on_disk.is_some_and(|due| due <= now);
        let target = self.target.filter(|_| wanted && !self.fetching)?;
        self.fetching = true;
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
        self.due_on_disk = None;
        let Loaded { ripe, ready, complete, next_due } = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                self.due_on_disk = Some(again);
                return Err(error);
            }
        };
        let (now, wall) = now;
        self.due_on_disk = next_due.map(|due| now + due.duration_since(wall).unwrap_or_default());
        self.beyond = !complete;
        if let Some(last) = ready.last() {
            self.seen = last.id;
        }
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
