//! The load: a closed loop over a fixed number of connections, as SDKs post.

use std::error::Error;
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

/// What the sender saw.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Requests answered `503`: there was no room for them. All others were accepted.
    pub(crate) refused: usize,
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

    /// Posts a gzip envelope. Whether it was accepted: there may be no room for it just now, which is answered
    /// `503`. Any other answer is an error.
    pub(crate) async fn post(&mut self, body: Bytes) -> Result<bool> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = http::Uri::from_static(ENVELOPE_PATH);
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-sentry-envelope"));
        headers.insert(X_SENTRY_AUTH, AUTH);
        match self.send(request).await? {
            (StatusCode::OK, _) => Ok(true),
            (StatusCode::SERVICE_UNAVAILABLE, _) => Ok(false),
            answer => Err(unexpected(answer)),
        }
    }

    /// The body of a `200` answer to a `GET`.
    pub(crate) async fn fetch(&mut self, path: &'static str) -> Result<Bytes> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = http::Uri::from_static(path);
        request.headers_mut().insert(HOST, self.host.clone());
        match self.send(request).await? {
            (StatusCode::OK, body) => Ok(body),
            answer => Err(unexpected(answer)),
        }
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes)> {
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        Ok((head.status, body.collect().await?.to_bytes()))
    }
}

fn unexpected((status, body): (StatusCode, Bytes)) -> Box<dyn Error + Send + Sync> {
    format!("answered {status}: {}", String::from_utf8_lossy(&body)).into()
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
            let (mut latencies, mut refused) = (Vec::new(), 0);
            loop {
                let ticket = next.fetch_add(1, Relaxed);
                if ticket >= requests {
                    return Result::Ok((latencies, refused));
                }
                let asked = Instant::now();
                let is_accepted = connection.post(bodies[ticket % bodies.len()].clone()).await?;
                refused += usize::from(!is_accepted);
                latencies.push(asked.elapsed());
            }
        });
    }
    let mut sent =
        Sent { refused: 0, elapsed: Duration::ZERO, latencies: Vec::with_capacity(requests) };
    while let Some(done) = loops.join_next().await {
        let (mut latencies, refused) = done??;
        sent.latencies.append(&mut latencies);
        sent.refused += refused;
    }
    sent.elapsed = started.elapsed();
    sent.latencies.sort_unstable();
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_that_of_the_request_at_the_given_share() {
        let latencies = (1..=101).map(Duration::from_millis).collect();
        let sent = Sent { refused: 0, elapsed: Duration::from_secs(1), latencies };
        assert_eq!(sent.latency(0.0), Duration::from_millis(1));
        assert_eq!(sent.latency(0.5), Duration::from_millis(51));
        assert_eq!(sent.latency(1.0), Duration::from_millis(101));
        assert_eq!(Sent { latencies: Vec::new(), ..sent }.latency(0.5), Duration::ZERO);
    }
}
