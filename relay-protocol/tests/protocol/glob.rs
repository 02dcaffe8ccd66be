use proptest::prelude::*;
use relay_protocol::{Glob, GlobError, Globs};

fn is_match(pattern: &str, text: &str) -> bool {
    Glob::new(pattern).expect("a pattern").is_match(text)
}

#[test]
fn patterns_match_whole_texts_in_any_case() {
    for (pattern, text, expected) in [
        ("*timeout*", "Read TIMEOUT!", true),
        ("*timeout*", "time out", false),
        ("TypeError: *", "TypeError: x", true),
        ("TypeError: *", "MyTypeError: x", false),
        ("1.[0-3].?", "1.2.9", true),
        ("1.[0-3].?", "1.4.0", false),
        ("1.[0-3].?", "1.2.10", false),
        ("{foo,bar}@*", "bar@2", true),
        ("{foo,bar}@*", "baz@2", false),
        ("a\\*b", "a*b", true),
        ("a\\*b", "axb", false),
        ("*/b", "a/b\n/b", true),
        ("[!abc]x", "Ax", false),
        ("[!abc]x", "dx", true),
        ("[a-]", "-", true),
        ("[\\]]", "]", true),
        ("É*", "école", true),
        ("[à-é]", "É", true),
        ("}a,b]", "}A,B]", true),
        ("{,a}b", "b", true),
        ("{a*,*b}c", "axxc", true),
        ("{a*,*b}c", "xxac", false),
        ("*", "", true),
        ("**", "x", true),
        ("?", "é", true),
        ("*k", "\u{212a}", false),
    ] {
        assert_eq!(is_match(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn the_empty_pattern_matches_nothing() {
    assert!(!is_match("", ""));
    assert!(!is_match("", "a"));
}

#[test]
fn what_is_not_a_pattern_says_why() {
    for (pattern, error) in [
        ("[a", GlobError::OpenSet),
        ("[a\\", GlobError::OpenSet),
        ("[a-\\", GlobError::OpenSet),
        ("[]a]", GlobError::EmptySet),
        ("[!]", GlobError::EmptySet),
        ("[z-a]", GlobError::Range),
        ("{a", GlobError::OpenAlternatives),
        ("{a,{b}}", GlobError::NestedAlternatives),
        ("a\\", GlobError::Escape),
        (&"a".repeat(Glob::MAX_CHARS + 1), GlobError::TooLong),
    ] {
        assert_eq!(Glob::new(pattern), Err(error), "{pattern}");
    }
    assert!(Glob::new(&"é".repeat(Glob::MAX_CHARS)).is_ok());
}

#[test]
fn a_list_keeps_invalid_patterns_and_skips_them() {
    let json = r#"["[","a*"]"#;
    let globs: Globs = serde_json::from_str(json).unwrap();
    assert!(globs.is_match("abc") && !globs.is_match("["));
    assert_eq!(serde_json::to_string(&globs).unwrap(), json);
}

/// Tries everything, in exponential time.
fn naive(pattern: &[char], text: &[char]) -> bool {
    let same = |a: char, b: char| a.eq_ignore_ascii_case(&b);
    let Some((&first, rest)) = pattern.split_first() else { return text.is_empty() };
    match first {
        '*' => (0..=text.len()).any(|at| naive(rest, &text[at..])),
        '?' => !text.is_empty() && naive(rest, &text[1..]),
        '\\' => !text.is_empty() && same(rest[0], text[0]) && naive(&rest[1..], &text[1..]),
        '[' => {
            let end = rest.iter().position(|&c| c == ']').expect("sets are closed");
            let (negated, set) = match rest[..end].split_first() {
                Some(('!', set)) => (true, set),
                _ => (false, &rest[..end]),
            };
            !text.is_empty()
                && set.iter().any(|&c| same(c, text[0])) != negated
                && naive(&rest[end + 1..], &text[1..])
        }
        '{' => {
            let end = rest.iter().position(|&c| c == '}').expect("alternatives are closed");
            rest[..end]
                .split(|&c| c == ',')
                .any(|alternative| naive(&[alternative, &rest[end + 1..]].concat(), text))
        }
        c => !text.is_empty() && same(c, text[0]) && naive(rest, &text[1..]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_match_is_what_trying_everything_finds(
        pattern in "([abB*?]|\\\\[a*]|\\[!?[ab]{1,2}\\]|\\{[ab*?]{0,3}(,[aB*?]{0,2}){0,2}\\}){1,6}",
        text in "[aAbc]{0,8}",
    ) {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        prop_assert_eq!(is_match(&pattern, &text), naive(&chars(&pattern), &chars(&text)));
    }

    #[test]
    fn every_text_escaped_matches_itself_in_any_case(text in ".{1,20}") {
        let escaped: String = text.chars().flat_map(|c| ['\\', c]).collect();
        prop_assert!(is_match(&escaped, &text));
        let (inner, longer) = (format!("*{escaped}*"), format!("é{text}a"));
        prop_assert!(is_match(&inner, &longer));
        let swapped = text.to_ascii_uppercase();
        prop_assert!(is_match(&escaped, &swapped));
    }

    #[test]
    fn any_pattern_and_any_text_are_fine(pattern in "[ab*?\\[\\]{},\\\\!é-]{0,20}", text in ".{0,40}") {
        if let Ok(glob) = Glob::new(&pattern) {
            glob.is_match(&text);
        }
    }
}
