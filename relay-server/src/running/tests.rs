//! A running relay whose spool is slow, or dies, in the midst of a request: nobody outside can bring that about.

#[path = "../../tests/support/mod.rs"]
mod support;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use relay_spool::RecordId;

use self::support::{
    Client, PATIENCE, Request, Upstream, abandon_http2, fresh_id, in_order, proxy_config,
};
use super::{Running, Shutdown, start};
use crate::{Config, Stats};

const EVENT: &str = "{}\n{\"type\":\"event\"}\n{\"message\":\"x\"}\n";

/// The spool does nothing until this is dropped.
struct Held(#[expect(dead_code, reason = "held, not used")] mpsc::Sender<()>);

/// Holds the thread of the spool; what it does when it goes on is `then`.
fn hold(running: &Running, then: impl FnOnce() + Send + 'static) -> Held {
    let spool = running.relay.spool.as_ref().expect("there is one");
    let (release, held) = mpsc::channel();
    let (begin, begun) = mpsc::channel();
    spool.body(RecordId::new(1), move |_| {
        begin.send(()).expect("somebody waits right below");
        let _ = held.recv();
        then();
    });
    begun.recv().expect("the thread is there");
    Held(release)
}

fn wait_until(running: &Running, is_so: impl Fn(&Stats) -> bool) -> Stats {
    let begun = Instant::now();
    loop {
        let stats = running.stats();
        if is_so(&stats) {
            return stats;
        }
        assert!(begun.elapsed() < PATIENCE, "{stats:?}");
        // The figures cannot be waited for, only asked for.
        thread::park_timeout(Duration::from_millis(1));
    }
}

fn config_in(folder: &tempfile::TempDir, upstream: &Upstream) -> Config {
    let mut config = proxy_config(upstream);
    config.spool.path = folder.path().join("spool");
    config
}

fn event() -> Request {
    Request::envelope(&fresh_id(), EVENT)
}

#[test]
fn when_the_thread_of_the_spool_ends_nothing_is_accepted_and_the_relay_can_be_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::down(in_order([]));
    let running = start(config_in(&folder, &upstream)).expect("the relay starts");
    let address = running.local_addr();
    assert_eq!(event().send(address).status(), 200);
    let held = hold(&running, || panic!("as a test asked for"));
    thread::scope(|scope| {
        let requests: Vec<_> =
            (0..3).map(|_| scope.spawn(|| event().send(address).status())).collect();
        wait_until(&running, |stats| stats.received == 4);
        drop(held);
        for request in requests {
            assert_eq!(request.join().expect("an answer"), 503);
        }
    });
    assert_eq!(event().send(address).status(), 503);
    // The thread says so when it is through with its end.
    wait_until(&running, |stats| stats.spool.as_ref().is_some_and(|spool| spool.fault.is_some()));
    let ready = Request::new("GET", "/api/relay/healthcheck/ready/").send(address);
    assert_eq!(ready.status(), 503);
    assert!(ready.text().contains("its thread has ended"), "{}", ready.text());
    let stats = running.stats();
    assert!(stats.adds_up(), "{stats:?}");
    assert_eq!(stats.discarded, [("spool_failed".to_owned(), 4)].into());

    running.shutdown(Shutdown::Graceful);
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(running.wait()).is_ok());
    end.recv_timeout(PATIENCE).expect("the relay ends");
    let running = start(config_in(&folder, &upstream)).expect("the folder is free");
    assert_eq!(running.stats().recovered, 1, "what was acknowledged");
}

#[test]
fn what_was_just_accepted_is_delivered_without_reading_the_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::start();
    upstream.hold();
    let mut config = config_in(&folder, &upstream);
    config.limits.max_concurrent_requests = 1;
    let running = start(config).expect("the relay starts");
    for _ in 0..5 {
        assert_eq!(event().send(running.local_addr()).status(), 200);
    }
    let held = hold(&running, || {});
    upstream.release();
    upstream.wait_for(5);
    drop(held);
    wait_until(&running, |stats| stats.delivered == 5 && stats.adds_up());
}

#[test]
fn what_is_stored_for_a_client_that_has_gone_is_delivered_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::start();
    let running = start(config_in(&folder, &upstream)).expect("the relay starts");
    let held = hold(&running, || {});
    let mut client = Client::connect(running.local_addr());
    client.write(&event().to_bytes()).expect("the relay reads");
    wait_until(&running, |stats| stats.received == 1);
    // Which the relay notices when it answers.
    client.reset();
    drop(held);
    settles_with_one(running, &upstream);
}

#[test]
fn what_is_stored_for_an_http2_request_that_was_reset_is_delivered_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::start();
    let running = start(config_in(&folder, &upstream)).expect("the relay starts");
    let held = hold(&running, || {});
    let live = Request::new("GET", "/api/relay/healthcheck/live/");
    let is_under_way = || {
        wait_until(&running, |stats| stats.received == 1);
    };
    let answer = abandon_http2(running.local_addr(), &event(), is_under_way, &live);
    assert_eq!(answer.status(), 200);
    drop(held);
    settles_with_one(running, &upstream);
}

/// One item came in, and goes out once.
fn settles_with_one(running: Running, upstream: &Upstream) {
    let stats = wait_until(&running, |stats| stats.waiting == 0 && stats.adds_up());
    assert_eq!((stats.received, stats.delivered), (1, 1), "{stats:?}");
    let spool = running.relay.spool.clone().expect("there is one");
    running.shutdown(Shutdown::Graceful);
    assert!(running.wait().adds_up());
    assert_eq!(upstream.envelopes().len(), 1);
    assert_eq!(spool.status().total().records, 0);
}
