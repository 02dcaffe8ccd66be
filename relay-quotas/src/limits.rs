use std::time::{Duration, SystemTime};

use crate::{DataCategories, DataCategory, RateLimit};

/// Rate limits, at most one for the same scope, categories and namespaces.
///
/// Bounded: of more than [`MAX_LEN`](Self::MAX_LEN) limits those that last longest are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Ascending by identity.
    limits: Vec<RateLimit>,
}

impl RateLimits {
    /// How many limits are kept. A real upstream names a handful.
    pub const MAX_LEN: usize = 64;

    /// No limits.
    pub const fn new() -> Self {
        Self { limits: Vec::new() }
    }

    /// Adds a limit. Of two limits with the same scope, categories and namespaces the one with the later
    /// expiry stays.
    pub fn insert(&mut self, limit: RateLimit) {
        match self.limits.binary_search_by(|known| known.cmp_identity(&limit)) {
            Ok(index) => {
                if let Some(known) = self.limits.get_mut(index)
                    && known.cmp_weight(&limit).is_lt()
                {
                    *known = limit;
                }
            }
            Err(index) => {
                self.limits.insert(index, limit);
                if self.limits.len() > Self::MAX_LEN {
                    self.remove_lightest();
                }
            }
        }
    }

    /// Adds all limits of `other`, as [`insert`](Self::insert) does. The order of merging does not matter.
    pub fn merge(&mut self, other: Self) {
        other.limits.into_iter().for_each(|limit| self.insert(limit));
    }

    /// The limit that holds `category` back at `now`: of several the one that lasts longest.
    ///
    /// "May I send this?" is `active(category, now).is_none()`, or [`is_limited`](Self::is_limited).
    pub fn active(&self, category: DataCategory, now: SystemTime) -> Option<&RateLimit> {
        self.limits
            .iter()
            .filter(|limit| limit.until > now && limit.matches(category))
            .max_by(|a, b| a.cmp_weight(b))
    }

    /// Whether any limit holds `category` back at `now`.
    pub fn is_limited(&self, category: DataCategory, now: SystemTime) -> bool {
        self.limits.iter().any(|limit| limit.until > now && limit.matches(category))
    }

    /// The limits that hold any of `categories` back at `now`: those to announce to a sender of such data.
    pub fn select(&self, categories: DataCategories, now: SystemTime) -> Self {
        let applies = |limit: &&RateLimit| {
            limit.until > now && categories.iter().any(|category| limit.matches(category))
        };
        Self { limits: self.limits.iter().filter(applies).cloned().collect() }
    }

    /// The time until the last limit is over, rounded up to whole seconds: the value of `Retry-After`.
    /// `None` if no limit is in force at `now`.
    pub fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        self.limits.iter().filter_map(|limit| limit.remaining(now)).max()
    }

    /// Forgets the limits that are over at `now`.
    pub fn clean(&mut self, now: SystemTime) {
        self.limits.retain(|limit| limit.until > now);
    }

    /// Whether there are no limits, not even some that are over.
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// The limits, those that are over included, by scope from wide to narrow.
    pub fn iter(&self) -> std::slice::Iter<'_, RateLimit> {
        self.limits.iter()
    }

    fn remove_lightest(&mut self) {
        let lightest = self.limits.iter().enumerate().min_by(|(_, a), (_, b)| a.cmp_weight(b));
        if let Some((index, _)) = lightest {
            self.limits.remove(index);
        }
    }
}

impl<'a> IntoIterator for &'a RateLimits {
    type Item = &'a RateLimit;
    type IntoIter = std::slice::Iter<'a, RateLimit>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
