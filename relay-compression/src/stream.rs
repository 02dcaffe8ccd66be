//! The codecs behind one face: a step takes some input, fills some output, and says how it went.

use std::cell::Cell;

use brotli::enc::StandardAlloc;
use brotli::{Allocator, BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::{Decompress, FlushDecompress, Status};
use zstd::zstd_safe::{self, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};

use crate::ContentEncoding;

/// What a step did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) read: usize,
    pub(crate) written: usize,
    /// The stream may end here.
    pub(crate) complete: bool,
}

/// Why a stream cannot go on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// The stream is broken, and `read` bytes of this step's input were fine.
    Corrupt { read: usize, reason: &'static str },
    /// The stream wants to look back further than it may.
    History,
}

/// One stream being decoded.
pub(crate) enum Stream {
    Identity,
    Gzip(Decompress),
    Deflate(Decompress),
    Br(Box<Brotli>),
    Zstd(Zstd),
}

/// 32 KiB, the largest window of deflate.
pub(crate) const WINDOW_BITS: u8 = 15;

type Brotli = BrotliState<RingBuffer, StandardAlloc, StandardAlloc>;

impl Stream {
    /// A stream that looks back at no more than `max_history` bytes, as far as the sender has a say in it. `None`
    /// if the allocator refuses.
    pub(crate) fn new(encoding: ContentEncoding, max_history: usize) -> Option<Self> {
        Some(match encoding {
            ContentEncoding::Identity => Self::Identity,
            // Nothing to keep between streams here: a fresh inflate state costs 0.2 µs.
            ContentEncoding::Gzip => Self::Gzip(Decompress::new_gzip(WINDOW_BITS)),
            ContentEncoding::Deflate => Self::Deflate(Decompress::new(true)),
            ContentEncoding::Br => {
                let ring_buffer = RingBuffer { max: max_history, refused: false };
                // Strict means RFC 7932: no window above 16 MiB.
                let state = Brotli::new_strict(ring_buffer, StandardAlloc {}, StandardAlloc {});
                Self::Br(Box::new(state))
            }
            ContentEncoding::Zstd => Self::Zstd(Zstd::new()?),
        })
    }

    /// Gives back what the next stream can use.
    pub(crate) fn retire(self) {
        if let Self::Zstd(zstd) = self {
            keep_zstd_context(zstd.context);
        }
    }

    pub(crate) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Fault> {
        match self {
            Self::Identity => {
                let length = input.len().min(output.len());
                for (to, from) in output.iter_mut().zip(input) {
                    *to = *from;
                }
                Ok(Step { read: length, written: length, complete: true })
            }
            Self::Gzip(inflate) => step_inflate(inflate, input, output, "invalid gzip header"),
            Self::Deflate(inflate) => step_inflate(inflate, input, output, "invalid zlib header"),
            Self::Br(state) => step_brotli(state, input, output),
            Self::Zstd(zstd) => zstd.step(input, output),
        }
    }

    /// How much memory is in use for looking back, after `decoded` bytes.
    pub(crate) fn history(&self, decoded: usize) -> usize {
        match self {
            Self::Identity => 0,
            Self::Gzip(_) | Self::Deflate(_) => 1 << WINDOW_BITS,
            // The decoder runs ahead of what it gives out, until the ring buffer is full.
            Self::Br(state) if state.rb_roundtrips == 0 => state.pos.unsigned_abs() as usize,
            Self::Br(state) => state.ringbuffer_size.unsigned_abs() as usize,
            // The window is allocated as the frame claims it, but a page never written takes no memory.
            Self::Zstd(zstd) => zstd.context.sizeof().min(decoded),
        }
    }
}

fn step_inflate(
    inflate: &mut Decompress,
    input: &[u8],
    output: &mut [u8],
    bad_header: &'static str,
) -> Result<Step, Fault> {
    let (read_before, written_before) = (inflate.total_in(), inflate.total_out());
    let status = inflate.decompress(input, output, FlushDecompress::None);
    // Differences within one call: no longer than its slices.
    let read = (inflate.total_in() - read_before) as usize;
    let written = (inflate.total_out() - written_before) as usize;
    match status {
        Ok(status) => Ok(Step { read, written, complete: status == Status::StreamEnd }),
        Err(error) => {
            let reason = match error.message() {
                Some("incorrect header check" | "unknown compression method") => bad_header,
                Some("incorrect data check" | "incorrect length check") => "checksum mismatch",
                _ if error.needs_dictionary().is_some() => "preset dictionary",
                _ => "invalid deflate data",
            };
            Err(Fault::Corrupt { read, reason })
        }
    }
}

fn step_brotli(state: &mut Brotli, input: &[u8], output: &mut [u8]) -> Result<Step, Fault> {
    let (mut input_left, mut output_left) = (input.len(), output.len());
    let (mut read, mut written, mut total) = (0, 0, 0);
    let result = BrotliDecompressStream(
        &mut input_left,
        &mut read,
        input,
        &mut output_left,
        &mut written,
        output,
        &mut total,
        state,
    );
    match result {
        BrotliResult::ResultFailure if state.alloc_u8.refused => Err(Fault::History),
        BrotliResult::ResultFailure => Err(Fault::Corrupt { read, reason: "invalid brotli data" }),
        result => {
            Ok(Step { read, written, complete: matches!(result, BrotliResult::ResultSuccess) })
        }
    }
}

/// Where a brotli state gets its ring buffer from, which holds the last of what was decoded.
///
/// The decoder sizes it to hold all it was told about: what was decoded and the meta-block at hand. So one that is
/// too large means too large a body, or too large a window beside it.
pub(crate) struct RingBuffer {
    max: usize,
    refused: bool,
}

impl Allocator<u8> for RingBuffer {
    type AllocatedMemory = <StandardAlloc as Allocator<u8>>::AllocatedMemory;

    fn alloc_cell(&mut self, length: usize) -> Self::AllocatedMemory {
        if length > self.max {
            self.refused = true;
            return Self::AllocatedMemory::default();
        }
        StandardAlloc {}.alloc_cell(length)
    }

    fn free_cell(&mut self, memory: Self::AllocatedMemory) {
        drop(memory);
    }
}

/// A sequence of zstd frames.
pub(crate) struct Zstd {
    context: DCtx<'static>,
    /// The start of the frame at hand: enough for the longest header.
    header: [u8; 18],
    header_read: usize,
    written: u64,
}

impl Zstd {
    fn new() -> Option<Self> {
        Some(Self { context: zstd_context()?, header: [0; 18], header_read: 0, written: 0 })
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Fault> {
        let mut from = InBuffer::around(input);
        let mut to = OutBuffer::around(output);
        let hint = match self.context.decompress_stream(&mut to, &mut from) {
            Ok(hint) => hint,
            Err(code) => {
                return Err(Fault::Corrupt { read: 0, reason: zstd_safe::get_error_name(code) });
            }
        };
        let (read, written) = (from.pos(), to.pos());
        for (to, from) in self.header.iter_mut().skip(self.header_read).zip(input.iter().take(read))
        {
            *to = *from;
            self.header_read += 1;
        }
        self.written += written as u64;
        // Zero means the end of a frame, everything else guesses how much is still to come.
        let complete = hint == 0;
        if complete {
            self.end_frame().map_err(|reason| Fault::Corrupt { read, reason })?;
        }
        Ok(Step { read, written, complete })
    }

    /// Checks the length that the frame declared. The library does so too, but when it gets a frame in pieces
    /// it forgets to if the last block is empty.
    fn end_frame(&mut self) -> Result<(), &'static str> {
        let header = self.header.get(..self.header_read).unwrap_or_default();
        let declared = zstd_safe::get_frame_content_size(header).ok().flatten();
        let is_right = declared.is_none_or(|declared| declared == self.written);
        (self.header_read, self.written) = (0, 0);
        if is_right { Ok(()) } else { Err("content size mismatch") }
    }
}

thread_local! {
    /// Making a zstd context costs more than decoding a small body with it: each thread keeps one.
    static KEPT: Cell<Option<DCtx<'static>>> = const { Cell::new(None) };
}

/// RFC 9659: the largest window that a sender may use for a content encoding, and a receiver must read.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// A context above this has seen a large window and would hold on to it.
const KEPT_SIZE_MAX: usize = 512 * 1024;

fn zstd_context() -> Option<DCtx<'static>> {
    // The thread may be ending: then there is no place to keep anything.
    if let Ok(Some(kept)) = KEPT.try_with(Cell::take) {
        return Some(kept);
    }
    let mut context = DCtx::try_create()?;
    context.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX)).ok()?;
    Some(context)
}

fn keep_zstd_context(mut context: DCtx<'static>) {
    if context.reset(ResetDirective::SessionOnly).is_ok() && context.sizeof() <= KEPT_SIZE_MAX {
        let _ = KEPT.try_with(|kept| kept.set(Some(context)));
    }
}
