//! The parts of a transaction (spec/schema.md 7).

use serde_json::Value;

use super::{
    Attributes, Characters, List, Map, Measurement, Pii, Shape, Timestamp, interface, measurement,
};
use crate::{EventId, SpanId, SpanStatus, TraceId};

interface! {
    /// A part of a transaction (span v1). Nothing in it is trimmed.
    Span = "span", other: Maybe {
        /// When it ended.
        timestamp: Timestamp = "timestamp" { required: true, pii: Pii::No };
        /// When it began.
        start_timestamp: Timestamp = "start_timestamp" { required: true, pii: Pii::No };
        /// How long nothing below it was running, in milliseconds. Set by relays.
        exclusive_time: f64 = "exclusive_time" { pii: Pii::No };
        /// What kind of work it is, such as `db.query`. At most 128 characters.
        op: String = "op" { max_chars: Some(128), pii: Pii::No };
        /// Its id.
        span_id: SpanId = "span_id" { required: true, pii: Pii::No };
        /// The span it belongs to.
        parent_span_id: SpanId = "parent_span_id" { pii: Pii::No };
        /// The trace it belongs to.
        trace_id: TraceId = "trace_id" { required: true, pii: Pii::No };
        /// The first span of its service.
        segment_id: SpanId = "segment_id" { pii: Pii::No };
        /// Whether it is the first span of its service.
        is_segment: bool = "is_segment" { pii: Pii::No };
        /// Whether its parent is in another service.
        is_remote: bool = "is_remote" { pii: Pii::No };
        /// How it ended.
        status: SpanStatus = "status" { pii: Pii::No };
        /// What it does, such as the text of a query.
        description: String = "description" { pii: Pii::Maybe };
        /// Names and values.
        tags: Map<String> = "tags" { shape: Shape::Map(&TAG), pii: Pii::Maybe };
        /// What made it, such as `auto.http`. At most 128 characters: ASCII letters, digits, `_` and `.`.
        origin: String = "origin" {
            max_chars: Some(128), characters: Characters::Alphanumeric("_."), pii: Pii::No
        };
        /// The profile it is in.
        profile_id: EventId = "profile_id" { pii: Pii::No };
        /// Anything else about it.
        data: Map<Value> = "data" { shape: Shape::Conventional, pii: Pii::Yes };
        /// Spans that it has to do with.
        links: List<SpanLink> = "links" { pii: Pii::Maybe };
        /// What relays found out about it. Set by relays.
        sentry_tags: SentryTags = "sentry_tags" { pii: Pii::Maybe };
        /// When it arrived. Set by relays.
        received: Timestamp = "received" { pii: Pii::No };
        /// Numbers by name.
        measurements: Map<Measurement> = "measurements" {
            shape: measurement::MEASUREMENTS.shape, pii: Pii::No
        };
        /// The platform, where it differs from that of the event.
        platform: String = "platform" { pii: Pii::No };
        /// Whether it was a transaction. Set by relays.
        was_transaction: bool = "was_transaction" { pii: Pii::No };
        /// `internal`, `server`, `client`, `producer`, `consumer`, or another word.
        kind: String = "kind" { pii: Pii::No };
    }
}

static TAG: Attributes = Attributes::of(Shape::JsonText);

interface! {
    /// What relays found out about a span, by the names of searches. Those that tell who the user is have fields; the
    /// others, such as `release`, `category` and `http.response_content_length`, are in `other`.
    SentryTags = "sentrytags", other: Maybe {
        /// What tells users apart.
        user: String = "user" { pii: Pii::Yes };
        /// The user's id.
        user_id: String = "user.id" { pii: Pii::Yes };
        /// The user's address.
        user_ip: String = "user.ip" { pii: Pii::Yes };
        /// The user's name.
        user_username: String = "user.username" { pii: Pii::Yes };
        /// The user's email address.
        user_email: String = "user.email" { pii: Pii::Yes };
        /// The city.
        user_geo_city: String = "user.geo.city" { pii: Pii::Yes };
        /// The country.
        user_geo_country_code: String = "user.geo.country_code" { pii: Pii::Yes };
        /// The name of the country.
        user_geo_region: String = "user.geo.region" { pii: Pii::Yes };
        /// The state.
        user_geo_subdivision: String = "user.geo.subdivision" { pii: Pii::Yes };
        /// The part of a continent.
        user_geo_subregion: String = "user.geo.subregion" { pii: Pii::Yes };
    }
}

interface! {
    /// A span that another one has to do with.
    SpanLink = "spanlink", other: Maybe {
        /// Its trace.
        trace_id: TraceId = "trace_id" { required: true, pii: Pii::No };
        /// Its id.
        span_id: SpanId = "span_id" { required: true, pii: Pii::No };
        /// Whether it was sampled.
        sampled: bool = "sampled" { pii: Pii::No };
        /// Anything else.
        attributes: Map<Value> = "attributes" { pii: Pii::Maybe };
    }
}
