//! Admission under rate limits, `spec/ingest.md` 8.4.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use relay_envelope::{AttachmentType, Envelope, Item, ItemType};
use relay_pipeline::{Admission, admit, quantities};
use relay_protocol::Quantities;
use relay_quotas::RateLimits;

fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn item(ty: &str) -> Item {
    Item::new(ItemType::from(ty), "{}")
}

fn minidump() -> Item {
    let mut item = item("attachment");
    item.set_attachment_type(&AttachmentType::Minidump);
    item
}

fn admission(items: &[Item], limits: &str) -> Admission {
    let envelope = Envelope::from_parts(Default::default(), items.to_vec());
    admit(envelope, &RateLimits::parse(limits, None, noon()), noon())
}

/// Checks which items stay, and what the sender is told.
#[track_caller]
fn assert_admits(items: &[Item], limits: &str, kept: &[&str], told: Option<&str>) {
    let admission = admission(items, limits);
    let left: Vec<&str> =
        admission.admitted.items().iter().map(|item| item.ty().as_str()).collect();
    assert_eq!(left, kept, "items under {limits}");
    assert_eq!(admission.limits.header(noon()).as_deref(), told, "limits told under {limits}");
    assert_eq!(admission.discarded.len(), items.len() - kept.len());
}

#[test]
fn without_limits_everything_enters() {
    assert_admits(&[item("event"), item("session")], "", &["event", "session"], None);
}

#[test]
fn ing_097_a_limited_event_leaves_the_session_alone() {
    let items = [item("event"), item("session")];
    assert_admits(
        &items,
        "60:error:project:get_lost",
        &["session"],
        Some("60:error:project:get_lost"),
    );
}

#[test]
fn a_limited_event_takes_everything_along_that_needs_an_event() {
    let items =
        [item("event"), item("attachment"), item("user_report"), item("profile"), item("statsd")];
    assert_admits(&items, "60:error:key", &["statsd"], Some("60:error:key"));
    let reasons = admission(&items, "60:error:key:spike").discarded;
    assert!(reasons.iter().all(|item| item.reason.as_str() == "spike"));
}

#[test]
fn a_limited_transaction_takes_its_spans_along() {
    let items = [item("transaction"), item("span"), item("session")];
    assert_admits(&items, "60:transaction:key", &["session"], Some("60:transaction;span:key"));
}

#[test]
fn ing_098_crash_attachments_pass_a_limit_on_attachments() {
    assert_admits(
        &[item("event"), item("attachment")],
        "60:attachment:key",
        &["event"],
        Some("60:attachment:key"),
    );
    assert_admits(&[minidump()], "60:attachment:key", &["attachment"], None);
    assert_admits(&[minidump()], "60:error:key", &[], Some("60:error:key"));
}

#[test]
fn ing_099_session_aggregates_stay_but_the_sender_is_told() {
    assert_admits(&[item("session")], "60:session:key", &[], Some("60:session:key"));
    assert_admits(&[item("sessions")], "60:session:key", &["sessions"], Some("60:session:key"));
}

#[test]
fn logs_are_held_back_by_count_and_by_bytes() {
    assert_admits(&[item("log")], "60:log_item:key", &[], Some("60:log_item:key"));
    assert_admits(&[item("log")], "60:log_byte:key", &[], Some("60:log_byte:key"));
}

#[test]
fn a_profile_on_its_own_goes_with_the_limit_on_transactions() {
    assert_admits(&[item("profile")], "60:transaction:key", &[], Some("60:transaction;span:key"));
    assert_admits(&[item("profile")], "60:profile:key", &[], Some("60:profile:key"));
}

#[test]
fn the_attachment_of_a_span_is_dropped_without_a_word() {
    let mut attachment = item("attachment");
    attachment.set_field("span_id", "a1b2c3d4e5f6a7b8");
    assert_admits(&[attachment], "60:span:key", &[], None);
}

#[test]
fn what_is_never_limited_enters_under_a_limit_on_everything() {
    let items = [item("client_report"), item("form_data"), item("statsd"), item("metric_buckets")];
    let kept: Vec<&str> = items.iter().map(|item| item.ty().as_str()).collect();
    assert_admits(&items, "60::key", &kept, Some("60::key"));
    assert_admits(&items[..3], "60::key", &kept[..3], None);
}

#[test]
fn an_expired_limit_holds_nothing_back() {
    let limits = RateLimits::parse("60:error:key", None, noon());
    let envelope = Envelope::from_parts(Default::default(), vec![item("event")]);
    let later = noon() + Duration::from_secs(61);
    assert_eq!(admit(envelope, &limits, later).admitted.items().len(), 1);
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let names = [
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
        "statsd",
    ];
    let platforms = ["cocoa", "python"];
    let content_types = [
        "application/vnd.sentry.trace-attachment",
        "application/vnd.sentry.attachment-ref+json",
        "application/vnd.sentry.items.span.v2+json",
        "application/vnd.sentry.integration.otel.spans+json",
        "application/vnd.sentry.integration.otel.logs+json",
        "text/plain",
    ];
    let item = (
        proptest::sample::select(names.to_vec()),
        any::<bool>(),
        proptest::option::of(0_u32..5),
        proptest::option::of(proptest::sample::select(platforms.to_vec())),
        proptest::option::of(proptest::sample::select(content_types.to_vec())),
        0_usize..20,
    )
        .prop_map(|(ty, crash, count, platform, content_type, bytes)| {
            let mut item = if crash && ty == "attachment" { minidump() } else { item(ty) };
            item.set_payload(vec![b'x'; bytes]);
            if let Some(count) = count {
                item.set_item_count(count);
                item.set_field("span_count", count);
                item.set_field("meta_length", count);
                item.set_field("attachment_length", count);
            }
            if let Some(platform) = platform {
                item.set_field("platform", platform);
            }
            if let Some(content_type) = content_type {
                item.set_content_type(content_type);
            }
            item
        });
    proptest::collection::vec(item, 0..8)
}

fn limits() -> impl Strategy<Value = String> {
    let categories = [
        "",
        "error",
        "transaction",
        "attachment",
        "attachment_item",
        "session",
        "monitor",
        "transaction;attachment",
        "profile_ui",
        "profile_chunk",
        "trace_metric",
        "trace_metric_byte",
        "feedback",
        "replay",
        "profile",
        "span",
        "log_item",
        "log_byte",
        "security",
        "metric_bucket",
        "bogus",
    ];
    let limit = proptest::sample::select(categories.to_vec())
        .prop_map(|category| format!("60:{category}:key:r"));
    proptest::collection::vec(limit, 0..4).prop_map(|limits| limits.join(", "))
}

/// Sums by category, and the number of items under -2.
fn totals(quantities: impl Iterator<Item = Quantities>) -> BTreeMap<i8, u64> {
    let mut totals = BTreeMap::new();
    for item in quantities {
        *totals.entry(-2).or_default() += 1;
        for (category, quantity) in &item {
            *totals.entry(category.id()).or_default() += quantity;
        }
    }
    totals
}

proptest! {
    #[test]
    fn every_item_is_admitted_or_accounted_for(items in items(), limits in limits()) {
        let admission = admission(&items, &limits);
        let kept = admission.admitted.items().iter().map(quantities);
        let lost = admission.discarded.iter().map(|item| item.quantities);
        prop_assert_eq!(totals(items.iter().map(quantities)), totals(kept.chain(lost)));
        // No discard but under a limit that is in force, and what is kept is as it came.
        if limits.is_empty() {
            prop_assert!(admission.discarded.is_empty());
        }
        let mut came = items.iter();
        for kept in admission.admitted.items() {
            prop_assert!(came.any(|item| item == kept), "kept items stand in their order");
        }
    }
}
