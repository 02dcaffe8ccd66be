//! How long does it take to split what an SDK sent into its items?
//!
//! `sentry-types` is the codec that the Rust SDK uses: it also parses the payloads it knows, and copies
//! the others. Its raw mode, which only keeps the bytes, has nothing to compare.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use relay_benches::corpus;
use relay_envelope::{Envelope, Limits};
use sentry_types::protocol::v7;

fn envelope_decode(c: &mut Criterion) {
    let limits = Limits::default();
    let mut group = c.benchmark_group("envelope_decode");
    for (shape, make) in corpus::ENVELOPES {
        let body = make(0);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("{shape}/relay-envelope"), |b| {
            b.iter(|| {
                Envelope::decode(black_box(body.clone()), &limits).expect("the corpus decodes")
            });
        });
        if v7::Envelope::from_slice(&body).is_ok() {
            group.bench_function(format!("{shape}/sentry-types"), |b| {
                b.iter(|| v7::Envelope::from_slice(black_box(&body)).expect("it did before"));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, envelope_decode);
criterion_main!(benches);
