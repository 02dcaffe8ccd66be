//! Any headers are read, and what was read survives being written.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use relay_quotas::{DataCategory, RateLimits};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    // Lines of `X-Sentry-Rate-Limits`; a NUL, which no header can hold, starts a `Retry-After`.
    let mut parts = data.splitn(2, |&byte| byte == 0);
    let header = parts.next().unwrap_or_default();
    let lines = header.split(|&byte| byte == b'\n');
    let limits = RateLimits::from_headers(lines, parts.next(), now);
    assert!(limits.iter().count() <= RateLimits::MAX_LEN);

    let written = limits.header(now).unwrap_or_default();
    assert_eq!(RateLimits::parse(&written, None, now), limits);
    assert!(written.bytes().all(|byte| matches!(byte, b' '..=b'~')));

    let mut twice = limits.clone();
    twice.merge(limits.clone());
    assert_eq!(twice, limits);

    for &category in DataCategory::ALL {
        let selected = limits.select(category.into(), now);
        assert_eq!(limits.active(category, now), selected.active(category, now));
        assert_eq!(limits.is_limited(category, now), !selected.is_empty());
    }
});
