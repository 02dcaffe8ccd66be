//! The verdict: what was acknowledged against what arrived.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::traffic::{Answer, Book, Sent};
use crate::upstream::{Arrivals, End, Upstream};

#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    /// By status.
    pub(crate) refused: BTreeMap<u16, u64>,
    /// Without an answer: the relay was not there, or not any more.
    pub(crate) unanswered: u64,
    /// Of those, delivered all the same: stored, but killed before the answer.
    pub(crate) unanswered_but_taken: u64,
    /// Acknowledged and not delivered, the first few by number.
    pub(crate) lost: u64,
    pub(crate) lost_numbers: Vec<u64>,
    /// Sent again because the upstream's answer had not reached the relay.
    pub(crate) again_answer_lost: u64,
    /// Sent again by the next relay, because the one before ended before the removal was committed.
    pub(crate) again_after_end: u64,
    /// Sent again for no reason known: in which life, and how long after it had been taken.
    pub(crate) again_unexplained: Vec<(u64, u64, Duration)>,
    /// Delivered with another content than was sent.
    pub(crate) altered: u64,
    /// Delivered and never sent, or refused.
    pub(crate) invented: Vec<String>,
}

impl Verdict {
    /// Compares; acknowledged envelopes that are not there yet count as lost.
    pub(crate) fn of(book: &Book, upstream: &Upstream) -> Self {
        let (sent, arrivals) = (book.sent(), upstream.arrivals());
        let mut verdict = Self { sent: sent.len() as u64, ..Self::default() };
        verdict.invented.clone_from(&arrivals.invented);
        for (number, sent) in &*sent {
            verdict.add(*number, sent, &arrivals);
        }
        for number in arrivals.receipts.keys().filter(|number| !sent.contains_key(number)) {
            verdict.invented.push(format!("number {number}"));
        }
        verdict
    }

    fn add(&mut self, number: u64, sent: &Sent, arrivals: &Arrivals) {
        let mut receipts = arrivals.receipts.get(&number).cloned().unwrap_or_default();
        // They were written down when they were answered, which may take longer for the first than for the next.
        receipts.sort_by_key(|receipt| receipt.at);
        let is_taken = receipts.iter().any(|receipt| receipt.end == End::Taken);
        match sent.answer {
            Answer::Acknowledged => {
                self.acknowledged += 1;
                if !is_taken {
                    self.lost += 1;
                    if self.lost_numbers.len() < 20 {
                        self.lost_numbers.push(number);
                    }
                }
            }
            Answer::Refused(status) => {
                *self.refused.entry(status).or_default() += 1;
                if is_taken {
                    self.invented.push(format!("number {number}, refused with {status}"));
                }
            }
            Answer::None => {
                self.unanswered += 1;
                self.unanswered_but_taken += u64::from(is_taken);
            }
        }
        self.altered += u64::from(receipts.iter().any(|receipt| receipt.digest != sent.digest));
        for pair in receipts.windows(2) {
            match (pair[0].end, pair[1].life > pair[0].life) {
                (End::Refused, _) => {}
                (End::AnswerLost, _) => self.again_answer_lost += 1,
                (End::Taken, true) => self.again_after_end += 1,
                (End::Taken, false) => {
                    let after = pair[1].at.saturating_duration_since(pair[0].at);
                    self.again_unexplained.push((number, pair[1].life, after));
                }
            }
        }
    }

    /// What no schedule excuses, apart from losses.
    pub(crate) fn assert_honest(&self) {
        assert!(self.acknowledged > 0, "{self:?}");
        let refused: u64 = self.refused.values().sum();
        assert_eq!(self.sent, self.acknowledged + refused + self.unanswered, "{self:?}");
        assert!(self.invented.is_empty(), "{self:?}");
        assert!(self.altered == 0 && self.again_unexplained.is_empty(), "{self:?}");
    }
}

/// Waits until everything that was acknowledged has been taken, or until nothing was for `patience`. How long that took.
pub(crate) fn drained(book: &Book, upstream: &Upstream, patience: Duration) -> Duration {
    let started = Instant::now();
    let mut progress = (0, started);
    let wanted: Vec<u64> = {
        let sent = book.sent();
        let acknowledged = sent.iter().filter(|(_, sent)| sent.answer == Answer::Acknowledged);
        acknowledged.map(|(number, _)| *number).collect()
    };
    let mut missing = wanted;
    loop {
        let taken = {
            let arrivals = upstream.arrivals();
            missing.retain(|number| {
                let receipts = arrivals.receipts.get(number);
                !receipts.is_some_and(|all| all.iter().any(|receipt| receipt.end == End::Taken))
            });
            arrivals.taken
        };
        if missing.is_empty() || (progress.0 == taken && progress.1.elapsed() > patience) {
            return started.elapsed();
        }
        if taken != progress.0 {
            progress = (taken, Instant::now());
        }
        upstream.wait(Duration::from_millis(100));
    }
}
