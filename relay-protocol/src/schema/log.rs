//! Logs (spec/schema.md 13.3).

use super::{AttributeMap, Attributes, Pii, Timestamp, attribute_map, interface};
use crate::{SpanId, TraceId};

interface! {
    /// A line of a log: an element of `items` of an item `log`. One without a required field is dropped.
    ///
    /// ```
    /// use relay_protocol::schema::{Log, Timestamp};
    ///
    /// let log = Log {
    ///     timestamp: Timestamp::from_seconds(1_700_000_000.25),
    ///     trace_id: Some("4c79f60c11214eb38604f4ae0781bfb2".parse()?),
    ///     level: Some("info".to_owned()),
    ///     body: Some("ready".to_owned()),
    ///     attributes: Some([("port", 8080_i64.into())].into_iter().collect()),
    ///     ..Log::default()
    /// };
    /// let json = serde_json::to_string(&log)?;
    /// assert!(json.contains(r#""attributes":{"port":{"type":"integer","value":8080}}"#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Log = "ourlog", other: Maybe {
        /// When.
        timestamp: Timestamp = "timestamp" { required: true, pii: Pii::No };
        /// The trace that was running.
        trace_id: TraceId = "trace_id" { required: true, pii: Pii::No };
        /// The span that was running.
        span_id: SpanId = "span_id" { pii: Pii::No };
        /// `trace`, `debug`, `info`, `warn`, `error`, `fatal`, or another word.
        level: String = "level" { required: true, pii: Pii::No };
        /// The text.
        body: String = "body" { required: true, pii: Pii::Maybe };
        /// Anything else.
        attributes: AttributeMap = "attributes" { shape: ATTRIBUTES.shape, pii: Pii::Maybe };
    }
}

const ATTRIBUTES: Attributes = attribute_map::ATTRIBUTES;
