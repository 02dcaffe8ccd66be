//! Forwarding: queue → upstream → settle, in tasks of its own, so that the upstream's mood never reaches
//! the SDK.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, HOST, HeaderValue};
use http::{Method, Request, Response};
use http_body_util::Full;
use relay_compression::ContentEncoding;
use relay_quotas::RateLimits;

use crate::client::ClientError;
use crate::encoding::step_below;
use crate::ledger::Loss;
use crate::pace::{Change, backoff};
use crate::queue::{Next, Place, Queue, Record};
use crate::relay::{Relay, Worker};
use crate::settle::{Verdict, verdict};

/// Starts a drain on this worker if there is something that may be sent.
pub(crate) fn kick(worker: &Arc<Worker>) {
    let Some(queue) = worker.relay.queue() else { return };
    if queue.has_work(Instant::now()) {
        let worker = Arc::clone(worker);
        tokio::spawn(async move { drain(worker).await });
    }
}

/// Sends what may be sent, one envelope after another, until nothing may.
async fn drain(worker: Arc<Worker>) {
    let Some(queue) = worker.relay.queue() else { return };
    while let Next::Send(place, record) = queue.take(Instant::now()) {
        if let Some(until) = held_back(&worker.relay, &record) {
            queue.hold(place, record, until);
            continue;
        }
        let record = match in_current_encoding(&worker, record) {
            Ok(record) => record,
            Err(record) => {
                worker.relay.ledger.lost(record.item_count(), &Loss::Unreadable);
                tell(queue.settled());
                continue;
            }
        };
        let started = Instant::now();
        let answer = send(&worker, &record).await;
        settle(&worker, queue, place, record, started, &answer);
        // The window may have opened: one drain begets another while there is more to do.
        kick(&worker);
    }
}

/// Until when a record must wait because every item of it is rate limited. A record of which some items are
/// limited goes: the upstream drops those and accounts for them.
fn held_back(relay: &Relay, record: &Record) -> Option<Instant> {
    let limits = relay.learned.of(record.key);
    if limits.is_empty() {
        return None;
    }
    let now = SystemTime::now();
    // A limit on everything also holds what counts as nothing.
    let on_all =
        limits.iter().filter(|limit| limit.categories.is_empty() && limit.namespaces.is_empty());
    let on_all = on_all.filter_map(|limit| limit.remaining(now)).max();
    let by_item = record.items.iter().map(|categories| {
        categories.iter().filter_map(|category| limits.active(category, now)?.remaining(now)).max()
    });
    let by_item = by_item.collect::<Option<Vec<_>>>().and_then(|waits| waits.into_iter().min());
    Some(Instant::now() + on_all.max(by_item)?)
}

/// The record in the encoding that the upstream reads by now.
fn in_current_encoding(
    worker: &Worker,
    mut record: Box<Record>,
) -> Result<Box<Record>, Box<Record>> {
    let encoding = record.fallback.unwrap_or_else(|| worker.relay.encoding.current());
    if record.encoding == encoding {
        return Ok(record);
    }
    // Made here, so that nothing is to be feared of its size.
    let plain = relay_compression::decode(record.encoding, record.body.clone(), usize::MAX);
    let Ok(plain) = plain else { return Err(record) };
    let Ok(body) = worker.encode(encoding, [&plain[..]]) else { return Err(record) };
    // The envelope is accepted already: where the budget has no room for what it grows, it grows all the same.
    let grown = body.len().saturating_sub(record.body.len());
    let _ = record.memory.grow(grown);
    (record.body, record.encoding) = (body, encoding);
    Ok(record)
}

async fn send(worker: &Worker, record: &Record) -> Result<Response<Bytes>, ClientError> {
    match worker.client.send(request(&worker.relay, record)).await {
        // A kept connection may have been closed by the upstream just then; that says nothing about it.
        Err(ClientError::Broken(_)) => worker.client.send(request(&worker.relay, record)).await,
        answer => answer,
    }
}

fn request(relay: &Relay, record: &Record) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(record.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = relay.envelope_uri(record.project);
    *request.headers_mut() = record.headers.clone();
    if record.encoding != ContentEncoding::Identity {
        let encoding = HeaderValue::from_static(record.encoding.as_str());
        request.headers_mut().insert(CONTENT_ENCODING, encoding);
    }
    if let Some(host) = &relay.host_header {
        request.headers_mut().insert(HOST, host.clone());
    }
    request
}

/// So often an envelope is tried again in its place while the upstream is away.
const TRIES_IN_PLACE: u32 = 3;

fn settle(
    worker: &Worker,
    queue: &Queue,
    place: Place,
    mut record: Box<Record>,
    started: Instant,
    answer: &Result<Response<Bytes>, ClientError>,
) {
    let Worker { relay, .. } = worker;
    let now = Instant::now();
    let lost = |record: Box<Record>, loss: Loss| {
        relay.ledger.lost(record.item_count(), &loss);
        queue.settled()
    };
    let change = match verdict(answer, SystemTime::now()) {
        Verdict::Delivered => {
            if let Some(encoding) = record.fallback {
                relay.encoding.adopt(encoding);
            }
            relay.ledger.delivered(record.item_count());
            queue.settled()
        }
        Verdict::Away => {
            if let Err(error) = answer {
                tracing::debug!(
                    error = error as &dyn std::error::Error,
                    "the upstream did not answer"
                );
            }
            record.attempts = record.attempts.saturating_add(1);
            // Perhaps the upstream only stumbles over this one: then others must get their turn.
            let aside = (record.attempts > TRIES_IN_PLACE)
                .then(|| now + 2 * backoff(&relay.pace, record.attempts, jitter()));
            queue.put_back(place, record, aside, started, now, jitter())
        }
        Verdict::Later => put_off(relay, queue, place, record),
        Verdict::HeldBack(limits) => {
            learn(relay, &record, limits);
            put_off(relay, queue, place, record)
        }
        Verdict::Limited(limits) => {
            // First: whoever sees that the envelope is settled must find the limits in force.
            learn(relay, &record, limits.clone());
            let at = SystemTime::now();
            let limited = record.items.iter().filter(|categories| {
                categories.iter().any(|category| limits.active(category, at).is_some())
            });
            let limited = limited.count() as u64;
            relay.ledger.lost(limited, &Loss::LimitedUpstream);
            relay.ledger.delivered(record.item_count() - limited);
            queue.settled()
        }
        Verdict::Reencode => match step_below(record.encoding) {
            // Of this envelope only, until the upstream takes it: an answer may say anything.
            Some(encoding) => {
                record.fallback = Some(encoding);
                queue.put_off(place, record, now)
            }
            None => lost(record, Loss::Refused(http::StatusCode::UNSUPPORTED_MEDIA_TYPE)),
        },
        Verdict::Refused(status) => {
            let since = *record.refused_since.get_or_insert(now);
            if now.duration_since(since) < relay.config.http.refusal_grace_period {
                put_off(relay, queue, place, record)
            } else {
                tracing::warn!(%status, project = record.project, "the upstream refuses an envelope, discarding it");
                lost(record, Loss::Refused(status))
            }
        }
        Verdict::Rejected(status) => {
            tracing::warn!(%status, project = record.project, "the upstream rejected an envelope, discarding it");
            lost(record, Loss::Refused(status))
        }
    };
    tell(change);
}

fn put_off(relay: &Relay, queue: &Queue, place: Place, mut record: Box<Record>) -> Option<Change> {
    let pause = backoff(&relay.pace, record.attempts, jitter());
    record.attempts = record.attempts.saturating_add(1);
    queue.put_off(place, record, Instant::now() + pause)
}

fn learn(relay: &Relay, record: &Record, limits: RateLimits) {
    if !limits.is_empty() {
        relay.learned.learn(record.key, limits, SystemTime::now());
    }
}

fn tell(change: Option<Change>) {
    match change {
        Some(Change::OutageBegan) => tracing::error!("the upstream is away, envelopes wait"),
        Some(Change::OutageEnded) => tracing::info!("the upstream is back"),
        None => {}
    }
}

/// A number in 0..1 that differs between calls and between processes.
fn jitter() -> f64 {
    RandomState::new().hash_one(0_u8) as f64 / u64::MAX as f64
}
