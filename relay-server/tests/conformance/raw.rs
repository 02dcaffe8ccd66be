//! The cases that are not data: they need a hand on the socket.

use std::time::Duration;

use relay_server::Config;

use crate::check::Mismatch;
use crate::support::{self, Client, Message, Relay, Request, Upstream, fresh_id};

type Run = fn() -> Result<(), Mismatch>;

/// Id, title and what to do.
pub(crate) const CASES: [(&str, &str, Run); 10] = [
    ("ING-155.1", "idle keep-alive connection is closed", idle_keep_alive),
    ("ING-155.2", "half a request head, then silence", half_a_head),
    ("ING-156.1", "Expect: 100-continue with auth", expect_continue),
    ("ING-156.2", "Expect: 100-continue without auth", expect_continue_without_auth),
    ("ING-157.1", "two differing Content-Length", two_lengths),
    ("ING-157.2", "101 header lines", too_many_headers),
    ("ING-157.3", "URI of 65,535 bytes", too_long_a_uri),
    ("ING-158.1", "cleartext HTTP/2 with prior knowledge", http2_prior_knowledge),
    ("ING-158.2", "cleartext HTTP/2 by upgrade", http2_upgrade),
    ("ING-159", "body shorter than announced, half-close", short_body),
];

const EVENT: &str = "{\"message\":\"x\"}";

fn relay(adjust: impl FnOnce(&mut Config)) -> (Relay, Upstream) {
    let upstream = Upstream::start();
    let mut config = support::proxy_config(&upstream);
    adjust(&mut config);
    (Relay::start(config), upstream)
}

fn ensure(holds: bool, mismatch: impl Fn() -> Mismatch) -> Result<(), Mismatch> {
    if holds { Ok(()) } else { Err(mismatch()) }
}

fn ensure_status(answer: &Message, status: u16) -> Result<(), Mismatch> {
    ensure(answer.status() == status, || format!("{answer:?}, not {status}"))
}

/// The connection ends, without another byte.
fn ensure_closed(client: &mut Client) -> Result<(), Mismatch> {
    let rest = client.rest().map_err(|error| format!("not closed: {error}"))?;
    ensure(rest.is_empty(), || format!("{} bytes before the end", rest.len()))
}

fn idle_keep_alive() -> Result<(), Mismatch> {
    let (relay, _upstream) =
        relay(|config| config.limits.header_timeout = Duration::from_millis(50));
    let mut client = Client::connect(relay.address());
    let answer = client.exchange(&Request::store(&fresh_id(), EVENT)).map_err(|e| e.to_string())?;
    ensure_status(&answer, 200)?;
    ensure_closed(&mut client)
}

fn half_a_head() -> Result<(), Mismatch> {
    let (relay, _upstream) =
        relay(|config| config.limits.header_timeout = Duration::from_millis(50));
    let mut client = Client::connect(relay.address());
    client.write(b"POST /api/42/store/ HTTP/1.1\r\nHost: relay.te").map_err(|e| e.to_string())?;
    ensure_closed(&mut client)
}

/// The first answer to a head that announces 9 MB and waits for leave to send them.
fn answer_to_expect(request: Request) -> Result<Message, Mismatch> {
    let (relay, _upstream) = relay(|_| {});
    let mut client = Client::connect(relay.address());
    let request = request.header("Content-Length", "9000000").header("Expect", "100-continue");
    client.write(&request.head_bytes()).map_err(|e| e.to_string())?;
    client.answer("POST").map_err(|e| e.to_string())
}

fn expect_continue() -> Result<(), Mismatch> {
    let request = Request::new("POST", "/api/42/store/").auth(&fresh_id());
    ensure_status(&answer_to_expect(request)?, 100)
}

fn expect_continue_without_auth() -> Result<(), Mismatch> {
    ensure_status(&answer_to_expect(Request::new("POST", "/api/42/store/"))?, 401)
}

/// An answer of the HTTP parser: empty, without the headers of the relay, and the end.
fn refused_by_the_parser(request: &Request, status: u16) -> Result<(), Mismatch> {
    let (relay, _upstream) = relay(|_| {});
    let mut client = Client::connect(relay.address());
    let answer = client.exchange(request).map_err(|e| e.to_string())?;
    ensure_status(&answer, status)?;
    ensure(answer.body.is_empty(), || format!("body {:?}", answer.text()))?;
    for name in ["server", "cross-origin-resource-policy"] {
        ensure(answer.header(name).is_none(), || format!("{name} is there"))?;
    }
    ensure_closed(&mut client)
}

fn two_lengths() -> Result<(), Mismatch> {
    let request = Request::store(&fresh_id(), EVENT).header("Content-Length", "1");
    refused_by_the_parser(&request, 400)
}

fn too_many_headers() -> Result<(), Mismatch> {
    // Host is the hundred and first.
    let request = (0..100)
        .fold(Request::new("GET", "/api/relay/healthcheck/live/"), |request, n| {
            request.header(&format!("X-{n}"), "1")
        });
    refused_by_the_parser(&request, 431)
}

fn too_long_a_uri() -> Result<(), Mismatch> {
    let uri = format!("/{}", "a".repeat(65_534));
    refused_by_the_parser(&Request::new("GET", &uri), 414)
}

fn http2_prior_knowledge() -> Result<(), Mismatch> {
    let (relay, upstream) = relay(|_| {});
    let answers = support::exchange_http2(relay.address(), &[Request::store(&fresh_id(), EVENT)]);
    ensure_status(&answers[0], 200)?;
    relay.settle();
    ensure(upstream.envelopes().len() == 1, || "nothing was forwarded".to_owned())
}

fn http2_upgrade() -> Result<(), Mismatch> {
    let (relay, _upstream) = relay(|_| {});
    let request = Request::store(&fresh_id(), EVENT)
        .header("Connection", "Upgrade, HTTP2-Settings")
        .header("Upgrade", "h2c")
        .header("HTTP2-Settings", "AAMAAABkAAQAAP__");
    let answer = request.send(relay.address());
    ensure_status(&answer, 200)?;
    ensure(answer.start_line.starts_with("HTTP/1.1 "), || answer.start_line.clone())
}

fn short_body() -> Result<(), Mismatch> {
    let (relay, _upstream) = relay(|_| {});
    let mut client = Client::connect(relay.address());
    let request = Request::new("POST", "/api/42/store/").auth(&fresh_id());
    let head = request.header("Content-Length", "100").head_bytes();
    client.write(&[&head, EVENT.as_bytes()].concat()).map_err(|e| e.to_string())?;
    client.close_write();
    let answer = client.answer("POST").map_err(|e| e.to_string())?;
    ensure_status(&answer, 400)?;
    ensure(answer.header("content-type") == Some("text/plain; charset=utf-8"), || {
        format!("content type {:?}", answer.header("content-type"))
    })?;
    let text = "Failed to buffer the request body: error reading a body from connection";
    ensure(answer.text() == text, || answer.text())
}
