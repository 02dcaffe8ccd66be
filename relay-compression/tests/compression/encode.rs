use relay_compression::ContentEncoding::{Br, Deflate, Gzip, Identity, Zstd};
use relay_compression::{Encoder, Level, decode};

use crate::{ALL, COMPRESSED, ENVELOPE, mixed, noise};

#[test]
fn parts_are_one_body() {
    let plain = mixed(300_000);
    for encoding in ALL {
        let mut encoder = Encoder::new(encoding, Level::default_for(encoding));
        for size in [1000, 70_000, 300_000] {
            let body = encoder.encode(plain.chunks(size)).unwrap();
            assert_eq!(decode(encoding, body, plain.len()).unwrap(), plain);
        }
        for nothing in [encoder.encode([]).unwrap(), encoder.encode([&b""[..], b""]).unwrap()] {
            assert_eq!(decode(encoding, nothing, 0).unwrap(), "");
        }
    }
}

#[test]
fn what_was_encoded_before_does_not_show() {
    for encoding in ALL {
        let level = Level::default_for(encoding);
        let fresh = Encoder::new(encoding, level).encode([ENVELOPE]).unwrap();
        let mut encoder = Encoder::new(encoding, level);
        for length in [10, 100_000, 0, 3000] {
            encoder.encode([&mixed(length)[..]]).unwrap();
            assert_eq!(encoder.encode([ENVELOPE]).unwrap(), fresh);
        }
    }
}

#[test]
fn every_body_starts_as_its_encoding_prescribes() {
    let starts: [(_, &[u8]); 4] = [
        (Identity, b"{}\n"),
        (Gzip, b"\x1f\x8b\x08\x00"),
        (Deflate, b"\x78"),
        (Zstd, b"\x28\xb5\x2f\xfd"),
    ];
    for (encoding, start) in starts {
        let body = Encoder::new(encoding, Level::default_for(encoding)).encode([ENVELOPE]).unwrap();
        assert!(body.starts_with(start), "{encoding}");
    }
}

#[test]
fn a_level_beyond_the_scale_is_its_nearer_end() {
    let plain: String = noise(5000).iter().map(|byte| format!("{{\"value\":{byte}}},")).collect();
    let ends = [(Gzip, 0, 9), (Deflate, 0, 9), (Br, 0, 11), (Zstd, -7, 19)];
    for (encoding, lowest, highest) in ends {
        let at =
            |level| Encoder::new(encoding, Level::new(level)).encode([plain.as_bytes()]).unwrap();
        assert_eq!(at(i32::MIN), at(lowest), "{encoding}");
        assert_eq!(at(i32::MAX), at(highest), "{encoding}");
        assert!(at(highest).len() < at(lowest).len(), "{encoding}");
    }
}

#[test]
fn noise_grows_by_little() {
    let noise = noise(1 << 20);
    for encoding in COMPRESSED {
        let body =
            Encoder::new(encoding, Level::default_for(encoding)).encode([&noise[..]]).unwrap();
        assert!(body.len() < noise.len() + noise.len() / 1000 + 100, "{encoding}: {}", body.len());
        assert_eq!(decode(encoding, body, noise.len()).unwrap(), noise);
    }
}

#[test]
fn debug_says_nothing_of_the_bodies() {
    let mut encoder = Encoder::new(Zstd, Level::new(3));
    encoder.encode([&b"secret"[..]]).unwrap();
    assert_eq!(format!("{encoder:?}"), "Encoder { encoding: Zstd, level: Level(3), .. }");
}

#[test]
fn bodies_of_all_sizes_come_one_after_the_other_from_one_encoder() {
    // Around what is kept from body to body, and back to little and nothing.
    let sizes = [10, 65_535, 65_536, 3000, 65_537, 300_000, 0, 10];
    for encoding in ALL {
        let mut encoder = Encoder::new(encoding, Level::default_for(encoding));
        for body in sizes.map(mixed) {
            let (first, second) = body.split_at(body.len() / 3);
            let encoded = encoder.encode([first, second]).unwrap();
            assert_eq!(decode(encoding, encoded, body.len()).unwrap(), body, "{encoding}");
        }
    }
}
