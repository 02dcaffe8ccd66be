//! The ledger: what became of every item. Received = delivered + waiting + discarded, at any time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use http::StatusCode;
use relay_protocol::DiscardReason;

/// Counts of envelope items since the relay started.
///
/// `recovered + received == delivered + waiting + discarded` holds whenever no request is in the middle of its way. An
/// item that goes to several targets counts once for each.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Found waiting in the spool at the start.
    pub recovered: u64,
    /// In envelopes that could be read, from authenticated senders.
    pub received: u64,
    /// Taken by the upstream.
    pub delivered: u64,
    /// In the queue, on their way, or captured.
    pub waiting: u64,
    /// By reason: `rate_limited:<code>`, `too_large:<type>`, `upstream_refused:<status>`, …
    pub discarded: BTreeMap<String, u64>,
    /// What is in the spool, how long its commits take, and what is wrong with it; `None` without one.
    pub spool: Option<relay_spool::Status>,
}

impl Stats {
    /// Whether every item is accounted for.
    pub fn adds_up(&self) -> bool {
        self.recovered + self.received == self.delivered + self.waiting + self.discarded_total()
    }

    /// The sum over all reasons.
    pub fn discarded_total(&self) -> u64 {
        self.discarded.values().sum()
    }
}

/// Why items left the relay other than towards the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Decided on the way in.
    Policy(DiscardReason),
    /// Of a type unknown to us, and unknown types are not accepted.
    UnknownType,
    /// There was no room for the envelope; the SDK was told so.
    QueueFull,
    /// Waited for longer than it may.
    Expired,
    /// Made way for newer envelopes in a spool that was full.
    SpoolFull,
    /// Could not be stored; the SDK was told so.
    SpoolFailed,
    /// Was not what had been stored any more when it was read.
    Damaged,
    /// Could not be decoded again, to be sent in another encoding.
    Unreadable,
    /// The upstream said no, for good or for longer than the grace period.
    Refused(StatusCode),
    /// The upstream took the envelope and dropped these items by a rate limit, which it accounts for.
    LimitedUpstream,
    /// Still waiting when the time to shut down was over.
    Shutdown,
    /// Its client went away before it had a place to wait.
    Disconnected,
    /// Made way for newer captured envelopes.
    CaptureFull,
    /// Deleted over the capture API, or with `relay spool purge`.
    Purged,
    /// Moved into an archive with `relay spool export --remove`.
    Exported,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(reason @ DiscardReason::RateLimited(_)) => match reason.as_str() {
                "" => f.write_str("rate_limited"),
                code => write!(f, "rate_limited:{code}"),
            },
            Self::Policy(reason) => f.write_str(reason.as_str()),
            Self::UnknownType => f.write_str("unknown_type"),
            Self::QueueFull => f.write_str("queue_full"),
            Self::Expired => f.write_str("expired"),
            Self::SpoolFull => f.write_str("spool_full"),
            Self::SpoolFailed => f.write_str("spool_failed"),
            Self::Damaged => f.write_str("spool_damaged"),
            Self::Unreadable => f.write_str("internal"),
            Self::Refused(status) => write!(f, "upstream_refused:{}", status.as_u16()),
            Self::LimitedUpstream => f.write_str("upstream_rate_limited"),
            Self::Shutdown => f.write_str("shutdown"),
            Self::Disconnected => f.write_str("disconnected"),
            Self::CaptureFull => f.write_str("capture_full"),
            Self::Purged => f.write_str("purged"),
            Self::Exported => f.write_str("exported"),
        }
    }
}

/// Where every item is entered when it comes and when it goes.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    recovered: AtomicU64,
    received: AtomicU64,
    delivered: AtomicU64,
    waiting: AtomicU64,
    discarded: Mutex<BTreeMap<String, u64>>,
}

impl Ledger {
    /// Items that waited when the relay started.
    pub(crate) fn recovered(&self, items: u64) {
        self.recovered.fetch_add(items, Ordering::Relaxed);
        self.waiting.fetch_add(items, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, items: u64) {
        self.received.fetch_add(items, Ordering::Relaxed);
    }

    /// Items that were turned away before they waited anywhere.
    pub(crate) fn rejected(&self, items: u64, loss: &Loss) {
        if items > 0 {
            let mut discarded = self.discarded.lock().unwrap_or_else(PoisonError::into_inner);
            *discarded.entry(loss.to_string()).or_default() += items;
        }
    }

    /// Items that are about to wait.
    pub(crate) fn enter(&self, items: u64) -> Entry<'_> {
        self.waiting.fetch_add(items, Ordering::Relaxed);
        Entry { ledger: self, items }
    }

    pub(crate) fn delivered(&self, items: u64) {
        self.waiting.fetch_sub(items, Ordering::Relaxed);
        self.delivered.fetch_add(items, Ordering::Relaxed);
    }

    /// Items that waited and will not be delivered.
    pub(crate) fn lost(&self, items: u64, loss: &Loss) {
        self.waiting.fetch_sub(items, Ordering::Relaxed);
        self.rejected(items, loss);
    }

    /// Whatever still waits is lost; gives back how many items that are.
    pub(crate) fn lose_the_rest(&self, loss: &Loss) -> u64 {
        let rest = self.waiting.swap(0, Ordering::Relaxed);
        self.rejected(rest, loss);
        rest
    }

    /// What a damaged file took with it, only the spool knows.
    pub(crate) fn stats(&self, spool: Option<relay_spool::Status>) -> Stats {
        let damaged = spool.as_ref().map_or(0, |status| status.lost_items);
        let mut discarded = self.discarded.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if damaged > 0 {
            *discarded.entry(Loss::Damaged.to_string()).or_default() += damaged;
        }
        Stats {
            recovered: self.recovered.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed).saturating_sub(damaged),
            discarded,
            spool,
        }
    }
}

/// Items on the way to the place where they wait. Dropped on the way, as happens when a client hangs up, they are
/// accounted for.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    ledger: &'a Ledger,
    items: u64,
}

impl Entry<'_> {
    /// They are there.
    pub(crate) fn arrived(mut self) {
        self.items = 0;
    }

    /// They were turned away.
    pub(crate) fn refused(mut self, loss: &Loss) {
        self.ledger.lost(std::mem::take(&mut self.items), loss);
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.ledger.lost(self.items, &Loss::Disconnected);
    }
}
