//! Where the name of a transaction comes from (spec/schema.md 9.4).

use super::{List, Pii, Timestamp, interface};

interface! {
    /// How the name of a transaction came about.
    TransactionInfo = "transactioninfo", other: Inherit {
        /// `custom`, `url`, `route`, `view`, `component`, `sanitized`, `task`, `unknown`, or another word.
        source: String = "source" { pii: Pii::No };
        /// The name before the SDK changed it. At most 200 characters.
        original: String = "original" { max_chars: Some(200), trim_whitespace: true, pii: Pii::No };
        /// How the name changed.
        changes: List<TransactionNameChange> = "changes" { pii: Pii::No };
        /// How often the name was sent on to other services.
        propagations: u64 = "propagations" { pii: Pii::No };
    }
}

interface! {
    /// A change of the name of a transaction.
    TransactionNameChange = "transactionnamechange", other: Inherit {
        /// Where the new name comes from.
        source: String = "source" { pii: Pii::No };
        /// How often the name had been sent on to other services.
        propagations: u64 = "propagations" { pii: Pii::No };
        /// When it changed.
        timestamp: Timestamp = "timestamp" { pii: Pii::No };
    }
}
