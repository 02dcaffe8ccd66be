use std::fmt;
use std::str::FromStr;

use crate::ParseProjectKeyError;

/// The public key of a DSN as Sentry's servers know it: exactly 32 ASCII characters.
///
/// They are hexadecimal digits in practice, but nobody checks that; upper and lower case differ. The key is public:
/// every browser that loads an instrumented page sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectKey([u8; Self::LENGTH]);

impl ProjectKey {
    const LENGTH: usize = 32;

    /// The key as it travels.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a key is ASCII")
    }

    /// Parses a key that may be followed by flags, each after a dot.
    ///
    /// Auth headers, query strings and paths may carry flags, DSNs may not. Unknown flags are passed over.
    ///
    /// ```
    /// use relay_dsn::ProjectKey;
    ///
    /// let (key, flags) = ProjectKey::parse_with_flags("a94ae32be2582e0bcb7b0ba0d8ba36f3.no-cache")?;
    /// assert_eq!(key.as_str(), "a94ae32be2582e0bcb7b0ba0d8ba36f3");
    /// assert!(flags.no_cache);
    /// # Ok::<(), relay_dsn::ParseProjectKeyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If what is before the first dot is not a key.
    pub fn parse_with_flags(text: &str) -> Result<(Self, KeyFlags), ParseProjectKeyError> {
        let (key, flags) = text.split_once('.').unwrap_or((text, ""));
        let no_cache = flags.split('.').any(|flag| flag == "no-cache");
        Ok((key.parse()?, KeyFlags { no_cache }))
    }
}

impl FromStr for ProjectKey {
    type Err = ParseProjectKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.as_bytes().try_into() {
            Ok(bytes) if text.is_ascii() => Ok(Self(bytes)),
            _ => Err(ParseProjectKeyError),
        }
    }
}

impl fmt::Display for ProjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ProjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProjectKey").field(&self.as_str()).finish()
    }
}

/// What a client asks for along with its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct KeyFlags {
    /// The server shall look the project up again. Servers hand the wish on; it has no other effect today.
    pub no_cache: bool,
}
