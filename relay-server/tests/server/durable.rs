//! A `200` means that the envelope is on the disk, and from there it goes to every target, whatever happens between.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use relay_compression::ContentEncoding;
use relay_server::Config;
use relay_server::config::{Durability, FanOut, WhenFull};
use relay_spool::{RecordId, Removal, Spool, blocking};

use crate::support::{
    Answer, PATIENCE, Relay, Reply, Request, Upstream, envelope, fresh_id, in_order, proxy_config,
};

/// A relay's configuration with its spool in `folder`.
fn config_in(folder: &Path, upstream: &Upstream) -> Config {
    let mut config = proxy_config(upstream);
    config.spool.path = folder.join("spool");
    config
}

fn event(id: &str) -> String {
    format!("{{\"event_id\":\"{id}\"}}\n{{\"type\":\"event\"}}\n{{\"message\":\"x\"}}\n")
}

/// Sends `count` events, which are accepted; their ids in this order.
fn send(relay: &Relay, key: &str, count: usize) -> Vec<String> {
    let ids: Vec<String> = (0..count).map(|_| fresh_id()).collect();
    for id in &ids {
        assert_eq!(Request::envelope(key, event(id)).send(relay.address()).status(), 200);
    }
    ids
}

fn arrived(upstream: &Upstream) -> Vec<String> {
    upstream.envelopes().iter().map(|envelope| envelope.text("event_id").to_owned()).collect()
}

/// Waits until all of these have arrived, whatever else does.
fn wait_for(upstream: &Upstream, ids: &[String]) {
    loop {
        let requests = upstream.requests().len();
        let arrived = arrived(upstream);
        if ids.iter().all(|id| arrived.contains(id)) {
            return;
        }
        upstream.wait_for(requests + 1);
    }
}

#[test]
fn what_was_accepted_is_delivered_by_the_next_relay() {
    let folder = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::down(in_order([]));
    let relay = Relay::start(config_in(folder.path(), &upstream));
    let ids = send(&relay, &fresh_id(), 10);
    let stats = relay.stop_now();
    assert_eq!((stats.received, stats.waiting, stats.delivered), (10, 10, 0), "{stats:?}");

    let relay = Relay::start(config_in(folder.path(), &upstream));
    assert_eq!(relay.stats().recovered, 10);
    upstream.listen();
    let stats = relay.settle();
    assert_eq!((stats.recovered, stats.received, stats.delivered), (10, 0, 10), "{stats:?}");
    let arrived = arrived(&upstream);
    assert_eq!(arrived.iter().collect::<BTreeSet<_>>(), ids.iter().collect());
    assert_eq!(arrived.len(), 10, "after an orderly end nothing is sent twice");
}

#[test]
fn a_relay_that_stops_while_its_upstream_is_away_does_not_wait_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::down(in_order([]));
    let mut config = config_in(folder.path(), &upstream);
    // Longer than any test waits.
    config.limits.shutdown_timeout = Duration::from_secs(600);
    let relay = Relay::start(config);
    send(&relay, &fresh_id(), 3);
    assert_eq!(relay.stop().waiting, 3);
}

#[test]
fn the_request_that_is_stored_is_the_one_that_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::down(in_order([]));
    let key = fresh_id();
    let relay = Relay::start(config_in(folder.path(), &upstream));
    let request = Request::envelope(&key, event(&fresh_id()))
        .header("User-Agent", "sdk/1")
        .header("Origin", "http://page.example")
        .header("X-Forwarded-For", "192.0.2.7");
    assert_eq!(request.send(relay.address()).status(), 200);
    relay.stop_now();

    upstream.listen();
    let relay = Relay::start(config_in(folder.path(), &upstream));
    relay.settle();
    let sent = &upstream.requests()[0];
    assert_eq!(sent.target(), "/api/42/envelope/");
    assert_eq!(sent.header("user-agent"), Some("sdk/1"));
    assert_eq!(sent.header("origin"), Some("http://page.example/"));
    assert_eq!(sent.header("x-forwarded-for"), Some("192.0.2.7, 127.0.0.1"));
    assert!(sent.header("x-sentry-auth").unwrap().contains(&key));
    assert_eq!(sent.header("content-type"), Some("application/x-sentry-envelope"));
}

#[test]
fn more_than_stands_in_memory_is_delivered_once_and_in_order() {
    const MANY: usize = 3000;
    for durability in [Durability::Disk, Durability::Memory] {
        let folder = tempfile::tempdir().unwrap();
        let mut upstream = Upstream::down(in_order([]));
        let mut config = config_in(folder.path(), &upstream);
        config.spool.durability = durability;
        config.limits.max_concurrent_requests = 1;
        let relay = Relay::start(config);
        let ids = send(&relay, &fresh_id(), MANY);
        assert_eq!(relay.stats().waiting, MANY as u64);
        upstream.listen();
        let stats = relay.settle();
        assert_eq!(stats.delivered, MANY as u64, "{stats:?}");
        let arrived = arrived(&upstream);
        assert_eq!(arrived.iter().collect::<BTreeSet<_>>(), ids.iter().collect());
        assert_eq!(arrived.len(), MANY, "{durability:?}: each once");
        // Those that probed the upstream while it was away may have stepped aside.
        let probes: BTreeSet<_> = ids.iter().take(10).collect();
        let in_order = |ids: &[String]| {
            ids.iter().filter(|id| !probes.contains(id)).cloned().collect::<Vec<_>>()
        };
        assert!(in_order(&arrived) == in_order(&ids), "{durability:?}: as they came");
    }
}

#[test]
fn what_is_held_back_for_long_waits_on_the_disk_without_being_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let held_back = Reply::new(429).header("Retry-After", "3600").into();
    let upstream = Upstream::answering([held_back]);
    let (limited, free) = (fresh_id(), fresh_id());
    let relay = Relay::start(config_in(folder.path(), &upstream));
    send(&relay, &limited, 1);
    while Request::envelope(&limited, event(&fresh_id())).send(relay.address()).status() != 429 {
        // Not learned yet.
    }
    wait_for(&upstream, &send(&relay, &free, 20));
    let stats = relay.stop();
    assert!(stats.waiting >= 1, "{stats:?}");

    // The next one knows nothing of the limit, and the time on the disk has not come.
    let relay = Relay::start(config_in(folder.path(), &upstream));
    wait_for(&upstream, &send(&relay, &free, 1));
    assert_eq!(relay.stop().waiting, stats.waiting);
}

#[test]
fn what_a_limit_holds_back_keeps_nothing_on_the_disk_from_going() {
    // More than is fetched in two pieces.
    const MANY: usize = 1200;
    let folder = tempfile::tempdir().unwrap();
    let down = Upstream::down(in_order([]));
    let (limited, free) = (fresh_id(), fresh_id());
    let relay = Relay::start(config_in(folder.path(), &down));
    send(&relay, &limited, MANY);
    let ids = send(&relay, &free, 3);
    relay.stop_now();

    let held_back = Reply::new(429).header("Retry-After", "3600").into();
    let upstream = Upstream::answering([held_back]);
    let mut config = config_in(folder.path(), &upstream);
    config.limits.max_concurrent_requests = 1;
    // Nobody else looks by chance.
    config.limits.max_thread_count = Some(1);
    let relay = Relay::start(config);
    upstream.wait_for(4);
    assert_eq!(arrived(&upstream)[1..], ids);
    assert_eq!(relay.stop().waiting, MANY as u64);
}

#[test]
fn what_a_limit_on_a_category_holds_back_lets_other_categories_of_the_same_key_pass() {
    let folder = tempfile::tempdir().unwrap();
    let limited = Reply::new(429).header("X-Sentry-Rate-Limits", "3600:error:key");
    let mut upstream = Upstream::down(in_order([limited.into()]));
    let mut config = config_in(folder.path(), &upstream);
    config.limits.max_concurrent_requests = 1;
    let key = fresh_id();
    let relay = Relay::start(config.clone());
    let ids = send(&relay, &key, 4);
    let session =
        "{}\n{\"type\":\"session\"}\n{\"sid\":\"8333339f-5675-4f89-a9a0-1c935255ab58\"}\n";
    for _ in 0..2 {
        assert_eq!(Request::envelope(&key, session).send(relay.address()).status(), 200);
    }
    relay.stop_now();

    upstream.listen();
    let relay = Relay::start(config);
    upstream.wait_for(3);
    let stats = relay.stop();
    assert_eq!((stats.delivered, stats.waiting), (2, 3), "{stats:?}");
    let envelopes = upstream.envelopes();
    assert_eq!(envelopes[0].text("event_id"), ids[0]);
    assert!(envelopes[1..].iter().all(|envelope| envelope.types() == ["session"]));
}

#[test]
fn what_has_waited_for_too_long_is_discarded_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::down(in_order([]));
    let mut config = config_in(folder.path(), &upstream);
    let relay = Relay::start(config.clone());
    send(&relay, &fresh_id(), 5);
    relay.stop_now();
    config.spool.max_age = Duration::ZERO;
    let relay = Relay::start(config);
    assert_eq!(relay.settle().discarded, [("expired".to_owned(), 5)].into());
}

#[test]
fn what_was_removed_from_the_spool_by_hand_is_accounted_for_by_the_next_relay() {
    let folder = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::down(in_order([]));
    let config = config_in(folder.path(), &upstream);
    let relay = Relay::start(config.clone());
    let ids = send(&relay, &fresh_id(), 5);
    assert_eq!(relay.stop_now().waiting, 5);

    let spool = Spool::open(&config.spool.path, relay_spool::Settings::default()).unwrap();
    let waiting = blocking(|reply| spool.list(RecordId::default(), 10, u64::MAX, reply)).unwrap();
    let records = |range: std::ops::Range<usize>| {
        waiting[range].iter().map(|(record, _)| record.reference()).collect::<Vec<_>>()
    };
    blocking(|reply| spool.discard(records(0..2), Removal::Purged, reply)).unwrap();
    blocking(|reply| spool.discard(records(2..3), Removal::Exported, reply)).unwrap();
    spool.close();

    let relay = Relay::start(config.clone());
    let stats = relay.stats();
    assert_eq!((stats.recovered, stats.waiting), (5, 2), "{stats:?}");
    assert_eq!((stats.discarded["purged"], stats.discarded["exported"]), (2, 1), "{stats:?}");
    upstream.listen();
    wait_for(&upstream, &ids[3..]);
    relay.settle();
    let stats = relay.stop();
    assert_eq!((stats.delivered, stats.made), (3, 1), "and a report of what was purged");
    // Once.
    assert_eq!(Relay::start(config).stats().recovered, 0);
}

#[test]
fn a_full_spool_refuses_with_503_and_says_so_to_whoever_asks() {
    let folder = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::down(in_order([]));
    let mut config = config_in(folder.path(), &upstream);
    // So that they are all of one size.
    config.http.encoding = ContentEncoding::Identity;
    let relay = Relay::start(config.clone());
    let key = fresh_id();
    send(&relay, &key, 1);
    let one = relay.stop_now().spool.unwrap().total().bytes;
    config.spool.max_disk_size = usize::try_from(2 * one).unwrap();
    let relay = Relay::start(config);
    send(&relay, &key, 1);
    let refused = Request::envelope(&key, event(&fresh_id())).send(relay.address());
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.header("retry-after"), Some("5"));
    assert!(refused.text().contains("envelope buffer does not have capacity"));
    let ready = Request::new("GET", "/api/relay/healthcheck/ready/");
    let answer = ready.send(relay.address());
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.text(), r#"{"is_healthy":false,"reasons":["the spool is nearly full"]}"#);
    upstream.listen();
    let stats = relay.settle();
    assert_eq!(stats.discarded, [("queue_full".to_owned(), 1)].into());
    // What was delivered makes room with the next commit.
    let begun = Instant::now();
    while ready.send(relay.address()).text() != r#"{"is_healthy":true}"# {
        assert!(begun.elapsed() < PATIENCE, "there is room");
    }
}

#[test]
fn what_would_not_fit_into_an_empty_spool_is_refused_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start();
    let mut config = config_in(folder.path(), &upstream);
    config.http.encoding = ContentEncoding::Identity;
    config.spool.max_disk_size = 20_000;
    let relay = Relay::start(config);
    let event = format!("{{\"message\":\"{}\"}}", "x".repeat(30_000));
    let refused = Request::store(&fresh_id(), event).send(relay.address());
    assert_eq!(refused.status(), 413, "{}", refused.text());
    send(&relay, &fresh_id(), 1);
    assert_eq!(relay.settle().discarded, [("queue_full".to_owned(), 1)].into());
}

#[test]
fn a_full_spool_may_drop_its_oldest_instead() {
    let folder = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::down(in_order([]));
    let mut config = config_in(folder.path(), &upstream);
    config.spool.max_disk_size = 5000;
    config.spool.when_full = WhenFull::DropOldest;
    let relay = Relay::start(config);
    let ids = send(&relay, &fresh_id(), 50);
    upstream.listen();
    let stats = relay.settle();
    let dropped = stats.discarded["spool_full"];
    assert_eq!(stats.discarded.len(), 1, "{stats:?}");
    assert!(stats.delivered >= 2 && dropped >= 30, "{stats:?}");
    assert!(arrived(&upstream).contains(ids.last().unwrap()), "the newest are kept");
}

#[test]
fn durability_in_memory_is_told_in_the_readiness_answer_and_leaves_nothing_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start();
    let mut config = config_in(folder.path(), &upstream);
    config.spool.durability = Durability::Memory;
    let relay = Relay::start(config);
    let ready = Request::new("GET", "/api/relay/healthcheck/ready/").send(relay.address());
    assert_eq!(ready.text(), r#"{"is_healthy":true,"durability":"memory"}"#);
    send(&relay, &fresh_id(), 1);
    relay.settle();
    assert!(!folder.path().join("spool").exists());
}

#[test]
fn a_damaged_file_is_put_aside_and_the_relay_serves_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::down(in_order([]));
    let relay = Relay::start(config_in(folder.path(), &upstream));
    send(&relay, &fresh_id(), 3);
    relay.stop_now();
    std::fs::write(folder.path().join("spool/spool.db"), [0xa5; 20_000]).unwrap();

    let relay = Relay::start(config_in(folder.path(), &upstream));
    let spool = relay.stats().spool.unwrap();
    assert_eq!(spool.set_aside.len(), 1);
    assert_eq!(std::fs::read(&spool.set_aside[0]).unwrap(), [0xa5; 20_000]);
    upstream.listen();
    let ids = send(&relay, &fresh_id(), 2);
    relay.settle();
    assert_eq!(arrived(&upstream).iter().collect::<BTreeSet<_>>(), ids.iter().collect());
}

/// Two upstreams, and a sender whose envelopes go to a project at each.
struct Fan {
    sender: String,
    targets: [String; 2],
    folder: tempfile::TempDir,
}

impl Fan {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { sender: fresh_id(), targets: [fresh_id(), fresh_id()], folder }
    }

    fn config(&self, upstreams: [&Upstream; 2]) -> Config {
        let mut config = config_in(self.folder.path(), upstreams[0]);
        let from = format!("http://{}@anywhere/42", self.sender).parse().expect("a DSN");
        let to = self.targets.iter().zip(upstreams).zip([7, 8]);
        let to = to.map(|((key, upstream), project)| {
            format!("http://{key}:secret@{}/{project}", upstream.address()).parse().expect("a DSN")
        });
        config.fan_out = vec![FanOut::new(&from, to.collect()).expect("two targets")];
        config
    }
}

#[test]
fn an_envelope_goes_to_every_target_and_is_addressed_anew_for_each() {
    let fan = Fan::new();
    let upstreams = [Upstream::start(), Upstream::start()];
    let relay = Relay::start(fan.config([&upstreams[0], &upstreams[1]]));
    let (id, trace) = (fresh_id(), fresh_id());
    let trace = format!("{{\"trace_id\":\"{trace}\",\"public_key\":\"{}\"}}", fan.sender);
    let text =
        format!("{{\"event_id\":\"{id}\",\"trace\":{trace}}}\n{{\"type\":\"event\"}}\n{{}}\n");
    assert_eq!(Request::envelope(&fan.sender, text).send(relay.address()).status(), 200);
    let stats = relay.settle();
    assert_eq!((stats.received, stats.delivered), (2, 2), "an item counts once for each target");
    for ((upstream, key), project) in upstreams.iter().zip(&fan.targets).zip([7, 8]) {
        let requests = upstream.requests();
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].target(), format!("/api/{project}/envelope/"));
        let auth = requests[0].header("x-sentry-auth").unwrap();
        assert!(auth.contains(key) && !auth.contains(&fan.sender), "{auth}");
        let envelope = envelope(&requests[0]);
        assert_eq!(envelope.text("event_id"), id);
        let dsn = format!("http://{key}:@{}/{project}", upstream.address());
        assert_eq!(envelope.text("dsn"), dsn);
        assert_eq!(envelope.header["trace"]["public_key"], **key);
    }
    // Everybody else goes where they always went.
    let other = fresh_id();
    send(&relay, &other, 1);
    relay.settle();
    let requests = upstreams[0].requests();
    assert!(requests[1].header("x-sentry-auth").unwrap().contains(&other));
    assert_eq!(upstreams[1].requests().len(), 1);
}

#[test]
fn a_target_that_is_away_holds_up_no_other_and_gets_all_in_the_end() {
    let fan = Fan::new();
    let (live, mut dead) = (Upstream::start(), Upstream::down(in_order([])));
    let relay = Relay::start(fan.config([&live, &dead]));
    let ids = send(&relay, &fan.sender, 30);
    live.wait_for(30);
    // In good order, so that what was sent to the one is known to have arrived.
    assert_eq!(relay.stop().waiting, 30);

    let relay = Relay::start(fan.config([&live, &dead]));
    dead.listen();
    relay.settle();
    let dead = arrived(&dead);
    assert_eq!(dead.iter().collect::<BTreeSet<_>>(), ids.iter().collect());
    assert_eq!(arrived(&live).iter().collect::<BTreeSet<_>>(), ids.iter().collect());
}

#[test]
fn a_sender_hears_of_a_limit_only_when_all_its_targets_have_one() {
    let fan = Fan::new();
    let limited = || Answer::from(Reply::new(429).header("X-Sentry-Rate-Limits", "60:error:key"));
    let upstreams = [
        Upstream::answering([limited()]),
        Upstream::answering([Reply::new(200).into(), limited()]),
    ];
    let relay = Relay::start(fan.config([&upstreams[0], &upstreams[1]]));
    send(&relay, &fan.sender, 1);
    relay.settle();
    // One has a limit, the other takes it, and answers with one.
    send(&relay, &fan.sender, 1);
    relay.settle();
    let third = Request::envelope(&fan.sender, event(&fresh_id())).send(relay.address());
    assert_eq!(third.status(), 429);
    assert!(third.header("x-sentry-rate-limits").unwrap().contains(":error:key"));
    let stats = relay.settle();
    assert_eq!(stats.delivered, 1, "{stats:?}");
    assert_eq!((upstreams[0].requests().len(), upstreams[1].requests().len()), (1, 2));
}
