//! What the pairs of a header or a query may look like.

use relay_auth::{AuthError, Credentials, MalformedAuth};

use crate::{KEY, by_header, by_query, somebody};

const MISSING_KEY: AuthError = AuthError::Malformed(MalformedAuth::MissingKey);
const BAD_VERSION: AuthError = AuthError::Malformed(MalformedAuth::Version);

/// The sender that a header names; `K` stands for the key.
fn sender(header: &str) -> Credentials {
    let sender = by_header(&header.replace('K', KEY)).expect(header);
    sender.expect("the header says who sent it")
}

#[test]
fn ing_028_case_of_the_scheme_white_space_unknown_names_and_fractions_do_not_matter() {
    let expected = Credentials { version: 2, ..somebody() };
    assert_eq!(sender("sentry   sentry_key = K ,foo=bar,sentry_version=2.0"), expected);
    assert_eq!(sender("SENTRY sentry_version\t=\t2.9.1,\tsentry_key=K"), expected);
}

#[test]
fn order_does_not_matter_and_secret_and_timestamp_are_passed_over() {
    let header = "Sentry sentry_timestamp=x, sentry_client=a/1, sentry_secret=K, sentry_version=7, sentry_key=K";
    assert_eq!(sender(header), Credentials { client: Some("a/1".to_owned()), ..somebody() });
}

#[test]
fn opentelemetry_exporters_name_no_version_and_get_the_current_one() {
    assert_eq!(sender("sentry sentry_key=K"), somebody());
}

#[test]
fn of_pairs_with_the_same_name_the_last_counts() {
    let header = "Sentry sentry_key=x, sentry_version=9, sentry_client=a, sentry_key=K, sentry_version=5, sentry_client=b";
    let expected = Credentials { version: 5, client: Some("b".to_owned()), ..somebody() };
    assert_eq!(sender(header), expected);
}

#[test]
fn a_pair_without_equals_sign_is_dropped_and_a_value_ends_at_the_second() {
    let expected = Credentials { client: Some("a".to_owned()), ..somebody() };
    assert_eq!(sender("Sentry ,,sentry_version,sentry_key=K=x,sentry_client=a=b=c,="), expected);
}

#[test]
fn percent_sequences_and_quotes_are_literal_in_a_header() {
    let expected = Credentials { client: Some("\"a%2Fb+c\"".to_owned()), ..somebody() };
    assert_eq!(sender("Sentry sentry_key=K, sentry_client=\"a%2Fb+c\""), expected);
}

#[test]
fn a_query_is_form_decoded() {
    let query =
        format!("x=y&sentry%5Fclient=a%2Fb+c%3D&sentry_key=%61{}&sentry_version=%36", &KEY[1..]);
    let expected = Credentials { version: 6, client: Some("a/b c=".to_owned()), ..somebody() };
    assert_eq!(by_query(&query), Ok(Some(expected)));
}

#[test]
fn an_empty_client_is_one() {
    let expected = Credentials { client: Some(String::new()), ..somebody() };
    assert_eq!(sender("Sentry sentry_key=K, sentry_client="), expected);
}

#[test]
fn ing_030_and_122_a_key_is_required() {
    for header in [
        "Sentry sentry_version=7",
        "Sentry foo",
        "Sentry ",
        "Sentry sentry_key= ",
        "Sentry SENTRY_KEY=K",
    ] {
        assert_eq!(by_header(header), Err(MISSING_KEY), "{header}");
    }
    for query in ["sentry_foo=1", "sentry_key", "sentry_key=", "sentry_key=K&sentry_key="] {
        assert_eq!(by_query(query), Err(MISSING_KEY), "{query}");
    }
}

#[test]
fn ing_032_a_key_is_32_ascii_characters_whatever_they_are() {
    for key in [&KEY[1..], &format!("{KEY}0"), ".no-cache"] {
        let header = format!("Sentry sentry_key={key}");
        assert!(matches!(by_header(&header), Err(AuthError::Key(_))), "{key}");
    }
    // 32 bytes, 31 characters.
    assert!(matches!(by_query(&format!("sentry_key={}%C3%A9", &KEY[2..])), Err(AuthError::Key(_))));
    let query = format!("sentry_key={}%0A", &KEY[1..]);
    let sender = by_query(&query).expect("a key, if an odd one").expect("a sender");
    assert!(sender.key.as_str().ends_with('\n'));
}

#[test]
fn flags_follow_the_key_after_dots() {
    for (key, no_cache) in
        [("K.no-cache", true), ("K.x.no-cache", true), ("K.x", false), ("K.", false)]
    {
        let sender = sender(&format!("Sentry sentry_key={key}"));
        assert_eq!((sender.key, sender.flags.no_cache), (somebody().key, no_cache), "{key}");
    }
}

#[test]
fn versions_up_to_7_are_accepted() {
    for version in 0..=7 {
        let expected = Credentials { version, ..somebody() };
        assert_eq!(sender(&format!("Sentry sentry_key=K, sentry_version={version}")), expected);
        assert_eq!(sender(&format!("Sentry sentry_key=K, sentry_version=+0{version}.x")), expected);
    }
}

#[test]
fn ing_031_later_versions_are_not_supported_and_others_are_none() {
    for version in [8, 65_535] {
        let header = format!("Sentry sentry_key={KEY}, sentry_version={version}");
        assert_eq!(by_header(&header), Err(AuthError::UnsupportedVersion(version)));
    }
    for version in ["70000", "65536", "abc", "", "-1", ".5", "7x"] {
        let header = format!("Sentry sentry_key={KEY}, sentry_version={version}");
        assert_eq!(by_header(&header), Err(BAD_VERSION), "{version}");
    }
    assert_eq!(by_query(&format!("sentry_key={KEY}&sentry_version")), Err(BAD_VERSION));
}

#[test]
fn an_unreadable_version_is_noticed_before_a_missing_key_or_a_better_one() {
    assert_eq!(by_header("Sentry sentry_version=x"), Err(BAD_VERSION));
    let header = format!("Sentry sentry_version=x, sentry_key={KEY}, sentry_version=7");
    assert_eq!(by_header(&header), Err(BAD_VERSION));
}

#[test]
fn a_bad_key_is_noticed_before_an_unsupported_version() {
    let error = by_header("Sentry sentry_key=short, sentry_version=8");
    assert!(matches!(error, Err(AuthError::Key(_))));
}
