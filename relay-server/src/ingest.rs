//! Ingest: the story of a request that brings data.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use chrono::Utc;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, ORIGIN, USER_AGENT,
};
use http::request::Parts;
use hyper::body::Incoming;
use relay_auth::{AuthError, AuthHeader, Credentials};
use relay_compression::{ContentEncoding, Encoder, Level};
use relay_dsn::ProjectKey;
use relay_envelope::{AttachmentType, Envelope, EnvelopeHeader, Item, ItemType};
use relay_pipeline::Admission;
use relay_protocol::{DataCategories, EventId};
use relay_quotas::RateLimits;

use crate::body::{self, Received};
use crate::budget::{OverBudget, Reservation};
use crate::capture::{CaptureStore, Captured, LargerThanStore};
use crate::forward;
use crate::ledger::Loss;
use crate::meta::RequestMeta;
use crate::queue::{Closed, Queue, Record};
use crate::rejection::{BadProjectId, Mismatch, QueueError, Rejection};
use crate::relay::{Destination, Relay, Worker};
use crate::store::read_store;

/// The endpoints that bring envelopes, or what can be made one. They differ in how they find the sender and
/// in how they read their body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Envelope,
    Store,
    /// `GET` of the store: the body is in the query.
    StorePixel,
}

/// An ingest request in its parts.
pub(crate) struct Arrival<'a> {
    pub(crate) endpoint: Endpoint,
    /// The project in the path; old clients post to `/api/store/` without one.
    pub(crate) project: Option<&'a str>,
    pub(crate) peer: IpAddr,
    pub(crate) head: &'a Parts,
    pub(crate) body: &'a mut Incoming,
    pub(crate) encoding: ContentEncoding,
}

/// What the sender is told.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) event_id: Option<EventId>,
}

/// Takes a request in: authenticate → read and decode → admit → encode → queue.
///
/// The two lines that `await` touch the world; the others are pure and live in the crate or module they name.
pub(crate) async fn ingest(
    worker: &Arc<Worker>,
    arrival: Arrival<'_>,
) -> Result<Accepted, Rejection> {
    let Arrival { endpoint, project, peer, head, body, encoding } = arrival;
    let relay = &*worker.relay;
    let project = project.map(project_id).transpose()?;
    let credentials = authenticate(endpoint, head)?;

    let Received { bytes, memory } = receive(relay, endpoint, head, body, encoding).await?;
    let (mut envelope, sender) = read(relay, endpoint, head, bytes, project, credentials)?;
    let meta = RequestMeta::new(&head.headers, peer);
    meta.complete(envelope.header_mut(), &sender.credentials)
        .map_err(|mismatch| Rejection::Mismatch(mismatch.into()))?;
    if envelope.items().iter().any(|item| *item.ty() == ItemType::Integration) {
        return Err(Rejection::InternalItems);
    }
    if envelope.header().event_id.is_none() && envelope.items().iter().any(Item::creates_event) {
        envelope.header_mut().event_id = Some(EventId::random().into());
    }
    let accepted = Accepted { event_id: envelope.header().event_id.map(EventId::from) };

    let now = SystemTime::now();
    relay.ledger.received(envelope.items().len() as u64);
    let envelope = keep_known(relay, envelope);
    let admission = relay_pipeline::admit(envelope, &relay.learned.of(sender.credentials.key), now);
    let Admission { admitted: envelope, discarded, limits } = admission;
    for item in discarded {
        relay.ledger.rejected(1, &Loss::Policy(item.reason));
    }
    check_sizes(relay, &envelope)?;
    if !envelope.items().is_empty() {
        hand_over(worker, envelope, sender, memory).await?;
    }
    told_of_limits(accepted, &limits, now)
}

/// Who sent it, and which project it is for.
struct Sender {
    credentials: Credentials,
    project: u64,
}

fn project_id(text: &str) -> Result<u64, Rejection> {
    let id = relay_dsn::ProjectId::from(text);
    id.value().ok_or_else(|| Rejection::ProjectId(BadProjectId(text.to_owned())))
}

const SIGNATURE: HeaderName = HeaderName::from_static("x-sentry-relay-signature");

/// `None`: the envelope must say itself who sent it.
fn authenticate(endpoint: Endpoint, head: &Parts) -> Result<Option<Credentials>, Rejection> {
    let credentials = relay_auth::authenticate(&head.headers, head.uri.query(), None);
    let broken_signature =
        head.headers.get(&SIGNATURE).is_some_and(|value| value.to_str().is_err());
    match credentials {
        Err(error @ (AuthError::Multiple | AuthError::Malformed(_))) => Err(error.into()),
        Ok(None) if endpoint != Endpoint::Envelope => Err(AuthError::Missing.into()),
        _ if broken_signature => Err(Rejection::Signature),
        credentials => Ok(credentials?),
    }
}

/// Reads the body, or what stands for it, against the byte budget.
async fn receive(
    relay: &Relay,
    endpoint: Endpoint,
    head: &Parts,
    body: &mut Incoming,
    encoding: ContentEncoding,
) -> Result<Received, Rejection> {
    let max_size = match endpoint {
        Endpoint::Envelope => relay.config.limits.max_envelope_size,
        Endpoint::Store => relay.config.limits.items.max_event_size,
        Endpoint::StorePixel => {
            let query = head.uri.query().unwrap_or_default().as_bytes();
            let data = url::form_urlencoded::parse(query).find(|(name, _)| name == "sentry_data");
            let (_, data) = data.ok_or(Rejection::NoStoreData)?;
            let memory = relay.budget.reserve(data.len()).map_err(body::BodyError::from)?;
            return Ok(Received { bytes: data.into_owned().into(), memory });
        }
    };
    Ok(body::read(body, encoding, &relay.body_limits(max_size), &relay.budget).await?)
}

/// Makes an envelope of the body, and settles who sent it.
fn read(
    relay: &Relay,
    endpoint: Endpoint,
    head: &Parts,
    bytes: Bytes,
    project: Option<u64>,
    credentials: Option<Credentials>,
) -> Result<(Envelope, Sender), Rejection> {
    let limits =
        relay_envelope::Limits { max_size: usize::MAX, ..relay_envelope::Limits::default() };
    let Some(credentials) = credentials else {
        let dsn = EnvelopeHeader::decode_sender(&bytes, limits.max_header_size);
        let dsn = dsn.map_err(Rejection::EnvelopeAuth)?;
        let envelope = Envelope::decode(bytes, &limits).map_err(Rejection::Envelope)?;
        let key = dsn.project_key().map_err(AuthError::Key)?;
        let project = dsn.project_id().value().unwrap_or_default();
        return Ok((envelope, Sender { credentials: Credentials::new(key), project }));
    };
    let is_envelope = endpoint == Endpoint::Envelope
        || head
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| value == "application/x-sentry-envelope");
    let mut envelope = if is_envelope {
        if bytes.is_empty() {
            return Err(Rejection::EmptyBody);
        }
        Envelope::decode(bytes, &limits).map_err(Rejection::Envelope)?
    } else {
        read_store(bytes, credentials.client.as_deref(), relay.config.limits.items.max_event_size)?
    };
    check_dsn(envelope.header(), credentials.key, project)?;
    let sender = Sender { credentials, project: project.unwrap_or_default() };
    envelope.header_mut().dsn = Some(relay.dsn(sender.credentials.key, sender.project));
    Ok((envelope, sender))
}

/// A DSN in the envelope must name the sender of the request; host and path are its own business.
fn check_dsn(
    header: &EnvelopeHeader,
    key: ProjectKey,
    project: Option<u64>,
) -> Result<(), Rejection> {
    let Some(dsn) = &header.dsn else { return Ok(()) };
    if dsn.project_id().value() != project {
        return Err(Rejection::Mismatch(Mismatch::Project));
    }
    if dsn.project_key().ok() != Some(key) {
        return Err(Rejection::Mismatch(Mismatch::Key));
    }
    Ok(())
}

/// Without `routing.accept_unknown_items` what we do not know is dropped, and the sender is not told.
fn keep_known(relay: &Relay, mut envelope: Envelope) -> Envelope {
    if !relay.config.accept_unknown_items {
        let before = envelope.items().len();
        envelope.retain(|item| {
            !matches!(item.ty(), ItemType::Other(_))
                && !matches!(item.attachment_type(), Some(AttachmentType::Other(_)))
        });
        relay.ledger.rejected((before - envelope.items().len()) as u64, &Loss::UnknownType);
    }
    envelope
}

fn check_sizes(relay: &Relay, envelope: &Envelope) -> Result<(), Rejection> {
    relay_pipeline::check_sizes(envelope, &relay.config.limits.items).map_err(|too_large| {
        let reason = relay_protocol::DiscardReason::TooLarge(too_large.kind);
        relay.ledger.rejected(envelope.items().len() as u64, &Loss::Policy(reason));
        too_large.into()
    })
}

/// Puts the envelope where it waits: to be looked at, or to be forwarded.
async fn hand_over(
    worker: &Arc<Worker>,
    envelope: Envelope,
    sender: Sender,
    memory: Reservation,
) -> Result<(), Rejection> {
    let entry = worker.relay.ledger.enter(envelope.items().len() as u64);
    let handed_over = match worker.relay.destination() {
        Destination::Capture(store) => capture(&worker.relay, store, &envelope, &sender),
        Destination::Upstream(queue) => {
            enqueue(worker, queue, envelope, sender, memory).await.map_err(Rejection::Queue)
        }
    };
    match &handed_over {
        Ok(()) => entry.arrived(),
        Err(_) => entry.refused(&Loss::QueueFull),
    }
    handed_over
}

fn capture(
    relay: &Relay,
    store: &CaptureStore,
    envelope: &Envelope,
    sender: &Sender,
) -> Result<(), Rejection> {
    let items = envelope.items().len() as u64;
    let captured = Captured {
        received: Utc::now(),
        project: sender.project,
        key: sender.credentials.key,
        event_id: envelope.header().event_id.map(EventId::from),
        items,
        envelope: envelope.encode(),
    };
    let evicted = store.push(captured).map_err(|LargerThanStore| body::BodyError::TooLong)?;
    relay.ledger.lost(evicted, &Loss::CaptureFull);
    Ok(())
}

async fn enqueue(
    worker: &Arc<Worker>,
    queue: &Queue,
    envelope: Envelope,
    sender: Sender,
    mut memory: Reservation,
) -> Result<(), QueueError> {
    let relay = &worker.relay;
    let encoding = relay.encoding.current();
    let items: Box<[DataCategories]> =
        envelope.items().iter().map(relay_pipeline::enforced).collect();
    let headers = upstream_headers(envelope.header(), &sender.credentials);
    let body = compress(worker, envelope, encoding).await?;
    let occupied = RECORD_OVERHEAD
        + body.len()
        + size_of_val(&*items)
        + headers.values().map(HeaderValue::len).sum::<usize>();
    memory.grow_to(occupied).map_err(|OverBudget| QueueError::Full)?;
    memory.shrink_to(occupied);
    let record = Box::new(Record {
        key: sender.credentials.key,
        project: sender.project,
        items,
        headers,
        body,
        encoding,
        fallback: None,
        memory,
        attempts: 0,
        refused_since: None,
    });
    queue.push(record).map_err(|Closed| QueueError::Closed)?;
    forward::kick(worker);
    Ok(())
}

/// What a record occupies beside its body and the values of its headers: measured, and rounded up.
const RECORD_OVERHEAD: usize = 2048;

/// From this size on compressing takes long enough to be done beside the sockets.
const COMPRESS_ASIDE: usize = 512 * 1024;

async fn compress(
    worker: &Arc<Worker>,
    envelope: Envelope,
    encoding: ContentEncoding,
) -> Result<Bytes, QueueError> {
    let parts = envelope.encode_parts();
    let body = if parts.len() < COMPRESS_ASIDE || encoding == ContentEncoding::Identity {
        worker.encode(encoding, parts.iter())
    } else {
        drop(parts);
        // With an encoder of its own: nobody waits for the worker's meanwhile.
        let mut encoder = Encoder::new(encoding, Level::default_for(encoding));
        tokio::task::spawn_blocking(move || encoder.encode(envelope.encode_parts().iter()))
            .await
            .map_err(|_| QueueError::Encoding)?
    };
    body.map_err(|error| {
        tracing::error!(%error, "an envelope could not be compressed");
        QueueError::Encoding
    })
}

/// The headers of the request to the upstream, all but those about the body (`spec/ingest.md` 9.2).
fn upstream_headers(header: &EnvelopeHeader, credentials: &Credentials) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-sentry-envelope"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    let version = header.version.unwrap_or(credentials.version);
    let auth = AuthHeader::new(credentials.key).version(version).client(header.client.as_deref());
    headers.insert(HeaderName::from_static("x-sentry-auth"), auth.into());
    for (name, value) in [
        (HeaderName::from_static("x-forwarded-for"), &header.forwarded_for),
        (ORIGIN, &header.origin),
        (USER_AGENT, &header.user_agent),
    ] {
        // What an envelope says of itself may not fit into a header; it still travels in the envelope.
        if let Some(value) = value.as_ref().and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    headers
}

/// A 429 if any limit was found, even where other items were kept.
fn told_of_limits(
    accepted: Accepted,
    limits: &RateLimits,
    now: SystemTime,
) -> Result<Accepted, Rejection> {
    match limits.header(now) {
        None => Ok(accepted),
        Some(header) => {
            let retry_after = limits.retry_after(now).unwrap_or_default().as_secs();
            Err(Rejection::RateLimited { limits: header, retry_after })
        }
    }
}
