//! Replies: what every answer carries, whichever endpoint made it.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, SERVER, VARY,
};
use http::{HeaderName, Method, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, SizeHint};
use relay_compression::{ContentEncoding, Encoder, Level};

use crate::budget::Reservation;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

pub(crate) type Reply = Response<ReplyBody>;

/// The `Server` header: SDKs and other relays tell versions apart by it.
pub(crate) const SERVER_NAME: &str = concat!("sentry-relay/", env!("CARGO_PKG_VERSION"));

/// Smaller answers are never compressed: a game engine's SDK depends on that (`spec/ingest.md` 3.1).
const COMPRESS_FROM: usize = 128;

pub(crate) fn empty(status: StatusCode) -> Reply {
    reply(status, None, Bytes::new())
}

pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> Reply {
    reply(status, Some("text/plain; charset=utf-8"), text.into())
}

pub(crate) fn json(status: StatusCode, json: impl Into<Bytes>) -> Reply {
    reply(status, Some("application/json"), json.into())
}

pub(crate) fn reply(status: StatusCode, content_type: Option<&'static str>, body: Bytes) -> Reply {
    let mut reply = Response::new(ReplyBody::whole(body));
    *reply.status_mut() = status;
    if let Some(content_type) = content_type {
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    reply
}

/// Lets an answer hold its share of the budget until the client has it.
pub(crate) fn holding(mut reply: Reply, memory: Reservation) -> Reply {
    reply.body_mut().memory = Some(memory);
    reply
}

pub(crate) fn method_not_allowed(allow: &'static str) -> Reply {
    let mut reply = empty(StatusCode::METHOD_NOT_ALLOWED);
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    reply
}

/// The fixed answer to any `OPTIONS` of an ingest route (`spec/ingest.md` 3.3).
pub(crate) fn preflight(allow: &'static str) -> Reply {
    let mut reply = empty(StatusCode::OK);
    let headers = reply.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(allow));
    headers.insert("access-control-allow-methods", HeaderValue::from_static("POST"));
    headers.insert(
        "access-control-allow-headers",
        HeaderValue::from_static(
            "x-sentry-auth,x-requested-with,x-forwarded-for,origin,referer,accept,content-type,\
             authentication,authorization,content-encoding,transfer-encoding",
        ),
    );
    headers.insert("access-control-max-age", HeaderValue::from_static("3600"));
    reply
}

const ALLOW_ORIGIN: HeaderName = HeaderName::from_static("access-control-allow-origin");
const EXPOSE_HEADERS: HeaderName = HeaderName::from_static("access-control-expose-headers");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Lets pages of any origin read the answer of an ingest route (`spec/ingest.md` 3.3).
pub(crate) fn with_cors(mut reply: Reply, method: &Method) -> Reply {
    let headers = reply.headers_mut();
    headers.insert(ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        VARY,
        HeaderValue::from_static(
            "origin, access-control-request-method, access-control-request-headers",
        ),
    );
    if method != Method::OPTIONS {
        headers.insert(
            EXPOSE_HEADERS,
            HeaderValue::from_static("x-sentry-error,x-sentry-rate-limits,retry-after"),
        );
    }
    reply
}

/// Adds what every answer carries, and compresses a whole body if `accept_encoding` allows.
pub(crate) fn finish(mut reply: Reply, accept_encoding: Option<&HeaderValue>) -> Reply {
    let headers = reply.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static(SERVER_NAME));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    match &reply.body().content {
        Content::Whole(bytes) if bytes.len() >= COMPRESS_FROM => {
            reply.headers_mut().append(VARY, HeaderValue::from_static("accept-encoding"));
            compress(reply, accept_encoding)
        }
        _ => reply,
    }
}

/// The answer to a `HEAD`: what would be told of the body, and none. (Over HTTP/2 nobody else takes it off.)
pub(crate) fn without_body(mut reply: Reply) -> Reply {
    match &reply.body().content {
        Content::Whole(bytes) => {
            let length = bytes.len();
            reply.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        Content::Chunked(_) => {}
        // The upstream has done so.
        Content::Stream(_) => return reply,
    }
    *reply.body_mut() = ReplyBody::whole(Bytes::new());
    reply
}

fn compress(mut reply: Reply, accept_encoding: Option<&HeaderValue>) -> Reply {
    let accepted =
        accept_encoding.and_then(|value| value.to_str().ok()).and_then(preferred_encoding);
    let ReplyBody { content, memory } = reply.body_mut();
    let (Some(encoding), Content::Whole(bytes)) = (accepted, &*content) else { return reply };
    // Without room for both it goes as it is.
    if memory.as_mut().is_some_and(|memory| memory.grow(bytes.len()).is_err()) {
        return reply;
    }
    let Ok(compressed) = Encoder::new(encoding, Level::default_for(encoding)).encode([&bytes[..]])
    else {
        return reply;
    };
    if let Some(memory) = memory {
        memory.shrink_to(compressed.len());
    }
    *content = Content::Chunked(Some(compressed));
    reply.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(encoding.as_str()));
    reply
}

/// The encoding to answer in: the highest `q`, and among equals zstd, br, gzip, deflate. A `*` names none.
fn preferred_encoding(accept: &str) -> Option<ContentEncoding> {
    let mut best: Option<(u16, u8, ContentEncoding)> = None;
    for entry in accept.split(',') {
        let mut parts = entry.split(';').map(str::trim);
        let (rank, encoding) = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str()
        {
            "zstd" => (4, ContentEncoding::Zstd),
            "br" => (3, ContentEncoding::Br),
            "gzip" | "x-gzip" => (2, ContentEncoding::Gzip),
            "deflate" => (1, ContentEncoding::Deflate),
            "identity" => (0, ContentEncoding::Identity),
            _ => continue,
        };
        let weight =
            parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok());
        let weight =
            weight.filter(|q: &f32| (0.0..=1.0).contains(q)).map_or(0, |q| (q * 1000.0) as u16);
        if weight > 0 && best.is_none_or(|(w, r, _)| (weight, rank) > (w, r)) {
            best = Some((weight, rank, encoding));
        }
    }
    best.map(|(.., encoding)| encoding).filter(|encoding| *encoding != ContentEncoding::Identity)
}

/// What an answer holds.
pub(crate) struct ReplyBody {
    content: Content,
    /// What it takes of the budget, where it can be large.
    memory: Option<Reservation>,
}

enum Content {
    /// Bytes, announced by `Content-Length`.
    Whole(Bytes),
    /// Bytes of unannounced length.
    Chunked(Option<Bytes>),
    /// Somebody else's answer, passing through.
    Stream(UnsyncBoxBody<Bytes, BoxError>),
}

impl ReplyBody {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { content: Content::Whole(bytes.into()), memory: None }
    }

    pub(crate) fn stream(body: UnsyncBoxBody<Bytes, BoxError>) -> Self {
        Self { content: Content::Stream(body), memory: None }
    }
}

/// Bytes that are on their way to the client, and their share of the budget.
struct Held {
    bytes: Bytes,
    _memory: Reservation,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { content, memory } = self.get_mut();
        let bytes = match content {
            Content::Whole(bytes) if bytes.is_empty() => None,
            Content::Whole(bytes) => Some(std::mem::take(bytes)),
            Content::Chunked(bytes) => bytes.take(),
            Content::Stream(stream) => return Pin::new(stream).poll_frame(cx),
        };
        // This body may be gone before its bytes are.
        let bytes = bytes.map(|bytes| match memory.take() {
            Some(memory) => Bytes::from_owner(Held { bytes, _memory: memory }),
            None => bytes,
        });
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Chunked(bytes) => bytes.is_none(),
            Content::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Chunked(_) => SizeHint::new(),
            Content::Stream(stream) => stream.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::budget::Budget;

    #[tokio::test]
    async fn an_answer_holds_its_memory_as_long_as_its_bytes() {
        let accepted = HeaderValue::from_static("gzip");
        for accept_encoding in [None, Some(&accepted)] {
            let budget = Budget::new(1000);
            let memory = budget.reserve(400).expect("400 of 1000 fit");
            let answer = holding(text(StatusCode::OK, vec![0; 400]), memory);
            let mut body = finish(answer, accept_encoding).into_body();
            let bytes = body.frame().await.expect("bytes").expect("no error").into_data();
            let bytes = bytes.expect("bytes");
            drop(body);
            assert!(budget.reserve(1000 - bytes.len() + 1).is_err());
            drop(bytes);
            assert!(budget.reserve(800).is_ok());
        }
    }

    #[test]
    fn the_encoding_of_an_answer_follows_weight_then_rank() {
        let cases = [
            ("gzip", Some(ContentEncoding::Gzip)),
            ("gzip, deflate, br, zstd", Some(ContentEncoding::Zstd)),
            ("gzip;q=1.0, br;q=0.5", Some(ContentEncoding::Gzip)),
            ("deflate, gzip;q=0", Some(ContentEncoding::Deflate)),
            ("*", None),
            ("identity, gzip;q=0.5", None),
            ("gzip;q=banana", None),
            ("", None),
        ];
        for (accept, expected) in cases {
            assert_eq!(preferred_encoding(accept), expected, "{accept}");
        }
    }
}
