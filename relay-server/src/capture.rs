//! Capture: a relay whose spool nobody drains. The last envelopes are kept and given back over HTTP, so that
//! a developer, or an application's test suite, sees what its SDK sent.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http::{HeaderMap, Method, StatusCode, header};
use relay_dsn::{Dsn, ProjectKey};
use relay_envelope::{Envelope, Item, ItemType};
use relay_protocol::EventId;
use relay_spool::{
    Appended, Meta, NewRecord, RecordId, Spool, SpoolError, Stored, TargetId, Wanted,
};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::body::BodyError;
use crate::budget::{OverBudget, Reservation};
use crate::ledger::Loss;
use crate::record::{Items, SenderHeaders};
use crate::rejection::{QueueError, RETRY_AFTER_OVERLOAD, Rejection};
use crate::relay::Relay;
use crate::reply::{Reply, empty, holding, json, method_not_allowed, reply};
use crate::target::Origin;

/// The name of the target in the spool that captured envelopes have.
pub(crate) const TARGET: &str = "capture";

/// One envelope as it would have been sent.
#[derive(Debug)]
pub(crate) struct Captured {
    /// Its place in the order of arrival.
    number: u64,
    received: DateTime<Utc>,
    project: u64,
    key: String,
    event_id: Option<EventId>,
    envelope: Bytes,
    /// Its share of the budget, items included.
    memory: Reservation,
}

impl Captured {
    fn new(stored: Stored, envelope: Bytes, memory: Reservation) -> Self {
        let Stored { id, meta, .. } = stored;
        Self {
            number: id.get(),
            received: meta.received.into(),
            project: meta.project,
            key: meta.key,
            event_id: meta.event_id.and_then(|id| id.parse().ok()),
            envelope,
            memory,
        }
    }

    /// As JSON: headers and payloads as they are, and base64 of what is not JSON. An entry that the budget could never
    /// hold comes without payloads.
    fn json(&mut self) -> Result<Vec<u8>, OverBudget> {
        #[derive(Serialize)]
        struct Entry<'a> {
            number: u64,
            event_id: Option<EventId>,
            project: u64,
            key: &'a str,
            received: String,
            header: Option<Box<RawValue>>,
            items: Vec<Part<'a>>,
        }
        #[derive(Serialize)]
        struct Part<'a> {
            header: Option<Box<RawValue>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            payload: Option<&'a RawValue>,
            #[serde(skip_serializing_if = "Option::is_none")]
            payload_base64: Option<Base64<'a>>,
        }

        let size = self.envelope.len();
        // Base64 makes four bytes of three, and headers stand here twice.
        let has_payloads = match self.memory.grow(size.saturating_mul(2)) {
            Ok(()) => true,
            Err(OverBudget::Now) => return Err(OverBudget::Now),
            Err(OverBudget::Ever) => false,
        };
        let envelope = decode(self.envelope.clone());
        let header = envelope
            .as_ref()
            .and_then(|envelope| serde_json::from_str(&envelope.header().to_json()).ok());
        let items = envelope.iter().flat_map(|envelope| envelope.items()).map(|item| {
            let payload = match item.ty() {
                ItemType::Attachment => None,
                _ if has_payloads => serde_json::from_slice(item.payload()).ok(),
                _ => None,
            };
            let in_base64 = has_payloads && payload.is_none();
            Part {
                header: serde_json::from_slice(&item.header_json()).ok(),
                payload,
                payload_base64: in_base64.then(|| Base64(item.payload())),
            }
        });
        let entry = Entry {
            number: self.number,
            event_id: self.event_id,
            project: self.project,
            key: &self.key,
            received: self.received.to_rfc3339_opts(SecondsFormat::Millis, true),
            header,
            items: items.collect(),
        };
        let mut json = Vec::with_capacity(if has_payloads { size / 3 * 4 + ITEM } else { ITEM });
        serde_json::to_writer(&mut json, &entry).expect("strings, numbers and JSON serialise");
        Ok(json)
    }
}

/// Bytes as text, without a copy.
struct Base64<'a>(&'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &BASE64))
    }
}

/// The captured envelopes, oldest first, within a number of bytes.
#[derive(Debug)]
pub(crate) struct CaptureStore {
    spool: Spool,
    target: TargetId,
    /// Where the DSN of what is captured points to: it goes nowhere, so that it is the one that the SDK has.
    origin: Origin,
    arrived: Arc<Notify>,
}

/// So many entries are looked for at once.
const PIECE: usize = 64;

/// What is known of an item while its envelope is looked into, in bytes.
const ITEM: usize = 512;

/// Why captured envelopes are not shown.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
}

impl CaptureStore {
    pub(crate) fn new(spool: Spool, target: TargetId, origin: Origin) -> Self {
        Self { spool, target, origin, arrived: Arc::default() }
    }

    /// What captured envelopes are stored for.
    pub(crate) fn target(&self) -> TargetId {
        self.target
    }

    /// The DSN that a captured envelope names.
    pub(crate) fn dsn(&self, (key, project): (ProjectKey, u64)) -> Dsn {
        self.origin.dsn(key, project)
    }

    /// Keeps an envelope, and lets older ones go for it if need be.
    pub(crate) async fn keep(
        &self,
        relay: &Arc<Relay>,
        envelope: Envelope,
        (key, project): (ProjectKey, u64),
        headers: &SenderHeaders,
        received: SystemTime,
    ) -> Result<(), Rejection> {
        let items = Items::of(envelope.items());
        let meta = Meta {
            target: self.target,
            project,
            key: key.as_str().to_owned(),
            received,
            event_id: envelope.header().event_id.map(|id| EventId::from(id).to_string()),
            item_count: u32::try_from(items.count()).unwrap_or(u32::MAX),
            items: items.to_text(),
            encoding: "identity".to_owned(),
            // Nothing is sent from here; but what is exported may be, by another relay.
            headers: headers.to_text(),
        };
        let record = NewRecord { meta, body: envelope.encode() };
        // It is accounted for below, whatever becomes of the request.
        let (relay, arrived) = (Arc::clone(relay), Arc::clone(&self.arrived));
        let (tell, told) = oneshot::channel();
        self.spool.append(vec![record], move |appended| {
            let kept = match appended {
                Ok(Appended { stored, dropped }) => {
                    relay.given_up(&dropped, &Loss::CaptureFull);
                    let kept = stored.into_iter().all(|id| id.is_some());
                    kept.then_some(()).ok_or((Loss::CaptureFull, BodyError::TooLong.into()))
                }
                Err(_) => Err((Loss::SpoolFailed, Rejection::Queue(QueueError::Spool))),
            };
            if let Err((loss, _)) = &kept {
                relay.ledger.discard(None, &items, loss);
            }
            arrived.notify_waiters();
            // A client that has gone is told nothing.
            let _ = tell.send(kept.map_err(|(_, rejection)| rejection));
        });
        told.await.unwrap_or(Err(Rejection::Queue(QueueError::Closed)))
    }

    /// Lets everything go.
    async fn clear(&self, relay: &Relay) -> Result<(), SpoolError> {
        loop {
            let dropped = ask(|reply| self.spool.clear(self.target, 1000, reply)).await?;
            if dropped.is_empty() {
                return Ok(());
            }
            relay.given_up(&dropped, &Loss::Purged);
        }
    }

    /// The first entry that is meant: by the id of its event or by its number.
    async fn find(&self, relay: &Relay, id: EntryId) -> Result<Option<Captured>, Unreadable> {
        let wanted = match id {
            EntryId::Event(event_id) => Wanted::Event(event_id.to_string()),
            EntryId::Number(number) => Wanted::Id(RecordId::new(number)),
        };
        let found = ask(|reply| self.spool.find(wanted, reply)).await?;
        match found.filter(|stored| stored.meta.target == self.target) {
            Some(stored) => self.read(relay, stored).await,
            None => Ok(None),
        }
    }

    /// Some entries after number `after` that may match, oldest first; none at the end.
    async fn after(&self, after: u64, filter: &Filter) -> Result<Vec<Stored>, SpoolError> {
        let filter = relay_spool::Filter {
            target: Some(self.target),
            project: filter.project,
            event_id: filter.event_id.map(|id| id.to_string()),
            ..relay_spool::Filter::default()
        };
        ask(|reply| self.spool.select(filter, RecordId::new(after), PIECE, reply)).await
    }

    /// An entry with its envelope; `None` if it made way meanwhile, or is damaged.
    async fn read(&self, relay: &Relay, stored: Stored) -> Result<Option<Captured>, Unreadable> {
        let size = usize::try_from(stored.body_size).unwrap_or(usize::MAX);
        let items = (stored.meta.item_count as usize).saturating_mul(ITEM);
        let memory = relay.budget.reserve(size.saturating_add(items))?;
        match ask(|reply| self.spool.body(stored.id, reply)).await {
            Ok(body) => Ok(body.map(|body| Captured::new(stored, body, memory))),
            Err(SpoolError::DamagedRecord(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Waits for a reply of the spool without keeping the thread.
async fn ask<T: Send + 'static>(
    ask: impl FnOnce(Box<dyn FnOnce(Result<T, SpoolError>) + Send>),
) -> Result<T, SpoolError> {
    let (tell, told) = oneshot::channel();
    ask(Box::new(move |reply| {
        // Nobody waits where the client has gone.
        let _ = tell.send(reply);
    }));
    told.await.unwrap_or(Err(SpoolError::Closed))
}

/// `GET` and `DELETE /api/relay/events/`.
pub(crate) async fn list(relay: &Relay, method: &Method, query: Option<&str>) -> Reply {
    let Some(store) = relay.captured() else { return empty(StatusCode::NOT_FOUND) };
    match *method {
        Method::GET | Method::HEAD => match Filter::parse(query.unwrap_or_default()) {
            Ok(filter) => match matching(relay, store, &filter).await {
                Ok((list, memory)) => holding(json(StatusCode::OK, list), memory),
                Err(error) => unreadable(&error),
            },
            Err(error) => error_reply(StatusCode::BAD_REQUEST, &error.to_string()),
        },
        Method::DELETE => match store.clear(relay).await {
            Ok(()) => empty(StatusCode::NO_CONTENT),
            Err(error) => unreadable(&error.into()),
        },
        _ => method_not_allowed("GET,HEAD,DELETE"),
    }
}

/// `GET /api/relay/events/{id}/`: the envelope as bytes, or as JSON where that is asked for.
pub(crate) async fn show(
    relay: &Relay,
    method: &Method,
    id: &str,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Reply {
    let mut captured = match entry(relay, method, id).await {
        Ok(Some(captured)) => captured,
        Ok(None) => {
            return error_reply(StatusCode::NOT_FOUND, "no captured envelope has this id");
        }
        Err(answer) => return answer,
    };
    let accepts_json = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json"));
    let format = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find_map(|(name, value)| (name == "format").then_some(value));
    let as_json = match format.as_deref() {
        Some("json") => true,
        Some("envelope") => false,
        None => accepts_json,
        Some(_) => {
            return error_reply(StatusCode::BAD_REQUEST, "format is neither json nor envelope");
        }
    };
    if !as_json {
        let envelope = captured.envelope;
        let answer = reply(StatusCode::OK, Some("application/x-sentry-envelope"), envelope);
        return holding(answer, captured.memory);
    }
    match captured.json() {
        Ok(text) => holding(json(StatusCode::OK, text), captured.memory),
        Err(error) => unreadable(&error.into()),
    }
}

/// `GET /api/relay/events/{id}/items/{index}/`: the payload of one item, as it came.
pub(crate) async fn show_item(relay: &Relay, method: &Method, id: &str, index: &str) -> Reply {
    let captured = match entry(relay, method, id).await {
        Ok(captured) => captured,
        Err(answer) => return answer,
    };
    let payload = captured.and_then(|Captured { envelope, memory, .. }| {
        let envelope = decode(envelope)?;
        let item = envelope.items().get(index.parse::<usize>().ok()?)?;
        Some((item.payload().clone(), memory))
    });
    match payload {
        Some((payload, memory)) => {
            holding(reply(StatusCode::OK, Some("application/octet-stream"), payload), memory)
        }
        None => error_reply(StatusCode::NOT_FOUND, "no captured item has this id and index"),
    }
}

/// The entry that a request asks for, or the answer if it may not or cannot be looked for.
async fn entry(relay: &Relay, method: &Method, id: &str) -> Result<Option<Captured>, Reply> {
    let Some(store) = relay.captured() else { return Err(empty(StatusCode::NOT_FOUND)) };
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(method_not_allowed("GET,HEAD"));
    }
    match EntryId::parse(id) {
        Some(id) => store.find(relay, id).await.map_err(|error| unreadable(&error)),
        None => Ok(None),
    }
}

fn unreadable(error: &Unreadable) -> Reply {
    let detail = match error {
        Unreadable::Spool(error) => {
            tracing::error!(%error, "what was captured cannot be read");
            "what was captured cannot be read"
        }
        Unreadable::OverBudget(OverBudget::Now) => "relay is running out of memory",
        Unreadable::OverBudget(OverBudget::Ever) => "limits.max_memory is too small for this",
    };
    let mut reply = error_reply(StatusCode::SERVICE_UNAVAILABLE, detail);
    if matches!(error, Unreadable::OverBudget(OverBudget::Now)) {
        reply.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_OVERLOAD.into());
    }
    reply
}

fn error_reply(status: StatusCode, detail: &str) -> Reply {
    json(status, serde_json::json!({ "detail": detail }).to_string())
}

/// What an entry is asked for by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EntryId {
    Event(EventId),
    Number(u64),
}

impl EntryId {
    fn parse(text: &str) -> Option<Self> {
        match text.parse::<EventId>() {
            Ok(event_id) => Some(Self::Event(event_id)),
            Err(_) => text.parse().ok().map(Self::Number),
        }
    }
}

/// Which entries a list shows; all conditions must hold.
#[derive(Debug, Default)]
struct Filter {
    after: u64,
    project: Option<u64>,
    event_id: Option<EventId>,
    item_type: Option<String>,
    level: Option<String>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    limit: Option<usize>,
    wait: Duration,
}

/// A list never holds more entries than this.
const MAX_LISTED: usize = 100;

/// Nor does it go on beyond this many bytes; `after` gets the rest.
const MAX_LIST_SIZE: usize = 8 * 1024 * 1024;

/// No answer is held back longer than this.
const MAX_WAIT: Duration = Duration::from_secs(60);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum FilterError {
    #[error("unknown parameter `{0}`")]
    Unknown(String),
    #[error("parameter `{name}` is not {expected}")]
    Value { name: String, expected: &'static str },
}

impl Filter {
    fn parse(query: &str) -> Result<Self, FilterError> {
        let mut filter = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let wrong = |expected| FilterError::Value { name: name.to_string(), expected };
            let number = || value.parse::<u64>().map_err(|_| wrong("a number"));
            match &*name {
                "after" => filter.after = number()?,
                "project" => filter.project = Some(number()?),
                "limit" => filter.limit = Some(usize::try_from(number()?).unwrap_or(usize::MAX)),
                "event_id" => {
                    filter.event_id = Some(value.parse().map_err(|_| wrong("an event id"))?)
                }
                "type" => {
                    filter.item_type =
                        Some(if value == "error" { "event".into() } else { value.into() })
                }
                "level" => filter.level = Some(value.into()),
                "since" => filter.since = Some(time(&value).ok_or_else(|| wrong("a time"))?),
                "until" => filter.until = Some(time(&value).ok_or_else(|| wrong("a time"))?),
                "wait" => {
                    let seconds = value.parse().map_err(|_| wrong("a number of seconds"))?;
                    let wait = Duration::try_from_secs_f64(seconds)
                        .map_err(|_| wrong("a number of seconds"))?;
                    filter.wait = wait.min(MAX_WAIT);
                }
                _ => return Err(FilterError::Unknown(name.into_owned())),
            }
        }
        Ok(filter)
    }

    fn admits_time(&self, received: DateTime<Utc>) -> bool {
        self.since.is_none_or(|since| since <= received)
            && self.until.is_none_or(|until| received <= until)
    }

    /// Whether one of the items is of the type and the level that are wanted.
    fn admits(&self, envelope: &Bytes) -> bool {
        let Self { item_type, level, .. } = self;
        let is_admitted = |item: &Item| {
            item_type.as_ref().is_none_or(|wanted| wanted == item.ty().as_str())
                && level.as_ref().is_none_or(|wanted| level_of(item).as_ref() == Some(wanted))
        };
        item_type.is_none() && level.is_none()
            || decode(envelope.clone())
                .is_some_and(|envelope| envelope.items().iter().any(is_admitted))
    }
}

/// RFC 3339 or UNIX seconds.
fn time(text: &str) -> Option<DateTime<Utc>> {
    match text.parse::<f64>() {
        Ok(seconds) => DateTime::from_timestamp_millis((seconds * 1000.0) as i64),
        Err(_) => DateTime::parse_from_rfc3339(text).ok().map(Into::into),
    }
}

/// The level of an event; `error` where it names none, as Sentry reads it.
fn level_of(item: &Item) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Level {
        level: Option<String>,
    }
    let default = match item.ty() {
        ItemType::Event => "error",
        ItemType::Transaction => "info",
        _ => return None,
    };
    let parsed: Option<Level> = serde_json::from_slice(item.payload()).ok();
    Some(parsed.and_then(|event| event.level).unwrap_or_else(|| default.to_owned()))
}

/// The JSON text of all entries that match, waiting for the first one if `filter.wait` says so; and its share of the
/// budget.
async fn matching(
    relay: &Relay,
    store: &CaptureStore,
    filter: &Filter,
) -> Result<(Vec<u8>, Reservation), Unreadable> {
    let deadline = Instant::now() + filter.wait;
    let most = filter.limit.unwrap_or(MAX_LISTED).min(MAX_LISTED);
    let mut list = br#"{"events":["#.to_vec();
    let mut memory = relay.budget.reserve(list.len())?;
    let mut listed = 0;
    let mut after = filter.after;
    'search: loop {
        let arrived = store.arrived.notified();
        tokio::pin!(arrived);
        // From here on no arrival is missed, also one between the look and the wait.
        arrived.as_mut().enable();
        let entries = store.after(after, filter).await?;
        let is_end = entries.is_empty();
        for stored in entries {
            if listed == most || list.len() > MAX_LIST_SIZE {
                break 'search;
            }
            after = stored.id.get();
            if !filter.admits_time(stored.meta.received.into()) {
                continue;
            }
            let Some(mut captured) = store.read(relay, stored).await? else { continue };
            if filter.admits(&captured.envelope) {
                let entry = captured.json()?;
                // It may have room for twice as much when it has grown.
                memory.grow(2 * entry.len())?;
                list.extend_from_slice(if listed == 0 { b"" } else { b"," });
                list.extend_from_slice(&entry);
                listed += 1;
            }
        }
        let waited = !is_end
            || listed == 0
                && tokio::select! {
                    () = arrived => true,
                    () = tokio::time::sleep_until(deadline) => false,
                    () = relay.stopping() => false,
                };
        if !waited {
            break;
        }
    }
    list.extend_from_slice(b"]}");
    memory.shrink_to(list.capacity());
    Ok((list, memory))
}

/// What was accepted can be read back, whatever the request's own headers added to it.
fn decode(envelope: Bytes) -> Option<Envelope> {
    let limits = relay_envelope::Limits {
        max_items: usize::MAX,
        max_header_size: usize::MAX,
        max_size: usize::MAX,
    };
    Envelope::decode(envelope, &limits).ok()
}
