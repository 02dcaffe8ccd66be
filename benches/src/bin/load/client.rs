//! The load: a closed loop over a fixed number of connections, as SDKs post.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Result;

/// Where an SDK with the key below posts; the project is arbitrary.
pub(crate) const ENVELOPE_PATH: &str = "/api/42/envelope/";
const X_SENTRY_AUTH: HeaderName = HeaderName::from_static("x-sentry-auth");
const AUTH: HeaderValue = HeaderValue::from_static(
    "Sentry sentry_key=b70a31b3510c4cf793964a185cfe1fd0, sentry_version=7, sentry_client=load/1.0",
);

/// How much is sent, and by how many at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Over all connections.
    pub(crate) requests: usize,
    /// Each has one request in flight and sends the next when the answer is there.
    pub(crate) connections: usize,
}

/// What the sender saw. Everything was answered `200`, or there would be an error in place of this.
#[derive(Debug)]
pub(crate) struct Sent {
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// Of every request, in ascending order.
    latencies: Vec<Duration>,
}

impl Sent {
    /// The latency that the given share of the requests did not exceed.
    pub(crate) fn latency(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let rank = (last as f64 * share).round() as usize;
        self.latencies.get(rank).copied().unwrap_or_default()
    }
}

/// One HTTP/1.1 connection.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Its error reaches the sender too, who reports it.
        tokio::spawn(connection);
        Ok(Self { sender, host: HeaderValue::try_from(address.to_string())? })
    }

    /// Posts a gzip envelope; any answer but `200` is an error.
    pub(crate) async fn post(&mut self, body: Bytes) -> Result<()> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = http::Uri::from_static(ENVELOPE_PATH);
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-sentry-envelope"));
        headers.insert(X_SENTRY_AUTH, AUTH);
        self.send(request).await.map(drop)
    }

    /// The body of a `200` answer to a `GET`.
    pub(crate) async fn fetch(&mut self, path: &'static str) -> Result<Bytes> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = http::Uri::from_static(path);
        request.headers_mut().insert(HOST, self.host.clone());
        self.send(request).await
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Bytes> {
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        if head.status != StatusCode::OK {
            let body = String::from_utf8_lossy(&body);
            return Err(format!("answered {}: {body}", head.status).into());
        }
        Ok(body)
    }
}

/// Sends `bodies` in rotation to `address`. Every connection is open before the first request goes out.
pub(crate) async fn send(address: SocketAddr, bodies: &Arc<[Bytes]>, load: &Load) -> Result<Sent> {
    let mut connections = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        connections.push(Connection::open(address).await?);
    }

    let next = Arc::new(AtomicUsize::new(0));
    let requests = load.requests;
    let started = Instant::now();
    let mut loops = JoinSet::new();
    for mut connection in connections {
        let (next, bodies) = (Arc::clone(&next), Arc::clone(bodies));
        loops.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let ticket = next.fetch_add(1, Relaxed);
                if ticket >= requests {
                    return Result::Ok(latencies);
                }
                let asked = Instant::now();
                connection.post(bodies[ticket % bodies.len()].clone()).await?;
                latencies.push(asked.elapsed());
            }
        });
    }
    let mut latencies = Vec::with_capacity(requests);
    while let Some(done) = loops.join_next().await {
        latencies.append(&mut done??);
    }
    let elapsed = started.elapsed();
    latencies.sort_unstable();
    Ok(Sent { elapsed, latencies })
}
