//! What must hold for any request: it is answered, without a fault of the relay, and what it brought is accounted for.
//! Shared by the targets whose subject is the server.
//!
//! Two relays: one forwards to the other, which captures. So what the first makes of a request is read by the second as by
//! any upstream, and must not be refused there. Both run in this process; a panic in any of their threads ends it.

#![allow(dead_code, reason = "each target uses a part of it")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use relay_server::config::{Config, Durability, Mode};
use relay_server::{Running, Stats};

/// A body larger than any input becomes by decoding is refused, so that bombs cost little.
const MEMORY: usize = 4 << 20;

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

struct Relays {
    proxy: Running,
    capture: Running,
}

static RELAYS: LazyLock<Relays> = LazyLock::new(|| {
    let mut config = Config { port: 0, ..Config::default() };
    config.spool.durability = Durability::Memory;
    config.limits.max_thread_count = Some(1);
    config.capture.max_size = MEMORY;
    let capture = relay_server::start(config.clone()).expect("a port that is free");

    config.mode = Mode::Proxy;
    config.upstream = format!("http://{}/", capture.local_addr()).parse().expect("an origin");
    config.limits.max_memory = MEMORY;
    config.tunnel.allow = vec!["sentry.example/*".parse().expect("a target")];
    Relays { proxy: relay_server::start(config).expect("a port that is free"), capture }
});

/// A request without the headers about framing, which follow from the body.
pub(crate) struct Request<'a> {
    pub(crate) method_and_target: &'a str,
    pub(crate) headers: Vec<&'a [u8]>,
    pub(crate) body: &'a [u8],
    pub(crate) framing: Framing<'a>,
}

/// How a body that is there is sent.
#[derive(Clone, Copy)]
pub(crate) enum Framing<'a> {
    Whole,
    /// In chunks of these lengths, the last of all that is left.
    Chunks(&'a [u8]),
}

impl Framing<'_> {
    /// Either, by the parity of the length.
    pub(crate) fn of(body: &[u8]) -> Self {
        if body.len().is_multiple_of(2) { Self::Whole } else { Self::Chunks(&[100]) }
    }
}

/// What became of a request.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) status: u16,
    /// Items that were read of it.
    pub(crate) received: u64,
    pub(crate) answer: Vec<u8>,
}

impl Outcome {
    /// Of uploads: the settings do not allow them. Else the memory is taken, by what still waits.
    pub(crate) fn is_busy(&self) -> bool {
        self.status == 503
    }

    /// What stands behind the head.
    pub(crate) fn body(&self) -> &[u8] {
        let end = self.answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        end.and_then(|end| self.answer.get(end + 4..)).unwrap_or_default()
    }
}

/// Sends the request and checks the answer, and the figures of both relays.
pub(crate) fn check(request: &Request<'_>) -> Outcome {
    let Relays { proxy, capture } = &*RELAYS;
    let target = request.method_and_target.split(' ').nth(1).unwrap_or_default();
    // The API that reads what was captured is only there.
    let is_capture_api = target.starts_with("/api/relay/");
    let before = proxy.stats();

    let address = if is_capture_api { capture.local_addr() } else { proxy.local_addr() };
    let (status, answer) = exchange(address, request);
    let is_encoded = request
        .headers
        .iter()
        .any(|line| line.to_ascii_lowercase().starts_with(b"content-encoding"));
    match status {
        100..500 => assert_ne!(status, 408, "all of it was sent at once"),
        // What passes through is decoded on the way, after the upstream was asked.
        502 => assert!(is_encoded, "the upstream answers"),
        503 => {}
        _ => panic!("status {status}"),
    }

    let settled = |stats: &Stats| stats.waiting == 0 && stats.adds_up();
    let stats = wait_for(proxy, settled);
    wait_for(capture, Stats::adds_up);
    let refused = refused_upstream(&stats) - refused_upstream(&before);
    assert_eq!(refused, 0, "refused by another relay: {stats:?}");
    Outcome { status, received: stats.received - before.received, answer }
}

fn refused_upstream(stats: &Stats) -> u64 {
    let refused = stats.discarded.iter().filter(|(reason, _)| reason.starts_with("upstream_"));
    refused.map(|(_, items)| items).sum()
}

/// Items are delivered and accounted for in tasks of their own, a moment later.
fn wait_for(relay: &Running, holds: impl Fn(&Stats) -> bool) -> Stats {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let stats = relay.stats();
        if holds(&stats) {
            return stats;
        }
        assert!(Instant::now() < deadline, "the figures do not add up: {stats:?}");
        std::thread::yield_now();
    }
}

/// The status of the answer, and all of it.
pub(crate) fn exchange(address: SocketAddr, request: &Request<'_>) -> (u16, Vec<u8>) {
    let mut bytes =
        format!("{} HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n", request.method_and_target)
            .into_bytes();
    for header in &request.headers {
        bytes.extend_from_slice(header);
        bytes.extend_from_slice(b"\r\n");
    }
    write_body(request, &mut bytes);
    let mut stream = TcpStream::connect(address).expect("the relay listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time that is not zero");
    stream.set_nodelay(true).expect("a socket option");
    // A head that is none may be refused, and the connection closed, before all of it is written.
    let _ = stream.write_all(&bytes);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let status = answer.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let status = status.and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
    let status = status.unwrap_or_else(|| {
        panic!("no answer but {:?}, {read:?}", answer.escape_ascii().to_string())
    });
    (status, answer)
}

fn write_body(request: &Request<'_>, bytes: &mut Vec<u8>) {
    match request.framing {
        // No framing for no body.
        _ if request.body.is_empty() => bytes.extend_from_slice(b"\r\n"),
        Framing::Whole => {
            let length = format!("Content-Length: {}\r\n\r\n", request.body.len());
            bytes.extend_from_slice(length.as_bytes());
            bytes.extend_from_slice(request.body);
        }
        Framing::Chunks(lengths) => {
            bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            let mut lengths = lengths.iter().map(|length| usize::from(*length).max(1));
            let mut rest = request.body;
            while !rest.is_empty() {
                let length = lengths.next().unwrap_or(rest.len()).min(rest.len());
                let (chunk, behind) = rest.split_at(length);
                bytes.extend_from_slice(format!("{length:x}\r\n").as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
                rest = behind;
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
        }
    }
}
