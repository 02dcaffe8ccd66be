//! What the benches of payloads do to them.

use bytes::Bytes;
use relay_envelope::{Envelope, Limits};
use relay_pipeline::normalize::{Ingress, Lookups, Settings, normalize};
use relay_protocol::EventId;
use relay_protocol::payload::{NodeId, NodeRef, Payload};
use relay_protocol::schema::{Described, Event, Log, check, check_attributes};
use serde_json::Value;

use crate::corpus;

/// The shapes of the corpus that these benches are about.
pub const SHAPES: [&str; 4] = ["error_3k", "error_60k", "transaction_80k", "logs_40k"];

/// The payload of the first item.
pub fn payload(shape: &str) -> Bytes {
    let (_, make) = corpus::ENVELOPES.iter().find(|(name, _)| *name == shape).expect(shape);
    let envelope = Envelope::decode(make(0), &Limits::default()).expect("the corpus decodes");
    envelope.items().first().expect("it has an item").payload().clone()
}

/// The tree of a body.
pub fn parse(body: &[u8]) -> Payload<'_> {
    Payload::parse(body).expect("it is JSON")
}

/// Everything that is written changed, so that nothing of the body can be copied whole.
fn touch(payload: &mut Payload<'_>) {
    let root = payload.root();
    payload.insert(root, "received", 1_795_312_202.5);
}

/// The tree of a body, changed in one place and written.
pub fn parse_and_write(body: &[u8]) -> String {
    let mut payload = parse(body);
    touch(&mut payload);
    payload.to_json()
}

/// Check, normalise and trim an event; check the elements of a container.
pub fn full(body: &[u8], ingress: &Ingress<'_>) -> String {
    let mut payload = parse(body);
    let root = payload.root();
    if let Some(items) = payload.get(root, "items") {
        let items: Vec<NodeId> = payload.node(items).children().map(NodeRef::id).collect();
        for item in items {
            payload.split_meta(item);
            check(&mut payload, item, Log::INTERFACE);
            check_attributes(&mut payload, item, Log::INTERFACE);
        }
        touch(&mut payload);
    } else {
        check(&mut payload, root, Event::INTERFACE);
        normalize(&mut payload, ingress, &Settings::default(), &Lookups::default())
            .expect("the corpus is valid");
    }
    payload.to_json()
}

/// The same as `serde_json` has it.
pub fn value(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("it is JSON")
}

/// The same, written again.
pub fn value_and_write(body: &[u8]) -> String {
    serde_json::to_string(&value(body)).expect("it can be written")
}

/// A second after the event, or transactions would be too old.
pub fn ingress(body: &[u8]) -> Ingress<'static> {
    let mut payload = parse(body);
    let root = payload.root();
    check(&mut payload, root, Event::INTERFACE);
    let sent = payload.node(root).get("timestamp").and_then(NodeRef::as_f64).unwrap_or(1.8e9);
    let received = chrono::DateTime::from_timestamp(sent as i64 + 1, 0).expect("in reach");
    Ingress::new(received, EventId::random())
}
