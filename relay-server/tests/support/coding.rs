//! Content encodings, taken from their crates directly: the tests must not lean on `relay-compression`.

use std::io::{self, Read as _, Write};

/// Decodes a whole body; an encoding the tests do not know is an error.
pub(crate) fn decode(encoding: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    match encoding {
        "identity" => plain.extend_from_slice(body),
        "gzip" => drop(flate2::read::GzDecoder::new(body).read_to_end(&mut plain)?),
        "deflate" => drop(flate2::read::ZlibDecoder::new(body).read_to_end(&mut plain)?),
        "br" => drop(brotli::Decompressor::new(body, 4096).read_to_end(&mut plain)?),
        "zstd" => drop(zstd::Decoder::new(body)?.read_to_end(&mut plain)?),
        _ => return Err(io::ErrorKind::Unsupported.into()),
    }
    Ok(plain)
}

/// Encodes what `write` writes, so that a body that would not fit into memory need not.
pub(crate) fn encode_with(
    encoding: &str,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    let out = Vec::new();
    match encoding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::default());
            write(&mut encoder)?;
            encoder.finish()
        }
        "deflate" => {
            let mut encoder = flate2::write::ZlibEncoder::new(out, flate2::Compression::default());
            write(&mut encoder)?;
            encoder.finish()
        }
        "br" => {
            let mut encoder = brotli::CompressorWriter::new(out, 4096, 5, 22);
            write(&mut encoder)?;
            encoder.flush()?;
            Ok(encoder.into_inner())
        }
        "zstd" => {
            let mut encoder = zstd::Encoder::new(out, 1)?;
            write(&mut encoder)?;
            encoder.finish()
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Encodes a body that is at hand.
pub(crate) fn encode(encoding: &str, plain: &[u8]) -> Vec<u8> {
    encode_with(encoding, |out| out.write_all(plain)).expect("memory takes everything")
}
