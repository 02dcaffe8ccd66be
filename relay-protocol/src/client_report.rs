use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, TimeDelta};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{DataCategory, DiscardReason, InvalidReason, ReasonCode};

/// The payload of a `client_report` item: what the sender dropped, and why.
///
/// SDKs fill only [`discarded_events`](Self::discarded_events); the other lists come from relays.
///
/// ```
/// use relay_protocol::ClientReport;
///
/// let payload = r#"{"discarded_events":[{"reason":"before_send","category":"error","quantity":2}]}"#;
/// let report: ClientReport = serde_json::from_str(payload)?;
/// assert_eq!(report.discarded_events[0].quantity, 2);
/// assert_eq!(serde_json::to_string(&report)?, payload);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientReport {
    /// When the data was dropped. Read from a UNIX time in seconds, whole or not, or from RFC 3339
    /// text; written in whole seconds. `None` means the time of receipt.
    #[serde(default, with = "timestamp", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<SystemTime>,
    /// What an SDK dropped, in its own words.
    pub discarded_events: Vec<DiscardedEvent>,
    /// What a relay dropped because of a rate limit; the reason is the code of the limit, or empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rate_limited_events: Vec<DiscardedEvent>,
    /// What a relay dropped because of an inbound filter; the reason is the key of the filter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filtered_events: Vec<DiscardedEvent>,
    /// What a relay dropped because of sampling; the reason is `Sampled:` and the ids of the rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filtered_sampling_events: Vec<DiscardedEvent>,
}

/// One line of a [`ClientReport`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscardedEvent {
    /// Why the data was dropped. Free text.
    pub reason: String,
    /// What the data counts as.
    pub category: DataCategory,
    /// How much of it was dropped, in the unit of the category.
    pub quantity: u64,
}

/// How far the clock of a sender may be ahead.
const MAX_AHEAD: Duration = Duration::from_secs(60);

impl ClientReport {
    /// Whether the report says nothing.
    pub fn is_empty(&self) -> bool {
        self.lists().iter().all(|list| list.is_empty())
    }

    /// Adds what a relay discarded, to the list where the protocol reports it.
    ///
    /// Of what was not acceptable, only failed signatures are reported; anything else leaves the report
    /// as it is. Quantities saturate.
    pub fn record(&mut self, reason: &DiscardReason, category: DataCategory, quantity: u64) {
        use InvalidReason::{InvalidSignature, MissingSignature};

        let list = match reason {
            DiscardReason::RateLimited(_) => &mut self.rate_limited_events,
            DiscardReason::Filtered(_) => &mut self.filtered_events,
            DiscardReason::Invalid(InvalidSignature | MissingSignature) => {
                &mut self.discarded_events
            }
            DiscardReason::Invalid(_) | DiscardReason::TooLarge(_) => return,
        };
        let reason = reason.as_str();
        match list.iter_mut().find(|line| line.category == category && line.reason == reason) {
            Some(line) => line.quantity = line.quantity.saturating_add(quantity),
            None => list.push(DiscardedEvent { reason: reason.to_owned(), category, quantity }),
        }
    }

    /// Adds the lines of another report, one line per reason and category. Quantities saturate; the
    /// earlier timestamp stays.
    pub fn merge(&mut self, other: Self) {
        self.timestamp = match (self.timestamp, other.timestamp) {
            (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
            (mine, theirs) => mine.or(theirs),
        };
        merge_lines(&mut self.discarded_events, other.discarded_events);
        merge_lines(&mut self.rate_limited_events, other.rate_limited_events);
        merge_lines(&mut self.filtered_events, other.filtered_events);
        merge_lines(&mut self.filtered_sampling_events, other.filtered_sampling_events);
    }

    /// Drops the lines that a receiver does not count: all of them if the report is older than
    /// `retention` or more than a minute ahead of `received`, otherwise those whose reason is longer
    /// than [`ReasonCode::MAX_LEN`] bytes and sampling reasons that name no rules.
    ///
    /// Correct the timestamp for the drift of the sender's clock first. Whether a filter of the project
    /// goes by the name in [`filtered_events`](Self::filtered_events) is for the caller to check.
    pub fn retain_valid(&mut self, received: SystemTime, retention: Duration) {
        let in_time = match received.duration_since(self.timestamp.unwrap_or(received)) {
            Ok(age) => age <= retention,
            Err(ahead) => ahead.duration() <= MAX_AHEAD,
        };
        for list in self.lists_mut() {
            list.retain(|line| in_time && line.reason.len() <= ReasonCode::MAX_LEN);
        }
        self.filtered_sampling_events.retain(|line| names_sampling_rules(&line.reason));
    }

    fn lists(&self) -> [&Vec<DiscardedEvent>; 4] {
        [
            &self.discarded_events,
            &self.rate_limited_events,
            &self.filtered_events,
            &self.filtered_sampling_events,
        ]
    }

    fn lists_mut(&mut self) -> [&mut Vec<DiscardedEvent>; 4] {
        [
            &mut self.discarded_events,
            &mut self.rate_limited_events,
            &mut self.filtered_events,
            &mut self.filtered_sampling_events,
        ]
    }
}

/// Sorts, so that a report with many distinct reasons costs no more than n log n.
fn merge_lines(lines: &mut Vec<DiscardedEvent>, others: Vec<DiscardedEvent>) {
    lines.extend(others);
    lines.sort_unstable_by(|a, b| (&a.reason, a.category.id()).cmp(&(&b.reason, b.category.id())));
    lines.dedup_by(|line, kept| {
        let same = line.category == kept.category && line.reason == kept.reason;
        if same {
            kept.quantity = kept.quantity.saturating_add(line.quantity);
        }
        same
    });
}

fn names_sampling_rules(reason: &str) -> bool {
    reason
        .strip_prefix("Sampled:")
        .is_some_and(|rules| rules.split(',').all(|rule| rule.parse::<u32>().is_ok()))
}

mod timestamp {
    use super::*;

    pub(super) fn serialize<S: Serializer>(
        timestamp: &Option<SystemTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match timestamp {
            None => serializer.serialize_none(),
            Some(time) => serializer.serialize_i64(unix_seconds(*time)),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        deserializer.deserialize_any(TimestampVisitor)
    }

    /// Rounds down, also before 1970.
    fn unix_seconds(time: SystemTime) -> i64 {
        let (seconds, rest) = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => (i64::try_from(after.as_secs()).unwrap_or(i64::MAX), 0),
            Err(before) => {
                let before = before.duration();
                (
                    -i64::try_from(before.as_secs()).unwrap_or(i64::MAX),
                    i64::from(before.subsec_nanos() > 0),
                )
            }
        };
        seconds - rest
    }

    struct TimestampVisitor;

    impl Visitor<'_> for TimestampVisitor {
        type Value = Option<SystemTime>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a UNIX time in seconds or an RFC 3339 date and time")
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_i64<E: Error>(self, seconds: i64) -> Result<Self::Value, E> {
            from_unix(seconds < 0, Duration::from_secs(seconds.unsigned_abs()))
        }

        fn visit_u64<E: Error>(self, seconds: u64) -> Result<Self::Value, E> {
            from_unix(false, Duration::from_secs(seconds))
        }

        fn visit_f64<E: Error>(self, seconds: f64) -> Result<Self::Value, E> {
            let offset = Duration::try_from_secs_f64(seconds.abs()).map_err(|_| out_of_range())?;
            from_unix(seconds < 0.0, offset)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            // The message does not repeat the text.
            let time = DateTime::parse_from_rfc3339(text)
                .map_err(|_| E::invalid_value(Unexpected::Other("text"), &self))?;
            let offset = time.to_utc() - DateTime::UNIX_EPOCH;
            from_unix(
                offset < TimeDelta::zero(),
                offset.abs().to_std().map_err(|_| out_of_range())?,
            )
        }
    }

    fn from_unix<E: Error>(before: bool, offset: Duration) -> Result<Option<SystemTime>, E> {
        let time = match before {
            false => UNIX_EPOCH.checked_add(offset),
            true => UNIX_EPOCH.checked_sub(offset),
        };
        time.map(Some).ok_or_else(out_of_range)
    }

    fn out_of_range<E: Error>() -> E {
        E::invalid_value(Unexpected::Other("time out of range"), &TimestampVisitor)
    }
}
