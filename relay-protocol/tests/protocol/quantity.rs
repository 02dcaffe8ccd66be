use proptest::prelude::*;
use relay_protocol::{CountedItem, DataCategories, DataCategory};

fn counted(item: CountedItem<'_>) -> String {
    let pairs: Vec<_> = item
        .quantities()
        .as_slice()
        .iter()
        .map(|(category, count)| format!("{category} {count}"))
        .collect();
    pairs.join(", ")
}

fn counted_type(item_type: &str) -> String {
    counted(CountedItem { item_type, ..CountedItem::default() })
}

#[test]
fn items_with_a_bare_header_count_as_the_table_of_item_types_says() {
    for (item_type, expected) in [
        ("event", "error 1"),
        ("transaction", "transaction 1, transaction_indexed 1, span 1, span_indexed 1"),
        ("security", "security 1"),
        ("raw_security", "security 1"),
        ("unreal_report", "error 1"),
        ("feedback", "feedback 1"),
        ("user_report", "feedback 1"),
        ("attachment", "attachment 1, attachment_item 1"),
        ("session", "session 1"),
        ("sessions", "session 1"),
        ("check_in", "monitor 1"),
        ("profile", "profile 1, profile_indexed 1"),
        ("replay_event", "replay 1"),
        ("replay_recording", "replay 1"),
        ("replay_video", "replay 1"),
        ("log", "log_item 1, log_byte 1"),
        ("trace_metric", "trace_metric 1, trace_metric_byte 0"),
        ("span", "span 1, span_indexed 1"),
    ] {
        assert_eq!(counted_type(item_type), expected, "{item_type}");
    }
}

#[test]
fn items_that_never_count_and_unknown_items_count_as_nothing() {
    for item_type in [
        "form_data",
        "client_report",
        "metric_buckets",
        "profile_chunk",
        "profile_chunk_ui",
        "integration",
        "nel",
        "statsd",
        "otel_span",
        "metric_meta",
        "",
        "Event",
    ] {
        assert_eq!(counted_type(item_type), "", "{item_type}");
    }
}

#[test]
fn child_spans_of_a_transaction_count_beside_it() {
    let item =
        CountedItem { item_type: "transaction", span_count: Some(13), ..CountedItem::default() };
    assert_eq!(counted(item), "transaction 1, transaction_indexed 1, span 14, span_indexed 14");
}

#[test]
fn containers_count_their_items_and_their_bytes() {
    let item = |item_type| CountedItem {
        item_type,
        bytes: 900,
        item_count: Some(3),
        ..CountedItem::default()
    };
    assert_eq!(counted(item("log")), "log_item 3, log_byte 900");
    assert_eq!(counted(item("trace_metric")), "trace_metric 3, trace_metric_byte 900");
    assert_eq!(counted(item("span")), "span 3, span_indexed 3");
    assert_eq!(counted(item("sessions")), "session 3");
    // An event is one event whatever its header claims.
    assert_eq!(counted(item("event")), "error 1");
    assert_eq!(counted(item("attachment")), "attachment 900, attachment_item 1");
}

#[test]
fn a_body_of_a_foreign_protocol_counts_as_what_it_holds() {
    for (kind, expected) in [
        ("otel.spans+json", "span 1, span_indexed 1"),
        ("otel.spans+protobuf", "span 1, span_indexed 1"),
        ("otel.logs+protobuf", "log_item 1, log_byte 90"),
        ("vercel.logs+ndjson", "log_item 1, log_byte 90"),
        ("browser.nel+json", "log_item 1, log_byte 90"),
        ("future", ""),
    ] {
        let content_type = format!("application/vnd.sentry.integration.{kind}");
        let item = CountedItem {
            item_type: "integration",
            bytes: 90,
            content_type: Some(&content_type),
            ..CountedItem::default()
        };
        assert_eq!(counted(item), expected, "{kind}");
    }
}

#[test]
fn the_platform_tells_profiles_of_user_interfaces_from_those_of_backends() {
    let item = |item_type, platform| CountedItem {
        item_type,
        platform: Some(platform),
        ..CountedItem::default()
    };
    for platform in ["cocoa", "android", "javascript"] {
        assert_eq!(
            counted(item("profile", platform)),
            "profile 1, profile_indexed 1, profile_ui 1"
        );
        assert_eq!(counted(item("profile_chunk", platform)), "profile_chunk_ui 1");
        assert_eq!(counted(item("profile_chunk_ui", platform)), "profile_chunk_ui 1");
    }
    for platform in ["python", "node", ""] {
        assert_eq!(
            counted(item("profile", platform)),
            "profile 1, profile_indexed 1, profile_backend 1"
        );
        assert_eq!(counted(item("profile_chunk", platform)), "profile_chunk 1");
    }
}

proptest! {
    #[test]
    fn no_item_counts_twice_in_one_category(
        item_type in prop::sample::select(vec!["event", "transaction", "profile", "log", "span", "x"]),
        bytes: u64,
        item_count: Option<u32>,
        span_count: Option<u32>,
        platform in prop::option::of(Just("cocoa")),
    ) {
        let item = CountedItem { item_type, bytes, item_count, span_count, platform, content_type: None };
        let quantities = item.quantities();
        prop_assert_eq!(quantities.categories().len(), quantities.as_slice().len());
        let categories: DataCategories = (&quantities).into_iter().map(|&(category, _)| category).collect();
        prop_assert_eq!(categories, quantities.categories());
        prop_assert!(!categories.contains(DataCategory::Unknown));
    }
}
