//! Replay events (spec/schema.md 12).

use super::{
    Contexts, List, Pairs, Pii, Request, SdkInfo, Shape, Timestamp, User, container, interface,
};
use crate::EventId;

interface! {
    /// What goes with a segment of a recording: the payload of an item `replay_event`.
    Replay = "replay", other: Inherit {
        /// The id of the event.
        event_id: EventId = "event_id" { pii: Pii::No };
        /// The id of the replay.
        replay_id: EventId = "replay_id" { required: true, pii: Pii::No };
        /// `session` or `buffer`. At most 64 characters.
        replay_type: String = "replay_type" { max_chars: Some(64), pii: Pii::No };
        /// Which segment, from 0 to 65,535.
        segment_id: u64 = "segment_id" { required: true, pii: Pii::No };
        /// `replay_event`. At most 64 characters.
        ty: String = "type" { max_chars: Some(64), pii: Pii::No };
        /// When the segment ended.
        timestamp: Timestamp = "timestamp" { pii: Pii::No };
        /// When the replay began.
        replay_start_timestamp: Timestamp = "replay_start_timestamp" { pii: Pii::No };
        /// The pages that were visited. At most 100, 8 KiB.
        urls: List<String> = "urls" { max_depth: Some(7), max_bytes: Some(8192), pii: Pii::Yes };
        /// The errors that happened. At most 100, 2 KiB.
        error_ids: List<EventId> = "error_ids" { max_depth: Some(5), max_bytes: Some(2048), pii: Pii::No };
        /// The traces that were running. At most 100, 2 KiB.
        trace_ids: List<EventId> = "trace_ids" { max_depth: Some(5), max_bytes: Some(2048), pii: Pii::No };
        /// Names of segments. At most 100, 2 KiB.
        segment_names: List<String> = "segment_names" {
            max_depth: Some(5), max_bytes: Some(2048), pii: Pii::Yes
        };
        /// As in events.
        contexts: Contexts = "contexts" { shape: Shape::Contexts };
        /// As in events. At most 64 characters.
        platform: String = "platform" { max_chars: Some(64), pii: Pii::No };
        /// As in events. At most 200 characters.
        release: String = "release" {
            shape: Shape::Lenient, max_chars: Some(200), trim_whitespace: true, nonempty: true, pii: Pii::No
        };
        /// As in events. At most 64 characters.
        dist: String = "dist" { max_chars: Some(64), pii: Pii::No };
        /// As in events. At most 64 characters.
        environment: String = "environment" {
            max_chars: Some(64), trim_whitespace: true, nonempty: true, pii: Pii::No
        };
        /// As in events.
        tags: Pairs = "tags" { shape: container::TAGS.shape, pii: Pii::Yes };
        /// As in events.
        user: User = "user";
        /// As in events.
        request: Request = "request";
        /// As in events.
        sdk: SdkInfo = "sdk";
    }
}
