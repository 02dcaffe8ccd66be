//! Making envelopes, as SDKs and the stages of a relay do.

use relay_envelope::{Envelope, EnvelopeHeader, Item, ItemType, SamplingContext};

use crate::{EVENT_ID, KEY};

#[test]
fn an_sdk_builds_an_envelope_with_all_it_has_to_say() {
    let mut header = EnvelopeHeader {
        event_id: Some(EVENT_ID.parse().unwrap()),
        dsn: Some(format!("https://{KEY}@sentry.example/42").parse().unwrap()),
        sent_at: Some("2020-01-02T03:04:05.006Z".parse().unwrap()),
        ..EnvelopeHeader::default()
    };
    header.set_sdk("my-sdk", "1.0");
    let mut trace = SamplingContext::new(EVENT_ID.parse().unwrap(), KEY.parse().unwrap());
    trace.release = Some("a@1".to_owned());
    header.trace = Some(trace.into());

    let mut envelope = Envelope::from_parts(header, Vec::new());
    let mut event = Item::new(ItemType::Event, r#"{"message":"x"}"#);
    event.set_content_type("application/json");
    envelope.push(event);
    envelope.push(Item::attachment("a.bin", vec![0, 10, 255]));

    let mut expected = format!(
        r#"{{"event_id":"{EVENT_ID}","dsn":"https://{KEY}:@sentry.example/42","sent_at":"2020-01-02T03:04:05.006Z","trace":{{"trace_id":"{EVENT_ID}","public_key":"{KEY}","release":"a@1","environment":null,"transaction":null,"replay_id":null}},"sdk":{{"name":"my-sdk","version":"1.0"}}}}
{{"type":"event","length":15,"content_type":"application/json"}}
{{"message":"x"}}
{{"type":"attachment","length":3,"filename":"a.bin"}}
"#
    )
    .into_bytes();
    expected.extend_from_slice(&[0, 10, 255, 10]);
    assert_eq!(envelope.encode(), expected);
}

#[test]
fn items_are_kept_or_dropped_in_place() {
    let mut envelope = Envelope::new();
    for ty in [ItemType::Event, ItemType::Session, ItemType::Attachment] {
        envelope.push(Item::new(ty, ""));
    }
    envelope.retain(|item| *item.ty() != ItemType::Session);
    let types: Vec<_> = envelope.items().iter().map(|item| item.ty().as_str()).collect();
    assert_eq!(types, ["event", "attachment"]);
}

#[test]
fn parts_put_together_again_are_the_same_envelope() {
    let mut envelope = Envelope::new();
    envelope.push(Item::attachment("a", "b"));
    let (header, items) = envelope.clone().into_parts();
    assert_eq!(Envelope::from_parts(header, items), envelope);
}
