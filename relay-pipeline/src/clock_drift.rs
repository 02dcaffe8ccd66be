//! Wrong clocks of senders (spec/ingest.md 5.4, spec/processing.md 3.1).

use chrono::{DateTime, TimeDelta, Utc};
use relay_protocol::schema::Timestamp;

/// How far the clock of a sender is behind ours, where it is wrong.
///
/// ```
/// use relay_pipeline::ClockDrift;
///
/// let sent = "2026-01-02T01:04:05Z".parse()?;
/// let received = "2026-01-02T03:04:05Z".parse()?;
/// let drift = ClockDrift::between(Some(sent), received).expect("two hours are no delay");
/// let session_started = "2026-01-02T00:00:00Z".parse()?;
/// assert_eq!(drift.correct(session_started).to_rfc3339(), "2026-01-02T02:00:00Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockDrift(TimeDelta);

/// From this difference on the sender's clock is wrong; what is less may be the way.
const MIN_DRIFT: TimeDelta = TimeDelta::minutes(55);

impl ClockDrift {
    /// What `sent_at` of an envelope, by the sender's clock, tells against the time it was received. `None` for a clock
    /// that is well enough, and where the sender says nothing.
    pub fn between(sent_at: Option<DateTime<Utc>>, received_at: DateTime<Utc>) -> Option<Self> {
        let drift = received_at - sent_at?;
        (drift.num_seconds().abs() >= MIN_DRIFT.num_seconds()).then_some(Self(drift))
    }

    /// The same moment by our clock; unchanged if that is out of reach.
    pub fn correct(self, time: Timestamp) -> Timestamp {
        let micros = self.0.num_microseconds().and_then(|drift| time.micros().checked_add(drift));
        micros.and_then(Timestamp::from_micros).unwrap_or(time)
    }

    /// Seconds to add.
    pub fn seconds(self) -> f64 {
        self.0.num_microseconds().unwrap_or_default() as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_five_minutes_make_a_wrong_clock_in_either_direction() {
        let received = "2026-01-02T03:00:00Z".parse().expect("a time");
        for (sent, drifts) in [
            ("2026-01-02T02:05:00Z", true),
            ("2026-01-02T02:05:00.1Z", false),
            ("2026-01-02T03:55:00Z", true),
            ("2026-01-02T03:54:59Z", false),
        ] {
            let sent = sent.parse().expect("a time");
            assert_eq!(ClockDrift::between(Some(sent), received).is_some(), drifts, "{sent}");
        }
        assert_eq!(ClockDrift::between(None, received), None);
    }
}
