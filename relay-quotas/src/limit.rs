use std::cmp::Ordering;
use std::time::{Duration, SystemTime};

use crate::{DataCategories, DataCategory, Namespaces, ReasonCode};

/// A quota in force: what may not be sent, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// The categories that are limited; an empty set means all of them.
    ///
    /// [`Unknown`](DataCategory::Unknown) in the set stands for names this version does not know and
    /// matches nothing.
    pub categories: DataCategories,
    /// Whose quota it is.
    pub scope: Scope,
    /// Why, if the quota says so.
    pub reason: Option<ReasonCode>,
    /// The metric namespaces that are limited. A limit with namespaces holds back nothing but metric
    /// buckets, whatever its categories; an empty set narrows nothing.
    pub namespaces: Namespaces,
    /// The first moment at which the limit is over.
    pub until: SystemTime,
}

/// Whose quota a limit belongs to, from wide to narrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// All projects of the organization.
    Organization,
    /// All keys of the project.
    Project,
    /// One key of the project.
    Key,
}

impl Scope {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Project => "project",
            Self::Key => "key",
        }
    }

    /// The scope called `name`, in exactly that case; any other name, or none, means the key.
    pub fn from_name(name: &str) -> Self {
        match name {
            "organization" => Self::Organization,
            "project" => Self::Project,
            _ => Self::Key,
        }
    }
}

impl RateLimit {
    /// Whether the limit speaks of the category, in force or not.
    ///
    /// Metric buckets match a limit on any of their namespaces.
    pub fn matches(&self, category: DataCategory) -> bool {
        let named = category != DataCategory::Unknown && self.categories.contains(category);
        (named || self.categories.is_empty())
            && (self.namespaces.is_empty() || category == DataCategory::MetricBucket)
    }

    /// The time until the limit is over, rounded up to whole seconds; `None` if it is over at `now`.
    pub fn remaining(&self, now: SystemTime) -> Option<Duration> {
        let left = self.until.duration_since(now).ok().filter(|left| !left.is_zero())?;
        Some(Duration::from_secs(left.as_secs().saturating_add((left.subsec_nanos() > 0).into())))
    }

    /// Two limits that agree here are one limit: the later expiry wins.
    fn identity(&self) -> (Scope, DataCategories, Namespaces) {
        (self.scope, self.categories, self.namespaces)
    }

    pub(crate) fn cmp_identity(&self, other: &Self) -> Ordering {
        self.identity().cmp(&other.identity())
    }

    /// Which of two limits is kept where there is room for one: the longer. Total, so that the result
    /// does not depend on the order in which limits arrive.
    pub(crate) fn cmp_weight(&self, other: &Self) -> Ordering {
        let weight = |limit: &Self| (limit.until, limit.identity());
        weight(self).cmp(&weight(other)).then_with(|| self.reason.cmp(&other.reason))
    }
}
