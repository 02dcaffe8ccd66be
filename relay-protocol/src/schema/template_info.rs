//! Where a template failed (spec/schema.md 4.9).

use super::{List, Pii, interface};

interface! {
    /// Where a template failed.
    TemplateInfo = "templateinfo", other: Yes {
        /// The file, relative to something. At most 128 characters.
        filename: String = "filename" { max_chars: Some(128), allowance: 20, pii: Pii::Yes };
        /// The file. At most 256 characters.
        abs_path: String = "abs_path" { max_chars: Some(256), allowance: 40, pii: Pii::Yes };
        /// The line, from 1.
        lineno: u64 = "lineno" { pii: Pii::No };
        /// The column, from 1.
        colno: u64 = "colno" { pii: Pii::No };
        /// The lines before.
        pre_context: List<String> = "pre_context" { pii: Pii::No };
        /// The line.
        context_line: String = "context_line" { pii: Pii::No };
        /// The lines behind.
        post_context: List<String> = "post_context" { pii: Pii::No };
    }
}
