use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::wire_enum::wire_enum;

wire_enum! {
    /// How severe an event or breadcrumb is (spec/schema.md 2). Ordered from harmless to fatal.
    ///
    /// Read from its name, from the old names `log` and `critical`, and from the numbers 10 to 50 of
    /// Python's logging.
    ///
    /// ```
    /// use relay_protocol::Level;
    ///
    /// assert_eq!("critical".parse(), Ok(Level::Fatal));
    /// assert_eq!(Level::from_number(30), Some(Level::Warning));
    /// assert!(Level::Error > Level::Warning);
    /// ```
    pub enum Level, ParseLevelError("a level") {
        /// Of use to developers only.
        Debug = "debug",
        /// Worth knowing.
        Info = "info" | "log",
        /// Worth a look.
        Warning = "warning",
        /// Something failed.
        Error = "error",
        /// The application failed.
        Fatal = "fatal" | "critical",
    }
}

impl Level {
    /// The level with that number: 10 is debug, 50 is fatal, in steps of ten.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            10 => Some(Self::Debug),
            20 => Some(Self::Info),
            30 => Some(Self::Warning),
            40 => Some(Self::Error),
            50 => Some(Self::Fatal),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LevelVisitor;

        impl Visitor<'_> for LevelVisitor {
            type Value = Level;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a level")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Level, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Level, E> {
                Level::from_number(number)
                    .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
            }
        }

        deserializer.deserialize_any(LevelVisitor)
    }
}
