//! How items are written: untouched ones as they came, all others in one form.

use relay_envelope::{Envelope, Item, ItemType};

use crate::decode;

fn reencode(text: &str, change: impl FnOnce(&mut Item)) -> String {
    let mut envelope = decode(text).expect("the text is an envelope");
    change(&mut envelope.items_mut()[0]);
    String::from_utf8(envelope.encode().to_vec()).expect("no payload is binary")
}

#[test]
fn an_untouched_item_keeps_every_byte_of_its_header() {
    let text = "{}\n{ \"x\" : 1.0, \"type\":\"\\u0061\", \"x\":null , \"length\":1 }\na\n";
    assert_eq!(reencode(text, |_| {}), text);
}

#[test]
fn an_untouched_item_without_a_length_stays_without() {
    assert_eq!(reencode("{}\n{\"type\":\"a\"}\nx", |_| {}), "{}\n{\"type\":\"a\"}\nx\n");
}

#[test]
fn a_header_over_several_lines_is_put_on_one() {
    let text = "{}\n{\r\n\t\"type\": \"a\",\n\t\"length\": 1\n}\nx\n";
    assert_eq!(reencode(text, |_| {}), "{}\n{\t\"type\": \"a\",\t\"length\": 1}\nx\n");
}

#[test]
fn a_changed_item_is_written_in_order_and_with_its_length() {
    let text = r#"{}
{"z":1,"sentry_environment":"e","sentry_release":"r","attachment_length":1,"span_id":null,"meta_length":1,"sampled":true,"fully_normalized":true,"span_count":1,"platform":"p","filename":"f","content_type":"c","attachment_type":"t","item_count":1,"a":"\u0061","type":"y"}
x
"#;
    assert_eq!(
        reencode(text, |item| item.set_payload("a\nb")),
        r#"{}
{"type":"y","length":3,"item_count":1,"attachment_type":"t","content_type":"c","filename":"f","platform":"p","span_count":1,"fully_normalized":true,"sampled":true,"meta_length":1,"span_id":null,"attachment_length":1,"sentry_release":"r","sentry_environment":"e","a":"\u0061","z":1}
a
b
"#
    );
    assert_eq!(
        reencode("{}\n{\"type\":\"a\"}\nx", |item| item.set_content_type("c")),
        "{}\n{\"type\":\"a\",\"length\":1,\"content_type\":\"c\"}\nx\n"
    );
}

#[test]
fn type_and_length_cannot_be_set_as_fields() {
    let mut item = Item::new(ItemType::Event, "{}");
    item.set_field("type", "session");
    item.set_field("length", 99);
    let envelope = Envelope::from_parts(Default::default(), vec![item]);
    assert_eq!(envelope.encode(), "{}\n{\"type\":\"event\",\"length\":2}\n{}\n");
}

#[test]
fn ing_056_an_unknown_item_is_written_as_it_came() {
    let text = "{}\n{\"type\":\"future_thing\",\"length\":5,\"x\":1}\nab\ncd\n";
    assert_eq!(reencode(text, |_| {}), text);
}

#[test]
fn ing_106_items_and_the_sent_at_of_an_envelope_come_out_as_they_went_in() {
    let text = "{\"event_id\":\"9ec79c33ec9942ab8353589fcb2e04dc\",\"sent_at\":\"2020-01-02T03:04:05Z\"}\n{\"type\":\"event\"}\n{\"message\":\"x\" }\n{\"type\":\"future_thing\",\"length\":2}\n\0\n\n";
    assert_eq!(reencode(text, |_| {}), text);
}

#[test]
fn ing_145_profile_chunk_ui_is_written_as_profile_chunk() {
    let text = "{}\n{\"type\":\"profile_chunk_ui\",\"length\":2,\"platform\":\"cocoa\"}\n{}\n";
    assert_eq!(
        reencode(text, |_| {}),
        "{}\n{\"type\":\"profile_chunk\",\"length\":2,\"platform\":\"cocoa\"}\n{}\n"
    );
}

#[test]
fn the_parts_are_the_bytes_in_slices_and_share_the_payloads() {
    let envelope = decode("{}\n{\"type\":\"a\"}\n123\n{\"type\":\"b\",\"length\":0}").unwrap();
    let parts = envelope.encode_parts();
    assert_eq!(parts.iter().collect::<Vec<_>>().concat(), envelope.encode());
    assert_eq!(parts.len(), envelope.encode().len());
    assert!(parts.iter().any(|part| part.as_ptr() == envelope.items()[0].payload().as_ptr()));
    assert_eq!(Envelope::new().encode_parts().iter().collect::<Vec<_>>(), [b"{}\n"]);
}
