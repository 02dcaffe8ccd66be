use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use self::matcher::Matcher;

mod matcher;
mod pattern;

/// A pattern for a whole text, whatever the case of its letters, as filters and conditions use it
/// (spec/processing.md 8.3).
///
/// | in a pattern | matches |
/// |---|---|
/// | `?` | one character |
/// | `*` | any run of characters, `/` and line breaks included |
/// | `[abc]`, `[a-z]`, `[!abc]` | one character of a set, or not of it |
/// | `{a,b}` | one of the alternatives, which are patterns without braces |
/// | `\x` | `x` itself |
///
/// Compiled once. A match takes time linear in the text: no more than one step per character of the text
/// and character of the pattern.
///
/// ```
/// use relay_protocol::Glob;
///
/// let glob = Glob::new("*timeout*")?;
/// assert!(glob.is_match("Read TIMEOUT!"));
/// assert!(!glob.is_match("time out"));
/// # Ok::<(), relay_protocol::GlobError>(())
/// ```
#[derive(Clone)]
pub struct Glob {
    pattern: Box<str>,
    matcher: Matcher,
}

impl Glob {
    /// The most characters a pattern may have.
    pub const MAX_CHARS: usize = 2048;

    /// Compiles a pattern. The empty pattern compiles and matches nothing, not even an empty text.
    ///
    /// # Errors
    ///
    /// A set or alternatives that are not closed, an empty set, a range that ends before it begins, braces
    /// in braces, a `\` at the end, or more than 2048 characters.
    pub fn new(pattern: &str) -> Result<Self, GlobError> {
        if pattern.len() > Self::MAX_CHARS && pattern.chars().count() > Self::MAX_CHARS {
            return Err(GlobError::TooLong);
        }
        let matcher = Matcher::new(pattern::parse(pattern)?);
        Ok(Self { pattern: pattern.into(), matcher })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// Whether the pattern matches the whole of `text`.
    pub fn is_match(&self, text: &str) -> bool {
        self.matcher.is_match(text)
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Glob").field(&self.pattern).finish()
    }
}

/// Two patterns are equal if they are spelled alike.
impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for Glob {}

/// Why a text is not a pattern. No message repeats the pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GlobError {
    /// More than [`Glob::MAX_CHARS`] characters.
    #[error("the pattern is too long")]
    TooLong,
    /// A `[` without its `]`.
    #[error("a set of characters is not closed")]
    OpenSet,
    /// `[]` or `[!]`.
    #[error("a set of characters is empty")]
    EmptySet,
    /// A range such as `[z-a]`.
    #[error("a range of characters ends before it begins")]
    Range,
    /// A `{` without its `}`.
    #[error("alternatives are not closed")]
    OpenAlternatives,
    /// A `{` between `{` and `}`.
    #[error("alternatives within alternatives")]
    NestedAlternatives,
    /// A `\` at the end.
    #[error("nothing follows the last backslash")]
    Escape,
}

/// A list of patterns, one of which must match. Invalid patterns in it are kept and match nothing.
///
/// In JSON a list of strings, written as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globs(Vec<Result<Glob, Box<str>>>);

impl Globs {
    /// Whether any of the patterns matches the whole of `text`.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.iter().flatten().any(|glob| glob.is_match(text))
    }

    /// Whether there is no pattern at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The patterns as they were written, invalid ones included.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|glob| match glob {
            Ok(glob) => glob.as_str(),
            Err(pattern) => pattern,
        })
    }
}

impl<P: AsRef<str>> FromIterator<P> for Globs {
    fn from_iter<I: IntoIterator<Item = P>>(patterns: I) -> Self {
        let compile = |pattern: P| Glob::new(pattern.as_ref()).map_err(|_| pattern.as_ref().into());
        Self(patterns.into_iter().map(compile).collect())
    }
}

impl Serialize for Globs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.patterns())
    }
}

impl<'de> Deserialize<'de> for Globs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<String>::deserialize(deserializer).map(Self::from_iter)
    }
}
