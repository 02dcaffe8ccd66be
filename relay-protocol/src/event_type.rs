use crate::wire_enum::{deserialize_from_str, wire_enum};

wire_enum! {
    /// What an event is about: its key `type` (spec/schema.md 2.3).
    ///
    /// Senders rarely say it; normalisation derives it for everything but transactions and feedback.
    pub enum EventType, ParseEventTypeError("an event type") {
        /// An event with an exception.
        Error = "error",
        /// A report of a violated content security policy.
        Csp = "csp",
        /// The performance data of one transaction.
        Transaction = "transaction",
        /// A message from a user of the application.
        Feedback = "feedback",
        /// Anything else.
        Default = "default",
    }
}

deserialize_from_str!(EventType, "an event type");
