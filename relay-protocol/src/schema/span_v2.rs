//! Spans that stand alone (spec/schema.md 13.4).

use super::{AttributeMap, List, Pii, Timestamp, attribute_map, interface};
use crate::{SpanId, TraceId};

interface! {
    /// A span: an element of `items` of an item `span` with spans v2. One without a required field is dropped.
    SpanV2 = "spanv2", other: Maybe {
        /// The trace it belongs to.
        trace_id: TraceId = "trace_id" { required: true, pii: Pii::No };
        /// Its id.
        span_id: SpanId = "span_id" { required: true, pii: Pii::No };
        /// The span it belongs to.
        parent_span_id: SpanId = "parent_span_id" { pii: Pii::No };
        /// What it is called.
        name: String = "name" { required: true, pii: Pii::No };
        /// `ok`, `error`, or another word.
        status: String = "status" { required: true, pii: Pii::No };
        /// Whether it is the first span of its service.
        is_segment: bool = "is_segment" { pii: Pii::No };
        /// When it began.
        start_timestamp: Timestamp = "start_timestamp" { required: true, pii: Pii::No };
        /// When it ended, not before it began.
        end_timestamp: Timestamp = "end_timestamp" { required: true, pii: Pii::No };
        /// Spans that it has to do with.
        links: List<SpanV2Link> = "links" { pii: Pii::Maybe };
        /// Anything else.
        attributes: AttributeMap = "attributes" {
            shape: attribute_map::ATTRIBUTES.shape, pii: Pii::Yes
        };
    }
}

interface! {
    /// A span that another one has to do with.
    SpanV2Link = "spanv2link", other: Maybe {
        /// Its trace.
        trace_id: TraceId = "trace_id" { required: true, pii: Pii::No };
        /// Its id.
        span_id: SpanId = "span_id" { required: true, pii: Pii::No };
        /// Whether it was sampled.
        sampled: bool = "sampled" { pii: Pii::No };
        /// Anything else.
        attributes: AttributeMap = "attributes" {
            shape: attribute_map::ATTRIBUTES.shape, pii: Pii::Maybe
        };
    }
}
