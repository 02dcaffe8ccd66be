//! Where a request may say who sent it, and what counts as saying so.

use http::header::{AUTHORIZATION, HeaderValue};
use relay_auth::{AuthError, MalformedAuth};

use crate::{BASIC, KEY, authenticate, by_header, by_query, headers, somebody};

fn header() -> String {
    format!("Sentry sentry_key={KEY}, sentry_version=7")
}

#[test]
fn x_sentry_auth_names_the_sender() {
    assert_eq!(by_header(&header()), Ok(Some(somebody())));
}

#[test]
fn ing_035_authorization_names_the_sender_in_the_sentry_or_the_basic_scheme() {
    for value in [&header(), BASIC, &BASIC.replace("Basic", "bASIC")] {
        let sender = authenticate(&[("authorization", value)], None, None);
        assert_eq!(sender, Ok(Some(somebody())), "{value}");
    }
}

#[test]
fn ing_038_a_query_names_the_sender() {
    let sender = by_query(&format!("sentry_key={KEY}&sentry_client=c/1"));
    let sender = sender.expect("a readable query").expect("a sender");
    assert_eq!(sender.key, somebody().key);
    assert_eq!(sender.client.as_deref(), Some("c/1"));
}

#[test]
fn a_path_names_the_sender_with_flags() {
    let with_flag = format!("{KEY}.no-cache");
    assert_eq!(authenticate(&[], None, Some(KEY)), Ok(Some(somebody())));
    let sender = authenticate(&[], None, Some(&with_flag)).expect("a key").expect("a sender");
    assert!(sender.flags.no_cache);
}

#[test]
fn a_request_that_says_nothing_has_no_sender() {
    assert_eq!(authenticate(&[], None, None), Ok(None));
    assert_eq!(authenticate(&[("authentication", &header())], Some(""), None), Ok(None));
    assert_eq!(by_query("a=b&sentry=1"), Ok(None));
}

#[test]
fn ing_029_and_122_a_header_of_another_scheme_counts_as_absent() {
    for value in ["", "Sentry", "Sentry\tsentry_key=1", "Bearer 1", "Sentryx a=b", "sentr\u{79}"] {
        assert_eq!(by_header(value), Ok(None), "{value}");
        assert_eq!(authenticate(&[("authorization", value)], None, None), Ok(None), "{value}");
    }
    // Basic belongs into `Authorization`.
    assert_eq!(by_header(BASIC), Ok(None));
}

#[test]
fn a_header_that_is_not_ascii_counts_as_absent() {
    let mut lines = headers(&[]);
    let value = format!("Sentry sentry_key={KEY}, sentry_client=caf\u{e9}");
    lines.insert("x-sentry-auth", HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
    lines.insert(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
    assert_eq!(relay_auth::authenticate(&lines, None, None), Ok(None));
}

#[test]
fn ing_036_and_151_basic_auth_that_cannot_be_read_counts_as_absent() {
    for value in [
        // `KEY` without a colon, `KEY:p` without padding, a colon alone, bytes that are not UTF-8.
        "Basic YTk0YWUzMmJlMjU4MmUwYmNiN2IwYmEwZDhiYTM2ZjM=",
        "Basic YTk0YWUzMmJlMjU4MmUwYmNiN2IwYmEwZDhiYTM2ZjM6cA",
        "Basic Og==",
        "Basic /zo=",
        "Basic  Og==",
        "Basic !",
        "Basic ",
        "Basic",
    ] {
        assert_eq!(authenticate(&[("authorization", value)], None, None), Ok(None), "{value}");
    }
}

#[test]
fn a_basic_password_is_ignored() {
    let value = format!("{}cDpw", BASIC.trim_end_matches('='));
    assert_eq!(authenticate(&[("authorization", &value)], None, None), Ok(Some(somebody())));
}

#[test]
fn of_two_lines_of_a_header_the_first_counts() {
    let lines = [("x-sentry-auth", header()), ("x-sentry-auth", "Sentry nonsense".to_owned())];
    let [first, second] = lines.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(authenticate(&[first, second], None, None), Ok(Some(somebody())));
    assert_eq!(
        authenticate(&[second, first], None, None),
        Err(AuthError::Malformed(MalformedAuth::MissingKey)),
    );
}

/// Lines of headers, a query, a key in the path.
type Carrier<'a> = (&'a [(&'static str, &'a str)], Option<&'a str>, Option<&'a str>);

#[test]
fn ing_018_two_carriers_are_refused_even_if_they_agree() {
    let (header, query) = (header(), format!("sentry_key={KEY}"));
    let carriers: [Carrier<'_>; 4] = [
        (&[("x-sentry-auth", &header)], None, None),
        (&[("authorization", &header)], None, None),
        (&[], Some(&query), None),
        (&[], None, Some(KEY)),
    ];
    for (first_index, first) in carriers.iter().enumerate() {
        for second in &carriers[first_index + 1..] {
            let lines = [first.0, second.0].concat();
            let both = authenticate(&lines, first.1.or(second.1), first.2.or(second.2));
            assert_eq!(both, Err(AuthError::Multiple), "{first:?} and {second:?}");
        }
    }
    let basic = [("x-sentry-auth", &*header), ("authorization", BASIC)];
    assert_eq!(authenticate(&basic, None, None), Err(AuthError::Multiple));
}

#[test]
fn ing_037_a_query_with_anything_of_sentry_is_a_carrier() {
    for query in ["sentry_release=1", "a=sentry_", "xsentry_data"] {
        let both = authenticate(&[("x-sentry-auth", &header())], Some(query), None);
        assert_eq!(both, Err(AuthError::Multiple), "{query}");
        let alone = by_query(query);
        assert_eq!(alone, Err(AuthError::Malformed(MalformedAuth::MissingKey)), "{query}");
    }
    // Only the raw text counts.
    let escaped = "%73entry_key=x";
    assert_eq!(
        authenticate(&[("x-sentry-auth", &header())], Some(escaped), None),
        Ok(Some(somebody()))
    );
}

#[test]
fn ing_121_a_query_is_read_before_the_key_in_the_path_is_counted() {
    let missing = Err(AuthError::Malformed(MalformedAuth::MissingKey));
    assert_eq!(authenticate(&[], Some("sentry_release=1"), Some(KEY)), missing);
    let query = format!("sentry_key={KEY}");
    assert_eq!(authenticate(&[], Some(&query), Some(KEY)), Err(AuthError::Multiple));
}
