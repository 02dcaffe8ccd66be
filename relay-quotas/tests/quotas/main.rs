//! Rate limits as seen from outside.

mod in_force;
mod parse;
mod properties;
mod write;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use relay_quotas::{RateLimit, RateLimits};

/// A fixed moment: nothing here asks for the time.
fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn after(seconds: u64) -> SystemTime {
    noon() + Duration::from_secs(seconds)
}

fn parse(header: &str) -> RateLimits {
    RateLimits::parse(header, None, noon())
}

/// The only limit that `header` names.
fn parse_one(header: &str) -> RateLimit {
    let limits = parse(header);
    let mut limits = limits.iter();
    let limit = limits.next().expect(header).clone();
    assert_eq!(limits.next(), None, "{header}");
    limit
}

/// What a header becomes when it is passed on at once.
fn announced(header: &str) -> Option<String> {
    parse(header).header(noon())
}
