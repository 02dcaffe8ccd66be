use std::fmt::{self, Write};

use http::HeaderValue;
use relay_dsn::ProjectKey;

use crate::credentials::CURRENT_VERSION;

/// The value of `X-Sentry-Auth`, for SDKs and relays.
///
/// Displays as `Sentry sentry_key=…, sentry_version=7, sentry_client=…`. A character that would end a value early, or
/// that no header may hold, is written as `_`: whatever it is made of, it is one header with these pairs.
///
/// ```
/// use http::Request;
/// use relay_auth::AuthHeader;
///
/// let key = "a94ae32be2582e0bcb7b0ba0d8ba36f3".parse()?;
/// let auth = AuthHeader::new(key).client(Some("acme.tool/1.2.3"));
/// assert_eq!(
///     auth.to_string(),
///     "Sentry sentry_key=a94ae32be2582e0bcb7b0ba0d8ba36f3, sentry_version=7, sentry_client=acme.tool/1.2.3",
/// );
/// let request = Request::post("https://sentry.example/api/42/envelope/").header("x-sentry-auth", auth);
/// # assert!(request.body(()).is_ok());
/// # Ok::<(), relay_dsn::ParseProjectKeyError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthHeader<'a> {
    key: ProjectKey,
    version: u16,
    client: Option<&'a str>,
}

impl<'a> AuthHeader<'a> {
    /// Names a key, the current protocol version, and no client.
    pub fn new(key: ProjectKey) -> Self {
        Self { key, version: CURRENT_VERSION, client: None }
    }

    /// Names another protocol version.
    pub fn version(self, version: u16) -> Self {
        Self { version, ..self }
    }

    /// Names the SDK, as `name/version`.
    pub fn client(self, client: Option<&'a str>) -> Self {
        Self { client, ..self }
    }

    /// The same as a query string, for where headers cannot be set: `sentry_key=…&sentry_version=7`.
    ///
    /// Here key and client may hold anything.
    pub fn to_query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("sentry_key", self.key.as_str());
        query.append_pair("sentry_version", &self.version.to_string());
        if let Some(client) = self.client {
            query.append_pair("sentry_client", client);
        }
        query.finish()
    }
}

impl fmt::Display for AuthHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separators = |byte| matches!(byte, b',' | b'=');
        f.write_str("Sentry sentry_key=")?;
        write_without(f, separators, self.key.as_str())?;
        write!(f, ", sentry_version={}", self.version)?;
        if let Some(client) = self.client {
            f.write_str(", sentry_client=")?;
            // Servers trim what they read.
            write_without(f, separators, client.trim())?;
        }
        Ok(())
    }
}

impl From<AuthHeader<'_>> for HeaderValue {
    fn from(header: AuthHeader<'_>) -> Self {
        // Room for all but the longest clients: growing would cost more than writing.
        let mut text = String::with_capacity(128);
        write!(text, "{header}").expect("a String takes all");
        Self::try_from(text).expect("nothing else is written than a header may hold")
    }
}

/// The value of `User-Agent`: a product and a comment on what it runs on.
///
/// Displays as `name/version (runtime version; os version)`, without the comment where nothing is known of the
/// machine. What a product or a comment cannot hold is written as `_`.
///
/// Source: RFC 9110, 10.1.5 and 5.6.
///
/// ```
/// use relay_auth::UserAgent;
///
/// let agent = UserAgent {
///     name: "acme.tool",
///     version: "1.2.3",
///     runtime: Some(("rust", "1.95.0")),
///     os: Some(("linux", "6.12")),
/// };
/// assert_eq!(agent.to_string(), "acme.tool/1.2.3 (rust 1.95.0; linux 6.12)");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserAgent<'a> {
    /// The SDK or tool.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Name and version of what it runs on.
    pub runtime: Option<(&'a str, &'a str)>,
    /// Name and version of the operating system.
    pub os: Option<(&'a str, &'a str)>,
}

impl fmt::Display for UserAgent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let product =
            |byte: u8| !byte.is_ascii_alphanumeric() && !b"!#$%&'*+-.^_`|~".contains(&byte);
        let comment = |byte| matches!(byte, b'(' | b')' | b'\\' | b';');
        write_without(f, product, self.name)?;
        f.write_str("/")?;
        write_without(f, product, self.version)?;
        let mut before = " (";
        for (name, version) in [self.runtime, self.os].into_iter().flatten() {
            f.write_str(before)?;
            write_without(f, comment, name)?;
            f.write_str(" ")?;
            write_without(f, comment, version)?;
            before = "; ";
        }
        f.write_str(if before == "; " { ")" } else { "" })
    }
}

/// Writes `text` with `_` for what is special where it stands, and for what no header may hold.
fn write_without(
    f: &mut fmt::Formatter<'_>,
    is_special: impl Fn(u8) -> bool,
    text: &str,
) -> fmt::Result {
    let is_good = |byte| matches!(byte, b' '..=b'~') && !is_special(byte);
    // Looking at every byte is quicker than stopping at a bad one: there is hardly ever one.
    if text.bytes().fold(true, |good, byte| good & is_good(byte)) {
        return f.write_str(text);
    }
    text.chars().try_for_each(|character| match u8::try_from(character) {
        Ok(byte) if is_good(byte) => f.write_char(character),
        _ => f.write_char('_'),
    })
}
