//! The upstream is told of what was discarded here: client reports.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use relay_compression::ContentEncoding;
use relay_server::config::{Durability, EmitOutcomes, FanOut, WhenFull};
use relay_server::{Config, Stats};
use relay_spool::{RecordId, Removal, Spool, blocking};
use serde_json::Value;

use crate::support::{
    Answer, Envelope, Message, Relay, Reply, Request, Upstream, envelope, fresh_id, in_order,
    is_envelope, proxy_config,
};

const EVENT: &str = "{}\n{\"type\":\"event\"}\n{\"message\":\"x\"}\n";

/// Longer than any test waits.
const NEVER: Duration = Duration::from_secs(3600);

/// A relay that tells of what it discards as soon as it can.
fn config(upstream: &Upstream) -> Config {
    let mut config = proxy_config(upstream);
    config.outcomes.initial_delay = Duration::ZERO;
    config.limits.items.max_event_size = 100;
    config
}

/// The same with its spool in `folder`, which only tells at its end.
fn late_config(upstream: &Upstream, folder: &Path) -> Config {
    let mut config = config(upstream);
    config.outcomes.initial_delay = NEVER;
    config.spool.path = folder.join("spool");
    config
}

fn is_report(envelope: &Envelope) -> bool {
    envelope.types().iter().all(|ty| *ty == "client_report")
}

/// How much was lost by list, reason and category, as the requests of one project tell it.
type Told = BTreeMap<(String, String, String), u64>;

fn told<'a>(requests: impl IntoIterator<Item = &'a Arc<Message>>) -> Told {
    let mut told = Told::new();
    let envelopes = requests.into_iter().filter(|request| is_envelope(request));
    for item in envelopes.map(|request| envelope(request)).filter(is_report).flat_map(|e| e.items) {
        let report: Value = serde_json::from_slice(&item.payload).expect("JSON");
        for (list, lines) in report.as_object().expect("an object") {
            for line in lines.as_array().into_iter().flatten() {
                let text = |key: &str| line[key].as_str().expect("a text").to_owned();
                let quantity = line["quantity"].as_u64().expect("a number");
                *told.entry((list.clone(), text("reason"), text("category"))).or_default() +=
                    quantity;
            }
        }
    }
    told
}

fn lines(expected: &[(&str, &str, &str, u64)]) -> Told {
    let lines = expected.iter().map(|(list, reason, category, quantity)| {
        (((*list).to_owned(), (*reason).to_owned(), (*category).to_owned()), *quantity)
    });
    lines.collect()
}

/// Waits until the upstream has been told exactly this.
#[track_caller]
fn wait_until_told(upstream: &Upstream, expected: &[(&str, &str, &str, u64)]) {
    let expected = lines(expected);
    loop {
        let requests = upstream.requests();
        let told = told(&requests);
        if told == expected {
            return;
        }
        let is_on_the_way =
            told.iter().all(|(line, quantity)| expected.get(line) >= Some(quantity));
        assert!(is_on_the_way, "told {told:?}, not {expected:?}");
        upstream.wait_for(requests.len() + 1);
    }
}

fn send(relay: &Relay, key: &str, envelope: impl Into<Vec<u8>>) -> u16 {
    Request::envelope(key, envelope).send(relay.address()).status()
}

fn discarded(stats: &Stats) -> Vec<(&str, u64)> {
    stats.discarded.iter().map(|(reason, items)| (reason.as_str(), *items)).collect()
}

/// An event that is too large, with a file of three bytes.
fn large_event() -> String {
    let message = "x".repeat(100);
    format!(
        "{{}}\n{{\"type\":\"event\"}}\n{{\"message\":\"{message}\"}}\n\
         {{\"type\":\"attachment\",\"length\":3,\"filename\":\"a\"}}\nabc\n"
    )
}

const LARGE_EVENT: [(&str, &str, &str, u64); 3] = [
    ("discarded_events", "too_large:event", "error", 1),
    ("discarded_events", "too_large:event", "attachment", 3),
    ("discarded_events", "too_large:event", "attachment_item", 1),
];

#[test]
fn ops_042_what_a_learned_limit_turns_away_is_reported_by_its_code() {
    let limited = Arc::new(AtomicBool::new(true));
    let is_limited = Arc::clone(&limited);
    let upstream = Upstream::scripted(move |_| match is_limited.load(Ordering::SeqCst) {
        true => Reply::new(429).header("Retry-After", "1").into(),
        false => Reply::new(200).into(),
    });
    let relay = Relay::start(config(&upstream));
    let key = fresh_id();
    assert_eq!(send(&relay, &key, EVENT), 200);
    let refused = loop {
        // What is accepted before the limit is learned waits for its end.
        let answer = Request::envelope(&key, EVENT).send(relay.address());
        if answer.status() == 429 {
            break answer;
        }
    };
    assert!(refused.header("x-sentry-rate-limits").unwrap().ends_with("::key:generic"));
    limited.store(false, Ordering::SeqCst);
    wait_until_told(&upstream, &[("rate_limited_events", "generic", "error", 1)]);
    let stats = relay.settle();
    assert_eq!(discarded(&stats), [("rate_limited:generic", 1)]);
    assert_eq!(stats.made, 1);
}

#[test]
fn a_limit_with_a_code_is_reported_by_it_and_one_without_by_nothing() {
    for (limit, reason) in [("60:error:key:quota", "quota"), ("60:error:key", "")] {
        let upstream =
            Upstream::answering([Reply::new(429).header("X-Sentry-Rate-Limits", limit).into()]);
        let relay = Relay::start(config(&upstream));
        let key = fresh_id();
        assert_eq!(send(&relay, &key, EVENT), 200);
        // That the upstream dropped the first itself it knows.
        assert_eq!(relay.settle().made, 0);
        assert_eq!(send(&relay, &key, EVENT), 429);
        wait_until_told(&upstream, &[("rate_limited_events", reason, "error", 1)]);
    }
}

#[test]
fn a_report_is_an_envelope_of_the_relays_own() {
    let upstream = Upstream::start();
    let relay = Relay::start(config(&upstream));
    let key = fresh_id();
    let large = Request::envelope(&key, large_event()).header("User-Agent", "sdk/1");
    assert_eq!(large.send(relay.address()).status(), 413);
    wait_until_told(&upstream, &LARGE_EVENT);
    let request = &upstream.requests()[0];
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(request.target(), "/api/42/envelope/");
    assert_eq!(request.header("user-agent"), Some(&*format!("sentry-relay/{version}")));
    assert_eq!(request.header("content-encoding"), Some("zstd"));
    assert_eq!(request.header("x-forwarded-for"), None);
    assert_eq!(
        request.header("x-sentry-auth"),
        Some(&*format!(
            "Sentry sentry_key={key}, sentry_version=7, sentry_client=sentry.relay/{version}"
        ))
    );
    let envelope = envelope(request);
    assert_eq!(envelope.text("dsn"), format!("http://{key}:@{}/42", upstream.address()));
    assert_eq!(envelope.text("client"), format!("sentry.relay/{version}"));
    assert_eq!(envelope.text("user_agent"), format!("sentry-relay/{version}"));
    assert_eq!(envelope.header["version"], 7);
    assert!(envelope.header.contains_key("sent_at") && !envelope.header.contains_key("event_id"));
    let item = &envelope.items[0];
    assert_eq!(item.text("content_type"), "application/json");
    assert_eq!(item.header["length"], item.payload.len());
    let report: Value = serde_json::from_slice(&item.payload).unwrap();
    assert_eq!(report["timestamp"].as_u64().unwrap() % 10, 0);
    assert_eq!(report.as_object().unwrap().len(), 2, "no empty lists: {report}");
}

#[test]
fn unknown_items_that_are_not_kept_are_reported_as_far_as_they_count() {
    let upstream = Upstream::start();
    let mut config = config(&upstream);
    config.accept_unknown_items = false;
    let relay = Relay::start(config);
    let unknown = "{}\n{\"type\":\"future\"}\n{}\n\
                   {\"type\":\"attachment\",\"attachment_type\":\"future\",\"length\":4}\nabcd\n";
    assert_eq!(send(&relay, &fresh_id(), unknown), 200);
    wait_until_told(
        &upstream,
        &[
            ("discarded_events", "unknown_type", "attachment", 4),
            ("discarded_events", "unknown_type", "attachment_item", 1),
        ],
    );
    assert_eq!(discarded(&relay.settle()), [("unknown_type", 2)]);
}

#[test]
fn what_the_upstream_refuses_is_reported_to_it_and_a_report_that_is_refused_is_not() {
    let upstream = Upstream::scripted(|_| Reply::new(400).into());
    let relay = Relay::start(config(&upstream));
    assert_eq!(send(&relay, &fresh_id(), EVENT), 200);
    wait_until_told(&upstream, &[("discarded_events", "upstream_refused:400", "error", 1)]);
    let stats = relay.stop();
    assert_eq!(discarded(&stats), [("upstream_refused:400", 2)], "the event and the report");
    assert_eq!((stats.received, stats.made, stats.waiting), (1, 1, 0), "{stats:?}");
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn what_a_full_spool_refuses_is_reported_as_soon_as_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::down(in_order([]));
    let mut config = late_config(&upstream, folder.path());
    config.http.encoding = ContentEncoding::Identity;
    let relay = Relay::start(config.clone());
    let key = fresh_id();
    assert_eq!(send(&relay, &key, EVENT), 200);
    let one = relay.stop_now().spool.unwrap().total().bytes;
    // Neither a second event nor a report fits beside the first.
    config.spool.max_disk_size = usize::try_from(one + one / 2).unwrap();
    config.outcomes.initial_delay = Duration::ZERO;
    let relay = Relay::start(config);
    assert_eq!(send(&relay, &key, EVENT), 503);
    assert_eq!(relay.stats().made, 0);
    upstream.listen();
    wait_until_told(&upstream, &[("discarded_events", "queue_full", "error", 1)]);
    assert_eq!(discarded(&relay.settle()), [("queue_full", 1)]);
}

#[test]
fn what_has_waited_for_too_long_is_reported_by_the_relay_that_finds_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::down(in_order([]));
    let mut config = late_config(&upstream, folder.path());
    let relay = Relay::start(config.clone());
    let key = fresh_id();
    let attachment = "{}\n{\"type\":\"attachment\",\"length\":5}\nabcde\n";
    assert_eq!([EVENT, attachment].map(|envelope| send(&relay, &key, envelope)), [200, 200]);
    relay.stop_now();
    config.spool.max_age = Duration::ZERO;
    let relay = Relay::start(config.clone());
    // Only the end of it has the reports made, and no time to wait for their own age.
    while relay.stats().discarded_total() < 2 {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    relay.stop_now();
    upstream.listen();
    config.spool.max_age = NEVER;
    let relay = Relay::start(config);
    wait_until_told(
        &upstream,
        &[
            ("discarded_events", "expired", "attachment", 5),
            ("discarded_events", "expired", "attachment_item", 1),
            ("discarded_events", "expired", "error", 1),
        ],
    );
    assert_eq!(relay.settle().delivered, 1);
}

#[test]
fn what_made_room_for_newer_envelopes_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::down(in_order([]));
    let mut config = late_config(&upstream, folder.path());
    config.spool.max_disk_size = 5000;
    config.spool.when_full = WhenFull::DropOldest;
    let relay = Relay::start(config);
    let key = fresh_id();
    assert_eq!([EVENT; 30].map(|event| send(&relay, &key, event)), [200; 30]);
    upstream.listen();
    let dropped = relay.settle().discarded["spool_full"];
    relay.stop();
    assert!(dropped > 10, "{dropped}");
    let lost = [("discarded_events", "spool_full", "error", dropped)];
    assert_eq!(told(&upstream.requests()), lines(&lost));
}

#[test]
fn what_was_purged_by_hand_is_reported_and_what_was_exported_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::down(in_order([]));
    let config = late_config(&upstream, folder.path());
    let relay = Relay::start(config.clone());
    let key = fresh_id();
    assert_eq!([EVENT; 3].map(|event| send(&relay, &key, event)), [200; 3]);
    relay.stop_now();
    let spool = Spool::open(&config.spool.path, relay_spool::Settings::default()).unwrap();
    let waiting = blocking(|reply| spool.list(RecordId::default(), 10, u64::MAX, reply)).unwrap();
    let records: Vec<_> = waiting.iter().map(|(record, _)| record.reference()).collect();
    blocking(|reply| spool.discard(records[..2].to_vec(), Removal::Purged, reply)).unwrap();
    blocking(|reply| spool.discard(records[2..].to_vec(), Removal::Exported, reply)).unwrap();
    spool.close();

    upstream.listen();
    let relay = Relay::start(config);
    assert_eq!(relay.stop().made, 1);
    wait_until_told(&upstream, &[("discarded_events", "purged", "error", 2)]);
}

#[test]
fn each_target_is_told_of_its_own_under_its_own_key() {
    let (sender, keys) = (fresh_id(), [fresh_id(), fresh_id()]);
    let upstreams = [Upstream::start(), Upstream::scripted(|_| Reply::new(400).into())];
    let mut config = config(&upstreams[0]);
    let from = format!("http://{sender}@anywhere/42").parse().expect("a DSN");
    let to = keys.iter().zip(&upstreams).zip([7, 8]).map(|((key, upstream), project)| {
        format!("http://{key}:secret@{}/{project}", upstream.address()).parse().expect("a DSN")
    });
    config.fan_out = vec![FanOut::new(&from, to.collect()).expect("two targets")];
    let relay = Relay::start(config);
    assert_eq!(send(&relay, &sender, large_event()), 413);
    for upstream in &upstreams {
        wait_until_told(upstream, &LARGE_EVENT);
    }
    assert_eq!(send(&relay, &sender, EVENT), 200);
    let refused = [("discarded_events", "upstream_refused:400", "error", 1)];
    wait_until_told(&upstreams[1], &[&LARGE_EVENT[..], &refused].concat());
    wait_until_told(&upstreams[0], &LARGE_EVENT);
    for ((upstream, key), project) in upstreams.iter().zip(&keys).zip([7, 8]) {
        for request in upstream.requests() {
            assert_eq!(request.target(), format!("/api/{project}/envelope/"));
            assert!(request.header("x-sentry-auth").unwrap().contains(key));
            let dsn = format!("http://{key}:@{}/{project}", upstream.address());
            assert_eq!(envelope(&request).text("dsn"), dsn);
        }
    }
}

#[test]
fn projects_and_keys_are_told_apart_and_what_is_alike_is_told_together() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start();
    let relay = Relay::start(late_config(&upstream, folder.path()));
    let keys = [fresh_id(), fresh_id()];
    for key in [&keys[0], &keys[0], &keys[1]] {
        assert_eq!(send(&relay, key, large_event()), 413);
    }
    assert_eq!(relay.stats().made, 0, "it is not time yet");
    relay.stop();
    let requests = upstream.requests();
    for (key, times) in keys.iter().zip([2, 1]) {
        let of_key = requests
            .iter()
            .filter(|request| request.header("x-sentry-auth").unwrap().contains(key));
        let expected = LARGE_EVENT
            .map(|(list, reason, category, quantity)| (list, reason, category, times * quantity));
        assert_eq!(told(of_key), lines(&expected));
    }
    assert_eq!(requests.len(), 2, "a request each");
}

#[test]
fn what_is_discarded_is_reported_before_the_relay_ends() {
    for durability in [Durability::Disk, Durability::Memory] {
        let folder = tempfile::tempdir().unwrap();
        let upstream = Upstream::start();
        let mut config = late_config(&upstream, folder.path());
        config.spool.durability = durability;
        let relay = Relay::start(config);
        assert_eq!(send(&relay, &fresh_id(), large_event()), 413);
        let stats = relay.stop();
        assert_eq!((stats.made, stats.delivered, stats.waiting), (1, 1, 0), "{stats:?}");
        assert_eq!(told(&upstream.requests()), lines(&LARGE_EVENT));
    }
}

#[test]
fn what_could_not_be_reported_before_the_end_is_reported_by_the_next_relay() {
    for stop in [Relay::stop, Relay::stop_now] {
        let folder = tempfile::tempdir().unwrap();
        let mut upstream = Upstream::down(in_order([]));
        let relay = Relay::start(late_config(&upstream, folder.path()));
        assert_eq!(send(&relay, &fresh_id(), large_event()), 413);
        let stats = stop(relay);
        assert_eq!((stats.made, stats.waiting), (1, 1), "{stats:?}");
        upstream.listen();
        let relay = Relay::start(late_config(&upstream, folder.path()));
        wait_until_told(&upstream, &LARGE_EVENT);
        let stats = relay.settle();
        assert_eq!((stats.recovered, stats.made, stats.delivered), (1, 0, 1), "{stats:?}");
    }
}

#[test]
fn what_is_refused_while_the_relay_stops_is_reported_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::answering([Answer::from(Reply::new(400))]);
    upstream.hold();
    let relay = Relay::start(late_config(&upstream, folder.path()));
    assert_eq!(send(&relay, &fresh_id(), EVENT), 200);
    upstream.wait_for(1);
    assert_eq!(send(&relay, &fresh_id(), large_event()), 413);
    relay.begin_stop();
    // What it reports before it stops is under way; what is refused from now on comes too late for that.
    upstream.wait_for(2);
    upstream.release();
    let stats = relay.ended();
    assert_eq!((stats.made, stats.waiting), (2, 1), "{stats:?}");
    Relay::start(late_config(&upstream, folder.path())).settle();
    let refused = [("discarded_events", "upstream_refused:400", "error", 1)];
    wait_until_told(&upstream, &[&LARGE_EVENT[..], &refused].concat());
}

#[test]
fn without_a_spool_what_a_limit_holds_until_after_the_end_is_lost_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let limited = Reply::new(429).header("X-Sentry-Rate-Limits", "7200:error:key");
    let upstream = Upstream::answering([Answer::from(limited)]);
    upstream.hold();
    let mut config = late_config(&upstream, folder.path());
    config.spool.durability = Durability::Memory;
    config.limits.max_concurrent_requests = 1;
    config.limits.shutdown_timeout = NEVER;
    let relay = Relay::start(config);
    let key = fresh_id();
    assert_eq!([EVENT; 3].map(|event| send(&relay, &key, event)), [200; 3]);
    upstream.wait_for(1);
    relay.begin_stop();
    upstream.release();
    let stats = relay.ended();
    assert_eq!(discarded(&stats), [("shutdown", 2), ("upstream_rate_limited", 1)]);
    assert_eq!(told(&upstream.requests()), lines(&[("discarded_events", "shutdown", "error", 2)]));
}

// OPS-094
#[test]
fn ops_094_where_nobody_is_to_be_told_nothing_is_sent_and_all_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start();
    let mut config = late_config(&upstream, folder.path());
    config.outcomes.emit = EmitOutcomes::Nothing;
    let relay = Relay::start(config);
    assert_eq!(send(&relay, &fresh_id(), large_event()), 413);
    let stats = relay.stop();
    assert_eq!(discarded(&stats), [("too_large:event", 2)]);
    assert_eq!((stats.made, upstream.requests().len()), (0, 0));
}

#[test]
fn reports_of_sdks_are_forwarded_as_they_are() {
    let upstream = Upstream::start();
    let relay = Relay::start(config(&upstream));
    let payload = "{\"timestamp\":1.5,\"discarded_events\":\
                   [{\"reason\":\"before_send\",\"category\":\"error\",\"quantity\":2,\"x\":1}]}";
    let report = format!("{{}}\n{{\"type\":\"client_report\"}}\n{payload}\n");
    assert_eq!([(); 2].map(|()| send(&relay, &fresh_id(), report.as_str())), [200; 2]);
    wait_until_told(&upstream, &[("discarded_events", "before_send", "error", 4)]);
    let envelopes = upstream.envelopes();
    assert!(envelopes.iter().all(|envelope| envelope.items[0].payload == payload.as_bytes()));
}
