//! From text to a DSN: the plain ones by hand, all others with the `url` crate.
//!
//! A DSN is plain if the `url` crate would change nothing in it but drop the default port. What is not plain, or not
//! a DSN at all, is none of the fast path's business.

use std::net::Ipv4Addr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use crate::dsn::{Dsn, ProjectSecret, PublicKey};
use crate::{ParseDsnError, ParseProjectKeyError, ProjectId, ProjectKey, Scheme};

/// All that [`is_unreserved`] does not name.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Reads a plain DSN; nearly all are.
pub(crate) fn plain(text: &str) -> Option<Dsn> {
    let (scheme, rest) = match text.strip_prefix("https://") {
        Some(rest) => (Scheme::Https, rest),
        None => (Scheme::Http, text.strip_prefix("http://")?),
    };
    let (user_info, rest) = rest.split_once('@')?;
    let (public_key, secret) = user_info.split_once(':').unwrap_or((user_info, ""));
    let (authority, path) = rest.split_at_checked(rest.find('/')?)?;
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(plain_port(port)?)),
        None => (authority, None),
    };
    let is_plain = !public_key.is_empty()
        && public_key.bytes().chain(secret.bytes()).all(is_unreserved)
        && is_plain_host(host)
        && is_plain_path(path);
    let (prefix, project_id) = split_path(path).filter(|_| is_plain)?;
    Some(Dsn {
        scheme,
        public_key: public_key.into(),
        secret_key: (!secret.is_empty()).then(|| ProjectSecret(secret.into())),
        host: host.into(),
        port: port.filter(|&port| port != scheme.default_port()),
        prefix: prefix.into(),
        project_id,
    })
}

/// Reads any DSN, and says what is wrong with it in the order of the protocol.
pub(crate) fn any(text: &str) -> Result<Dsn, ParseDsnError> {
    let url = Url::parse(text).map_err(|_| ParseDsnError::Url)?;
    if matches!(url.path(), "" | "/") {
        return Err(ParseDsnError::EmptyPath);
    }
    let (prefix, project_id) = split_path(url.path()).ok_or(ParseDsnError::ProjectId)?;
    if url.username().is_empty() {
        return Err(ParseDsnError::PublicKey);
    }
    let scheme = match url.scheme() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err(ParseDsnError::Scheme),
    };
    Ok(Dsn {
        scheme,
        public_key: url.username().into(),
        secret_key: url.password().map(|secret| ProjectSecret(secret.into())),
        host: url.host_str().ok_or(ParseDsnError::Url)?.into(),
        port: url.port(),
        prefix: prefix.into(),
        project_id,
    })
}

/// Spells a key so that the user name of a URL can hold it; [`key_of`] takes it back.
pub(crate) fn user_name(key: ProjectKey) -> PublicKey {
    if key.as_str().bytes().all(is_unreserved) {
        return PublicKey::Project(key);
    }
    PublicKey::Other(utf8_percent_encode(key.as_str(), RESERVED).to_string().into())
}

/// The key that a user name of another length spells.
pub(crate) fn key_of(user_name: &str) -> Result<ProjectKey, ParseProjectKeyError> {
    let decoded = percent_decode_str(user_name).decode_utf8();
    decoded.map_err(|_| ParseProjectKeyError)?.parse()
}

/// The prefix, empty for `/`, and the project id; `None` if there is nothing but slashes.
fn split_path(path: &str) -> Option<(&str, ProjectId)> {
    let path = path.trim_end_matches('/');
    let (prefix, id) = path.split_at_checked(path.rfind('/').map_or(0, |slash| slash + 1))?;
    (!id.is_empty()).then(|| (if prefix == "/" { "" } else { prefix }, id.into()))
}

/// Whether a character stands for itself in any part of a URL.
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn is_plain_host(host: &str) -> bool {
    let last_label = host.rsplit('.').next().unwrap_or_default();
    let is_plain_end = match last_label.bytes().next() {
        // Numbers at the end make it an IPv4 address, however odd; the standard library reads none but normal ones.
        Some(b'0'..=b'9') => host.parse::<Ipv4Addr>().is_ok(),
        Some(_) => true,
        None => false,
    };
    is_plain_end
        && host.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_'))
        && !host.contains("xn--")
}

fn plain_port(port: &str) -> Option<u16> {
    // A sign is a number to the standard library but not to a URL.
    port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok()).flatten()
}

fn is_plain_path(path: &str) -> bool {
    path.split('/')
        .all(|segment| !matches!(segment, "." | "..") && segment.bytes().all(is_unreserved))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{any, plain};

    #[test]
    fn dsns_as_sentry_hands_them_out_are_plain() {
        for text in [
            "https://a94ae32be2582e0bcb7b0ba0d8ba36f3@o4504000000000000.ingest.us.sentry.io/4504000000000001",
            "https://a94ae32be2582e0bcb7b0ba0d8ba36f3@sentry.example/42",
            "https://a94ae32be2582e0bcb7b0ba0d8ba36f3:f3a63ab8d0ab0b7bcb0e2852eb23ea49@sentry.example/team/42",
            "http://a94ae32be2582e0bcb7b0ba0d8ba36f3@127.0.0.1:3000/1",
            "http://a94ae32be2582e0bcb7b0ba0d8ba36f3:@localhost:9000/1/",
        ] {
            assert!(plain(text).is_some(), "{text}");
        }
    }

    /// Texts that are nearly plain, made of what might tell the two ways of reading apart.
    fn nearly_plain() -> impl Strategy<Value = String> {
        let host = "[a-z0-9._-]{0,4}(\\.|xn--|0x|[0-9]{1,3}\\.)?[a-z0-9._-]{0,4}";
        let port = "(:[0-9+]{0,6})?";
        let path = "(/[a-z0-9.~_-]{0,3}){0,4}";
        (
            prop::sample::select(vec!["http", "https", "ftp"]),
            "[a-zA-Z0-9:@%!~_.-]{0,8}",
            host,
            port,
            path,
        )
            .prop_map(|(scheme, user, host, port, path)| {
                format!("{scheme}://{user}@{host}{port}{path}")
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn what_is_plain_is_read_as_the_url_crate_reads_it(text in nearly_plain()) {
            if let Some(dsn) = plain(&text) {
                prop_assert_eq!(any(&text), Ok(dsn));
            }
        }
    }
}
