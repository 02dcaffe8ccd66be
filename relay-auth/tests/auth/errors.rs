//! The texts that a server answers with.

use std::error::Error;

use relay_auth::{AuthError, MalformedAuth};

use crate::{KEY, by_header, by_query};

fn texts(error: AuthError) -> (String, Option<String>) {
    (error.to_string(), error.source().map(ToString::to_string))
}

#[test]
fn each_error_has_the_detail_and_the_cause_of_the_protocol() {
    let no_cause = |detail: &str| (detail.to_owned(), None);
    let with_cause = |detail: &str, cause: &str| (detail.to_owned(), Some(cause.to_owned()));
    let malformed = "bad x-sentry-auth header";
    for (error, expected) in [
        (AuthError::Missing, no_cause("missing authorization information")),
        (AuthError::Multiple, no_cause("multiple authorization payloads detected")),
        (
            AuthError::Malformed(MalformedAuth::MissingKey),
            with_cause(malformed, "missing public key in auth header"),
        ),
        (
            AuthError::Malformed(MalformedAuth::Version),
            with_cause(malformed, "invalid value for version"),
        ),
        (AuthError::UnsupportedVersion(8), no_cause("unsupported protocol version (8)")),
    ] {
        assert_eq!(texts(error), expected);
    }
    let error = by_query("sentry_key=short").expect_err("a short key");
    assert_eq!(texts(error), with_cause("bad sentry DSN public key", "invalid project key"));
}

#[test]
fn no_error_repeats_what_was_sent() {
    for header in [
        "Sentry sentry_key=hunter2",
        "Sentry hunter2",
        &format!("Sentry sentry_key={KEY}, sentry_version=hunter2"),
    ] {
        let error = by_header(header).expect_err(header);
        assert!(!format!("{error} {error:?} {:?}", error.source()).contains("hunter2"), "{header}");
    }
}
