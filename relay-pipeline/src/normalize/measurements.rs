//! Measurements of transactions (spec/processing.md 3.15).

use relay_protocol::payload::{Kind, MetaError, NodeId, NodeRef, Payload};

use super::place::{default_text, make_object, number, object, put_number, put_text, remove, text};
use super::settings::Settings;
use super::tags::set_tag;
use super::{is_transaction, tags};

/// Starts of apps and times to display above this, in milliseconds, are mistakes of measuring.
const MAX_APP_START: f64 = 180_000.0;

/// The longest name, in bytes: with namespace and unit it has to fit into the 200 of a metric.
const MAX_NAME: usize = 156;

/// Renames, derives, limits; only transactions keep measurements.
pub(super) fn normalize_measurements(payload: &mut Payload<'_>, settings: &Settings) {
    let root = payload.root();
    if !is_transaction(payload) {
        remove(payload, root, "measurements");
        return;
    }
    let Some(measurements) = object(payload, root, "measurements") else { return };
    rename(payload, measurements, "app.start.cold", "app_start_cold");
    rename(payload, measurements, "app.start.warm", "app_start_warm");
    for name in
        ["app_start_cold", "app_start_warm", "time_to_initial_display", "time_to_full_display"]
    {
        if value(payload, measurements, name).is_some_and(|value| value > MAX_APP_START) {
            remove(payload, measurements, name);
        }
    }
    default_units(payload, measurements);
    derive(payload, root, measurements);
    limit(payload, measurements, settings);
    copy_app_start(payload, measurements);
}

/// The value of a measurement.
pub(super) fn value(payload: &Payload<'_>, measurements: NodeId, name: &str) -> Option<f64> {
    number(payload, object(payload, measurements, name)?, "value")
}

/// Puts a measurement, unless it is there.
pub(super) fn put(
    payload: &mut Payload<'_>,
    measurements: NodeId,
    name: &str,
    value: f64,
    unit: &str,
) {
    if let Some(measurement) = make_object(payload, measurements, name) {
        put_number(payload, measurement, "value", value);
        put_text(payload, measurement, "unit", unit);
    }
}

fn rename(payload: &mut Payload<'_>, measurements: NodeId, old: &str, new: &str) {
    if let Some(measurement) = payload.get(measurements, old) {
        payload.move_to(measurement, measurements, new);
    }
}

fn default_units(payload: &mut Payload<'_>, measurements: NodeId) {
    let all: Vec<(NodeId, &'static str)> = payload
        .node(measurements)
        .children()
        .filter(|measurement| measurement.kind() == Kind::Object)
        .map(|measurement| (measurement.id(), unit_of(measurement.key().unwrap_or_default())))
        .collect();
    for (measurement, unit) in all {
        default_text(payload, measurement, "unit", unit);
    }
}

fn unit_of(name: &str) -> &'static str {
    match name {
        "lcp"
        | "fid"
        | "fcp"
        | "fp"
        | "inp"
        | "ttfb"
        | "ttfb.requesttime"
        | "app_start_cold"
        | "app_start_warm"
        | "stall_total_time"
        | "stall_longest_time"
        | "time_to_initial_display"
        | "time_to_full_display" => "millisecond",
        "frames_slow_rate" | "frames_frozen_rate" | "stall_percentage" => "ratio",
        _ => "none",
    }
}

fn derive(payload: &mut Payload<'_>, root: NodeId, measurements: NodeId) {
    if let Some(total) = value(payload, measurements, "frames_total").filter(|&total| total > 0.0) {
        for (part, rate) in
            [("frames_frozen", "frames_frozen_rate"), ("frames_slow", "frames_slow_rate")]
        {
            if let Some(part) = value(payload, measurements, part) {
                put(payload, measurements, rate, part / total, "ratio");
            }
        }
    }
    let duration = super::duration_ms(payload, root).filter(|&duration| duration > 0.0);
    if let Some(duration) = duration
        && let Some(stalled) = value(payload, measurements, "stall_total_time")
    {
        put(payload, measurements, "stall_percentage", stalled / duration, "ratio");
    }
}

/// Takes out what the project does not want. Without a configuration everything stays.
fn limit(payload: &mut Payload<'_>, measurements: NodeId, settings: &Settings) {
    let Some(rules) = &settings.measurements else { return };
    let mut unwanted = Vec::new();
    let mut custom = 0;
    for measurement in payload.node(measurements).children() {
        let name = measurement.key().unwrap_or_default();
        if name.len() > MAX_NAME {
            unwanted.push((measurement.id(), "the name of a measurement is too long"));
            continue;
        }
        let unit = measurement.get("unit").and_then(NodeRef::as_str).unwrap_or("none");
        let builtin =
            rules.builtin_measurements.iter().find(|it| it.name == name && it.unit == unit);
        let value = measurement.get("value").and_then(NodeRef::as_f64);
        if value.is_some_and(|value| value < 0.0) && !builtin.is_some_and(|it| it.allow_negative) {
            unwanted.push((measurement.id(), "a measurement is negative"));
            continue;
        }
        if builtin.is_none() && !is_derived(name) {
            custom += 1;
            if rules.max_custom_measurements.is_some_and(|max| custom > max) {
                unwanted.push((measurement.id(), "there are too many measurements"));
            }
        }
    }
    for (measurement, reason) in unwanted {
        payload.remove(measurement);
        payload.add_error(measurements, MetaError::invalid(reason));
    }
}

/// What normalisation adds itself, so that it does not count at the second time.
fn is_derived(name: &str) -> bool {
    name.starts_with("score.")
        || matches!(
            name,
            "app.vitals.start.value"
                | "frames_frozen_rate"
                | "frames_slow_rate"
                | "stall_percentage"
        )
}

fn copy_app_start(payload: &mut Payload<'_>, measurements: NodeId) {
    for (name, kind) in [("app_start_cold", "cold"), ("app_start_warm", "warm")] {
        let Some(start) = value(payload, measurements, name) else { continue };
        let unit = object(payload, measurements, name)
            .and_then(|measurement| text(payload, measurement, "unit"))
            .unwrap_or("millisecond")
            .to_owned();
        put(payload, measurements, "app.vitals.start.value", start, &unit);
        if tags::tag(payload, "app.vitals.start.type") != Some(kind) {
            set_tag(payload, "app.vitals.start.type", kind);
        }
        return;
    }
}
