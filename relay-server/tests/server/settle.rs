//! What the upstream's answers do to an envelope: delivered, kept and sent again, or discarded with a
//! reason.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use relay_server::Config;

use crate::support::{
    Answer, Relay, Reply, Request, Upstream, envelope, fresh_id, in_order, proxy_config,
};

const EVENT: &str = "{}\n{\"type\":\"event\"}\n{\"message\":\"x\"}\n";
const SESSION: &str =
    "{}\n{\"type\":\"session\"}\n{\"sid\":\"8333339f-5675-4f89-a9a0-1c935255ab58\"}\n";

/// A relay in front of an upstream that answers so, with one envelope sent.
struct Sent {
    relay: Relay,
    upstream: Upstream,
    key: String,
}

impl Sent {
    fn to(upstream: Upstream, adjust: impl FnOnce(&mut Config)) -> Self {
        let mut config = proxy_config(&upstream);
        adjust(&mut config);
        let sent = Self { relay: Relay::start(config), upstream, key: fresh_id() };
        assert_eq!(sent.send(EVENT), 200);
        sent
    }

    fn answered(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::to(Upstream::answering(answers), |_| {})
    }

    fn send(&self, envelope: &str) -> u16 {
        Request::envelope(&self.key, envelope).send(self.relay.address()).status()
    }

    /// One item delivered after that many attempts, each with the same envelope.
    fn assert_delivered_after(self, attempts: usize) {
        let stats = self.relay.settle();
        assert_eq!((stats.delivered, stats.discarded_total()), (1, 0), "{stats:?}");
        let requests = self.upstream.requests();
        assert_eq!(requests.len(), attempts);
        let first = envelope(&requests[0]);
        assert!(requests.iter().all(|request| envelope(request) == first));
    }

    /// One item discarded for that reason after that many attempts.
    fn assert_discarded_after(self, attempts: usize, reason: &str) {
        let stats = self.relay.settle();
        assert_eq!(stats.discarded, [(reason.to_owned(), 1)].into());
        assert_eq!(self.upstream.requests().len(), attempts);
    }
}

fn status(status: u16) -> Answer {
    Reply::new(status).into()
}

#[test]
fn any_2xx_is_a_delivery() {
    for code in [200, 201, 202, 204] {
        Sent::answered([status(code)]).assert_delivered_after(1);
    }
}

#[test]
fn a_failure_that_may_pass_is_tried_again_until_the_upstream_takes_the_envelope() {
    for code in [408, 425, 500, 501, 502, 503, 504, 507] {
        Sent::answered([status(code), status(code), status(code)]).assert_delivered_after(4);
    }
}

#[test]
fn a_connection_that_breaks_is_no_loss() {
    Sent::answered([Answer::Reset, Answer::Reset]).assert_delivered_after(3);
}

#[test]
fn an_upstream_that_does_not_answer_in_time_is_asked_again() {
    let upstream = Upstream::answering([Answer::Silence]);
    let sent = Sent::to(upstream, |config| config.http.timeout = Duration::from_millis(100));
    assert_eq!(sent.relay.settle().delivered, 1);
    // On a busy machine a good answer may come too late as well.
    assert!(sent.upstream.requests().len() >= 2);
}

#[test]
fn envelopes_wait_while_the_upstream_is_down() {
    let mut sent = Sent::to(Upstream::down(in_order([])), |_| {});
    for _ in 0..9 {
        assert_eq!(sent.send(EVENT), 200);
    }
    assert_eq!(sent.relay.stats().waiting, 10);
    sent.upstream.listen();
    assert_eq!(sent.relay.settle().delivered, 10);
    assert_eq!(sent.upstream.envelopes().len(), 10);
}

#[test]
fn the_oldest_goes_first() {
    let upstream = Upstream::start();
    upstream.hold();
    let sent = Sent::to(upstream, |config| config.limits.max_concurrent_requests = 1);
    let ids: Vec<String> = (0..5).map(|_| fresh_id()).collect();
    for id in &ids {
        sent.send(&format!("{{\"event_id\":\"{id}\"}}\n{{\"type\":\"event\"}}\n{{}}\n"));
    }
    sent.upstream.release();
    sent.relay.settle();
    let arrived = sent.upstream.envelopes();
    let arrived: Vec<&str> =
        arrived.iter().skip(1).map(|envelope| envelope.text("event_id")).collect();
    assert_eq!(arrived, ids);
}

#[test]
fn no_more_requests_are_in_flight_than_the_limit_says() {
    let upstream = Upstream::start();
    upstream.hold();
    let sent = Sent::to(upstream, |config| config.limits.max_concurrent_requests = 3);
    for _ in 0..9 {
        sent.send(EVENT);
    }
    // Held answers keep their requests in flight, so each further request would be one too many.
    assert_eq!(sent.upstream.wait_for(3).len(), 3);
    assert_eq!(sent.relay.stats().waiting, 10);
    assert_eq!(sent.upstream.requests().len(), 3);
    sent.upstream.release();
    assert_eq!(sent.relay.settle().delivered, 10);
}

#[test]
fn a_429_with_limits_drops_what_they_name_and_is_not_repeated() {
    let limited = Reply::new(429).header("X-Sentry-Rate-Limits", "60:error:key:quota");
    Sent::answered([limited.into()]).assert_discarded_after(1, "upstream_rate_limited");
}

#[test]
fn a_learned_limit_holds_for_its_category_and_key_only() {
    let limited = Reply::new(429).header("X-Sentry-Rate-Limits", "60:error:key:quota");
    let sent = Sent::answered([limited.into()]);
    sent.relay.settle();
    let refused = Request::envelope(&sent.key, EVENT).send(sent.relay.address());
    assert_eq!(refused.status(), 429);
    let limits = refused.header("x-sentry-rate-limits").expect("an SDK needs to know");
    assert!(limits.ends_with(":error:key:quota"), "{limits}");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(sent.send(SESSION), 200);
    assert_eq!(Request::envelope(&fresh_id(), EVENT).send(sent.relay.address()).status(), 200);
    let stats = sent.relay.settle();
    assert_eq!((stats.received, stats.delivered, stats.discarded_total()), (4, 2, 2), "{stats:?}");
    assert_eq!(sent.upstream.envelopes().len(), 3);
}

#[test]
fn a_429_that_takes_nothing_keeps_the_envelope_until_retry_after_is_over() {
    Sent::answered([Reply::new(429).header("Retry-After", "1").into()]).assert_delivered_after(2);
    Sent::answered([status(429)]).assert_delivered_after(2);
}

#[test]
fn a_refusal_that_can_be_mended_is_tried_again_within_the_grace_period() {
    for code in [401, 403, 404] {
        Sent::answered([status(code), status(code)]).assert_delivered_after(3);
    }
}

#[test]
fn a_refusal_that_outlasts_the_grace_period_is_discarded_with_its_status() {
    for code in [401, 403, 404] {
        let upstream = Upstream::scripted(move |_| status(code));
        Sent::to(upstream, |config| config.http.refusal_grace_period = Duration::ZERO)
            .assert_discarded_after(1, &format!("upstream_refused:{code}"));
    }
}

#[test]
fn an_envelope_that_will_never_be_taken_is_discarded_with_the_status() {
    for code in [400, 402, 405, 413, 422] {
        Sent::answered([status(code)])
            .assert_discarded_after(1, &format!("upstream_refused:{code}"));
    }
}

#[test]
fn a_415_makes_the_relay_step_down_to_an_encoding_the_upstream_reads_and_remember_it() {
    let sent = Sent::answered([status(415)]);
    sent.relay.settle();
    assert_eq!(sent.send(EVENT), 200);
    let stats = sent.relay.settle();
    assert_eq!((stats.delivered, stats.discarded_total()), (2, 0), "{stats:?}");
    let requests = sent.upstream.requests();
    let encodings: Vec<_> =
        requests.iter().map(|request| request.header("content-encoding")).collect();
    assert_eq!(encodings, [Some("zstd"), Some("gzip"), Some("gzip")]);
    assert_eq!(envelope(&requests[0]), envelope(&requests[1]));
}

#[test]
fn an_upstream_that_reads_no_encoding_gets_plain_bytes() {
    let blame = Reply::new(400).body("{\"detail\":\"unknown Content-Encoding\"}");
    let sent = Sent::answered([blame.into(), status(415)]);
    assert_eq!(sent.relay.settle().delivered, 1);
    let requests = sent.upstream.requests();
    let encodings: Vec<_> =
        requests.iter().map(|request| request.header("content-encoding")).collect();
    assert_eq!(encodings, [Some("zstd"), Some("gzip"), None]);
}

#[test]
fn a_415_to_plain_bytes_is_not_repeated_for_ever() {
    let sent = Sent::to(Upstream::scripted(|_| status(415)), |_| {});
    sent.assert_discarded_after(3, "upstream_refused:415");
}

#[test]
fn an_answer_longer_than_the_relay_reads_loses_nothing() {
    let endless = Reply::new(200).body(vec![b' '; 2 * 1024 * 1024]);
    let sent = Sent::answered([endless.into()]);
    let stats = sent.relay.settle();
    assert_eq!(stats.delivered, 1, "{stats:?}");
    assert_eq!(sent.upstream.requests().len(), 1);
}

#[test]
fn an_envelope_that_the_upstream_stumbles_over_does_not_stop_the_others() {
    let (deliver, delivered) = mpsc::channel();
    let deliver = Mutex::new(deliver);
    let upstream = Upstream::scripted(move |request| {
        if envelope(request).types() == ["event"] {
            return status(504);
        }
        deliver.lock().unwrap().send(()).expect("the test waits for it");
        status(200)
    });
    let sent = Sent::to(upstream, |_| {});
    for _ in 0..4 {
        assert_eq!(sent.send(SESSION), 200);
    }
    for _ in 0..4 {
        delivered.recv_timeout(Duration::from_secs(20)).expect("the sessions get their turn");
    }
}

#[test]
fn an_answer_that_only_looks_like_a_complaint_about_the_encoding_changes_nothing_for_others() {
    let sent = Sent::answered([status(415), status(415), status(415)]);
    assert_eq!(sent.relay.settle().discarded_total(), 1);
    assert_eq!(sent.send(EVENT), 200);
    assert_eq!(sent.relay.settle().delivered, 1);
    let requests = sent.upstream.requests();
    assert_eq!(requests.last().unwrap().header("content-encoding"), Some("zstd"));
}

#[test]
fn a_limit_on_everything_also_holds_what_counts_as_nothing() {
    let rejected = Reply::new(429).header("Retry-After", "600");
    let sent = Sent::answered([rejected.into()]);
    while sent.send(EVENT) != 429 {
        // Not learned yet.
    }
    let report = "{}\n{\"type\":\"client_report\"}\n{\"discarded_events\":[]}\n";
    assert_eq!(sent.send(report), 200);
    let stats = sent.relay.stop();
    assert!(stats.waiting >= 2, "the first event and the report: {stats:?}");
    let delivered = sent.upstream.envelopes();
    assert!(delivered.iter().all(|envelope| envelope.types() == ["event"]), "{delivered:?}");
}
