//! Settling: what the upstream's answer means for an envelope.
//!
//! | answer | meaning |
//! |---|---|
//! | 2xx | delivered |
//! | no answer, 502, 503, 504 | the upstream is away: kept, and the whole queue slows down |
//! | 408, 425, other 5xx | kept; this envelope is tried again later |
//! | 429 with `X-Sentry-Rate-Limits` | the upstream took what the limits allow and accounts for the rest |
//! | 429 otherwise | kept; nothing of this key is sent before `Retry-After` is over |
//! | 415, or a 400 that blames the encoding | sent again in an encoding every server reads |
//! | 400 that blames internal items | a foreign body is sent again to the endpoint of its protocol |
//! | 3xx, 401, 403, 404 | kept for a grace period in which a key or a setting can be mended |
//! | any other | discarded, with the status as the reason |

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use relay_quotas::RateLimits;

use crate::client::ClientError;

/// What is to be done with an envelope after an attempt.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The upstream has it.
    Delivered,
    /// The upstream is not there: keep, and let the pace decide.
    Away,
    /// Keep; try this one again after a pause.
    Later,
    /// Keep; the limits say from when on it may be tried again.
    HeldBack(RateLimits),
    /// The upstream has dealt with it: what these limits name was dropped there.
    Limited(RateLimits),
    /// Keep; the upstream does not read the encoding.
    Reencode,
    /// Keep; the upstream does not take such envelopes from this relay, but perhaps what is in it.
    Unwrap,
    /// Keep for the grace period.
    Refused(StatusCode),
    /// Will never be taken.
    Rejected(StatusCode),
}

pub(crate) const RATE_LIMITS: HeaderName = HeaderName::from_static("x-sentry-rate-limits");

/// Reads the answer to an envelope request.
pub(crate) fn verdict(answer: &Result<Response<Bytes>, ClientError>, now: SystemTime) -> Verdict {
    let Ok(answer) = answer else { return Verdict::Away };
    let status = answer.status();
    match status.as_u16() {
        200..=299 => Verdict::Delivered,
        502..=504 => Verdict::Away,
        408 | 425 | 500..=599 => Verdict::Later,
        429 => limits(answer.headers(), now),
        415 => Verdict::Reencode,
        400 if blames_encoding(answer.body()) => Verdict::Reencode,
        400 if blames(answer.body(), &["internal items"]) => Verdict::Unwrap,
        300..=399 | 401 | 403 | 404 => Verdict::Refused(status),
        _ => Verdict::Rejected(status),
    }
}

fn limits(headers: &HeaderMap, now: SystemTime) -> Verdict {
    let retry_after = headers.get(RETRY_AFTER).map(HeaderValue::as_bytes);
    let limits = RateLimits::from_headers(headers.get_all(RATE_LIMITS), retry_after, now);
    if headers.contains_key(RATE_LIMITS) {
        Verdict::Limited(limits)
    } else {
        Verdict::HeldBack(limits)
    }
}

/// Some servers answer 400 instead of 415 to an encoding they do not know, and say so in the text.
fn blames_encoding(body: &[u8]) -> bool {
    let phrases =
        ["content-encoding", "content encoding", "unsupported encoding", "unknown encoding"];
    blames(body, &phrases)
}

fn blames(body: &[u8], phrases: &[&str]) -> bool {
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    phrases.iter().any(|phrase| text.contains(phrase))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use relay_protocol::DataCategory;

    use super::*;

    fn answer(
        status: u16,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Response<Bytes>, ClientError> {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        Ok(response.body(Bytes::copy_from_slice(body.as_bytes())).expect("valid parts"))
    }

    #[test]
    fn every_status_has_its_meaning() {
        let refused = |status| Verdict::Refused(StatusCode::from_u16(status).expect("valid"));
        let rejected = |status| Verdict::Rejected(StatusCode::from_u16(status).expect("valid"));
        let cases = [
            (200, Verdict::Delivered),
            (202, Verdict::Delivered),
            (301, refused(301)),
            (400, rejected(400)),
            (401, refused(401)),
            (402, rejected(402)),
            (403, refused(403)),
            (404, refused(404)),
            (408, Verdict::Later),
            (413, rejected(413)),
            (415, Verdict::Reencode),
            (422, rejected(422)),
            (425, Verdict::Later),
            (500, Verdict::Later),
            (501, Verdict::Later),
            (502, Verdict::Away),
            (503, Verdict::Away),
            (504, Verdict::Away),
            (507, Verdict::Later),
        ];
        for (status, expected) in cases {
            assert_eq!(verdict(&answer(status, &[], ""), SystemTime::now()), expected, "{status}");
        }
        let timeout = Err(ClientError::Timeout(Duration::from_secs(5)));
        assert_eq!(verdict(&timeout, SystemTime::now()), Verdict::Away);
    }

    #[test]
    fn a_429_with_limits_is_dealt_with_and_one_without_is_kept() {
        let now = SystemTime::now();
        let limited = answer(429, &[("x-sentry-rate-limits", "60:error:key")], "");
        let Verdict::Limited(limits) = verdict(&limited, now) else {
            panic!("limits were announced")
        };
        assert!(limits.active(DataCategory::Error, now).is_some());
        assert!(limits.active(DataCategory::Session, now).is_none());

        let Verdict::HeldBack(limits) = verdict(&answer(429, &[("retry-after", "30")], ""), now)
        else {
            panic!("nothing says that anything was taken")
        };
        assert!(limits.active(DataCategory::Session, now).is_some());
    }

    #[test]
    fn a_400_that_blames_the_encoding_asks_for_another() {
        let blaming = answer(400, &[], r#"{"detail":"Unsupported Content-Encoding: zstd"}"#);
        assert_eq!(verdict(&blaming, SystemTime::now()), Verdict::Reencode);
    }

    #[test]
    fn a_400_that_blames_internal_items_asks_for_what_is_in_them() {
        let blaming = answer(400, &[], r#"{"detail":"envelope contains internal items"}"#);
        assert_eq!(verdict(&blaming, SystemTime::now()), Verdict::Unwrap);
    }
}
