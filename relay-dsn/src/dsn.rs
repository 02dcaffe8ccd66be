use std::fmt;
use std::str::FromStr;

use crate::parse;
use crate::{ParseDsnError, ParseProjectKeyError, ProjectId, ProjectKey, Scheme};

/// Where a project's data goes, and the key to get it in:
/// `{scheme}://{public_key}[:{secret_key}]@{host}[:{port}][/{prefix}]/{project_id}`.
///
/// Parsed as browsers parse URLs: names are lower-cased, a default port vanishes, what a URL cannot hold gets
/// percent-encoded and stays so. Query, fragment and slashes after the project id are dropped.
///
/// `Display` writes the whole DSN, **secret included**, and parses back into the same value; `Debug` keeps the
/// secret to itself.
///
/// ```
/// use relay_dsn::Dsn;
///
/// let dsn: Dsn = "HTTP://key:secret@[2001:DB8::1]:80/42/?x".parse()?;
/// assert_eq!(dsn.to_string(), "http://key:secret@[2001:db8::1]/42");
/// assert!(!format!("{dsn:?}").contains("secret@"));
/// # Ok::<(), relay_dsn::ParseDsnError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dsn {
    pub(crate) scheme: Scheme,
    pub(crate) public_key: PublicKey,
    pub(crate) secret_key: Option<ProjectSecret>,
    pub(crate) host: Box<str>,
    /// Never the scheme's default.
    pub(crate) port: Option<u16>,
    /// Empty for `/`, so that the usual prefix takes no allocation.
    pub(crate) prefix: Box<str>,
    pub(crate) project_id: ProjectId,
}

impl Dsn {
    /// Puts a DSN together from parts of which the server is sure.
    ///
    /// `host` is one that a URL can name, in lower case and IPv6 in brackets; it and the project id are not checked.
    /// The key may come from anywhere: characters that would end it early are percent-encoded.
    pub fn new(
        scheme: Scheme,
        key: ProjectKey,
        host: &str,
        port: Option<u16>,
        project_id: ProjectId,
    ) -> Self {
        Self {
            scheme,
            public_key: parse::user_name(key),
            secret_key: None,
            host: host.into(),
            port: port.filter(|&port| port != scheme.default_port()),
            prefix: "".into(),
            project_id,
        }
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The user name, as the DSN spells it; never empty.
    pub fn public_key(&self) -> &str {
        match &self.public_key {
            PublicKey::Project(key) => key.as_str(),
            PublicKey::Other(text) => text,
        }
    }

    /// The public key as servers know it: the user name if it has 32 characters, else what it stands for with its
    /// percent-encoding undone. So a DSN of [`new`](Self::new) has the key it was made with.
    ///
    /// # Errors
    ///
    /// If neither is exactly 32 ASCII characters long.
    pub fn project_key(&self) -> Result<ProjectKey, ParseProjectKeyError> {
        match &self.public_key {
            PublicKey::Project(key) => Ok(*key),
            PublicKey::Other(text) => parse::key_of(text),
        }
    }

    /// The password, of which only old SDKs make use.
    pub fn secret_key(&self) -> Option<&ProjectSecret> {
        self.secret_key.as_ref()
    }

    /// A name or an address, in lower case; IPv6 in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, which is the scheme's if the DSN names none.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.scheme.default_port())
    }

    /// The path before the project id: `/`, or as in `/a/b/`.
    pub fn path_prefix(&self) -> &str {
        if self.prefix.is_empty() { "/" } else { &self.prefix }
    }

    /// The last segment of the path.
    pub fn project_id(&self) -> &ProjectId {
        &self.project_id
    }

    /// `{scheme}://{host}[:{port}]`, without a port where it is the scheme's.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority())
    }

    /// Checks what a server asks for and an SDK does not: a number as project id, a [`ProjectKey`] as user name.
    ///
    /// # Errors
    ///
    /// [`EmptyPath`](ParseDsnError::EmptyPath) or [`PublicKey`](ParseDsnError::PublicKey), in this order: to the
    /// protocol such a part is as good as none.
    pub fn validate_for_server(&self) -> Result<(), ParseDsnError> {
        if self.project_id.value().is_none() {
            return Err(ParseDsnError::EmptyPath);
        }
        self.project_key().map_err(|_| ParseDsnError::PublicKey)?;
        Ok(())
    }

    /// The DSN as relays write it into the envelopes they pass on: without the secret, but with its colon.
    ///
    /// ```
    /// use relay_dsn::Dsn;
    ///
    /// let dsn: Dsn = "https://a94ae32be2582e0bcb7b0ba0d8ba36f3:secret@sentry.example/42".parse()?;
    /// assert_eq!(
    ///     dsn.to_forwarded().to_string(),
    ///     "https://a94ae32be2582e0bcb7b0ba0d8ba36f3:@sentry.example/42",
    /// );
    /// # Ok::<(), relay_dsn::ParseDsnError>(())
    /// ```
    pub fn to_forwarded(&self) -> impl fmt::Display {
        fmt::from_fn(|f| self.write(f, Some("")))
    }

    pub(crate) fn authority(&self) -> impl fmt::Display {
        fmt::from_fn(|f| {
            f.write_str(&self.host)?;
            self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
        })
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, secret: Option<&str>) -> fmt::Result {
        for part in [self.scheme.as_str(), "://", self.public_key()] {
            f.write_str(part)?;
        }
        if let Some(secret) = secret {
            f.write_str(":")?;
            f.write_str(secret)?;
        }
        write!(f, "@{}{}{}", self.authority(), self.path_prefix(), self.project_id)
    }
}

impl FromStr for Dsn {
    type Err = ParseDsnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse::plain(text).map_or_else(|| parse::any(text), Ok)
    }
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, self.secret_key().map(ProjectSecret::as_str))
    }
}

/// A user name, told apart once so that a server need not do it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum PublicKey {
    Project(ProjectKey),
    /// Any other length.
    Other(Box<str>),
}

impl From<&str> for PublicKey {
    fn from(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Other(text.into()), Self::Project)
    }
}

/// The secret key of an old DSN. It has no `Display`, and `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ProjectSecret(pub(crate) Box<str>);

impl ProjectSecret {
    /// The secret itself, as the DSN spells it; never empty.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ProjectSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProjectSecret(..)")
    }
}
