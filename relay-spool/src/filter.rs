//! Filters: which records are meant.

use std::time::SystemTime;

use crate::record::to_millis;
use crate::{RecordId, TargetId};

/// Which records are meant: those for which all that is given here holds. The default means all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Those of this target.
    pub target: Option<TargetId>,
    /// Those of this project.
    pub project: Option<u64>,
    /// Those that came with this public key.
    pub key: Option<String>,
    /// Those of this event, 32 hexadecimal digits in lower case; one for each target that it goes to.
    pub event_id: Option<String>,
    /// Those that were received before this time.
    pub received_before: Option<SystemTime>,
}

/// As the statements take them: after, target, project, key, event, received.
type Parameters<'a> =
    (i64, Option<i64>, Option<i64>, Option<&'a str>, Option<&'a str>, Option<i64>);

impl Filter {
    pub(crate) fn parameters(&self, after: RecordId) -> Parameters<'_> {
        (
            after.0,
            self.target.map(|target| target.0),
            self.project.map(u64::cast_signed),
            self.key.as_deref(),
            self.event_id.as_deref(),
            self.received_before.map(to_millis),
        )
    }
}
