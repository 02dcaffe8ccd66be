//! What real SDKs sent (`fixtures/sdk`) goes through everything that looks into payloads.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use relay_compression::ContentEncoding;
use relay_envelope::{Envelope, Item, Limits};
use relay_pipeline::normalize::{Ingress, Lookups, Settings, normalize};
use relay_protocol::payload::{Kind, NodeRef, Payload};
use relay_protocol::schema::{
    CheckIn, Described, Event, Interface, Log, SessionAggregates, SessionUpdate, SpanV2,
    TraceMetric, check, check_attributes, read,
};
use relay_protocol::{ClientReport, EventId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const MAX_SIZE: usize = 10 << 20;

/// Every item that an SDK sent, with the file it is from.
fn items() -> Vec<(PathBuf, Item)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/sdk");
    let mut items = Vec::new();
    for folder in fs::read_dir(root).expect("the fixtures are there") {
        let folder = folder.expect("a folder can be read").path();
        for file in fs::read_dir(folder).expect("a folder can be listed") {
            let path = file.expect("a file can be read").path();
            if path.extension().is_none_or(|extension| extension != "body") {
                continue;
            }
            let body = Bytes::from(fs::read(&path).expect("a body can be read"));
            let body =
                relay_compression::decode(encoding(&path.with_extension("json")), body, MAX_SIZE)
                    .expect("a body can be decoded");
            let envelope =
                Envelope::decode(body, &Limits::default()).expect("a body is an envelope");
            items.extend(envelope.items().iter().map(|item| (path.clone(), item.clone())));
        }
    }
    assert!(items.len() > 40, "{}", items.len());
    items
}

fn encoding(request: &Path) -> ContentEncoding {
    let request = fs::read(request).expect("a request can be read");
    let request: Value = serde_json::from_slice(&request).expect("a request is JSON");
    let headers = request["headers"].as_array().expect("a request has headers");
    let header = headers.iter().find(|header| {
        header[0].as_str().is_some_and(|name| name.eq_ignore_ascii_case("content-encoding"))
    });
    header.map_or(ContentEncoding::Identity, |header| {
        let name = header[1].as_str().expect("a header has a value");
        name.parse().expect("an SDK names a known encoding")
    })
}

fn is_json(item: &Item) -> bool {
    !matches!(item.ty().as_str(), "attachment")
}

#[test]
fn unchanged_payloads_are_written_byte_for_byte() {
    for (path, item) in items().iter().filter(|(_, item)| is_json(item)) {
        let payload = Payload::parse(item.payload()).unwrap();
        assert_eq!(payload.to_json().as_bytes(), &item.payload()[..], "{}", path.display());
    }
}

#[test]
fn payloads_that_are_put_together_anew_say_the_same() {
    for (path, item) in items().iter().filter(|(_, item)| is_json(item)) {
        let mut payload = Payload::parse(item.payload()).unwrap();
        let root = payload.root();
        let ids: Vec<_> = payload.node(root).descendants().map(NodeRef::id).collect();
        for id in ids {
            if let Some(text) = payload.str(id).map(str::to_owned) {
                payload.set(id, &text);
            }
        }
        assert_eq!(
            parsed(payload.to_json().as_bytes()),
            parsed(item.payload()),
            "{}",
            path.display()
        );
    }
}

fn parsed(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("this is JSON")
}

#[test]
fn events_are_normalised_without_finding_more_than_is_wrong() {
    let mut count = 0;
    for (path, item) in items() {
        if !matches!(item.ty().as_str(), "event" | "transaction" | "feedback") {
            continue;
        }
        count += 1;
        let once = normalized(item.payload());
        let found = parsed(once.as_bytes());
        // The larger ones are trimmed. Some have a tag whose name has letters beyond ASCII; nothing else is wrong.
        let meta = found.get("_meta").and_then(Value::as_object).into_iter().flatten();
        for (key, meta) in meta.map(|(key, meta)| (key, meta.to_string())) {
            let tag = key == "tags" && meta.contains("región");
            assert!(tag || !meta.contains("\"err\""), "{key} of {}: {meta}", path.display());
        }
        assert_eq!(normalized(once.as_bytes()), once, "{}", path.display());
        let sent = parsed(item.payload());
        for key in ["event_id", "release", "environment", "transaction", "platform"] {
            if sent.get(key).is_some_and(|value| value != "") {
                assert_eq!(found[key], sent[key], "{key} in {}", path.display());
            }
        }
        let event: Event = read(item.payload()).unwrap();
        assert!(event.other.is_empty(), "{}: {:?}", path.display(), event.other.keys());
    }
    assert!(count > 10, "{count}");
}

fn normalized(body: &[u8]) -> String {
    let mut event = Payload::parse(body).expect("an event is JSON");
    let root = event.root();
    check(&mut event, root, Event::INTERFACE);
    // Transactions are accepted for five days.
    let sent =
        event.node(root).get("timestamp").and_then(NodeRef::as_f64).expect("an event says when");
    let received =
        chrono::DateTime::from_timestamp(sent as i64 + 1, 0).expect("in reach of the calendar");
    let ingress = Ingress::new(received, EventId::from(uuid::Uuid::nil()));
    normalize(&mut event, &ingress, &Settings::default(), &Lookups::default())
        .expect("SDKs send valid events");
    event.to_json()
}

#[test]
fn elements_of_containers_pass_the_check() {
    let mut count = 0;
    for (path, item) in items() {
        let interface: &'static Interface = match item.ty().as_str() {
            "log" => Log::INTERFACE,
            "trace_metric" => TraceMetric::INTERFACE,
            "span" => SpanV2::INTERFACE,
            _ => continue,
        };
        let mut payload = Payload::parse(item.payload()).unwrap();
        let root = payload.root();
        let items = payload.get(root, "items").expect("a container has items");
        let elements: Vec<_> = payload.node(items).children().map(NodeRef::id).collect();
        for element in elements {
            count += 1;
            payload.split_meta(element);
            check(&mut payload, element, interface);
            check_attributes(&mut payload, element, interface);
        }
        assert!(!payload.to_json().contains("_meta"), "{}", path.display());
        assert_eq!(payload.kind(items), Kind::Array);
    }
    assert!(count > 10, "{count}");
}

#[test]
fn strict_payloads_are_read_and_written() {
    let mut kinds = std::collections::BTreeSet::new();
    for (path, item) in items() {
        let sent = item.payload();
        let written = match item.ty().as_str() {
            "session" => round_trip::<SessionUpdate>(sent),
            "sessions" => round_trip::<SessionAggregates>(sent),
            "check_in" => round_trip::<CheckIn>(sent),
            "client_report" => round_trip::<ClientReport>(sent),
            _ => continue,
        };
        kinds.insert(item.ty().as_str().to_owned());
        for (key, value) in parsed(sent).as_object().expect("they are objects") {
            // Times are spelled in one way, and what is not there is left out.
            if !matches!(key.as_str(), "started" | "timestamp" | "aggregates" | "sid")
                && !value.is_null()
            {
                let found = written.get(key);
                assert!(
                    found == Some(value) || *value == json!(false) || *value == json!(""),
                    "{key} of {} is {found:?}, not {value}",
                    path.display(),
                );
            }
        }
    }
    assert!(kinds.len() >= 2, "{kinds:?}");
}

fn round_trip<T>(sent: &[u8]) -> Value
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let read: T = serde_json::from_slice(sent).expect("an SDK sends what the struct reads");
    let written = serde_json::to_value(&read).expect("it can be written");
    assert_eq!(serde_json::from_value::<T>(written.clone()).expect("and read again"), read);
    written
}
