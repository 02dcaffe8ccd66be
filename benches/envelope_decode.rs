//! How long does it take to split what an SDK sent into its items?
//!
//! `sentry-types` is the codec of the Rust SDK. It also parses the payloads and knows fewer of them: a
//! column for orientation, not a race.

use std::hint::black_box;

use bytes::Bytes;
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
        let implicit = without_lengths(&body);
        if Envelope::decode(implicit.clone(), &limits).is_ok() {
            group.bench_function(format!("{shape}/without lengths"), |b| {
                b.iter(|| {
                    Envelope::decode(black_box(implicit.clone()), &limits).expect("it did before")
                });
            });
        }
        if v7::Envelope::from_slice(&body).is_ok() {
            group.bench_function(format!("{shape}/sentry-types"), |b| {
                b.iter(|| v7::Envelope::from_slice(black_box(&body)).expect("it did before"));
            });
        }
    }
    group.finish();
}

/// The same the way JavaScript SDKs write it: payloads end at the line feed, which has to be found.
fn without_lengths(body: &Bytes) -> Bytes {
    let mut lines: Vec<_> = body.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    for header in lines.iter_mut().skip(1).step_by(2) {
        if let Some(at) = header.windows(10).rposition(|key| key == b",\"length\":") {
            header.splice(at.., *b"}");
        }
    }
    lines.join(&b'\n').into()
}

criterion_group!(benches, envelope_decode);
criterion_main!(benches);
