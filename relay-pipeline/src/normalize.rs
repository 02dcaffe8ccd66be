//! Normalisation: an event as Sentry wants to see it, whatever the SDK (spec/processing.md 3).
//!
//! [`normalize`] changes a [`Payload`] in place, once [`schema::check`] has brought everything into its one form. It
//! needs no clock and no dice: times, ids and data about the world are in [`Ingress`] and [`Lookups`], and what a
//! project wants in [`Settings`]. Doing it twice changes nothing more, as the next relay will do it again.
//!
//! ```
//! use relay_pipeline::normalize::{Ingress, Lookups, Settings, normalize};
//! use relay_protocol::EventId;
//! use relay_protocol::payload::Payload;
//! use relay_protocol::schema::{Described, Event, check};
//!
//! let mut event = Payload::parse(br#"{"platform":"python","user":{"id":7}}"#)?;
//! let root = event.root();
//! check(&mut event, root, Event::INTERFACE);
//! let ingress = Ingress::new("2026-01-02T03:04:05Z".parse()?, EventId::random());
//! normalize(&mut event, &ingress, &Settings::default(), &Lookups::default())?;
//!
//! let root = event.node(root);
//! assert_eq!(root.path(&["user", "sentry_user"]).and_then(|node| node.as_str()), Some("id:7"));
//! assert_eq!(root.get("timestamp").and_then(|node| node.number()), Some("1767323045.0"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Deviation
//!
//! What needs rules for descriptions of spans is left to the last relay, which does it anyway: the `sentry_tags` of
//! step 23, and what it copies there of the sampling context.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use relay_protocol::EventId;
use relay_protocol::payload::{Kind, NodeId, Payload, Value};
use relay_protocol::schema::{self, Described as _, Event};
use uuid::Uuid;

mod address;
mod ai_costs;
mod attribute_names;
mod breadcrumbs;
mod contexts;
mod defaults;
#[cfg(feature = "geoip")]
mod geo_database;
mod identifiers;
mod images;
mod lookup;
mod measurements;
mod mechanism;
mod message;
mod names;
mod os_codes;
mod os_description;
mod performance_score;
mod place;
mod request;
mod settings;
mod spans;
mod stacktrace;
mod tags;
pub(crate) mod time;
mod transaction;
mod user;
mod user_agent;
#[cfg(feature = "user-agent")]
mod user_agent_rules;

pub use self::attribute_names::rename_attributes;
#[cfg(feature = "geoip")]
pub use self::geo_database::{GeoDatabase, GeoDatabaseError};
pub use self::lookup::{DeviceNames, GeoLookup, Lookups, Place, UserAgent, UserAgents};
pub use self::settings::{
    AiCosts, AiModel, AiModelMetadata, Breakdown, BuiltinMeasurement, MeasurementSettings,
    NameRedaction, PerformanceScore, ScoreComponent, ScoreProfile, Settings, SpanOpDefault,
    SpanOpDefaults, TransactionNameRule,
};
#[cfg(feature = "user-agent")]
pub use self::user_agent_rules::{UserAgentRules, UserAgentRulesError};

/// How an event came in: what the request and the envelope tell about it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ingress<'a> {
    /// When the request came.
    pub received_at: DateTime<Utc>,
    /// When the SDK sent it, by the SDK's clock: `sent_at` of the envelope.
    pub sent_at: Option<DateTime<Utc>>,
    /// How far in the future an event may lie. 60 seconds.
    pub max_future: Duration,
    /// How old an event may be. 90 days.
    pub max_age: Duration,
    /// How long ago a transaction may have begun. 5 days.
    pub transaction_age: Duration,
    /// The id in the envelope's header, which wins over that in the event.
    pub event_id: Option<EventId>,
    /// The id of an event that has none, and of its trace if the SDK sent the nil id for that.
    pub random_event_id: EventId,
    /// Of the project.
    pub project_id: Option<u64>,
    /// Of the key that the SDK used.
    pub key_id: Option<&'a str>,
    /// Of the protocol that the SDK spoke, such as `7`.
    pub protocol_version: Option<&'a str>,
    /// What the SDK called itself in the request: `name/version`.
    pub client: Option<&'a str>,
    /// Where the request came from. `None` also if the project does not want to know.
    pub client_ip: Option<IpAddr>,
    /// What a browser told in the headers of the request; goes into security reports only.
    pub browser: Browser<'a>,
    /// The rate at which the SDK kept traces: `sample_rate` of the sampling context.
    pub client_sample_rate: Option<f64>,
    /// The replay in which the trace began: `replay_id` of the sampling context.
    pub replay_id: Option<Uuid>,
}

/// The headers of a request by which a browser tells what it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Browser<'a> {
    /// `User-Agent`
    pub user_agent: Option<&'a str>,
    /// `Sec-CH-UA`
    pub brands: Option<&'a str>,
    /// `Sec-CH-UA-Model`
    pub model: Option<&'a str>,
    /// `Sec-CH-UA-Platform`
    pub platform: Option<&'a str>,
    /// `Sec-CH-UA-Platform-Version`
    pub platform_version: Option<&'a str>,
}

impl Ingress<'_> {
    /// An event of which nothing is known but when it came, with the limits that hold by default.
    pub fn new(received_at: DateTime<Utc>, random_event_id: EventId) -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            received_at,
            sent_at: None,
            max_future: time::MAX_FUTURE,
            max_age: Duration::from_secs(90 * DAY),
            transaction_age: Duration::from_secs(5 * DAY),
            event_id: None,
            random_event_id,
            project_id: None,
            key_id: None,
            protocol_version: None,
            client: None,
            client_ip: None,
            browser: Browser::default(),
            client_sample_rate: None,
            replay_id: None,
        }
    }
}

/// Why an event cannot be accepted, whatever is done to it; its outcome is `invalid_transaction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEvent {
    /// The payload is not an object.
    #[error("the event is not an object")]
    NotAnObject,
    /// It happened before 1970. Of any event.
    #[error("timestamp is too stale")]
    Stale,
    /// A transaction has no end.
    #[error("timestamp hard-required for transaction events")]
    MissingEnd,
    /// A transaction has no beginning.
    #[error("start_timestamp hard-required for transaction events")]
    MissingStart,
    /// A transaction ends before it begins.
    #[error("end timestamp is smaller than start timestamp")]
    EndBeforeStart,
    /// A transaction is too old, or lies in the future.
    #[error("timestamp is outside of the accepted time")]
    OutsideWindow,
    /// A transaction has no trace context.
    #[error("missing valid trace context")]
    MissingTrace,
    /// The trace context of a transaction has no trace id.
    #[error("trace context is missing trace_id")]
    MissingTraceId,
    /// The trace context of a transaction has no span id.
    #[error("trace context is missing span_id")]
    MissingSpanId,
    /// A span of a transaction is not an object.
    #[error("spans must be valid in transaction event")]
    Span,
    /// A span has no beginning.
    #[error("span is missing start_timestamp")]
    SpanMissingStart,
    /// A span ends before it begins.
    #[error("end timestamp in span is smaller than start timestamp")]
    SpanEndBeforeStart,
    /// A span has no trace id.
    #[error("span is missing trace_id")]
    SpanMissingTraceId,
    /// A span has no id.
    #[error("span is missing span_id")]
    SpanMissingId,
}

/// Normalises an event that has passed [`schema::check`], and trims it.
///
/// The numbers are those of spec/processing.md 3.0.
///
/// # Deviation
///
/// A step comes after those whose results it looks at, so that a second time finds nothing to do.
///
/// # Errors
///
/// The event cannot be accepted. What was done to it until then stays done.
pub fn normalize(
    event: &mut Payload<'_>,
    ingress: &Ingress<'_>,
    settings: &Settings,
    lookups: &Lookups<'_>,
) -> Result<(), InvalidEvent> {
    if event.kind(event.root()) != Kind::Object {
        return Err(InvalidEvent::NotAnObject);
    }
    time::normalize_times(event, ingress)?; // 1, 2
    let is_transaction = is_transaction(event);
    if is_transaction {
        transaction::validate(event, ingress)?; // 3
    }
    images::normalize_images(event); // 4, 12
    let root = event.root();
    schema::check_attributes(event, root, Event::INTERFACE); // 5
    if is_transaction {
        attribute_names::rename_in_spans(event); // 6
        transaction::normalize_name(event, ingress, settings); // 7
        transaction::default_operations(event, settings);
    }
    address::complete_security_report(event, ingress); // 8
    address::normalize_address(event, ingress); // 9
    if let Some(lookup) = lookups.geo {
        address::normalize_geo(event, ingress, lookup); // 10
    }
    tags::promote_environment(event); // 12, before its value is checked
    names::check_names(event); // 11
    user::normalize_user(event); // 12
    message::normalize_message(event);
    breadcrumbs::default_breadcrumbs(event);
    tags::normalize_tags(event);
    stacktrace::move_stacktrace(event); // 13
    stacktrace::normalize_stacktraces(event);
    stacktrace::name_exceptions(event);
    user_agent::normalize_user_agent(event, lookups.user_agents); // 14
    tags::normalize_device_class(event); // 12, which looks at the device
    measurements::normalize_measurements(event, settings); // 15
    if is_transaction {
        ai_costs::set_costs(event, settings); // 16
        spans::set_breakdowns(event, settings); // 17
    }
    defaults::default_attributes(event, ingress); // 18
    contexts::set_lcp_tags(event); // 19
    contexts::set_replay(event, ingress);
    request::normalize_request(event); // 20
    contexts::default_trace(event, ingress); // 21
    contexts::normalize_contexts(event, lookups.device_names); // 22
    mechanism::normalize_mechanisms(event); // 13, which looks at the system
    performance_score::score(event, settings); // 15, which looks at everything
    if is_transaction && settings.exclusive_times {
        spans::set_exclusive_times(event); // 23
    }
    contexts::set_client_sample_rate(event, ingress); // 24
    schema::trim(event, root, Event::INTERFACE); // 25
    Ok(())
}

/// Adds a relay to the way that an event has come (spec/processing.md 1.4): each that it passes, once.
///
/// `version` is that of the relay, `public_key` what it signs with, if it does.
pub fn append_ingest_path(event: &mut Payload<'_>, version: &str, public_key: Option<&str>) {
    let root = event.root();
    let Some(path) = place::make_list(event, root, "ingest_path") else { return };
    let last = event.node(path).children().next_back();
    let is_ours = last.is_some_and(|last| {
        let text = |key| last.get(key).and_then(|node| node.as_str());
        text("version") == Some(version) && text("public_key") == public_key
    });
    if !is_ours {
        let entry = event.push(path, Value::Object);
        event.insert(entry, "version", version);
        if let Some(key) = public_key {
            event.insert(entry, "public_key", key);
        }
    }
}

fn is_transaction(event: &Payload<'_>) -> bool {
    place::text(event, event.root(), "type") == Some("transaction")
}

/// How long an event or span took, in milliseconds.
fn duration_ms(payload: &Payload<'_>, node: NodeId) -> Option<f64> {
    let start = place::number(payload, node, "start_timestamp")?;
    let end = place::number(payload, node, "timestamp")?;
    Some((end - start) * 1000.0)
}
