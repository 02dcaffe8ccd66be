use std::time::{Duration, SystemTime, UNIX_EPOCH};

use relay_quotas::{DataCategories, DataCategory, Namespace, RateLimits, ReasonCode, Scope};

use crate::{after, announced, noon, parse, parse_one};

const MONTH: u64 = 31 * 86_400;

#[test]
fn an_entry_with_all_parts_is_read() {
    let limit = parse_one("60:metric_bucket;error:organization:quota:spans;sessions");
    assert_eq!(limit.until, after(60));
    assert_eq!(limit.scope, Scope::Organization);
    let categories = [DataCategory::Error, DataCategory::MetricBucket];
    assert_eq!(limit.categories, DataCategories::from_iter(categories));
    assert_eq!(limit.reason.as_ref().map(ReasonCode::as_str), Some("quota"));
    let namespaces: Vec<_> = limit.namespaces.iter().collect();
    assert_eq!(namespaces, [Namespace::Sessions, Namespace::Spans]);
}

#[test]
fn missing_parts_mean_all_categories_the_key_and_no_reason() {
    for header in ["60", "60:", "60::", "60::key", "60:;:key::"] {
        let limit = parse_one(header);
        assert!(limit.categories.is_empty(), "{header}");
        assert_eq!((limit.scope, limit.reason), (Scope::Key, None), "{header}");
    }
    assert_eq!(announced("60:error").as_deref(), Some("60:error:key"));
}

#[test]
fn several_entries_and_several_lines_are_one_list() {
    let lines = ["60:error:key, 120:session:project", "", "30:replay:organization"];
    let limits = RateLimits::from_headers(lines, None, noon());
    assert_eq!(limits, parse(&lines.join(", ")));
    assert_eq!(
        limits.header(noon()).as_deref(),
        Some("30:replay:organization, 120:session:project, 60:error:key"),
    );
}

#[test]
fn blanks_and_empty_entries_are_skipped() {
    assert_eq!(
        announced(" ,, 60 : error ; session : project : quota ,\t,").as_deref(),
        Some("60:error;session:project:quota"),
    );
    assert_eq!(announced("60:;;error;;:key").as_deref(), Some("60:error:key"));
}

#[test]
fn fractions_of_a_second_round_up() {
    for (seconds, expected) in [("10.2", 11), ("0.001", 1), ("59.0", 59), ("1e1", 10), ("+7", 7)] {
        assert_eq!(parse_one(seconds).until, after(expected), "{seconds}");
    }
}

#[test]
fn an_entry_without_a_number_or_of_no_duration_is_skipped() {
    for header in
        ["", "x", "-1", "-0", "0", "0.0", "NaN", "-inf", "0x10", "1 0", "60s", ":error:key", "١٠"]
    {
        assert!(parse(header).is_empty(), "{header}");
    }
    assert_eq!(announced("bad:error:key, 60:session:key").as_deref(), Some("60:session:key"));
}

#[test]
fn more_than_a_month_is_a_month() {
    for seconds in ["2678401", "99999999999999999999999", "1e300", "1e999", "inf"] {
        assert_eq!(parse_one(seconds).until, after(MONTH), "{seconds}");
    }
    assert_eq!(parse_one("2678400").until, after(MONTH));
}

#[test]
fn a_moment_that_the_clock_cannot_hold_limits_nothing() {
    let mut last = UNIX_EPOCH;
    for exponent in (0..63).rev() {
        last = last.checked_add(Duration::from_secs(1 << exponent)).unwrap_or(last);
    }
    assert!(RateLimits::parse("60::key", Some("60"), last).is_empty());
}

#[test]
fn any_unknown_scope_means_the_key() {
    for header in ["60:error:galaxy", "60:error:", "60:error:Project", "60:error:global"] {
        assert_eq!(parse_one(header).scope, Scope::Key, "{header}");
    }
}

#[test]
fn a_reason_that_cannot_be_passed_on_is_left_out_and_the_limit_stays() {
    for reason in ["größe", "a\u{7f}b", &"x".repeat(201), ""] {
        assert_eq!(
            announced(&format!("60:error:key:{reason}")).as_deref(),
            Some("60:error:key"),
            "{reason}"
        );
    }
}

#[test]
fn bytes_that_are_no_text_hide_nothing_but_themselves() {
    let line = b"60:error:key:\xff\xfe, \xff:session:key, 30:\xff:key, 10:replay:\xff".as_slice();
    let limits = RateLimits::from_headers([line], None, noon());
    assert_eq!(
        limits.header(noon()).as_deref(),
        Some("60:error:key, 10:replay:key, 30:unknown:key")
    );
}

#[test]
fn unknown_namespaces_are_unsupported_and_not_all() {
    assert_eq!(
        announced("60:metric_bucket:key:r:custom;Spans").as_deref(),
        Some("60:metric_bucket:key:r:unsupported"),
    );
    assert!(!parse("60::key:r:custom").is_limited(DataCategory::Error, noon()));
}

#[test]
fn retry_after_counts_when_no_limit_in_force_was_named() {
    for header in ["", "nonsense", "0:error:key", "-1", ",,"] {
        let limits = RateLimits::parse(header, Some("30"), noon());
        assert_eq!(limits.header(noon()).as_deref(), Some("30::key:generic"), "{header}");
    }
}

#[test]
fn retry_after_does_not_count_beside_a_named_limit() {
    for header in ["10:error:key", "10:bogus:key"] {
        let limits = RateLimits::parse(header, Some("30"), noon());
        assert_eq!(limits, parse(header));
    }
}

#[test]
fn retry_after_that_is_no_number_of_seconds_limits_nothing() {
    for value in ["Wed, 21 Oct 2099 07:28:00 GMT", "", "-5", "0", "soon"] {
        assert!(RateLimits::parse("", Some(value), noon()).is_empty(), "{value}");
    }
    assert!(RateLimits::parse("", None, noon()).is_empty());
}

#[test]
fn more_limits_than_fit_leave_those_that_last_longest() {
    // Each number up to 200 in bits, spelled as a set of categories.
    let entry = |number: u32| {
        let names =
            ["error", "session", "monitor", "replay", "security", "feedback", "log_item", "uptime"];
        let set: Vec<_> = names
            .iter()
            .enumerate()
            .filter(|(bit, _)| number >> bit & 1 == 1)
            .map(|(_, name)| *name)
            .collect();
        format!("{number}:{}:key", set.join(";"))
    };
    let ascending: Vec<_> = (1..=200).map(entry).collect();
    let descending: Vec<_> = (1..=200).rev().map(entry).collect();
    let limits = parse(&ascending.join(","));
    assert_eq!(limits.iter().count(), RateLimits::MAX_LEN);
    assert_eq!(limits, parse(&descending.join(",")));
    let shortest: Option<SystemTime> = limits.iter().map(|limit| limit.until).min();
    assert_eq!(shortest, Some(after(201 - RateLimits::MAX_LEN as u64)));
}

#[test]
fn ing_092_a_learned_limit_is_announced_with_the_time_that_is_left() {
    let limits = parse("60:error:project:r");
    let later = noon() + Duration::from_millis(500);
    assert_eq!(limits.header(later).as_deref(), Some("60:error:project:r"));
    assert_eq!(limits.retry_after(later), Some(Duration::from_secs(60)));
    assert!(limits.is_limited(DataCategory::Error, later));
}

#[test]
fn ing_093_a_bare_retry_after_limits_the_key() {
    let limits = RateLimits::parse("", Some("30"), noon());
    assert_eq!(limits.header(noon()).as_deref(), Some("30::key:generic"));
    for &category in DataCategory::ALL {
        assert!(limits.is_limited(category, noon()), "{category}");
    }
}

#[test]
fn ing_094_transactions_and_spans_are_limited_together() {
    for header in ["60:transaction:key", "60:span:key", "60:span;transaction:key"] {
        assert_eq!(announced(header).as_deref(), Some("60:transaction;span:key"), "{header}");
    }
    assert_eq!(
        announced("60:transaction_indexed:key").as_deref(),
        Some("60:transaction_indexed:key")
    );
}

#[test]
fn ing_095_unknown_categories_are_not_all_categories() {
    let limits = parse("60:bogus:key");
    for &category in DataCategory::ALL {
        assert!(!limits.is_limited(category, noon()), "{category}");
    }
    assert!(parse("60:bogus;error:key").is_limited(DataCategory::Error, noon()));
}

#[test]
fn ing_140_an_unknown_category_beside_a_known_one_is_passed_on_last() {
    assert_eq!(
        announced("60:bogus;error;nonsense:project:get_lost").as_deref(),
        Some("60:error;unknown:project:get_lost"),
    );
}

#[test]
fn ing_141_1_a_limit_with_namespaces_holds_back_no_event() {
    let limits = parse("60:error:key:r:spans");
    for &category in DataCategory::ALL {
        assert!(!limits.is_limited(category, noon()), "{category}");
    }
}

#[test]
fn ing_141_2_further_parts_are_ignored() {
    let limits = parse("60:error:key:r::x:y");
    assert!(limits.is_limited(DataCategory::Error, noon()));
    assert_eq!(limits.header(noon()).as_deref(), Some("60:error:key:r"));
}

#[test]
fn ing_141_3_seconds_alone_limit_all_categories_of_the_key() {
    assert_eq!(announced("60").as_deref(), Some("60::key"));
}

#[test]
fn ing_141_4_an_http_date_is_no_limit() {
    assert!(RateLimits::parse("", Some("Wed, 21 Oct 2099 07:28:00 GMT"), noon()).is_empty());
}

#[test]
fn ing_141_5_a_fraction_of_retry_after_rounds_up() {
    let limits = RateLimits::parse("", Some("10.2"), noon());
    assert_eq!(limits.header(noon()).as_deref(), Some("11::key:generic"));
}
