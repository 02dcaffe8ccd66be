use proptest::prelude::*;
use relay_protocol::{Dist, Environment, NameError, Release, Version};

#[test]
fn a_release_is_any_short_text_without_slashes_and_controls() {
    for valid in
        ["1", "foo@1.0", "my release", "né@1", "@scope", "a@", &"x".repeat(200), &"é".repeat(200)]
    {
        assert!(Release::parse(valid).is_ok(), "{valid}");
    }
    for (invalid, error) in [
        ("", NameError::Empty),
        (".", NameError::Reserved),
        ("..", NameError::Reserved),
        ("LaTest", NameError::Reserved),
        ("a/b", NameError::Character('/')),
        ("a\\b", NameError::Character('\\')),
        ("a\x7f", NameError::Character('\x7f')),
        ("a\nb", NameError::Character('\n')),
        (&"x".repeat(201), NameError::TooLong),
    ] {
        assert_eq!(Release::parse(invalid), Err(error), "{invalid}");
    }
}

#[test]
fn an_environment_is_not_none() {
    assert!(Environment::parse("nonesuch").is_ok());
    assert_eq!(Environment::parse("NONE"), Err(NameError::Reserved));
    assert_eq!(Environment::parse("a/b"), Err(NameError::Character('/')));
    assert_eq!(Environment::parse(&"e".repeat(65)), Err(NameError::TooLong));
}

#[test]
fn a_dist_has_few_characters() {
    assert!(Dist::parse(&"a".repeat(64)).is_ok());
    assert_eq!(Dist::parse(&"a".repeat(65)), Err(NameError::TooLong));
    assert_eq!(Dist::parse("a b/c"), Err(NameError::Character(' ')));
    assert_eq!(Dist::parse(""), Err(NameError::Empty));
}

#[test]
fn a_release_without_package_has_no_version() {
    let release = Release::parse("1.0.0").unwrap();
    assert_eq!((release.package(), release.version()), (None, None));
    let scoped = Release::parse("@scope@2.0").unwrap();
    assert_eq!(scoped.package(), Some("@scope"));
    assert_eq!(scoped.version().map(|version| version.major()), Some(2));
    assert_eq!(Release::parse("app@").unwrap().package(), None);
}

#[test]
fn hashes_have_the_lengths_that_tools_print() {
    for length in 1..70 {
        let hash = "a".repeat(length);
        let expected = [12, 16, 20, 32, 40, 64].contains(&length).then_some(&*hash);
        assert_eq!(Release::parse(&hash).unwrap().build_hash(), expected);
        let packaged = format!("app@{hash}");
        assert_eq!(Release::parse(&packaged).unwrap().build_hash(), expected);
    }
    // Digits alone are hex digits too.
    let release = Release::parse("app@202401011200").unwrap();
    assert!(release.build_hash().is_some() && release.version().is_none());
}

#[test]
fn versions_have_one_to_four_numbers() {
    for (text, numbers, pre, build) in [
        ("1", [1, 0, 0, 0], None, None),
        ("1.2.3.4", [1, 2, 3, 4], None, None),
        ("1.0a", [1, 0, 0, 0], Some("a"), None),
        ("1.0-rc.1+b5", [1, 0, 0, 0], Some("rc.1"), Some("b5")),
        ("1.0+b-1", [1, 0, 0, 0], None, Some("b-1")),
    ] {
        let version = Version::parse(text).unwrap();
        let found = [version.major(), version.minor(), version.patch(), version.revision()];
        assert_eq!((found, version.pre(), version.build()), (numbers, pre, build), "{text}");
    }
    for text in
        ["", "v1", "1.2.3.4.5", "1.", ".1", "1..2", "a", "1 2", "1-", "1+", "99999999999999999999"]
    {
        assert!(Version::parse(text).is_none(), "{text}");
    }
}

#[test]
fn versions_order_as_semantic_versioning_says() {
    let ascending = [
        "0.9",
        "1.0.0-1",
        "1.0.0-2",
        "1.0.0-10",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-rc.1",
        "1.0.0",
        "1.0.0.1",
        "1.0.1",
        "1.1",
        "2",
    ];
    for pair in ascending.windows(2) {
        assert!(Version::parse(pair[0]) < Version::parse(pair[1]), "{pair:?}");
    }
    assert_eq!(Version::parse("1.0"), Version::parse("1.0.0.0+build"));
    assert_eq!(Version::parse("1-01"), Version::parse("1-1"));
}

proptest! {
    #[test]
    fn any_valid_release_falls_into_its_parts(text in "[a-c@.0-9+-]{1,24}") {
        if let Ok(release) = Release::parse(&text) {
            match release.package() {
                Some(package) => {
                    let version = &text[package.len() + 1..];
                    prop_assert_eq!(format!("{package}@{version}"), text.clone());
                    if release.build_hash().is_none() {
                        prop_assert_eq!(release.version(), Version::parse(version));
                    }
                }
                None => prop_assert!(release.version().is_none()),
            }
        }
    }

    #[test]
    fn versions_have_a_total_order(texts in proptest::collection::vec("[0-2](\\.[0-2]){0,3}(-[a0-2.]{1,4})?", 3)) {
        let versions: Vec<_> = texts.iter().filter_map(|text| Version::parse(text)).collect();
        if let [a, b, c] = versions[..] {
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }
    }
}
