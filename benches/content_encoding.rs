//! What do content encodings cost, both ways, by traffic shape? Beside it: the codec crates, used plainly.
//!
//! `naive` is what one writes first: a reader or writer made for each body, and a `Vec` that grows. `kept` for
//! zstd is the same context and the right capacity for every body, which is about what the codec itself costs.

use std::hint::black_box;
use std::io::{Read, Write};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use relay_benches::corpus;
use relay_compression::ContentEncoding::{self, Br, Deflate, Gzip, Identity, Zstd};
use relay_compression::{Encoder, Level, decode};

const LIMIT: usize = 100 * 1024 * 1024;

fn decoding(c: &mut Criterion) {
    for encoding in [Gzip, Deflate, Br, Zstd] {
        let mut group = c.benchmark_group(format!("decode_{encoding}"));
        for (shape, envelope) in corpus::ENVELOPES {
            let plain = envelope(0);
            let body = encode_naively(encoding, &plain);
            assert_eq!(decode(encoding, body.clone(), LIMIT).expect("it was just encoded"), plain);
            group.throughput(Throughput::Bytes(plain.len() as u64));
            group.bench_function(BenchmarkId::new("relay", shape), |b| {
                b.iter(|| decode(encoding, black_box(&body).clone(), LIMIT));
            });
            group.bench_function(BenchmarkId::new("naive", shape), |b| {
                b.iter(|| decode_naively(encoding, black_box(&body)));
            });
            if encoding == Zstd {
                let mut context = zstd::bulk::Decompressor::new().expect("memory suffices");
                group.bench_function(BenchmarkId::new("kept", shape), |b| {
                    b.iter(|| context.decompress(black_box(&body), plain.len()));
                });
            }
        }
    }
}

fn encoding(c: &mut Criterion) {
    for encoding in [Gzip, Deflate, Br, Zstd] {
        let mut group = c.benchmark_group(format!("encode_{encoding}"));
        for (shape, envelope) in corpus::ENVELOPES {
            let plain = envelope(0);
            group.throughput(Throughput::Bytes(plain.len() as u64));
            let mut encoder = Encoder::new(encoding, Level::default_for(encoding));
            group.bench_function(BenchmarkId::new("relay", shape), |b| {
                b.iter(|| encoder.encode([black_box(&plain[..])]));
            });
            group.bench_function(BenchmarkId::new("naive", shape), |b| {
                b.iter(|| encode_naively(encoding, black_box(&plain)));
            });
            if encoding == Zstd {
                let mut context = zstd::bulk::Compressor::new(1).expect("memory suffices");
                group.bench_function(BenchmarkId::new("kept", shape), |b| {
                    b.iter(|| context.compress(black_box(&plain)));
                });
            }
        }
    }
}

fn decode_naively(encoding: ContentEncoding, body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let result = match encoding {
        Identity => Ok(0),
        Gzip => flate2::read::GzDecoder::new(body).read_to_end(&mut plain),
        Deflate => flate2::read::ZlibDecoder::new(body).read_to_end(&mut plain),
        Br => brotli::Decompressor::new(body, 4096).read_to_end(&mut plain),
        Zstd => {
            zstd::Decoder::with_buffer(body).and_then(|mut decoder| decoder.read_to_end(&mut plain))
        }
    };
    result.expect("the body is whole");
    plain
}

fn encode_naively(encoding: ContentEncoding, plain: &[u8]) -> Bytes {
    let level = flate2::Compression::new(2);
    let result = match encoding {
        Identity => Ok(plain.to_vec()),
        Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(plain).and_then(|()| encoder.finish())
        }
        Deflate => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(plain).and_then(|()| encoder.finish())
        }
        Br => {
            let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 4, 22);
            encoder.write_all(plain).map(|()| encoder.into_inner())
        }
        Zstd => zstd::encode_all(plain, 1),
    };
    result.expect("memory suffices").into()
}

criterion_group!(benches, decoding, encoding);
criterion_main!(benches);
