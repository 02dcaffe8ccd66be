//! Rate limits learned from the upstream, by key.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use relay_dsn::ProjectKey;
use relay_quotas::RateLimits;

/// Keys remembered at most. Only keys that the upstream answered for get here.
const MAX_KEYS: usize = 100_000;

/// What the upstream said about each key, until it expires.
#[derive(Debug, Default)]
pub(crate) struct LearnedLimits {
    by_key: Mutex<HashMap<ProjectKey, RateLimits>>,
    /// Most relays never learn a limit: no lock then.
    any: AtomicBool,
}

impl LearnedLimits {
    /// The limits of `key`; expired ones may be among them.
    pub(crate) fn of(&self, key: ProjectKey) -> RateLimits {
        if !self.any.load(Ordering::Acquire) {
            return RateLimits::default();
        }
        self.by_key().get(&key).cloned().unwrap_or_default()
    }

    pub(crate) fn learn(&self, key: ProjectKey, limits: RateLimits, now: SystemTime) {
        let mut by_key = self.by_key();
        if by_key.len() >= MAX_KEYS {
            by_key.retain(|_, limits| {
                limits.clean(now);
                !limits.is_empty()
            });
        }
        if by_key.len() < MAX_KEYS || by_key.contains_key(&key) {
            by_key.entry(key).or_default().merge(limits);
            self.any.store(true, Ordering::Release);
        }
    }

    fn by_key(&self) -> MutexGuard<'_, HashMap<ProjectKey, RateLimits>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
