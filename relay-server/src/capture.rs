//! Capture: a relay whose queue nobody drains. The last envelopes are kept and given back over HTTP, so that
//! a developer, or an application's test suite, sees what its SDK sent.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http::{HeaderMap, Method, StatusCode, header};
use relay_dsn::ProjectKey;
use relay_envelope::{Envelope, Item, ItemType};
use relay_protocol::EventId;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::ledger::Loss;
use crate::relay::Relay;
use crate::reply::{Reply, empty, json, method_not_allowed, reply};

/// One envelope as it would have been sent.
#[derive(Debug, Clone)]
pub(crate) struct Captured {
    pub(crate) received: DateTime<Utc>,
    pub(crate) project: u64,
    pub(crate) key: ProjectKey,
    pub(crate) event_id: Option<EventId>,
    pub(crate) items: u64,
    pub(crate) envelope: Bytes,
}

/// What an entry costs beside its bytes.
const OVERHEAD: usize = 256;

impl Captured {
    fn size(&self) -> usize {
        self.envelope.len() + OVERHEAD
    }
}

/// The captured envelopes, oldest first, within a number of bytes.
#[derive(Debug)]
pub(crate) struct CaptureStore {
    max_size: usize,
    shelf: Mutex<Shelf>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Shelf {
    entries: VecDeque<(u64, Captured)>,
    size: usize,
    last_number: u64,
}

/// The envelope alone is larger than the whole store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LargerThanStore;

impl CaptureStore {
    pub(crate) fn new(max_size: usize) -> Self {
        Self { max_size, shelf: Mutex::default(), arrived: Notify::new() }
    }

    /// Keeps `captured` and gives back how many items of older envelopes had to go for it.
    pub(crate) fn push(&self, captured: Captured) -> Result<u64, LargerThanStore> {
        if captured.size() > self.max_size {
            return Err(LargerThanStore);
        }
        let mut evicted = 0;
        let mut shelf = self.shelf();
        shelf.size += captured.size();
        shelf.last_number += 1;
        let number = shelf.last_number;
        shelf.entries.push_back((number, captured));
        while shelf.size > self.max_size {
            let Some((_, oldest)) = shelf.entries.pop_front() else { break };
            shelf.size -= oldest.size();
            evicted += oldest.items;
        }
        drop(shelf);
        self.arrived.notify_waiters();
        Ok(evicted)
    }

    /// Empties the store and gives back how many items were in it.
    fn clear(&self) -> u64 {
        let mut shelf = self.shelf();
        shelf.size = 0;
        shelf.entries.drain(..).map(|(_, captured)| captured.items).sum()
    }

    /// The first entry that is meant: by the id of its event or by its number.
    fn find(&self, id: EntryId) -> Option<(u64, Captured)> {
        let shelf = self.shelf();
        shelf
            .entries
            .iter()
            .find(|(number, captured)| match id {
                EntryId::Event(event_id) => captured.event_id == Some(event_id),
                EntryId::Number(wanted) => *number == wanted,
            })
            .cloned()
    }

    /// Entries after number `after`, oldest first.
    fn after(&self, after: u64) -> Vec<(u64, Captured)> {
        let shelf = self.shelf();
        let start = shelf.entries.partition_point(|(number, _)| *number <= after);
        shelf.entries.range(start..).cloned().collect()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `GET` and `DELETE /api/relay/events/`.
pub(crate) async fn list(relay: &Relay, method: &Method, query: Option<&str>) -> Reply {
    let Some(store) = relay.captured() else { return empty(StatusCode::NOT_FOUND) };
    match *method {
        Method::GET | Method::HEAD => match Filter::parse(query.unwrap_or_default()) {
            Ok(filter) => json(StatusCode::OK, matching(relay, store, &filter).await),
            Err(error) => error_reply(StatusCode::BAD_REQUEST, &error.to_string()),
        },
        Method::DELETE => {
            relay.ledger.lost(store.clear(), &Loss::Purged);
            empty(StatusCode::NO_CONTENT)
        }
        _ => method_not_allowed("GET,HEAD,DELETE"),
    }
}

/// `GET /api/relay/events/{id}/`: the envelope as bytes, or as JSON where that is asked for.
pub(crate) fn show(
    relay: &Relay,
    method: &Method,
    id: &str,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Reply {
    let Some(store) = relay.captured() else { return empty(StatusCode::NOT_FOUND) };
    if !matches!(*method, Method::GET | Method::HEAD) {
        return method_not_allowed("GET,HEAD");
    }
    let Some((number, captured)) = EntryId::parse(id).and_then(|id| store.find(id)) else {
        return error_reply(StatusCode::NOT_FOUND, "no captured envelope has this id");
    };
    let accepts_json = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json"));
    let format = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find_map(|(name, value)| (name == "format").then_some(value));
    match format.as_deref() {
        Some("json") => json(StatusCode::OK, entry_json(number, &captured)),
        None if accepts_json => json(StatusCode::OK, entry_json(number, &captured)),
        Some("envelope") | None => {
            reply(StatusCode::OK, Some("application/x-sentry-envelope"), captured.envelope)
        }
        Some(_) => error_reply(StatusCode::BAD_REQUEST, "format is neither json nor envelope"),
    }
}

/// `GET /api/relay/events/{id}/items/{index}/`: the payload of one item, as it came.
pub(crate) fn show_item(relay: &Relay, method: &Method, id: &str, index: &str) -> Reply {
    let Some(store) = relay.captured() else { return empty(StatusCode::NOT_FOUND) };
    if !matches!(*method, Method::GET | Method::HEAD) {
        return method_not_allowed("GET,HEAD");
    }
    let payload = EntryId::parse(id)
        .and_then(|id| store.find(id))
        .and_then(|(_, captured)| decode(captured.envelope))
        .and_then(|envelope| {
            Some(envelope.items().get(index.parse::<usize>().ok()?)?.payload().clone())
        });
    match payload {
        Some(payload) => reply(StatusCode::OK, Some("application/octet-stream"), payload),
        None => error_reply(StatusCode::NOT_FOUND, "no captured item has this id and index"),
    }
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

    fn admits(&self, captured: &Captured) -> bool {
        let Self { project, event_id, since, until, item_type, level, .. } = self;
        let by_entry = project.is_none_or(|project| project == captured.project)
            && event_id.is_none_or(|event_id| Some(event_id) == captured.event_id)
            && since.is_none_or(|since| since <= captured.received)
            && until.is_none_or(|until| captured.received <= until);
        by_entry
            && (item_type.is_none() && level.is_none()
                || decode(captured.envelope.clone()).is_some_and(|envelope| {
                    envelope.items().iter().any(|item| {
                        item_type.as_ref().is_none_or(|wanted| wanted == item.ty().as_str())
                            && level
                                .as_ref()
                                .is_none_or(|wanted| level_of(item).as_ref() == Some(wanted))
                    })
                }))
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

/// The JSON text of all entries that match, waiting for the first one if `filter.wait` says so.
async fn matching(relay: &Relay, store: &CaptureStore, filter: &Filter) -> String {
    let deadline = Instant::now() + filter.wait;
    let most = filter.limit.unwrap_or(MAX_LISTED).min(MAX_LISTED);
    let mut after = filter.after;
    loop {
        let arrived = store.arrived.notified();
        tokio::pin!(arrived);
        // From here on no arrival is missed, also one between the look and the wait.
        arrived.as_mut().enable();
        let entries = store.after(after);
        let mut list = String::from(r#"{"events":["#);
        let mut listed = 0;
        for (number, captured) in entries.iter().filter(|(_, captured)| filter.admits(captured)) {
            if listed == most || list.len() > MAX_LIST_SIZE {
                break;
            }
            list.push_str(if listed == 0 { "" } else { "," });
            list.push_str(&entry_json(*number, captured));
            listed += 1;
        }
        after = entries.last().map_or(after, |(number, _)| *number);
        let waited = listed == 0
            && tokio::select! {
                () = arrived => true,
                () = tokio::time::sleep_until(deadline) => false,
                () = relay.stopping() => false,
            };
        if !waited {
            return list + "]}";
        }
    }
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

/// One entry as JSON: headers and payloads as they are, and base64 of what is not JSON.
fn entry_json(number: u64, captured: &Captured) -> String {
    #[derive(Serialize)]
    struct Entry<'a> {
        number: u64,
        event_id: Option<EventId>,
        project: u64,
        key: &'a str,
        received: String,
        header: Option<Box<RawValue>>,
        items: Vec<Part>,
    }
    #[derive(Serialize)]
    struct Part {
        header: Option<Box<RawValue>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Box<RawValue>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        payload_base64: Option<String>,
    }

    let envelope = decode(captured.envelope.clone());
    let header =
        envelope.as_ref().and_then(|envelope| raw_json(envelope.header().to_json().as_bytes()));
    let items = envelope.iter().flat_map(|envelope| envelope.items()).map(|item| {
        let payload = match item.ty() {
            ItemType::Attachment => None,
            _ => raw_json(item.payload()),
        };
        let payload_base64 = payload.is_none().then(|| BASE64.encode(item.payload()));
        Part { header: raw_json(&item.header_json()), payload, payload_base64 }
    });
    let entry = Entry {
        number,
        event_id: captured.event_id,
        project: captured.project,
        key: captured.key.as_str(),
        received: captured.received.to_rfc3339_opts(SecondsFormat::Millis, true),
        header,
        items: items.collect(),
    };
    serde_json::to_string(&entry).expect("strings, numbers and JSON serialise")
}

fn raw_json(bytes: &[u8]) -> Option<Box<RawValue>> {
    serde_json::from_slice(bytes).ok()
}
