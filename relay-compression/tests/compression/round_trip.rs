use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use relay_compression::{ContentEncoding, DecodeError, Decoder, Encoder, Level, decode};

use crate::ALL;

fn encodings() -> impl Strategy<Value = ContentEncoding> {
    proptest::sample::select(&ALL[..])
}

/// Bytes as they come, and bytes that repeat themselves.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..5000),
        (vec(any::<u8>(), 1..50), 1..5000_usize).prop_map(|(unit, times)| unit.repeat(times)),
    ]
}

fn decode_in_chunks(
    encoding: ContentEncoding,
    body: &[u8],
    sizes: &[usize],
    limit: usize,
) -> Result<Bytes, DecodeError> {
    let mut decoder = Decoder::new(encoding, limit);
    let mut rest = body;
    for size in sizes.iter().copied().cycle() {
        let (chunk, after) = rest.split_at(size.min(rest.len()));
        decoder.write(chunk)?;
        assert!(decoder.len() <= limit);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    decoder.finish()
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(
        encoding in encodings(),
        level in -8..21_i32,
        body in bodies(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (first, second) = body.split_at(cut.index(body.len() + 1));
        let encoded = Encoder::new(encoding, Level::new(level)).encode([first, second]).unwrap();
        prop_assert_eq!(decode(encoding, encoded.clone(), body.len()).unwrap(), &body);
        if let Some(tighter) = body.len().checked_sub(1) {
            let refused = Err(DecodeError::TooLarge { limit: tighter });
            prop_assert_eq!(decode(encoding, encoded, tighter), refused);
        }
    }

    #[test]
    fn chunks_do_not_change_the_result(
        encoding in encodings(),
        body in bodies(),
        sizes in vec(1..2000_usize, 1..10),
        damage in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
        limit in 0..200_000_usize,
    ) {
        let mut encoder = Encoder::new(encoding, Level::default_for(encoding));
        let mut encoded = encoder.encode([&body[..]]).unwrap().to_vec();
        if let (Some((at, byte)), false) = (damage, encoded.is_empty()) {
            let at = at.index(encoded.len());
            encoded[at] = byte;
        }
        let in_chunks = decode_in_chunks(encoding, &encoded, &sizes, limit);
        let whole = decode(encoding, encoded.into(), limit);
        // Of two faults in one body, either may be noticed first.
        prop_assert_eq!(whole.ok(), in_chunks.ok());
    }

    #[test]
    fn any_bytes_stay_below_the_limit(
        encoding in encodings(),
        body in vec(any::<u8>(), 0..300),
        limit in 0..1000_usize,
    ) {
        if let Ok(decoded) = decode(encoding, body.into(), limit) {
            prop_assert!(decoded.len() <= limit);
        }
    }
}
