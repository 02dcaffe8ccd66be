use std::time::Duration;

use relay_quotas::{
    DataCategories, DataCategory, Namespace, Namespaces, RateLimit, RateLimits, Scope,
};

use crate::{after, announced, noon};

#[test]
fn examples_of_the_protocol_are_written_as_they_were_read() {
    for header in [
        "42::organization:my_limit",
        "42::organization:my_limit, 4711:transaction;span:project",
        "60:transaction;span:key:quota_exceeded",
        "60:error;unknown:project",
        "42:metric_bucket:organization::spans",
        "42:metric_bucket:organization:r:sessions;spans;transactions;outcomes;unsupported",
    ] {
        assert_eq!(announced(header).as_deref(), Some(header));
    }
}

#[test]
fn categories_are_written_ascending_by_number() {
    assert_eq!(
        announced("60:bogus;log_item;default;span;error:key").as_deref(),
        Some("60:default;error;transaction;span;log_item;unknown:key"),
    );
}

#[test]
fn the_time_left_is_rounded_up_to_whole_seconds() {
    let mut limits = RateLimits::new();
    limits.insert(RateLimit {
        categories: DataCategories::EMPTY,
        scope: Scope::Key,
        reason: None,
        namespaces: Namespaces::EMPTY,
        until: noon() + Duration::from_nanos(59_000_000_001),
    });
    assert_eq!(limits.header(noon()).as_deref(), Some("60::key"));
    assert_eq!(limits.retry_after(noon()), Some(Duration::from_secs(60)));
    assert_eq!(limits.header(noon() + Duration::from_nanos(1)).as_deref(), Some("59::key"));
}

#[test]
fn a_quota_of_the_project_config_is_announced_without_the_partner_of_its_category() {
    // Only what an upstream announced stands for the pair.
    let mut limits = RateLimits::new();
    limits.insert(RateLimit {
        categories: DataCategory::Transaction.into(),
        scope: Scope::Project,
        reason: "get_lost".parse().ok(),
        namespaces: Namespaces::from_iter([Namespace::Spans, Namespace::Sessions]),
        until: after(60),
    });
    assert_eq!(
        limits.header(noon()).as_deref(),
        Some("60:transaction:project:get_lost:sessions;spans")
    );
}
