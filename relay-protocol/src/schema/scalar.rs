//! Scalar values of the typed face.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::NaiveDateTime;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, in microseconds, no later than the year 9999.
///
/// Read from seconds since 1970, whole or not, and from RFC 3339 text, with or without a zone. Written as seconds with
/// a fraction.
///
/// ```
/// use relay_protocol::schema::Timestamp;
///
/// let time: Timestamp = "2024-01-02T03:04:05.5+02:00".parse()?;
/// assert_eq!(time.to_string(), "1704157445.5");
/// assert_eq!(serde_json::from_str::<Timestamp>("1704157445.5")?, time);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Behind the last microsecond of the year 9999.
    const END: i64 = 253_402_300_800 * 1_000_000;
    /// The first microsecond that a calendar of this crate reaches.
    const START: i64 = -62_167_219_200 * 1_000_000;

    /// A time that many microseconds after 1970. `None` before the year 0 and after 9999.
    pub fn from_micros(micros: i64) -> Option<Self> {
        (Self::START..Self::END).contains(&micros).then_some(Self(micros))
    }

    /// A time that many seconds after 1970, rounded to microseconds. `None` before the year 0 and after 9999.
    pub fn from_seconds(seconds: f64) -> Option<Self> {
        let micros = (seconds * 1e6).round();
        // A double holds these whole numbers exactly, and converting one saturates.
        if micros.is_finite() { Self::from_micros(micros as i64) } else { None }
    }

    /// Microseconds since 1970.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// Seconds since 1970.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The same as RFC 3339 text in UTC, such as `2024-01-02T03:04:05.500Z`.
    pub fn to_rfc3339(self) -> String {
        let time = chrono::DateTime::from_timestamp_micros(self.0);
        let time = time.expect("the calendar of chrono reaches further");
        time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
    }

    /// The same for the standard library. `None` if its clock does not reach that far.
    pub fn to_system_time(self) -> Option<SystemTime> {
        let offset = Duration::from_micros(self.0.unsigned_abs());
        if self.0 < 0 { UNIX_EPOCH.checked_sub(offset) } else { UNIX_EPOCH.checked_add(offset) }
    }
}

/// The text is no point in time. The message does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTimestampError {
    /// It does not begin as a date and a time of day.
    #[error("input contains invalid characters")]
    Characters,
    /// Something is missing at its end.
    #[error("premature end of input")]
    End,
    /// There is no such date, or it is out of reach.
    #[error("timestamp out of range")]
    Range,
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, ParseTimestampError> {
        parse_date_time(text.as_bytes())
    }
}

/// `YYYY-MM-DDTHH:MM:SS[.fraction][zone]`, the zone being `Z` or `±HH[:]MM`.
fn parse_date_time(text: &[u8]) -> Result<Timestamp, ParseTimestampError> {
    use ParseTimestampError::{Characters, End, Range};

    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range).ok_or(if text.len() < 10 { Characters } else { End })?;
        digits.iter().try_fold(0_u32, |number, byte| match byte {
            b'0'..=b'9' => Ok(number * 10 + u32::from(byte - b'0')),
            _ => Err(Characters),
        })
    };
    let separator = |at: usize, allowed: &[u8]| match text.get(at) {
        Some(byte) if allowed.contains(byte) => Ok(()),
        Some(b' ') | None => Err(End),
        Some(_) => Err(Characters),
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    separator(4, b"-").and(separator(7, b"-")).map_err(|_| Characters)?;
    separator(10, b"Tt")?;
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    separator(13, b":").and(separator(16, b":"))?;

    let mut at = 19;
    let mut micros = 0;
    if text.get(at) == Some(&b'.') {
        let digits = text[at + 1..].iter().take_while(|byte| byte.is_ascii_digit());
        let mut unit = 100_000_i64;
        let mut count = 0;
        for (index, digit) in digits.enumerate() {
            // Further digits are less than a microsecond; the first of them rounds.
            match index {
                0..6 => micros += i64::from(digit - b'0') * unit,
                6 if *digit >= b'5' => micros += 1,
                _ => {}
            }
            unit /= 10;
            count = index + 1;
        }
        if count == 0 {
            return Err(End);
        }
        at += 1 + count;
    }
    let offset = match text.get(at..) {
        Some([] | b"Z" | b"z") => 0,
        Some([sign @ (b'+' | b'-'), zone @ ..]) => {
            let start = at + 1;
            let minutes = match zone.len() {
                5 if zone[2] == b':' => number(start + 3..start + 5)?,
                4 => number(start + 2..start + 4)?,
                2 => 0,
                _ => return Err(End),
            };
            let offset = i64::from(number(start..start + 2)?) * 60 + i64::from(minutes);
            if minutes > 59 || offset >= 24 * 60 {
                return Err(Range);
            }
            if *sign == b'-' { -offset } else { offset }
        }
        _ => return Err(Characters),
    };
    let date = chrono::NaiveDate::from_ymd_opt(i32::try_from(year).map_err(|_| Range)?, month, day);
    // Second 60 is a leap second; it is counted as the first of the next minute.
    let leap = i64::from(second == 60);
    let time = chrono::NaiveTime::from_hms_opt(hour, minute, second - second / 60);
    let (date, time) = date.zip(time).ok_or(Range)?;
    let seconds = NaiveDateTime::new(date, time).and_utc().timestamp() + leap - offset * 60;
    Timestamp::from_micros(seconds * 1_000_000 + micros).ok_or(Range)
}

/// As it is written in JSON: at least one digit after the point.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (seconds, micros) =
            (self.0.unsigned_abs() / 1_000_000, self.0.unsigned_abs() % 1_000_000);
        let (mut fraction, mut digits) = (micros, 6);
        while digits > 1 && fraction % 10 == 0 {
            fraction /= 10;
            digits -= 1;
        }
        write!(f, "{sign}{seconds}.{fraction:0digits$}")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.seconds())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TimestampVisitor;

        impl Visitor<'_> for TimestampVisitor {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a timestamp")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_f64<E: Error>(self, seconds: f64) -> Result<Timestamp, E> {
                Timestamp::from_seconds(seconds)
                    .ok_or_else(|| E::invalid_value(Unexpected::Float(seconds), &self))
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<Timestamp, E> {
                self.visit_f64(seconds as f64)
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<Timestamp, E> {
                self.visit_f64(seconds as f64)
            }
        }

        deserializer.deserialize_any(TimestampVisitor)
    }
}

/// An address in memory: `0x` and hex digits. Read from decimal digits and numbers as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub u64);

/// The text is no address. The message does not repeat the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseAddressError(#[from] std::num::ParseIntError);

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        Ok(match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => Self(u64::from_str_radix(digits, 16)?),
            None => Self(text.parse()?),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AddressVisitor;

        impl Visitor<'_> for AddressVisitor {
            type Value = Address;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Address, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Address, E> {
                Ok(Address(number))
            }
        }

        deserializer.deserialize_any(AddressVisitor)
    }
}

/// What a thread goes by: a number or a text, which stay what they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ThreadId {
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
}

impl From<u64> for ThreadId {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for ThreadId {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Times that are written as RFC 3339 text.
pub(super) mod rfc3339 {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::Timestamp;

    pub(in crate::schema) fn serialize<S: Serializer>(
        time: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&time.to_rfc3339())
    }

    pub(in crate::schema) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        Timestamp::deserialize(deserializer)
    }

    /// The same for a time that may be absent.
    pub(in crate::schema) mod option {
        use serde::{Deserialize as _, Deserializer, Serializer};

        use super::Timestamp;

        pub(in crate::schema) fn serialize<S: Serializer>(
            time: &Option<Timestamp>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => super::serialize(time, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(in crate::schema) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            Option::deserialize(deserializer)
        }
    }
}
