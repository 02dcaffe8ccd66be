//! Any JSON is a condition or not; what is one is written as it was read, and holds for an event or does not.
//! The first line is the condition, the rest the event.
#![no_main]

use relay_protocol::payload::Payload;
use relay_protocol::{Condition, EventSubject, LogSubject, ReplaySubject, SpanSubject};
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let Ok(condition) = serde_json::from_slice::<Condition>(&data[..end]) else { return };
    let written = serde_json::to_value(&condition).expect("conditions are JSON");
    let again = Condition::try_from(written.clone()).expect("what is written can be read");
    assert_eq!(serde_json::to_value(&again).ok(), Some(written.clone()));
    assert_eq!(again.is_supported(), condition.is_supported());

    let Ok(event) = Payload::parse(data.get(end + 1..).unwrap_or_default()) else { return };
    let root = event.node(event.root());
    let subject = EventSubject::new(root);
    let negated = serde_json::json!({"op": "not", "inner": written});
    if let Ok(negated) = Condition::try_from(negated) {
        assert_ne!(negated.matches(&subject), condition.matches(&subject));
    }
    let nothing = Condition::try_from(Value::Null);
    assert!(nothing.is_err());
    condition.matches(&ReplaySubject::new(root));
    condition.matches(&SpanSubject::new(root));
    condition.matches(&LogSubject::new(root));
});
