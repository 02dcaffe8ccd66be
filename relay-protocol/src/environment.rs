use crate::name::{NameError, check};

/// A valid name of an environment, such as `production` (spec/schema.md 3.1).
///
/// ```
/// use relay_protocol::Environment;
///
/// assert_eq!(Environment::parse("staging")?.as_str(), "staging");
/// assert!(Environment::parse("None").is_err());
/// # Ok::<(), relay_protocol::NameError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Environment<'a>(&'a str);

impl<'a> Environment<'a> {
    /// The most characters an environment may have.
    pub const MAX_CHARS: usize = 64;

    /// Takes a name without surrounding white space.
    ///
    /// # Errors
    ///
    /// Empty, longer than 64 characters, `none` in any case, or with `/`, `\` or an ASCII control
    /// character in it.
    pub fn parse(text: &'a str) -> Result<Self, NameError> {
        check(text, Self::MAX_CHARS)?;
        if text.eq_ignore_ascii_case("none") {
            return Err(NameError::Reserved);
        }
        Ok(Self(text))
    }

    /// The name.
    pub const fn as_str(&self) -> &'a str {
        self.0
    }
}

/// A valid name of a distribution: one build of a release (spec/schema.md 3.1).
///
/// ```
/// use relay_protocol::{Dist, NameError};
///
/// assert_eq!(Dist::parse("x86_64")?.as_str(), "x86_64");
/// assert_eq!(Dist::parse("a b"), Err(NameError::Character(' ')));
/// # Ok::<(), NameError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dist<'a>(&'a str);

impl<'a> Dist<'a> {
    /// The most characters a distribution may have.
    pub const MAX_CHARS: usize = 64;

    /// Takes a name without surrounding white space.
    ///
    /// # Errors
    ///
    /// Empty, longer than 64 characters, or with anything but `a-z`, `A-Z`, `0-9`, `_`, `.` and `-` in it.
    pub fn parse(text: &'a str) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if let Some(character) = text.chars().find(|&c| !allowed(c)) {
            return Err(NameError::Character(character));
        }
        // Every allowed character is one byte.
        match text.len() {
            0 => Err(NameError::Empty),
            1..=Self::MAX_CHARS => Ok(Self(text)),
            _ => Err(NameError::TooLong),
        }
    }

    /// The name.
    pub const fn as_str(&self) -> &'a str {
        self.0
    }
}
