//! Request bodies: read, decoded and paid for from the byte budget while they arrive.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use relay_compression::{ContentEncoding, DecodeError, Decoder};

use crate::budget::{Budget, OverBudget, Reservation};

/// A whole request body, decoded, and the share of the budget it occupies.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) bytes: Bytes,
    pub(crate) memory: Reservation,
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// More decoded bytes than the route allows, or than the budget could hold for one request.
    #[error("length limit exceeded")]
    TooLong,
    /// The budget is taken by others just now.
    #[error("relay is running out of memory")]
    OverBudget,
    /// Nothing came for the body time-out.
    #[error("the body stopped arriving")]
    Stalled,
    /// The connection broke, or the chunks were not chunks.
    #[error("error reading a body from connection")]
    Broken(#[source] hyper::Error),
    /// The content encoding was not what the header said.
    #[error(transparent)]
    Decode(DecodeError),
}

impl From<OverBudget> for BodyError {
    fn from(over: OverBudget) -> Self {
        match over {
            OverBudget::Now => Self::OverBudget,
            OverBudget::Ever => Self::TooLong,
        }
    }
}

impl From<DecodeError> for BodyError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::TooLarge { .. } => Self::TooLong,
            error => Self::Decode(error),
        }
    }
}

/// How bodies are read.
#[derive(Debug, Clone)]
pub(crate) struct BodyLimits {
    /// Decoded bytes.
    pub(crate) max_size: usize,
    /// Between two pieces of the body.
    pub(crate) timeout: Duration,
}

/// Decoded bytes between two looks at the budget.
const STEP: usize = 64 * 1024;

/// After so many steps others get their turn: a little that inflates to much must not hold up everybody else.
const STEPS_IN_A_ROW: usize = 16;

/// After a refusal this much more is read and thrown away, so that a client that is still sending gets
/// to read the answer instead of a connection reset.
const MAX_DISCARDED: usize = 4 * 1024 * 1024;

/// Reads a body to its end and decodes it.
pub(crate) async fn read(
    body: &mut Incoming,
    encoding: ContentEncoding,
    limits: &BodyLimits,
    budget: &Arc<Budget>,
) -> Result<Received, BodyError> {
    let limit = limits.max_size.min(budget.largest());
    let announced =
        body.size_hint().exact().map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if encoding == ContentEncoding::Identity {
        if announced > limit {
            return Err(BodyError::TooLong);
        }
        // A look ahead, no reservation: memory is held for what has arrived, not for what a slow client promises.
        drop(budget.reserve(announced)?);
    }
    let mut memory = budget.reserve(0)?;
    let bytes = match encoding {
        ContentEncoding::Identity => {
            read_plain(body, announced, limit, limits.timeout, &mut memory).await?
        }
        _ => read_encoded(body, encoding, limit, limits.timeout, &mut memory).await?,
    };
    memory.grow_to(bytes.len())?;
    memory.shrink_to(bytes.len());
    Ok(Received { bytes, memory })
}

async fn read_plain(
    body: &mut Incoming,
    announced: usize,
    limit: usize,
    timeout: Duration,
    memory: &mut Reservation,
) -> Result<Bytes, BodyError> {
    let Some(first) = next_chunk(body, timeout).await? else { return Ok(Bytes::new()) };
    if first.len() == announced {
        return Ok(first);
    }
    let mut bytes = BytesMut::with_capacity(announced.max(first.len()).min(STEP));
    let mut next = Some(first);
    while let Some(chunk) = next {
        if chunk.len() > limit - bytes.len() {
            return Err(BodyError::TooLong);
        }
        memory.grow_to(bytes.len() + chunk.len())?;
        bytes.extend_from_slice(&chunk);
        next = next_chunk(body, timeout).await?;
    }
    Ok(bytes.freeze())
}

async fn read_encoded(
    body: &mut Incoming,
    encoding: ContentEncoding,
    limit: usize,
    timeout: Duration,
    memory: &mut Reservation,
) -> Result<Bytes, BodyError> {
    let mut decoder = Decoder::new(encoding, limit);
    let mut steps = 0_usize;
    while let Some(chunk) = next_chunk(body, timeout).await? {
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            memory.grow_to(decoder.len() + STEP.min(limit - decoder.len()))?;
            decoder.write_some(&mut rest)?;
            steps += 1;
            if steps.is_multiple_of(STEPS_IN_A_ROW) {
                tokio::task::yield_now().await;
            }
        }
    }
    Ok(decoder.finish()?)
}

/// The next piece of data; `None` at the end. Trailers are passed over.
pub(crate) async fn next_chunk(
    body: &mut Incoming,
    timeout: Duration,
) -> Result<Option<Bytes>, BodyError> {
    loop {
        let frame =
            tokio::time::timeout(timeout, body.frame()).await.map_err(|_| BodyError::Stalled)?;
        match frame.transpose().map_err(BodyError::Broken)?.map(hyper::body::Frame::into_data) {
            None => return Ok(None),
            Some(Ok(data)) if !data.is_empty() => return Ok(Some(data)),
            Some(_) => {}
        }
    }
}

/// And no longer than this.
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// Reads on for a while without keeping anything.
pub(crate) async fn discard(body: &mut Incoming) {
    let rest = async {
        let mut left = MAX_DISCARDED;
        while let Ok(Some(chunk)) = next_chunk(body, DISCARD_TIME).await {
            match left.checked_sub(chunk.len()) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // Whether it was all of it makes no difference to the answer.
    let _ = tokio::time::timeout(DISCARD_TIME, rest).await;
}
