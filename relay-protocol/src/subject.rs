//! What conditions can ask of payloads (spec/processing.md 8.2).

mod event;
mod item;

pub use self::event::{EventSubject, ReplaySubject};
pub use self::item::{LogSubject, SessionSubject, SpanSubject, SpanV2Subject, TraceMetricSubject};

use crate::payload::{Kind, NodeRef};
use crate::{Field, SpanId};

/// A value that conditions can compare.
fn scalar(node: NodeRef<'_>) -> Option<Field<'_>> {
    match node.kind() {
        Kind::String => node.as_str().map(Field::from),
        Kind::Bool => node.as_bool().map(Field::from),
        Kind::Number => node.as_f64().map(Field::from),
        Kind::Null | Kind::Array | Kind::Object => None,
    }
}

/// The value at the end of a path of keys.
fn at<'t>(node: NodeRef<'t>, path: &[&str]) -> Option<Field<'t>> {
    node.path(path).and_then(scalar)
}

/// An id of 128 bits, in any spelling.
fn uuid<'t>(node: NodeRef<'t>, key: &str) -> Option<Field<'t>> {
    let text = node.get(key)?.as_str()?;
    uuid::Uuid::try_parse(text).ok().map(Field::from)
}

fn span_id<'t>(node: NodeRef<'t>, key: &str) -> Option<Field<'t>> {
    node.get(key)?.as_str()?.parse::<SpanId>().ok().map(Field::from)
}

/// The value of a measurement that goes by `NAME.value`.
fn measurement<'t>(owner: NodeRef<'t>, name: &str) -> Option<Field<'t>> {
    at(owner, &["measurements", name.strip_suffix(".value")?, "value"])
}

/// The time between beginning and end, in milliseconds.
fn duration<'t>(node: NodeRef<'t>) -> Option<Field<'t>> {
    let start = node.get("start_timestamp")?.as_f64()?;
    let end = node.get("timestamp")?.as_f64()?;
    Some(Field::from((end - start) * 1000.0))
}
