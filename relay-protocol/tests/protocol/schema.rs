use std::fmt::Debug;

use proptest::prelude::*;
use relay_protocol::payload::Payload;
use relay_protocol::schema::{
    Described, Event, Interface, Log, MetricUnit, Pii, Replay, Span, SpanV2, Timestamp,
    TraceAttachmentMeta, TraceMetric, check, check_attributes, read,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::generate::{self, Random};

fn checked(json: &Value, interface: &'static Interface) -> Value {
    let json = checked_text(&json.to_string(), interface);
    serde_json::from_str(&json).expect("what is written is JSON")
}

fn checked_text(json: &str, interface: &'static Interface) -> String {
    let mut payload = Payload::parse(json.as_bytes()).expect("this is JSON");
    let root = payload.root();
    check(&mut payload, root, interface);
    payload.to_json()
}

/// Without what only one of the faces has: nulls, and what was done to values.
fn bare(value: Value) -> Value {
    match value {
        Value::Array(list) => list.into_iter().filter(|value| !value.is_null()).map(bare).collect(),
        Value::Object(object) => Value::Object(
            object
                .into_iter()
                .filter(|(key, value)| !value.is_null() && key != "_meta")
                .map(|(key, value)| (key, bare(value)))
                .filter(|(key, value)| key != "values" || *value != json!([]))
                .collect(),
        ),
        other => other,
    }
}

/// The typed face of a payload, written, is what the tree says after the check.
fn faces_agree<T>(seed: u64)
where
    T: Described + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let mut random = Random::new(seed);
    let payload = generate::object(T::INTERFACE, &mut random, generate::SMALL);
    let payload = generate::text_of(&payload, &mut random);
    let once = checked_text(&payload, T::INTERFACE);
    let tree: Value = serde_json::from_str(&once).expect("what is written is JSON");
    let typed: T = read(payload.as_bytes()).expect("no content is an error");
    let written = serde_json::to_value(&typed).expect("it can be written");
    assert_eq!(bare(written.clone()), bare(tree.clone()), "seed {seed}");
    let again: T = serde_json::from_value(written).expect("and read");
    assert_eq!(again, typed);
    // What the check brought into form, it leaves.
    assert_eq!(checked_text(&once, T::INTERFACE), once, "seed {seed}");
}

/// Every unknown key of the input is in the output, wherever the object around it is.
fn unknown_keys_are_kept(before: &Value, after: &Value) {
    if let (Value::Object(before), Value::Object(after)) = (before, after) {
        for (key, value) in before {
            match after.get(key) {
                Some(found) if key.starts_with("unknown_") => assert_eq!(found, value),
                Some(found) => unknown_keys_are_kept(value, found),
                None => assert!(!key.starts_with("unknown_"), "{key} is gone"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_faces_of_a_payload_agree(seed: u64) {
        faces_agree::<Event>(seed);
        faces_agree::<Replay>(seed);
        faces_agree::<Log>(seed);
        faces_agree::<SpanV2>(seed);
        faces_agree::<TraceMetric>(seed);
        faces_agree::<TraceAttachmentMeta>(seed);
    }

    #[test]
    fn keys_that_nobody_knows_survive_the_check(seed: u64) {
        let event = generate::object(Event::INTERFACE, &mut Random::new(seed), generate::SMALL);
        unknown_keys_are_kept(&event, &checked(&event, Event::INTERFACE));
    }

    #[test]
    fn timestamps_read_what_they_write(micros in -62_167_219_200_000_000_i64..253_402_300_800_000_000) {
        let time = Timestamp::from_micros(micros).unwrap();
        let seconds: f64 = time.to_string().parse().unwrap();
        // As a double, in seconds, microseconds are exact until 2106.
        if micros.abs() < (1 << 32) * 1_000_000 {
            prop_assert_eq!(Timestamp::from_seconds(seconds), Some(time));
            prop_assert_eq!(seconds, time.seconds());
        }
    }
}

#[test]
fn every_key_of_every_interface_is_found_and_no_other() {
    let event = Event::INTERFACE;
    for (position, field) in event.fields.iter().enumerate() {
        assert_eq!(event.position(field.name), Some(position));
        for alias in field.aliases {
            assert_eq!(event.position(alias), Some(position));
        }
    }
    for key in ["", "user ", "levels", "_meta", "sentry.interfaces.Query"] {
        assert_eq!(event.position(key), None, "{key}");
    }
    assert_eq!(event.of_key("user").pii, Pii::Inherit);
    assert_eq!(event.of_key("nobody knows").pii, Pii::Yes);
}

#[test]
fn times_are_read_in_the_forms_that_sdks_write() {
    for (text, micros) in [
        ("2024-01-02T03:04:05Z", 1_704_164_645_000_000_i64),
        ("2024-01-02t03:04:05z", 1_704_164_645_000_000),
        ("2024-01-02T03:04:05", 1_704_164_645_000_000),
        ("2024-01-02T03:04:05.5+02:00", 1_704_157_445_500_000),
        ("2024-01-02T03:04:05.1234567-0030", 1_704_166_445_123_457),
        ("1969-12-31T23:59:59.75Z", -250_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
    ] {
        assert_eq!(text.parse::<Timestamp>().map(Timestamp::micros), Ok(micros), "{text}");
    }
    for text in [
        "",
        "2024",
        "2024-01-02",
        "2024-01-02T03:04",
        "2024-13-02T03:04:05Z",
        "2024-02-30T03:04:05Z",
        "2024-01-02T03:04:05.Z",
        "2024-01-02T03:04:05+2",
        "2024-01-02T03:04:05 Z",
        "2024-01-02T24:00:00Z",
        "2024-01-02T03:04:05+99:00",
        "x024-01-02T03:04:05Z",
        "2024é01-02T03:04:05Z",
        "12024-01-02T03:04:05Z",
    ] {
        assert!(text.parse::<Timestamp>().is_err(), "{text}");
    }
}

#[test]
fn units_have_one_spelling() {
    for (text, unit) in
        [("", "none"), ("ms", "millisecond"), ("us", "us"), ("Frames", "frames"), ("byte", "byte")]
    {
        assert_eq!(text.parse::<MetricUnit>().unwrap().as_str(), unit);
    }
    assert!("sixteen_chars_xx".parse::<MetricUnit>().is_err());
    assert!("é".parse::<MetricUnit>().is_err());
}

#[test]
fn what_is_required_or_may_not_be_empty_is_checked_apart() {
    let json = json!({
        "release": " ", "dist": "a b", "logger": "a\nb", "environment": " prod ",
        "exception": [{"type": "E", "stacktrace": {"frames": []}, "mechanism": {"type": "", "source": "a b"}}],
        "contexts": {"trace": {"trace_id": "x"}},
    });
    let json = json.to_string();
    let mut payload = Payload::parse(json.as_bytes()).unwrap();
    let root = payload.root();
    check(&mut payload, root, Event::INTERFACE);
    check_attributes(&mut payload, root, Event::INTERFACE);
    let found: Value = serde_json::from_str(&payload.to_json()).unwrap();
    assert_eq!(found["environment"], "prod");
    let empty = json!({"": {"err": [["invalid_data", {"reason": "expected a non-empty string"}]]}});
    let meta = &found["_meta"];
    assert_eq!(meta["release"], empty);
    assert_eq!(
        meta["dist"][""]["err"],
        json!([["invalid_data", {"reason": "invalid character ' '"}]])
    );
    assert_eq!(meta["dist"][""]["val"], "a b");
    assert_eq!(
        meta["logger"][""]["err"],
        json!([["invalid_data", {"reason": "invalid character '\\n'"}]])
    );
    let exception = &meta["exception"]["values"]["0"];
    assert_eq!(exception["mechanism"]["type"], empty);
    assert_eq!(
        exception["stacktrace"]["frames"][""]["err"][0][1]["reason"],
        "expected a non-empty value"
    );
    let trace = &meta["contexts"]["trace"];
    assert_eq!(trace["span_id"][""]["err"], json!(["missing_attribute"]));
    assert_eq!(
        trace["trace_id"][""]["err"],
        json!([["invalid_data", {"reason": "not a valid trace id"}]])
    );
}

#[test]
fn attributes_of_logs_say_what_they_are() {
    let log = json!({"attributes": {
        "a": {"type": "integer", "value": "1"},
        "b": {"type": "double", "value": 1},
        "c": {"type": "array", "value": ["x", null, "y"]},
        "d": {"type": "array", "value": ["x", 1]},
        "e": {"type": "string"},
        "f": {"type": "thing", "value": 1},
        "g": {"type": "string", "value": "x", "unit": "second"},
        "h": 1,
    }});
    let found = checked(&log, Log::INTERFACE);
    let attributes = &found["attributes"];
    assert_eq!(attributes["a"], Value::Null);
    assert_eq!(attributes["b"], log["attributes"]["b"]);
    assert_eq!(attributes["c"], log["attributes"]["c"]);
    assert_eq!(attributes["d"], json!({"type": "array", "value": null}));
    assert_eq!(attributes["g"], log["attributes"]["g"]);
    let meta = &found["_meta"]["attributes"];
    assert_eq!(
        meta["a"][""],
        json!({"err": ["invalid_data"], "val": {"type": "integer", "value": "1"}})
    );
    assert_eq!(meta["d"]["value"][""], json!({"err": ["invalid_data"]}));
    assert_eq!(meta["e"][""], json!({"err": ["missing_attribute"], "val": {"type": "string"}}));
    assert_eq!(meta["f"][""]["err"], json!(["invalid_data"]));
    assert_eq!(meta["h"][""]["val"], 1);
}

#[test]
fn of_a_field_that_is_there_twice_the_last_counts() {
    let mut payload = Payload::parse(br#"{"level":"error","culprit":1,"level":"log"}"#).unwrap();
    let root = payload.root();
    check(&mut payload, root, Event::INTERFACE);
    let found: Value = serde_json::from_str(&payload.to_json()).unwrap();
    assert_eq!(found["level"], "info");
    assert_eq!(payload.to_json().matches("\"level\"").count(), 1);
}

#[test]
fn a_value_in_the_data_of_a_span_is_as_personal_as_its_name_says() {
    let json = br#"{"data":{"db.query.text":"x","http.request.header.cookie":"x","thread.id":1,"mine":{"a":1}}}"#;
    let payload = Payload::parse(json).expect("this is JSON");
    let data = payload.node(payload.root()).get("data").expect("it is there");
    let of_data = Span::INTERFACE.of_key("data");
    let level = |name: &str| of_data.below(data.get(name).expect("it is there")).pii;
    assert_eq!((level("db.query.text"), level("http.request.header.cookie")), (Pii::Yes, Pii::Yes));
    assert_eq!((level("thread.id"), level("mine")), (Pii::Maybe, Pii::Yes));
    let below = of_data.below(data.get("mine").expect("it is there"));
    let inner = data.get("mine").and_then(|mine| mine.get("a")).expect("it is there");
    assert_eq!(below.below(inner).pii, Pii::Inherit);
}

#[test]
fn the_value_of_an_attribute_is_as_personal_as_its_name_says_and_its_type_never() {
    let json = br#"{"attributes":{"http.request.header.cookie":{"type":"string","value":"x"}}}"#;
    let payload = Payload::parse(json).expect("this is JSON");
    let attributes = payload.node(payload.root()).get("attributes").expect("it is there");
    let of_attributes = Log::INTERFACE.of_key("attributes");
    let attribute = attributes.get("http.request.header.cookie").expect("it is there");
    let of_attribute = of_attributes.below(attribute);
    assert_eq!(of_attribute.pii, Pii::Yes);
    let below = |key| of_attribute.below(attribute.get(key).expect("it is there")).pii;
    assert_eq!((below("value"), below("type")), (Pii::Inherit, Pii::No));
}
