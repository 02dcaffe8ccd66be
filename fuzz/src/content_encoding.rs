//! What must hold for any bytes in any encoding; shared by the `decode_*` targets.

use bytes::Bytes;
use relay_compression::{ContentEncoding, DecodeError, Decoder, Encoder, Level, decode};

/// The first byte chooses limit, size of the chunks and level; the rest is the body.
pub(crate) fn check(encoding: ContentEncoding, data: &[u8]) {
    let Some((&choice, body)) = data.split_first() else { return };
    let limit = [0, 1, 100, 4096, 65_536, 65_537, 200_000, 1 << 20][usize::from(choice & 7)];
    let chunk_size = [1, 2, 7, 64][usize::from(choice >> 3 & 3)];

    let whole = decode(encoding, Bytes::copy_from_slice(body), limit);
    let chunked = in_chunks(encoding, body, chunk_size, limit);
    let passed = passing(encoding, body, limit);
    // Of two faults in one body either may be noticed first, but no fault goes unnoticed.
    assert_eq!(whole.as_ref().ok(), chunked.as_ref().ok());
    assert_eq!(whole.as_ref().ok().map(|bytes| &bytes[..]), passed.as_deref().ok());

    let Ok(decoded) = whole else { return };
    assert!(decoded.len() <= limit);
    if let Some(tighter) = decoded.len().checked_sub(1) {
        let refused = decode(encoding, Bytes::copy_from_slice(body), tighter);
        assert_eq!(refused, Err(DecodeError::TooLarge { limit: tighter }));
    }
    let level = Level::new(i32::from(choice >> 5));
    let halves = decoded.split_at(decoded.len() / 2);
    let encoded =
        Encoder::new(encoding, level).encode([halves.0, halves.1]).expect("memory suffices");
    assert_eq!(decode(encoding, encoded, decoded.len()), Ok(decoded));
}

fn in_chunks(
    encoding: ContentEncoding,
    body: &[u8],
    chunk_size: usize,
    limit: usize,
) -> Result<Bytes, DecodeError> {
    let mut decoder = Decoder::new(encoding, limit);
    for chunk in body.chunks(chunk_size) {
        decoder.write(chunk)?;
        assert!(decoder.len() <= limit);
    }
    decoder.finish()
}

fn passing(encoding: ContentEncoding, body: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = Decoder::new(encoding, limit);
    let mut decoded = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        decoder.write_some(&mut rest)?;
        let piece = decoder.take();
        assert!(piece.len() <= 64 * 1024);
        decoded.extend_from_slice(&piece);
        assert_eq!(decoder.len(), decoded.len());
    }
    assert!(decoder.finish()?.is_empty());
    Ok(decoded)
}
