//! Sessions (spec/schema.md 10). Strict: a wrong type is an error.

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use super::Timestamp;
use super::scalar::rfc3339;

/// A change of one session: the payload of an item `session`.
///
/// ```
/// use relay_protocol::schema::{SessionStatus, SessionUpdate};
///
/// let session: SessionUpdate = serde_json::from_str(
///     r#"{"started":"2024-01-02T03:04:05Z","status":"crashed","errors":1,"attrs":{"release":"shop@1.0"}}"#,
/// )?;
/// assert_eq!(session.status, SessionStatus::Crashed);
/// assert!(!session.init);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionUpdate {
    /// The id of the session. Receivers give one to a session without.
    #[serde(default, rename = "sid", skip_serializing_if = "Option::is_none")]
    pub session_id: Option<Uuid>,
    /// Whose session it is; the nil UUID counts as nobody.
    #[serde(
        default,
        rename = "did",
        deserialize_with = "distinct_id",
        skip_serializing_if = "Option::is_none"
    )]
    pub distinct_id: Option<String>,
    /// What orders the updates of a session; the time of receipt in milliseconds by default.
    #[serde(default, rename = "seq", skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Whether this is the first update.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub init: bool,
    /// When the update was made; the time of receipt by default.
    #[serde(default, with = "rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// When the session began.
    #[serde(with = "rfc3339")]
    pub started: Timestamp,
    /// How long it took, in seconds, if it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    /// How it goes.
    #[serde(default)]
    pub status: SessionStatus,
    /// How many errors there were so far.
    #[serde(default)]
    pub errors: u64,
    /// What it is a session of.
    #[serde(rename = "attrs")]
    pub attributes: SessionAttributes,
    /// Why an abnormal session is that.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "AbnormalMechanism::is_none"
    )]
    pub abnormal_mechanism: AbnormalMechanism,
}

/// Counts of sessions that began in the same minute: the payload of an item `sessions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionAggregates {
    /// The counts.
    #[serde(default)]
    pub aggregates: Vec<SessionAggregate>,
    /// What they are sessions of.
    #[serde(rename = "attrs")]
    pub attributes: SessionAttributes,
}

/// Counts of sessions that began in the same minute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionAggregate {
    /// When they began.
    #[serde(with = "rfc3339")]
    pub started: Timestamp,
    /// Whose sessions they are.
    #[serde(default, rename = "did", skip_serializing_if = "Option::is_none")]
    pub distinct_id: Option<String>,
    /// How many ended well.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub exited: u32,
    /// How many ended with errors.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub errored: u32,
    /// How many just stopped.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub abnormal: u32,
    /// How many ended with an error that nobody handled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unhandled: u32,
    /// How many crashed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub crashed: u32,
}

impl SessionAggregate {
    /// How many sessions these are.
    pub fn total(&self) -> u64 {
        [self.exited, self.errored, self.abnormal, self.unhandled, self.crashed]
            .map(u64::from)
            .iter()
            .sum()
    }
}

/// What a session is a session of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionAttributes {
    /// The release; see [`Release`](crate::Release).
    pub release: String,
    /// The environment; see [`Environment`](crate::Environment).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The user's address, or `{{auto}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
    /// The user's browser or the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// How a session goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionStatus {
    /// It goes on.
    #[default]
    Ok,
    /// It ended.
    Exited,
    /// It crashed.
    Crashed,
    /// It stopped, and nobody knows why.
    Abnormal,
    /// It goes on, with errors.
    Errored,
    /// It ended with an error that nobody handled.
    Unhandled,
    /// Another word; kept as it is.
    #[serde(untagged)]
    Other(String),
}

/// Why an abnormal session is that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AbnormalMechanism {
    /// An application in front did not answer.
    AnrForeground,
    /// An application in the background did not answer.
    AnrBackground,
    /// Not known, or another word.
    #[default]
    #[serde(other)]
    None,
}

impl AbnormalMechanism {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

fn null_is_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn distinct_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let id = Option::<String>::deserialize(deserializer)?;
    Ok(id.filter(|id| Uuid::try_parse(id).map_or(true, |id| !id.is_nil())))
}
