//! What goes in comes out: the bytes of real SDKs, and everything else that is not ours to change.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use relay_compression::ContentEncoding;
use serde::Deserialize;

use crate::support::{
    Answer, Envelope, Message, Relay, Reply, Request, Upstream, encode, envelope, fresh_id,
    proxy_config,
};

/// Set in the process that [`a_proxy_named_by_the_environment_is_asked_for_everything`] starts: there the
/// environment names a proxy.
const BEHIND_A_PROXY: &str = "RELAY_TEST_BEHIND_A_PROXY";

/// A request as an SDK sent it.
#[derive(Deserialize)]
struct Recorded {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
}

fn recordings() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/sdk");
    let mut recordings: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the fixtures are there")
        .flat_map(|client| fs::read_dir(client.expect("a folder").path()).expect("a folder"))
        .map(|file| file.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    recordings.sort();
    recordings
}

/// The recorded request, and the envelope in its body.
fn replay(recording: &Path) -> (Request, Envelope) {
    let recorded = fs::read(recording).expect("a readable file");
    let recorded: Recorded = serde_json::from_slice(&recorded).expect("a recorded request");
    let body = fs::read(recording.with_extension("body")).expect("a body beside the head");
    let message = Message { body, headers: recorded.headers, ..Message::default() };

    let mut request = Request::new(&recorded.method, &recorded.path).body(message.body.clone());
    for (name, value) in &message.headers {
        match name.to_ascii_lowercase().as_str() {
            "host" | "content-length" => {}
            "transfer-encoding" => request = request.chunked(),
            _ => request = request.header(name, value),
        }
    }
    // The line feed after the last payload is optional for an SDK.
    let content = message.content();
    let sent = Envelope::parse(&content)
        .or_else(|_| Envelope::parse(&[&content, &b"\n"[..]].concat()))
        .expect("an SDK sent an envelope");
    (request, sent)
}

#[test]
fn what_real_sdks_send_arrives_item_by_item() {
    let recordings = recordings();
    assert!(recordings.len() > 30, "only {} recordings", recordings.len());
    for recording in recordings {
        let upstream = Upstream::start();
        let relay = Relay::start(proxy_config(&upstream));
        let (request, sent) = replay(&recording);

        let answer = request.send(relay.address());
        assert_eq!(answer.status(), 200, "{recording:?}: {}", answer.text());
        relay.settle();
        let arrived = upstream.envelopes();
        assert_eq!(arrived.len(), 1, "{recording:?}");
        assert_eq!(arrived[0].items, sent.items, "{recording:?}");
        assert_eq!(arrived[0].header.get("sdk"), sent.header.get("sdk"), "{recording:?}");
        assert_eq!(
            arrived[0].text("event_id"),
            sent.text("event_id").replace('-', ""),
            "{recording:?}"
        );
        let stats = relay.stop();
        assert_eq!(
            (stats.received, stats.delivered),
            (sent.items.len() as u64, sent.items.len() as u64)
        );
    }
}

#[test]
fn every_encoding_towards_the_upstream_can_be_read_back() {
    let body = format!("{{}}\n{{\"type\":\"event\"}}\n{{\"message\":\"{}\"}}\n", "ä".repeat(5000));
    let sent = Envelope::parse(body.as_bytes()).unwrap();
    for (encoding, name) in [
        (ContentEncoding::Identity, None),
        (ContentEncoding::Gzip, Some("gzip")),
        (ContentEncoding::Deflate, Some("deflate")),
        (ContentEncoding::Br, Some("br")),
        (ContentEncoding::Zstd, Some("zstd")),
    ] {
        let upstream = Upstream::start();
        let mut config = proxy_config(&upstream);
        config.http.encoding = encoding;
        let relay = Relay::start(config);
        Request::envelope(&fresh_id(), body.as_str()).send(relay.address());
        let requests = upstream.wait_for(1);
        assert_eq!(requests[0].header("content-encoding"), name);
        assert_eq!(
            requests[0].header("content-length"),
            Some(&*requests[0].body.len().to_string())
        );
        assert_eq!(envelope(&requests[0]).items, sent.items);
    }
}

#[test]
fn a_large_binary_attachment_arrives_byte_for_byte() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let payload: Vec<u8> =
        (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut body = format!(
        "{{\"event_id\":\"{}\"}}\n{{\"type\":\"attachment\",\"length\":{},\"filename\":\"a.bin\"}}\n",
        fresh_id(),
        payload.len()
    )
    .into_bytes();
    body.extend_from_slice(&payload);

    let answer =
        Request::envelope(&fresh_id(), body).encoded("gzip").chunked().send(relay.address());
    assert_eq!(answer.status(), 200, "{}", answer.text());
    relay.settle();
    let arrived = upstream.envelopes();
    assert_eq!(arrived[0].types(), ["attachment"]);
    assert!(arrived[0].items[0].payload == payload);
}

#[test]
fn unknown_items_and_headers_arrive_as_they_were() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let body = "{\"future\":{\"a\":[1,2.50,\"\\u00e4\"]}}\n\
                {\"type\":\"future_thing\",\"length\":4,\"zeta\":{\"deep\":[null]},\"alpha\":1e3}\n\0\n{}\n";
    Request::envelope(&fresh_id(), body).send(relay.address());
    relay.settle();
    let sent = Envelope::parse(body.as_bytes()).unwrap();
    let arrived = upstream.envelopes();
    assert_eq!(arrived[0].items, sent.items);
    assert_eq!(arrived[0].header.get("future"), sent.header.get("future"));
}

#[test]
fn a_host_header_in_the_settings_replaces_the_upstreams() {
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    config.http.host_header = Some("sentry.example".to_owned());
    let relay = Relay::start(config);
    Request::store(&fresh_id(), "{}").send(relay.address());
    Request::new("GET", "/api/0/organizations/").send(relay.address());
    let requests = upstream.wait_for(2);
    for request in &requests {
        assert_eq!(request.header_lines("host").collect::<Vec<_>>(), ["sentry.example"]);
    }
}

#[test]
fn many_envelopes_share_the_connections_to_the_upstream() {
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    config.limits.max_concurrent_requests = 1;
    config.limits.max_thread_count = Some(1);
    let relay = Relay::start(config);
    for _ in 0..20 {
        Request::store(&fresh_id(), "{}").send(relay.address());
    }
    relay.settle();
    assert_eq!(upstream.envelopes().len(), 20);
    // The next envelope may go before the connection of the last is free again.
    assert!(upstream.connections() < 10, "{} connections", upstream.connections());
}

#[test]
fn an_api_request_passes_through_with_its_method_query_and_headers() {
    let upstream = Upstream::scripted(|_| {
        Answer::from(
            Reply::new(418)
                .header("X-Trail", "one")
                .header("X-Trail", "two")
                .header("Set-Cookie", "a=b")
                .body("short and stout"),
        )
    });
    let relay = Relay::start(proxy_config(&upstream));
    let answer = Request::new("PATCH", "/api/0/issues/1/?q=a%20b&q=%C3%A4")
        .header("Authorization", "Bearer token")
        .header("X-Twice", "1")
        .header("X-Twice", "2")
        .body("{\"status\":\"resolved\"}")
        .send(relay.address());

    assert_eq!(answer.status(), 418);
    assert_eq!(answer.text(), "short and stout");
    assert_eq!(answer.header_lines("x-trail").collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(answer.header("set-cookie"), Some("a=b"));
    let request = &upstream.wait_for(1)[0];
    assert_eq!(request.method(), "PATCH");
    assert_eq!(request.target(), "/api/0/issues/1/?q=a%20b&q=%C3%A4");
    assert_eq!(request.header("authorization"), Some("Bearer token"));
    assert_eq!(request.header_lines("x-twice").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(request.body, b"{\"status\":\"resolved\"}");
}

#[test]
fn a_body_too_long_to_pass_through_is_refused_whether_announced_or_not() {
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    config.limits.max_api_payload_size = 1000;
    let relay = Relay::start(config);
    let request = Request::new("POST", "/api/0/foo/").body(vec![b'x'; 1001]);

    let announced = request.send(relay.address());
    assert_eq!((announced.status(), announced.text()), (413, "length limit exceeded".to_owned()));
    let streamed = request.clone().chunked().send(relay.address());
    assert_eq!((streamed.status(), streamed.text()), (413, String::new()));
    let bomb = Request::new("POST", "/api/0/foo/").body(vec![0; 1_000_000]).encoded("gzip");
    assert_eq!(bomb.send(relay.address()).status(), 413);
    let fits = Request::new("POST", "/api/0/foo/").body(vec![b'x'; 1000]).send(relay.address());
    assert_eq!(fits.status(), 200);
}

#[test]
fn uploads_have_longer_limits_than_other_requests() {
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    config.limits.max_api_payload_size = 10;
    config.limits.max_api_file_upload_size = 20;
    config.limits.max_api_chunk_upload_size = 30;
    let relay = Relay::start(config);
    for (path, limit) in [
        ("/api/0/organizations/o/chunk-upload/", 30),
        ("/api/0/projects/o/p/releases/1.0/files/", 20),
        ("/api/0/projects/o/p/releases/1.0/dsyms/", 20),
        ("/api/0/organizations/o/chunk-upload", 10),
        ("/api/0/projects/o/p/files/", 10),
    ] {
        let send =
            |length| Request::new("POST", path).body(vec![b'x'; length]).send(relay.address());
        assert_eq!(send(limit).status(), 200, "{path}");
        assert_eq!(send(limit + 1).status(), 413, "{path}");
    }
}

#[test]
fn a_gzip_answer_is_decoded_only_for_a_client_that_did_not_ask() {
    let upstream = Upstream::scripted(|_| {
        Reply::new(200).header("Content-Encoding", "gzip").body(encode("gzip", b"hello")).into()
    });
    let relay = Relay::start(proxy_config(&upstream));
    let plain = Request::new("GET", "/api/0/foo/").send(relay.address());
    assert_eq!((plain.header("content-encoding"), &*plain.body), (None, &b"hello"[..]));
    let asked =
        Request::new("GET", "/api/0/foo/").header("Accept-Encoding", "gzip").send(relay.address());
    assert_eq!(asked.header("content-encoding"), Some("gzip"));
    assert_eq!(asked.content(), b"hello");
}

#[test]
fn everything_received_is_delivered_waiting_or_discarded_with_a_reason() {
    let statuses = [200, 400, 200, 500, 503, 413, 200, 404, 429];
    let upstream = Upstream::answering(statuses.map(|status| Reply::new(status).into()));
    let mut config = proxy_config(&upstream);
    config.accept_unknown_items = false;
    config.http.refusal_grace_period = Duration::ZERO;
    let relay = Relay::start(config);
    let key = fresh_id();
    let body = "{}\n{\"type\":\"event\"}\n{}\n{\"type\":\"future_thing\"}\n{}\n{\"type\":\"session\"}\n{}\n";
    for _ in 0..statuses.len() {
        assert_eq!(Request::envelope(&key, body).send(relay.address()).status(), 200);
    }
    // Two events in one envelope are against the rules: refused, and accounted for all the same.
    let refused = format!("{body}{{\"type\":\"event\"}}\n{{}}\n");
    assert_eq!(Request::envelope(&key, refused).send(relay.address()).status(), 413);

    let stats = relay.settle();
    assert_eq!(stats.received, 3 * 9 + 4);
    assert_eq!(stats.received, stats.delivered + stats.discarded_total(), "{stats:?}");
    assert!(stats.discarded.keys().all(|reason| !reason.is_empty()), "{stats:?}");
}

#[test]
fn a_proxy_named_by_the_environment_is_asked_for_everything() {
    if let Some(upstream) = env::var_os(BEHIND_A_PROXY) {
        let mut config = proxy_config(&Upstream::start());
        config.upstream = upstream.to_str().and_then(|url| url.parse().ok()).expect("an origin");
        let relay = Relay::start(config);
        assert_eq!(Request::store(&fresh_id(), "{}").send(relay.address()).status(), 200);
        // An answer from the proxy, or the news that there will be none.
        Request::new("GET", "/api/0/organizations/").send(relay.address());
        return;
    }
    for (upstream, requests) in [
        (
            "http://sentry.test",
            [
                "POST http://sentry.test/api/42/envelope/",
                "GET http://sentry.test/api/0/organizations/",
            ],
        ),
        ("https://sentry.test", ["CONNECT sentry.test:443"; 2]),
    ] {
        let proxy = Upstream::scripted(|request| match request.method() {
            "CONNECT" => Answer::Reset,
            _ => Reply::new(200).into(),
        });
        let address = format!("http://user:secret@{}", proxy.address());
        let name = "proxying::a_proxy_named_by_the_environment_is_asked_for_everything";
        let child = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", name])
            .env(BEHIND_A_PROXY, upstream)
            .env("HTTP_PROXY", &address)
            .env("HTTPS_PROXY", &address)
            .env_remove("NO_PROXY")
            .env_remove("no_proxy")
            .output()
            .expect("this program starts");
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        let asked = proxy.wait_for(2);
        for request in requests {
            assert!(asked.iter().any(|asked| asked.start_line.starts_with(request)), "{asked:?}");
        }
        let credentials = format!("Basic {}", BASE64.encode("user:secret"));
        for request in &asked {
            assert_eq!(request.header("proxy-authorization"), Some(&*credentials), "{request:?}");
        }
    }
}

#[test]
fn an_envelope_from_the_same_page_may_spell_its_origin_otherwise() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    for (origin, status) in [
        ("https://a.b", 200),
        ("https://a.b/", 200),
        ("HTTPS://A.B:443", 200),
        ("https://c.d", 400),
    ] {
        let body = format!("{{\"origin\":\"{origin}\"}}\n{{\"type\":\"event\"}}\n{{}}\n");
        let request = Request::envelope(&fresh_id(), body).header("Origin", "https://a.b");
        let answer = request.send(relay.address());
        assert_eq!(answer.status(), status, "{origin}: {}", answer.text());
    }
    relay.settle();
    assert!(upstream.envelopes().iter().all(|envelope| envelope.text("origin") == "https://a.b/"));
}

#[test]
fn a_version_in_the_envelope_counts_unless_it_is_the_default() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    for (in_envelope, forwarded) in [("", 6), ("\"version\":7", 6), ("\"version\":5", 5)] {
        let body = format!("{{{in_envelope}}}\n{{\"type\":\"event\"}}\n{{}}\n");
        let auth = format!("Sentry sentry_key={}, sentry_version=6", fresh_id());
        Request::new("POST", "/api/42/envelope/")
            .header("X-Sentry-Auth", &auth)
            .body(body)
            .send(relay.address());
        relay.settle();
        let arrived = upstream.envelopes().pop().expect("an envelope");
        assert_eq!(arrived.header["version"], forwarded, "{in_envelope}");
    }
}
