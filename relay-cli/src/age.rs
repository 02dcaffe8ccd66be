//! Times for people: how long ago, how long still, and when.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};

/// Seconds of the units, largest first.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// A length of time, shown in the largest unit of which there are two, or in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Age(pub(crate) Duration);

impl Age {
    /// From `earlier` to `later`; none if it is the other way around.
    pub(crate) fn between(earlier: SystemTime, later: SystemTime) -> Self {
        Self(later.duration_since(earlier).unwrap_or_default())
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (unit, factor) =
            UNITS.into_iter().find(|(_, factor)| seconds / factor >= 2).unwrap_or(('s', 1));
        f.pad(&format!("{}{unit}", seconds / factor))
    }
}

/// A time as RFC 3339 has it, to the millisecond; one that no calendar has as milliseconds since 1970.
pub(crate) fn timestamp(time: SystemTime) -> String {
    let millis = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    i64::try_from(millis).ok().and_then(DateTime::from_timestamp_millis).map_or_else(
        || millis.to_string(),
        |time| time.to_rfc3339_opts(SecondsFormat::Millis, true),
    )
}

/// A time as an argument names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// So long ago: `90s`, `15m`, `12h`, `7d`.
    Ago(Duration),
    /// `2026-03-01T12:00:00Z`, or `2026-03-01` for its first moment in UTC.
    At(SystemTime),
}

impl Moment {
    /// The time, for who asks at `now`. What is before 1970 stands for that.
    pub(crate) fn at(self, now: SystemTime) -> SystemTime {
        match self {
            Self::Ago(age) => now.checked_sub(age).map_or(UNIX_EPOCH, |time| time.max(UNIX_EPOCH)),
            Self::At(time) => time,
        }
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a time, as 2026-03-01 or 2026-03-01T12:00:00Z, or an age, as 90s, 15m, 12h or 7d"
)]
pub(crate) struct ParseMomentError;

impl FromStr for Moment {
    type Err = ParseMomentError;

    fn from_str(text: &str) -> Result<Self, ParseMomentError> {
        let age = UNITS.into_iter().find_map(|(unit, factor)| {
            let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
            number.checked_mul(factor).map(Duration::from_secs)
        });
        if let Some(age) = age {
            return Ok(Self::Ago(age));
        }
        let date =
            || NaiveDate::from_str(text).ok().map(|date| date.and_time(NaiveTime::MIN).and_utc());
        let time = DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc));
        let time = time.or_else(date).ok_or(ParseMomentError)?;
        let millis = u64::try_from(time.timestamp_millis()).unwrap_or_default();
        Ok(Self::At(UNIX_EPOCH + Duration::from_millis(millis)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn an_age_is_shown_in_the_unit_that_says_enough() {
        for (seconds, text) in
            [(0, "0s"), (119, "119s"), (120, "2m"), (7_199, "119m"), (7_200, "2h"), (172_800, "2d")]
        {
            assert_eq!(Age(Duration::from_secs(seconds)).to_string(), text);
        }
        assert_eq!(Age::between(at(2), at(1)).to_string(), "0s");
    }

    #[test]
    fn a_time_is_shown_as_rfc_3339_if_the_calendar_has_it() {
        assert_eq!(timestamp(at(1_800_000_000)), "2027-01-15T08:00:00.000Z");
        assert_eq!(timestamp(at(9_000_000_000_000_000)), "9000000000000000000");
    }

    #[test]
    fn a_moment_is_an_age_a_date_or_a_time() {
        for (text, expected) in [
            ("90s", at(1_000_000 - 90)),
            ("2h", at(1_000_000 - 7_200)),
            ("7d", at(1_000_000 - 604_800)),
            ("999999d", at(0)),
            ("1970-01-02", at(86_400)),
            ("1970-01-01T01:00:00+01:00", at(0)),
            ("1960-01-01", at(0)),
        ] {
            let moment: Moment = text.parse().expect("a moment");
            assert_eq!(moment.at(at(1_000_000)), expected, "{text}");
        }
        for text in ["", "s", "-1s", "1", "1w", "99999999999999999999d", "2026-13-01", "7 d"] {
            assert_eq!(text.parse::<Moment>(), Err(ParseMomentError), "{text}");
        }
    }
}
