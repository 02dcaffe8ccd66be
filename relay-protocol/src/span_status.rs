use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::wire_enum::wire_enum;

wire_enum! {
    /// How an operation ended: the status of a span or trace (spec/schema.md 2.1), after gRPC's.
    ///
    /// ```
    /// use relay_protocol::SpanStatus;
    ///
    /// assert_eq!("success".parse(), Ok(SpanStatus::Ok));
    /// assert_eq!(SpanStatus::from_number(5), Some(SpanStatus::NotFound));
    /// ```
    pub enum SpanStatus, ParseSpanStatusError("a trace status") {
        /// It succeeded.
        Ok = "ok" | "success",
        /// Somebody called it off.
        Cancelled = "cancelled",
        /// Nobody knows.
        Unknown = "unknown",
        /// The caller asked for something that makes no sense.
        InvalidArgument = "invalid_argument",
        /// It took too long.
        DeadlineExceeded = "deadline_exceeded",
        /// What was asked for does not exist.
        NotFound = "not_found",
        /// What should be made exists.
        AlreadyExists = "already_exists",
        /// The caller may not do that.
        PermissionDenied = "permission_denied",
        /// A quota or a resource ran out.
        ResourceExhausted = "resource_exhausted",
        /// The system is not in the state it takes.
        FailedPrecondition = "failed_precondition",
        /// It gave way to something else.
        Aborted = "aborted",
        /// It went past the end.
        OutOfRange = "out_of_range",
        /// Nobody built that.
        Unimplemented = "unimplemented",
        /// Something broke.
        InternalError = "internal_error" | "failure" | "unknown_error",
        /// The service is away.
        Unavailable = "unavailable",
        /// Data is lost.
        DataLoss = "data_loss",
        /// The caller did not say who it is.
        Unauthenticated = "unauthenticated",
    }
}

impl SpanStatus {
    /// The number gRPC gives to the status.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The status with that number, 0 to 16.
    pub fn from_number(number: u64) -> Option<Self> {
        // Declared in the order of the numbers, without a gap.
        usize::try_from(number).ok().and_then(|index| Self::ALL.get(index).copied())
    }
}

impl<'de> Deserialize<'de> for SpanStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StatusVisitor;

        impl Visitor<'_> for StatusVisitor {
            type Value = SpanStatus;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a trace status")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<SpanStatus, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<SpanStatus, E> {
                SpanStatus::from_number(number)
                    .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
            }
        }

        deserializer.deserialize_any(StatusVisitor)
    }
}
