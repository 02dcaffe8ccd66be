//! What do limits cost an SDK or a relay: learning them from an answer, and asking before each item?

use std::hint::black_box;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use criterion::{Criterion, criterion_group, criterion_main};
use relay_quotas::{DataCategories, DataCategory, RateLimits};

const ONE_LIMIT: &str = "60:error:project:project_quota";
const FOUR_LIMITS: &str = "60:transaction;span:key:spike_protection, \
    2700:default;error;security;attachment:organization:org_quota, \
    60:metric_bucket:organization:quota_exceeded:sessions;spans, 3600:replay:organization:usage_exceeded";

fn parse(c: &mut Criterion) {
    let now = now();
    let mut group = c.benchmark_group("rate_limits_parse");
    for (shape, header, retry_after) in [
        ("one_limit", ONE_LIMIT, None),
        ("four_limits", FOUR_LIMITS, None),
        ("retry_after_only", "", Some("60")),
    ] {
        assert!(!RateLimits::parse(header, retry_after, now).is_empty());
        group.bench_function(shape, |b| {
            b.iter(|| RateLimits::parse(black_box(header), black_box(retry_after), now));
        });
    }
    group.finish();
}

fn ask(c: &mut Criterion) {
    let now = now();
    let mut group = c.benchmark_group("rate_limits_ask");
    let limits = RateLimits::parse(FOUR_LIMITS, None, now);
    for (shape, limits, category, limited) in [
        ("nothing_in_force", &RateLimits::new(), DataCategory::Error, false),
        ("free_category_of_four_limits", &limits, DataCategory::Session, false),
        ("limited_category_of_four_limits", &limits, DataCategory::Error, true),
    ] {
        assert_eq!(limits.is_limited(category, now), limited);
        group.bench_function(shape, |b| {
            b.iter(|| limits.active(black_box(category), black_box(now)).is_some());
        });
    }
    group.finish();
}

fn announce(c: &mut Criterion) {
    let now = now();
    let limits = RateLimits::parse(FOUR_LIMITS, None, now);
    let sent: DataCategories =
        [DataCategory::Error, DataCategory::Attachment].into_iter().collect();
    assert!(!limits.select(sent, now).is_empty());
    c.bench_function("rate_limits_announce", |b| {
        b.iter(|| limits.select(black_box(sent), now).header(black_box(now)));
    });
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

criterion_group!(benches, parse, ask, announce);
criterion_main!(benches);
