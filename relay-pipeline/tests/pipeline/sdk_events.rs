//! Events that real SDKs sent.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use relay_envelope::{Envelope, ItemType, Limits};
use relay_pipeline::normalize::{Ingress, Lookups, Settings};
use relay_protocol::EventId;
use serde_json::Value;

use crate::normalize::normalized_with;

fn events() -> Vec<Value> {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/sdk");
    let mut events = Vec::new();
    for client in ["python-identity", "node"] {
        for entry in fs::read_dir(sdk.join(client)).expect("the fixtures are there") {
            let path = entry.expect("the folder can be read").path();
            if path.extension().is_none_or(|extension| extension != "body") {
                continue;
            }
            let body = Bytes::from(fs::read(&path).expect("the file can be read"));
            let Ok(envelope) = Envelope::decode(body, &Limits::default()) else { continue };
            let is_event = |ty: &ItemType| {
                matches!(ty, ItemType::Event | ItemType::Transaction | ItemType::Feedback)
            };
            for item in envelope.items().iter().filter(|item| is_event(item.ty())) {
                events.push(serde_json::from_slice(item.payload()).expect("events are JSON"));
            }
        }
    }
    assert!(events.len() >= 7, "{}", events.len());
    events
}

#[test]
fn what_sdks_send_is_accepted_and_settles() {
    for event in events() {
        let sent = &event["timestamp"];
        let sent = match (sent.as_str(), sent.as_f64()) {
            (Some(text), _) => text.parse().expect("SDKs send RFC 3339"),
            (None, Some(seconds)) => {
                chrono::DateTime::from_timestamp(seconds as i64, 0).expect("a time")
            }
            (None, None) => panic!("SDKs send a timestamp"),
        };
        let ingress = Ingress::new(sent + chrono::TimeDelta::seconds(2), EventId::random());
        let once = normalized_with(&event, &ingress, &Settings::default(), &Lookups::default())
            .expect("SDKs send valid events");
        assert_eq!(once["event_id"], event["event_id"]);
        assert_ne!(once["platform"], "other");
        assert_eq!(once["sdk"]["name"], event["sdk"]["name"]);
        // One has a tag `región`, which no tag may be called.
        let mut meta = once["_meta"].clone();
        if let Some(meta) = meta.as_object_mut() {
            meta.remove("tags");
        }
        assert!(!meta.to_string().contains("\"err\""), "{meta}");
        let twice = normalized_with(&once, &ingress, &Settings::default(), &Lookups::default());
        assert_eq!(twice.as_ref(), Ok(&once));
    }
}
