//! Where decoded bytes gather.

use bytes::Bytes;

/// Decoded bytes, and room behind them that a step can write to.
///
/// Up to 1 MiB lie in one piece, which grows by doubling. After that it is one piece after the other: a larger
/// buffer that moves in order to grow is in memory twice for that time.
#[derive(Default)]
pub(crate) struct Output {
    full: Vec<Vec<u8>>,
    /// The piece at hand: decoded bytes, then zeroes.
    piece: Vec<u8>,
    filled: usize,
    len: usize,
}

impl Output {
    const PIECE: usize = 1024 * 1024;

    /// How many bytes were decoded and not taken.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Room for at most `wanted` bytes and at least one, if `wanted` is not zero. No more than `most` will ever
    /// be wanted before the next [`take`](Self::take). `None` if the allocator refuses.
    pub(crate) fn room(&mut self, wanted: usize, most: usize) -> Option<&mut [u8]> {
        if self.filled == Self::PIECE {
            self.full.push(std::mem::take(&mut self.piece));
            self.filled = 0;
        }
        let end = (self.filled + wanted).min(Self::PIECE);
        if end > self.piece.capacity() {
            let doubled =
                if self.full.is_empty() { 2 * self.piece.capacity() } else { Self::PIECE };
            let capacity = doubled.min(self.filled.saturating_add(most)).clamp(end, Self::PIECE);
            self.piece.try_reserve_exact(capacity - self.piece.len()).ok()?;
        }
        if end > self.piece.len() {
            self.piece.resize(end, 0);
        }
        self.piece.get_mut(self.filled..end)
    }

    /// Counts `written` bytes at the start of the room as decoded.
    pub(crate) fn add(&mut self, written: usize) {
        self.filled += written;
        self.len += written;
    }

    /// Gives out what was decoded and starts again.
    pub(crate) fn take(&mut self) -> Bytes {
        let Self { full, mut piece, filled, len } = std::mem::take(self);
        piece.truncate(filled);
        if full.is_empty() {
            // What little is left over may stay; giving it back is a call to the allocator.
            if piece.capacity() - filled > filled / 4 {
                piece.shrink_to_fit();
            }
            return piece.into();
        }
        let mut whole = Vec::with_capacity(len);
        for piece in full.into_iter().chain([piece]) {
            whole.extend_from_slice(&piece);
        }
        whole.into()
    }
}
