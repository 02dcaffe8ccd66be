use relay_dsn::{Dsn, ParseDsnError, Scheme};

use crate::{KEY, dsn};

#[test]
fn a_dsn_is_taken_apart() {
    let dsn = dsn("https://key:secret@sentry.example:8443/a/b/42");
    assert_eq!(dsn.scheme(), Scheme::Https);
    assert_eq!(dsn.public_key(), "key");
    assert_eq!(dsn.secret_key().map(|secret| secret.as_str()), Some("secret"));
    assert_eq!(dsn.host(), "sentry.example");
    assert_eq!(dsn.port(), 8443);
    assert_eq!(dsn.path_prefix(), "/a/b/");
    assert_eq!(dsn.project_id().as_str(), "42");
}

#[test]
fn without_a_port_it_is_the_one_of_the_scheme() {
    assert_eq!(dsn("http://key@host/42").port(), 80);
    assert_eq!(dsn("https://key@host/42").port(), 443);
    assert_eq!(dsn("https://key@host:/42").port(), 443);
}

#[test]
fn without_a_prefix_it_is_the_root() {
    assert_eq!(dsn("https://key@host/42").path_prefix(), "/");
}

#[test]
fn an_empty_secret_is_none() {
    assert_eq!(dsn("https://key:@host/42"), dsn("https://key@host/42"));
    assert_eq!(dsn("https://key:@host/42").secret_key(), None);
}

#[test]
fn slashes_after_the_project_id_a_query_and_a_fragment_are_dropped() {
    for text in ["https://key@host/42/", "https://key@host/42///", "https://key@host/42?a=/7#/8"] {
        assert_eq!(dsn(text), dsn("https://key@host/42"), "{text}");
    }
}

#[test]
fn slashes_within_the_prefix_are_kept() {
    assert_eq!(dsn("https://key@host//a///42/").path_prefix(), "//a///");
}

#[test]
fn hosts_are_read_as_browsers_read_them() {
    for (text, host) in [
        ("http://key@SENTRY.Example/1", "sentry.example"),
        ("http://key@b\u{fc}cher.example/1", "xn--bcher-kva.example"),
        ("http://key@xn--bcher-kva.example/1", "xn--bcher-kva.example"),
        ("http://key@sentry.example./1", "sentry.example."),
        ("http://key@my_relay:3000/1", "my_relay"),
        ("http://key@127.0.0.1/1", "127.0.0.1"),
        ("http://key@127.1/1", "127.0.0.1"),
        ("http://key@0x7f000001/1", "127.0.0.1"),
        ("http://key@1e100.example/1", "1e100.example"),
        ("http://key@[2001:DB8::0:1]/1", "[2001:db8::1]"),
    ] {
        assert_eq!(dsn(text).host(), host, "{text}");
    }
}

#[test]
fn what_a_url_cannot_hold_is_percent_encoded_and_stays_so() {
    let dsn = dsn(" https://k y:s\"t@host/a b/\u{e9}\n");
    assert_eq!(dsn.public_key(), "k%20y");
    assert_eq!(dsn.secret_key().map(|secret| secret.as_str()), Some("s%22t"));
    assert_eq!(dsn.path_prefix(), "/a%20b/");
    assert_eq!(dsn.project_id().as_str(), "%C3%A9");
    assert_eq!(dsn.to_string(), "https://k%20y:s%22t@host/a%20b/%C3%A9");
    assert_eq!(crate::dsn(&dsn.to_string()), dsn);
}

#[test]
fn dots_in_the_path_are_walked() {
    assert_eq!(dsn("https://key@host/a/./b/../42"), dsn("https://key@host/a/42"));
}

#[test]
fn an_error_says_which_part_is_wrong_and_the_first_one_counts() {
    for (text, error) in [
        ("", ParseDsnError::Url),
        ("//key@host/42", ParseDsnError::Url),
        ("https://", ParseDsnError::Url),
        ("https://key@/42", ParseDsnError::Url),
        ("https://key@ho st/42", ParseDsnError::Url),
        ("https://key@host:65536/42", ParseDsnError::Url),
        ("https://key@host:-1/42", ParseDsnError::Url),
        ("https://key@[::1/42", ParseDsnError::Url),
        ("https://key@1.2.3.256/42", ParseDsnError::Url),
        ("https://key@xn--a/42", ParseDsnError::Url),
        ("https://key@host", ParseDsnError::EmptyPath),
        ("ftp://host/", ParseDsnError::EmptyPath),
        ("https://key@host/a/..", ParseDsnError::EmptyPath),
        ("https://key@host//", ParseDsnError::ProjectId),
        ("https://host/42", ParseDsnError::PublicKey),
        ("https://@host/42", ParseDsnError::PublicKey),
        ("https://:secret@host/42", ParseDsnError::PublicKey),
        ("mailto:somebody@host", ParseDsnError::PublicKey),
        ("ftp://key@host/42", ParseDsnError::Scheme),
    ] {
        assert_eq!(text.parse::<Dsn>(), Err(error), "{text}");
    }
}

#[test]
fn errors_have_the_texts_of_the_protocol() {
    for (error, text) in [
        (ParseDsnError::Url, "no valid url provided"),
        (ParseDsnError::EmptyPath, "empty path"),
        (ParseDsnError::ProjectId, "invalid project id"),
        (ParseDsnError::PublicKey, "username is empty"),
        (ParseDsnError::Scheme, "no valid scheme"),
    ] {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_server_asks_for_a_number_and_then_for_a_key() {
    let validate = |text: String| dsn(&text).validate_for_server();
    assert_eq!(validate(format!("https://{KEY}@host/042")), Ok(()));
    assert_eq!(validate(format!("https://{KEY}@host/x")), Err(ParseDsnError::EmptyPath));
    assert_eq!(validate("https://key@host/x".to_owned()), Err(ParseDsnError::EmptyPath));
    assert_eq!(validate("https://key@host/42".to_owned()), Err(ParseDsnError::PublicKey));
}
