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
const MAX_PARTS: usize = 1000;

/// Why a form was not read. The texts are those of the protocol (`spec/ingest.md` 3.2).
#[derive(Debug, thiserror::Error)]
pub(crate) enum FormError {
    #[error(transparent)]
    Form(multer::Error),
    #[error("field {name:?} exceeded the size limit: {limit} bytes")]
    LargePart { name: String, limit: usize },
    #[error("more than {MAX_PARTS} fields")]
    TooMany,
    /// All parts together, or the whole body.
    #[error("request content exceeded size limits")]
    TooLarge,
    #[error("relay is running out of memory")]
    OverBudget,
    #[error("the body stopped arriving")]
    Stalled,
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
    /// It is left out, as if it had not been sent.
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
/// The memory that comes back pays for the contents; while the form is read it pays for all that has arrived and is not
/// passed over yet.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: &mut Incoming,
    encoding: ContentEncoding,
    limits: &FormLimits,
    memory: Reservation,
    when_large: impl Fn(&str) -> WhenLarge,
) -> Result<(Vec<Part>, Reservation), FormError> {
    let boundary = multer::parse_boundary(content_type(headers)).map_err(FormError::Form)?;
    let memory = Arc::new(Mutex::new(memory));
    let body = passthrough::decoded_in_place(body, encoding, limits.max_body);
    let pieces = Pieces { body, memory: Arc::clone(&memory), yields: false };
    let mut form = multer::Multipart::new(pieces, boundary);
    let mut parts = Vec::new();
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
        let mut content = BytesMut::new();
        let mut is_large = false;
        while let Some(piece) = within(limits.timeout, field.chunk()).await? {
            total = total.saturating_add(piece.len());
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
            settle(&memory, kept + content.len(), piece.len())?;
        }
        if !is_large {
            kept += content.len();
            part.content = content.freeze();
            parts.push(part);
        }
    }
    drop(form);
    let memory = Arc::into_inner(memory).expect("the form, which had the other, is gone");
    let mut memory = memory.into_inner().unwrap_or_else(PoisonError::into_inner);
    memory.shrink_to(kept);
    Ok((parts, memory))
}

/// What is kept stays paid for, and something for what the parser has read ahead.
fn settle(memory: &Mutex<Reservation>, kept: usize, ahead: usize) -> Result<(), FormError> {
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    memory.shrink_to(kept + ahead);
    memory.grow_to(kept).map_err(|OverBudget| FormError::OverBudget)
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
        if source.is::<OverBudget>() {
            FormError::OverBudget
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
    memory: Arc<Mutex<Reservation>>,
    yields: bool,
}

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
            let paid = self.memory.lock().unwrap_or_else(PoisonError::into_inner).grow(piece.len());
            self.yields = true;
            return Poll::Ready(Some(paid.map(|()| piece).map_err(BoxError::from)));
        }
    }
}
