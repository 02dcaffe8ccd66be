use std::fmt;

use relay_dsn::ProjectKey;

use crate::credentials::CURRENT_VERSION;

/// The value of `X-Sentry-Auth`, for SDKs and relays.
///
/// Displays as `Sentry sentry_key=…, sentry_version=7, sentry_client=…`; characters that would end the client's
/// name early, or break the header, are written as `_`.
///
/// ```
/// use relay_auth::AuthHeader;
///
/// let key = "a94ae32be2582e0bcb7b0ba0d8ba36f3".parse()?;
/// let header = AuthHeader::new(key).client(Some("acme.tool/1.2.3")).to_string();
/// assert_eq!(
///     header,
///     "Sentry sentry_key=a94ae32be2582e0bcb7b0ba0d8ba36f3, sentry_version=7, sentry_client=acme.tool/1.2.3",
/// );
/// # Ok::<(), relay_dsn::ParseProjectKeyError>(())
/// ```
///
/// Source: `spec/ingest.md` 9.2.
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
    /// Here the name of the client may hold anything.
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
        write!(f, "Sentry sentry_key={}, sentry_version={}", self.key, self.version)?;
        if let Some(client) = self.client {
            f.write_str(", sentry_client=")?;
            write_sanitized(f, client, |character| matches!(character, ',' | '='))?;
        }
        Ok(())
    }
}

/// The value of `User-Agent`, in the form that Sentry's servers take apart.
///
/// Displays as `name/version (runtime version; os version)`, or without the brackets where nothing is known of the
/// machine.
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
        let write = |f: &mut fmt::Formatter<'_>, text| {
            write_sanitized(f, text, |character| matches!(character, '(' | ')' | ';'))
        };
        write(f, self.name)?;
        f.write_str("/")?;
        write(f, self.version)?;
        let mut separator = " (";
        for (name, version) in [self.runtime, self.os].into_iter().flatten() {
            f.write_str(separator)?;
            write(f, name)?;
            f.write_str(" ")?;
            write(f, version)?;
            separator = "; ";
        }
        if separator == "; " { f.write_str(")") } else { Ok(()) }
    }
}

/// Writes `text` with what a header cannot carry, or what means something around it, replaced by `_`.
fn write_sanitized(
    f: &mut fmt::Formatter<'_>,
    text: &str,
    is_special: impl Fn(char) -> bool,
) -> fmt::Result {
    use fmt::Write;
    let allowed = |character: char| matches!(character, ' '..='~') && !is_special(character);
    text.chars()
        .try_for_each(|character| f.write_char(if allowed(character) { character } else { '_' }))
}
