//! The byte budget: one bound for everything that arrives and waits in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of bytes that request bodies in flight and envelopes waiting in memory share.
#[derive(Debug)]
pub(crate) struct Budget {
    total: usize,
    used: AtomicUsize,
}

/// The budget has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("relay is running out of memory")]
pub(crate) enum OverBudget {
    /// Others have it; later it may be free.
    Now,
    /// Not even if nobody else had any of it (decision 0002).
    Ever,
}

/// What a connection takes that has not said anything, in bytes: measured, with ten thousand of them.
pub(crate) const SILENT_CONNECTION: usize = 1536;

/// And one that has: HTTP, its buffers, and a request in the middle of its way.
pub(crate) const OPEN_CONNECTION: usize = 16 * 1024;

impl Budget {
    pub(crate) fn new(total: usize) -> Arc<Self> {
        Arc::new(Self { total, used: AtomicUsize::new(0) })
    }

    /// What one body may take: the rest is for connections, or a body that fits into an empty budget would be put off for
    /// as long as anybody else is connected.
    pub(crate) fn largest(&self) -> usize {
        self.total - self.total / 8
    }

    /// Whether less than 95 % is taken.
    pub(crate) fn has_room(&self) -> bool {
        self.used.load(Ordering::Relaxed) < self.total / 20 * 19
    }

    /// Whether what waits should leave room for what arrives.
    pub(crate) fn is_half_taken(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.total / 2
    }

    /// Holds `bytes` whether or not there is room, for what must be known of something that waits already.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Reservation {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Reservation { budget: Arc::clone(self), bytes }
    }

    /// Holds `bytes` until the reservation is dropped.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: usize) -> Result<Reservation, OverBudget> {
        let mut reservation = Reservation { budget: Arc::clone(self), bytes: 0 };
        reservation.grow(bytes)?;
        Ok(reservation)
    }
}

/// A share of the budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Reservation {
    /// Takes `by` bytes more; on failure what was held stays held.
    pub(crate) fn grow(&mut self, by: usize) -> Result<(), OverBudget> {
        let Budget { total, used } = &*self.budget;
        let largest = self.budget.largest();
        used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(by).filter(|wanted| wanted <= total)
        })
        .map_err(|_| match self.bytes.checked_add(by) {
            Some(wanted) if wanted <= largest => OverBudget::Now,
            _ => OverBudget::Ever,
        })?;
        self.bytes += by;
        Ok(())
    }

    /// Makes sure that at least `bytes` are held.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), OverBudget> {
        self.grow(bytes.saturating_sub(self.bytes))
    }

    /// Takes `by` bytes more, whether or not there is room.
    pub(crate) fn insist(&mut self, by: usize) {
        self.budget.used.fetch_add(by, Ordering::Relaxed);
        self.bytes += by;
    }

    /// Hands over `bytes`, or all there are, to a reservation of their own.
    pub(crate) fn split_off(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { budget: Arc::clone(&self.budget), bytes }
    }

    /// Gives back `bytes`, or all there are.
    pub(crate) fn shrink_by(&mut self, bytes: usize) {
        self.shrink_to(self.bytes.saturating_sub(bytes));
    }

    /// Gives back what is held above `bytes`.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let surplus = self.bytes.saturating_sub(bytes);
        self.budget.used.fetch_sub(surplus, Ordering::Relaxed);
        self.bytes -= surplus;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_gives_back_what_it_took() {
        let budget = Budget::new(100);
        let mut held = budget.reserve(40).expect("40 of 100 fit");
        held.grow(60).expect("another 60 fit");
        assert_eq!(held.grow(1), Err(OverBudget::Ever));
        held.shrink_to(30);
        assert_eq!(budget.used.load(Ordering::Relaxed), 30);
        drop(held);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_refused_knows_whether_it_could_ever_fit() {
        let budget = Budget::new(800);
        assert_eq!(budget.largest(), 700);
        let mut held = budget.reserve(600).expect("600 of 800 fit");
        let _others = budget.take(200);
        assert_eq!(held.grow(100), Err(OverBudget::Now));
        assert_eq!(held.grow(101), Err(OverBudget::Ever));
        assert_eq!(budget.reserve(700).err(), Some(OverBudget::Now));
        assert_eq!(budget.reserve(701).err(), Some(OverBudget::Ever));
    }

    #[test]
    fn a_refused_reservation_holds_nothing() {
        let budget = Budget::new(100);
        assert_eq!(budget.reserve(101).err(), Some(OverBudget::Ever));
        assert_eq!(budget.reserve(usize::MAX).err(), Some(OverBudget::Ever));
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }
}
