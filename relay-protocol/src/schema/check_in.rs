//! Check-ins of cron monitors (spec/schema.md 11.1). Strict: a wrong type is an error.

use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use super::Other;
use crate::TraceId;

/// A cron job tells how it goes: the payload of an item `check_in`.
///
/// ```
/// use relay_protocol::schema::{CheckIn, CheckInStatus};
///
/// let check_in = CheckIn {
///     monitor_slug: "nightly".to_owned(),
///     duration: Some(12.5),
///     ..CheckIn::new(CheckInStatus::Ok)
/// };
/// let json = serde_json::to_string(&check_in)?;
/// assert_eq!(serde_json::from_str::<CheckIn>(&json)?, check_in);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckIn {
    /// What ties the check-ins of one run together; nil means the last one.
    #[serde(default, serialize_with = "simple")]
    pub check_in_id: Uuid,
    /// The monitor. Cut to 50 characters by receivers; may not be empty.
    #[serde(default)]
    pub monitor_slug: String,
    /// How the job goes.
    pub status: CheckInStatus,
    /// The environment, at most 64 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// How long the job took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    /// What the monitor is to be like, if it is to be made or changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor_config: Option<MonitorConfig>,
    /// The trace that was running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contexts: Option<CheckInContexts>,
    /// Keys that are not known here, as they came.
    #[serde(flatten)]
    pub other: Other,
}

impl CheckIn {
    /// The longest slug, in characters.
    pub const MAX_SLUG: usize = 50;

    /// A check-in with that status and nothing else.
    pub fn new(status: CheckInStatus) -> Self {
        Self {
            check_in_id: Uuid::nil(),
            monitor_slug: String::new(),
            status,
            environment: None,
            duration: None,
            monitor_config: None,
            contexts: None,
            other: Other::new(),
        }
    }
}

fn simple<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id.as_simple())
}

/// How a cron job goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckInStatus {
    /// It ended well.
    Ok,
    /// It failed.
    Error,
    /// It runs.
    InProgress,
    /// It did not start in time. Not for clients to say.
    Missed,
    /// Another word.
    #[serde(other)]
    Unknown,
}

/// What a monitor is to be like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MonitorConfig {
    /// When the job runs.
    pub schedule: Schedule,
    /// How late it may start, in minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkin_margin: Option<u64>,
    /// How long it may take, in minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_runtime: Option<u64>,
    /// The time zone of the schedule, such as `Europe/Vienna`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// How many failures in a row make an issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_issue_threshold: Option<u64>,
    /// How many successes in a row close it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_threshold: Option<u64>,
    /// Who looks after it, such as `team:ops`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Keys that are not known here, as they came.
    #[serde(flatten)]
    pub other: Other,
}

/// When a job runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Schedule {
    /// As crontab has it.
    Crontab {
        /// Such as `0 * * * *`.
        value: String,
    },
    /// Every so often.
    Interval {
        /// How many of the unit.
        value: u64,
        /// The unit.
        unit: ScheduleUnit,
    },
}

/// The unit of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleUnit {
    /// A year.
    Year,
    /// A month.
    Month,
    /// A week.
    Week,
    /// A day.
    Day,
    /// An hour.
    Hour,
    /// A minute.
    Minute,
}

/// The contexts of a check-in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckInContexts {
    /// The trace that was running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<CheckInTrace>,
    /// Other contexts, as they came.
    #[serde(flatten)]
    pub other: Other,
}

/// The trace that was running when a check-in was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckInTrace {
    /// Its id.
    pub trace_id: TraceId,
    /// Keys that are not known here, as they came.
    #[serde(flatten)]
    pub other: Other,
}
