//! Bodies of foreign protocols on their way to an upstream that does not trust this relay: it refuses them in envelopes, and
//! takes them at the endpoints that it has for everybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use relay_server::Config;
use relay_server::config::{Durability, FanOut};

use crate::support::{
    Answer, Message, Relay, Reply, Request, Upstream, envelope, fresh_id, is_envelope, proxy_config,
};

const LOGS: &str = "/api/42/integration/otlp/v1/logs";
const BODY: &[u8] = b"{\"resourceLogs\":[]}\n\0\xff";

fn post(key: &str, path: &str, media_type: &str) -> Request {
    Request::new("POST", path).auth(key).header("Content-Type", media_type).body(BODY)
}

fn logs(key: &str) -> Request {
    post(key, LOGS, "application/json")
}

fn refusal() -> Answer {
    Reply::new(400).body(r#"{"detail":"envelope contains internal items"}"#).into()
}

fn is_foreign(request: &Message) -> bool {
    is_envelope(request) && envelope(request).types().contains(&"integration")
}

/// An upstream like any Sentry; `endpoint` says what its endpoints for foreign bodies answer.
fn distrusting(endpoint: impl Fn(&Message) -> Answer + Send + Sync + 'static) -> Upstream {
    Upstream::scripted(move |request| match is_envelope(request) {
        true if is_foreign(request) => refusal(),
        true => Reply::new(200).into(),
        false => endpoint(request),
    })
}

fn well(_: &Message) -> Answer {
    Reply::new(200).into()
}

/// The paths that were asked for, in order.
fn paths(upstream: &Upstream) -> Vec<String> {
    upstream.requests().iter().map(|request| request.target().to_owned()).collect()
}

const ENVELOPE: &str = "/api/42/envelope/";

#[test]
fn each_protocol_has_its_endpoint_upstream_to_which_the_body_comes_as_it_was_sent() {
    let [json, protobuf] = ["application/json", "application/x-protobuf"];
    let traces = "/api/42/integration/otlp/v1/traces";
    let vercel = "/api/42/integration/vercel/logs";
    for (path, media_type, told) in [
        (traces, json, json),
        (traces, protobuf, protobuf),
        (LOGS, "application/json; charset=utf-8", json),
        (LOGS, protobuf, protobuf),
        (vercel, json, json),
        (vercel, "application/x-ndjson", "application/x-ndjson"),
        ("/api/42/nel/", json, "application/reports+json"),
    ] {
        let upstream = distrusting(well);
        let relay = Relay::start(proxy_config(&upstream));
        let key = fresh_id();
        let sent = post(&key, path, media_type).header("User-Agent", "exporter/1");
        for _ in 0..2 {
            assert!((200..300).contains(&sent.send(relay.address()).status()), "{path}");
            assert_eq!(relay.settle().discarded_total(), 0, "{path} {media_type}");
        }
        assert_eq!(relay.stats().delivered, 2);
        // Once it was seen to help, nothing is refused any more.
        assert_eq!(paths(&upstream), [ENVELOPE, path, path]);
        for request in &upstream.requests()[1..] {
            assert_eq!(request.content(), BODY);
            assert_eq!(request.header("content-type"), Some(told), "{path}");
            assert_eq!(request.header("user-agent"), Some("exporter/1"));
            assert!(request.header("x-sentry-auth").is_some_and(|auth| auth.contains(&key)));
            assert_eq!(request.header_lines("content-type").count(), 1);
        }
    }
}

#[test]
fn an_upstream_that_trusts_this_relay_gets_an_envelope() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    for _ in 0..2 {
        assert_eq!(logs(&fresh_id()).send(relay.address()).status(), 200);
        relay.settle();
    }
    assert_eq!(paths(&upstream), [ENVELOPE, ENVELOPE]);
}

#[test]
fn a_relay_of_ours_takes_them_from_another_and_keeps_them() {
    let mut capture = Config { port: 0, ..Config::default() };
    capture.limits.max_thread_count = Some(1);
    let capture = Relay::start(capture);
    let nobody = Upstream::start();
    let mut middle = proxy_config(&nobody);
    middle.upstream = format!("http://{}/", capture.address()).parse().expect("an origin");
    let middle = Relay::start(middle);
    let mut front = proxy_config(&nobody);
    front.upstream = format!("http://{}/", middle.address()).parse().expect("an origin");
    let front = Relay::start(front);

    assert_eq!(logs(&fresh_id()).send(front.address()).status(), 200);
    for relay in [&front, &middle] {
        let stats = relay.settle();
        assert_eq!((stats.delivered, stats.discarded_total()), (1, 0), "{stats:?}");
    }
    assert_eq!(capture.stats().waiting, 1);
    let list = Request::new("GET", "/api/relay/events/").send(capture.address()).json();
    let item = &list["events"][0]["items"][0];
    assert_eq!(item["header"]["content_type"], "application/vnd.sentry.integration.otel.logs+json");
    assert_eq!(item["header"]["length"], BODY.len());
}

#[test]
fn what_waits_for_such_an_endpoint_survives_a_restart() {
    for durability in [Durability::Disk, Durability::Memory] {
        let folder = tempfile::tempdir().expect("a folder");
        let is_up = Arc::<AtomicBool>::default();
        let up = Arc::clone(&is_up);
        let upstream = distrusting(move |_| {
            Reply::new(if up.load(Ordering::Relaxed) { 200 } else { 500 }).into()
        });
        let mut config = proxy_config(&upstream);
        config.spool.path = folder.path().join("spool");
        config.spool.durability = durability;
        let relay = Relay::start(config.clone());
        let key = fresh_id();
        for _ in 0..3 {
            assert_eq!(logs(&key).send(relay.address()).status(), 200);
        }
        // Each was refused, and then failed.
        while paths(&upstream).iter().filter(|path| *path == LOGS).count() < 3 {
            upstream.wait_for(upstream.requests().len() + 1);
        }
        let relay = match durability {
            Durability::Disk => {
                assert_eq!(relay.stop_now().waiting, 3);
                Relay::start(config)
            }
            _ => relay,
        };
        is_up.store(true, Ordering::Relaxed);
        let stats = relay.settle();
        assert_eq!((stats.delivered, stats.discarded_total()), (3, 0), "{stats:?}");
        let taken = upstream.requests().iter().filter(|request| request.target() == LOGS).count();
        assert!(taken >= 3);
    }
}

#[test]
fn what_waited_on_the_disk_knows_the_way_that_the_upstream_was_seen_to_take() {
    let folder = tempfile::tempdir().expect("a folder");
    let nobody = Upstream::down(|_| Reply::new(200).into());
    let mut config = proxy_config(&nobody);
    config.spool.path = folder.path().join("spool");
    let relay = Relay::start(config.clone());
    let key = fresh_id();
    let container = "{}\n{\"type\":\"log\",\"item_count\":1,\
                     \"content_type\":\"application/vnd.sentry.items.log+json\"}\n{\"items\":[{}]}\n";
    for request in [logs(&key), logs(&key), Request::envelope(&key, container)] {
        assert_eq!(request.send(relay.address()).status(), 200);
    }
    assert_eq!(relay.stop_now().waiting, 3);

    let upstream = distrusting(well);
    config.upstream = format!("http://{}/", upstream.address()).parse().expect("an origin");
    config.limits.max_concurrent_requests = 1;
    let relay = Relay::start(config);
    let stats = relay.settle();
    assert_eq!((stats.delivered, stats.discarded_total()), (3, 0), "{stats:?}");
    // The last is a container of logs, which looks like a foreign body from afar.
    let paths = paths(&upstream);
    assert_eq!(paths.iter().filter(|path| *path == LOGS).count(), 2, "{paths:?}");
    let envelopes = upstream.envelopes();
    let containers = envelopes.iter().filter(|envelope| envelope.types() == ["log"]).count();
    assert_eq!(containers, 1, "{paths:?}");
}

#[test]
fn what_is_refused_both_ways_is_discarded_and_teaches_nothing() {
    for (status, reason) in [(400, "upstream_refused:400"), (404, "upstream_refused:404")] {
        let upstream = distrusting(move |_| Reply::new(status).into());
        let mut config = proxy_config(&upstream);
        config.http.refusal_grace_period = Duration::ZERO;
        let relay = Relay::start(config);
        for round in 1..=2 {
            assert_eq!(logs(&fresh_id()).send(relay.address()).status(), 200);
            let stats = relay.settle();
            assert_eq!(stats.discarded, [(reason.to_owned(), round)].into());
        }
        assert_eq!(paths(&upstream), [ENVELOPE, LOGS, ENVELOPE, LOGS]);
    }
}

#[test]
fn an_upstream_that_says_so_of_everything_is_not_asked_for_ever() {
    let upstream = Upstream::scripted(|_| refusal());
    let relay = Relay::start(proxy_config(&upstream));
    let key = fresh_id();
    let event = Request::envelope(&key, "{}\n{\"type\":\"event\"}\n{}\n");
    assert_eq!(event.send(relay.address()).status(), 200);
    assert_eq!(relay.settle().discarded["upstream_refused:400"], 1);
    assert_eq!(paths(&upstream), [ENVELOPE]);
    assert_eq!(logs(&key).send(relay.address()).status(), 200);
    assert_eq!(relay.settle().discarded["upstream_refused:400"], 2);
    assert_eq!(paths(&upstream)[1..], [ENVELOPE, LOGS]);
}

#[test]
fn limits_and_encodings_hold_there_as_they_do_for_envelopes() {
    let upstream = distrusting(|request| match request.header("content-encoding") {
        Some("zstd") => Reply::new(415).into(),
        _ => Reply::new(429).header("X-Sentry-Rate-Limits", "60:log_item:key").into(),
    });
    let relay = Relay::start(proxy_config(&upstream));
    let key = fresh_id();
    assert_eq!(logs(&key).send(relay.address()).status(), 200);
    assert_eq!(relay.settle().discarded["upstream_rate_limited"], 1);
    let requests = upstream.requests();
    let encodings: Vec<_> =
        requests.iter().map(|request| request.header("content-encoding")).collect();
    assert_eq!(encodings, [Some("zstd"), Some("zstd"), Some("gzip")]);
    assert!(requests[1..].iter().all(|request| request.content() == BODY));
    assert_eq!(logs(&key).send(relay.address()).status(), 429);
}

#[test]
fn each_target_gets_them_in_its_own_way_under_its_own_name() {
    let (trusting, other) = (Upstream::start(), distrusting(well));
    let (sender, keys) = (fresh_id(), [fresh_id(), fresh_id()]);
    let mut config = proxy_config(&trusting);
    let from = format!("http://{sender}@anywhere/42").parse().expect("a DSN");
    let to = [(&keys[0], &trusting, "7"), (&keys[1], &other, "below/a/path/8")];
    let to = to.map(|(key, upstream, path)| {
        format!("http://{key}@{}/{path}", upstream.address()).parse().expect("a DSN")
    });
    config.fan_out = vec![FanOut::new(&from, to.into()).expect("two targets")];
    let relay = Relay::start(config);
    assert_eq!(logs(&sender).send(relay.address()).status(), 200);
    assert_eq!(relay.settle().delivered, 2);
    assert_eq!(paths(&trusting), ["/api/7/envelope/"]);
    let [refused, taken] = &other.requests()[..] else { panic!("{:?}", paths(&other)) };
    assert_eq!(refused.target(), "/below/a/path/api/8/envelope/");
    assert_eq!(taken.target(), "/below/a/path/api/8/integration/otlp/v1/logs");
    let auth = taken.header("x-sentry-auth").expect("a sender");
    assert!(auth.contains(&keys[1]) && !auth.contains(&sender), "{auth}");
}
