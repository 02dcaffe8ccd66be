//! Metrics with a trace (spec/schema.md 13.5).

use super::{AttributeMap, Pii, Timestamp, attribute_map, interface};
use crate::{SpanId, TraceId};

interface! {
    /// A number that was measured at some time: an element of `items` of an item `trace_metric`. One without a
    /// required field is dropped.
    TraceMetric = "tracemetric", other: Maybe {
        /// When.
        timestamp: Timestamp = "timestamp" { required: true, pii: Pii::No };
        /// The trace that was running.
        trace_id: TraceId = "trace_id" { required: true, pii: Pii::No };
        /// The span that was running.
        span_id: SpanId = "span_id" { pii: Pii::No };
        /// What was measured.
        name: String = "name" { required: true, pii: Pii::No };
        /// `gauge`, `distribution` or `counter`.
        ty: String = "type" { required: true, pii: Pii::No };
        /// The unit.
        unit: super::MetricUnit = "unit" { pii: Pii::No };
        /// The number.
        value: f64 = "value" { required: true, pii: Pii::Maybe };
        /// Anything else.
        attributes: AttributeMap = "attributes" {
            shape: attribute_map::ATTRIBUTES.shape, pii: Pii::Maybe
        };
    }
}
