use std::cmp::Ordering;

use crate::name::{NameError, check};

/// A valid release: `package@version`, `version`, or any other text (spec/schema.md 3.1).
///
/// ```
/// use relay_protocol::Release;
///
/// let release = Release::parse("my-app@1.2.3-rc.1+build")?;
/// assert_eq!(release.package(), Some("my-app"));
/// let version = release.version().expect("1.2.3-rc.1 is a version");
/// assert_eq!(version.short(), "1.2.3");
/// assert!(version < relay_protocol::Version::parse("1.2.3").expect("is a version"));
///
/// assert!(Release::parse("latest").is_err());
/// # Ok::<(), relay_protocol::NameError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Release<'a> {
    text: &'a str,
    /// Length of the package in bytes, if there is one; an `@` follows.
    package: Option<usize>,
}

impl<'a> Release<'a> {
    /// The most characters a release may have.
    pub const MAX_CHARS: usize = 200;

    /// Reads a release. The text must have no surrounding white space to be read as it is meant.
    ///
    /// # Errors
    ///
    /// Empty, longer than 200 characters, `.`, `..`, `latest` in any case, or with `/`, `\` or an ASCII
    /// control character in it.
    pub fn parse(text: &'a str) -> Result<Self, NameError> {
        check(text, Self::MAX_CHARS)?;
        if text == "." || text == ".." || text.eq_ignore_ascii_case("latest") {
            return Err(NameError::Reserved);
        }
        // A package may begin with an `@`, as scoped npm packages do.
        let at = text.char_indices().skip(1).find(|&(_, c)| c == '@').map(|(at, _)| at);
        Ok(Self { text, package: at.filter(|at| at + 1 < text.len()) })
    }

    /// The whole text.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// What stands before the `@`.
    pub fn package(&self) -> Option<&'a str> {
        self.package.map(|length| &self.text[..length])
    }

    /// The version behind the `@`, if it is one. A release without a package has none.
    pub fn version(&self) -> Option<Version<'a>> {
        match self.package {
            Some(length) if self.build_hash().is_none() => Version::parse(&self.text[length + 1..]),
            _ => None,
        }
    }

    /// What stands behind the `@`, or all without one, if it is the hash of a commit or build: 12, 16,
    /// 20, 32, 40 or 64 hex digits.
    pub fn build_hash(&self) -> Option<&'a str> {
        let text = &self.text[self.package.map_or(0, |length| length + 1)..];
        let is_hash = matches!(text.len(), 12 | 16 | 20 | 32 | 40 | 64)
            && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash.then_some(text)
    }
}

/// A version of one to four numbers, perhaps a pre-release and a build: `1.2.3.4-rc.1+5`.
///
/// Ordered as semantic versioning orders, the fourth number included and missing numbers being zero;
/// builds do not count, so that versions that differ only in their build are equal.
#[derive(Clone, Copy, Debug)]
pub struct Version<'a> {
    numbers: [u64; 4],
    short: &'a str,
    pre: &'a str,
    build: &'a str,
}

impl<'a> Version<'a> {
    /// Reads a version. A letter may follow the numbers directly: `1.0a` is the pre-release `a` of 1.0.
    ///
    /// `None` for anything else: a leading `v`, a fifth number, or a number beyond 64 bits.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (rest, build) = text.split_once('+').unwrap_or((text, ""));
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (short, pre) = rest.split_at(end);
        let pre = match pre.strip_prefix('-') {
            Some("") => return None,
            Some(pre) => pre,
            None if pre.is_empty() || pre.starts_with(|c: char| c.is_ascii_alphabetic()) => pre,
            None => return None,
        };
        if !is_identifiers(pre) || !is_identifiers(build) || text.ends_with('+') {
            return None;
        }
        let mut numbers = [0; 4];
        for (index, number) in short.split('.').enumerate() {
            *numbers.get_mut(index)? = number.parse().ok()?;
        }
        Some(Self { numbers, short, pre, build })
    }

    /// The first number.
    pub const fn major(&self) -> u64 {
        self.numbers[0]
    }

    /// The second number, 0 if there is none.
    pub const fn minor(&self) -> u64 {
        self.numbers[1]
    }

    /// The third number, 0 if there is none.
    pub const fn patch(&self) -> u64 {
        self.numbers[2]
    }

    /// The fourth number, 0 if there is none.
    pub const fn revision(&self) -> u64 {
        self.numbers[3]
    }

    /// The numbers as they were written.
    pub const fn short(&self) -> &'a str {
        self.short
    }

    /// What marks a version that comes before the one with the same numbers.
    pub fn pre(&self) -> Option<&'a str> {
        Some(self.pre).filter(|pre| !pre.is_empty())
    }

    /// What stands behind the `+`.
    pub fn build(&self) -> Option<&'a str> {
        Some(self.build).filter(|build| !build.is_empty())
    }
}

fn is_identifiers(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

impl PartialEq for Version<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version<'_> {}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre(), other.pre()) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(pre), Some(other)) => {
                pre.split('.').map(Identifier::new).cmp(other.split('.').map(Identifier::new))
            }
        })
    }
}

/// One part of a pre-release. Numbers compare as numbers and come before words.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Identifier<'a> {
    /// Digits without leading zeros: the longer is the larger.
    Number(usize, &'a str),
    Word(&'a str),
}

impl<'a> Identifier<'a> {
    fn new(text: &'a str) -> Self {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::Word(text);
        }
        let digits = text.trim_start_matches('0');
        Self::Number(digits.len(), digits)
    }
}
