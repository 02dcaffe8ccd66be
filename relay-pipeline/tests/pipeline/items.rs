//! What each type of item is to the rules, and how large it may be: `spec/ingest.md` 6.1, 6.2, 7.2.

use bytes::Bytes;
use relay_envelope::{Envelope, Item, Limits};
use relay_pipeline::{ItemLimits, check_sizes, enforced, needs_event, quantities};

/// An item with what `header` says besides the length, and that many bytes of payload.
fn item(header: &str, bytes: usize) -> Item {
    let mut wire = format!("{{}}\n{{{header},\"length\":{bytes}}}\n").into_bytes();
    wire.resize(wire.len() + bytes, b'x');
    let envelope = Envelope::decode(Bytes::from(wire), &Limits::default()).expect("an envelope");
    envelope.items()[0].clone()
}

/// Alone: no event, no need of one. Needs: dropped with the event. Creates: makes an event, and goes with it.
#[derive(Debug, PartialEq)]
enum Role {
    Alone,
    Needs,
    Creates,
}

impl Role {
    fn of(item: &Item) -> Self {
        match (item.creates_event(), needs_event(item)) {
            (true, needs) => {
                assert!(needs, "what creates an event goes with it");
                Self::Creates
            }
            (false, true) => Self::Needs,
            (false, false) => Self::Alone,
        }
    }
}

/// Every row has a payload of 10 bytes.
const TYPES: &[(&str, Role, &str)] = {
    use Role::{Alone, Creates, Needs};
    &[
        (r#""type":"event""#, Creates, "error 1"),
        (
            r#""type":"transaction""#,
            Creates,
            "transaction 1, transaction_indexed 1, span 1, span_indexed 1",
        ),
        (
            r#""type":"transaction","span_count":4"#,
            Creates,
            "transaction 1, transaction_indexed 1, span 5, span_indexed 5",
        ),
        (r#""type":"security""#, Creates, "security 1"),
        (r#""type":"raw_security""#, Creates, "security 1"),
        (r#""type":"unreal_report""#, Creates, "error 1"),
        (r#""type":"feedback""#, Creates, "feedback 1"),
        (r#""type":"attachment""#, Needs, "attachment 10, attachment_item 1"),
        (
            r#""type":"attachment","attachment_type":"event.minidump""#,
            Creates,
            "attachment 10, attachment_item 1",
        ),
        (
            r#""type":"attachment","attachment_type":"event.view_hierarchy""#,
            Needs,
            "attachment 10, attachment_item 1",
        ),
        (
            r#""type":"attachment","attachment_type":"future""#,
            Needs,
            "attachment 10, attachment_item 1",
        ),
        (
            r#""type":"attachment","content_type":"application/vnd.sentry.trace-attachment","meta_length":4"#,
            Needs,
            "attachment 6, attachment_item 1",
        ),
        (r#""type":"attachment","meta_length":11"#, Needs, "attachment 1, attachment_item 1"),
        (
            r#""type":"attachment","content_type":"application/vnd.sentry.attachment-ref+json","attachment_length":900"#,
            Needs,
            "attachment 900, attachment_item 1",
        ),
        (r#""type":"form_data""#, Needs, ""),
        (r#""type":"user_report""#, Needs, "feedback 1"),
        (r#""type":"session""#, Alone, "session 1"),
        (r#""type":"sessions""#, Alone, "session 1"),
        (r#""type":"sessions","item_count":7"#, Alone, "session 7"),
        (r#""type":"client_report""#, Alone, ""),
        (r#""type":"check_in""#, Alone, "monitor 1"),
        (r#""type":"profile""#, Needs, "profile 1, profile_indexed 1"),
        (
            r#""type":"profile","platform":"cocoa""#,
            Needs,
            "profile 1, profile_indexed 1, profile_ui 1",
        ),
        (
            r#""type":"profile","platform":"python""#,
            Needs,
            "profile 1, profile_indexed 1, profile_backend 1",
        ),
        (r#""type":"profile_chunk""#, Alone, ""),
        (r#""type":"profile_chunk","platform":"android""#, Alone, "profile_chunk_ui 1"),
        (r#""type":"profile_chunk","platform":"python""#, Alone, "profile_chunk 1"),
        (r#""type":"profile_chunk_ui","platform":"javascript""#, Alone, "profile_chunk_ui 1"),
        (r#""type":"replay_event""#, Needs, "replay 1"),
        (r#""type":"replay_recording""#, Alone, "replay 1"),
        (r#""type":"replay_video""#, Alone, "replay 1"),
        (r#""type":"log","item_count":3"#, Alone, "log_item 3, log_byte 10"),
        (r#""type":"trace_metric","item_count":3"#, Alone, "trace_metric 3, trace_metric_byte 10"),
        (r#""type":"span""#, Alone, "span 1, span_indexed 1"),
        (
            r#""type":"span","content_type":"application/vnd.sentry.items.span.v2+json","item_count":3"#,
            Alone,
            "span 3, span_indexed 3",
        ),
        (r#""type":"metric_buckets""#, Alone, ""),
        (
            r#""type":"integration","content_type":"application/vnd.sentry.integration.otel.logs+json""#,
            Alone,
            "log_item 1, log_byte 10",
        ),
        (
            r#""type":"integration","content_type":"application/vnd.sentry.integration.otel.spans+protobuf""#,
            Alone,
            "span 1, span_indexed 1",
        ),
        (
            r#""type":"integration","content_type":"application/vnd.sentry.integration.browser.nel+json""#,
            Alone,
            "log_item 1, log_byte 10",
        ),
        (r#""type":"integration","content_type":"text/plain""#, Alone, ""),
        (r#""type":"nel""#, Alone, ""),
        (r#""type":"statsd""#, Alone, ""),
        (r#""type":"future_thing""#, Alone, ""),
    ]
};

#[test]
fn each_type_counts_and_belongs_to_an_event_as_the_table_of_items_says() {
    for (header, role, counts) in TYPES {
        let item = item(header, 10);
        assert_eq!(Role::of(&item), *role, "{header}");
        let quantities = quantities(&item);
        let counted: Vec<String> = (&quantities)
            .into_iter()
            .map(|(category, quantity)| format!("{category} {quantity}"))
            .collect();
        assert_eq!(counted.join(", "), *counts, "{header}");
        let indexed =
            enforced(&quantities).iter().any(|category| category.name().ends_with("_indexed"));
        assert!(!indexed, "no limit on an indexed category is enforced: {header}");
    }
}

/// A limit, the header of an item that falls under it, and the name a refusal gives.
type SizeRow = (fn(&mut ItemLimits) -> &mut usize, &'static str, &'static str);

/// The limits for the size of one item.
const SIZES: &[SizeRow] = &[
    (|limits| &mut limits.max_event_size, r#""type":"event""#, "event"),
    (|limits| &mut limits.max_event_size, r#""type":"transaction""#, "transaction"),
    (|limits| &mut limits.max_event_size, r#""type":"security""#, "security"),
    (|limits| &mut limits.max_event_size, r#""type":"raw_security""#, "raw_security"),
    (|limits| &mut limits.max_event_size, r#""type":"feedback""#, "user_report_v2"),
    (|limits| &mut limits.max_event_size, r#""type":"replay_event""#, "replay_event"),
    (|limits| &mut limits.max_event_size, r#""type":"form_data""#, "form_data"),
    (|limits| &mut limits.max_attachment_size, r#""type":"attachment""#, "attachment:attachment"),
    (|limits| &mut limits.max_attachments_size, r#""type":"attachment""#, "attachment:attachment"),
    (|limits| &mut limits.max_attachment_size, r#""type":"unreal_report""#, "unreal_report"),
    (|limits| &mut limits.max_attachment_size, r#""type":"user_report""#, "user_report"),
    (|limits| &mut limits.max_sessions_size, r#""type":"session""#, "session"),
    (|limits| &mut limits.max_sessions_size, r#""type":"sessions""#, "sessions"),
    (|limits| &mut limits.max_client_reports_size, r#""type":"client_report""#, "client_report"),
    (|limits| &mut limits.max_check_in_size, r#""type":"check_in""#, "check_in"),
    (|limits| &mut limits.max_profile_size, r#""type":"profile""#, "profile"),
    (|limits| &mut limits.max_profile_size, r#""type":"profile_chunk""#, "profile_chunk"),
    (
        |limits| &mut limits.max_replay_compressed_size,
        r#""type":"replay_recording""#,
        "replay_recording",
    ),
    (|limits| &mut limits.max_replay_compressed_size, r#""type":"replay_video""#, "replay_video"),
    (|limits| &mut limits.max_log_size, r#""type":"log""#, "log"),
    (|limits| &mut limits.max_container_size, r#""type":"log""#, "log"),
    (|limits| &mut limits.max_trace_metric_size, r#""type":"trace_metric""#, "trace_metric"),
    (|limits| &mut limits.max_container_size, r#""type":"trace_metric""#, "trace_metric"),
    (|limits| &mut limits.max_span_size, r#""type":"span""#, "span"),
    (|limits| &mut limits.max_container_size, r#""type":"span""#, "span"),
    (
        |limits| &mut limits.max_container_size,
        r#""type":"span","content_type":"application/vnd.sentry.items.span.v2+json""#,
        "span",
    ),
    (|limits| &mut limits.max_metric_buckets_size, r#""type":"metric_buckets""#, "metric_buckets"),
    (
        |limits| &mut limits.max_container_size,
        r#""type":"integration","content_type":"application/vnd.sentry.integration.otel.logs+json""#,
        "integration",
    ),
    (
        |limits| &mut limits.max_container_size,
        r#""type":"integration","content_type":"application/vnd.sentry.integration.otel.spans+json""#,
        "integration",
    ),
];

#[test]
fn each_limit_lets_its_own_size_pass_and_not_one_byte_more() {
    for (limit, header, kind) in SIZES {
        let mut limits = ItemLimits::default();
        *limit(&mut limits) = 64;
        let check = |bytes| {
            let envelope = Envelope::from_parts(Default::default(), vec![item(header, bytes)]);
            check_sizes(&envelope, &limits).map_err(|refused| refused.kind.name().to_owned())
        };
        assert_eq!(check(64), Ok(()), "{header}");
        assert_eq!(check(65), Err((*kind).to_owned()), "{header}");
    }
}

/// How many of a type one envelope may hold.
const COUNTS: &[(usize, &str)] = &[
    (1, r#""type":"event""#),
    (1, r#""type":"feedback""#),
    (30, r#""type":"attachment""#),
    (30, r#""type":"user_report""#),
    (100, r#""type":"session""#),
    (100, r#""type":"client_report""#),
    (1, r#""type":"check_in""#),
    (1, r#""type":"profile_chunk""#),
    (1, r#""type":"replay_recording""#),
    (1, r#""type":"replay_video""#),
    (1, r#""type":"metric_buckets""#),
    (1, r#""type":"log""#),
    (1, r#""type":"trace_metric""#),
    (1, r#""type":"span","content_type":"application/vnd.sentry.items.span.v2+json""#),
    (25, r#""type":"span""#),
    (
        1,
        r#""type":"integration","content_type":"application/vnd.sentry.integration.otel.logs+json""#,
    ),
    (
        1,
        r#""type":"integration","content_type":"application/vnd.sentry.integration.otel.spans+json""#,
    ),
];

#[test]
fn each_group_lets_its_count_pass_and_not_one_item_more() {
    for (count, header) in COUNTS {
        let check = |count| {
            let items = std::iter::repeat_n(item(header, 2), count).collect();
            check_sizes(&Envelope::from_parts(Default::default(), items), &ItemLimits::default())
        };
        check(*count).unwrap_or_else(|error| panic!("{count} of {header}: {error}"));
        assert!(check(count + 1).is_err(), "{} of {header}", count + 1);
    }
}

#[test]
fn foreign_logs_and_foreign_spans_are_counted_apart() {
    let named = |kind: &str| {
        let ty = r#""type":"integration","content_type":"application/vnd.sentry.integration."#;
        item(&format!("{ty}{kind}+json\""), 2)
    };
    let envelope =
        Envelope::from_parts(Default::default(), vec![named("otel.logs"), named("otel.spans")]);
    check_sizes(&envelope, &ItemLimits::default()).expect("one of each");
    let envelope =
        Envelope::from_parts(Default::default(), vec![named("otel.logs"), named("vercel.logs")]);
    check_sizes(&envelope, &ItemLimits::default()).expect_err("two of logs");
}
