//! Input made to hurt: the relay answers or hangs up, stays within its memory and goes on serving.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use crate::support::{Client, Relay, Request, Upstream, encode_with, fresh_id, proxy_config};

fn relay() -> (Relay, Upstream) {
    let upstream = Upstream::start();
    (Relay::start(proxy_config(&upstream)), upstream)
}

fn assert_serves(relay: SocketAddr) {
    assert_eq!(Request::store(&fresh_id(), "{\"message\":\"x\"}").send(relay).status(), 200);
}

/// Numbers that look random and are the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| (self.next() >> 32) as u8).collect()
    }
}

#[test]
fn random_bytes_end_the_connection_and_nothing_else() {
    let (relay, _upstream) = relay();
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    for round in 0..100 {
        let mut client = Client::connect(relay.address());
        // The relay may hang up in the middle.
        let _ = client.write(&noise.bytes(1 + round * 20));
        client.close_write();
        let _ = client.rest();
    }
    assert_serves(relay.address());
}

#[test]
fn random_bodies_are_answered_on_every_route_and_encoding() {
    let (relay, _upstream) = relay();
    let mut noise = Noise(0xD1B5_4A32_D192_ED03);
    let key = fresh_id();
    for round in 0..60 {
        for path in ["/api/42/envelope/", "/api/42/store/", "/api/0/foo/"] {
            for encoding in ["identity", "gzip", "deflate", "br", "zstd"] {
                let request = Request::new("POST", path)
                    .auth(&key)
                    .header("Content-Encoding", encoding)
                    .body(noise.bytes(round * 7));
                let status = request.send(relay.address()).status();
                assert!(matches!(status, 200 | 400 | 413 | 502), "{status} {path} {encoding}");
            }
        }
    }
    assert_serves(relay.address());
}

#[test]
fn an_envelope_mutilated_anywhere_is_answered() {
    let (relay, _upstream) = relay();
    let key = fresh_id();
    let envelope = b"{\"event_id\":\"9ec79c33ec9942ab8353589fcb2e04dc\",\"trace\":{}}\n\
        {\"type\":\"event\",\"length\":15}\n{\"message\":\"x\"}\n{\"type\":\"attachment\",\"length\":2}\nab\n";
    let mut client = Client::connect(relay.address());
    for position in 0..envelope.len() {
        for byte in [0, b'\n', b'"', b'{', b'9', 0xFF] {
            let mut mutilated = envelope.to_vec();
            mutilated[position] = byte;
            let answer = client.exchange(&Request::envelope(&key, mutilated)).unwrap();
            assert!(matches!(answer.status(), 200 | 400 | 413), "{}", answer.status());
        }
        let answer = client.exchange(&Request::envelope(&key, &envelope[..position])).unwrap();
        assert!(matches!(answer.status(), 200 | 400), "{}", answer.status());
    }
    let stats = relay.settle();
    assert_eq!(stats.received, stats.delivered + stats.discarded_total(), "{stats:?}");
}

#[test]
fn a_bomb_in_any_encoding_is_refused_by_every_route() {
    let (relay, _upstream) = relay();
    let block = vec![b' '; 1024 * 1024];
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        // 128 MiB, more than the memory of the relay and the limit of any route.
        let bomb = encode_with(encoding, |out| (0..128).try_for_each(|_| out.write_all(&block)));
        let bomb = bomb.expect("memory takes everything");
        assert!(bomb.len() < 1024 * 1024, "{} bytes of {encoding}", bomb.len());
        for path in ["/api/42/envelope/", "/api/42/store/", "/api/0/organizations/o/chunk-upload/"]
        {
            let request = Request::new("POST", path)
                .auth(&fresh_id())
                .header("Content-Encoding", encoding)
                .body(bomb.as_slice());
            assert_eq!(request.send(relay.address()).status(), 413, "{encoding} {path}");
            let status = request.chunked().send(relay.address()).status();
            assert_eq!(status, 413, "{encoding} {path}, chunked");
        }
    }
    assert_serves(relay.address());
}

#[test]
fn a_store_body_inflated_behind_base64_is_cut() {
    let (relay, _upstream) = relay();
    let block = vec![b' '; 1024 * 1024];
    let bomb = encode_with("deflate", |out| {
        out.write_all(b"{\"message\":\"")?;
        (0..256).try_for_each(|_| out.write_all(&block))
    });
    let bomb = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bomb.unwrap());
    let answer = Request::store(&fresh_id(), bomb).send(relay.address());
    assert_eq!(answer.status(), 400, "{}", answer.text());
}

#[test]
fn chunks_that_never_end_are_cut_off_at_the_limit() {
    let (relay, _upstream) = relay();
    let mut client = Client::connect(relay.address());
    let head = Request::new("POST", "/api/42/store/").auth(&fresh_id());
    client.write(&head.header("Transfer-Encoding", "chunked").head_bytes()).unwrap();
    let chunk = [&b"10000\r\n"[..], &[b'x'; 0x10000], b"\r\n"].concat();
    // At 64 KiB each this ends by the relay hanging up, or not at all within any patience.
    let mut sent = 0;
    while sent < 1_000 && client.write(&chunk).is_ok() {
        sent += 1;
    }
    assert!(sent < 1_000, "the relay read 64 MB of a body that may have 1 MiB");
    assert_serves(relay.address());
}

#[test]
fn broken_chunks_are_answered_400() {
    let (relay, _upstream) = relay();
    for chunks in ["zz\r\n", "5\r\nab", "ffffffffffffffffffff\r\nx", "-1\r\n", "5;\u{e4}=1\r\n{}"] {
        let mut client = Client::connect(relay.address());
        let head = Request::new("POST", "/api/42/store/").auth(&fresh_id());
        client.write(&head.header("Transfer-Encoding", "chunked").head_bytes()).unwrap();
        client.write(chunks.as_bytes()).unwrap();
        client.close_write();
        let answer = client.answer("POST").unwrap();
        assert_eq!(answer.status(), 400, "{chunks:?}: {}", answer.text());
    }
}

#[test]
fn a_huge_head_is_refused() {
    let (relay, _upstream) = relay();
    let mut client = Client::connect(relay.address());
    let request = Request::new("GET", "/api/42/store/").header("X-Huge", &"x".repeat(2_000_000));
    let answer = client.exchange(&request);
    if let Ok(answer) = answer {
        assert_eq!(answer.status(), 431);
    }
    assert_serves(relay.address());
}

#[test]
fn a_request_that_smuggles_another_is_refused_or_read_as_one() {
    let (relay, upstream) = relay();
    let mut client = Client::connect(relay.address());
    let smuggled = "GET /api/0/smuggled/ HTTP/1.1\r\nHost: x\r\n\r\n";
    let body = format!("0\r\n\r\n{smuggled}");
    let request = format!(
        "POST /api/0/foo/ HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\
         Transfer-Encoding: identity\r\n\r\n{body}",
        body.len()
    );
    client.write(request.as_bytes()).unwrap();
    client.close_write();
    let _ = client.rest();
    let targets: Vec<String> = upstream.requests().iter().map(|r| r.target().to_owned()).collect();
    assert!(!targets.iter().any(|target| target.contains("smuggled")), "{targets:?}");
}

#[test]
fn deeply_nested_json_is_answered() {
    let (relay, _upstream) = relay();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in [
        format!("{{\"x\":{deep}}}\n"),
        format!("{{}}\n{{\"type\":\"event\",\"x\":{deep}}}\n{{}}\n"),
        format!("{{}}\n{{\"type\":\"event\"}}\n{{\"x\":{deep}}}\n"),
        format!("{{\"trace\":{{\"x\":{deep}}}}}\n{{\"type\":\"event\"}}\n{{}}\n"),
    ] {
        let status = Request::envelope(&fresh_id(), body).send(relay.address()).status();
        assert!(matches!(status, 200 | 400), "{status}");
    }
    let store = Request::store(&fresh_id(), format!("{{\"x\":{deep}}}")).send(relay.address());
    assert!(matches!(store.status(), 200 | 400), "{}", store.status());
    assert_serves(relay.address());
}

#[test]
fn a_client_that_leaves_in_the_middle_leaves_nothing_behind() {
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    config.limits.max_memory = 1024 * 1024;
    let relay = Relay::start(config);
    // Each of these would hold its 900 KB for good if the reservation outlived its connection.
    for _ in 0..10 {
        let mut client = Client::connect(relay.address());
        let head = Request::new("POST", "/api/42/envelope/").auth(&fresh_id());
        client.write(&head.header("Content-Length", "900000").head_bytes()).unwrap();
        client.write(b"{}\n").unwrap();
        client.close_write();
        let _ = client.rest();
    }
    assert_serves(relay.address());
    assert_eq!(relay.settle().delivered, 1);
}

#[test]
fn half_a_preface_of_http2_is_given_no_more_time_than_half_a_head() {
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    config.limits.header_timeout = Duration::from_millis(50);
    let relay = Relay::start(config);
    for preface in ["P", "PRI * HTTP/2.0\r\n"] {
        let mut client = Client::connect(relay.address());
        client.write(preface.as_bytes()).unwrap();
        // With bytes left unread, hanging up may show as a reset.
        match client.rest() {
            Ok(rest) => assert_eq!(rest, b"", "{preface:?}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{preface:?}"),
        }
    }
}
