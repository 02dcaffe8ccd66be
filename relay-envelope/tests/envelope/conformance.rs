//! The cases of `fixtures/ingest-cases.json` that show in the codec: what a server of the reference
//! accepted as an envelope decodes, and what it refused is refused with the same texts.

use std::fs;
use std::path::Path;

use relay_envelope::{Envelope, EnvelopeHeader, Limits};
use serde_json::Value;

use crate::{EVENT_ID, KEY, causes};

/// The cases that post a plain body to the envelope endpoint.
fn cases() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/ingest-cases.json");
    let text = fs::read_to_string(path).expect("the fixture is there");
    let cases: Vec<Value> = serde_json::from_str(&text).expect("it is JSON");
    let is_plain_envelope = |case: &Value| {
        let headers = case["request"]["headers"].to_string().to_ascii_lowercase();
        case["request"]["method"] == "POST"
            && case["request"]["path"].as_str().is_some_and(|path| path.ends_with("/envelope/"))
            && !headers.contains("content-encoding")
            && body(&case["request"]["body"]).is_some_and(|body| !body.is_empty())
    };
    cases.into_iter().filter(is_plain_envelope).collect()
}

fn body(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(fill(text).into_bytes()),
        Value::Array(parts) => Some(parts.iter().map(body).collect::<Option<Vec<_>>>()?.concat()),
        Value::Object(form) => {
            let times = usize::try_from(form.get("times")?.as_u64()?).ok()?;
            Some(body(form.get("repeat")?)?.repeat(times))
        }
        _ => None,
    }
}

/// Fills in the placeholders; those for times become texts, which is all they are to a codec.
fn fill(text: &str) -> String {
    let text = text.replace("{{K}}", KEY).replace("{{K2}}", &KEY.replace('a', "b"));
    let text = text.replace("{{E}}", EVENT_ID).replace("{{E2}}", &EVENT_ID.replace('9', "8"));
    let mut filled = String::new();
    let mut rest = text.as_str();
    while let Some((before, placeholder)) = rest.split_once("{{") {
        let (name, after) = placeholder.split_once("}}").expect("placeholders are closed");
        filled += before;
        filled += if name.starts_with("TS") { "1600000000" } else { "2020-01-02T03:04:05Z" };
        rest = after;
    }
    filled + rest
}

/// The answer of the reference: as expected, or in full where the expectation is loose.
fn answer(case: &Value) -> Value {
    match case["seen"].as_str() {
        Some(seen) => serde_json::from_str(seen).unwrap_or_default(),
        None => case["expect"]["json"].clone(),
    }
}

#[test]
fn envelopes_are_accepted_and_refused_as_by_the_reference() {
    let mut refused = 0;
    let cases = cases();
    for case in &cases {
        let body = body(&case["request"]["body"]).unwrap();
        let answer = answer(case);
        let mismatch = answer["causes"].to_string().contains("mismatch");
        let result = Envelope::decode(body.into(), &Limits::default());
        if answer["detail"] == "invalid event envelope" && !mismatch {
            let error = result.expect_err(&case["id"].to_string());
            assert_eq!(Value::from(causes(&error)), answer["causes"], "{}", case["id"]);
            refused += 1;
        } else if answer["detail"] != "bad envelope authentication header" {
            result.unwrap_or_else(|error| panic!("{}: {:?}", case["id"], causes(&error)));
        }
    }
    assert!(refused >= 13 && cases.len() >= 70, "{refused} refused of {}", cases.len());
}

#[test]
fn senders_are_refused_as_by_the_reference() {
    let mut refused = 0;
    for case in cases() {
        let answer = answer(&case);
        if answer["detail"] == "bad envelope authentication header" {
            let body = body(&case["request"]["body"]).unwrap();
            let error = EnvelopeHeader::decode_sender(&body, 1024).unwrap_err();
            assert_eq!(Value::from(causes(&error)), answer["causes"], "{}", case["id"]);
            refused += 1;
        }
    }
    assert!(refused >= 1);
}

#[test]
fn items_that_pass_a_proxy_keep_payload_and_header() {
    let mut compared = 0;
    for case in cases() {
        let upstream = &case["upstream"];
        let upstream = upstream.get("proxy").unwrap_or(upstream);
        let [forwarded] = upstream["envelopes"].as_array().map_or(&[][..], Vec::as_slice) else {
            continue;
        };
        let items = forwarded["items"].as_array().map_or(&[][..], Vec::as_slice);
        if case["mode"] == "managed" || case["steps"].is_array() || items.is_empty() {
            continue;
        }
        let body = body(&case["request"]["body"]).unwrap();
        let envelope = Envelope::decode(body.into(), &Limits::default()).unwrap();
        if envelope.items().len() != items.len() {
            continue;
        }
        for (item, expected) in envelope.items().iter().zip(items) {
            if let Some(payload) = expected["payload"].as_str() {
                assert_eq!(item.payload(), fill(payload).as_bytes(), "{}", case["id"]);
                compared += 1;
            }
            for (key, value) in expected["header"].as_object().into_iter().flatten() {
                let found = match &**key {
                    "type" => Some(Value::from(item.ty().as_str())),
                    "length" => Some(Value::from(item.payload().len())),
                    key => item.field(key).map(|json| serde_json::from_str(json).unwrap()),
                };
                // A matcher instead of a value is for servers to meet.
                if !value.is_object() {
                    assert_eq!(found.as_ref(), Some(value), "{} {key}", case["id"]);
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 30, "{compared}");
}
