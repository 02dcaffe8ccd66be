//! The ledger: what became of every item. What came = delivered + waiting + discarded, at any time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use http::StatusCode;
use relay_protocol::DiscardReason;

use crate::record::Items;
use crate::reports::{Recipient, Reports};

/// Counts of envelope items since the relay started.
///
/// `recovered + received + made == delivered + waiting + discarded` holds whenever nothing is just moving from one to
/// another. An item that goes to several targets counts once for each.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Found waiting in the spool at the start.
    pub recovered: u64,
    /// In envelopes that could be read, from authenticated senders.
    pub received: u64,
    /// Made here: the client reports that tell the upstream of what was discarded.
    pub made: u64,
    /// Taken by the upstream.
    pub delivered: u64,
    /// Being taken in, in the queue, on their way, or captured.
    pub waiting: u64,
    /// By reason: `rate_limited:<code>`, `too_large:<type>`, `upstream_refused:<status>`, …
    pub discarded: BTreeMap<String, u64>,
    /// How often something was discarded that no client report tells of, because they would have become too many.
    pub unreported: u64,
    /// What is in the spool, how long its commits take, and what is wrong with it; `None` without one.
    pub spool: Option<relay_spool::Status>,
}

impl Stats {
    /// Whether every item is accounted for.
    pub fn adds_up(&self) -> bool {
        self.recovered + self.received + self.made
            == self.delivered + self.waiting + self.discarded_total()
    }

    /// The sum over all reasons.
    pub fn discarded_total(&self) -> u64 {
        self.discarded.values().sum()
    }
}

/// Why items left the relay other than towards the upstream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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

impl Loss {
    /// Whether the upstream is told of it in a client report.
    pub(crate) fn is_reported(&self) -> bool {
        match self {
            Self::Policy(_)
            | Self::UnknownType
            | Self::QueueFull
            | Self::Expired
            | Self::SpoolFull
            | Self::SpoolFailed
            | Self::Damaged
            | Self::Unreadable
            | Self::Refused(_)
            | Self::Shutdown
            | Self::Disconnected
            | Self::Purged => true,
            // It knows; it may still come from elsewhere; there is nobody to be told.
            Self::LimitedUpstream | Self::Exported | Self::CaptureFull => false,
        }
    }
}

/// Where every item is entered when it comes and when it goes.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    recovered: AtomicU64,
    received: AtomicU64,
    made: AtomicU64,
    delivered: AtomicU64,
    waiting: AtomicU64,
    discarded: Mutex<BTreeMap<String, u64>>,
    /// What the upstream is to be told of.
    pub(crate) reports: Reports,
}

impl Ledger {
    /// An empty one.
    pub(crate) fn new(reports: Reports) -> Self {
        Self { reports, ..Self::default() }
    }

    /// Items that waited when the relay started.
    pub(crate) fn recovered(&self, items: u64) {
        self.recovered.fetch_add(items, Ordering::Relaxed);
        self.waiting.fetch_add(items, Ordering::Relaxed);
    }

    /// Items that came in. From here on they wait, until they are delivered or discarded.
    pub(crate) fn received(&self, items: u64) {
        self.received.fetch_add(items, Ordering::Relaxed);
        self.waiting.fetch_add(items, Ordering::Relaxed);
    }

    /// Items that this relay made and stored.
    pub(crate) fn made(&self, items: u64) {
        self.made.fetch_add(items, Ordering::Relaxed);
        self.waiting.fetch_add(items, Ordering::Relaxed);
    }

    pub(crate) fn delivered(&self, items: u64) {
        self.waiting.fetch_sub(items, Ordering::Relaxed);
        self.delivered.fetch_add(items, Ordering::Relaxed);
    }

    /// Items that waited will not be delivered: the only way out beside the one to the upstream. `recipient` is who is to
    /// be told of it; there is none in capture mode, for a target that the configuration does not name any more, and
    /// where all that is known is that something was lost.
    pub(crate) fn discard(&self, recipient: Option<Recipient>, items: &Items, loss: &Loss) {
        let count = items.count();
        if count == 0 {
            return;
        }
        self.waiting.fetch_sub(count, Ordering::Relaxed);
        let mut discarded = self.discarded.lock().unwrap_or_else(PoisonError::into_inner);
        *discarded.entry(loss.to_string()).or_default() += count;
        drop(discarded);
        if let Some(recipient) = recipient.filter(|_| loss.is_reported()) {
            self.reports.tell(recipient, items, loss, SystemTime::now());
        }
    }

    /// Whatever still waits is lost, and nothing else is known of it.
    pub(crate) fn discard_the_rest(&self, loss: &Loss) {
        let rest = self.waiting.load(Ordering::Relaxed);
        self.discard(None, &Items::unknown(rest), loss);
    }

    /// Items that were given up to make room for newer ones.
    pub(crate) fn made_room(&self) -> u64 {
        let discarded = self.discarded.lock().unwrap_or_else(PoisonError::into_inner);
        discarded.get(&Loss::SpoolFull.to_string()).copied().unwrap_or_default()
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
            made: self.made.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed).saturating_sub(damaged),
            discarded,
            unreported: self.reports.unreported(),
            spool,
        }
    }
}
