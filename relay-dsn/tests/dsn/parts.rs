use std::collections::HashSet;

use relay_dsn::{KeyFlags, ParseProjectKeyError, ProjectId, ProjectKey};

use crate::{KEY, dsn};

#[test]
fn a_project_key_is_any_32_ascii_characters() {
    for text in [KEY, &KEY.to_uppercase(), "not hexadecimal, but of 32 bytes"] {
        assert_eq!(text.parse::<ProjectKey>().expect(text).as_str(), text);
    }
    for text in ["", &KEY[1..], &format!("{KEY}0"), "\u{e9}94ae32be2582e0bcb7b0ba0d8ba36f3"] {
        assert_eq!(text.parse::<ProjectKey>(), Err(ParseProjectKeyError), "{text}");
    }
    assert_eq!(ParseProjectKeyError.to_string(), "invalid project key");
}

#[test]
fn project_keys_differ_by_case() {
    let keys: HashSet<ProjectKey> =
        [KEY, &KEY.to_uppercase(), KEY].iter().map(|text| text.parse().expect(text)).collect();
    assert_eq!(keys.len(), 2);
}

#[test]
fn flags_follow_a_key_after_dots_and_unknown_ones_are_passed_over() {
    for (flags, no_cache) in [
        ("", false),
        (".", false),
        (".no-cache", true),
        (".future.no-cache", true),
        (".no-cache.no-cache", true),
        (".No-Cache", false),
        (".no-cache2", false),
    ] {
        let (key, KeyFlags { no_cache: found, .. }) =
            ProjectKey::parse_with_flags(&format!("{KEY}{flags}")).expect(flags);
        assert_eq!((key.as_str(), found), (KEY, no_cache), "{flags}");
    }
    assert_eq!(ProjectKey::parse_with_flags(".no-cache"), Err(ParseProjectKeyError));
    assert_eq!(ProjectKey::parse_with_flags(&format!("x.{KEY}")), Err(ParseProjectKeyError));
}

#[test]
fn a_dsn_takes_no_flags() {
    let dsn = dsn(&format!("https://{KEY}.no-cache@host/42"));
    assert_eq!(dsn.project_key(), Err(ParseProjectKeyError));
}

#[test]
fn a_dsn_has_a_project_key_only_if_its_user_name_is_one() {
    assert_eq!(dsn(&format!("https://{KEY}@host/42")).project_key(), KEY.parse());
    assert_eq!(dsn("https://key@host/42").project_key(), Err(ParseProjectKeyError));
}

#[test]
fn the_value_of_a_project_id_is_a_decimal_number() {
    for (text, value) in [
        ("0", Some(0)),
        ("42", Some(42)),
        ("0042", Some(42)),
        ("+42", Some(42)),
        ("18446744073709551615", Some(u64::MAX)),
        ("000000000000000000000000000042", Some(42)),
        ("18446744073709551616", None),
        ("", None),
        ("+", None),
        ("-1", None),
        (" 1", None),
        ("0x1", None),
        ("1.0", None),
        ("my-project", None),
    ] {
        let id = ProjectId::from(text);
        assert_eq!(id.as_str(), text);
        assert_eq!(id.value(), value, "{text}");
    }
}

#[test]
fn project_ids_are_equal_if_their_texts_are() {
    assert_eq!(ProjectId::from(42), ProjectId::from("42"));
    assert_eq!(ProjectId::from(u64::MAX), ProjectId::from("18446744073709551615"));
    assert_ne!(ProjectId::from(42), ProjectId::from("042"));
    assert_ne!(ProjectId::from("1"), ProjectId::from("1\0"));
}
