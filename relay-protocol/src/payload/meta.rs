use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::mem;

use super::node::{HAS_META, META_ROOT};
use super::write::write_string;
use super::{Kind, NodeId, NodeRef, Payload, Value};

/// What was done to a value: an entry of `_meta` (spec/schema.md 1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Which rules changed it. `rem` on the wire.
    pub remarks: Vec<Remark>,
    /// What was wrong with it. `err` on the wire. [`add_error`](Self::add_error) keeps them apart.
    pub errors: Vec<MetaError>,
    /// How long it was first: a string in characters, a list or object in values, attributes of a log or span in
    /// bytes. `len` on the wire. [`set_original_length`](Self::set_original_length) lets the first one win.
    pub original_length: Option<u32>,
    /// What it was first: a value of the same payload that stands nowhere in it. `val` on the wire.
    pub original_value: Option<NodeId>,
}

impl Meta {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.remarks.is_empty()
            && self.errors.is_empty()
            && self.original_length.is_none()
            && self.original_value.is_none()
    }

    /// How many errors of one value are told at most, those that came in not counted.
    pub const MAX_ERRORS: usize = 64;

    /// Adds an error that is not there yet, unless there are [`MAX_ERRORS`](Self::MAX_ERRORS) already.
    pub fn add_error(&mut self, error: MetaError) {
        if self.errors.len() < Self::MAX_ERRORS && !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// Sets the original length, unless an earlier step did.
    pub fn set_original_length(&mut self, length: usize) {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.original_length.get_or_insert(length);
    }
}

/// A rule that changed a value: `[rule, kind]` or `[rule, kind, start, end]` on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The id of the rule, such as `@email` or `!limit`.
    pub rule: Cow<'static, str>,
    /// What it did.
    pub kind: RemarkKind,
    /// Where in the new text, as a half-open range of bytes. `None` if the whole value is meant.
    pub range: Option<(usize, usize)>,
}

impl Remark {
    /// A remark about a whole value.
    pub fn new(rule: impl Into<Cow<'static, str>>, kind: RemarkKind) -> Self {
        Self { rule: rule.into(), kind, range: None }
    }
}

/// What a rule did; a letter on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemarkKind {
    /// Marked, text unchanged. `a`
    Annotated,
    /// Value deleted or text cut out. `x`
    Removed,
    /// Replaced by a fixed text. `s`
    Substituted,
    /// Replaced by as many `*`. `m`
    Masked,
    /// Replaced by a hash. `p`
    Pseudonymized,
    /// Reserved. `e`
    Encrypted,
}

impl RemarkKind {
    fn from_letter(letter: &str) -> Option<Self> {
        Some(match letter {
            "a" => Self::Annotated,
            "x" => Self::Removed,
            "s" => Self::Substituted,
            "m" => Self::Masked,
            "p" => Self::Pseudonymized,
            "e" => Self::Encrypted,
            _ => return None,
        })
    }

    fn letter(self) -> char {
        match self {
            Self::Annotated => 'a',
            Self::Removed => 'x',
            Self::Substituted => 's',
            Self::Masked => 'm',
            Self::Pseudonymized => 'p',
            Self::Encrypted => 'e',
        }
    }
}

/// What is wrong with a value: `kind` or `[kind, data]` on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaError {
    kind: ErrorKind,
    /// Keys and JSON texts.
    data: Vec<(Cow<'static, str>, Cow<'static, str>)>,
}

impl MetaError {
    /// An error without further data.
    pub fn new(kind: ErrorKind) -> Self {
        Self { kind, data: Vec::new() }
    }

    /// A wrong type or malformed value, with the reason for people.
    pub fn invalid(reason: &str) -> Self {
        Self::new(ErrorKind::InvalidData).with("reason", reason)
    }

    /// A wrong type: `expectation` completes "expected …".
    pub fn expected(expectation: &str) -> Self {
        Self::invalid(&format!("expected {expectation}"))
    }

    /// Adds a text under a key.
    #[must_use]
    pub fn with(self, key: &'static str, text: &str) -> Self {
        let mut json = String::with_capacity(text.len() + 2);
        write_string(&mut json, text);
        self.with_json(key, json)
    }

    /// Adds a JSON text under a key. It has to be one.
    #[must_use]
    pub fn with_json(mut self, key: &'static str, json: String) -> Self {
        self.data.push((key.into(), json.into()));
        self
    }

    /// What kind of error this is.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The JSON texts that go with the error, by key.
    pub fn data(&self) -> impl Iterator<Item = (&str, &str)> {
        self.data.iter().map(|(key, json)| (&**key, &**json))
    }
}

/// The kinds of errors that `_meta` tells of (spec/schema.md 1.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Wrong type or malformed.
    InvalidData,
    /// A required field is absent.
    MissingAttribute,
    /// A field that nobody knows was removed.
    InvalidAttribute,
    /// Longer than its meaning allows.
    ValueTooLong,
    /// Times were shifted because the sender's clock is wrong.
    ClockDrift,
    /// The event is too old.
    PastTimestamp,
    /// The event lies in the future.
    FutureTimestamp,
    /// Any other text; kept as it is.
    Other(String),
}

impl ErrorKind {
    /// The kind as it is on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::InvalidData => "invalid_data",
            Self::MissingAttribute => "missing_attribute",
            Self::InvalidAttribute => "invalid_attribute",
            Self::ValueTooLong => "value_too_long",
            Self::ClockDrift => "clock_drift",
            Self::PastTimestamp => "past_timestamp",
            Self::FutureTimestamp => "future_timestamp",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for ErrorKind {
    fn from(text: &str) -> Self {
        match text {
            "invalid_data" => Self::InvalidData,
            "missing_attribute" => Self::MissingAttribute,
            "invalid_attribute" => Self::InvalidAttribute,
            "value_too_long" => Self::ValueTooLong,
            "clock_drift" => Self::ClockDrift,
            "past_timestamp" => Self::PastTimestamp,
            "future_timestamp" => Self::FutureTimestamp,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Originals of this size or more, as compact JSON, are not kept (spec/schema.md 1.1).
const MAX_ORIGINAL_SIZE: usize = 500;

impl Payload<'_> {
    /// Refuses a value: it becomes `null`, the error and, if it is small, the old value go to its meta.
    pub fn reject(&mut self, id: NodeId, error: MetaError) {
        self.null_with_original(id);
        self.meta_mut(id).add_error(error);
    }

    /// Empties a value softly: it becomes `null`, and its meta keeps the old value if it is small.
    pub fn null_with_original(&mut self, id: NodeId) {
        if self.kind(id) == Kind::Null {
            return;
        }
        let keep = !self.node(id).is_larger_than(MAX_ORIGINAL_SIZE - 1);
        if keep && self.node(id).meta().is_none_or(|meta| meta.original_value.is_none()) {
            let original = self.take(id);
            self.meta_mut(id).original_value = Some(original);
        } else {
            self.set(id, Value::Null);
        }
    }

    /// Adds an error to the meta of a value, which stays.
    pub fn add_error(&mut self, id: NodeId, error: MetaError) {
        self.meta_mut(id).add_error(error);
    }

    /// Reads the `_meta` of an object that is a root of its own, such as an item of a container, and writes it there
    /// again, not at the root.
    pub fn split_meta(&mut self, object: NodeId) {
        self.data_mut(object).flags |= META_ROOT;
        if self.get(object, "_meta").is_some() {
            self.unlink_meta(object);
            self.touch(object);
        }
    }

    pub(super) fn split_root_meta(&mut self) {
        self.unlink_meta(self.root);
    }

    /// Takes `_meta` out of an object without marking that as changed, and hands what it says to the nodes.
    fn unlink_meta(&mut self, object: NodeId) {
        // Of a key that is there twice, the last counts.
        let Some(last) = self.get(object, "_meta") else { return };
        for meta in self.all_of_key(object, "_meta") {
            self.unlink(meta);
        }
        self.adopt_meta(last, object);
    }

    fn adopt_meta(&mut self, meta: NodeId, target: NodeId) {
        let mut open = vec![(meta, target)];
        while let Some((meta, target)) = open.pop() {
            if self.kind(meta) != Kind::Object {
                continue;
            }
            // The target is walked once, however many of its values are named.
            let mut named: BTreeMap<&str, NodeId> = BTreeMap::new();
            for child in self.node(meta).children() {
                named.insert(child.key().unwrap_or_default(), child.id());
            }
            let record = named.remove("");
            if !named.is_empty() {
                for (index, child) in self.node(target).children().enumerate() {
                    let meta = match child.key() {
                        Some(key) => named.get(key),
                        None => named.get(&*index.to_string()),
                    };
                    open.extend(meta.map(|&meta| (meta, child.id())));
                }
            }
            if let Some(record) = record {
                let record = self.meta_record(record);
                if !record.is_empty() {
                    self.data_mut(target).flags |= HAS_META;
                    self.metas.insert(target, record);
                }
            }
        }
    }

    /// What a record says. Unknown keys and malformed parts of it are left out.
    fn meta_record(&mut self, record: NodeId) -> Meta {
        let node = self.node(record);
        let list = |key: &str| node.get(key).into_iter().flat_map(NodeRef::children);
        let remarks = list("rem").filter_map(remark).collect();
        let errors = list("err").filter_map(error).collect();
        let mut meta = Meta { remarks, errors, ..Meta::default() };
        meta.original_length =
            node.get("len").and_then(NodeRef::as_u64).and_then(|len| u32::try_from(len).ok());
        meta.original_value = node.get("val").filter(|value| !value.is_null()).map(NodeRef::id);
        if let Some(value) = meta.original_value {
            self.unlink(value);
        }
        meta
    }
}

fn remark(node: NodeRef<'_>) -> Option<Remark> {
    let mut parts = node.children();
    let rule = parts.next()?.as_str()?.to_owned().into();
    let kind = RemarkKind::from_letter(parts.next()?.as_str()?)?;
    let position = |node: NodeRef<'_>| usize::try_from(node.as_u64()?).ok();
    let range = match (parts.next(), parts.next()) {
        (Some(start), Some(end)) => Some((position(start)?, position(end)?)),
        _ => None,
    };
    Some(Remark { rule, kind, range })
}

fn error(node: NodeRef<'_>) -> Option<MetaError> {
    if let Some(kind) = node.as_str() {
        return Some(MetaError::new(kind.into()));
    }
    let mut parts = node.children();
    let kind = parts.next()?.as_str()?.into();
    let data = parts.next().into_iter().flat_map(NodeRef::children).filter_map(|entry| {
        Some((Cow::Owned(entry.key()?.to_owned()), Cow::Owned(entry.to_json())))
    });
    Some(MetaError { kind, data: data.collect() })
}

/// Writes the record of one value.
pub(super) fn write_record(out: &mut String, payload: &Payload<'_>, meta: &Meta) {
    let mut separator = '{';
    let mut field = |out: &mut String, name: &str| {
        out.push(mem::replace(&mut separator, ','));
        out.push_str(name);
    };
    if !meta.remarks.is_empty() {
        field(out, "\"rem\":");
        write_list(out, &meta.remarks, |out, remark| {
            out.push('[');
            write_string(out, &remark.rule);
            let _ = write!(out, ",\"{}\"", remark.kind.letter());
            if let Some((start, end)) = remark.range {
                let _ = write!(out, ",{start},{end}");
            }
            out.push(']');
        });
    }
    if !meta.errors.is_empty() {
        field(out, "\"err\":");
        write_list(out, &meta.errors, |out, error| {
            if error.data.is_empty() {
                return write_string(out, error.kind.as_str());
            }
            out.push('[');
            write_string(out, error.kind.as_str());
            let mut separator = ",{";
            for (key, json) in &error.data {
                out.push_str(mem::replace(&mut separator, ","));
                write_string(out, key);
                out.push(':');
                out.push_str(json);
            }
            out.push_str("}]");
        });
    }
    if let Some(length) = meta.original_length {
        field(out, "\"len\":");
        let _ = write!(out, "{length}");
    }
    if let Some(value) = meta.original_value {
        field(out, "\"val\":");
        payload.write_value(out, value);
    }
    if separator == '{' {
        out.push('{');
    }
    out.push('}');
}

fn write_list<T>(out: &mut String, list: &[T], mut write: impl FnMut(&mut String, &T)) {
    let mut separator = '[';
    for element in list {
        out.push(mem::replace(&mut separator, ','));
        write(out, element);
    }
    out.push(']');
}
