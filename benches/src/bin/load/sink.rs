//! The upstream: takes everything, keeps only the count.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::client::Connection;
use crate::serve::{self, Answer};

/// What arrived since the sink started.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Received {
    /// Requests whose body arrived whole.
    pub(crate) requests: u64,
    /// Bytes of those bodies as sent, that is compressed.
    pub(crate) bytes: u64,
}

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    bytes: AtomicU64,
}

const RECEIVED: &str = "/received";

/// Answers `200 {}` to whatever is posted, and to `GET /received` with the counts.
pub(crate) async fn serve(listen: SocketAddr) -> Result<()> {
    let counters = Arc::new(Counters::default());
    serve::serve(listen, move |request| answer(Arc::clone(&counters), request)).await
}

async fn answer(counters: Arc<Counters>, request: Request<Incoming>) -> Answer {
    let (head, mut body) = request.into_parts();
    if head.method == Method::GET && head.uri.path() == RECEIVED {
        let received = Received {
            requests: counters.requests.load(Relaxed),
            bytes: counters.bytes.load(Relaxed),
        };
        let text = serde_json::to_vec(&received).expect("two numbers make JSON");
        return Ok(Response::new(Full::from(text)));
    }
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes += frame.data_ref().map_or(0, Bytes::len),
            // The sender gave up: not received.
            Err(_) => return Ok(Response::new(Full::default())),
        }
    }
    counters.bytes.fetch_add(bytes as u64, Relaxed);
    counters.requests.fetch_add(1, Relaxed);
    Ok(Response::new(Full::from("{}")))
}

/// Asks the sink at the other end of `connection`.
pub(crate) async fn received(connection: &mut Connection) -> Result<Received> {
    Ok(serde_json::from_slice(&connection.fetch(RECEIVED).await?)?)
}
