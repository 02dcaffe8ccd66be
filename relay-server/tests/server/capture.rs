//! Capture mode and its API: what a developer or a test suite reads back.

use std::thread;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use relay_server::Config;
use serde_json::{Value, json};

use crate::support::{Client, Message, PATIENCE, Relay, Request, fresh_id};

const EVENTS: &str = "/api/relay/events/";

fn relay_with(max_size: usize) -> Relay {
    let mut config = Config { port: 0, ..Config::default() };
    config.capture.max_size = max_size;
    config.limits.max_thread_count = Some(2);
    Relay::start(config)
}

fn relay() -> Relay {
    relay_with(1024 * 1024)
}

/// Sends an envelope for a project; returns its event id.
fn send(relay: &Relay, project: u64, items: &str) -> String {
    let id = fresh_id();
    let envelope = format!("{{\"event_id\":\"{id}\"}}\n{items}");
    let path = format!("/api/{project}/envelope/");
    let answer = Request::new("POST", &path).auth(&fresh_id()).body(envelope).send(relay.address());
    assert_eq!(answer.status(), 200, "{}", answer.text());
    id
}

fn event(level: &str) -> String {
    format!("{{\"type\":\"event\"}}\n{{\"message\":\"x\",\"level\":\"{level}\"}}\n")
}

fn get(relay: &Relay, path: &str) -> Message {
    Request::new("GET", path).send(relay.address())
}

/// The event ids that a list with this query shows, oldest first.
fn ids(relay: &Relay, query: &str) -> Vec<String> {
    let answer = get(relay, &format!("{EVENTS}?{query}"));
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let list = answer.json();
    let events = list["events"].as_array().expect("a list of events");
    events.iter().map(|event| event["event_id"].as_str().expect("an event id").to_owned()).collect()
}

#[test]
fn any_dsn_is_accepted_and_nothing_is_sent_anywhere() {
    let relay = relay();
    let first = send(&relay, 1, &event("error"));
    let second = send(&relay, u64::MAX, &event("info"));
    assert_eq!(ids(&relay, ""), [first, second]);
    let stats = relay.stats();
    assert_eq!((stats.received, stats.waiting, stats.delivered), (2, 2, 0));
    assert_eq!(get(&relay, "/api/0/organizations/").status(), 404);
}

#[test]
fn an_event_is_given_back_as_json_with_its_headers_and_payloads() {
    let relay = relay();
    let items = "{\"type\":\"event\"}\n{\"message\":\"ä\"}\n\
                 {\"type\":\"attachment\",\"length\":3,\"filename\":\"a.bin\"}\n\0\n\0\n";
    let id = send(&relay, 42, items);
    for (path, accept) in [
        (format!("{EVENTS}{id}/?format=json"), "*/*"),
        (format!("{EVENTS}{id}/"), "application/json"),
    ] {
        let answer = Request::new("GET", &path).header("Accept", accept).send(relay.address());
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let entry = answer.json();
        assert_eq!(entry["event_id"], id);
        assert_eq!(entry["project"], 42);
        assert_eq!(entry["header"]["event_id"], id);
        assert_eq!(entry["items"][0]["header"]["type"], "event");
        assert_eq!(entry["items"][0]["payload"], json!({"message": "ä"}));
        assert_eq!(entry["items"][1]["header"]["filename"], "a.bin");
        assert_eq!(entry["items"][1]["payload_base64"], BASE64.encode(b"\0\n\0"));
        let received = entry["received"].as_str().expect("a time");
        assert!(chrono::DateTime::parse_from_rfc3339(received).is_ok(), "{received}");
    }
}

#[test]
fn an_event_is_given_back_as_the_envelope_that_would_have_been_sent() {
    let relay = relay();
    let id = send(&relay, 42, "{\"type\":\"future_thing\",\"length\":2,\"x\":[1.0]}\n\0\n\n");
    let answer = get(&relay, &format!("{EVENTS}{id}/"));
    assert_eq!(answer.header("content-type"), Some("application/x-sentry-envelope"));
    let envelope = crate::support::Envelope::parse(&answer.body).expect("a canonical envelope");
    assert_eq!(envelope.text("event_id"), id);
    assert_eq!(envelope.items[0].payload, b"\0\n");
    assert_eq!(envelope.items[0].header["x"], json!([1.0]));
}

#[test]
fn the_payload_of_one_item_is_given_back_as_it_came() {
    let relay = relay();
    let id = send(&relay, 42, "{\"type\":\"attachment\",\"length\":3}\n\0\n\0\n");
    assert_eq!(get(&relay, &format!("{EVENTS}{id}/items/0/")).body, b"\0\n\0");
    assert_eq!(get(&relay, &format!("{EVENTS}{id}/items/1/")).status(), 404);
    assert_eq!(get(&relay, &format!("{EVENTS}{id}/items/x/")).status(), 404);
}

#[test]
fn an_id_that_was_never_captured_is_not_found() {
    let relay = relay();
    for id in [fresh_id().as_str(), "99999", "zz", "%00"] {
        assert_eq!(get(&relay, &format!("{EVENTS}{id}/")).status(), 404, "{id}");
    }
}

#[test]
fn a_list_is_narrowed_by_project_type_level_and_time() {
    let relay = relay();
    let error = send(&relay, 1, &event("error"));
    let warning = send(&relay, 1, &event("warning"));
    let transaction = send(&relay, 2, "{\"type\":\"transaction\"}\n{\"type\":\"transaction\"}\n");
    let check_in = send(&relay, 2, "{\"type\":\"check_in\"}\n{\"status\":\"ok\"}\n");

    assert_eq!(ids(&relay, "project=1"), [&*error, &*warning]);
    assert_eq!(ids(&relay, "type=event"), [&*error, &*warning]);
    assert_eq!(ids(&relay, "type=transaction"), [&*transaction]);
    assert_eq!(ids(&relay, "type=check_in&project=2"), [&*check_in]);
    assert_eq!(ids(&relay, "type=check_in&project=1"), Vec::<String>::new());
    assert_eq!(ids(&relay, "level=warning"), [&*warning]);
    assert_eq!(ids(&relay, &format!("event_id={error}")), [&*error]);
    assert_eq!(ids(&relay, "limit=1"), [&*error]);
    assert_eq!(ids(&relay, "since=2020-01-01T00:00:00Z&until=9999-01-01T00:00:00Z").len(), 4);
    assert_eq!(ids(&relay, "since=9999-01-01T00:00:00Z").len(), 0);
    assert_eq!(ids(&relay, "until=2020-01-01T00:00:00Z").len(), 0);
    // After the first: the next entry is asked for by the number of the last one seen.
    let list = get(&relay, EVENTS).json();
    let number = list["events"][2]["number"].as_u64().expect("a number");
    assert_eq!(ids(&relay, &format!("after={number}")), [&*check_in]);
}

#[test]
fn a_parameter_that_makes_no_sense_is_refused_by_name() {
    let relay = relay();
    for (query, name) in [
        ("project=x", "project"),
        ("since=yesterday", "since"),
        ("wait=-1", "wait"),
        ("wait=nan", "wait"),
        ("limit=-1", "limit"),
        ("event_id=zz", "event_id"),
        ("colour=red", "colour"),
    ] {
        let answer = get(&relay, &format!("{EVENTS}?{query}"));
        assert_eq!(answer.status(), 400, "{query}");
        let detail = answer.json()["detail"].as_str().expect("a detail").to_owned();
        assert!(detail.contains(name), "{query}: {detail}");
    }
}

#[test]
fn a_test_can_wait_for_the_next_error_of_a_project() {
    let relay = relay();
    let seen = send(&relay, 1, &event("error"));
    let list = get(&relay, EVENTS).json();
    let number = list["events"][0]["number"].as_u64().expect("a number");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            ids(&relay, &format!("wait=60&after={number}&project=1&type=event&level=error"))
        });
        send(&relay, 2, &event("error"));
        send(&relay, 1, &event("info"));
        let next = send(&relay, 1, &event("error"));
        assert_ne!(next, seen);
        assert_eq!(waiting.join().unwrap(), [next]);
    });
}

#[test]
fn waiting_in_vain_ends_with_an_empty_list() {
    assert_eq!(ids(&relay(), "wait=0.05"), Vec::<String>::new());
}

#[test]
fn the_oldest_make_way_when_the_store_is_full() {
    let relay = relay_with(10_000);
    let sent: Vec<String> = (0..20)
        .map(|_| {
            send(
                &relay,
                1,
                &format!("{{\"type\":\"event\"}}\n{{\"message\":\"{}\"}}\n", "x".repeat(600)),
            )
        })
        .collect();
    let kept = ids(&relay, "");
    assert!((5..10).contains(&kept.len()), "{} kept", kept.len());
    assert_eq!(kept, sent[20 - kept.len()..]);
    let stats = relay.stats();
    assert_eq!(stats.waiting, kept.len() as u64);
    assert_eq!(stats.discarded["capture_full"], 20 - kept.len() as u64);
    let larger_than_all =
        format!("{{}}\n{{\"type\":\"event\"}}\n{{\"message\":\"{}\"}}\n", "x".repeat(10_000));
    let answer = Request::envelope(&fresh_id(), larger_than_all).send(relay.address());
    assert!(matches!(answer.status(), 413 | 503), "{}", answer.status());
    assert_eq!(ids(&relay, ""), kept);
}

#[test]
fn delete_empties_the_store() {
    let relay = relay();
    let id = send(&relay, 1, &event("error"));
    assert_eq!(Request::new("DELETE", EVENTS).send(relay.address()).status(), 204);
    assert_eq!(ids(&relay, ""), Vec::<String>::new());
    assert_eq!(get(&relay, &format!("{EVENTS}{id}/")).status(), 404);
    let stats = relay.stats();
    assert_eq!((stats.waiting, stats.discarded_total()), (0, 1));
}

#[test]
fn the_list_knows_its_methods() {
    let relay = relay();
    let answer = Request::new("POST", EVENTS).send(relay.address());
    assert_eq!((answer.status(), answer.header("allow")), (405, Some("GET,HEAD,DELETE")));
    let head = Client::connect(relay.address()).exchange(&Request::new("HEAD", EVENTS)).unwrap();
    assert_eq!((head.status(), head.body.len()), (200, 0));
}

#[test]
fn an_event_by_the_store_endpoint_is_captured_as_an_envelope() {
    let relay = relay();
    let answer = Request::store(&fresh_id(), "{\"message\":\"x\"}").send(relay.address());
    let id = answer.json()["id"].as_str().expect("an id").to_owned();
    let entry = get(&relay, &format!("{EVENTS}{id}/?format=json")).json();
    assert_eq!(entry["items"][0]["payload"], json!({"message": "x"}));
    assert_ne!(entry["key"], Value::Null);
}

#[test]
fn a_relay_that_forwards_has_no_captured_events() {
    let upstream = crate::support::Upstream::start();
    let relay = Relay::start(crate::support::proxy_config(&upstream));
    assert_eq!(get(&relay, EVENTS).status(), 404);
    assert_eq!(get(&relay, &format!("{EVENTS}{}/", fresh_id())).status(), 404);
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn headers_that_grow_by_what_the_request_says_can_be_read_back() {
    let relay = relay();
    let envelope = format!("{{\"x\":\"{}\"}}\n{}", "y".repeat(100_000), event("error"));
    let request =
        Request::envelope(&fresh_id(), envelope).header("User-Agent", &"z".repeat(60_000));
    assert_eq!(request.send(relay.address()).status(), 200);
    assert_eq!(ids(&relay, "type=event").len(), 1);
}

#[test]
fn a_list_ends_at_some_size_and_goes_on_after_its_last_number() {
    let relay = relay_with(64 * 1024 * 1024);
    let attachment =
        format!("{{\"type\":\"attachment\",\"length\":5000000}}\n{}\n", "a".repeat(5_000_000));
    let sent: Vec<String> = (0..3).map(|_| send(&relay, 1, &attachment)).collect();
    assert_eq!(ids(&relay, ""), sent[..2]);
    assert_eq!(ids(&relay, "after=2"), sent[2..]);
}

/// A relay that captures, with that much memory.
fn relay_with_memory(max_memory: usize) -> Relay {
    let mut config = Config { port: 0, ..Config::default() };
    config.limits.max_memory = max_memory;
    config.limits.max_thread_count = Some(2);
    Relay::start(config)
}

const MIB: usize = 1024 * 1024;

fn attachment(length: usize) -> String {
    format!("{{\"type\":\"attachment\",\"length\":{length}}}\n{}\n", "a".repeat(length))
}

#[test]
fn what_is_read_back_has_to_fit_into_the_memory_there_is() {
    let relay = relay_with_memory(4 * MIB);
    let id = send(&relay, 1, &attachment(MIB + MIB / 2));
    let entry = format!("{EVENTS}{id}/");
    // A request whose last byte does not come, and which holds what has come until then.
    let body = vec![b'x'; 3 * MIB];
    let request = Request::envelope(&fresh_id(), body).to_bytes();
    let begin = || {
        let mut others = Client::connect(relay.address());
        others.write(&request[..request.len() - 1]).is_ok().then_some(others)
    };
    let mut others = begin();
    let begun = Instant::now();
    while get(&relay, &entry).status() == 200 {
        assert!(begun.elapsed() < PATIENCE, "it holds nothing");
        // What is read back may have left it no room: then it is refused, and the next one tries.
        if others.as_mut().is_none_or(Client::has_bytes) {
            others = begin();
        }
    }
    let mut others = others.expect("it is what holds the memory");
    for path in [EVENTS, &entry, &format!("{entry}?format=json"), &format!("{entry}items/0/")] {
        let answer = get(&relay, path);
        assert_eq!((answer.status(), answer.header("retry-after")), (503, Some("5")), "{path}");
        assert_eq!(answer.text(), r#"{"detail":"relay is running out of memory"}"#);
    }
    others.write(&request[request.len() - 1..]).expect("the relay reads");
    assert_eq!(others.answer("POST").expect("an answer").status(), 400);
    assert_eq!(get(&relay, &entry).status(), 200);
    assert_eq!(get(&relay, &format!("{entry}items/0/")).body.len(), MIB + MIB / 2);
}

#[test]
fn an_entry_that_takes_more_than_there_is_comes_without_payloads() {
    let relay = relay_with_memory(4 * MIB);
    let large = send(&relay, 1, &attachment(2 * MIB));
    let small = send(&relay, 1, &event("error"));
    assert_eq!(ids(&relay, ""), [&*large, &*small]);
    let entry = get(&relay, &format!("{EVENTS}{large}/?format=json")).json();
    assert_eq!(entry["items"][0], json!({"header": {"type": "attachment", "length": 2 * MIB}}));
    assert_eq!(get(&relay, &format!("{EVENTS}{large}/items/0/")).body.len(), 2 * MIB);
}
