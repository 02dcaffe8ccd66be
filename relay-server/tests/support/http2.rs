//! HTTP/2 in clear text, with prior knowledge.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::client::Request;
use super::wire::Message;

/// Sends all requests at once over one connection; the answers come in the order of the requests.
pub(crate) fn exchange(relay: SocketAddr, requests: &[Request]) -> Vec<Message> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    runtime.expect("a runtime").block_on(async {
        let stream = tokio::net::TcpStream::connect(relay).await.expect("the relay listens");
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .expect("the relay speaks HTTP/2");
        tokio::spawn(connection);
        let answers: Vec<_> = requests
            .iter()
            .map(|request| {
                let mut sender = sender.clone();
                let request = request.to_http(relay).map(|body| Full::new(Bytes::from(body)));
                tokio::spawn(async move {
                    let answer = sender.send_request(request).await.expect("an answer");
                    let (head, body) = answer.into_parts();
                    let body = body.collect().await.expect("all of the answer").to_bytes();
                    message(&head, &body)
                })
            })
            .collect();
        let mut messages = Vec::new();
        for answer in answers {
            messages.push(answer.await.expect("a task that does not panic"));
        }
        messages
    })
}

/// Sends `abandoned`, gives it up once it is under way, and then sends `last`, whose answer comes back.
pub(crate) fn abandon(
    relay: SocketAddr,
    abandoned: &Request,
    is_under_way: impl FnOnce(),
    last: &Request,
) -> Message {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_io().build();
    runtime.expect("a runtime").block_on(async {
        let stream = tokio::net::TcpStream::connect(relay).await.expect("the relay listens");
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .expect("the relay speaks HTTP/2");
        tokio::spawn(connection);
        let body = |body| Full::new(Bytes::from(body));
        let answer = tokio::spawn(sender.send_request(abandoned.to_http(relay).map(body)));
        is_under_way();
        answer.abort();
        assert!(answer.await.is_err_and(|error| error.is_cancelled()), "it was answered");
        // Behind the reset, on the same connection.
        let answer = sender.send_request(last.to_http(relay).map(body)).await.expect("an answer");
        let (head, body) = answer.into_parts();
        message(&head, &body.collect().await.expect("all of the answer").to_bytes())
    })
}

fn message(head: &http::response::Parts, body: &[u8]) -> Message {
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), value.as_bytes().iter().copied().map(char::from).collect())
    };
    Message {
        start_line: format!("{:?} {} -", head.version, head.status.as_str()),
        headers: head.headers.iter().map(header).collect(),
        body: body.to_vec(),
    }
}
