//! What does it cost to know who sent a request, and to say so? `sentry_types` is the published SDK crate.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, header};
use relay_auth::{AuthHeader, authenticate};
use sentry_types::Auth;

const HEADER: &str = "Sentry sentry_key=a94ae32be2582e0bcb7b0ba0d8ba36f3, sentry_version=7, sentry_client=sentry.python/2.75.0";
const QUERY: &str = "sentry_version=7&sentry_key=a94ae32be2582e0bcb7b0ba0d8ba36f3\
    &sentry_client=sentry.javascript.node%2F11.12.0";

/// As a server does it: the headers of the request are there, the credentials are kept.
fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("auth_read");
    let mut without_auth = HeaderMap::new();
    for (name, value) in [
        (header::HOST, "sentry.example"),
        (header::ACCEPT_ENCODING, "identity"),
        (header::CONTENT_LENGTH, "3025"),
        (header::CONTENT_TYPE, "application/x-sentry-envelope"),
        (header::CONTENT_ENCODING, "gzip"),
        (header::USER_AGENT, "sentry.python/2.75.0"),
    ] {
        without_auth.insert(name, HeaderValue::from_static(value));
    }
    let mut with_auth = without_auth.clone();
    with_auth.insert("x-sentry-auth", HeaderValue::from_static(HEADER));
    let basic = "Basic YTk0YWUzMmJlMjU4MmUwYmNiN2IwYmEwZDhiYTM2ZjM6";
    let mut with_basic = without_auth.clone();
    with_basic.insert(header::AUTHORIZATION, HeaderValue::from_static(basic));

    for (shape, headers, query, found) in [
        ("header", &with_auth, None, true),
        ("query", &without_auth, Some(QUERY), true),
        ("basic", &with_basic, None, true),
        ("none", &without_auth, None, false),
    ] {
        let sender = authenticate(headers, query, None).expect("a readable request");
        assert_eq!(sender.is_some(), found, "{shape}");
        group.bench_function(format!("relay_auth/{shape}"), |b| {
            b.iter(|| authenticate(black_box(headers), black_box(query), None));
        });
    }

    // It reads the pairs only: finding them and checking the key are left to its caller.
    assert!(HEADER.parse::<Auth>().is_ok());
    group.bench_function("sentry_types/header", |b| b.iter(|| black_box(HEADER).parse::<Auth>()));
    assert!(Auth::from_querystring(QUERY.as_bytes()).is_ok());
    group.bench_function("sentry_types/query", |b| {
        b.iter(|| Auth::from_querystring(black_box(QUERY).as_bytes()));
    });
    group.finish();
}

fn write(c: &mut Criterion) {
    let mut group = c.benchmark_group("auth_write");
    let key = "a94ae32be2582e0bcb7b0ba0d8ba36f3".parse().expect("a key");
    let auth = AuthHeader::new(key).client(Some("sentry.python/2.75.0"));
    assert_eq!(auth.to_string(), HEADER);
    group.bench_function("relay_auth/header", |b| b.iter(|| black_box(auth).to_string()));
    group.bench_function("relay_auth/header_value", |b| {
        b.iter(|| HeaderValue::from(black_box(auth)))
    });
    group.bench_function("relay_auth/query", |b| b.iter(|| black_box(auth).to_query()));

    let auth: Auth = HEADER.parse().expect("a readable header");
    group.bench_function("sentry_types/header", |b| b.iter(|| black_box(&auth).to_string()));
    group.finish();
}

criterion_group!(benches, read, write);
criterion_main!(benches);
