//! Multipart forms, read as they arrive: what is kept is paid for from the byte budget, the rest is passed over.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::header::HeaderMap;
use hyper::body::{Body as _, Incoming};
use relay_compression::ContentEncoding;

use crate::budget::{OverBudget, Reservation};
use crate::endpoint::content_type;
use crate::passthrough;
use crate::reply::BoxError;

/// Parts of a form at most: whoever sends more sends no crash.
pub(crate) const MAX_PARTS: usize = 1000;

/// What may stand between two parts: the head of the second, and before the first whatever a client likes to put there.
/// The parser looks for its end from its start each time something arrives.
pub(crate) const MAX_HEAD: usize = 16 * 1024;

/// The standard has 70 characters. The parser prepares to look for it each time something arrives.
pub(crate) const MAX_BOUNDARY: usize = 200;

/// Why a form was not read. The texts are those of the protocol (`spec/ingest.md` 3.2).
#[derive(Debug, thiserror::Error)]
pub(crate) enum FormError {
    #[error(transparent)]
    Form(multer::Error),
    #[error("field {name:?} exceeded the size limit: {limit} bytes")]
    LargePart { name: String, limit: usize },
    #[error("the head of a field exceeded the size limit: {MAX_HEAD} bytes")]
    LargeHead,
    #[error("the boundary exceeded the size limit: {MAX_BOUNDARY} bytes")]
    LargeBoundary,
    #[error("more than {MAX_PARTS} fields")]
    TooMany,
    /// All parts together, or the whole body, or more than the byte budget could ever hold.
    #[error("request content exceeded size limits")]
    TooLarge,
    #[error("relay is running out of memory")]
    OverBudget,
    #[error("the body stopped arriving")]
    Stalled,
}

/// What was read of a form.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) parts: Vec<Part>,
    /// Pays for the parts.
    pub(crate) memory: Reservation,
    /// Parts with a file name that were skipped: how many, and how many bytes.
    pub(crate) skipped_files: (u64, u64),
}

/// A part of a form.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: Option<String>,
    pub(crate) filename: Option<String>,
    /// As it stands in the header of the part; `None` also if that cannot be read.
    pub(crate) media_type: Option<mime::Mime>,
    pub(crate) content: Bytes,
}

/// What becomes of a part that is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenLarge {
    /// It is left out, and counted if it is a file.
    Skip,
    Refuse,
}

/// Bounds on a form, in bytes after content decoding.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FormLimits {
    pub(crate) max_body: usize,
    pub(crate) max_part: usize,
    /// All parts together, those that are left out as well.
    pub(crate) max_parts: usize,
    /// Between two pieces of the body.
    pub(crate) timeout: Duration,
}

/// Reads all parts. `when_large` says what becomes of one over `max_part`.
///
/// While the form is read, `memory` pays for all that has arrived and is not passed over yet.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: &mut Incoming,
    encoding: ContentEncoding,
    limits: &FormLimits,
    memory: Reservation,
    when_large: impl Fn(&str) -> WhenLarge,
) -> Result<Form, FormError> {
    let boundary = multer::parse_boundary(content_type(headers)).map_err(FormError::Form)?;
    if boundary.len() > MAX_BOUNDARY {
        return Err(FormError::LargeBoundary);
    }
    let ahead = Arc::new(Mutex::new(Ahead { memory, bytes: 0 }));
    let body = passthrough::decoded_in_place(body, encoding, limits.max_body);
    let pieces = Pieces { body, ahead: Arc::clone(&ahead), yields: false };
    let mut form = multer::Multipart::new(pieces, boundary);
    let mut parts = Vec::new();
    let mut skipped_files = (0, 0);
    let (mut total, mut kept) = (0_usize, 0_usize);
    while let Some(mut field) = within(limits.timeout, form.next_field()).await? {
        if parts.len() == MAX_PARTS {
            return Err(FormError::TooMany);
        }
        let name = field.name().map(str::to_owned);
        let when_large = when_large(name.as_deref().unwrap_or_default());
        let mut part = Part {
            name,
            filename: field.file_name().map(str::to_owned),
            media_type: field.content_type().cloned(),
            content: Bytes::new(),
        };
        kept += part.head_len();
        settle(&ahead, kept, 0)?;
        let mut content = BytesMut::new();
        let (mut size, mut is_large) = (0, false);
        while let Some(piece) = within(limits.timeout, field.chunk()).await? {
            total = total.saturating_add(piece.len());
            size += piece.len();
            if total > limits.max_parts {
                return Err(FormError::TooLarge);
            }
            if content.len() + piece.len() > limits.max_part {
                is_large = true;
                if when_large == WhenLarge::Refuse {
                    let name = part.name.unwrap_or_default();
                    return Err(FormError::LargePart { name, limit: limits.max_part });
                }
                content = BytesMut::new();
            }
            if !is_large {
                content.extend_from_slice(&piece);
            }
            settle(&ahead, kept + content.len(), piece.len())?;
        }
        if is_large {
            kept -= part.head_len();
            if part.filename.is_some() {
                skipped_files = (skipped_files.0 + 1, skipped_files.1 + size as u64);
            }
        } else {
            kept += content.len();
            part.content = content.freeze();
            parts.push(part);
        }
    }
    drop(form);
    let ahead = Arc::into_inner(ahead).expect("the form, which had the other, is gone");
    let Ahead { mut memory, .. } = ahead.into_inner().unwrap_or_else(PoisonError::into_inner);
    memory.shrink_to(kept);
    Ok(Form { parts, memory, skipped_files })
}

impl Part {
    /// What is kept of its head.
    fn head_len(&self) -> usize {
        let texts = [self.name.as_deref(), self.filename.as_deref()];
        let media_type = self.media_type.as_ref().map(AsRef::as_ref);
        texts.into_iter().chain([media_type]).flatten().map(str::len).sum()
    }
}

/// The parser got on. What is kept stays paid for, and something for what it has read ahead.
fn settle(ahead: &Mutex<Ahead>, kept: usize, piece: usize) -> Result<(), FormError> {
    let mut ahead = ahead.lock().unwrap_or_else(PoisonError::into_inner);
    ahead.bytes = 0;
    ahead.memory.shrink_to(kept + piece);
    ahead.memory.grow_to(kept).map_err(FormError::from)
}

impl From<OverBudget> for FormError {
    fn from(over: OverBudget) -> Self {
        match over {
            OverBudget::Now => Self::OverBudget,
            OverBudget::Ever => Self::TooLarge,
        }
    }
}

async fn within<T>(
    timeout: Duration,
    answer: impl Future<Output = multer::Result<T>>,
) -> Result<T, FormError> {
    let answer = tokio::time::timeout(timeout, answer).await.map_err(|_| FormError::Stalled)?;
    answer.map_err(|error| {
        let multer::Error::StreamReadFailed(source) = &error else {
            return FormError::Form(error);
        };
        if let Some(over) = source.downcast_ref::<OverBudget>() {
            FormError::from(*over)
        } else if source.is::<Endless>() {
            FormError::LargeHead
        } else if passthrough::is_too_large(&**source) {
            FormError::TooLarge
        } else {
            FormError::Form(error)
        }
    })
}

/// The body for the parser, one piece for each time it asks: it would read ahead of us as far as there is anything.
struct Pieces<'a> {
    body: passthrough::BodyInPlace<'a>,
    ahead: Arc<Mutex<Ahead>>,
    yields: bool,
}

/// What the parser was given.
struct Ahead {
    memory: Reservation,
    /// Since it last came to the head of a part or to a piece of its content.
    bytes: usize,
}

impl Ahead {
    fn give(&mut self, bytes: usize) -> Result<(), BoxError> {
        if self.bytes > MAX_HEAD {
            return Err(Endless.into());
        }
        self.bytes += bytes;
        Ok(self.memory.grow(bytes)?)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("nothing comes to an end")]
struct Endless;

impl Stream for Pieces<'_> {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.yields) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            let frame = match std::task::ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => frame,
            };
            let Ok(piece) = frame.into_data() else { continue };
            let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
            let given = ahead.give(piece.len());
            drop(ahead);
            self.yields = true;
            return Poll::Ready(Some(given.map(|()| piece)));
        }
    }
}
