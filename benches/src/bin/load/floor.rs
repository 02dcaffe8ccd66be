//! Floors: servers that do only part of what a relay must, with nothing but the libraries a relay stands
//! on. They show what a request costs at least, and by how much the relay misses that.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};
use http::header::{CONTENT_ENCODING, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use crate::Result;
use crate::client::ENVELOPE_PATH;
use crate::serve::{self, Answer};

/// How much of a relay's work a floor does. Each does what those before it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Floor {
    /// Read the request, answer `200`.
    Answer,
    /// Post the body to the upstream as it came, from a task of its own, after the answer.
    Forward,
    /// Inflate the body, read the envelope and item headers, compress with zstd 1.
    FloorP,
    /// Parse and write every JSON payload.
    FloorS,
}

impl Floor {
    /// In ascending order of work.
    pub(crate) const ALL: [Self; 4] = [Self::Answer, Self::Forward, Self::FloorP, Self::FloorS];

    /// The column of the table in `docs/benchmarks.md`.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Answer => "read and answer",
            Self::Forward => "+ forward as is",
            Self::FloorP => "floor P: + inflate, read headers, zstd 1",
            Self::FloorS => "floor S: + JSON parse and write",
        }
    }

    /// Whether requests arrive at the upstream.
    pub(crate) fn forwards(self) -> bool {
        self != Self::Answer
    }
}

#[derive(Debug)]
struct Server {
    floor: Floor,
    upstream: Uri,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// Serves for ever; prints the address it listens on.
pub(crate) async fn serve(floor: Floor, upstream: SocketAddr, listen: SocketAddr) -> Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let upstream = format!("http://{upstream}{ENVELOPE_PATH}").parse()?;
    let server = Arc::new(Server { floor, upstream, client });
    serve::serve(listen, move |request| answer(Arc::clone(&server), request)).await
}

async fn answer(server: Arc<Server>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let rewritten = match body.collect().await {
        Ok(body) => rewrite(server.floor, &head.headers, body.to_bytes()),
        Err(error) => Err(error.into()),
    };
    let mut response = Response::new(Full::from(r#"{"id":"9ec79c33ec9942ab8353589fcb2e04dc"}"#));
    match rewritten {
        Ok((body, encoding)) if server.floor.forwards() => {
            drop(tokio::spawn(forward(server, body, encoding)))
        }
        Ok(_) => {}
        Err(error) => {
            *response.status_mut() = StatusCode::BAD_REQUEST;
            *response.body_mut() = Full::from(error.to_string());
        }
    }
    Ok(response)
}

/// The body to forward and its encoding.
fn rewrite(floor: Floor, headers: &HeaderMap, body: Bytes) -> Result<(Bytes, Option<HeaderValue>)> {
    match floor {
        Floor::Answer | Floor::Forward => Ok((body, headers.get(CONTENT_ENCODING).cloned())),
        Floor::FloorP | Floor::FloorS => {
            let body =
                CODEC.with_borrow_mut(|codec| codec.rewrite(&body, floor == Floor::FloorS))?;
            Ok((body, Some(HeaderValue::from_static("zstd"))))
        }
    }
}

async fn forward(server: Arc<Server>, body: Bytes, encoding: Option<HeaderValue>) {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = server.upstream.clone();
    if let Some(encoding) = encoding {
        request.headers_mut().insert(CONTENT_ENCODING, encoding);
    }
    let answer =
        async { Result::Ok(server.client.request(request).await?.into_body().collect().await?) };
    if let Err(error) = answer.await {
        eprintln!("the upstream did not take a request: {error}");
    }
}

thread_local! {
    static CODEC: RefCell<Codec> = RefCell::new(Codec::new());
}

/// Contexts and buffers that a thread keeps: making them anew costs as much as the work on a small body.
struct Codec {
    inflate: Decompress,
    plain: Vec<u8>,
    written: Vec<u8>,
    zstd: zstd::bulk::Compressor<'static>,
    compressed: Vec<u8>,
}

/// The part of an envelope header that a server must know.
#[derive(Deserialize)]
struct EnvelopeHeader<'a> {
    #[serde(borrow, rename = "event_id")]
    _event_id: Option<&'a str>,
}

/// The part of an item header that a server must know. The corpus always gives a length.
#[derive(Deserialize)]
struct ItemHeader<'a> {
    #[serde(rename = "type")]
    ty: &'a str,
    length: usize,
}

impl Codec {
    fn new() -> Self {
        Self {
            inflate: Decompress::new_gzip(15),
            plain: Vec::new(),
            written: Vec::new(),
            zstd: zstd::bulk::Compressor::new(1).expect("zstd has a level 1"),
            compressed: Vec::new(),
        }
    }

    fn rewrite(&mut self, body: &[u8], through_json: bool) -> Result<Bytes> {
        self.inflate(body)?;
        self.read(through_json)?;
        let source = if through_json { &self.written } else { &self.plain };
        self.compressed.clear();
        self.compressed.reserve(zstd::zstd_safe::compress_bound(source.len()));
        self.zstd.compress_to_buffer(source, &mut self.compressed)?;
        Ok(Bytes::copy_from_slice(&self.compressed))
    }

    fn inflate(&mut self, body: &[u8]) -> Result<()> {
        self.inflate.reset(true);
        self.plain.clear();
        self.plain.reserve(body.len() * 4);
        loop {
            let read = self.inflate.total_in() as usize;
            let rest = body.get(read..).unwrap_or_default();
            match self.inflate.decompress_vec(rest, &mut self.plain, FlushDecompress::None)? {
                Status::StreamEnd => return Ok(()),
                _ if self.plain.len() == self.plain.capacity() => {
                    self.plain.reserve(self.plain.len().max(1))
                }
                _ if self.inflate.total_in() as usize == read => {
                    return Err("the gzip stream is cut short".into());
                }
                _ => {}
            }
        }
    }

    /// Reads every header; with `through_json` every JSON payload too, and writes what it read.
    fn read(&mut self, through_json: bool) -> Result<()> {
        let (header, mut rest) = line(&self.plain)?;
        serde_json::from_slice::<EnvelopeHeader<'_>>(header)?;
        self.written.clear();
        if through_json {
            self.written.extend_from_slice(header);
        }
        while !rest.is_empty() {
            let (header, payload) = line(rest)?;
            let item: ItemHeader<'_> = serde_json::from_slice(header)?;
            let (payload, after) =
                payload.split_at_checked(item.length).ok_or("an item is cut short")?;
            rest = after.strip_prefix(b"\n").unwrap_or(after);
            if through_json {
                self.written.push(b'\n');
                if item.ty == "attachment" {
                    self.written.extend_from_slice(header);
                    self.written.push(b'\n');
                    self.written.extend_from_slice(payload);
                } else {
                    let value: serde_json::Value = serde_json::from_slice(payload)?;
                    let payload = serde_json::to_vec(&value)?;
                    let header = serde_json::json!({"type": item.ty, "length": payload.len()});
                    serde_json::to_writer(&mut self.written, &header)?;
                    self.written.push(b'\n');
                    self.written.extend_from_slice(&payload);
                }
            }
        }
        Ok(())
    }
}

/// Splits off the first line.
fn line(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', bytes).ok_or("a header without an end")?;
    Ok((&bytes[..end], &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::shape::Shape;

    fn inflated(body: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(body).read_to_end(&mut plain).unwrap();
        plain
    }

    /// The payloads; the JSON ones parsed, so that the order of keys does not matter.
    fn payloads(envelope: &[u8]) -> Vec<std::result::Result<serde_json::Value, Vec<u8>>> {
        let (_, mut rest) = line(envelope).unwrap();
        let mut payloads = Vec::new();
        while !rest.is_empty() {
            let (header, payload) = line(rest).unwrap();
            let item: ItemHeader<'_> = serde_json::from_slice(header).unwrap();
            let (payload, after) = payload.split_at(item.length);
            payloads.push(serde_json::from_slice(payload).map_err(|_| payload.to_vec()));
            rest = after.strip_prefix(b"\n").unwrap_or(after);
        }
        payloads
    }

    #[test]
    fn floor_p_forwards_every_shape_unchanged() {
        for shape in Shape::ALL {
            for body in shape.bodies().unwrap().iter().take(3) {
                let (forwarded, _) =
                    rewrite(Floor::FloorP, &HeaderMap::new(), body.clone()).unwrap();
                assert!(
                    zstd::decode_all(&forwarded[..]).unwrap() == inflated(body),
                    "{}",
                    shape.name
                );
            }
        }
    }

    #[test]
    fn floor_s_forwards_every_shape_with_the_same_payloads() {
        for shape in Shape::ALL {
            for body in shape.bodies().unwrap().iter().take(3) {
                let (forwarded, _) =
                    rewrite(Floor::FloorS, &HeaderMap::new(), body.clone()).unwrap();
                let forwarded = zstd::decode_all(&forwarded[..]).unwrap();
                assert!(payloads(&forwarded) == payloads(&inflated(body)), "{}", shape.name);
            }
        }
    }

    #[test]
    fn a_body_that_is_cut_short_is_refused() {
        let bodies = Shape::ERROR_3K.bodies().unwrap();
        let body = bodies[0].slice(..bodies[0].len() / 2);
        assert!(rewrite(Floor::FloorP, &HeaderMap::new(), body).is_err());
    }
}
