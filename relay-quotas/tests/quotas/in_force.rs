use std::time::Duration;

use relay_quotas::{DataCategories, DataCategory, RateLimit, RateLimits, ReasonCode};

use crate::{after, noon, parse};

fn reason(limit: Option<&RateLimit>) -> Option<&str> {
    limit.and_then(|limit| limit.reason.as_ref()).map(ReasonCode::as_str)
}

#[test]
fn a_limit_is_over_at_its_end_and_not_before() {
    let limits = parse("60:error:key");
    assert!(limits.is_limited(DataCategory::Error, after(60) - Duration::from_nanos(1)));
    assert!(!limits.is_limited(DataCategory::Error, after(60)));
    assert_eq!(limits.active(DataCategory::Error, after(60)), None);
    assert_eq!(limits.header(after(60)), None);
    assert_eq!(limits.retry_after(after(60)), None);
}

#[test]
fn of_several_limits_the_longest_gives_the_reason() {
    let limits = parse("60:error:key:short, 120::organization:long, 300:session:key:other");
    assert_eq!(reason(limits.active(DataCategory::Error, noon())), Some("long"));
    assert_eq!(limits.retry_after(noon()), Some(Duration::from_secs(300)));
}

#[test]
fn a_later_expiry_of_the_same_limit_wins_whichever_comes_first() {
    for header in ["60:error:key:a, 120:error:key:b", "120:error:key:b, 60:error:key:a"] {
        assert_eq!(parse(header).header(noon()).as_deref(), Some("120:error:key:b"), "{header}");
    }
}

#[test]
fn limits_that_differ_in_scope_categories_or_namespaces_stand_side_by_side() {
    let limits = parse("1:error:key, 2:error:project, 3:error;session:key, 4:error:key::spans");
    assert_eq!(limits.iter().count(), 4);
}

#[test]
fn a_limit_for_metrics_of_any_namespace_limits_metrics() {
    for header in
        ["60:metric_bucket:key", "60:metric_bucket:key::spans", "60::key::spans", "60::key"]
    {
        assert!(parse(header).is_limited(DataCategory::MetricBucket, noon()), "{header}");
    }
}

#[test]
fn only_the_limits_for_what_was_sent_are_announced() {
    let limits = parse("60:error:project:r, 30:session:key, 90:bogus:key, 10::organization");
    let sent = DataCategories::from(DataCategory::Error);
    let applied = limits.select(sent, noon());
    assert_eq!(applied.header(noon()).as_deref(), Some("10::organization, 60:error:project:r"));
    assert!(limits.select(DataCategories::EMPTY, noon()).is_empty());
    assert!(limits.select(sent, after(60)).is_empty());
}

#[test]
fn cleaning_forgets_what_is_over_and_nothing_else() {
    let mut limits = parse("60:error:key, 61:session:key");
    limits.clean(after(60));
    assert_eq!(limits, parse("61:session:key"));
    limits.clean(after(61));
    assert!(limits.is_empty());
    assert_eq!(limits, RateLimits::new());
}

#[test]
fn a_merge_keeps_the_longer_of_equal_limits_and_adds_the_others() {
    let mut limits = parse("60:error:key:a, 60:session:key");
    limits.merge(parse("30:error:key:b, 90:session:key, 5:monitor:project"));
    assert_eq!(
        limits.header(noon()).as_deref(),
        Some("5:monitor:project, 60:error:key:a, 90:session:key"),
    );
}
