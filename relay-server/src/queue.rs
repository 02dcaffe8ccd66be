//! The queue between accepting and forwarding, one for each upstream: a lane for each target, each oldest first, taking
//! turns at one pace. The spool has everything that waits; what stands here is the front of it.
//!
//! Without a spool (`durability: memory`) what stands here is all there is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use relay_spool::{Dropped, Meta, RecordId, Schedule, Spool};
use tokio::sync::Notify;

use crate::budget::Budget;
use crate::lane::{FETCHED, Lane, Wait};
use crate::ledger::{Ledger, Loss};
use crate::pace::{Change, Pace, PaceSettings};
use crate::record::{Items, Record};
use crate::reports::Recipient;

/// What [`Queue::take`] found.
#[derive(Debug)]
pub(crate) enum Next {
    /// This one may go now; the caller owes one of the settling calls.
    Send(Box<Record>),
    /// Nothing now; the pacer knows when there will be.
    Nothing,
}

/// The queue is closed: the relay is shutting down.
#[derive(Debug)]
pub(crate) struct Closed(pub(crate) Box<Record>);

#[derive(Debug)]
pub(crate) struct Queue {
    /// Of which upstream.
    upstream: usize,
    state: Mutex<State>,
    spool: Option<Spool>,
    budget: Arc<Budget>,
    ledger: Arc<Ledger>,
    /// Told whenever the answer of [`Queue::due`] may have changed, and of every settling once closed. All queues
    /// share it.
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    lanes: Vec<Lane>,
    /// The lane whose turn it is.
    turn: usize,
    in_flight: BTreeSet<RecordId>,
    /// Records in flight that the spool has given up meanwhile, and why: lost, unless they are delivered.
    given_up: BTreeMap<RecordId, Loss>,
    pace: Pace,
    /// Records came in without anybody who would look after them.
    unattended: bool,
    /// Of the last record, where there is no spool to give numbers.
    last_id: u64,
    closed: bool,
}

/// What waits for longer than this waits on the disk.
const LONG: Duration = Duration::from_secs(30);

/// The spool could not be read: the next try.
const READ_AGAIN: Duration = Duration::from_secs(1);

impl Queue {
    pub(crate) fn new(
        upstream: usize,
        lanes: Vec<Lane>,
        settings: PaceSettings,
        spool: Option<Spool>,
        budget: Arc<Budget>,
        ledger: Arc<Ledger>,
        changed: Arc<Notify>,
    ) -> Self {
        let state = State {
            lanes,
            turn: 0,
            in_flight: BTreeSet::new(),
            given_up: BTreeMap::new(),
            pace: Pace::new(settings),
            unattended: true,
            last_id: 0,
            closed: false,
        };
        Self { upstream, state: Mutex::new(state), spool, budget, ledger, changed }
    }

    pub(crate) fn spool(&self) -> Option<&Spool> {
        self.spool.as_ref()
    }

    /// Takes in a record that has no number yet, where there is no spool.
    pub(crate) fn push(&self, record: Box<Record>) -> Result<(), Closed> {
        let state = self.state();
        if state.closed {
            return Err(Closed(record));
        }
        self.number(state, record);
        Ok(())
    }

    /// The same for a record that this relay made, closed or not.
    pub(crate) fn add(&self, record: Box<Record>) {
        self.number(self.state(), record);
    }

    fn number(&self, mut state: MutexGuard<'_, State>, mut record: Box<Record>) {
        state.last_id += 1;
        record.id = RecordId::new(state.last_id);
        self.arrive(state, record);
    }

    /// Takes in a record that was just stored, on the thread of the spool: so they come in the order of their numbers.
    pub(crate) fn stored(&self, mut record: Box<Record>) {
        // Bodies that wait must leave room for those that arrive.
        if self.budget.is_half_taken() {
            record.leave_body();
        }
        self.arrive(self.state(), record);
    }

    fn arrive(&self, mut state: MutexGuard<'_, State>, record: Box<Record>) {
        if let Some(lane) = state.lanes.get_mut(record.lane) {
            lane.arrive(record);
        }
        let paused = state.pace.resume_at().is_some();
        drop(state);
        if paused {
            self.changed.notify_waiters();
        }
    }

    /// Nobody else looks after what came in.
    pub(crate) fn look_after(&self) {
        self.state().unattended = true;
        self.changed.notify_waiters();
    }

    /// The oldest record that may be sent at `now`, or one close to it that `worker` received, of the lane whose turn it is.
    pub(crate) fn take(&self, worker: usize, now: Instant) -> Next {
        let mut state = self.state();
        state.unattended = false;
        state.ripen(now);
        if self.has_given_up(&state) {
            return Next::Nothing;
        }
        let lanes = state.lanes.len();
        let mut turns = (0..lanes).map(|step| (state.turn + step) % lanes);
        let Some(lane) = turns.find(|lane| state.lanes.get(*lane).is_some_and(Lane::is_ready))
        else {
            return Next::Nothing;
        };
        let room = state.pace.room();
        if !state.pace.start(now) {
            return Next::Nothing;
        }
        state.turn = (lane + 1) % lanes;
        let record = state.lanes.get_mut(lane).and_then(|lane| lane.pop(worker, room));
        let record = record.expect("looked at above, under the same lock");
        state.in_flight.insert(record.id);
        Next::Send(record)
    }

    fn fetched(&self, index: usize, loaded: Result<relay_spool::Loaded, relay_spool::SpoolError>) {
        let now = (Instant::now(), SystemTime::now());
        let mut state = self.state();
        let Some(lane) = state.lanes.get_mut(index) else { return };
        let mut unreadable = Vec::new();
        let done = lane.fetched(loaded, now.0 + READ_AGAIN, now, |stored| {
            let record = Record::from_stored(stored, index, self.budget.take(0));
            let Some(mut record) = record else {
                unreadable.push(stored.reference());
                let Meta { key, project, items, item_count, .. } = &stored.meta;
                let lost = (key.as_str(), *project, items.as_str(), *item_count);
                self.discard_stored(index, lost, &Loss::Unreadable);
                return None;
            };
            record.memory.insist(record.occupied());
            Some(Box::new(record))
        });
        state.unattended = true;
        drop(state);
        match (done, &self.spool) {
            (Err(error), _) => tracing::error!(%error, "what waits on the disk cannot be read"),
            (Ok(()), Some(spool)) => unreadable.into_iter().for_each(|record| spool.remove(record)),
            (Ok(()), None) => {}
        }
        self.changed.notify_waiters();
    }

    /// The upstream answered and has taken the record.
    pub(crate) fn delivered(&self, record: Box<Record>) -> Option<Change> {
        self.settled(record, |ledger, _, items| ledger.delivered(items.count()))
    }

    /// The upstream answered, and this is what became of the items of the record; nothing waits any more.
    pub(crate) fn settled(
        &self,
        record: Box<Record>,
        account: impl FnOnce(&Ledger, Option<Recipient>, &Items),
    ) -> Option<Change> {
        self.forget(&record);
        self.landed(|state| {
            state.given_up.remove(&record.id);
            account(&self.ledger, Some(self.recipient(&record)), &record.items);
            state.in_flight.remove(&record.id);
            state.pace.answered()
        })
    }

    /// The record cannot be sent, whatever the upstream says.
    pub(crate) fn unsendable(&self, record: Box<Record>, loss: &Loss) {
        self.forget(&record);
        self.landed(|state| {
            state.given_up.remove(&record.id);
            self.discard(&record, loss);
            state.in_flight.remove(&record.id);
            state.pace.unused();
            None
        });
    }

    /// The record was not in the spool any more when its body was wanted. Why is accounted for already: the spool counts
    /// what a damaged file took with it; or else it was given up on the way.
    pub(crate) fn vanished(&self, record: Box<Record>) {
        self.landed(|state| {
            state.in_flight.remove(&record.id);
            if let Some(loss) = state.given_up.remove(&record.id) {
                self.discard(&record, &loss);
            }
            state.pace.unused();
            None
        });
    }

    fn forget(&self, record: &Record) {
        if let Some(spool) = &self.spool {
            spool.remove(record.reference());
        }
    }

    /// The upstream answered, but the record stays; it may be sent again at `at`.
    pub(crate) fn put_off(&self, record: Box<Record>, at: Instant) -> Option<Change> {
        self.landed(|state| {
            self.keep(state, record, Some((at, Wait::Backoff)));
            state.pace.answered()
        })
    }

    /// The upstream is away; the record goes back to its place, or steps aside until `aside`.
    pub(crate) fn put_back(
        &self,
        record: Box<Record>,
        aside: Option<Instant>,
        started: Instant,
        now: Instant,
        jitter: f64,
    ) -> Option<Change> {
        self.landed(|state| {
            self.keep(state, record, aside.map(|at| (at, Wait::Backoff)));
            state.pace.failed(started, now, jitter)
        })
    }

    /// The record was not sent after all; it may be at `at`.
    pub(crate) fn hold(&self, record: Box<Record>, at: Instant) {
        self.not_sent(record, at, Wait::Limit);
    }

    /// The record could not be read or had no room in memory just now.
    pub(crate) fn try_again(&self, record: Box<Record>, at: Instant) {
        self.not_sent(record, at, Wait::Backoff);
    }

    fn not_sent(&self, record: Box<Record>, at: Instant, wait: Wait) {
        self.landed(|state| {
            self.keep(state, record, Some((at, wait)));
            state.pace.unused();
            None
        });
    }

    /// Puts a record that was in flight to where it waits: in its lane, or on the disk alone.
    fn keep(&self, state: &mut State, mut record: Box<Record>, wait: Option<(Instant, Wait)>) {
        state.in_flight.remove(&record.id);
        if let Some(loss) = state.given_up.remove(&record.id) {
            return self.discard(&record, &loss);
        }
        let Some(lane) = state.lanes.get_mut(record.lane) else { return };
        let pause = wait.map(|(at, _)| at.saturating_duration_since(Instant::now()));
        let on_disk = pause.filter(|pause| *pause > LONG || !lane.has_room_to_wait());
        if let Some(spool) = &self.spool {
            // From now on on disk alone: it has had its turn.
            record.leave_body();
            let due = on_disk.map(|pause| SystemTime::now() + pause);
            let schedule: Schedule = record.schedule(due);
            if schedule != Schedule::default() {
                spool.reschedule(record.id, schedule);
            }
        }
        match wait {
            None => lane.come_back(record),
            Some((at, _)) if on_disk.is_some() && self.spool.is_some() => lane.wait_on_disk(at),
            Some((at, wait)) => lane.wait_here(at, wait, record),
        }
    }

    /// The spool has given up these records of `lane`.
    pub(crate) fn given_up<'a>(
        &self,
        lane: usize,
        records: impl IntoIterator<Item = &'a Dropped>,
        loss: &Loss,
    ) {
        let mut state = self.state();
        let mut leaving = None;
        for Dropped { id, project, key, items, item_count, .. } in records {
            let id = *id;
            if state.in_flight.contains(&id) {
                state.given_up.insert(id, loss.clone());
                continue;
            }
            let stood_here =
                state.lanes.get_mut(lane).is_some_and(|lane| lane.take_out(id).is_some());
            // Else it waited on the disk alone; or it was settled a moment ago, and the spool has not got round to it.
            let waited = stood_here || {
                let leaving = leaving
                    .get_or_insert_with(|| self.spool().map(Spool::leaving).unwrap_or_default());
                !leaving.contains(&id)
            };
            if waited {
                self.discard_stored(lane, (key, *project, items, *item_count), loss);
            }
        }
        drop(state);
        // Perhaps that was all that a shutdown waited for.
        self.changed.notify_waiters();
    }

    /// Gives up what was received before `before` and stands here; for a queue without a spool, which does this itself.
    pub(crate) fn expire(&self, before: SystemTime) {
        self.discard_where(|record| record.received < before, &Loss::Expired);
    }

    /// Gives up whatever stands here, at the end of a relay without a spool and while the upstream can be told of it.
    pub(crate) fn give_up(&self) {
        if self.state().pace.resume_at().is_none() {
            self.discard_where(|_| true, &Loss::Shutdown);
        }
    }

    fn discard_where(&self, is_lost: impl Fn(&Record) -> bool, loss: &Loss) {
        for lane in &mut self.state().lanes {
            lane.drop_where(&is_lost, |record| self.discard(record, loss));
        }
    }

    /// Accounts for a record that is lost.
    fn discard(&self, record: &Record, loss: &Loss) {
        self.ledger.discard(Some(self.recipient(record)), &record.items, loss);
    }

    /// The same for one that only the disk has, by its key, project, items and how many these are.
    fn discard_stored(
        &self,
        lane: usize,
        (key, project, items, count): (&str, u64, &str, u32),
        loss: &Loss,
    ) {
        // Nobody can be told of a key that is none.
        let key = key.parse().ok();
        let recipient = key.map(|key| Recipient { upstream: self.upstream, lane, key, project });
        self.ledger.discard(recipient, &Items::stored(items, count.into()), loss);
    }

    fn recipient(&self, record: &Record) -> Recipient {
        let Record { lane, key, project, .. } = *record;
        Recipient { upstream: self.upstream, lane, key, project }
    }

    fn landed(&self, change: impl FnOnce(&mut State) -> Option<Change>) -> Option<Change> {
        let mut state = self.state();
        let change = change(&mut state);
        let waits = state.lanes.iter().any(|lane| lane.due().is_some());
        let tell = state.closed || state.pace.resume_at().is_some() || waits;
        drop(state);
        if tell {
            self.changed.notify_waiters();
        }
        change
    }

    /// Whether another envelope could be sent at once. Has what is missing at the front fetched from the disk.
    pub(crate) fn has_work(self: &Arc<Self>, now: Instant) -> bool {
        let mut state = self.state();
        state.unattended = false;
        state.ripen(now);
        let has_work = state.has_ready() && state.pace.has_room(now) && !self.has_given_up(&state);
        let Some(spool) = self.spool.as_ref().filter(|_| !state.closed) else { return has_work };
        let lanes = state.lanes.iter_mut().enumerate();
        let wanted: Vec<_> =
            lanes.filter_map(|(index, lane)| Some((index, lane.fetch(now)?))).collect();
        // A spool that has ended answers at once, on this very thread.
        drop(state);
        for (index, (target, after)) in wanted {
            let queue = Arc::clone(self);
            spool.load(target, after, FETCHED, SystemTime::now(), move |loaded| {
                queue.fetched(index, loaded);
            });
        }
        has_work
    }

    /// While the relay stops the upstream is away, and nothing is lost by leaving.
    fn has_given_up(&self, state: &State) -> bool {
        state.closed && self.spool.is_some() && state.pace.resume_at().is_some()
    }

    /// Records on their way to the upstream.
    pub(crate) fn in_flight(&self) -> usize {
        self.state().in_flight.len()
    }

    /// When the next record that cannot go now may go.
    pub(crate) fn due(&self) -> Option<Instant> {
        let state = self.state();
        if state.unattended {
            return Some(Instant::now());
        }
        // With the window full the end of the pause changes nothing, but the next settling does.
        let paused = state.pace.resume_at();
        let paused = paused.filter(|_| state.has_ready() && !state.pace.is_full());
        state.lanes.iter().map(Lane::due).chain([paused]).flatten().min()
    }

    /// Takes nothing more. Without a spool what waits after a failed attempt may be tried at once, for the last time
    /// perhaps; with one it can wait for the next start.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        if self.spool.is_none() {
            state.pace.resume();
            state.lanes.iter_mut().for_each(Lane::hurry);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Whether, once closed, nothing is on its way any more and nothing of what waits may be sent before `deadline`;
    /// with a spool, whether nothing stands in front that could be sent at once.
    pub(crate) fn is_over(&self, deadline: Instant) -> bool {
        let state = self.state();
        let resume_at = state.pace.resume_at();
        let (paused, waits_longer) = match &self.spool {
            Some(_) => (resume_at.is_some(), true),
            None => (
                resume_at.is_some_and(|at| at > deadline),
                state.lanes.iter().filter_map(Lane::due).all(|at| at > deadline),
            ),
        };
        state.in_flight.is_empty() && (!state.has_ready() || paused) && waits_longer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn ripen(&mut self, now: Instant) {
        self.lanes.iter_mut().for_each(|lane| lane.ripen(now));
    }

    fn has_ready(&self) -> bool {
        self.lanes.iter().any(Lane::is_ready)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use relay_compression::ContentEncoding;

    use crate::record::SenderHeaders;

    const KEY: &str = "a94ae32be2582e0bcb7b0ba0d8ba36f3";
    const ERROR: &str = r#"{"error":1}"#;

    fn record(name: u64) -> Box<Record> {
        record_of(0, name)
    }

    fn record_of(lane: usize, name: u64) -> Box<Record> {
        let key = KEY.parse().expect("a key");
        let items = Items::from_text(ERROR).expect("a count");
        let memory = Budget::new(0).take(0);
        let received = SystemTime::UNIX_EPOCH;
        Box::new(Record::new(lane, (key, name), received, items, SenderHeaders::default(), memory))
    }

    fn pace() -> PaceSettings {
        PaceSettings {
            max_in_flight: 4,
            retry_delay: Duration::from_secs(1),
            max_retry_interval: Duration::from_secs(60),
            outage_grace_period: Duration::from_secs(10),
        }
    }

    fn queue(names: impl IntoIterator<Item = u64>) -> Arc<Queue> {
        let lanes = vec![Lane::default(), Lane::default()];
        let (budget, ledger) = (Budget::new(0), Arc::default());
        let queue = Arc::new(Queue::new(0, lanes, pace(), None, budget, ledger, Arc::default()));
        // As it is after the first look.
        queue.has_work(Instant::now());
        names.into_iter().for_each(|name| queue.push(record(name)).expect("it is open"));
        queue
    }

    #[track_caller]
    fn take(queue: &Queue, now: Instant) -> Box<Record> {
        match queue.take(0, now) {
            Next::Send(record) => record,
            Next::Nothing => panic!("nothing may be sent"),
        }
    }

    fn after(now: Instant, seconds: u64) -> Instant {
        now + Duration::from_secs(seconds)
    }

    #[test]
    fn a_record_that_comes_back_keeps_its_place() {
        let (queue, now) = (queue([1, 2, 3]), Instant::now());
        let first = take(&queue, now);
        queue.put_back(first, None, now, now, 1.0);
        assert!(matches!(queue.take(0, now), Next::Nothing), "the upstream is given a pause");
        assert_eq!(take(&queue, after(now, 1)).project, 1);
    }

    #[test]
    fn a_record_that_steps_aside_lets_others_go_first() {
        let (queue, now) = (queue([1, 2]), Instant::now());
        let first = take(&queue, now);
        queue.put_back(first, Some(after(now, 5)), now, now, 1.0);
        let second = take(&queue, after(now, 1));
        assert_eq!(second.project, 2);
        queue.delivered(second);
        assert_eq!(queue.due(), Some(after(now, 5)));
        assert_eq!(take(&queue, after(now, 5)).project, 1);
    }

    #[test]
    fn nothing_is_due_while_the_only_probe_is_under_way() {
        let (queue, now) = (queue([1, 2]), Instant::now());
        let first = take(&queue, now);
        let probe = take(&queue, now);
        queue.put_back(first, None, now, now, 1.0);
        assert_eq!(queue.due(), None, "the second may be settled first, and tells then");
        queue.delivered(probe);
        assert!(queue.has_work(after(now, 1)));
    }

    #[test]
    fn what_is_pushed_during_a_pause_is_due_at_its_end() {
        let (queue, now) = (queue([1]), Instant::now());
        let first = take(&queue, now);
        queue.put_back(first, Some(after(now, 60)), now, now, 1.0);
        assert_eq!(queue.due(), Some(after(now, 60)));
        queue.push(record(2)).expect("it is open");
        assert_eq!(queue.due(), Some(after(now, 1)));
    }

    #[test]
    fn a_closed_queue_tries_again_what_failed_but_not_what_a_limit_holds() {
        let (queue, now) = (queue([1, 2]), Instant::now());
        let (failed, limited) = (take(&queue, now), take(&queue, now));
        queue.put_off(failed, after(now, 60));
        queue.hold(limited, after(now, 60));
        queue.close();
        assert!(queue.push(record(3)).is_err());
        assert!(!queue.is_over(after(now, 10)));
        let failed = take(&queue, now);
        assert_eq!(failed.project, 1);
        queue.delivered(failed);
        assert!(queue.is_over(after(now, 10)), "nothing else may go before the deadline");
    }

    #[test]
    fn lanes_take_turns_however_much_waits_in_one() {
        let (queue, now) = (queue([1, 2, 3]), Instant::now());
        queue.push(record_of(1, 10)).expect("it is open");
        let order = [(); 4].map(|()| take(&queue, now).project);
        assert_eq!(order, [1, 10, 2, 3]);
    }

    #[test]
    fn what_the_spool_gave_up_is_lost_once_unless_it_was_delivered_meanwhile() {
        let (queue, now) = (queue([1, 2, 3]), Instant::now());
        let (first, second) = (take(&queue, now), take(&queue, now));
        let spool = Spool::in_memory(relay_spool::Settings::default()).expect("memory");
        let target = spool.target("upstream").expect("memory");
        let dropped = (1..4).map(|id| Dropped {
            id: RecordId::new(id),
            target,
            project: id,
            key: KEY.to_owned(),
            items: ERROR.to_owned(),
            item_count: 1,
        });
        queue.given_up(0, &dropped.collect::<Vec<_>>(), &Loss::SpoolFull);
        assert_eq!(discarded(&queue), 1, "the third waited");
        queue.delivered(first);
        assert_eq!(discarded(&queue), 1);
        queue.put_off(second, after(now, 60));
        assert_eq!(discarded(&queue), 2, "it has no place to come back to");
        assert!(!queue.has_work(after(now, 120)));
    }

    #[test]
    fn without_a_spool_what_is_too_old_goes_from_here() {
        let (queue, now) = (queue([1, 2]), Instant::now());
        let first = take(&queue, now);
        queue.put_off(first, after(now, 60));
        queue.expire(SystemTime::UNIX_EPOCH);
        assert_eq!(discarded(&queue), 0);
        queue.expire(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        assert_eq!(discarded(&queue), 2);
        assert!(!queue.has_work(after(now, 60)));
    }

    /// Has the thread of `spool` wait until the first is dropped; the second says when it begins to.
    fn busy(spool: &Spool) -> (mpsc::Sender<()>, mpsc::Receiver<()>) {
        let (release, released) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel();
        spool.body(RecordId::default(), move |_| {
            begin.send(()).expect("the test waits for it");
            // An error is the end of the wait.
            let _ = released.recv();
        });
        (release, begun)
    }

    #[test]
    fn what_is_delivered_while_the_spool_gives_it_up_counts_once() {
        let spool = Spool::in_memory(relay_spool::Settings::default()).expect("memory");
        let target = spool.target("upstream").expect("memory");
        let pace = pace();
        let ledger = Arc::<Ledger>::default();
        let (budget, changed) = (Budget::new(0), Arc::default());
        let lanes = vec![Lane::new(Some(target), false)];
        let queue = Queue::new(0, lanes, pace, Some(spool.clone()), budget, ledger, changed);
        let queue = Arc::new(queue);

        let mut record = record(1);
        queue.ledger.received(1);
        let meta = record.meta(target, None);
        let new = vec![relay_spool::NewRecord { meta, body: bytes::Bytes::new() }];
        let appended = relay_spool::blocking(|reply| spool.append(new, reply)).expect("memory");
        record.id = appended.stored[0].expect("there is room");
        queue.stored(record);
        let record = take(&queue, Instant::now());

        let (first, begun) = busy(&spool);
        begun.recv().expect("it has nothing else to do");
        // In one turn, which begins when the first wait ends: another wait, and giving up what is too old.
        let (second, begun) = busy(&spool);
        let (expire, (tell, told)) = (Arc::clone(&queue), mpsc::channel());
        spool.expire(SystemTime::now(), 10, move |dropped| {
            let dropped = dropped.expect("memory");
            expire.given_up(0, &dropped, &Loss::Expired);
            tell.send(dropped.len()).expect("waited for below");
        });
        drop(first);
        begun.recv().expect("it is its turn");
        queue.delivered(record);
        drop(second);
        assert_eq!(told.recv(), Ok(1), "the spool gave it up");
        let stats = queue.ledger.stats(None);
        assert_eq!((stats.delivered, stats.waiting), (1, 0), "{stats:?}");
        assert_eq!(stats.discarded_total(), 0, "{stats:?}");
    }

    #[test]
    fn what_was_tried_once_keeps_its_body_on_the_disk_alone() {
        let spool = Spool::in_memory(relay_spool::Settings::default()).expect("memory");
        let lanes = vec![Lane::new(spool.target("upstream").ok(), false)];
        let (budget, ledger) = (Budget::new(40_000), Arc::default());
        let changed = Arc::default();
        let queue = Queue::new(0, lanes, pace(), Some(spool), Arc::clone(&budget), ledger, changed);
        let (queue, now) = (Arc::new(queue), Instant::now());
        let mut record = record(1);
        record.set_body(vec![b'x'; 10_000].into(), ContentEncoding::Identity);
        let occupied = record.occupied();
        record.memory = budget.take(occupied + 10_000);
        queue.stored(record);
        let record = take(&queue, now);
        assert!(record.body.is_some());
        assert!(budget.reserve(30_000).is_err(), "its body holds some of that");
        queue.put_back(record, None, now, now, 0.0);
        let record = take(&queue, now + Duration::from_secs(60));
        assert!(record.body.is_none());
        assert!(budget.reserve(30_000).is_ok());
    }

    fn discarded(queue: &Queue) -> u64 {
        queue.ledger.stats(None).discarded_total()
    }
}
