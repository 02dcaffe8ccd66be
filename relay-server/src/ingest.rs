//! Ingest: the story of a request that brings data.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, ORIGIN, USER_AGENT};
use http::request::Parts;
use hyper::body::Incoming;
use relay_auth::{AuthError, AuthHeader, Credentials};
use relay_compression::{ContentEncoding, EncodeError, Encoder, Level};
use relay_dsn::ProjectKey;
use relay_envelope::{AttachmentType, Envelope, EnvelopeHeader, Item, ItemType, Trace};
use relay_pipeline::{Admission, ItemTooLarge};
use relay_protocol::{DiscardReason, EventId, ItemKind};
use relay_quotas::RateLimits;

use crate::budget::Reservation;
use crate::endpoint::{Endpoint, PathParameters, Request};
use crate::foreign::Wrapping;
use crate::ledger::Loss;
use crate::meta::RequestMeta;
use crate::record::{Items, Record, SenderHeaders};
use crate::rejection::{BadProjectId, Mismatch, QueueError, Rejection};
use crate::relay::{Relay, Worker};
use crate::storing::{self, Prepared};
use crate::target::{Destination, Target};

/// An ingest request in its parts.
pub(crate) struct Arrival<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) path: PathParameters<'a>,
    pub(crate) peer: IpAddr,
    pub(crate) head: &'a Parts,
    pub(crate) body: &'a mut Incoming,
    pub(crate) encoding: ContentEncoding,
}

/// Takes a request in: authenticate → read and decode, and then each of its envelopes.
///
/// Most requests bring one envelope; of several, those before one that is turned away stay accepted.
pub(crate) async fn ingest(
    worker: &Arc<Worker>,
    arrival: Arrival<'_>,
) -> Result<Option<EventId>, Rejection> {
    let Arrival { endpoint, path, peer, head, body, encoding } = arrival;
    let relay = &*worker.relay;
    let project = path.project.map(project_id).transpose()?;
    endpoint.check(relay, &head.headers)?;
    let credentials = match endpoint {
        // Whatever else it says: the pages behind it have an SDK that knows of no tunnel.
        Endpoint::Tunnel => None,
        _ => authenticate(endpoint == Endpoint::Envelope, path.key, head)?,
    };

    let request = Request { relay, path, head, body, encoding };
    let (sender, mut bundle) = match credentials {
        None => endpoint.sender_of(request).await?,
        Some(credentials) => {
            let bundle = endpoint.read(request, &credentials).await?;
            for envelope in &bundle.envelopes {
                check_dsn(envelope.header(), credentials.key, project)?;
            }
            let project = project.unwrap_or_default();
            (Sender { credentials, project, is_own_word: false }, bundle)
        }
    };
    let meta = RequestMeta::new(&head.headers, peer, &relay.config.forwarded);
    let mut event_id = None;
    let left_out = std::mem::take(&mut bundle.left_out);
    for (envelope, memory) in bundle.into_parts() {
        let accepted = take_in(worker, &meta, &sender, envelope, memory).await?;
        if endpoint.tells_of_limits() {
            tell_of_limits(&accepted.limits, accepted.at)?;
        }
        event_id = accepted.event_id;
    }
    // Their sender is not told of them, so that they are accounted for once the rest is accepted: who is refused sends
    // them again.
    let loss = Loss::Policy(DiscardReason::TooLarge(ItemKind::Attachment));
    leave_out(relay, &sender, &left_out, &loss);
    Ok(event_id)
}

/// What became of an envelope, and what its sender may be told of it.
struct Accepted {
    event_id: Option<EventId>,
    /// The limits that were found in force for something in it.
    limits: RateLimits,
    at: SystemTime,
}

/// Takes an envelope in: complete its header → admit → encode → store.
///
/// The line that `await`s touches the world; the others are pure and live in the crate or module they name.
async fn take_in(
    worker: &Arc<Worker>,
    meta: &RequestMeta<'_>,
    sender: &Sender,
    mut envelope: Envelope,
    memory: Reservation,
) -> Result<Accepted, Rejection> {
    let relay = &*worker.relay;
    meta.complete(envelope.header_mut(), &sender.credentials)
        .map_err(|mismatch| Rejection::Mismatch(mismatch.into()))?;
    if envelope.header().event_id.is_none() && envelope.items().iter().any(Item::creates_event) {
        envelope.header_mut().event_id = Some(EventId::random().into());
    }
    let event_id = envelope.header().event_id.map(EventId::from);

    let now = SystemTime::now();
    let copies = copy(relay, keep_known(relay, envelope, sender), sender, now);
    let limits = limits_to_tell(&copies);
    check_sizes(relay, &copies, sender)?;
    let copies: Vec<Addressed<'_>> =
        copies.into_iter().filter(|copy| !copy.admission.admitted.items().is_empty()).collect();
    if !copies.is_empty() {
        hand_over(worker, copies, sender, now, memory).await?;
    }
    Ok(Accepted { event_id, limits, at: now })
}

/// A 429 if any limit was found, even where other items were kept.
pub(crate) fn tell_of_limits(limits: &RateLimits, now: SystemTime) -> Result<(), Rejection> {
    match limits.header(now) {
        None => Ok(()),
        Some(header) => {
            let retry_after = limits.retry_after(now).unwrap_or_default().as_secs();
            Err(Rejection::RateLimited { limits: header, retry_after })
        }
    }
}

/// An envelope on its way to one target, or into the capture store.
struct Addressed<'a> {
    target: Option<&'a Arc<Target>>,
    admission: Admission,
}

impl Addressed<'_> {
    /// Accounts for its items, which go nowhere.
    fn discard(&self, relay: &Relay, sender: &Sender, loss: &Loss) {
        let (key, project) = (sender.credentials.key, sender.project);
        let recipient = self.target.map(|target| target.recipient(key, project));
        relay.ledger.discard(recipient, &Items::of(self.admission.admitted.items()), loss);
    }
}

/// A copy of the envelope for each of its targets, and of each what its limits admit.
fn copy<'a>(
    relay: &'a Relay,
    envelope: Envelope,
    sender: &Sender,
    now: SystemTime,
) -> Vec<Addressed<'a>> {
    let targets = relay.targets(sender.credentials.key, sender.project);
    relay.ledger.received(envelope.items().len() as u64 * targets.len().max(1) as u64);
    if targets.is_empty() {
        let admission = relay_pipeline::admit(envelope, &RateLimits::default(), now);
        return vec![Addressed { target: None, admission }];
    }
    let envelopes = std::iter::repeat_n(envelope, targets.len());
    let copies = targets.iter().zip(envelopes).map(|(target, envelope)| {
        let (key, _) = target.address.address(sender.credentials.key, sender.project);
        let limits = relay.upstream(target).learned.of(key);
        let mut admission = relay_pipeline::admit(envelope, &limits, now);
        for item in std::mem::take(&mut admission.discarded) {
            let items = Items::counted([item.quantities]);
            let recipient = target.recipient(sender.credentials.key, sender.project);
            relay.ledger.discard(Some(recipient), &items, &Loss::Policy(item.reason));
        }
        Addressed { target: Some(target), admission }
    });
    copies.collect()
}

/// The limits that hold for all targets: the sender may go on with what one of them takes. Where they differ, those
/// that are over first.
fn limits_to_tell(copies: &[Addressed<'_>]) -> RateLimits {
    let limits = copies.iter().map(|copy| &copy.admission.limits);
    let first_over = limits.min_by_key(|limits| limits.iter().map(|limit| limit.until).max());
    first_over.cloned().unwrap_or_default()
}

/// Who sent it, and which project it is for.
pub(crate) struct Sender {
    pub(crate) credentials: Credentials,
    pub(crate) project: u64,
    /// The envelope's own DSN said so, and nothing else.
    pub(crate) is_own_word: bool,
}

fn project_id(text: &str) -> Result<u64, Rejection> {
    let id = relay_dsn::ProjectId::from(text);
    id.value().ok_or_else(|| Rejection::ProjectId(BadProjectId(text.to_owned())))
}

const SIGNATURE: HeaderName = HeaderName::from_static("x-sentry-relay-signature");

/// Who sent a request that must say so in its head.
pub(crate) fn identify(path: PathParameters<'_>, head: &Parts) -> Result<Sender, Rejection> {
    let project = path.project.map(project_id).transpose()?.unwrap_or_default();
    let credentials = authenticate(false, path.key, head)?.ok_or(AuthError::Missing)?;
    Ok(Sender { credentials, project, is_own_word: false })
}

/// `None`, where that may be: the envelope must say itself who sent it.
fn authenticate(
    may_be_missing: bool,
    path_key: Option<&str>,
    head: &Parts,
) -> Result<Option<Credentials>, Rejection> {
    let credentials = relay_auth::authenticate(&head.headers, head.uri.query(), path_key);
    let broken_signature =
        head.headers.get(&SIGNATURE).is_some_and(|value| value.to_str().is_err());
    match credentials {
        Err(error @ (AuthError::Multiple | AuthError::Malformed(_))) => Err(error.into()),
        Ok(None) if !may_be_missing => Err(AuthError::Missing.into()),
        _ if broken_signature => Err(Rejection::Signature),
        credentials => Ok(credentials?),
    }
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
fn keep_known(relay: &Relay, mut envelope: Envelope, sender: &Sender) -> Envelope {
    if !relay.config.accept_unknown_items {
        let mut unknown = Vec::new();
        envelope.retain(|item| {
            let is_known = !matches!(item.ty(), ItemType::Other(_))
                && !matches!(item.attachment_type(), Some(AttachmentType::Other(_)));
            if !is_known {
                unknown.push(relay_pipeline::quantities(item));
            }
            is_known
        });
        leave_out(relay, sender, &Items::counted(unknown), &Loss::UnknownType);
    }
    envelope
}

/// Accounts for items that came along and are not in the envelope any more, once for each target.
fn leave_out(relay: &Relay, sender: &Sender, items: &Items, loss: &Loss) {
    let (key, project) = (sender.credentials.key, sender.project);
    let targets = relay.targets(key, project);
    relay.ledger.received(items.count() * targets.len().max(1) as u64);
    if targets.is_empty() {
        relay.ledger.discard(None, items, loss);
    }
    for target in targets {
        relay.ledger.discard(Some(target.recipient(key, project)), items, loss);
    }
}

fn check_sizes(
    relay: &Relay,
    copies: &[Addressed<'_>],
    sender: &Sender,
) -> Result<(), ItemTooLarge> {
    let limits = &relay.config.limits.items;
    let checked = copies.iter().map(|copy| &copy.admission.admitted);
    let checked = checked.map(|envelope| relay_pipeline::check_sizes(envelope, limits));
    let too_large = checked.collect::<Result<(), _>>();
    if let Err(ItemTooLarge { kind }) = &too_large {
        let loss = Loss::Policy(DiscardReason::TooLarge(*kind));
        copies.iter().for_each(|copy| copy.discard(relay, sender, &loss));
    }
    too_large
}

/// Puts the copies where they wait: to be looked at, or to be forwarded. When this returns they are where
/// `spool.durability` wants them.
async fn hand_over(
    worker: &Arc<Worker>,
    copies: Vec<Addressed<'_>>,
    sender: &Sender,
    received: SystemTime,
    memory: Reservation,
) -> Result<(), Rejection> {
    let relay = &worker.relay;
    if let Some(store) = relay.captured() {
        let envelope = copies.into_iter().map(|copy| copy.admission.admitted).next();
        let mut envelope = envelope.unwrap_or_default();
        let sender_of = (sender.credentials.key, sender.project);
        if !sender.is_own_word {
            envelope.header_mut().dsn = Some(store.dsn(sender_of));
        }
        let headers = sender_headers(envelope.header(), sender_of.0);
        return Box::pin(store.keep(relay, envelope, sender_of, &headers, received)).await;
    }
    let mut underway = Underway { relay, sender, copies: copies.into_iter(), records: Vec::new() };
    match underway.prepare(worker, received, memory).await {
        Ok(()) => {
            let records = std::mem::take(&mut underway.records);
            storing::store(worker, records).await.map_err(Rejection::Queue)
        }
        Err(error) => {
            underway.discard(match error {
                QueueError::Encoding => &Loss::Unreadable,
                _ => &Loss::QueueFull,
            });
            Err(Rejection::Queue(error))
        }
    }
}

/// Copies on the way to where they wait. Dropped on the way, as happens when a client hangs up, they are accounted for.
struct Underway<'a> {
    relay: &'a Relay,
    sender: &'a Sender,
    copies: std::vec::IntoIter<Addressed<'a>>,
    /// What has been made of copies.
    records: Vec<Prepared>,
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        self.discard(&Loss::Disconnected);
    }
}

impl Underway<'_> {
    /// Makes of each copy a record for its target, paid for from what the request holds of the budget.
    async fn prepare(
        &mut self,
        worker: &Arc<Worker>,
        received: SystemTime,
        mut memory: Reservation,
    ) -> Result<(), QueueError> {
        let sender = self.sender;
        let (key, project) = (sender.credentials.key, sender.project);
        self.records.reserve_exact(self.copies.len());
        for Addressed { target, admission } in self.copies.by_ref() {
            let Some(target) = target else { continue };
            let mut envelope = admission.admitted;
            let (target_key, target_project) = target.address.address(key, project);
            address(&mut envelope, &target.address, sender, target_key);
            let encoding = self.relay.upstream(target).encoding.current();
            let mut record = Record::new(
                target.lane,
                (target_key, target_project),
                received,
                Items::of(envelope.items()),
                sender_headers(envelope.header(), target_key),
                memory.split_off(0),
            );
            let event_id = envelope.header().event_id.map(|id| EventId::from(id).to_string());
            record.worker = Some(worker.index);
            record.wrapping = Wrapping::of(envelope.items());
            // First, so that its items are not forgotten while it is compressed.
            let record = Box::new(record);
            self.records.push(Prepared { target: Arc::clone(target), record, event_id });
            let bytes = compress(worker, envelope, encoding).await?;
            if let Some(Prepared { record, .. }) = self.records.last_mut() {
                record.set_body(bytes, encoding);
            }
        }
        let occupied = |record: &Record| record.occupied() + record.stored_size;
        let together = self.records.iter().map(|prepared| occupied(&prepared.record)).sum();
        memory.grow_to(together).map_err(|_| QueueError::Full)?;
        for Prepared { record, .. } in &mut self.records {
            record.memory = memory.split_off(occupied(record));
        }
        Ok(())
    }

    /// Accounts for all that has not got to where it waits.
    fn discard(&mut self, loss: &Loss) {
        for copy in self.copies.by_ref() {
            copy.discard(self.relay, self.sender, loss);
        }
        for Prepared { target, record, .. } in self.records.drain(..) {
            let recipient = target.recipient(record.key, record.project);
            self.relay.ledger.discard(Some(recipient), &record.items, loss);
        }
    }
}

/// Writes the target into the envelope's own header.
fn address(envelope: &mut Envelope, to: &Destination, sender: &Sender, target_key: ProjectKey) {
    let key = sender.credentials.key;
    let header = envelope.header_mut();
    // An envelope that names its sender itself goes on as it is, unless it goes elsewhere.
    if !sender.is_own_word || matches!(to, Destination::Project(_)) {
        header.dsn = Some(to.dsn(key, sender.project));
    }
    // A key that exists only here is nobody's in the sampling context either; one of another project stays.
    if let Some(Trace::Valid(context)) = &mut header.trace
        && context.public_key == key
    {
        context.public_key = target_key;
    }
}

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
        Box::pin(compress_aside(envelope, encoding)).await?
    };
    body.map_err(|error| {
        tracing::error!(%error, "an envelope could not be compressed");
        QueueError::Encoding
    })
}

/// With an encoder of its own: nobody waits for the worker's meanwhile.
async fn compress_aside(
    envelope: Envelope,
    encoding: ContentEncoding,
) -> Result<Result<Bytes, EncodeError>, QueueError> {
    let mut encoder = Encoder::new(encoding, Level::default_for(encoding));
    tokio::task::spawn_blocking(move || encoder.encode(envelope.encode_parts().iter()))
        .await
        .map_err(|_| QueueError::Encoding)
}

/// What the request to the upstream says of the sender (`spec/ingest.md` 9.2).
pub(crate) fn sender_headers(header: &EnvelopeHeader, target_key: ProjectKey) -> SenderHeaders {
    let mut auth = AuthHeader::new(target_key).client(header.client.as_deref());
    if let Some(version) = header.version {
        auth = auth.version(version);
    }
    let mut headers = SenderHeaders::with_capacity(4);
    headers.push(HeaderName::from_static("x-sentry-auth"), auth.into());
    for (name, value) in [
        (HeaderName::from_static("x-forwarded-for"), &header.forwarded_for),
        (ORIGIN, &header.origin),
        (USER_AGENT, &header.user_agent),
    ] {
        // What an envelope says of itself may not fit into a header; it still travels in the envelope.
        if let Some(value) = value.as_ref().and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.push(name, value);
        }
    }
    headers
}
