//! Resumable uploads, from a TUS client through the relay to an upstream that takes them.

use relay_server::Config;

use crate::support::{Message, Relay, Reply, Request, Upstream, fresh_id, proxy_config};

const PLACE: &str = "upload_length=11&upload_id=x%2Fy&upload_signature=sig";

fn passing_on(upstream: &Upstream) -> Config {
    let mut config = proxy_config(upstream);
    config.upload.forward = true;
    config
}

fn create(key: &str) -> Request {
    Request::new("POST", "/api/42/upload/").auth(key).header("Tus-Resumable", "1.0.0")
}

fn append(key: &str, query: &str) -> Request {
    Request::new("PATCH", &format!("/api/42/upload/abc/?{query}"))
        .auth(key)
        .header("Tus-Resumable", "1.0.0")
        .header("Content-Type", "application/offset+octet-stream")
        .header("Upload-Offset", "0")
        .header("X-Decoded-Content-Length", "11")
}

fn told(answer: &Message) -> (u16, String) {
    assert_eq!(answer.header("tus-resumable"), Some("1.0.0"));
    let text = answer.text();
    let detail = serde_json::from_str(&text)
        .ok()
        .and_then(|json: serde_json::Value| Some(json["detail"].as_str()?.to_owned()));
    (answer.status(), detail.unwrap_or(text))
}

#[test]
fn an_upload_is_created_and_filled_at_the_upstream_under_the_address_of_the_relay() {
    let upstream = Upstream::scripted(|request| {
        let reply = if request.method() == "POST" {
            let place = format!("/api/7/upload/abc/?{PLACE}");
            Reply::new(201).header("Location", &place).header("Tus-Extension", "creation")
        } else {
            Reply::new(204).header("Upload-Offset", "11")
        };
        reply.header("Tus-Resumable", "1.0.0").body("").into()
    });
    let (here, there) = (fresh_id(), fresh_id());
    let mut config = passing_on(&upstream);
    config.fan_out = vec![
        relay_server::config::FanOut::new(
            &format!("http://{here}@relay.example/42").parse().expect("a DSN"),
            vec![format!("http://{there}@{}/7", upstream.address()).parse().expect("a DSN")],
        )
        .expect("a route"),
    ];
    let relay = Relay::start(config);

    let created = create(&here).header("Upload-Length", "11").send(relay.address());
    assert_eq!(created.status(), 201);
    assert_eq!(created.header("location"), Some(&*format!("/api/42/upload/abc/?{PLACE}")));
    assert_eq!(created.header("tus-extension"), Some("creation"));

    let filled = append(&here, PLACE).body("hello world").send(relay.address());
    assert_eq!((filled.status(), filled.header("upload-offset")), (204, Some("11")));

    let requests = upstream.requests();
    let [asked, brought] = &requests[..] else { panic!("{} requests", requests.len()) };
    assert_eq!(asked.target(), "/api/7/upload/");
    assert_eq!(asked.header("upload-length"), Some("11"));
    assert_eq!(brought.target(), format!("/api/7/upload/abc/?{PLACE}"));
    assert_eq!(brought.body, b"hello world");
    for request in &requests {
        let auth = request.header("x-sentry-auth").expect("a sender");
        assert!(auth.contains(&there) && !auth.contains(&here), "{auth}");
        assert_eq!(request.header("tus-resumable"), Some("1.0.0"));
    }
}

#[test]
fn a_request_that_is_none_of_an_upload_is_told_why() {
    let upstream = Upstream::start();
    let mut config = passing_on(&upstream);
    config.limits.max_upload_size = 100;
    let relay = Relay::start(config);
    let key = fresh_id();
    let bare = || Request::new("POST", "/api/42/upload/").auth(&key);
    let neither = "expected Upload-Length or Upload-Defer-Length=1, got Upload-Length=None, Upload-Defer-Length=None";
    let both = "expected Upload-Length or Upload-Defer-Length=1, got Upload-Length=Some(5), Upload-Defer-Length=Some(1)";
    let sized = || create(&key).header("Upload-Length", "5");
    let plain = || {
        Request::new("PATCH", &format!("/api/42/upload/abc/?{PLACE}"))
            .auth(&key)
            .header("Tus-Resumable", "1.0.0")
    };
    let chunk = || plain().header("Content-Type", "application/offset+octet-stream");
    for (request, status, detail) in [
        (Request::new("POST", "/api/42/upload/"), 401, "missing authorization information"),
        (bare(), 412, "expected Tus-Resumable: 1.0.0, got: (missing)"),
        (bare().header("Tus-Resumable", "0.2"), 412, "expected Tus-Resumable: 1.0.0, got: 0.2"),
        (sized().header("Content-Type", "a/b"), 415, "expected Content-Type: none, got: a/b"),
        (create(&key), 400, neither),
        (sized().header("Upload-Defer-Length", "1"), 400, both),
        (create(&key).header("Upload-Length", "101"), 413, ""),
        (plain(), 415, "expected Content-Type: application/offset+octet-stream, got: "),
        (chunk(), 400, "expected Upload-Offset >= 0"),
        (chunk().header("Upload-Offset", "-1"), 400, "expected Upload-Offset >= 0"),
        (chunk().header("Upload-Offset", "0"), 400, "Missing X-Decoded-Content-Length header"),
        (
            append(&key, "upload_id=x&upload_length=5"),
            400,
            "Failed to deserialize query string: missing field `upload_signature`",
        ),
        (append(&key, PLACE).body([b'x'; 101]), 413, ""),
    ] {
        assert_eq!(told(&request.send(relay.address())), (status, detail.to_owned()));
    }
    let stray = Request::new("GET", "/api/42/upload/abc/").send(relay.address());
    assert_eq!((stray.status(), stray.header("allow")), (405, Some("PATCH")));
    assert_eq!(upstream.requests().len(), 0, "the upstream hears of none of them");
}

#[test]
fn limits_the_upstream_names_hold_for_uploads_too() {
    let upstream = Upstream::scripted(|_| {
        Reply::new(429).header("X-Sentry-Rate-Limits", "60:attachment:project:full").into()
    });
    let relay = Relay::start(passing_on(&upstream));
    let key = fresh_id();
    for _ in 0..2 {
        let answer = create(&key).header("Upload-Defer-Length", "1").send(relay.address());
        assert_eq!(answer.status(), 429);
        let limits = answer.header("x-sentry-rate-limits").expect("limits");
        assert!(limits.ends_with(":attachment:project:full"), "{limits}");
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn an_upstream_that_is_away_or_slow_is_told_from_one_that_refuses() {
    let mut upstream = Upstream::down(|_| Reply::new(200).into());
    let mut config = passing_on(&upstream);
    config.upload.timeout = std::time::Duration::from_millis(300);
    let relay = Relay::start(config);
    let key = fresh_id();
    let ask = || create(&key).header("Upload-Length", "5").send(relay.address()).status();
    assert_eq!(ask(), 502);
    upstream.listen();
    upstream.hold();
    assert_eq!(ask(), 504);
    upstream.release();
    assert_eq!(ask(), 200);
}
