//! Forwarding: queue → upstream → settle, in tasks of its own, so that the upstream's mood never reaches
//! the SDK.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use relay_compression::ContentEncoding;
use relay_protocol::DataCategories;
use relay_quotas::RateLimits;
use relay_spool::{RecordId, Spool, SpoolError};
use tokio::sync::oneshot;

use crate::client::ClientError;
use crate::encoding::step_below;
use crate::foreign::{Foreign, Wrapping};
use crate::ledger::Loss;
use crate::pace::{Change, backoff, stand_back};
use crate::queue::{Next, Queue};
use crate::record::{Body, Record};
use crate::relay::{Relay, Worker};
use crate::settle::{Verdict, verdict};
use crate::target::Upstream;

/// Starts a drain on this worker for each upstream that something may be sent to.
pub(crate) fn kick(worker: &Arc<Worker>) {
    let now = Instant::now();
    for (index, upstream) in worker.relay.upstreams().iter().enumerate() {
        if upstream.queue.has_work(now) {
            // On the heap before it is a task: on its way to be one it is moved eight times.
            tokio::spawn(Box::pin(drain(Arc::clone(worker), index)));
        }
    }
}

/// Sends what may be sent, one envelope after another, until nothing may.
async fn drain(worker: Arc<Worker>, index: usize) {
    let Some(upstream) = worker.relay.upstreams().get(index) else { return };
    let queue = &upstream.queue;
    loop {
        while let Next::Send(record) = queue.take(worker.index, Instant::now()) {
            if let Some(until) = held_back(upstream, &record) {
                queue.hold(record, until);
                continue;
            }
            let Some((record, parcel)) = read(&worker, upstream, record).await else { continue };
            let started = Instant::now();
            let answer = send(&worker, upstream, &record, &parcel).await;
            settle(&worker.relay, upstream, record, &parcel, started, &answer);
            // The window may have opened: one drain begets another while there is more to do.
            kick(&worker);
        }
        // What was held back or could not be read made room at the front, and nobody has looked since.
        if !queue.has_work(Instant::now()) {
            return;
        }
    }
}

/// Until when a record must wait because every item of it is rate limited. A record of which some items are
/// limited goes: the upstream drops those and accounts for them.
fn held_back(upstream: &Upstream, record: &Record) -> Option<Instant> {
    let limits = upstream.learned.of(record.key);
    if limits.is_empty() {
        return None;
    }
    let now = SystemTime::now();
    // A limit on everything also holds what counts as nothing.
    let on_all =
        limits.iter().filter(|limit| limit.categories.is_empty() && limit.namespaces.is_empty());
    let on_all = on_all.filter_map(|limit| limit.remaining(now)).max();
    let by_item = record.items.groups().map(|categories| {
        categories.iter().filter_map(|category| limits.active(category, now)?.remaining(now)).max()
    });
    let by_item = by_item.collect::<Option<Vec<_>>>().and_then(|waits| waits.into_iter().min());
    Some(Instant::now() + on_all.max(by_item)?)
}

/// What a record that finds no room in memory waits for some to be given back.
const ROOM_PAUSE: Duration = Duration::from_millis(20);

/// What is sent of a record.
struct Parcel {
    body: Body,
    /// The protocol of the body, if that is sent without its envelope.
    bare: Option<Foreign>,
}

/// The body of a record in the encoding that the upstream reads by now, from the disk if need be. `None` if there is
/// nothing to send; then the record has been taken care of.
async fn read(
    worker: &Worker,
    upstream: &Upstream,
    mut record: Box<Record>,
) -> Option<(Box<Record>, Parcel)> {
    let queue = &upstream.queue;
    let stored = match (record.body.clone(), queue.spool()) {
        (Some(body), _) => body,
        (None, None) => {
            queue.unsendable(record, &Loss::Unreadable);
            return None;
        }
        (None, Some(spool)) => {
            if record.memory.grow(record.stored_size).is_err() {
                if queue.in_flight() > 1 {
                    queue.try_again(record, Instant::now() + ROOM_PAUSE);
                    return None;
                }
                // It alone, whatever its size: or else it would never go.
                record.memory.insist(record.stored_size);
            }
            match body_of(spool, record.id).await {
                Ok(Some(bytes)) => Body { bytes, encoding: record.stored_encoding },
                Ok(None) => {
                    queue.vanished(record);
                    return None;
                }
                Err(SpoolError::DamagedRecord(id)) => {
                    tracing::error!(record = id.get(), "an envelope is damaged, discarding it");
                    queue.unsendable(record, &Loss::Damaged);
                    return None;
                }
                Err(error) => {
                    tracing::debug!(%error, "an envelope cannot be read");
                    let pause = backoff(&worker.relay.pace, record.attempts, jitter());
                    queue.try_again(record, Instant::now() + pause);
                    return None;
                }
            }
        }
    };
    let encoding = record.fallback.unwrap_or_else(|| upstream.encoding.current());
    let asks_for_bare = upstream.takes_bare.asks_for(record.wrapping);
    if stored.encoding == encoding && !asks_for_bare {
        return Some((record, Parcel { body: stored, bare: None }));
    }
    let Some(parcel) = pack(worker, &stored, encoding, asks_for_bare) else {
        queue.unsendable(record, &Loss::Unreadable);
        return None;
    };
    if record.wrapping == Wrapping::Refused && parcel.bare.is_none() {
        tracing::warn!(
            project = record.project,
            "the upstream refuses what is in an envelope, discarding it"
        );
        queue.unsendable(record, &Loss::Refused(StatusCode::BAD_REQUEST));
        return None;
    }
    // The envelope is accepted already: where the budget has no room for what it grows, it grows all the same.
    record.memory.insist(parcel.body.bytes.len().saturating_sub(stored.bytes.len()));
    Some((record, parcel))
}

async fn body_of(spool: &Spool, id: RecordId) -> Result<Option<Bytes>, SpoolError> {
    let (tell, told) = oneshot::channel();
    spool.body(id, move |body| {
        // Nobody waits for it when the relay has stopped.
        let _ = tell.send(body);
    });
    told.await.unwrap_or(Err(SpoolError::Closed))
}

/// What the headers of an envelope may gain here over those that came in.
const HEADERS: usize = 1024 * 1024;

/// What is stored, in this encoding, and without its envelope if that is asked for and there is a foreign body in it.
///
/// What waits may come from an archive that somebody else wrote, so that its size is not known to be sound.
fn pack(
    worker: &Worker,
    stored: &Body,
    encoding: ContentEncoding,
    asks_for_bare: bool,
) -> Option<Parcel> {
    let max_size = worker.relay.config.limits.max_envelope_size.saturating_add(HEADERS);
    let plain = relay_compression::decode(stored.encoding, stored.bytes.clone(), max_size).ok()?;
    let unwrapped = if asks_for_bare { Foreign::unwrap(plain.clone()) } else { None };
    let (bare, plain) = unwrapped.map_or((None, plain), |(foreign, body)| (Some(foreign), body));
    let bytes = worker.encode(encoding, [&plain[..]]).ok()?;
    Some(Parcel { body: Body { bytes, encoding }, bare })
}

async fn send(
    worker: &Worker,
    upstream: &Upstream,
    record: &Record,
    parcel: &Parcel,
) -> Result<Response<Bytes>, ClientError> {
    let request = || request(&worker.relay, upstream, record, parcel);
    match worker.client.send(request()).await {
        // A kept connection may have been closed by the upstream just then; that says nothing about it.
        Err(ClientError::Broken(_)) => worker.client.send(request()).await,
        answer => answer,
    }
}

fn request(
    relay: &Relay,
    upstream: &Upstream,
    record: &Record,
    Parcel { body, bare }: &Parcel,
) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body.bytes.clone()));
    *request.method_mut() = Method::POST;
    *request.headers_mut() = record.headers.of_request();
    if let Some(foreign) = bare {
        request.headers_mut().insert(CONTENT_TYPE, foreign.media_type());
    }
    if let Some(target) = upstream.targets.get(record.lane) {
        *request.uri_mut() = match bare {
            None => target.address.envelope_uri(record.project),
            Some(foreign) => {
                let uri = target.address.uri(record.project, foreign.path());
                uri.expect("it differs from another in letters and slashes")
            }
        };
    }
    if body.encoding != ContentEncoding::Identity {
        let encoding = HeaderValue::from_static(body.encoding.as_str());
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
    relay: &Relay,
    upstream: &Upstream,
    mut record: Box<Record>,
    parcel: &Parcel,
    started: Instant,
    answer: &Result<Response<Bytes>, ClientError>,
) {
    let queue = &upstream.queue;
    let now = Instant::now();
    let lost = |record: Box<Record>, loss: Loss| {
        queue.settled(record, |ledger, recipient, items| ledger.discard(recipient, items, &loss))
    };
    let change = match verdict(answer, SystemTime::now()) {
        Verdict::Delivered => {
            if let Some(encoding) = record.fallback {
                upstream.encoding.adopt(encoding);
            }
            if parcel.bare.is_some() {
                upstream.takes_bare.adopt();
            }
            queue.delivered(record)
        }
        Verdict::Away => {
            if let Err(error) = answer {
                tracing::debug!(
                    error = error as &dyn std::error::Error,
                    "the upstream did not answer"
                );
            }
            record.attempts = record.attempts.saturating_add(1);
            // Perhaps the upstream only stumbles over this one.
            let aside = (record.attempts > TRIES_IN_PLACE)
                .then(|| now + stand_back(&relay.pace, record.attempts, jitter()));
            queue.put_back(record, aside, started, now, jitter())
        }
        Verdict::Later => put_off(relay, queue, record),
        Verdict::HeldBack(limits) => {
            learn(upstream, &record, limits);
            put_off(relay, queue, record)
        }
        Verdict::Limited(limits) => {
            // First: whoever sees that the envelope is settled must find the limits in force.
            learn(upstream, &record, limits.clone());
            let at = SystemTime::now();
            let is_limited = |categories: DataCategories| {
                categories.iter().any(|category| limits.active(category, at).is_some())
            };
            queue.settled(record, |ledger, recipient, items| {
                let limited = items.select(is_limited);
                ledger.discard(recipient, &limited, &Loss::LimitedUpstream);
                ledger.delivered(items.count() - limited.count());
            })
        }
        Verdict::Reencode => match step_below(parcel.body.encoding) {
            // Of this envelope only, until the upstream takes it: an answer may say anything.
            Some(encoding) => {
                record.fallback = Some(encoding);
                queue.put_off(record, now)
            }
            None => lost(record, Loss::Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
        },
        // What is not for those who are not trusted has another way, and only one.
        Verdict::Unwrap if parcel.bare.is_none() => {
            record.wrapping = Wrapping::Refused;
            queue.put_off(record, now)
        }
        Verdict::Unwrap => lost(record, Loss::Refused(StatusCode::BAD_REQUEST)),
        Verdict::Refused(status) => {
            let at = SystemTime::now();
            let since = *record.refused_since.get_or_insert(at);
            // A clock that was set back counts as no time.
            let refused_for = at.duration_since(since).unwrap_or_default();
            if refused_for < relay.config.http.refusal_grace_period {
                put_off(relay, queue, record)
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

fn put_off(relay: &Relay, queue: &Queue, mut record: Box<Record>) -> Option<Change> {
    let pause = backoff(&relay.pace, record.attempts, jitter());
    record.attempts = record.attempts.saturating_add(1);
    queue.put_off(record, Instant::now() + pause)
}

fn learn(upstream: &Upstream, record: &Record, limits: RateLimits) {
    if !limits.is_empty() {
        upstream.learned.learn(record.key, limits, SystemTime::now());
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
