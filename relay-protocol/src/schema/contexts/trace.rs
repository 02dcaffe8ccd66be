use serde_json::Value;

use crate::schema::{Characters, List, Map, Pii, Shape, SpanLink, interface};
use crate::{SpanId, SpanStatus, TraceId};

interface! {
    /// The trace that an event belongs to, and of a transaction its own span (spec/schema.md 5.1).
    TraceContext = "tracecontext", other: Maybe {
        /// `trace`
        ty: String = "type" { pii: Pii::No };
        /// The trace.
        trace_id: TraceId = "trace_id" { required: true, pii: Pii::No };
        /// The span.
        span_id: SpanId = "span_id" { required: true, pii: Pii::No };
        /// The span it belongs to.
        parent_span_id: SpanId = "parent_span_id" { pii: Pii::No };
        /// What kind of work it is. At most 128 characters.
        op: String = "op" { max_chars: Some(128), pii: Pii::No };
        /// How it ended.
        status: SpanStatus = "status" { pii: Pii::No };
        /// How long nothing below it was running, in milliseconds. Set by relays.
        exclusive_time: f64 = "exclusive_time" { pii: Pii::No };
        /// Which share of traces the SDK keeps, from 0 to 1. Set by relays.
        client_sample_rate: f64 = "client_sample_rate" { pii: Pii::No };
        /// What made it. At most 128 characters: ASCII letters, digits, `_` and `.`.
        origin: String = "origin" {
            max_chars: Some(128), characters: Characters::Alphanumeric("_."), pii: Pii::No
        };
        /// Whether it was sampled.
        sampled: bool = "sampled" { pii: Pii::No };
        /// Anything else about it.
        data: Map<Value> = "data" { shape: Shape::Conventional, pii: Pii::Maybe };
        /// Spans that it has to do with.
        links: List<SpanLink> = "links" { pii: Pii::Maybe };
    }
}
