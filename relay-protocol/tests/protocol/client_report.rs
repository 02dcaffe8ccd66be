use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use relay_protocol::{
    ClientReport, DataCategory, DiscardReason, DiscardedEvent, FilterReason, InvalidReason,
    ItemKind, ReasonCode,
};

fn report(json: &str) -> ClientReport {
    serde_json::from_str(json).expect(json)
}

fn line(reason: &str, category: DataCategory, quantity: u64) -> DiscardedEvent {
    DiscardedEvent { reason: reason.to_owned(), category, quantity }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn timestamp(value: &str) -> Option<SystemTime> {
    report(&format!(r#"{{"timestamp":{value},"discarded_events":[]}}"#)).timestamp
}

#[test]
fn a_report_of_an_sdk_is_read() {
    let report = report(
        r#"{"timestamp":1700000000.5,"discarded_events":[
            {"reason":"before_send","category":"error","quantity":2},
            {"reason":"my own words","category":"bogus","quantity":18446744073709551615}],
            "unheard_of":{}}"#,
    );
    assert_eq!(report.timestamp, Some(at(1_700_000_000) + Duration::from_millis(500)));
    let expected = [
        line("before_send", DataCategory::Error, 2),
        line("my own words", DataCategory::Unknown, u64::MAX),
    ];
    assert_eq!(report.discarded_events, expected);
}

#[test]
fn timestamps_are_numbers_or_rfc_3339() {
    for value in [
        "1700000000",
        "1.7e9",
        "1700000000.0",
        "\"2023-11-14T22:13:20Z\"",
        "\"2023-11-15T00:13:20+02:00\"",
    ] {
        assert_eq!(timestamp(value), Some(at(1_700_000_000)), "{value}");
    }
    assert_eq!(timestamp("null"), None);
    assert_eq!(timestamp("-1"), Some(UNIX_EPOCH - Duration::from_secs(1)));
    assert_eq!(timestamp("-0.5"), Some(UNIX_EPOCH - Duration::from_millis(500)));
    assert_eq!(timestamp("\"1969-12-31T23:59:59Z\""), timestamp("-1"));
}

#[test]
fn timestamps_out_of_range_or_of_another_type_fail_without_repeating_the_text() {
    for value in
        ["1e300", "-1e300", "18446744073709551615", "true", "[]", "\"yesterday\"", "\"2023-11-14\""]
    {
        let json = format!(r#"{{"timestamp":{value},"discarded_events":[]}}"#);
        let error = serde_json::from_str::<ClientReport>(&json).unwrap_err().to_string();
        assert!(
            error.contains("expected a UNIX time in seconds or an RFC 3339 date and time"),
            "{error}"
        );
        assert!(!error.contains("yesterday"), "{error}");
    }
}

#[test]
fn ing_102_a_report_without_discarded_events_is_no_report() {
    assert!(serde_json::from_str::<ClientReport>(r#"{"timestamp":1}"#).is_err());
}

#[test]
fn a_line_of_the_wrong_type_fails_the_report() {
    for wrong in [
        r#"{"reason":1,"category":"error","quantity":1}"#,
        r#"{"reason":"x","category":1,"quantity":1}"#,
        r#"{"reason":"x","category":"error","quantity":-1}"#,
        r#"{"reason":"x","category":"error","quantity":"1"}"#,
        r#"{"reason":"x","category":"error"}"#,
    ] {
        let json = format!(r#"{{"discarded_events":[{wrong}]}}"#);
        assert!(serde_json::from_str::<ClientReport>(&json).is_err(), "{json}");
    }
}

#[test]
fn discarded_events_are_always_written_and_other_lists_only_when_they_say_something() {
    let mut report = ClientReport { timestamp: Some(at(7)), ..ClientReport::default() };
    assert_eq!(serde_json::to_string(&report).unwrap(), r#"{"timestamp":7,"discarded_events":[]}"#);

    report.record(&DiscardReason::RateLimited(None), DataCategory::Error, 1);
    assert_eq!(
        serde_json::to_string(&report).unwrap(),
        r#"{"timestamp":7,"discarded_events":[],"rate_limited_events":[{"reason":"","category":"error","quantity":1}]}"#,
    );
}

#[test]
fn timestamps_are_written_in_whole_seconds_rounded_down() {
    for (time, expected) in [
        (at(5) + Duration::from_millis(999), 5),
        (UNIX_EPOCH - Duration::from_millis(500), -1),
        (UNIX_EPOCH - Duration::from_secs(2), -2),
    ] {
        let report = ClientReport { timestamp: Some(time), ..ClientReport::default() };
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["timestamp"], expected);
    }
}

#[test]
fn what_a_relay_discards_goes_to_the_list_of_its_kind_and_adds_up() {
    let mut report = ClientReport::default();
    assert!(report.is_empty());
    let code: ReasonCode = "quota".parse().unwrap();
    for _ in 0..2 {
        report.record(&DiscardReason::RateLimited(Some(code.clone())), DataCategory::Error, 2);
        report.record(
            &DiscardReason::Filtered(FilterReason::Localhost),
            DataCategory::Error,
            u64::MAX,
        );
        report.record(
            &DiscardReason::Invalid(InvalidReason::InvalidSignature),
            DataCategory::Error,
            1,
        );
    }
    report.record(&DiscardReason::RateLimited(Some(code)), DataCategory::Span, 1);

    assert_eq!(
        report.rate_limited_events,
        [line("quota", DataCategory::Error, 4), line("quota", DataCategory::Span, 1)],
    );
    assert_eq!(report.filtered_events, [line("localhost", DataCategory::Error, u64::MAX)]);
    assert_eq!(report.discarded_events, [line("invalid_signature", DataCategory::Error, 2)]);
    assert!(!report.is_empty());
}

#[test]
fn what_was_not_acceptable_is_not_reported() {
    let mut report = ClientReport::default();
    report.record(&DiscardReason::Invalid(InvalidReason::InvalidJson), DataCategory::Error, 1);
    report.record(&DiscardReason::TooLarge(ItemKind::Event), DataCategory::Error, 1);
    assert!(report.is_empty());
}

#[test]
fn ing_101_two_reports_of_two_add_up_to_four() {
    let json = r#"{"timestamp":9,"discarded_events":[{"reason":"before_send","category":"error","quantity":2}]}"#;
    let mut sum = report(json);
    sum.merge(report(&json.replace('9', "8")));
    assert_eq!(sum.discarded_events, [line("before_send", DataCategory::Error, 4)]);
    assert_eq!(sum.timestamp, Some(at(8)));
}

#[test]
fn a_reason_of_more_than_200_bytes_drops_its_line() {
    let mut report = ClientReport {
        discarded_events: vec![
            line(&"x".repeat(200), DataCategory::Error, 1),
            line(&"x".repeat(201), DataCategory::Error, 1),
        ],
        ..ClientReport::default()
    };
    report.retain_valid(at(0), Duration::ZERO);
    assert_eq!(report.discarded_events.len(), 1);
}

#[test]
fn a_report_too_old_or_too_far_ahead_says_nothing() {
    let retention = Duration::from_secs(90 * 86_400);
    let received = at(1_700_000_000);
    let counts = |timestamp: SystemTime| {
        let mut report = ClientReport {
            timestamp: Some(timestamp),
            discarded_events: vec![line("x", DataCategory::Error, 1)],
            ..ClientReport::default()
        };
        report.retain_valid(received, retention);
        !report.is_empty()
    };
    assert!(counts(received - retention));
    assert!(!counts(received - retention - Duration::from_secs(1)));
    assert!(counts(received + Duration::from_secs(60)));
    assert!(!counts(received + Duration::from_secs(61)));
}

#[test]
fn sampling_reasons_must_name_rules() {
    let reasons = [
        "Sampled:1000",
        "Sampled:0,1400",
        "Sampled:",
        "Sampled:x",
        "Sampled:1,",
        "1000",
        "sampled:1",
    ];
    let mut report = ClientReport {
        filtered_sampling_events: reasons
            .map(|reason| line(reason, DataCategory::Span, 1))
            .to_vec(),
        ..ClientReport::default()
    };
    report.retain_valid(at(0), Duration::ZERO);
    let kept: Vec<_> =
        report.filtered_sampling_events.iter().map(|line| line.reason.as_str()).collect();
    assert_eq!(kept, ["Sampled:1000", "Sampled:0,1400"]);
}

fn lines() -> impl Strategy<Value = Vec<DiscardedEvent>> {
    let line = ("[ab]?", prop::sample::select(DataCategory::ALL), any::<u64>())
        .prop_map(|(reason, category, quantity)| DiscardedEvent { reason, category, quantity });
    prop::collection::vec(line, 0..8)
}

fn reports() -> impl Strategy<Value = ClientReport> {
    (prop::option::of(0..4_000_000_000u64), lines(), lines(), lines(), lines()).prop_map(
        |(timestamp, discarded, rate_limited, filtered, sampled)| ClientReport {
            timestamp: timestamp.map(at),
            discarded_events: discarded,
            rate_limited_events: rate_limited,
            filtered_events: filtered,
            filtered_sampling_events: sampled,
        },
    )
}

proptest! {
    #[test]
    fn a_report_survives_json(report in reports()) {
        let json = serde_json::to_string(&report).unwrap();
        prop_assert_eq!(serde_json::from_str::<ClientReport>(&json).unwrap(), report);
    }

    #[test]
    fn merging_is_commutative_and_leaves_one_line_per_reason_and_category(a in reports(), b in reports()) {
        let mut ab = a.clone();
        ab.merge(b.clone());
        let mut ba = b;
        ba.merge(a);
        prop_assert_eq!(&ab, &ba);
        let pairs: std::collections::HashSet<_> =
            ab.discarded_events.iter().map(|line| (&line.reason, line.category)).collect();
        prop_assert_eq!(pairs.len(), ab.discarded_events.len());
    }

    #[test]
    fn no_bytes_make_reading_panic(json: String) {
        let _ = serde_json::from_str::<ClientReport>(&json);
    }
}
