//! Who sent a request, as seen from outside.

mod carriers;
mod errors;
mod pairs;
mod properties;
mod recorded;
mod write;

use http::{HeaderMap, HeaderName, HeaderValue};
use relay_auth::{AuthError, Credentials};

const KEY: &str = "a94ae32be2582e0bcb7b0ba0d8ba36f3";

/// Nothing but a key, in the base64 of `KEY:`.
const BASIC: &str = "Basic YTk0YWUzMmJlMjU4MmUwYmNiN2IwYmEwZDhiYTM2ZjM6";

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let line = |&(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).expect(value))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.iter().map(line) {
        headers.append(name, value);
    }
    headers
}

fn authenticate(
    lines: &[(&'static str, &str)],
    query: Option<&str>,
    path_key: Option<&str>,
) -> Result<Option<Credentials>, AuthError> {
    relay_auth::authenticate(&headers(lines), query, path_key)
}

/// A request with this `X-Sentry-Auth` and nothing else.
fn by_header(value: &str) -> Result<Option<Credentials>, AuthError> {
    authenticate(&[("x-sentry-auth", value)], None, None)
}

/// A request with this query and nothing else.
fn by_query(query: &str) -> Result<Option<Credentials>, AuthError> {
    authenticate(&[], Some(query), None)
}

/// Whoever has the key and says no more.
fn somebody() -> Credentials {
    Credentials::new(KEY.parse().expect("a key"))
}
