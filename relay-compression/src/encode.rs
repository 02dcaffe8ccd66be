use std::fmt;
use std::io::Write;

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};
use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd::zstd_safe::{self, CCtx, CParameter, InBuffer, OutBuffer, ResetDirective};

use crate::stream::WINDOW_BITS;
use crate::{ContentEncoding, EncodeError};

/// How hard an [`Encoder`] tries: higher is smaller and slower.
///
/// Each encoding has its own scale: 0 to 9 for gzip and deflate, 0 to 11 for br, -7 to 19 for zstd. A level
/// beyond the scale means its nearer end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level(i32);

impl Level {
    /// A level on the scale of the encoding it will be used with.
    #[must_use]
    pub const fn new(level: i32) -> Self {
        Self(level)
    }

    /// What pays off for telemetry, which is compressed once and sent once: the cheapest level that makes
    /// a Huffman code of its own for each body.
    #[must_use]
    pub const fn default_for(encoding: ContentEncoding) -> Self {
        match encoding {
            ContentEncoding::Identity => Self(0),
            // Level 1 would halve the time, but JSON comes out a quarter larger, and noise larger than it was.
            ContentEncoding::Gzip | ContentEncoding::Deflate => Self(2),
            ContentEncoding::Br => Self(4),
            ContentEncoding::Zstd => Self(1),
        }
    }
}

/// Encodes one body after the other with the same buffers.
///
/// Making these buffers costs about as much as encoding a small body, so an encoder is worth keeping.
///
/// ```
/// use relay_compression::{ContentEncoding, Encoder, Level, decode};
///
/// let mut encoder = Encoder::new(ContentEncoding::Zstd, Level::default_for(ContentEncoding::Zstd));
/// let first = encoder.encode([&b"{}\n"[..], b"{\"type\":\"event\"}\n", b"{}"])?;
/// let second = encoder.encode([&b"{}\n{\"type\":\"event\"}\n{}"[..]])?;
/// assert_eq!(decode(ContentEncoding::Zstd, first, 100), decode(ContentEncoding::Zstd, second, 100));
/// # Ok::<(), relay_compression::EncodeError>(())
/// ```
pub struct Encoder {
    encoding: ContentEncoding,
    level: Level,
    // One of these, once the first body needs it; br has nothing to keep.
    deflate: Option<Compress>,
    zstd: Option<CCtx<'static>>,
    /// Where a small body is written, before it is known how much smaller it gets; kept for the next.
    room: Vec<u8>,
    /// Where the parts of a small body come together; kept for the next.
    plain: Vec<u8>,
}

impl Encoder {
    /// The most room that is kept for the next body, in bytes; for zstd twice that, before and after.
    const KEPT_ROOM: usize = 64 * 1024;

    /// An encoder for one encoding and level.
    #[must_use]
    pub const fn new(encoding: ContentEncoding, level: Level) -> Self {
        Self { encoding, level, deflate: None, zstd: None, room: Vec::new(), plain: Vec::new() }
    }

    /// Encodes the concatenation of `parts` as one body.
    ///
    /// # Errors
    ///
    /// If there is not enough memory. The encoder stays usable.
    pub fn encode<'a, P>(&mut self, parts: P) -> Result<Bytes, EncodeError>
    where
        P: IntoIterator<Item = &'a [u8], IntoIter: Clone>,
    {
        let parts = parts.into_iter();
        let length = parts.clone().map(<[u8]>::len).sum();
        let mut encoded = std::mem::take(&mut self.room);
        encoded.clear();
        match self.encoding {
            ContentEncoding::Identity => {
                let mut whole = Vec::new();
                concatenate(parts, length, &mut whole)?;
                return Ok(whole.into());
            }
            ContentEncoding::Gzip | ContentEncoding::Deflate => {
                self.deflate(parts, length, &mut encoded)
            }
            ContentEncoding::Br => self.brotli(parts, length, &mut encoded),
            ContentEncoding::Zstd => self.zstd(parts, length, &mut encoded),
        }?;
        // The room was reserved for the worst case: to copy a little out of it costs less than to give the rest back.
        if encoded.capacity() <= Self::KEPT_ROOM {
            let body = Bytes::copy_from_slice(&encoded);
            self.room = encoded;
            return Ok(body);
        }
        encoded.shrink_to_fit();
        Ok(encoded.into())
    }

    fn deflate<'a>(
        &mut self,
        parts: impl Iterator<Item = &'a [u8]>,
        length: usize,
        encoded: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let (encoding, level) = (self.encoding, self.level);
        let context = self.deflate.get_or_insert_with(|| {
            let level = Compression::new(level.0.clamp(0, 9).unsigned_abs());
            match encoding {
                ContentEncoding::Gzip => Compress::new_gzip(level, WINDOW_BITS),
                _ => Compress::new(level, true),
            }
        });
        context.reset();
        reserve(encoded, length / 2 + 64)?;
        in_turn(parts, |mut part, is_last| {
            let flush = if is_last { FlushCompress::Finish } else { FlushCompress::None };
            loop {
                make_room(encoded)?;
                let before = context.total_in();
                let status = context
                    .compress_vec(part, encoded, flush)
                    .map_err(|_| EncodeError::Codec { encoding, reason: "deflate error" })?;
                // One call reads no more than it was given.
                let read = (context.total_in() - before) as usize;
                part = part.get(read..).unwrap_or_default();
                if if is_last { status == Status::StreamEnd } else { part.is_empty() } {
                    return Ok(());
                }
            }
        })
    }

    fn brotli<'a>(
        &self,
        parts: impl Iterator<Item = &'a [u8]>,
        length: usize,
        encoded: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let params = BrotliEncoderParams {
            quality: self.level.0.clamp(0, 11),
            lgwin: brotli_window_log(length),
            size_hint: length,
            ..BrotliEncoderParams::default()
        };
        reserve(encoded, length / 2 + 64)?;
        let mut writer = CompressorWriter::with_params(encoded, 4096, &params);
        for part in parts {
            writer.write_all(part).map_err(|_| EncodeError::Codec {
                encoding: self.encoding,
                reason: "brotli error",
            })?;
        }
        // Which writes the end.
        writer.into_inner();
        Ok(())
    }

    fn zstd<'a>(
        &mut self,
        parts: impl Iterator<Item = &'a [u8]>,
        length: usize,
        encoded: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let codec_error = |code| EncodeError::Codec {
            encoding: ContentEncoding::Zstd,
            reason: zstd_safe::get_error_name(code),
        };
        let context = match &mut self.zstd {
            Some(context) => context,
            none => {
                let mut context = CCtx::try_create().ok_or(EncodeError::OutOfMemory)?;
                let level = CParameter::CompressionLevel(self.level.0.clamp(-7, 19));
                context.set_parameter(level).map_err(codec_error)?;
                none.insert(context)
            }
        };
        context.reset(ResetDirective::SessionOnly).map_err(codec_error)?;
        reserve(encoded, zstd_safe::compress_bound(length))?;
        if length <= Self::KEPT_ROOM {
            // In one call: what comes piece by piece the library copies too, and looks through for longer.
            self.plain.clear();
            concatenate(parts, length, &mut self.plain)?;
            return context.compress2(encoded, &self.plain).map(drop).map_err(codec_error);
        }
        // A known length makes for smaller tables, and tells the receiver how much room it needs.
        context.set_pledged_src_size(Some(length as u64)).map_err(codec_error)?;
        in_turn(parts, |part, is_last| {
            let mut input = InBuffer::around(part);
            let directive = if is_last {
                ZSTD_EndDirective::ZSTD_e_end
            } else {
                ZSTD_EndDirective::ZSTD_e_continue
            };
            loop {
                make_room(encoded)?;
                let position = encoded.len();
                let mut output = OutBuffer::around_pos(encoded, position);
                let left = context
                    .compress_stream2(&mut output, &mut input, directive)
                    .map_err(codec_error)?;
                if if is_last { left == 0 } else { input.pos() == part.len() } {
                    return Ok(());
                }
            }
        })
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("encoding", &self.encoding)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// The smallest brotli window that reaches all of `length` bytes, up to the 4 MiB that every encoder uses.
fn brotli_window_log(length: usize) -> i32 {
    (10..22).find(|log| length <= (1 << log) - 16).unwrap_or(22)
}

fn concatenate<'a>(
    parts: impl Iterator<Item = &'a [u8]>,
    length: usize,
    whole: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    reserve(whole, length)?;
    parts.for_each(|part| whole.extend_from_slice(part));
    Ok(())
}

/// Calls `encode` for each part, and tells it which is the last. Without parts there is one, an empty one.
fn in_turn<'a>(
    mut parts: impl Iterator<Item = &'a [u8]>,
    mut encode: impl FnMut(&'a [u8], bool) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let mut part = parts.next().unwrap_or_default();
    for next in parts {
        encode(part, false)?;
        part = next;
    }
    encode(part, true)
}

fn reserve(buffer: &mut Vec<u8>, length: usize) -> Result<(), EncodeError> {
    buffer.try_reserve_exact(length).map_err(|_| EncodeError::OutOfMemory)
}

fn make_room(buffer: &mut Vec<u8>) -> Result<(), EncodeError> {
    if buffer.len() < buffer.capacity() {
        return Ok(());
    }
    buffer.try_reserve(buffer.len() / 2 + 64).map_err(|_| EncodeError::OutOfMemory)
}
