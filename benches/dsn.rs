//! What does a DSN cost: to read, to check, and to name where envelopes go? `sentry_types` is the published SDK crate.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use relay_dsn::Dsn;
use sentry_types::Dsn as SentryDsn;

const SAAS: &str = "https://a94ae32be2582e0bcb7b0ba0d8ba36f3@o4504000000000000.ingest.us.sentry.io/4504000000000001";
const SHAPES: [(&str, &str); 4] = [
    ("saas", SAAS),
    ("port_and_prefix", "http://a94ae32be2582e0bcb7b0ba0d8ba36f3@127.0.0.1:9000/team/42"),
    (
        "with_secret",
        "https://a94ae32be2582e0bcb7b0ba0d8ba36f3:f3a63ab8d0ab0b7bcb0e2852eb23ea49@sentry.example/42",
    ),
    // Not in the form in which DSNs are handed out, so the slow path reads it.
    ("ipv6", "http://a94ae32be2582e0bcb7b0ba0d8ba36f3@[2001:db8::1]:9000/42"),
];

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("dsn_parse");
    for (shape, text) in SHAPES {
        let ours: Dsn = text.parse().expect("a DSN");
        let theirs: SentryDsn = text.parse().expect("a DSN");
        assert_eq!(ours.project_id().as_str(), theirs.project_id().to_string());
        group.bench_function(format!("relay_dsn/{shape}"), |b| {
            b.iter(|| black_box(text).parse::<Dsn>());
        });
        group.bench_function(format!("sentry_types/{shape}"), |b| {
            b.iter(|| black_box(text).parse::<SentryDsn>());
        });
    }
    group.finish();
}

fn write(c: &mut Criterion) {
    let mut group = c.benchmark_group("dsn_write");
    let ours: Dsn = SAAS.parse().expect("a DSN");
    let theirs: SentryDsn = SAAS.parse().expect("a DSN");
    assert_eq!(ours.to_forwarded().to_string(), theirs.to_string());
    group.bench_function("relay_dsn", |b| {
        b.iter(|| black_box(&ours).to_forwarded().to_string());
    });
    group.bench_function("sentry_types", |b| b.iter(|| black_box(&theirs).to_string()));
    group.finish();
}

fn envelope_url(c: &mut Criterion) {
    let mut group = c.benchmark_group("dsn_envelope_url");
    let ours: Dsn = SAAS.parse().expect("a DSN");
    let theirs: SentryDsn = SAAS.parse().expect("a DSN");
    assert_eq!(ours.envelope_url(), theirs.envelope_api_url().to_string());
    group.bench_function("relay_dsn", |b| b.iter(|| black_box(&ours).envelope_url()));
    group.bench_function("sentry_types", |b| {
        b.iter(|| String::from(black_box(&theirs).envelope_api_url()));
    });
    group.finish();
}

criterion_group!(benches, parse, write, envelope_url);
criterion_main!(benches);
