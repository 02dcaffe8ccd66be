//! What must be in the spool, and what may be, told from the marks of a schedule alone.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use relay_spool::{Stored, TargetId};

use crate::record;
use crate::schedule::Kind;

/// The spool as somebody knows it who only saw the requests and the answers.
pub(crate) struct Model {
    kind: Kind,
    records: BTreeMap<u64, Fate>,
    numbers: BTreeMap<u64, u64>,
    /// Appends without an answer yet: when they were asked for, first record, how many.
    in_flight: BTreeMap<u64, Append>,
    drops_in_flight: BTreeSet<u64>,
    /// Changes that ride along with the next commit, each with the time of the request.
    riding: Vec<(usize, Riding)>,
    damaged: bool,
    survivors: BTreeSet<u64>,
    pub(crate) last_id: u64,
    now: usize,
}

struct Append {
    asked: usize,
    first: u64,
    count: u64,
}

#[derive(Default)]
struct Fate {
    /// Once it was acknowledged.
    id: Option<u64>,
    removed: Removed,
    /// What `attempts` is at least.
    attempts: u32,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Removed {
    #[default]
    No,
    /// With the next commit.
    Asked,
    /// For good: a commit has been acknowledged since, or it was never stored.
    Surely,
}

#[derive(Clone, Copy)]
enum Riding {
    Remove(u64),
    Attempts(u64, u32),
}

impl Model {
    /// `marks` are all of the schedule: what survives the damage can only be told at its end.
    pub(crate) fn new<'a>(kind: Kind, marks: impl Iterator<Item = &'a str>) -> Self {
        let survivors =
            marks.filter_map(|mark| mark.strip_prefix("survivors ")).flat_map(numbers).collect();
        Self {
            kind,
            records: BTreeMap::new(),
            numbers: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            drops_in_flight: BTreeSet::new(),
            riding: Vec::new(),
            damaged: false,
            survivors,
            last_id: 0,
            now: 0,
        }
    }

    /// Takes in the next mark.
    pub(crate) fn mark(&mut self, mark: &str) {
        self.now += 1;
        let (word, rest) = mark.split_once(' ').unwrap_or((mark, ""));
        let (rest, dropped) = rest.split_once('|').unwrap_or((rest, ""));
        let words: Vec<u64> = numbers(rest).collect();
        match (word, &words[..]) {
            // Another process: whatever had no answer will have none.
            ("begun", _) => {
                self.in_flight.clear();
                self.riding.iter_mut().for_each(|(asked, _)| *asked = usize::MAX);
            }
            ("append", &[request, first, count]) => {
                self.in_flight.insert(request, Append { asked: self.now, first, count });
                for number in first..first + count {
                    self.records.insert(number, Fate::default());
                }
            }
            ("stored", [request, ids @ ..]) => {
                let append = self.in_flight.remove(request).expect("it was asked for");
                for (number, &id) in (append.first..).zip(ids) {
                    let fate = self.records.get_mut(&number).expect("it was asked for");
                    if id == 0 {
                        fate.removed = Removed::Surely;
                    } else {
                        fate.id = Some(id);
                        self.numbers.insert(id, number);
                        self.last_id = self.last_id.max(id);
                    }
                }
                self.gone(numbers(dropped));
                self.ride(append.asked);
            }
            ("failed", [request]) => {
                self.in_flight.remove(request);
            }
            ("remove", &[number]) => {
                let fate = self.records.get_mut(&number).expect("it was read");
                if fate.removed == Removed::No {
                    fate.removed = Removed::Asked;
                }
                self.riding.push((self.now, Riding::Remove(number)));
            }
            ("reschedule", &[number, attempts]) => {
                let attempts = u32::try_from(attempts).expect("not that many");
                self.riding.push((self.now, Riding::Attempts(number, attempts)));
            }
            ("drop", &[request]) => {
                self.drops_in_flight.insert(request);
            }
            ("dropped", [request, ids @ ..]) => {
                self.drops_in_flight.remove(request);
                self.gone(ids.iter().copied());
            }
            ("closed", []) => self.ride(self.now),
            ("damaged", []) => self.damaged = true,
            ("survivors", _) => {}
            _ => panic!("no such mark: {mark}"),
        }
    }

    fn gone(&mut self, ids: impl Iterator<Item = u64>) {
        for id in ids {
            // One that was never acknowledged has an id that nobody knows; it may be there or not.
            if let Some(number) = self.numbers.get(&id) {
                self.records.get_mut(number).expect("it has a number").removed = Removed::Surely;
            }
        }
    }

    /// What was asked for before `asked` is on the disk.
    fn ride(&mut self, asked: usize) {
        let (done, riding) = self.riding.drain(..).partition(|(at, _)| *at < asked);
        self.riding = riding;
        let done: Vec<(usize, Riding)> = done;
        for (_, riding) in done {
            match riding {
                Riding::Remove(number) => {
                    self.records.get_mut(&number).expect("it was read").removed = Removed::Surely;
                }
                Riding::Attempts(number, attempts) => {
                    self.records.get_mut(&number).expect("it was read").attempts = attempts;
                }
            }
        }
    }

    /// Whether what was found after a crash can be true.
    pub(crate) fn check(
        &self,
        found: &[(Stored, Bytes)],
        targets: &[TargetId],
    ) -> Result<(), String> {
        let mut present = BTreeSet::new();
        for (stored, body) in found {
            let number = record::number_of(stored);
            let id = stored.id.get();
            let fate = self.records.get(&number).ok_or(format!("record {number} is invented"))?;
            let target = targets[record::target_of(number)];
            // The names of targets may have been lost with the rest.
            let target = if self.damaged { stored.meta.target } else { target };
            let expected = record::record(number, self.kind.sizes(), target);
            if stored.meta != expected.meta || *body != expected.body {
                return Err(format!("record {number} is not what was stored"));
            }
            if !present.insert(number) {
                return Err(format!("record {number} is there twice"));
            }
            if fate.removed == Removed::Surely {
                return Err(format!("record {number} has come back"));
            }
            if fate.id.is_some_and(|known| known != id) {
                return Err(format!("record {number} has the id {id}, not {:?}", fate.id));
            }
            let attempts = stored.schedule.attempts;
            let may_be = |&(_, riding): &(usize, Riding)| matches!(riding, Riding::Attempts(n, may) if n == number && may == attempts);
            if attempts != fate.attempts && !self.riding.iter().any(may_be) {
                return Err(format!("record {number} has {attempts} attempts"));
            }
        }
        let may_be_dropped = !self.drops_in_flight.is_empty()
            || self.kind == Kind::Full && !self.in_flight.is_empty();
        for (number, fate) in &self.records {
            let damaged = self.damaged && !self.survivors.contains(number);
            let must_be_there = fate.id.is_some() && fate.removed == Removed::No;
            if must_be_there && !may_be_dropped && !damaged && !present.contains(number) {
                return Err(format!("record {number} was acknowledged and is lost"));
            }
        }
        if may_be_dropped || matches!(self.kind, Kind::FailingSync | Kind::Damage) {
            return Ok(());
        }
        // What was not answered yet is there whole or not at all, and in the order in which it was asked for.
        let mut missing = None;
        for (request, append) in &self.in_flight {
            let there = present.range(append.first..append.first + append.count).count() as u64;
            match (missing, there) {
                (_, 0) => missing = Some(request),
                (None, there) if there == append.count => {}
                (None, there) => {
                    return Err(format!("{there} of {} records of append {request}", append.count));
                }
                (Some(missing), _) => {
                    return Err(format!("append {request} is there, {missing} before it is not"));
                }
            }
        }
        Ok(())
    }
}

fn numbers(text: &str) -> impl Iterator<Item = u64> {
    text.split_whitespace().map(|word| word.parse().expect("a number"))
}
