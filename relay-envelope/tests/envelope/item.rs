//! Item headers: typed getters, setters, and what is kept.

use relay_envelope::{AttachmentType, Item, ItemType};

use crate::decode;

fn item(header: &str, payload: &str) -> Item {
    let (_, mut items) =
        decode(format!("{{}}\n{header}\n{payload}")).expect("it is an envelope").into_parts();
    items.remove(0)
}

#[test]
fn item_types_are_known_by_their_names() {
    for name in [
        "event",
        "transaction",
        "security",
        "raw_security",
        "unreal_report",
        "feedback",
        "attachment",
        "form_data",
        "user_report",
        "session",
        "sessions",
        "client_report",
        "check_in",
        "profile",
        "profile_chunk",
        "replay_event",
        "replay_recording",
        "replay_video",
        "log",
        "trace_metric",
        "span",
        "metric_buckets",
        "integration",
    ] {
        let ty = ItemType::from(name);
        assert!(!matches!(ty, ItemType::Other(_)), "{name}");
        assert_eq!(ty.to_string(), name);
    }
    for name in ["nel", "statsd", "otel_span", "metric_meta", "Event", ""] {
        assert_eq!(ItemType::from(name), ItemType::Other(name.to_owned()));
    }
}

#[test]
fn known_fields_are_read_by_their_type() {
    let item = item(
        r#"{"type":"a","content_type":"text\/plain","filename":"a\nb","attachment_type":"event.minidump","item_count":3,"platform":"cocoa","span_count":4,"fully_normalized":true,"sampled":false,"meta_length":5,"span_id":null,"attachment_length":6000000000,"sentry_release":"r","sentry_environment":"e","x":[1, 2]}"#,
        "",
    );
    assert_eq!(item.content_type().as_deref(), Some("text/plain"));
    assert_eq!(item.filename().as_deref(), Some("a\nb"));
    assert_eq!(item.attachment_type(), Some(AttachmentType::Minidump));
    assert_eq!(item.item_count(), Some(3));
    assert_eq!(item.platform().as_deref(), Some("cocoa"));
    assert_eq!(item.span_count(), Some(4));
    assert!(item.fully_normalized());
    assert!(!item.sampled());
    assert_eq!(item.meta_length(), Some(5));
    assert!(item.has_span_id());
    assert_eq!(item.attachment_length(), Some(6_000_000_000));
    assert_eq!(item.release().as_deref(), Some("r"));
    assert_eq!(item.environment().as_deref(), Some("e"));
    assert_eq!(item.field("x"), Some("[1, 2]"));
    assert_eq!(item.field("type"), None);
}

#[test]
fn fields_that_are_absent_have_their_defaults() {
    let item = item(r#"{"type":"a"}"#, "");
    assert_eq!(item.content_type(), None);
    assert_eq!(item.item_count(), None);
    assert_eq!(item.attachment_type(), None);
    assert!(item.sampled());
    assert!(!item.fully_normalized());
    assert!(!item.has_span_id());
}

#[test]
fn a_field_of_the_wrong_type_counts_as_absent_and_is_kept() {
    let header = r#"{"type":"a","content_type":1,"item_count":-1,"span_count":4294967296,"sampled":"no","platform":null}"#;
    let mut item = item(header, "");
    assert_eq!(item.content_type(), None);
    assert_eq!(item.item_count(), None);
    assert_eq!(item.span_count(), None);
    assert!(item.sampled());
    assert_eq!(item.platform(), None);
    item.set_payload("x");
    assert_eq!(item.field("content_type"), Some("1"));
    assert_eq!(item.field("platform"), Some("null"));
}

#[test]
fn of_a_field_that_comes_twice_the_last_counts() {
    let mut item = item(r#"{"type":"a","filename":"x","filename":"y"}"#, "");
    assert_eq!(item.filename().as_deref(), Some("y"));
    item.set_content_type("text/plain");
    assert_eq!(item.filename().as_deref(), Some("y"));
}

#[test]
fn an_attachment_that_does_not_say_is_a_plain_one() {
    let attachment = |header, payload| item(header, payload).attachment_type();
    let plain = Some(AttachmentType::Attachment);
    assert_eq!(attachment(r#"{"type":"attachment"}"#, "sntr"), plain);
    assert_eq!(attachment(r#"{"type":"attachment","attachment_type":null}"#, ""), plain);
    assert_eq!(attachment(r#"{"type":"attachment","filename":"dying_message.dat"}"#, "x"), plain);
    assert_eq!(
        attachment(r#"{"type":"attachment","filename":"dying_message.dat"}"#, "sntr\u{1}"),
        Some(AttachmentType::NintendoSwitchDyingMessage)
    );
    assert_eq!(
        attachment(r#"{"type":"attachment","attachment_type":"new.kind"}"#, ""),
        Some(AttachmentType::Other("new.kind".to_owned()))
    );
    assert_eq!(
        attachment(r#"{"type":"attachment","attachment_type":[1]}"#, ""),
        Some(AttachmentType::Other("[1]".to_owned()))
    );
}

#[test]
fn ing_150_an_attachment_type_on_another_item_is_seen() {
    let item = item(r#"{"type":"event","attachment_type":"event.view_hierarchy"}"#, "{}");
    assert_eq!(item.attachment_type(), Some(AttachmentType::ViewHierarchy));
}

#[test]
fn items_that_create_an_event_are_told_apart() {
    for ty in ["event", "transaction", "security", "raw_security", "unreal_report", "feedback"] {
        assert!(Item::new(ItemType::from(ty), "").creates_event(), "{ty}");
    }
    for ty in ["attachment", "session", "user_report", "replay_event", "span", "future_thing"] {
        assert!(!Item::new(ItemType::from(ty), "").creates_event(), "{ty}");
    }
    for (name, creates) in [
        ("event.minidump", true),
        ("event.applecrashreport", true),
        ("event.payload", true),
        ("event.breadcrumbs", true),
        ("playstation.prosperodump", true),
        ("event.nv_gpudmp", true),
        ("nswitch.dying_message", true),
        ("event.attachment", false),
        ("event.view_hierarchy", false),
        ("event.nv_shader_debug", false),
        ("unreal.context", false),
        ("unreal.logs", false),
        ("future.kind", false),
    ] {
        let mut item = Item::attachment("a", "");
        item.set_attachment_type(&AttachmentType::from(name));
        assert_eq!(item.creates_event(), creates, "{name}");
    }
}

#[test]
fn debug_shows_neither_payload_nor_fields() {
    let debug = format!("{:?}", item(r#"{"type":"a","filename":"hunter2"}"#, "secret"));
    assert!(!debug.contains("hunter2") && !debug.contains("secret"), "{debug}");
}
