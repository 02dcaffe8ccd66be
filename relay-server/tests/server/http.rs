//! The surface: protocols, methods, limits on connections and memory, TLS towards the upstream.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::support::{Client, Relay, Request, Upstream, exchange_http2, fresh_id, proxy_config};

const EVENT: &str = "{\"message\":\"x\"}";

/// An event of that many bytes.
fn event_of(length: usize) -> Vec<u8> {
    format!("{{\"message\":\"{}\"}}", "x".repeat(length - "{\"message\":\"\"}".len())).into_bytes()
}

#[test]
fn one_connection_carries_many_requests() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let mut client = Client::connect(relay.address());
    for _ in 0..10 {
        assert_eq!(client.exchange(&Request::store(&fresh_id(), EVENT)).unwrap().status(), 200);
        let health = Request::new("GET", "/api/relay/healthcheck/live/");
        assert_eq!(client.exchange(&health).unwrap().text(), "{\"is_healthy\":true}");
    }
    assert_eq!(relay.settle().delivered, 10);
}

#[test]
fn requests_that_are_sent_without_waiting_are_answered_in_order() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let mut client = Client::connect(relay.address());
    let ids: Vec<String> = (0..10).map(|_| fresh_id()).collect();
    let requests = ids.iter().flat_map(|id| {
        Request::store(&fresh_id(), format!("{{\"event_id\":\"{id}\"}}")).to_bytes()
    });
    client.write(&requests.collect::<Vec<u8>>()).unwrap();
    for id in ids {
        assert_eq!(client.answer("POST").unwrap().json()["id"], id);
    }
}

#[test]
fn one_http2_connection_carries_requests_side_by_side() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let requests: Vec<Request> = (0..50)
        .map(|n| match n % 3 {
            0 => Request::store(&fresh_id(), EVENT),
            1 => Request::store(&fresh_id(), event_of(100_000)).encoded("gzip"),
            _ => Request::new("GET", "/api/relay/healthcheck/live/"),
        })
        .collect();
    let answers = exchange_http2(relay.address(), &requests);
    assert!(answers.iter().all(|answer| answer.status() == 200));
    assert!(answers.iter().all(|answer| answer.header("server").is_some()));
    assert_eq!(relay.settle().delivered, 34);
}

#[test]
fn both_health_checks_are_green_once_the_relay_has_started() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    for path in
        ["/api/relay/healthcheck/live/", "/api/relay/healthcheck/ready/", "/api/0/relays/live/"]
    {
        let answer = Request::new("GET", path).send(relay.address());
        assert_eq!((answer.status(), &*answer.text()), (200, "{\"is_healthy\":true}"), "{path}");
        let head = Request::new("HEAD", path);
        let answer = Client::connect(relay.address()).exchange(&head).unwrap();
        assert_eq!((answer.status(), answer.body.len()), (200, 0), "{path}");
        assert_eq!(Request::new("OPTIONS", path).send(relay.address()).status(), 405, "{path}");
    }
}

#[test]
fn what_does_not_fit_into_memory_now_is_answered_503_and_fits_later() {
    let upstream = Upstream::start();
    upstream.hold();
    let mut config = proxy_config(&upstream);
    config.limits.max_memory = 256 * 1024;
    // With a spool, what waits would leave its memory to what arrives.
    config.spool.durability = relay_server::config::Durability::Memory;
    config.http.encoding = relay_compression::ContentEncoding::Identity;
    let relay = Relay::start(config);
    let request = Request::store(&fresh_id(), event_of(60_000));

    let mut accepted = 0;
    let refused = loop {
        let answer = request.send(relay.address());
        match answer.status() {
            200 => accepted += 1,
            _ => break answer,
        }
    };
    assert!((1..=4).contains(&accepted), "{accepted} of 60 KB in 256 KiB");
    assert_eq!(refused.status(), 503);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(refused.json()["detail"], "failed to queue envelope");
    assert_eq!(refused.json()["causes"][0], "relay is running out of memory");

    upstream.release();
    relay.settle();
    assert_eq!(request.send(relay.address()).status(), 200);
    assert_eq!(relay.settle().delivered, accepted + 1);
}

#[test]
fn a_relay_whose_memory_is_taken_is_alive_but_not_ready() {
    let upstream = Upstream::start();
    upstream.hold();
    let mut config = proxy_config(&upstream);
    // Of this a twentieth is more than the connections that come and go.
    config.limits.max_memory = 4 << 20;
    // With a spool, what waits would leave its memory to what arrives.
    config.spool.durability = relay_server::config::Durability::Memory;
    config.http.encoding = relay_compression::ContentEncoding::Identity;
    let relay = Relay::start(config);
    let health = |kind: &str| {
        let path = format!("/api/relay/healthcheck/{kind}/");
        Request::new("GET", &path).send(relay.address()).status()
    };
    while Request::store(&fresh_id(), event_of(60_000)).send(relay.address()).status() == 200 {}
    assert_eq!((health("live"), health("ready")), (200, 503));
    upstream.release();
    relay.settle();
    assert_eq!((health("live"), health("ready")), (200, 200));
}

#[test]
fn a_relay_that_cannot_start_says_why() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let mut config = proxy_config(&upstream);
    config.port = relay.address().port();
    let error = relay_server::start(config).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on {}", relay.address()));

    let mut config = proxy_config(&upstream);
    config.http.ca_file = Some("no/such/file.pem".into());
    let error = relay_server::start(config).unwrap_err();
    assert!(error.to_string().contains("no/such/file.pem"), "{error}");
}

#[test]
fn what_could_never_fit_into_memory_is_answered_413() {
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    config.limits.max_memory = 256 * 1024;
    let relay = Relay::start(config);
    let request = Request::envelope(&fresh_id(), vec![b'x'; 300_000]);
    for request in [request.clone(), request.clone().chunked(), request.encoded("gzip")] {
        let answer = request.send(relay.address());
        assert_eq!(answer.status(), 413, "{}", answer.text());
    }
}

#[test]
fn what_could_never_fit_is_answered_413_also_while_something_else_waits() {
    let upstream = Upstream::start();
    upstream.hold();
    let mut config = proxy_config(&upstream);
    config.limits.max_memory = 256 * 1024;
    let relay = Relay::start(config);
    assert_eq!(Request::store(&fresh_id(), "{}").send(relay.address()).status(), 200);
    let refused = Request::envelope(&fresh_id(), vec![b' '; 300 * 1024]).send(relay.address());
    assert_eq!(refused.status(), 413);
    upstream.release();
}

#[test]
fn an_answer_that_stops_in_the_middle_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = proxy_config(&Upstream::start());
    config.upstream = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    config.limits.body_timeout = Duration::from_millis(300);
    let relay = Relay::start(config);
    let mut client = Client::connect(relay.address());
    client.write(&Request::new("GET", "/api/0/projects/").to_bytes()).unwrap();
    let (mut upstream, _) = listener.accept().unwrap();
    let mut request = BufReader::new(upstream.try_clone().unwrap()).lines();
    assert!(request.any(|line| line.unwrap().is_empty()), "the head of the request is there");
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc").unwrap();
    let answer = client.rest().expect("the end of the connection, not of our patience");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"), "{}", answer.escape_ascii());
}

#[test]
fn a_body_that_stops_arriving_is_given_up() {
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    config.limits.body_timeout = Duration::from_millis(50);
    let relay = Relay::start(config);
    let mut client = Client::connect(relay.address());
    let head =
        Request::new("POST", "/api/42/store/").auth(&fresh_id()).header("Content-Length", "100");
    client.write(&head.head_bytes()).unwrap();
    client.write(EVENT.as_bytes()).unwrap();
    let answer = client.answer("POST").unwrap();
    assert_eq!(answer.status(), 408, "{}", answer.text());
    assert_eq!(client.rest().unwrap(), b"");
}

#[test]
fn a_connection_beyond_the_limit_waits_for_its_turn() {
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    config.limits.max_connections = Some(1);
    let relay = Relay::start(config);
    let request = Request::new("GET", "/api/relay/healthcheck/live/");
    let mut first = Client::connect(relay.address());
    assert_eq!(first.exchange(&request).unwrap().status(), 200);
    let mut second = Client::connect(relay.address());
    second.write(&request.to_bytes()).unwrap();
    assert_eq!(first.exchange(&request).unwrap().status(), 200);
    assert!(!second.has_bytes());
    drop(first);
    assert_eq!(second.answer("GET").unwrap().status(), 200);
}

/// A certificate authority in a file, and a server whose certificate it signed.
pub(crate) fn authority_and_server() -> (PathBuf, Arc<ServerConfig>) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"))
        .expect("a certificate");

    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the default versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.into()], key)
        .expect("a certificate with its key");

    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.pem", fresh_id()));
    fs::write(&file, authority.pem()).expect("a writable folder");
    (file, Arc::new(server))
}

#[test]
fn an_upstream_behind_tls_is_trusted_by_the_authority_in_the_settings() {
    let (authority, server) = authority_and_server();
    let upstream = Upstream::encrypted(server);
    let mut config = proxy_config(&upstream);
    config.upstream = format!("https://{}/", upstream.address()).parse().unwrap();
    config.http.ca_file = Some(authority.clone());
    let relay = Relay::start(config);
    fs::remove_file(authority).unwrap();
    assert_eq!(Request::store(&fresh_id(), EVENT).send(relay.address()).status(), 200);
    assert_eq!(relay.settle().delivered, 1);
    let dsn = upstream.envelopes()[0].text("dsn").to_owned();
    assert!(
        dsn.starts_with("https://") && dsn.ends_with(&format!("@{}/42", upstream.address())),
        "{dsn}"
    );
}

#[test]
fn an_upstream_that_nobody_vouches_for_is_sent_nothing() {
    let (authority, server) = authority_and_server();
    fs::remove_file(authority).unwrap();
    let upstream = Upstream::encrypted(server);
    let mut config = proxy_config(&upstream);
    config.upstream = format!("https://{}/", upstream.address()).parse().unwrap();
    let relay = Relay::start(config);
    let answer = Request::new("GET", "/api/0/organizations/").send(relay.address());
    assert_eq!(answer.status(), 502);
    assert_eq!(upstream.requests().len(), 0);
}
