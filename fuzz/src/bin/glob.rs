//! Any pattern compiles or says why not, and no match takes more than its time. The first line is the pattern.
#![no_main]

use relay_protocol::{Glob, PathPattern};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(input) = str::from_utf8(data) else { return };
    let (pattern, text) = input.split_once('\n').unwrap_or((input, ""));
    if let Ok(glob) = Glob::new(pattern) {
        assert_eq!(glob.as_str(), pattern);
        // Case does not matter where changing it goes both ways.
        if text.is_ascii() {
            assert_eq!(glob.is_match(text), glob.is_match(&text.to_ascii_uppercase()));
        }
        let more = Glob::new(&format!("*{pattern}*"));
        if glob.is_match(text) && !pattern.starts_with('*') {
            assert!(more.is_ok_and(|more| more.is_match(text)));
        }
    }
    let escaped: String = text.chars().flat_map(|c| ['\\', c]).collect();
    if let Ok(exact) = Glob::new(&escaped) {
        assert!(text.is_empty() || exact.is_match(text));
    }

    let path = PathPattern::new(pattern);
    assert_eq!(path.is_match(text), path.replace(text, "*").is_some());
    if let Some(shorter) = path.replace(text, "") {
        assert!(shorter.len() <= text.len());
    }
});
