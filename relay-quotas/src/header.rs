//! The headers `X-Sentry-Rate-Limits` and `Retry-After`.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use crate::{
    DataCategories, DataCategory, Namespace, Namespaces, RateLimit, RateLimits, ReasonCode, Scope,
};

/// The longest limit that is believed. Quotas are counted by the month at most; a longer limit is a
/// mistake, and asking again after a month costs nothing.
const MAX_DURATION: Duration = Duration::from_secs(31 * 24 * 60 * 60);

impl RateLimits {
    /// Reads the limits that an answer with status 429 names; headers of other answers are not meant.
    ///
    /// `header` is the value of `X-Sentry-Rate-Limits`, several lines joined by `, `, empty if there is
    /// none. `retry_after` is the value of `Retry-After`; it counts only if the header names no limit.
    ///
    /// Never fails: an entry without a readable number of seconds is skipped, a name that is not known
    /// limits nothing, and a number of seconds is cut to 31 days. A limit on transactions covers spans
    /// too and the other way round.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use relay_quotas::{DataCategory, RateLimits};
    ///
    /// let now = SystemTime::now();
    /// let limits = RateLimits::parse("60:error;security:project:quota, 10:replay:key", None, now);
    /// assert!(limits.is_limited(DataCategory::Error, now));
    /// assert!(!limits.is_limited(DataCategory::Session, now));
    /// ```
    pub fn parse(header: &str, retry_after: Option<&str>, now: SystemTime) -> Self {
        Self::from_headers([header], retry_after.map(str::as_bytes), now)
    }

    /// Like [`parse`](Self::parse), from the raw values of all lines of `X-Sentry-Rate-Limits`.
    ///
    /// Takes what the `http` crate gives: `headers.get_all("x-sentry-rate-limits")` and
    /// `headers.get("retry-after").map(|value| value.as_bytes())`.
    pub fn from_headers<V: AsRef<[u8]>>(
        lines: impl IntoIterator<Item = V>,
        retry_after: Option<&[u8]>,
        now: SystemTime,
    ) -> Self {
        let mut limits = Self::new();
        for line in lines {
            // A line that is not UTF-8 must not hide the readable entries beside it.
            let line = String::from_utf8_lossy(line.as_ref());
            line.split(',')
                .filter_map(|entry| parse_entry(entry, now))
                .for_each(|limit| limits.insert(limit));
        }
        if limits.is_empty()
            && let Some(value) = retry_after
            && let Some(until) = parse_end(&String::from_utf8_lossy(value), now)
        {
            limits.insert(RateLimit {
                categories: DataCategories::EMPTY,
                scope: Scope::Key,
                reason: Some(ReasonCode::generic()),
                namespaces: Namespaces::EMPTY,
                until,
            });
        }
        limits
    }

    /// Writes the limits in force at `now` as the value of `X-Sentry-Rate-Limits`, `None` if there are
    /// none. The value is printable ASCII.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use relay_quotas::RateLimits;
    ///
    /// let now = SystemTime::now();
    /// let limits = RateLimits::parse("42::organization:my_limit, 4711:span:project", None, now);
    /// let later = now + Duration::from_millis(1500);
    /// assert_eq!(
    ///     limits.header(later).as_deref(),
    ///     Some("41::organization:my_limit, 4710:transaction;span:project"),
    /// );
    /// assert_eq!(limits.retry_after(later), Some(Duration::from_secs(4710)));
    /// ```
    pub fn header(&self, now: SystemTime) -> Option<String> {
        let mut header = String::new();
        for limit in self {
            let Some(remaining) = limit.remaining(now) else { continue };
            if !header.is_empty() {
                header.push_str(", ");
            }
            write_entry(&mut header, limit, remaining);
        }
        (!header.is_empty()).then_some(header)
    }
}

/// `seconds[:categories[:scope[:reason[:namespaces]]]]`, further parts are ignored; `None` if it limits
/// nothing.
fn parse_entry(entry: &str, now: SystemTime) -> Option<RateLimit> {
    let mut parts = entry.split(':').map(str::trim);
    let until = parse_end(parts.next()?, now)?;
    let categories = names(parts.next()).map(DataCategory::from_name).collect();
    let scope = Scope::from_name(parts.next().unwrap_or_default());
    // A reason that cannot be passed on is no reason to ignore the limit.
    let reason = parts.next().and_then(|code| code.parse().ok());
    let namespaces = names(parts.next()).map(Namespace::from_name).collect();
    Some(RateLimit { categories: with_partner(categories), scope, reason, namespaces, until })
}

fn names(part: Option<&str>) -> impl Iterator<Item = &str> {
    part.unwrap_or_default().split(';').map(str::trim).filter(|name| !name.is_empty())
}

/// When a limit of that many seconds is over; `None` if the text is no number or the limit is over now.
/// HTTP dates are not read, as in the reference.
fn parse_end(seconds: &str, now: SystemTime) -> Option<SystemTime> {
    let seconds = seconds.trim().parse::<f64>().ok().filter(|&seconds| seconds > 0.0)?;
    // The conversion saturates.
    let duration = Duration::from_secs(seconds.ceil() as u64).min(MAX_DURATION);
    now.checked_add(duration)
}

/// Transactions are made of spans: an upstream that has no room for the one has none for the other.
fn with_partner(mut categories: DataCategories) -> DataCategories {
    let pair = DataCategories::from_iter([DataCategory::Transaction, DataCategory::Span]);
    if categories.intersects(pair) {
        categories.extend(pair);
    }
    categories
}

fn write_entry(header: &mut String, limit: &RateLimit, remaining: Duration) {
    // Writing to a string cannot fail.
    let _ = write!(header, "{}:", remaining.as_secs());
    push_joined(header, limit.categories.iter().map(DataCategory::name));
    header.push(':');
    header.push_str(limit.scope.name());
    if limit.reason.is_some() || !limit.namespaces.is_empty() {
        header.push(':');
        header.push_str(limit.reason.as_ref().map_or("", ReasonCode::as_str));
    }
    if !limit.namespaces.is_empty() {
        header.push(':');
        push_joined(header, limit.namespaces.iter().map(Namespace::name));
    }
}

fn push_joined<'a>(header: &mut String, names: impl Iterator<Item = &'a str>) {
    for (index, name) in names.enumerate() {
        if index > 0 {
            header.push(';');
        }
        header.push_str(name);
    }
}
