//! Every answer of the upstream, and every way of giving none, in one table: whether the envelope is kept, when it is
//! sent again, and with which reason it is discarded.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use relay_server::Config;
use relay_spool::{RecordId, View};

use crate::http::authority_and_server;
use crate::support::{
    Answer, PATIENCE, Relay, Reply, Request, Upstream, fresh_id, in_order, is_envelope,
    proxy_config,
};

/// Two items that count as different categories.
const ENVELOPE: &str = "{}\n{\"type\":\"event\"}\n{\"message\":\"x\"}\n{\"type\":\"session\"}\n\
                        {\"sid\":\"8333339f-5675-4f89-a9a0-1c935255ab58\"}\n";

/// The first pause after a failure, of which the last quarter is left to chance.
const PAUSE: Duration = Duration::from_millis(40);
const SHORTEST: Duration = Duration::from_millis(30);

/// What becomes of an envelope of two items.
#[derive(Debug)]
enum Fate {
    Delivered,
    /// Kept, and sent again not before so long after the first attempt; then it is delivered.
    Again(Duration),
    /// So many of the items are delivered, the others are discarded for that reason, and nothing is sent again.
    Discarded(u64, &'static str),
}

use Fate::{Again, Delivered, Discarded};

#[test]
fn each_answer_delivers_keeps_or_discards_with_a_reason() {
    let limits = |text: &str| Reply::new(429).header("X-Sentry-Rate-Limits", text);
    let second = Duration::from_secs(1);
    #[rustfmt::skip]
    let table: Vec<(&str, Answer, Fate)> = vec![
        ("200",                         Reply::new(200).into(), Delivered),
        ("202",                         Reply::new(202).into(), Delivered),
        ("400",                         Reply::new(400).into(), Discarded(0, "upstream_refused:400")),
        ("401",                         Reply::new(401).into(), Again(SHORTEST)),
        ("403",                         Reply::new(403).into(), Again(SHORTEST)),
        ("404",                         Reply::new(404).into(), Again(SHORTEST)),
        ("408",                         Reply::new(408).into(), Again(SHORTEST)),
        ("413",                         Reply::new(413).into(), Discarded(0, "upstream_refused:413")),
        ("429",                         Reply::new(429).into(), Again(SHORTEST)),
        ("429, retry after 1 s",        Reply::new(429).header("Retry-After", "1").into(), Again(second)),
        ("429, one category limited",   limits("60:error:key").into(), Discarded(1, "upstream_rate_limited")),
        ("429, the other one",          limits("60:session:key").into(), Discarded(1, "upstream_rate_limited")),
        ("429, one of neither",         limits("60:transaction:key").into(), Delivered),
        ("429, both",                   limits("60:error;session:key").into(), Discarded(0, "upstream_rate_limited")),
        ("429, everything",             limits("60::organization").into(), Discarded(0, "upstream_rate_limited")),
        ("500",                         Reply::new(500).into(), Again(SHORTEST)),
        ("502",                         Reply::new(502).into(), Again(SHORTEST)),
        ("503",                         Reply::new(503).into(), Again(SHORTEST)),
        ("504",                         Reply::new(504).into(), Again(SHORTEST)),
        ("no answer in time",           Answer::Silence, Again(TIMEOUT)),
    ];
    for (name, answer, fate) in table {
        check(name, answer, &fate, |_| {});
    }
    for status in [401, 403, 404] {
        let reason = match status {
            401 => "upstream_refused:401",
            403 => "upstream_refused:403",
            _ => "upstream_refused:404",
        };
        let fate = Discarded(0, reason);
        check("after the grace period", Reply::new(status).into(), &fate, |config| {
            config.http.refusal_grace_period = Duration::ZERO;
        });
    }
}

const TIMEOUT: Duration = Duration::from_secs(1);

fn check(name: &str, answer: Answer, fate: &Fate, adjust: impl FnOnce(&mut Config)) {
    let times = Arc::<Mutex<Vec<Instant>>>::default();
    let (seen, script) = (Arc::clone(&times), in_order([answer]));
    let upstream = Upstream::scripted(move |request| {
        if is_envelope(request) {
            seen.lock().expect("no panic with the lock").push(Instant::now());
        }
        script(request)
    });
    let mut config = proxy_config(&upstream);
    config.http.retry_delay = PAUSE;
    config.http.timeout = TIMEOUT;
    adjust(&mut config);
    let relay = Relay::start(config);
    assert_eq!(Request::envelope(&fresh_id(), ENVELOPE).send(relay.address()).status(), 200);
    let stats = relay.settle();
    let times = times.lock().expect("no panic with the lock").clone();
    let discarded: Vec<_> =
        stats.discarded.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
    match *fate {
        Delivered => {
            assert_eq!((stats.delivered, times.len()), (2, 1), "{name}: {stats:?}");
        }
        Again(not_before) => {
            assert_eq!((stats.delivered, discarded.len()), (2, 0), "{name}: {stats:?}");
            let pause = times[1] - times[0];
            // The time of an answer runs from a little before its request arrives.
            assert!(pause + Duration::from_millis(100) > not_before, "{name}: {pause:?}");
            assert!(not_before > SHORTEST || pause >= SHORTEST, "{name}: {pause:?}");
        }
        Discarded(delivered, reason) => {
            assert_eq!(discarded, [(reason, 2 - delivered)], "{name}");
            assert_eq!((stats.delivered, times.len()), (delivered, 1), "{name}: {stats:?}");
        }
    }
}

#[test]
fn without_an_answer_an_envelope_is_kept_for_when_there_is_one() {
    let (authority, server) = authority_and_server();
    fs::remove_file(authority).unwrap();
    let down = Upstream::down(in_order([]));
    let plain = Upstream::start();
    let untrusted = Upstream::encrypted(server);
    let resetting = Upstream::scripted(|_| Answer::Reset);
    let silent = Upstream::scripted(|_| Answer::Silence);
    let table = [
        ("connection refused", format!("http://{}/", down.address())),
        ("connection reset", format!("http://{}/", resetting.address())),
        ("no answer", format!("http://{}/", silent.address())),
        ("no TLS", format!("https://{}/", plain.address())),
        ("a certificate that nobody vouches for", format!("https://{}/", untrusted.address())),
        ("a name that does not exist", "http://sentry.invalid/".to_owned()),
    ];
    for (name, address) in table {
        let folder = tempfile::tempdir().unwrap();
        let well = Upstream::start();
        let mut config = proxy_config(&well);
        config.spool.path = folder.path().join("spool");
        config.http.timeout = TIMEOUT;
        config.http.connection_timeout = TIMEOUT;
        config.http.retry_delay = PAUSE;
        let mended = config.clone();
        config.upstream = address.parse().unwrap();
        let relay = Relay::start(config);
        let begun = Instant::now();
        assert_eq!(Request::envelope(&fresh_id(), ENVELOPE).send(relay.address()).status(), 200);
        while attempts(folder.path()) < 2 {
            assert!(begun.elapsed() < PATIENCE, "{name}: it is not tried again");
            // It cannot be waited for, only looked up.
            thread::park_timeout(Duration::from_millis(5));
        }
        assert!(begun.elapsed() >= SHORTEST, "{name}: {:?}", begun.elapsed());
        // Which waits for the attempt that is under way.
        let stats = relay.stop();
        assert_eq!((stats.waiting, stats.discarded_total()), (2, 0), "{name}: {stats:?}");

        let relay = Relay::start(mended);
        assert_eq!(relay.settle().delivered, 2, "{name}");
        assert_eq!(well.envelopes().len(), 1, "{name}");
    }
}

/// How often the one envelope was tried, as the spool in `folder` says.
fn attempts(folder: &Path) -> u32 {
    let view = View::open(&folder.join("spool")).expect("it is there");
    let records = view.list(RecordId::default(), 10).expect("it can be read");
    assert_eq!(records.len(), 1, "it is kept");
    records[0].schedule.attempts
}
