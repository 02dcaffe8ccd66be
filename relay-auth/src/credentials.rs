use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use relay_dsn::{KeyFlags, ProjectKey};

use crate::error::{AuthError, MalformedAuth};

/// The protocol version of clients that do not name one, and the highest there is.
pub(crate) const CURRENT_VERSION: u16 = 7;

static SENTRY_AUTH: HeaderName = HeaderName::from_static("x-sentry-auth");

/// Who sent a request, as far as the request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The public key of the sender's DSN.
    pub key: ProjectKey,
    /// The flags that followed the key.
    pub flags: KeyFlags,
    /// The protocol version, 0 to 7; 7 where none was named.
    pub version: u16,
    /// The SDK, as in `sentry.python/2.0`: any text. May be empty.
    pub client: Option<String>,
}

impl Credentials {
    /// Of somebody who says nothing but a key.
    pub fn new(key: ProjectKey) -> Self {
        Self { key, flags: KeyFlags::default(), version: CURRENT_VERSION, client: None }
    }
}

/// Finds out who sent a request from its headers, its query string and a key in its path.
///
/// The carriers are `X-Sentry-Auth`, `Authorization: Sentry …`, `Authorization: Basic …`, a query string with
/// anything that starts with `sentry_` in it, and the path. There must not be two of them. `None` if there is
/// none: an envelope may still name its sender, anything else is [`AuthError::Missing`].
///
/// ```
/// use http::HeaderMap;
/// use relay_auth::authenticate;
///
/// let query = "sentry_key=a94ae32be2582e0bcb7b0ba0d8ba36f3&sentry_client=sentry.javascript.browser%2F10.0.0";
/// let sender = authenticate(&HeaderMap::new(), Some(query), None)?.expect("there is a key in the query");
/// assert_eq!(sender.key.as_str(), "a94ae32be2582e0bcb7b0ba0d8ba36f3");
/// assert_eq!(sender.client.as_deref(), Some("sentry.javascript.browser/10.0.0"));
/// # Ok::<(), relay_auth::AuthError>(())
/// ```
///
/// # Errors
///
/// If there are two carriers, if the one there is cannot be read, or if it names a key or a version that cannot
/// be.
pub fn authenticate(
    headers: &HeaderMap,
    query: Option<&str>,
    path_key: Option<&str>,
) -> Result<Option<Credentials>, AuthError> {
    let header = headers.get(&SENTRY_AUTH).and_then(|value| value.to_str().ok());
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let carriers = [
        header.and_then(sentry_scheme).map(Carrier::Header),
        authorization.and_then(sentry_scheme).map(Carrier::Header),
        authorization.and_then(basic_user).map(Carrier::Key),
        query.filter(|query| query.contains("sentry_")).map(Carrier::Query),
        path_key.map(|key| Carrier::Key(Cow::Borrowed(key))),
    ];
    let mut found: Option<Claims<'_>> = None;
    for carrier in carriers.into_iter().flatten() {
        // A second carrier is not even read; but the first is, before anybody looks for a second.
        if found.is_some() {
            return Err(AuthError::Multiple);
        }
        found = Some(carrier.read().map_err(AuthError::Malformed)?);
    }
    found.map(Claims::check).transpose()
}

/// Where a request says who sent it.
enum Carrier<'a> {
    /// The pairs after `Sentry `.
    Header(&'a str),
    Query(&'a str),
    Key(Cow<'a, str>),
}

/// What a carrier says, before it is known to make sense.
struct Claims<'a> {
    key: Cow<'a, str>,
    version: u16,
    client: Option<Cow<'a, str>>,
}

impl<'a> Carrier<'a> {
    fn read(self) -> Result<Claims<'a>, MalformedAuth> {
        match self {
            Self::Header(pairs) => Claims::read(pairs.split(',').filter_map(header_pair)),
            Self::Query(query) => Claims::read(query.split('&').filter_map(query_pair)),
            Self::Key(key) => Ok(Claims { key, version: CURRENT_VERSION, client: None }),
        }
    }
}

impl<'a> Claims<'a> {
    /// Of several pairs with the same name the last counts, but no version may be unreadable; unknown names are
    /// passed over.
    fn read(
        pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    ) -> Result<Self, MalformedAuth> {
        let (mut key, mut version, mut client) = (None, CURRENT_VERSION, None);
        for (name, value) in pairs {
            match &*name {
                "sentry_key" => key = Some(value),
                "sentry_version" => version = read_version(&value).ok_or(MalformedAuth::Version)?,
                "sentry_client" => client = Some(value),
                _ => {}
            }
        }
        let key = key.filter(|key| !key.is_empty()).ok_or(MalformedAuth::MissingKey)?;
        Ok(Self { key, version, client })
    }

    fn check(self) -> Result<Credentials, AuthError> {
        let (key, flags) = ProjectKey::parse_with_flags(&self.key).map_err(AuthError::Key)?;
        if self.version > CURRENT_VERSION {
            return Err(AuthError::UnsupportedVersion(self.version));
        }
        let client = self.client.map(Cow::into_owned);
        Ok(Credentials { key, flags, version: self.version, client })
    }
}

/// Old clients write `2.0`, and the fraction says nothing.
fn read_version(text: &str) -> Option<u16> {
    text.split('.').next()?.parse().ok()
}

/// A pair without `=` is none; a value ends at a second `=`.
fn header_pair(pair: &str) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    let mut parts = pair.split('=').map(|part| Cow::Borrowed(part.trim_ascii()));
    Some((parts.next()?, parts.next()?))
}

/// A pair as forms encode it; most have nothing in them to decode, and that is quickly seen.
fn query_pair(pair: &str) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    if pair.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return url::form_urlencoded::parse(pair.as_bytes()).next();
    }
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    Some((Cow::Borrowed(name), Cow::Borrowed(value)))
}

/// The pairs of a header of the scheme `Sentry`; any other scheme is none of our business.
fn sentry_scheme(value: &str) -> Option<&str> {
    let (scheme, pairs) = value.split_at_checked("sentry ".len())?;
    scheme.eq_ignore_ascii_case("sentry ").then_some(pairs)
}

/// The user of Basic auth; a header that cannot be read counts as none.
fn basic_user(value: &str) -> Option<Cow<'_, str>> {
    let (scheme, encoded) = value.split_at_checked("basic ".len())?;
    if !scheme.eq_ignore_ascii_case("basic ") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(encoded).ok()?).ok()?;
    let (user, _password) = decoded.split_once(':')?;
    (!user.is_empty()).then(|| Cow::Owned(user.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::query_pair;

    proptest! {
        #[test]
        fn a_pair_of_a_query_is_read_as_the_url_crate_reads_it(
            pair in "[a-z=%+;? \u{e9}]{1,4}(%[0-9a-fA-F]{2})?=?[a-z0-9=%+]{0,4}",
        ) {
            prop_assert_eq!(query_pair(&pair), url::form_urlencoded::parse(pair.as_bytes()).next());
        }
    }
}
