//! Passthrough: API requests that are not ours go to the upstream and come back, streamed both ways
//! (`spec/ingest.md` 3.13).

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderName, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use relay_compression::{ContentEncoding, DecodeError, Decoder};

use tokio::time::{Instant, Sleep};

use crate::client::{ClientError, RequestBody};
use crate::forwarded::{Chain, remove_unbelieved};
use crate::relay::{Relay, Worker};
use crate::reply::{BoxError, Reply, ReplyBody, empty, text};
use crate::service::unread;

/// Not passed on to the upstream: they belong to this connection or to the encoding we take off.
const NOT_FORWARDED: [HeaderName; 10] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HOST,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
];

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whether a request for `path` may be passed through at all.
pub(crate) fn is_eligible(relay: &Relay, path: &str) -> bool {
    relay.has_upstream()
        && relay.config.http.forward
        && path.starts_with("/api/")
        && path != "/api/"
}

/// Sends the request on and hands the answer back.
pub(crate) async fn pass_through(
    worker: &Worker,
    request: Request<Incoming>,
    path: &str,
    encoding: ContentEncoding,
    peer: IpAddr,
) -> Reply {
    let limit = body_limit(&worker.relay, path);
    let announced = request.body().size_hint().exact();
    if announced.is_some_and(|length| length > limit as u64) {
        let refusal = text(StatusCode::PAYLOAD_TOO_LARGE, "length limit exceeded");
        return unread(request, refusal).await;
    }
    let client_decodes = request.headers().contains_key(ACCEPT_ENCODING);
    let request = match rewrite(worker, request, path, encoding, peer, limit) {
        Ok(request) => request,
        Err(error) => {
            tracing::debug!(%error, "a request could not be written for the upstream");
            return empty(StatusCode::BAD_REQUEST);
        }
    };
    match worker.client.stream(request, worker.relay.config.http.timeout).await {
        Ok(answer) => hand_back(answer, client_decodes, worker.relay.config.limits.body_timeout),
        Err(error) => {
            let status = match &error {
                ClientError::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
                _ if is_too_large(&error) => StatusCode::PAYLOAD_TOO_LARGE,
                _ => StatusCode::BAD_GATEWAY,
            };
            tracing::debug!(%error, %status, "a request could not be passed through");
            empty(status)
        }
    }
}

fn body_limit(relay: &Relay, path: &str) -> usize {
    let limits = &relay.config.limits;
    let segments: Vec<&str> = path.split('/').skip(3).collect();
    match (path.starts_with("/api/0/"), segments.as_slice()) {
        (true, ["projects", _, _, "releases", _, "files" | "dsyms", ""]) => {
            limits.max_api_file_upload_size
        }
        (true, ["organizations", _, "chunk-upload", ""]) => limits.max_api_chunk_upload_size,
        _ => limits.max_api_payload_size,
    }
}

fn rewrite(
    worker: &Worker,
    request: Request<Incoming>,
    path: &str,
    encoding: ContentEncoding,
    peer: IpAddr,
    limit: usize,
) -> Result<Request<RequestBody>, http::Error> {
    let (mut head, body) = request.into_parts();
    let settings = &worker.relay.config.forwarded;
    let forwarded_for = Chain::of(&head.headers, peer, settings).text;
    remove_unbelieved(&mut head.headers, settings);
    for name in &NOT_FORWARDED {
        head.headers.remove(name);
    }
    head.headers.append(FORWARDED_FOR, HeaderValue::try_from(forwarded_for)?);
    head.headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    head.headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("gzip"));
    if let Some(host) = &worker.relay.config.http.host_header {
        head.headers.insert(HOST, HeaderValue::try_from(host)?);
    }
    let origin = worker.relay.config.upstream.as_str().trim_end_matches('/');
    let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let uri: Uri = format!("{origin}{path}{query}").parse()?;

    let mut forwarded = Request::new(decoded(body, encoding, limit));
    *forwarded.method_mut() = head.method;
    *forwarded.uri_mut() = uri;
    *forwarded.headers_mut() = head.headers;
    Ok(forwarded)
}

/// A request body as it goes on: plain, and failing once it is longer than `limit`.
pub(crate) fn decoded(body: Incoming, encoding: ContentEncoding, limit: usize) -> RequestBody {
    let body = Bounded { inner: body, left: limit };
    match encoding {
        ContentEncoding::Identity => body.boxed_unsync(),
        _ => Decoded::new(body, encoding, limit).boxed_unsync(),
    }
}

/// A body that stays where it is while it is read.
pub(crate) type BodyInPlace<'a> = Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send + 'a>>;

/// The same for somebody who reads it here.
pub(crate) fn decoded_in_place(
    body: &mut Incoming,
    encoding: ContentEncoding,
    limit: usize,
) -> BodyInPlace<'_> {
    let body = Bounded { inner: body, left: limit };
    match encoding {
        ContentEncoding::Identity => Box::pin(body),
        _ => Box::pin(Decoded::new(body, encoding, limit)),
    }
}

/// The upstream's answer as our own: its connection headers stay behind, and gzip that the client did not
/// ask for is taken off.
pub(crate) fn hand_back(
    answer: Response<Incoming>,
    client_decodes: bool,
    timeout: Duration,
) -> Reply {
    let (mut head, body) = answer.into_parts();
    let body = Patient { inner: body, timeout, patience: Box::pin(tokio::time::sleep(timeout)) };
    head.headers.remove(CONNECTION);
    head.headers.remove(TRANSFER_ENCODING);
    head.version = http::Version::HTTP_11;
    let is_gzip = head.headers.get(CONTENT_ENCODING).is_some_and(|value| value == "gzip");
    let body = if is_gzip && !client_decodes {
        head.headers.remove(CONTENT_ENCODING);
        head.headers.remove(CONTENT_LENGTH);
        Decoded::new(body, ContentEncoding::Gzip, usize::MAX).boxed_unsync()
    } else {
        body.boxed_unsync()
    };
    Response::from_parts(head, ReplyBody::stream(body))
}

pub(crate) fn is_too_large(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<TooLarge>()
            || matches!(error.downcast_ref(), Some(DecodeError::TooLarge { .. }))
        {
            return true;
        }
        cause = error.source();
    }
    false
}

#[derive(Debug, thiserror::Error)]
#[error("length limit exceeded")]
struct TooLarge;

/// A request body that fails once it is longer than its route allows.
struct Bounded<B> {
    inner: B,
    left: usize,
}

impl<B> Body for Bounded<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(frame) = ready!(Pin::new(&mut self.inner).poll_frame(cx)) else {
            return Poll::Ready(None);
        };
        let frame = frame.map_err(Into::into)?;
        let length = frame.data_ref().map_or(0, Bytes::len);
        Poll::Ready(Some(match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Ok(frame)
            }
            None => Err(TooLarge.into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the answer stopped arriving")]
struct Stalled;

/// An answer that fails when nothing comes of it for too long.
struct Patient {
    inner: Incoming,
    timeout: Duration,
    patience: Pin<Box<Sleep>>,
}

impl Body for Patient {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            let more_time = Instant::now() + self.timeout;
            self.patience.as_mut().reset(more_time);
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        ready!(self.patience.as_mut().poll(cx));
        Poll::Ready(Some(Err(Stalled.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A body with its content encoding taken off while it passes.
struct Decoded<B> {
    inner: B,
    decoder: Option<Decoder>,
    pending: Bytes,
}

impl<B> Decoded<B> {
    fn new(inner: B, encoding: ContentEncoding, limit: usize) -> Self {
        Self { inner, decoder: Some(Decoder::new(encoding, limit)), pending: Bytes::new() }
    }

    /// One step of decoding: data as soon as there is any.
    fn step(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let Some(decoder) = &mut self.decoder else { return Ok(None) };
        while !self.pending.is_empty() {
            let mut rest = &self.pending[..];
            decoder.write_some(&mut rest)?;
            let consumed = self.pending.len() - rest.len();
            drop(self.pending.split_to(consumed));
            let decoded = decoder.take();
            if !decoded.is_empty() {
                return Ok(Some(decoded));
            }
        }
        Ok(None)
    }
}

impl<B> Body for Decoded<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if let Some(decoded) = self.step()? {
                return Poll::Ready(Some(Ok(Frame::data(decoded))));
            }
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                Some(Ok(frame)) => self.pending = frame.into_data().unwrap_or_default(),
                None => {
                    let Some(decoder) = self.decoder.take() else { return Poll::Ready(None) };
                    let rest = decoder.finish()?;
                    if rest.is_empty() {
                        return Poll::Ready(None);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(rest))));
                }
            }
        }
    }
}
