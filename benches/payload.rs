//! What does it cost to look into a payload?
//!
//! `serde_json::Value` is what a tool would use without this crate.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use relay_benches::corpus;
use relay_envelope::{Envelope, Limits};
use relay_protocol::payload::Payload;

/// The payload of the first item.
fn payload(envelope: Bytes) -> Bytes {
    let envelope = Envelope::decode(envelope, &Limits::default()).expect("the corpus decodes");
    envelope.items().first().expect("it has an item").payload().clone()
}

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("payload_parse");
    for shape in ["error_3k", "error_60k", "transaction_80k", "logs_40k"] {
        let (_, make) = corpus::ENVELOPES.iter().find(|(name, _)| *name == shape).expect(shape);
        let body = payload(make(0));
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("{shape}/relay-protocol"), |b| {
            b.iter(|| Payload::parse(black_box(&body)).expect("it is JSON"));
        });
        group.bench_function(format!("{shape}/serde_json"), |b| {
            b.iter(|| {
                serde_json::from_slice::<serde_json::Value>(black_box(&body)).expect("it is JSON")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
