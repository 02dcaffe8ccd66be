//! What holds for any input.

use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use relay_auth::{AuthHeader, Credentials, authenticate};
use relay_dsn::{KeyFlags, ProjectKey};

use crate::{by_header, by_query, headers};

/// Keys that a header can carry: no flags, nothing that separates.
fn header_keys() -> impl Strategy<Value = ProjectKey> {
    "[!-+\\-/-<>-~&&[^.]]{32}".prop_map(|text| text.parse().expect("32 characters"))
}

/// Keys that a query can carry: anything but flags.
fn query_keys() -> impl Strategy<Value = ProjectKey> {
    "[\\x00-\\x7F&&[^.]]{32}".prop_map(|text| text.parse().expect("32 characters"))
}

/// Clients that a header can carry.
fn header_clients() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("([!-+\\--<>-~]([ -+\\--<>-~]{0,40}[!-+\\--<>-~])?)?")
}

fn sender(key: ProjectKey, version: u16, client: Option<String>) -> Credentials {
    Credentials { key, flags: KeyFlags::default(), version, client }
}

proptest! {
    #[test]
    fn a_header_says_what_was_put_into_it(
        key in header_keys(),
        version in 0..=7_u16,
        client in header_clients(),
    ) {
        let header = AuthHeader::new(key).version(version).client(client.as_deref());
        prop_assert_eq!(by_header(&header.to_string()), Ok(Some(sender(key, version, client))));
    }

    #[test]
    fn a_query_says_what_was_put_into_it(
        key in query_keys(),
        version in 0..=7_u16,
        client in proptest::option::of(".*"),
    ) {
        let header = AuthHeader::new(key).version(version).client(client.as_deref());
        prop_assert_eq!(by_query(&header.to_query()), Ok(Some(sender(key, version, client))));
    }

    #[test]
    fn what_a_header_could_not_hold_is_replaced_once_and_for_all(
        key in query_keys(),
        version in 0..=7_u16,
        client in proptest::option::of("(?s).*"),
    ) {
        let header = AuthHeader::new(key).version(version).client(client.as_deref());
        let value = HeaderValue::from(header);
        let lines = HeaderMap::from_iter([("x-sentry-auth".parse().expect("a name"), value.clone())]);
        // A key with white space at its ends arrives without it, and is none.
        if let Ok(read) = authenticate(&lines, None, None) {
            let read = read.expect("the header says who sent it");
            let again = AuthHeader::new(read.key).version(read.version).client(read.client.as_deref());
            prop_assert_eq!(HeaderValue::from(again), value);
        }
    }

    #[test]
    fn any_request_is_read_or_refused(
        header in proptest::option::of("(?i:sentry )?([ -~]|sentry_(key|version|client)=[0-9a-f]{0,40},){0,10}"),
        basic in proptest::option::of("basic [A-Za-z0-9+/=]{0,40}"),
        query in proptest::option::of("(sentry_(key|version)=)?.*"),
        path_key in proptest::option::of(".{0,40}"),
    ) {
        let mut lines = Vec::new();
        lines.extend(header.as_deref().map(|value| ("x-sentry-auth", value)));
        lines.extend(basic.as_deref().map(|value| ("authorization", value)));
        let lines = headers(&lines);
        if let Ok(Some(sender)) = authenticate(&lines, query.as_deref(), path_key.as_deref()) {
            prop_assert!(sender.version <= 7);
        }
    }
}
