use super::{at, duration, measurement, scalar, span_id, uuid};
use crate::payload::NodeRef;
use crate::{Field, Subject};

/// A span of a transaction, or one that came alone in the old form, as conditions see it: `span.…`, and
/// `event.…` for what it knows of its transaction.
#[derive(Clone, Copy, Debug)]
pub struct SpanSubject<'t>(NodeRef<'t>);

impl<'t> SpanSubject<'t> {
    /// The span that stands there.
    pub fn new(span: NodeRef<'t>) -> Self {
        Self(span)
    }

    fn data(self, keys: &[&str]) -> Option<Field<'t>> {
        let data = self.0.get("data")?;
        keys.iter().find_map(|key| data.get(key).and_then(scalar))
    }
}

impl Subject for SpanSubject<'_> {
    fn field(&self, name: &str) -> Option<Field<'_>> {
        match name {
            "event.release" => return self.data(&["sentry.release"]),
            "event.environment" => return self.data(&["sentry.environment"]),
            "event.transaction" => {
                return self.data(&["sentry.segment.name", "sentry.transaction"]);
            }
            "event.contexts.browser.name" => {
                return self.data(&["browser.name", "sentry.browser.name"]);
            }
            _ => {}
        }
        let name = name.strip_prefix("span.")?;
        match name {
            "exclusive_time" | "description" | "op" | "status" | "is_segment" | "origin"
            | "was_transaction" => at(self.0, &[name]),
            "span_id" | "parent_span_id" => span_id(self.0, name),
            "trace_id" => uuid(self.0, name),
            "duration" => duration(self.0),
            _ => {
                let (group, key) = name.split_once('.')?;
                match group {
                    "tags" | "data" | "sentry_tags" => at(self.0, &[group, key]),
                    "measurements" => measurement(self.0, key),
                    _ => None,
                }
            }
        }
    }
}

/// The value of an attribute that goes by `attributes.KEY.value`.
fn attribute<'t>(item: NodeRef<'t>, name: &str) -> Option<Field<'t>> {
    let key = name.strip_prefix("attributes.")?.strip_suffix(".value")?;
    at(item, &["attributes", key, "value"])
}

macro_rules! item_subjects {
    ($($(#[doc = $doc:literal])+ $name:ident: $prefix:literal, [$($field:literal),*];)+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug)]
            pub struct $name<'t>(NodeRef<'t>);

            impl<'t> $name<'t> {
                /// The item that stands there.
                pub fn new(item: NodeRef<'t>) -> Self {
                    Self(item)
                }
            }

            impl Subject for $name<'_> {
                fn field(&self, name: &str) -> Option<Field<'_>> {
                    let name = name.strip_prefix($prefix)?;
                    match name {
                        $($field => at(self.0, &[name]),)*
                        _ => attribute(self.0, name),
                    }
                }
            }
        )+
    };
}

item_subjects! {
    /// A span of a span container, as conditions see it: `span.…`.
    SpanV2Subject: "span.", ["name", "status"];
    /// A log, as conditions see it: `log.…`.
    LogSubject: "log.", ["body"];
    /// A trace metric, as conditions see it: `trace_metric.…`.
    TraceMetricSubject: "trace_metric.", ["name"];
}

/// A session or an aggregate of sessions, as conditions see it: `event.release` and `event.environment`.
#[derive(Clone, Copy, Debug)]
pub struct SessionSubject<'t>(NodeRef<'t>);

impl<'t> SessionSubject<'t> {
    /// The session that stands there.
    pub fn new(session: NodeRef<'t>) -> Self {
        Self(session)
    }
}

impl Subject for SessionSubject<'_> {
    fn field(&self, name: &str) -> Option<Field<'_>> {
        match name.strip_prefix("event.")? {
            name @ ("release" | "environment") => at(self.0, &["attrs", name]),
            _ => None,
        }
    }
}
