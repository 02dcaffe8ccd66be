//! Status: what a spool holds and how it fares, to be asked for at any time.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::{Fault, TargetId, WhenFull};

/// How much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Records.
    pub records: u64,
    /// The items in them.
    pub items: u64,
    /// Their size: bodies, texts, and a flat rate for the rest.
    pub bytes: u64,
}

impl Totals {
    pub(crate) fn sum(all: impl Iterator<Item = Self>) -> Self {
        all.fold(Self::default(), |mut sum, totals| {
            sum += totals;
            sum
        })
    }

    /// Whether a spool that may hold `max_bytes` may have counted this.
    pub(crate) fn is_likely(&self, max_bytes: u64) -> bool {
        self.bytes <= max_bytes && self.records.max(self.items) <= self.bytes
    }
}

impl std::ops::AddAssign for Totals {
    /// A damaged file may say anything.
    fn add_assign(&mut self, other: Self) {
        self.records = self.records.saturating_add(other.records);
        self.items = self.items.saturating_add(other.items);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

impl std::ops::SubAssign for Totals {
    /// A damaged file may have held more than was counted: nothing goes below zero.
    fn sub_assign(&mut self, other: Self) {
        self.records = self.records.saturating_sub(other.records);
        self.items = self.items.saturating_sub(other.items);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }
}

/// What a spool holds and how it fares.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Status {
    /// What waits for each target.
    pub targets: Vec<(TargetId, Totals)>,
    /// The bytes that each target may hold.
    pub share: u64,
    /// What happens to a record that does not fit.
    pub when_full: WhenFull,
    /// When the oldest record was received; up to a second behind.
    pub oldest: Option<SystemTime>,
    /// The last write or read that failed; a read, until one succeeds; a write, until as much as failed could be
    /// written, with a megabyte to spare. That is tried about once a second, whether or not anybody writes.
    pub fault: Option<Fault>,
    /// How long commits took, sync included. Every record waits for one.
    pub commits: Latency,
    /// Items of records that a damaged file did not give back. An item that is removed after all, because its
    /// owner still had it, is taken off again.
    pub lost_items: u64,
    /// Whether a damaged file did not even tell how much was in it, so that more than `lost_items` may be lost.
    pub is_loss_unknown: bool,
    /// Where damaged files were put aside, in this process.
    pub set_aside: Vec<PathBuf>,
}

impl Status {
    /// Whether a target has taken 95 % of what it may.
    pub fn is_nearly_full(&self) -> bool {
        self.targets.iter().any(|(_, totals)| totals.bytes >= self.share / 20 * 19)
    }

    /// All targets together.
    pub fn total(&self) -> Totals {
        Totals::sum(self.targets.iter().map(|(_, totals)| *totals))
    }
}

/// A distribution of times, in powers of two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Latency {
    /// How many there were.
    pub count: u64,
    /// Their sum.
    pub sum: Duration,
    /// The longest.
    pub max: Duration,
    /// How many took less than 2, 4, 8 … microseconds, each in the first that holds it; the last takes the rest.
    pub buckets: [u64; Self::BUCKETS],
}

impl Latency {
    /// The last bucket begins at about four seconds.
    pub const BUCKETS: usize = 23;

    pub(crate) fn add(&mut self, time: Duration) {
        self.count += 1;
        self.sum += time;
        self.max = self.max.max(time);
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = micros.max(1).ilog2() as usize;
        if let Some(bucket) = self.buckets.get_mut(bucket.min(Self::BUCKETS - 1)) {
            *bucket += 1;
        }
    }

    /// A time that `share` (0 to 1) of all did not exceed, to the power of two above it.
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = (share * self.count as f64).ceil() as u64;
        let mut seen = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            seen += bucket;
            if seen >= wanted && seen > 0 {
                return Duration::from_micros(2 << index).min(self.max);
            }
        }
        self.max
    }
}
