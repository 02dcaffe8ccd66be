use relay_compression::ContentEncoding::{Br, Zstd};
use relay_compression::{DecodeError, Decoder, Encoder, Level, decode};

use crate::{ALL, COMPRESSED, encode, mixed};

#[test]
fn exactly_the_limit_is_accepted_and_one_byte_more_refused() {
    // Around the sizes at which the buffer grows.
    for length in [1, 2, 4095, 4096, 4097, 65_535, 65_536, 65_537, 131_072, 1_000_000] {
        let plain = mixed(length);
        for encoding in ALL {
            let body = encode(encoding, &plain);
            assert_eq!(decode(encoding, body.clone().into(), length).unwrap(), plain);
            let refused = Err(DecodeError::TooLarge { limit: length - 1 });
            assert_eq!(decode(encoding, body.clone().into(), length - 1), refused);

            for chunk_size in [1, 1000] {
                let mut decoder = Decoder::new(encoding, length);
                body.chunks(chunk_size).for_each(|chunk| decoder.write(chunk).unwrap());
                assert_eq!(decoder.finish().unwrap(), plain);
            }
        }
    }
    let error = DecodeError::TooLarge { limit: 7 };
    assert_eq!(error.to_string(), "decoded body exceeds 7 bytes");
}

#[test]
fn a_limit_of_nothing_still_reads_what_ends_without_a_byte() {
    for encoding in COMPRESSED {
        let refused = Err(DecodeError::TooLarge { limit: 0 });
        assert_eq!(decode(encoding, encode(encoding, b"x").into(), 0), refused);
        assert_eq!(decode(encoding, encode(encoding, b"").into(), 0).unwrap(), "");
    }
}

#[test]
fn no_limit_is_a_limit_too() {
    for encoding in ALL {
        let plain = mixed(100_000);
        assert_eq!(decode(encoding, encode(encoding, &plain).into(), usize::MAX).unwrap(), plain);
    }
}

#[test]
fn a_step_stays_small_and_keeps_input_back_while_more_can_be_had() {
    for encoding in COMPRESSED {
        // All of this may be waiting in the codec when the last byte of input goes in.
        let body = encode(encoding, &vec![0; 10_000_000]);
        let mut decoder = Decoder::new(encoding, 16_000_000);
        let mut rest = &body[..];
        while !rest.is_empty() {
            let before = (decoder.len(), rest.len());
            decoder.write_some(&mut rest).unwrap();
            assert!(decoder.len() - before.0 <= 64 * 1024);
            assert!((decoder.len(), rest.len()) != before, "every step gets on");
        }
        assert_eq!(decoder.len(), 10_000_000);
        assert_eq!(decoder.finish().unwrap().len(), 10_000_000);
    }
}

#[test]
fn a_body_abandoned_between_two_steps_is_truncated() {
    for encoding in COMPRESSED {
        let body = encode(encoding, &vec![0; 1_000_000]);
        let mut decoder = Decoder::new(encoding, 1_000_000);
        decoder.write_some(&mut &body[..]).unwrap();
        assert!(matches!(decoder.finish(), Err(DecodeError::Truncated { .. })));
    }
}

#[test]
fn a_window_counts_against_the_limit_beyond_two_mib() {
    const MIB: usize = 1 << 20;
    let mut plain = mixed(4 * MIB);
    plain.resize(8 * MIB, b' ');
    for encoding in [Br, Zstd] {
        // A window of 4 MiB: that of every brotli encoder, and of zstd from level 9 or so.
        let body = Encoder::new(encoding, Level::new(9)).encode([&plain[..]]).unwrap();
        assert_eq!(decode(encoding, body.clone(), 11 * MIB).unwrap(), plain);
        let refused = Err(DecodeError::TooLarge { limit: 8 * MIB });
        assert_eq!(decode(encoding, body.clone(), 8 * MIB), refused);

        // In passing, nothing is held but the window.
        let mut decoder = Decoder::new(encoding, 8 * MIB);
        let mut rest = &body[..];
        while !rest.is_empty() {
            decoder.write_some(&mut rest).unwrap();
            decoder.take();
        }
        assert_eq!(decoder.len(), 8 * MIB);
    }
}
