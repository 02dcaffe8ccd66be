//! Items that hold many logs, spans or metrics (spec/schema.md 13, spec/ingest.md 6.4, spec/processing.md 11.5 to 11.8).

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use relay_envelope::{Item, ItemType};
use relay_protocol::payload::{
    ErrorKind, Kind, NodeId, NodeRef, ParsePayloadError, Payload, Value,
};
use relay_protocol::schema::{Described as _, Interface, Log, SpanV2, TraceMetric, check};
use relay_protocol::{CountedItem, DiscardReason, InvalidReason, ItemKind, SpanId};

use crate::item::{has_content_type, is_span_container};
use crate::normalize::rename_attributes;
use crate::normalize::time::{MAX_FUTURE, clock_error, seconds};
use crate::{ClockDrift, Discarded, ItemLimits};

/// What a container holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContainerKind {
    /// [`Log`]s, in an item `log`.
    Logs,
    /// [`SpanV2`]s, in an item `span`. One without the content type of a container is a single span.
    Spans,
    /// [`TraceMetric`]s, in an item `trace_metric`.
    TraceMetrics,
}

impl ContainerKind {
    /// What an item holds, if it is a container.
    pub fn of(item: &Item) -> Option<Self> {
        match item.ty() {
            ItemType::Log => Some(Self::Logs),
            ItemType::Span if is_span_container(item) => Some(Self::Spans),
            ItemType::TraceMetric => Some(Self::TraceMetrics),
            _ => None,
        }
    }

    /// The `content_type` that the item has to have.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Logs => "application/vnd.sentry.items.log+json",
            Self::Spans => "application/vnd.sentry.items.span.v2+json",
            Self::TraceMetrics => "application/vnd.sentry.items.trace-metric+json",
        }
    }

    /// The `type` of the item.
    const fn item_type(self) -> &'static str {
        match self {
            Self::Logs => "log",
            Self::Spans => "span",
            Self::TraceMetrics => "trace_metric",
        }
    }

    fn interface(self) -> &'static Interface {
        match self {
            Self::Logs => Log::INTERFACE,
            Self::Spans => SpanV2::INTERFACE,
            Self::TraceMetrics => TraceMetric::INTERFACE,
        }
    }

    /// The times of an element; the first is the one that tells how old it is.
    const fn times(self) -> &'static [&'static str] {
        match self {
            Self::Logs | Self::TraceMetrics => &["timestamp"],
            Self::Spans => &["start_timestamp", "end_timestamp"],
        }
    }
}

/// What the sender wants to be found out from the request. Only the first relay does so.
///
/// An address that the sender left to the relay (`{{auto}}`) is found out in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inference {
    /// The address of the client.
    pub address: bool,
    /// The user agent.
    pub user_agent: bool,
}

impl Inference {
    /// By `version` and `ingest_settings` of the container. What cannot be read says nothing.
    fn of(kind: ContainerKind, container: NodeRef<'_>) -> Self {
        let version = container.get("version").filter(|version| !version.is_null());
        match version.map(NodeRef::as_u64) {
            None | Some(Some(1)) => {
                Self { address: false, user_agent: kind == ContainerKind::Logs }
            }
            Some(Some(2)) => {
                let is_auto = |key| {
                    let setting = container.path(&["ingest_settings", key]);
                    setting.and_then(NodeRef::as_str) == Some("auto")
                };
                Self { address: is_auto("infer_ip"), user_agent: is_auto("infer_user_agent") }
            }
            Some(_) => Self::default(),
        }
    }
}

/// An open container of logs, spans or metrics.
///
/// Every step that takes elements out gives them back as [`Discarded`], each for itself.
///
/// ```
/// use relay_envelope::{Item, ItemType};
/// use relay_pipeline::{ContainerKind, Inference, ItemContainer};
///
/// let mut item = Item::new(ItemType::Log, r#"{"version":2,"ingest_settings":{"infer_ip":"auto"},"items":[
///     {"timestamp":1700000000,"trace_id":"4c79f60c11214eb38604f4ae0781bfb2","level":"info","body":"ready"},
///     {"timestamp":1700000000,"level":"info","body":"of no trace"}
/// ]}"#);
/// item.set_content_type("application/vnd.sentry.items.log+json");
/// item.set_item_count(2);
///
/// let kind = ContainerKind::of(&item).expect("logs come in containers");
/// let mut container = ItemContainer::open(kind, &item)?;
/// assert_eq!(container.inference(), Inference { address: true, user_agent: false });
/// let discarded = container.discard_invalid();
/// assert_eq!(discarded[0].reason.as_str(), "no_data");
/// assert_eq!(container.len(), 1);
/// assert!(container.to_json().starts_with(r#"{"version":2,"items":[{"timestamp":1700000000.0,"#));
/// # Ok::<(), relay_protocol::InvalidReason>(())
/// ```
#[derive(Clone, Debug)]
pub struct ItemContainer<'a> {
    kind: ContainerKind,
    inference: Inference,
    payload: Payload<'a>,
    /// The list of elements.
    items: NodeId,
}

impl<'a> ItemContainer<'a> {
    /// Opens a container, and brings its elements into the form that the schema names first.
    ///
    /// # Errors
    ///
    /// Why nothing of it can be accepted: another content type, broken JSON, no list of elements, or not as many as the
    /// header of the item says are [`InvalidReason::InvalidJson`]; too many values are
    /// [`InvalidReason::RequestTooLarge`].
    pub fn open(kind: ContainerKind, item: &'a Item) -> Result<Self, InvalidReason> {
        if !has_content_type(item, &[kind.content_type()]) {
            return Err(InvalidReason::InvalidJson);
        }
        let mut payload = Payload::parse(item.payload()).map_err(|error| match error {
            ParsePayloadError::Nodes { .. } => InvalidReason::RequestTooLarge,
            _ => InvalidReason::InvalidJson,
        })?;
        let root = payload.root();
        let items = payload.get(root, "items").filter(|&items| payload.kind(items) == Kind::Array);
        let items = items.ok_or(InvalidReason::InvalidJson)?;
        let count = u32::try_from(payload.node(items).len()).ok();
        if count.is_none() || item.item_count() != count {
            return Err(InvalidReason::InvalidJson);
        }
        let inference = Inference::of(kind, payload.node(root));
        // What was asked for is done here, so that it is not passed on.
        payload.remove(items);
        payload.clear(root);
        payload.clear_meta(root);
        payload.insert(root, "version", 2_u64);
        payload.move_to(items, root, "items");
        let container = Self { kind, inference, payload, items };
        Ok(container.checked())
    }

    fn checked(mut self) -> Self {
        for element in self.elements() {
            if self.payload.kind(element) == Kind::Object {
                self.payload.split_meta(element);
            }
            check(&mut self.payload, element, self.kind.interface());
        }
        self
    }

    /// What the sender wants to be found out.
    pub fn inference(&self) -> Inference {
        self.inference
    }

    /// How many elements there are: the `item_count` of the item that it becomes.
    pub fn len(&self) -> usize {
        self.payload.node(self.items).len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.payload.node(self.items).is_empty()
    }

    /// The elements, to look at by way of [`payload`](Self::payload).
    pub fn elements(&self) -> Vec<NodeId> {
        self.payload.node(self.items).children().map(NodeRef::id).collect()
    }

    /// The tree that the elements stand in.
    pub fn payload(&self) -> &Payload<'a> {
        &self.payload
    }

    /// The same, to change them.
    pub fn payload_mut(&mut self) -> &mut Payload<'a> {
        &mut self.payload
    }

    /// The container as it is sent on, each element with its `_meta`.
    pub fn to_json(&self) -> String {
        self.payload.to_json()
    }

    /// Notes how large each log or metric is, and takes out those that are too large. A size that is noted already
    /// counts if it comes from a relay that is trusted.
    pub fn measure(&mut self, is_trusted: bool, limits: &ItemLimits) -> Vec<Discarded> {
        let (max, kind) = match self.kind {
            ContainerKind::Logs => (limits.max_log_size, ItemKind::Log),
            ContainerKind::TraceMetrics => (limits.max_trace_metric_size, ItemKind::TraceMetric),
            ContainerKind::Spans => return Vec::new(),
        };
        for element in self.objects() {
            let noted = noted_size(self.payload.node(element)).filter(|_| is_trusted);
            let size = noted.unwrap_or_else(|| size(self.payload.node(element)));
            let header = self.payload.entry(element, HEADER);
            if self.payload.kind(header) != Kind::Object {
                self.payload.set(header, Value::Object);
            }
            self.payload.insert(header, BYTE_SIZE, size);
        }
        self.discard(|element| {
            let is_large = noted_size(element).is_some_and(|size| size > max as u64);
            is_large.then_some(DiscardReason::TooLarge(kind))
        })
    }

    /// Corrects the times of a wrong clock and those that lie in the future, and takes out what is older than `max_age`.
    pub fn correct_times(
        &mut self,
        sent_at: Option<DateTime<Utc>>,
        received_at: DateTime<Utc>,
        max_age: Duration,
    ) -> Vec<Discarded> {
        let drift = ClockDrift::between(sent_at, received_at).zip(sent_at);
        let received = seconds(received_at);
        let reference = self.kind.times()[0];
        let time = |element: NodeRef<'_>| element.get(reference).and_then(NodeRef::as_f64);
        for element in self.objects() {
            if let Some((drift, sent_at)) = drift {
                self.shift(element, drift.seconds());
                let error = clock_error(ErrorKind::ClockDrift, sent_at, received_at);
                let node = self.payload.entry(element, reference);
                self.payload.add_error(node, error);
            }
            let Some(told) = time(self.payload.node(element)) else { continue };
            if told > received + MAX_FUTURE.as_secs_f64() {
                self.shift(element, received - told);
                let sdk_time = DateTime::from_timestamp_micros((told * 1e6).round() as i64);
                let sdk_time = sdk_time.unwrap_or_default();
                let error = clock_error(ErrorKind::FutureTimestamp, sdk_time, received_at);
                let node = self.payload.entry(element, reference);
                self.payload.add_error(node, error);
            }
        }
        self.discard(|element| {
            let is_old = time(element).is_some_and(|it| it < received - max_age.as_secs_f64());
            is_old.then_some(DiscardReason::Invalid(InvalidReason::Timestamp))
        })
    }

    /// Brings the names of attributes up to date, fills in the address of the client where that is wanted, and notes on
    /// logs when they arrived.
    ///
    /// An address that was left to the relay and cannot be found out goes away.
    pub fn normalize_attributes(&mut self, received_at: DateTime<Utc>, client_ip: Option<IpAddr>) {
        const ADDRESS: &str = "client.address";
        const OBSERVED: &str = "sentry.observed_timestamp_nanos";

        let address = client_ip.map(|address| address.to_string());
        let observed = received_at.timestamp_nanos_opt().map(|nanos| nanos.to_string());
        let observed = observed.filter(|_| self.kind == ContainerKind::Logs);
        for element in self.objects() {
            let attributes = self.payload.entry(element, "attributes");
            match self.payload.kind(attributes) {
                Kind::Object => rename_attributes(&mut self.payload, attributes),
                // One that was refused stays `null`, and says why.
                _ if self.payload.node(attributes).meta().is_some() => continue,
                _ => self.payload.set(attributes, Value::Object),
            }
            let told = self.payload.node(attributes).path(&[ADDRESS, "value"]);
            let is_auto = told.and_then(NodeRef::as_str) == Some("{{auto}}");
            let is_missing = self.payload.get(attributes, ADDRESS).is_none();
            match &address {
                Some(address) if is_auto || (is_missing && self.inference.address) => {
                    self.set_text(attributes, ADDRESS, address);
                }
                None if is_auto => self.payload.remove_key(attributes, ADDRESS),
                _ => {}
            }
            if let Some(observed) = &observed
                && self.payload.get(attributes, OBSERVED).is_none()
            {
                self.set_text(attributes, OBSERVED, observed);
            }
            if self.payload.node(attributes).is_empty() {
                self.payload.remove(attributes);
            }
        }
    }

    /// Takes out what cannot be accepted, and makes names of metrics valid:
    ///
    /// - elements that lack a required field, or are no objects;
    /// - spans without a readable id, that end before they begin, whose segment has no id, or that come again later;
    /// - metrics of an unknown type or with a blank name.
    pub fn discard_invalid(&mut self) -> Vec<Discarded> {
        if self.kind == ContainerKind::TraceMetrics {
            self.clean_names();
        }
        let kind = self.kind;
        let mut later: HashSet<String> = HashSet::new();
        self.discard(|element| {
            let reason = invalid(kind, element).or_else(|| {
                let id = element.get("span_id").filter(|_| kind == ContainerKind::Spans)?;
                let comes_later = !later.insert(id.as_str()?.to_owned());
                comes_later.then_some(InvalidReason::Duplicate)
            });
            reason.map(DiscardReason::Invalid)
        })
    }

    /// Takes out elements for which there is a reason. The last are looked at first; they come back in their order.
    fn discard(
        &mut self,
        mut reason: impl FnMut(NodeRef<'_>) -> Option<DiscardReason>,
    ) -> Vec<Discarded> {
        let mut discarded = Vec::new();
        for element in self.elements().into_iter().rev() {
            let node = self.payload.node(element);
            let Some(reason) = reason(node) else { continue };
            let bytes = noted_size(node).unwrap_or_else(|| size(node));
            let item_type = self.kind.item_type();
            let counted =
                CountedItem { item_type, bytes, item_count: Some(1), ..CountedItem::default() };
            discarded.push(Discarded { quantities: counted.quantities(), reason });
            self.payload.remove(element);
        }
        discarded.reverse();
        discarded
    }

    fn objects(&self) -> Vec<NodeId> {
        let children = self.payload.node(self.items).children();
        children.filter(|child| child.kind() == Kind::Object).map(NodeRef::id).collect()
    }

    fn shift(&mut self, element: NodeId, by: f64) {
        for key in self.kind.times() {
            let time = self.payload.get(element, key);
            let Some(time) = time else { continue };
            if let Some(told) = self.payload.node(time).as_f64() {
                self.payload.set(time, ((told + by) * 1e6).round() / 1e6);
            }
        }
    }

    fn set_text(&mut self, attributes: NodeId, name: &str, text: &str) {
        let attribute = self.payload.insert(attributes, name, Value::Object);
        self.payload.insert(attribute, "type", "string");
        self.payload.insert(attribute, "value", text);
    }

    /// Whatever no name of a metric may have becomes a `_`, a run of it one.
    fn clean_names(&mut self) {
        for element in self.objects() {
            let Some(name) = self.payload.get(element, "name") else { continue };
            let Some(text) = self.payload.str(name) else { continue };
            let mut clean = String::with_capacity(text.len());
            for c in text.trim().chars() {
                if c.is_ascii_alphanumeric() || matches!(c, '_' | '.') {
                    clean.push(c);
                } else if !clean.ends_with(REPLACED) {
                    clean.push(REPLACED);
                }
            }
            let clean = clean.replace(REPLACED, "_");
            if clean != text {
                self.payload.set(name, &clean);
            }
        }
    }
}

/// Under this key an element has what is no data of its own.
const HEADER: &str = "__header";
const BYTE_SIZE: &str = "byte_size";

/// Stands for what no name may have; no name has it.
const REPLACED: char = '\0';

fn noted_size(element: NodeRef<'_>) -> Option<u64> {
    element.path(&[HEADER, BYTE_SIZE])?.as_u64()
}

/// How large a log or metric counts: its body and its attributes, at least 1.
fn size(element: NodeRef<'_>) -> u64 {
    let body = element.get("body").and_then(NodeRef::as_str).map_or(0, str::len);
    let attributes = element.get("attributes").into_iter().flat_map(NodeRef::children);
    let attributes = attributes.map(|attribute| {
        attribute.key().map_or(0, str::len) + attribute.get("value").map_or(0, value_size)
    });
    (body + attributes.sum::<usize>()).max(1) as u64
}

fn value_size(value: NodeRef<'_>) -> usize {
    let size = |node: NodeRef<'_>| match node.kind() {
        Kind::Null | Kind::Array | Kind::Object => 0,
        Kind::Bool => 1,
        Kind::Number => 8,
        Kind::String => node.as_str().map_or(0, str::len),
    };
    value.descendants().map(size).sum()
}

/// Why an element cannot be accepted, by itself.
fn invalid(kind: ContainerKind, element: NodeRef<'_>) -> Option<InvalidReason> {
    let is_there = |key| element.get(key).is_some_and(|value| !value.is_null());
    let is_span = kind == ContainerKind::Spans;
    if element.kind() == Kind::Object && is_span && !is_there("span_id") {
        return Some(InvalidReason::InvalidSpan);
    }
    let fields = kind.interface().fields.iter();
    let mut required = fields.filter(|field| field.attributes.required);
    if element.kind() != Kind::Object || !required.all(|field| is_there(field.name)) {
        return Some(InvalidReason::NoData);
    }
    let text = |key| element.get(key).and_then(NodeRef::as_str).unwrap_or_default();
    match kind {
        ContainerKind::Logs => None,
        ContainerKind::Spans => {
            let time = |key| element.get(key).and_then(NodeRef::as_f64).unwrap_or_default();
            if time("end_timestamp") < time("start_timestamp") {
                return Some(InvalidReason::Timestamp);
            }
            let segment = element.get("attributes")?.get("sentry.segment.id")?;
            // An attribute of that name that was refused is no id.
            let id = segment.get("value").and_then(NodeRef::as_str);
            let is_id = id.is_some_and(|id| id.parse::<SpanId>().is_ok());
            (!is_id).then_some(InvalidReason::InvalidSpan)
        }
        ContainerKind::TraceMetrics => {
            let is_known = matches!(text("type"), "gauge" | "distribution" | "counter");
            let is_named = !text("name").is_empty();
            (!is_known || !is_named).then_some(InvalidReason::InvalidTraceMetric)
        }
    }
}
