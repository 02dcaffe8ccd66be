//! The schema check: it never fails, changes nothing a second time, and leaves what can be read into structs.
#![no_main]

use relay_protocol::payload::{ParsePayloadError, Payload};
use relay_protocol::schema::{
    Described, Event, Interface, Log, ReadError, Replay, SpanV2, TraceMetric, check,
    check_attributes, read,
};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if Payload::parse(data).is_err() {
        return;
    }
    for interface in [
        Event::INTERFACE,
        Log::INTERFACE,
        Replay::INTERFACE,
        SpanV2::INTERFACE,
        TraceMetric::INTERFACE,
    ] {
        let once = checked(data, interface, false);
        assert_eq!(checked(once.as_bytes(), interface, false), once);
        let once = checked(data, interface, true);
        let again = checked(once.as_bytes(), interface, true);
        assert_eq!(parsed(&again), parsed(&once));
    }
    match read::<Event>(data) {
        Ok(_) | Err(ReadError::NoObject | ReadError::Parse(ParsePayloadError::Depth { .. })) => {}
        Err(ReadError::Value(error)) => {
            assert!(error.to_string().starts_with("number out of range"), "{error}");
        }
        Err(error) => panic!("{error}"),
    }
});

fn checked(data: &[u8], interface: &'static Interface, attributes: bool) -> String {
    let mut payload = Payload::parse(data).expect("it was parsed before");
    let root = payload.root();
    check(&mut payload, root, interface);
    if attributes {
        check_attributes(&mut payload, root, interface);
    }
    payload.to_json()
}

/// `None` for numbers that are too large.
fn parsed(json: &str) -> Option<serde_json::Value> {
    serde_json::from_str(json).ok()
}
