//! Violations of a Content Security Policy, in events (spec/schema.md 8.1).

use super::{Pii, interface};

interface! {
    /// A violation of a Content Security Policy, as an event has it.
    Csp = "csp", other: Yes {
        /// The directive that was violated, such as `img-src`.
        effective_directive: String = "effective_directive" { pii: Pii::Yes };
        /// What was not loaded; `self` by default.
        blocked_uri: String = "blocked_uri" { pii: Pii::Yes };
        /// The page.
        document_uri: String = "document_uri" { pii: Pii::Yes };
        /// The policy.
        original_policy: String = "original_policy" { pii: Pii::No };
        /// Where the page was linked from.
        referrer: String = "referrer" { pii: Pii::Yes };
        /// The status of the page.
        status_code: u64 = "status_code" { pii: Pii::No };
        /// The directive with its sources.
        violated_directive: String = "violated_directive" { pii: Pii::No };
        /// The script that did it.
        source_file: String = "source_file" { pii: Pii::Maybe };
        /// Where in that script, from 1.
        line_number: u64 = "line_number" { pii: Pii::No };
        /// Where in that line, from 1.
        column_number: u64 = "column_number" { pii: Pii::No };
        /// The first characters of the script.
        script_sample: String = "script_sample" { pii: Pii::No };
        /// `enforce` or `report`.
        disposition: String = "disposition" { pii: Pii::No };
    }
}
