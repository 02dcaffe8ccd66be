use std::fmt;

use bytes::Bytes;

use zstd::zstd_safe::get_frame_content_size;

use crate::output::Output;
use crate::stream::{Fault, Step, Stream};
use crate::{ContentEncoding, DecodeError};

/// Decodes a whole body of at most `limit` decoded bytes; an identity body is given back as it is.
///
/// Bytes after the end of a gzip, deflate or br stream are ignored, as are further gzip members; zstd frames are
/// read one after the other up to the end of the body. No bytes at all decode to no bytes, whatever the
/// encoding.
///
/// ```
/// use bytes::Bytes;
/// use relay_compression::{ContentEncoding, DecodeError, decode};
///
/// let body = Bytes::from_static(b"{}");
/// assert_eq!(decode(ContentEncoding::Identity, body.clone(), 2), Ok(body.clone()));
/// assert_eq!(decode(ContentEncoding::Identity, body, 1), Err(DecodeError::TooLarge { limit: 1 }));
/// ```
///
/// # Errors
///
/// As [`Decoder::write_some`] and [`Decoder::finish`].
pub fn decode(encoding: ContentEncoding, body: Bytes, limit: usize) -> Result<Bytes, DecodeError> {
    if encoding == ContentEncoding::Identity {
        return if body.len() <= limit { Ok(body) } else { Err(DecodeError::TooLarge { limit }) };
    }
    let mut decoder = Decoder::new(encoding, limit);
    decoder.write(&body)?;
    decoder.finish()
}

/// Decodes a body that arrives in pieces.
///
/// ```
/// use relay_compression::{ContentEncoding, Decoder, Encoder, Level};
///
/// let level = Level::default_for(ContentEncoding::Gzip);
/// let body = Encoder::new(ContentEncoding::Gzip, level).encode([&b"{}\n{}\n"[..]])?;
///
/// let mut decoder = Decoder::new(ContentEncoding::Gzip, 1024);
/// for chunk in body.chunks(7) {
///     decoder.write(chunk)?;
/// }
/// assert_eq!(decoder.finish()?, "{}\n{}\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Memory
///
/// What is decoded and not yet taken, and what the codec keeps to look back at, stay below the limit plus 4 MB:
/// neither grows on a sender's mere claim. Only code tables come on top, of which a br stream can ask for 3 MB.
///
/// # Deviation
///
/// The window of a br or zstd body counts against the limit beyond 2 MiB. So one that comes close to the limit can be
/// refused as [`DecodeError::TooLarge`] although it would fit: with the 4 MiB that br usually has, in the last 2 MiB
/// below the limit. No window up to 1 MiB is affected, nor any limit up to 2 MiB.
pub struct Decoder {
    encoding: ContentEncoding,
    limit: usize,
    /// Made when the first byte arrives, so that an empty body costs nothing.
    stream: Option<Stream>,
    output: Output,
    taken: usize,
    consumed: u64,
    /// The stream has already read the byte that the caller will offer next.
    swallowed: bool,
    /// The stream may end here.
    complete: bool,
}

impl Decoder {
    /// Most bytes that one step decodes.
    const STEP: usize = 64 * 1024;
    /// Least room for a step of a body that does not say how long it is, so that many small chunks do not mean many small
    /// steps.
    const STEP_MIN: usize = 4 * 1024;
    /// How far the decoded bytes and the codec's history together may pass the limit.
    const HISTORY_FREE: usize = 2 * 1024 * 1024;

    /// A decoder that gives out at most `limit` bytes.
    #[must_use]
    pub fn new(encoding: ContentEncoding, limit: usize) -> Self {
        Self {
            encoding,
            limit,
            stream: None,
            output: Output::default(),
            taken: 0,
            consumed: 0,
            swallowed: false,
            complete: false,
        }
    }

    /// How many bytes were decoded so far, those already taken included. Never more than the limit.
    #[must_use]
    pub fn len(&self) -> usize {
        self.taken + self.output.len()
    }

    /// Whether nothing was decoded so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Decodes all of `chunk`.
    ///
    /// # Errors
    ///
    /// As [`Decoder::write_some`].
    pub fn write(&mut self, mut chunk: &[u8]) -> Result<(), DecodeError> {
        while !chunk.is_empty() {
            self.write_some(&mut chunk)?;
        }
        Ok(())
    }

    /// Decodes the beginning of `input`, at most 64 KiB of decoded bytes, and shortens `input` by what was read.
    ///
    /// What remains must be offered again, before anything else: as long as more decoded bytes can be
    /// had, at least one byte remains. So `while !input.is_empty()` is the loop to write, and between two
    /// rounds a caller can [`take`](Self::take) what there is, reserve memory, or give up.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooLarge`] as soon as the limit is passed, [`DecodeError::Corrupt`] as soon as the codec
    /// notices. After an error the decoder is of no further use.
    pub fn write_some(&mut self, input: &mut &[u8]) -> Result<(), DecodeError> {
        if input.is_empty() {
            return Ok(());
        }
        if self.complete && self.ignores_what_follows() {
            *input = &[];
            return Ok(());
        }
        let already_read = usize::from(self.swallowed);
        let fresh = input.get(already_read..).unwrap_or_default();
        let (step, is_full) = self.step(fresh)?;

        let read = already_read + step.read;
        // A full buffer may hide more to come, which the codec would give out without any input.
        self.swallowed = is_full && !step.complete && read == input.len();
        let consumed = read - usize::from(self.swallowed);
        if consumed == 0 && step.written == 0 {
            return Err(self.failed(Fault::Corrupt { read: 0, reason: "no progress" }));
        }
        self.consumed += consumed as u64;
        self.complete = step.complete;
        *input = input.get(consumed..).unwrap_or_default();
        Ok(())
    }

    /// Gives out what was decoded since the last time, so that a body can pass without being held.
    pub fn take(&mut self) -> Bytes {
        self.taken += self.output.len();
        self.output.take()
    }

    /// Ends the body and gives out what was not taken.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`] if bytes were written but the stream does not end with them.
    pub fn finish(mut self) -> Result<Bytes, DecodeError> {
        if self.stream.is_some() && !self.complete {
            return Err(DecodeError::Truncated { encoding: self.encoding, offset: self.consumed });
        }
        Ok(self.take())
    }

    /// One step of the codec, and whether it filled all the room it had.
    fn step(&mut self, input: &[u8]) -> Result<(Step, bool), DecodeError> {
        let max_history = self.limit.saturating_add(Self::HISTORY_FREE);
        let len = self.len();
        let announced = if len == 0 { announced_length(self.encoding, input) } else { None };
        let wanted = match announced {
            // One more, so that the buffer is not full in the end.
            Some(announced) => announced + 1,
            None if len == 0 => input.len().saturating_mul(4).max(Self::STEP_MIN),
            None => len.max(Self::STEP_MIN),
        };
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream =
                    Stream::new(self.encoding, max_history).ok_or(DecodeError::OutOfMemory)?;
                none.insert(stream)
            }
        };
        // At the limit the stream may still end, but not give out another byte.
        let mut beyond = [0];
        let left = self.limit - len;
        let room = match left {
            0 => &mut beyond,
            _ => {
                let wanted = wanted.min(Self::STEP).min(left);
                self.output.room(wanted, left).ok_or(DecodeError::OutOfMemory)?
            }
        };
        let size = room.len();
        let step = match stream.step(input, room) {
            Ok(step) => step,
            Err(fault) => return Err(self.failed(fault)),
        };
        let held = self.output.len() + step.written;
        let memory = held.saturating_add(stream.history(len.saturating_add(step.written)));
        if step.written > left || memory > max_history {
            return Err(DecodeError::TooLarge { limit: self.limit });
        }
        self.output.add(step.written);
        Ok((step, step.written == size))
    }

    fn ignores_what_follows(&self) -> bool {
        use ContentEncoding::{Br, Deflate, Gzip};
        matches!(self.encoding, Gzip | Deflate | Br)
    }

    fn failed(&self, fault: Fault) -> DecodeError {
        match fault {
            Fault::Corrupt { read, reason } => {
                let offset = self.consumed + u64::from(self.swallowed) + read as u64;
                DecodeError::Corrupt { encoding: self.encoding, offset, reason }
            }
            Fault::History => DecodeError::TooLarge { limit: self.limit },
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            stream.retire();
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("encoding", &self.encoding)
            .field("limit", &self.limit)
            .field("consumed", &self.consumed)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// The decoded length that `body` claims for itself, if `body` is all of it. Good for a first guess of
/// the room needed, no more.
fn announced_length(encoding: ContentEncoding, body: &[u8]) -> Option<usize> {
    let announced = match encoding {
        // RFC 1952: the length is the last thing in a member.
        ContentEncoding::Gzip => usize::try_from(u32::from_le_bytes(*body.last_chunk()?)).ok()?,
        ContentEncoding::Zstd => usize::try_from(get_frame_content_size(body).ok()??).ok()?,
        ContentEncoding::Identity | ContentEncoding::Deflate | ContentEncoding::Br => return None,
    };
    // Anything else is the middle of a larger body, or a lie.
    (body.len() / 2..=Decoder::STEP).contains(&announced).then_some(announced)
}
