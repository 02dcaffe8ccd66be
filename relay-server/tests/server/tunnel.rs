//! The tunnel for pages behind ad blockers, and whom to believe about where a request came from.

use relay_server::Config;

use crate::support::{Message, Relay, Reply, Request, Upstream, envelope, fresh_id, proxy_config};

fn config(upstream: &Upstream, allow: &[&str]) -> Config {
    let mut config = proxy_config(upstream);
    config.tunnel.allow = allow.iter().map(|target| target.parse().expect("a target")).collect();
    config
}

fn through(path: &str, dsn: &str) -> Request {
    let body = format!("{{\"dsn\":\"{dsn}\"}}\n{{\"type\":\"event\"}}\n{{\"message\":\"x\"}}\n");
    // As a browser sends text to another origin, without asking first.
    Request::new("POST", path)
        .header("Content-Type", "text/plain;charset=UTF-8")
        .header("Origin", "https://shop.example")
        .body(body)
}

fn status_with_cors(answer: &Message) -> u16 {
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    answer.status()
}

#[test]
fn an_envelope_goes_through_the_tunnel_to_where_it_leads_and_nowhere_else() {
    let upstream = Upstream::start();
    let allow = ["o1.ingest.sentry.io/42", "sentry.example:9000/*"];
    let relay = Relay::start(config(&upstream, &allow));
    let key = fresh_id();
    for (place, status) in [
        ("https://KEY@o1.ingest.sentry.io/42", 200),
        ("https://KEY@O1.ingest.sentry.io:443/42", 200),
        ("https://KEY@o1.ingest.sentry.io/43", 403),
        ("https://KEY@o2.ingest.sentry.io/42", 403),
        ("https://KEY@evil.o1.ingest.sentry.io/42", 403),
        ("http://KEY@sentry.example:9000/7", 200),
        ("http://KEY@sentry.example/7", 403),
    ] {
        let answer = through("/tunnel", &place.replace("KEY", &key)).send(relay.address());
        assert_eq!(status_with_cors(&answer), status, "{place}");
    }
    let stats = relay.settle();
    assert_eq!((stats.received, stats.delivered), (3, 3));
    let requests = upstream.requests();
    assert_eq!(requests[0].target(), "/api/42/envelope/");
    assert_eq!(envelope(&requests[0]).text("origin"), "https://shop.example/");
}

#[test]
fn a_tunnel_that_leads_nowhere_refuses_all_and_one_without_a_path_is_none() {
    let upstream = Upstream::start();
    let dsn = format!("https://{}@o1.ingest.sentry.io/42", fresh_id());
    let relay = Relay::start(config(&upstream, &[]));
    let answer = through("/tunnel", &dsn).send(relay.address());
    assert_eq!(status_with_cors(&answer), 403);
    let detail = "the tunnel does not lead to the host and project of this DSN";
    assert_eq!(answer.json()["detail"], detail);

    let mut elsewhere = config(&upstream, &["o1.ingest.sentry.io/42"]);
    elsewhere.tunnel.path = "/monitoring".parse().unwrap();
    let relay = Relay::start(elsewhere);
    assert_eq!(through("//monitoring", &dsn).send(relay.address()).status(), 200);
    assert_eq!(through("/tunnel", &dsn).send(relay.address()).status(), 404);

    let mut none = config(&upstream, &["o1.ingest.sentry.io/42"]);
    none.tunnel.path = "".parse().unwrap();
    assert_eq!(through("/tunnel", &dsn).send(Relay::start(none).address()).status(), 404);
}

#[test]
fn the_tunnel_answers_as_the_endpoint_for_envelopes_does() {
    let limited = Reply::new(429).header("X-Sentry-Rate-Limits", "60:error:key:spike");
    let upstream = Upstream::answering([limited.into()]);
    let relay = Relay::start(config(&upstream, &["o1.ingest.sentry.io/42"]));
    let dsn = format!("https://{}@o1.ingest.sentry.io/42", fresh_id());
    // Other senders named in the request say nothing: only the envelope does.
    let path = format!("/tunnel?sentry_key={}", fresh_id());
    let answer = through(&path, &dsn).send(relay.address());
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json()["id"].as_str().map(str::len), Some(32));
    relay.settle();
    let answer = through("/tunnel", &dsn).send(relay.address());
    assert_eq!(status_with_cors(&answer), 429);
    assert_eq!(answer.header("x-sentry-rate-limits"), Some("60:error:key:spike"));
    assert!(answer.header("retry-after").is_some());

    let without = Request::new("POST", "/tunnel").body("{}\n").send(relay.address());
    assert_eq!(status_with_cors(&without), 401);
    let options = Request::new("OPTIONS", "/tunnel").send(relay.address());
    assert_eq!((options.status(), options.header("allow")), (200, Some("POST")));
    assert_eq!(Request::new("GET", "/tunnel").send(relay.address()).status(), 405);
}

/// What the upstream is told of the way, in the header and in the envelope.
fn told(settings: impl FnOnce(&mut Config), request: Request) -> [String; 3] {
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    settings(&mut config);
    let relay = Relay::start(config);
    assert_eq!(request.send(relay.address()).status(), 200);
    let request = &upstream.wait_for(1)[0];
    let envelope = envelope(request);
    let header = request.header("x-forwarded-for").unwrap_or_default().to_owned();
    relay.settle();
    [header, envelope.text("forwarded_for").to_owned(), envelope.text("remote_addr").to_owned()]
}

#[test]
fn a_client_cannot_forge_its_address_where_the_operator_says_whom_to_believe() {
    let forged = || {
        let header = r#"{"forwarded_for":"6.6.6.6","remote_addr":"6.6.6.7"}"#;
        let body = format!("{header}\n{{\"type\":\"event\"}}\n{{\"message\":\"x\"}}\n");
        Request::envelope(&fresh_id(), body)
            .header("CF-Connecting-IP", "6.6.6.8")
            .header("X-Forwarded-For", "6.6.6.9, 1.2.3.4")
    };
    assert_eq!(told(|_| {}, forged()), ["6.6.6.6", "6.6.6.6", "6.6.6.7"]);
    let one_hop = |config: &mut Config| config.forwarded.trusted_hops = Some(1);
    assert_eq!(told(one_hop, forged()), ["1.2.3.4, 127.0.0.1", "1.2.3.4, 127.0.0.1", "127.0.0.1"]);
    let nobody = |config: &mut Config| config.forwarded.trusted_hops = Some(0);
    assert_eq!(told(nobody, forged()), ["127.0.0.1"; 3]);
    // A relay in the own network may tell where an envelope came from before.
    let own_network = |config: &mut Config| {
        config.forwarded.trusted_networks = vec!["127.0.0.0/8".parse().unwrap()];
    };
    let by_relay = Request::envelope(
        &fresh_id(),
        "{\"forwarded_for\":\"1.2.3.4, 10.0.0.1\"}\n{\"type\":\"event\"}\n{}\n",
    );
    assert_eq!(
        told(own_network, by_relay),
        ["1.2.3.4, 10.0.0.1", "1.2.3.4, 10.0.0.1", "127.0.0.1"]
    );
}

#[test]
fn requests_that_pass_through_carry_no_forged_address_either() {
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    config.forwarded.trusted_hops = Some(1);
    let relay = Relay::start(config);
    let request = Request::new("GET", "/api/0/organizations/")
        .header("X-Forwarded-For", "6.6.6.6, 1.2.3.4")
        .header("X-Sentry-Forwarded-For", "6.6.6.6");
    assert_eq!(request.send(relay.address()).status(), 200);
    let passed = &upstream.wait_for(1)[0];
    let lines: Vec<&str> = passed.header_lines("x-forwarded-for").collect();
    assert_eq!(lines, ["1.2.3.4, 127.0.0.1"]);
    assert_eq!(passed.header("x-sentry-forwarded-for"), None);
}
