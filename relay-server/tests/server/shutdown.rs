//! Shutting down: what was accepted is delivered first, within the time there is.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use relay_server::config::Durability;

use crate::support::{Client, Relay, Reply, Request, Upstream, fresh_id, in_order, proxy_config};

const EVENT: &str = "{\"message\":\"x\"}";

#[test]
fn a_graceful_shutdown_delivers_what_was_accepted() {
    let upstream = Upstream::start();
    upstream.hold();
    let mut config = proxy_config(&upstream);
    config.limits.max_concurrent_requests = 2;
    let relay = Relay::start(config);
    for _ in 0..10 {
        assert_eq!(Request::store(&fresh_id(), EVENT).send(relay.address()).status(), 200);
    }
    relay.begin_stop();
    upstream.release();
    let stats = relay.ended();
    assert_eq!((stats.delivered, stats.waiting, stats.discarded_total()), (10, 0, 0), "{stats:?}");
    assert_eq!(upstream.envelopes().len(), 10);
}

#[test]
fn without_a_spool_what_cannot_be_delivered_in_time_is_discarded_with_a_reason() {
    let upstream = Upstream::down(in_order([]));
    let mut config = proxy_config(&upstream);
    config.spool.durability = Durability::Memory;
    config.limits.shutdown_timeout = Duration::from_millis(50);
    let relay = Relay::start(config);
    for _ in 0..10 {
        assert_eq!(Request::store(&fresh_id(), EVENT).send(relay.address()).status(), 200);
    }
    let stats = relay.stop();
    assert_eq!(stats.discarded, [("shutdown".to_owned(), 10)].into());
    assert_eq!((stats.received, stats.waiting), (10, 0));
}

#[test]
fn a_request_that_is_under_way_is_answered_before_the_end() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let mut client = Client::connect(relay.address());
    let request = Request::store(&fresh_id(), EVENT).header("Expect", "100-continue");
    client.write(&request.head_bytes()).unwrap();
    // Leave to go on is what shows that the relay has begun with the request.
    assert_eq!(client.answer("POST").unwrap().status(), 100);
    relay.begin_stop();
    client.write(EVENT.as_bytes()).unwrap();
    assert_eq!(client.answer("POST").unwrap().status(), 200);
    let stats = relay.ended();
    assert_eq!(stats.delivered, 1, "{stats:?}");
}

#[test]
fn an_idle_connection_does_not_delay_the_end() {
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    // Longer than any test waits.
    config.limits.shutdown_timeout = Duration::from_secs(600);
    config.limits.header_timeout = Duration::from_secs(600);
    let relay = Relay::start(config);
    let _silent = Client::connect(relay.address());
    let mut idle = Client::connect(relay.address());
    let health = Request::new("GET", "/api/relay/healthcheck/live/");
    assert_eq!(idle.exchange(&health).unwrap().status(), 200);
    relay.stop();
    assert_eq!(idle.rest().unwrap(), b"");
}

#[test]
fn nobody_connects_to_a_relay_that_has_ended() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let address = relay.address();
    relay.stop();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn an_immediate_shutdown_waits_for_nothing() {
    let upstream = Upstream::start();
    upstream.hold();
    let mut config = proxy_config(&upstream);
    config.limits.shutdown_timeout = Duration::from_secs(600);
    config.http.timeout = Duration::from_secs(600);
    let relay = Relay::start(config);
    assert_eq!(Request::store(&fresh_id(), EVENT).send(relay.address()).status(), 200);
    upstream.wait_for(1);
    let stats = relay.stop_now();
    assert_eq!(stats.delivered, 0, "{stats:?}");
    assert_eq!(
        stats.received,
        stats.delivered + stats.waiting + stats.discarded_total(),
        "{stats:?}"
    );
}

#[test]
fn a_captures_long_poll_ends_with_the_relay() {
    let relay = Relay::start(relay_server::Config { port: 0, ..relay_server::Config::default() });
    let address = relay.address();
    thread::scope(|scope| {
        let mut client = Client::connect(address);
        client.write(&Request::new("GET", "/api/relay/events/?wait=60").to_bytes()).unwrap();
        let polling = scope.spawn(move || client.answer("GET"));
        relay.stop();
        // Either answered with an empty list or cut off before the request was seen.
        if let Ok(answer) = polling.join().unwrap() {
            assert_eq!(answer.text(), "{\"events\":[]}");
        }
    });
}

#[test]
fn what_is_held_back_for_longer_does_not_keep_the_rest_from_being_delivered() {
    let held_back = Reply::new(429).header("Retry-After", "3600").into();
    let upstream = Upstream::answering([held_back]);
    let mut config = proxy_config(&upstream);
    config.limits.max_concurrent_requests = 1;
    // Longer than any test waits.
    config.limits.shutdown_timeout = Duration::from_secs(600);
    let relay = Relay::start(config);
    upstream.hold();
    for _ in 0..20 {
        assert_eq!(Request::store(&fresh_id(), EVENT).send(relay.address()).status(), 200);
    }
    relay.begin_stop();
    upstream.release();
    let stats = relay.ended();
    assert_eq!((stats.delivered, stats.waiting), (19, 1), "{stats:?}");
}

#[test]
fn a_relay_that_is_dropped_has_ended() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let address = relay.address();
    drop(relay);
    assert!(TcpStream::connect(address).is_err());
}
