//! The queue between accepting and forwarding: in memory, oldest first, paid for from the byte budget.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use relay_compression::ContentEncoding;
use relay_dsn::ProjectKey;
use relay_protocol::DataCategories;
use tokio::sync::Notify;

use crate::budget::Reservation;
use crate::pace::{Change, Pace, PaceSettings};

/// One envelope on its way to the upstream: what must be known to send it, beside the bytes to send.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) key: ProjectKey,
    pub(crate) project: u64,
    /// The categories of each item, to hold back what is rate limited.
    pub(crate) items: Box<[DataCategories]>,
    /// Of the upstream request; all but the encoding.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) encoding: ContentEncoding,
    /// The encoding to try instead of the upstream's usual one, which it refused for this envelope.
    pub(crate) fallback: Option<ContentEncoding>,
    pub(crate) memory: Reservation,
    /// Attempts that the upstream answered without taking the envelope.
    pub(crate) attempts: u32,
    pub(crate) refused_since: Option<Instant>,
}

impl Record {
    pub(crate) fn item_count(&self) -> u64 {
        self.items.len() as u64
    }
}

/// A place in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(u64);

/// What [`Queue::take`] found.
#[derive(Debug)]
pub(crate) enum Next {
    /// This one may go now; the caller owes one of the settling calls.
    Send(Place, Box<Record>),
    /// Nothing now; the pacer knows when there will be.
    Nothing,
}

/// The queue is closed: the relay is shutting down.
#[derive(Debug)]
pub(crate) struct Closed;

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Told whenever the answer of [`Queue::due`] may have changed, and of every settling once closed.
    changed: Notify,
}

/// What a record waits for that may not go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// A pause after an attempt.
    Backoff,
    /// The end of a rate limit.
    Limit,
}

#[derive(Debug)]
struct State {
    ready: BTreeMap<Place, Box<Record>>,
    later: BTreeMap<(Instant, Place), (Wait, Box<Record>)>,
    in_flight: usize,
    pace: Pace,
    next_place: u64,
    closed: bool,
}

impl Queue {
    pub(crate) fn new(settings: PaceSettings) -> Self {
        let state = State {
            ready: BTreeMap::new(),
            later: BTreeMap::new(),
            in_flight: 0,
            pace: Pace::new(settings),
            next_place: 0,
            closed: false,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Appends a record.
    pub(crate) fn push(&self, record: Box<Record>) -> Result<(), Closed> {
        let mut state = self.state();
        if state.closed {
            return Err(Closed);
        }
        let place = Place(state.next_place);
        state.next_place += 1;
        state.ready.insert(place, record);
        let paused = state.pace.resume_at().is_some();
        drop(state);
        if paused {
            self.changed.notify_waiters();
        }
        Ok(())
    }

    /// The oldest record that may be sent at `now`.
    pub(crate) fn take(&self, now: Instant) -> Next {
        let mut state = self.state();
        state.ripen(now);
        if state.ready.is_empty() {
            return Next::Nothing;
        }
        if !state.pace.start(now) {
            return Next::Nothing;
        }
        state.in_flight += 1;
        let (place, record) =
            state.ready.pop_first().expect("looked at above, under the same lock");
        Next::Send(place, record)
    }

    /// The upstream answered and has taken care of the record.
    pub(crate) fn settled(&self) -> Option<Change> {
        self.landed(|state| state.pace.answered())
    }

    /// The upstream answered, but the record stays; it may be sent again at `at`.
    pub(crate) fn put_off(&self, place: Place, record: Box<Record>, at: Instant) -> Option<Change> {
        self.landed(|state| {
            state.later.insert((at, place), (Wait::Backoff, record));
            state.pace.answered()
        })
    }

    /// The upstream is away; the record goes back to its place, or steps aside until `aside`.
    pub(crate) fn put_back(
        &self,
        place: Place,
        record: Box<Record>,
        aside: Option<Instant>,
        started: Instant,
        now: Instant,
        jitter: f64,
    ) -> Option<Change> {
        self.landed(|state| {
            match aside {
                None => drop(state.ready.insert(place, record)),
                Some(at) => drop(state.later.insert((at, place), (Wait::Backoff, record))),
            }
            state.pace.failed(started, now, jitter)
        })
    }

    /// The record was not sent after all; it may be at `at`.
    pub(crate) fn hold(&self, place: Place, record: Box<Record>, at: Instant) {
        self.landed(|state| {
            state.later.insert((at, place), (Wait::Limit, record));
            state.pace.unused();
            None
        });
    }

    fn landed(&self, change: impl FnOnce(&mut State) -> Option<Change>) -> Option<Change> {
        let mut state = self.state();
        state.in_flight -= 1;
        let change = change(&mut state);
        let tell = state.closed || state.pace.resume_at().is_some() || !state.later.is_empty();
        drop(state);
        if tell {
            self.changed.notify_waiters();
        }
        change
    }

    /// Whether another envelope could be sent at once.
    pub(crate) fn has_work(&self, now: Instant) -> bool {
        let mut state = self.state();
        state.ripen(now);
        !state.ready.is_empty() && state.pace.has_room(now)
    }

    /// When the next record that cannot go now may go.
    pub(crate) fn due(&self) -> Option<Instant> {
        let state = self.state();
        // With the window full the end of the pause changes nothing, but the next settling does.
        let paused = state.pace.resume_at();
        let paused = paused.filter(|_| !state.ready.is_empty() && !state.pace.is_full());
        let later = state.later.keys().next().map(|(at, _)| *at);
        [paused, later].into_iter().flatten().min()
    }

    /// Completes when the answer of [`Queue::due`] may have changed since the future was enabled.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    /// Takes nothing more. What waits after a failed attempt may be tried at once, for the last time perhaps.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.pace.resume();
        for ((at, place), (wait, record)) in std::mem::take(&mut state.later) {
            match wait {
                Wait::Backoff => drop(state.ready.insert(place, record)),
                Wait::Limit => drop(state.later.insert((at, place), (wait, record))),
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Completes when nothing waits and nothing is on its way, or when nothing of what waits may be sent
    /// before `deadline`.
    pub(crate) async fn settled_or_hopeless(&self, deadline: Instant) {
        loop {
            let mut changed = std::pin::pin!(self.changed());
            // From here on no change is missed, also one between the look and the wait.
            changed.as_mut().enable();
            if self.is_over(deadline) {
                return;
            }
            changed.await;
        }
    }

    fn is_over(&self, deadline: Instant) -> bool {
        let state = self.state();
        let paused = state.pace.resume_at().is_some_and(|at| at > deadline);
        let waits_longer = state.later.keys().next().is_none_or(|(at, _)| *at > deadline);
        state.in_flight == 0 && (state.ready.is_empty() || paused) && waits_longer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Moves what has waited long enough back into the order of arrival.
    fn ripen(&mut self, now: Instant) {
        while let Some(entry) = self.later.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((_, place), (_, record)) = entry.remove_entry();
            self.ready.insert(place, record);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::budget::Budget;

    fn record(name: u64) -> Box<Record> {
        Box::new(Record {
            key: "a94ae32be2582e0bcb7b0ba0d8ba36f3".parse().expect("a key"),
            project: name,
            items: Box::default(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            encoding: ContentEncoding::Identity,
            fallback: None,
            memory: Budget::new(0).reserve(0).expect("nothing fits into nothing"),
            attempts: 0,
            refused_since: None,
        })
    }

    fn queue(names: impl IntoIterator<Item = u64>) -> Queue {
        let queue = Queue::new(PaceSettings {
            max_in_flight: 4,
            retry_delay: Duration::from_secs(1),
            max_retry_interval: Duration::from_secs(60),
            outage_grace_period: Duration::from_secs(10),
        });
        names.into_iter().for_each(|name| queue.push(record(name)).expect("it is open"));
        queue
    }

    #[track_caller]
    fn take(queue: &Queue, now: Instant) -> (Place, Box<Record>) {
        match queue.take(now) {
            Next::Send(place, record) => (place, record),
            Next::Nothing => panic!("nothing may be sent"),
        }
    }

    fn after(now: Instant, seconds: u64) -> Instant {
        now + Duration::from_secs(seconds)
    }

    #[test]
    fn a_record_that_comes_back_keeps_its_place() {
        let (queue, now) = (queue([1, 2, 3]), Instant::now());
        let (place, first) = take(&queue, now);
        queue.put_back(place, first, None, now, now, 1.0);
        assert!(matches!(queue.take(now), Next::Nothing), "the upstream is given a pause");
        assert_eq!(take(&queue, after(now, 1)).1.project, 1);
    }

    #[test]
    fn a_record_that_steps_aside_lets_others_go_first() {
        let (queue, now) = (queue([1, 2]), Instant::now());
        let (place, first) = take(&queue, now);
        queue.put_back(place, first, Some(after(now, 5)), now, now, 1.0);
        assert_eq!(take(&queue, after(now, 1)).1.project, 2);
        queue.settled();
        assert_eq!(queue.due(), Some(after(now, 5)));
        assert_eq!(take(&queue, after(now, 5)).1.project, 1);
    }

    #[test]
    fn nothing_is_due_while_the_only_probe_is_under_way() {
        let (queue, now) = (queue([1, 2]), Instant::now());
        let (place, first) = take(&queue, now);
        let _probe = take(&queue, now);
        queue.put_back(place, first, None, now, now, 1.0);
        assert_eq!(queue.due(), None, "the second may be settled first, and tells then");
        queue.settled();
        assert!(queue.has_work(after(now, 1)));
    }

    #[test]
    fn what_is_pushed_during_a_pause_is_due_at_its_end() {
        let (queue, now) = (queue([1]), Instant::now());
        let (place, first) = take(&queue, now);
        queue.put_back(place, first, Some(after(now, 60)), now, now, 1.0);
        assert_eq!(queue.due(), Some(after(now, 60)));
        queue.push(record(2)).expect("it is open");
        assert_eq!(queue.due(), Some(after(now, 1)));
    }

    #[test]
    fn a_closed_queue_tries_again_what_failed_but_not_what_a_limit_holds() {
        let (queue, now) = (queue([1, 2]), Instant::now());
        let (failed, limited) = (take(&queue, now), take(&queue, now));
        queue.put_off(failed.0, failed.1, after(now, 60));
        queue.hold(limited.0, limited.1, after(now, 60));
        queue.close();
        assert!(queue.push(record(3)).is_err());
        assert!(!queue.is_over(after(now, 10)));
        assert_eq!(take(&queue, now).1.project, 1);
        queue.settled();
        assert!(queue.is_over(after(now, 10)), "nothing else may go before the deadline");
    }
}
