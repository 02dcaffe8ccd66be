//! Measurements and their units (spec/schema.md 9.1).

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::{Attributes, Shape, interface};
use crate::wire_enum::deserialize_from_str;

interface! {
    /// A number that was measured.
    Measurement = "measurement", other: Inherit {
        /// The number; finite.
        value: f64 = "value" { shape: Shape::FiniteFloat, required: true };
        /// Its unit. By default what the name implies.
        unit: MetricUnit = "unit";
    }
}

/// What is said of measurements by name.
pub(super) const MEASUREMENTS: Attributes =
    Attributes::of(Shape::Measurements(&<Measurement as super::Typed>::ATTRIBUTES));

/// The unit of a measurement or metric.
///
/// ```
/// use relay_protocol::schema::MetricUnit;
///
/// assert_eq!("ms".parse::<MetricUnit>()?.as_str(), "millisecond");
/// assert_eq!("Frames".parse::<MetricUnit>()?.as_str(), "frames");
/// assert!("a-b".parse::<MetricUnit>().is_err());
/// # Ok::<(), relay_protocol::schema::ParseMetricUnitError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MetricUnit {
    /// In UTF-8, the rest being zeros.
    text: [u8; Self::MAX_LEN],
    length: u8,
}

impl MetricUnit {
    /// The longest unit, in bytes.
    pub const MAX_LEN: usize = 15;
    /// No unit.
    pub const NONE: Self = Self::of("none");

    const KNOWN: [&'static str; 25] = [
        "none",
        "nanosecond",
        "microsecond",
        "millisecond",
        "second",
        "minute",
        "hour",
        "day",
        "week",
        "bit",
        "byte",
        "kilobyte",
        "kibibyte",
        "megabyte",
        "mebibyte",
        "gigabyte",
        "gibibyte",
        "terabyte",
        "tebibyte",
        "petabyte",
        "pebibyte",
        "exabyte",
        "exbibyte",
        "ratio",
        "percent",
    ];

    const fn of(unit: &str) -> Self {
        let mut text = [0; Self::MAX_LEN];
        let mut at = 0;
        while at < unit.len() {
            text[at] = unit.as_bytes()[at];
            at += 1;
        }
        Self { text, length: at as u8 }
    }

    /// The unit as it is written.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..usize::from(self.length)]).expect("only ASCII was let in")
    }

    /// Whether it is a unit that Sentry knows, and not one that somebody made up.
    pub fn is_known(&self) -> bool {
        Self::KNOWN.contains(&self.as_str())
    }
}

/// The text is no unit: longer than 15 characters, or not made of letters, digits and `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a metric unit")]
pub struct ParseMetricUnitError;

impl FromStr for MetricUnit {
    type Err = ParseMetricUnitError;

    fn from_str(text: &str) -> Result<Self, ParseMetricUnitError> {
        // Short forms in upper case would become short forms when they are written.
        let text = match text {
            "" => "none",
            text if text.eq_ignore_ascii_case("ns") => "nanosecond",
            text if text.eq_ignore_ascii_case("ms") => "millisecond",
            text if text.eq_ignore_ascii_case("s") => "second",
            text => text,
        };
        let word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if text.len() > Self::MAX_LEN || !word {
            return Err(ParseMetricUnitError);
        }
        let mut unit = Self::of(text);
        unit.text.make_ascii_lowercase();
        Ok(unit)
    }
}

impl fmt::Display for MetricUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for MetricUnit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

deserialize_from_str!(MetricUnit, "a metric unit");

impl super::Typed for MetricUnit {
    const ATTRIBUTES: Attributes = Attributes::of(Shape::Unit);
}
