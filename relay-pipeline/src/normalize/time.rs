//! Clock drift and the time window of events (spec/processing.md 3.1, 3.2).

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use relay_protocol::payload::{ErrorKind, MetaError, NodeId, Payload};

use super::place::{list, number, object, objects, put_number, remove, values};
use super::{Ingress, InvalidEvent, is_transaction};
use crate::ClockDrift;

/// How far in the future something may lie.
pub(crate) const MAX_FUTURE: Duration = Duration::from_secs(60);

/// Corrects a wrong clock, shifts what is too old or in the future, and notes when the event was received.
pub(super) fn normalize_times(
    payload: &mut Payload<'_>,
    ingress: &Ingress<'_>,
) -> Result<(), InvalidEvent> {
    let root = payload.root();
    let received = seconds(ingress.received_at);
    correct_drift(payload, ingress);
    match number(payload, root, "timestamp") {
        Some(timestamp) if timestamp < 0.0 => return Err(InvalidEvent::Stale),
        Some(timestamp) if timestamp > received + ingress.max_future.as_secs_f64() => {
            shift_to(payload, ingress, timestamp, ErrorKind::FutureTimestamp);
        }
        Some(timestamp) if timestamp < received - ingress.max_age.as_secs_f64() => {
            shift_to(payload, ingress, timestamp, ErrorKind::PastTimestamp);
        }
        Some(_) => {}
        None => put_number(payload, root, "timestamp", received),
    }
    put_number(payload, root, "received", received);
    if number(payload, root, "time_spent").is_some_and(|spent| spent >= 2_147_483_647.0) {
        remove(payload, root, "time_spent");
    }
    refuse_stale_parts(payload);
    Ok(())
}

fn correct_drift(payload: &mut Payload<'_>, ingress: &Ingress<'_>) {
    let Some(sent_at) = ingress.sent_at else { return };
    let Some(drift) = ClockDrift::between(Some(sent_at), ingress.received_at) else { return };
    let error = clock_error(ErrorKind::ClockDrift, sent_at, ingress.received_at);
    let timestamp = payload.entry(payload.root(), "timestamp");
    // Once this is noted, it is done.
    if payload.node(timestamp).meta().is_some_and(|meta| meta.errors.contains(&error)) {
        return;
    }
    shift(payload, drift.seconds());
    payload.add_error(timestamp, error);
}

fn shift_to(payload: &mut Payload<'_>, ingress: &Ingress<'_>, timestamp: f64, kind: ErrorKind) {
    shift(payload, seconds(ingress.received_at) - timestamp);
    let sdk_time = DateTime::from_timestamp_micros((timestamp * 1e6).round() as i64);
    let node = payload.entry(payload.root(), "timestamp");
    let error = clock_error(kind, sdk_time.unwrap_or_default(), ingress.received_at);
    payload.add_error(node, error);
}

/// What was done to a time, and by which clocks.
pub(crate) fn clock_error(
    kind: ErrorKind,
    sdk_time: DateTime<Utc>,
    server_time: DateTime<Utc>,
) -> MetaError {
    let text = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, false);
    MetaError::new(kind).with("sdk_time", &text(sdk_time)).with("server_time", &text(server_time))
}

/// Seconds since 1970, as events spell times.
pub(crate) fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_micros() as f64 / 1e6
}

/// Adds a number of seconds to every time in the event.
fn shift(payload: &mut Payload<'_>, by: f64) {
    for node in times(payload) {
        if let Some(time) = payload.node(node).as_f64() {
            payload.set(node, ((time + by) * 1e6).round() / 1e6);
        }
    }
}

fn times(payload: &Payload<'_>) -> Vec<NodeId> {
    let root = payload.root();
    let mut owners = values(payload, root, "breadcrumbs");
    owners.push(root);
    if let Some(spans) = list(payload, root, "spans") {
        owners.extend(objects(payload, spans));
    }
    if let Some(info) = object(payload, root, "transaction_info")
        && let Some(changes) = list(payload, info, "changes")
    {
        owners.extend(objects(payload, changes));
    }
    let of = |owner, key| payload.get(owner, key);
    owners
        .into_iter()
        .flat_map(|owner| [of(owner, "timestamp"), of(owner, "start_timestamp")])
        .flatten()
        .collect()
}

/// Breadcrumbs and spans from before 1970. Lists keep their places, so that `_meta` can tell what was there.
fn refuse_stale_parts(payload: &mut Payload<'_>) {
    for crumb in values(payload, payload.root(), "breadcrumbs") {
        if number(payload, crumb, "timestamp").is_some_and(|timestamp| timestamp < 0.0) {
            payload.reject(crumb, MetaError::invalid("timestamp is too stale"));
        }
    }
    let Some(spans) = list(payload, payload.root(), "spans") else { return };
    // Transactions have rules of their own for the times of spans.
    if is_transaction(payload) {
        return;
    }
    for span in objects(payload, spans) {
        let stale = |key| number(payload, span, key).is_some_and(|time| time < 0.0);
        if stale("timestamp") || stale("start_timestamp") {
            payload.reject(span, MetaError::invalid("timestamp is too stale"));
        }
    }
}
