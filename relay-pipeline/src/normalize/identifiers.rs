//! Identifiers in names that look like paths (spec/processing.md 3.7.1).

/// A path segment that holds an identifier, as a range of bytes.
#[derive(Debug, PartialEq)]
pub(super) struct Identifier {
    pub(super) kind: &'static str,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// How much of a name is looked at, in bytes: ten times what trimming leaves of it.
const MAX_NAME: usize = 2048;

/// Finds the segments between `/` or `\` that hold an identifier.
pub(super) fn find(name: &str) -> Vec<Identifier> {
    let mut found = Vec::new();
    let mut start = 0;
    for segment in name.split(['/', '\\']) {
        if start > MAX_NAME {
            break;
        }
        let end = start + segment.len();
        // Behind a slash, digits are looked for first; at the beginning of the name, last.
        let kind = if start > 0 && has_digits(segment) { Some("int") } else { kind(segment) };
        if let Some(kind) = kind {
            found.push(Identifier { kind, start, end });
        }
        start = end + 1;
    }
    found
}

/// The name with a `*` in place of each segment that was found.
pub(super) fn replace(name: &str, identifiers: &[Identifier]) -> String {
    let mut replaced = String::with_capacity(name.len());
    let mut copied = 0;
    for identifier in identifiers {
        replaced.push_str(&name[copied..identifier.start]);
        replaced.push('*');
        copied = identifier.end;
    }
    replaced.push_str(&name[copied..]);
    replaced
}

fn kind(segment: &str) -> Option<&'static str> {
    let bytes = segment.as_bytes();
    if bytes.len() < 2 {
        return None;
    }
    if has_shape(bytes, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") {
        return Some("uuid");
    }
    match longest_hex_run(bytes) {
        40.. => return Some("sha1"),
        32.. => return Some("md5"),
        _ => {}
    }
    if DATES.iter().any(|shape| has_shape(bytes, shape)) {
        return Some("date");
    }
    if has_shape(bytes, "0Xx") {
        return Some("hex");
    }
    has_digits(segment).then_some("int")
}

/// A time of day follows the date in each: ISO 8601, RFC 2822, and what C's `ctime` prints.
const DATES: [&str; 3] =
    ["dddd-dd-ddTdd:dd:dd", "aaa, dd aaa dddd dd:dd:dd", "aaa aaa dd dd:dd:dd dddd"];

/// Whether text of this shape occurs: `d` is a digit, `a` a letter, `x` a hex digit, `X` an x in any case.
fn has_shape(bytes: &[u8], shape: &str) -> bool {
    bytes.windows(shape.len()).any(|window| {
        window.iter().zip(shape.bytes()).all(|(&byte, shape)| match shape {
            b'd' => byte.is_ascii_digit(),
            b'a' => byte.is_ascii_alphabetic(),
            b'x' => byte.is_ascii_hexdigit(),
            b'X' => matches!(byte, b'x' | b'X'),
            literal => byte == literal,
        })
    })
}

fn longest_hex_run(bytes: &[u8]) -> usize {
    bytes.split(|byte| !byte.is_ascii_hexdigit()).map(<[u8]>::len).max().unwrap_or(0)
}

/// Two digits in a row that are no part of a percent escape.
fn has_digits(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    let (mut at, mut run) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        let escape = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%');
        if escape.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            (at, run) = (at + 3, 0);
            continue;
        }
        run = if byte.is_ascii_digit() { run + 1 } else { 0 };
        if run == 2 {
            return true;
        }
        at += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{find, replace};

    #[test]
    fn identifiers_become_stars() {
        for (name, replaced) in [
            ("/api/v1/c", "/api/v1/c"),
            ("/a/b1/c", "/a/b1/c"),
            ("/foo/ab12", "/foo/*"),
            ("GET /users/42/posts", "GET /users/*/posts"),
            ("/a/%20b/%2Fc1", "/a/%20b/%2Fc1"),
            ("/a/%2012", "/a/*"),
            ("\\a\\12\\b", "\\a\\*\\b"),
            ("/x/abcdefab-cdef-abcd-efab-cdefabcdefab/", "/x/*/"),
            ("/x/0x3f", "/x/*"),
            ("/x/abcdefabcdefabcdefabcdefabcdefab", "/x/*"),
            ("/é/12é", "/é/*"),
            ("12345", "*"),
        ] {
            assert_eq!(replace(name, &find(name)), replaced);
        }
    }

    #[test]
    fn the_kind_is_what_begins_first() {
        for (name, kind) in [
            ("/x/0x3f", "hex"),
            ("/x/0x3f12", "int"),
            ("0x3f12", "hex"),
            ("/67e55044-10b1-426f-9247-bb680e5fe0c8", "int"),
            ("67e55044-10b1-426f-9247-bb680e5fe0c8", "uuid"),
            ("/abcdefab-cdef-abcd-efab-cdefabcdefab", "uuid"),
            ("da39a3ee5e6b4b0d3255bfef95601890afd80709", "sha1"),
            ("d41d8cd98f00b204e9800998ecf8427e", "md5"),
            ("at 2024-01-02T03:04:05Z", "date"),
            ("Mon, 02 Jan 2023 03:04:05 +0000", "date"),
            ("Mon Jan 02 03:04:05 2023", "date"),
            ("x 12", "int"),
        ] {
            assert_eq!(find(name)[0].kind, kind, "{name}");
        }
    }
}
