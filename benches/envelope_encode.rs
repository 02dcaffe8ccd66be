//! How long does it take to write an envelope that was received, header filled in, items untouched?
//!
//! `bytes` puts it in one piece, `parts` leaves the payloads where they are, for a compressor to read.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use relay_benches::corpus;
use relay_envelope::{Envelope, Limits};
use sentry_types::protocol::v7;

fn envelope_encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("envelope_encode");
    for (shape, make) in corpus::ENVELOPES {
        let body = make(0);
        let mut envelope =
            Envelope::decode(body.clone(), &Limits::default()).expect("the corpus decodes");
        let header = envelope.header_mut();
        header.client = Some("sentry.python/2.75.0".to_owned());
        header.version = Some(7);
        header.forwarded_for = Some("203.0.113.7".to_owned());
        header.user_agent = Some("sentry.python/2.75.0".to_owned());

        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("{shape}/bytes"), |b| {
            b.iter(|| black_box(&envelope).encode());
        });
        group.bench_function(format!("{shape}/parts"), |b| {
            b.iter(|| black_box(&envelope).encode_parts().len());
        });
        if let Ok(envelope) = v7::Envelope::from_slice(&body) {
            let mut out = Vec::with_capacity(2 * body.len());
            group.bench_function(format!("{shape}/sentry-types"), |b| {
                b.iter(|| {
                    out.clear();
                    black_box(&envelope).to_writer(&mut out).expect("a vector takes all")
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, envelope_encode);
criterion_main!(benches);
