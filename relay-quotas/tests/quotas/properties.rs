use std::time::Duration;

use proptest::prelude::*;
use relay_quotas::{
    DataCategories, DataCategory, Namespace, Namespaces, RateLimit, RateLimits, ReasonCode, Scope,
};

use crate::{after, noon};

const SPAN: DataCategory = DataCategory::Span;
const TRANSACTION: DataCategory = DataCategory::Transaction;

/// Sets as an upstream's announcement leaves them: with both of transactions and spans, or none.
fn categories() -> impl Strategy<Value = DataCategories> {
    prop::collection::vec(prop::sample::select(DataCategory::ALL), 0..4).prop_map(|picked| {
        let pair = picked.iter().any(|&category| category == SPAN || category == TRANSACTION);
        picked.into_iter().chain([SPAN, TRANSACTION].into_iter().filter(|_| pair)).collect()
    })
}

fn scopes() -> impl Strategy<Value = Scope> {
    prop::sample::select(&[Scope::Organization, Scope::Project, Scope::Key])
}

fn reasons() -> impl Strategy<Value = Option<ReasonCode>> {
    prop::option::of(
        "[!-+\\--9;-~]([ -+\\--9;-~]{0,8}[!-+\\--9;-~])?"
            .prop_map(|code| code.parse().expect("in the alphabet of codes")),
    )
}

fn namespaces() -> impl Strategy<Value = Namespaces> {
    prop::collection::vec(prop::sample::select(Namespace::ALL), 0..3)
        .prop_map(Namespaces::from_iter)
}

fn limits_of(durations: impl Strategy<Value = Duration>) -> impl Strategy<Value = RateLimits> {
    let limit = (categories(), scopes(), reasons(), namespaces(), durations).prop_map(
        |(categories, scope, reason, namespaces, duration)| RateLimit {
            categories,
            scope,
            reason,
            namespaces,
            until: noon() + duration,
        },
    );
    prop::collection::vec(limit, 0..100).prop_map(|all| {
        let mut limits = RateLimits::new();
        all.into_iter().for_each(|limit| limits.insert(limit));
        limits
    })
}

fn seconds() -> impl Strategy<Value = Duration> {
    // Few values, so that limits collide.
    (1..50u64).prop_map(Duration::from_secs)
}

fn merged(a: &RateLimits, b: &RateLimits) -> RateLimits {
    let mut merged = a.clone();
    merged.merge(b.clone());
    merged
}

proptest! {
    #[test]
    fn limits_of_whole_seconds_survive_the_header(limits in limits_of(seconds())) {
        let header = limits.header(noon()).unwrap_or_default();
        prop_assert_eq!(RateLimits::parse(&header, None, noon()), limits);
    }

    #[test]
    fn a_header_never_ends_a_limit_early_and_never_makes_it_a_second_longer(
        limits in limits_of((1..5_000_000_000u64).prop_map(Duration::from_nanos)),
    ) {
        let header = limits.header(noon()).unwrap_or_default();
        let read = RateLimits::parse(&header, None, noon());
        for (limit, read) in limits.iter().zip(&read) {
            prop_assert!(read.until >= limit.until);
            prop_assert!(read.until < limit.until + Duration::from_secs(1));
        }
    }

    #[test]
    fn a_header_is_a_valid_field_value(limits in limits_of(seconds())) {
        let header = limits.header(noon()).unwrap_or_default();
        prop_assert!(header.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    }

    #[test]
    fn merging_is_idempotent(a in limits_of(seconds())) {
        prop_assert_eq!(merged(&a, &a), a);
    }

    #[test]
    fn merging_is_commutative(a in limits_of(seconds()), b in limits_of(seconds())) {
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
    }

    #[test]
    fn merging_is_associative(
        a in limits_of(seconds()),
        b in limits_of(seconds()),
        c in limits_of(seconds()),
    ) {
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
    }

    #[test]
    fn what_is_limited_has_an_active_limit_that_is_selected_and_survives_cleaning(
        limits in limits_of(seconds()),
        category in prop::sample::select(DataCategory::ALL),
        now in (0..60u64).prop_map(after),
    ) {
        let active = limits.active(category, now);
        prop_assert_eq!(active.is_some(), limits.is_limited(category, now));
        let selected = limits.select(category.into(), now);
        prop_assert_eq!(active, selected.active(category, now));
        prop_assert_eq!(active.and_then(|limit| limit.remaining(now)), selected.retry_after(now));
        let mut cleaned = limits.clone();
        cleaned.clean(now);
        prop_assert_eq!(active, cleaned.active(category, now));
        prop_assert_eq!(limits.header(now), cleaned.header(now));
    }

    #[test]
    fn no_header_makes_reading_panic(
        header in "([0-9.+e-]{0,8}|.{0,4})(:([a-z_;]{0,12}|.{0,4})){0,6}(,.{0,40}){0,3}",
        retry_after: Option<String>,
    ) {
        let limits = RateLimits::parse(&header, retry_after.as_deref(), noon());
        let written = limits.header(noon()).unwrap_or_default();
        prop_assert_eq!(RateLimits::parse(&written, None, noon()), limits);
    }
}
