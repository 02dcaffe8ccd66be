//! The text of numbers.

/// Where the number that begins at `at` ends, and whether it is one. If it is not, where a digit is missing.
pub(super) fn scan(bytes: &[u8], at: usize) -> (usize, bool) {
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let mut at = at + usize::from(bytes.get(at) == Some(&b'-'));
    match bytes.get(at) {
        Some(b'0') => at += 1,
        Some(b'1'..=b'9') => at = digits(at),
        _ => return (at, false),
    }
    if bytes.get(at) == Some(&b'.') {
        let end = digits(at + 1);
        if end == at + 1 {
            return (end, false);
        }
        at = end;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = bytes.get(at) {
            at += 1;
        }
        let end = digits(at);
        if end == at {
            return (end, false);
        }
        at = end;
    }
    (at, true)
}

/// Whether a text is a JSON number and nothing else.
pub(super) fn is_number(text: &str) -> bool {
    scan(text.as_bytes(), 0) == (text.len(), true)
}
