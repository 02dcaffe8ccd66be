use relay_dsn::{Dsn, ProjectId, Scheme};

use crate::{KEY, dsn};

#[test]
fn a_dsn_is_written_as_it_was_read() {
    for text in [
        "https://key@sentry.example/42",
        "https://key:secret@sentry.example/42",
        "http://key@[::1]:9000/a/b/my-project",
    ] {
        assert_eq!(dsn(text).to_string(), text);
    }
}

#[test]
fn a_default_port_is_not_written() {
    assert_eq!(dsn("http://key@host:80/42").to_string(), "http://key@host/42");
    assert_eq!(dsn("http://key@host:443/42").to_string(), "http://key@host:443/42");
}

#[test]
fn debug_keeps_the_secret() {
    let debug = format!("{:?}", dsn("https://key:hunter2@host/42"));
    assert!(debug.contains("ProjectSecret(..)"), "{debug}");
    assert!(!debug.contains("hunter2"), "{debug}");
}

#[test]
fn a_forwarded_dsn_has_a_colon_and_no_secret() {
    for text in ["https://key@host:8443/a/42", "https://key:secret@host:8443/a/42"] {
        let forwarded = dsn(text).to_forwarded().to_string();
        assert_eq!(forwarded, "https://key:@host:8443/a/42", "{text}");
    }
}

#[test]
fn the_origin_names_only_another_port_than_the_usual() {
    assert_eq!(dsn("https://key@host:443/a/42").origin(), "https://host");
    assert_eq!(dsn("https://key@[::1]:80/42").origin(), "https://[::1]:80");
}

#[test]
fn a_server_puts_a_dsn_together() {
    let key = KEY.parse().expect("a key");
    let new = |port| Dsn::new(Scheme::Http, key, "localhost", port, ProjectId::from(42));
    assert_eq!(new(Some(3000)), dsn(&format!("http://{KEY}@localhost:3000/42")));
    assert_eq!(new(Some(80)), new(None));
    assert_eq!(new(None).project_key(), Ok(key));
}

#[test]
fn a_key_cannot_lead_a_dsn_elsewhere() {
    let key = "key@elsewhere.example/1?#6789012".parse().expect("32 characters");
    let dsn = Dsn::new(Scheme::Https, key, "sentry.example", None, ProjectId::from(42));
    assert_eq!(
        dsn.to_forwarded().to_string(),
        "https://key%40elsewhere.example%2F1%3F%236789012:@sentry.example/42",
    );
    let read: Dsn = dsn.to_string().parse().expect("a DSN");
    assert_eq!((read.host(), read.project_key()), ("sentry.example", Ok(key)));
}
