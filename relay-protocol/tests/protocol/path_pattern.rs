use proptest::prelude::*;
use relay_protocol::PathPattern;

fn replace(pattern: &str, name: &str) -> Option<String> {
    PathPattern::new(pattern).replace(name, "*")
}

#[test]
fn single_stars_are_replaced_and_double_ones_are_not() {
    for (pattern, name, expected) in [
        ("/users/*/**", "/users/ann", Some("/users/*")),
        ("/users/*/**", "/users/ann/", Some("/users/*/")),
        ("/users/*/**", "/users/ann/x/y", Some("/users/*/x/y")),
        ("/users/*/posts/*/", "/users/é/posts/1", Some("/users/*/posts/*")),
        ("/**/id/*/**", "/a/b/id/c/d", Some("/a/b/id/*/d")),
        ("GET /a-*/**", "GET /a-1/2", Some("GET /a-*/2")),
        ("/users/**", "/users", Some("/users")),
        ("/users/*/**", "/Users/ann", None),
        ("/users/*/**", "/users//x", None),
        ("/users/*", "/users/ann", None),
        ("/users/*", "/users", None),
        ("***/a/", "é/a", Some("é/a")),
        ("***é", "éé", None),
        ("", "", None),
    ] {
        assert_eq!(replace(pattern, name).as_deref(), expected, "{pattern} {name}");
    }
}

#[test]
fn long_names_and_patterns_match_nothing() {
    assert!(replace("/*/**", &format!("/{}", "a".repeat(PathPattern::MAX_NAME - 1))).is_some());
    assert!(replace("/*/**", &format!("/{}", "a".repeat(PathPattern::MAX_NAME))).is_none());
    let long = "/a".repeat(PathPattern::MAX_PATTERN / 2 + 1);
    assert!(!PathPattern::new(&long).is_match(&long));
}

/// Tries everything, in exponential time.
fn naive(pattern: &str, text: &str) -> bool {
    if pattern.is_empty() {
        return text.is_empty();
    }
    let mut places = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    if let Some(rest) = pattern.strip_prefix("**") {
        return places.any(|at| naive(rest, &text[at..]));
    }
    if let Some(rest) = pattern.strip_prefix('*') {
        return places.skip(1).any(|at| !text[..at].contains('/') && naive(rest, &text[at..]));
    }
    let length = pattern.find('*').unwrap_or(pattern.len());
    text.strip_prefix(&pattern[..length]).is_some_and(|text| naive(&pattern[length..], text))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn a_match_is_what_trying_everything_finds(
        pattern in "(\\*\\*/?|\\*[a/é]|[aé/]){1,6}",
        name in "[aé/]{0,8}",
    ) {
        prop_assume!(!pattern.contains("***"));
        let slash = if name.ends_with('/') { "" } else { "/" };
        let expected = naive(&pattern, &format!("{name}{slash}"));
        prop_assert_eq!(PathPattern::new(&pattern).is_match(&name), expected, "{} {}", pattern, name);
    }

    #[test]
    fn replacing_by_nothing_shortens_and_keeps_the_slashes(pattern in "[/*aé]{0,12}", name in "[/aé]{0,12}") {
        if let Some(replaced) = PathPattern::new(&pattern).replace(&name, "") {
            prop_assert!(replaced.len() <= name.len());
            prop_assert_eq!(replaced.matches('/').count(), name.matches('/').count());
        }
    }
}
