//! Brings a payload into the form that the schema names first.

mod attribute_map;
mod object;
mod pairs;
mod scalar;
mod text;

use serde::de::DeserializeOwned;

use super::attributes::{Attributes, Interface, Shape, is_empty};
use super::interface::Described;
use crate::payload::{
    ErrorKind, Kind, MetaError, NodeId, NodeRef, ParsePayloadError, Payload, PayloadLimits, Value,
};

/// Brings a value and all below it into the form that its schema names first (spec/schema.md 1 to 5): old names become
/// the present ones, old shapes and spellings as well, and a value of a wrong type becomes `null` with an error and,
/// if it is small, the old value in `_meta`. Known fields that are `null` and have no meta are removed, and of
/// those that are there twice all but the last. Unknown keys stay. It never fails, and a second time it changes nothing.
///
/// Whether values are complete, not empty and made of the right characters is for [`check_attributes`].
///
/// # Deviation
///
/// Where plain nulls of a list are not written, `_meta` names the places that are left, so that the next reader finds
/// them. The reference names the places of before.
pub fn check(payload: &mut Payload<'_>, root: NodeId, interface: &'static Interface) {
    Check { payload }.value(root, &Attributes::of(Shape::Object(interface)));
}

/// Checks what is required, may not be empty, or may have certain characters only, and cuts white space off
/// (spec/schema.md 1.8). Part of normalisation; [`check`] comes before.
///
/// What is missing gets the error `missing_attribute`; what is wrong becomes `null` with an error.
pub fn check_attributes(payload: &mut Payload<'_>, root: NodeId, interface: &'static Interface) {
    attributes_below(payload, root, &Attributes::of(Shape::Object(interface)));
}

/// Why a payload cannot be read into a struct. No message repeats the payload.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The payload is not JSON, or too much of it.
    #[error("broken payload")]
    Parse(#[from] ParsePayloadError),
    /// The payload is no object.
    #[error("the payload is no object")]
    NoObject,
    /// There is a number that no double can hold.
    #[error("a value cannot be represented")]
    Value(#[source] serde_json::Error),
}

/// Reads a payload into its struct, in every form that SDKs send. What [`check`] refuses is absent.
///
/// # Errors
///
/// The payload is no JSON object, is nested deeper than 120 levels, or a number in it is too large for a double. Whatever
/// else is in it is no error.
pub fn read<T: Described + DeserializeOwned>(body: &[u8]) -> Result<T, ReadError> {
    // `serde_json` reads 127 levels; old shapes become deeper by three at most.
    let mut payload =
        Payload::parse_within(body, PayloadLimits { max_depth: 120, ..PayloadLimits::default() })?;
    let root = payload.root();
    check(&mut payload, root, T::INTERFACE);
    if payload.kind(root) != Kind::Object {
        return Err(ReadError::NoObject);
    }
    let json = payload.node(root).to_json();
    serde_json::from_str(&json).map_err(ReadError::Value)
}

/// The walk. Values are changed in place.
struct Check<'p, 'a> {
    payload: &'p mut Payload<'a>,
}

impl<'a> Check<'_, 'a> {
    fn node(&self, id: NodeId) -> NodeRef<'_> {
        self.payload.node(id)
    }

    fn kind(&self, id: NodeId) -> Kind {
        self.payload.kind(id)
    }

    fn reject(&mut self, id: NodeId, expectation: &str) {
        self.payload.reject(id, MetaError::expected(expectation));
    }

    fn reject_without_reason(&mut self, id: NodeId) {
        self.payload.reject(id, MetaError::new(ErrorKind::InvalidData));
    }

    /// Checks one value. `null` is always right.
    fn value(&mut self, id: NodeId, attributes: &Attributes) {
        if self.kind(id) == Kind::Null {
            return;
        }
        match attributes.shape {
            Shape::Any => {}
            Shape::Object(interface) => self.object(id, interface),
            Shape::LogEntry(interface) => self.log_entry(id, interface),
            Shape::Mechanism(interface) => self.mechanism(id, interface),
            Shape::Values(list) => self.values(id, list),
            Shape::List(element) => self.list(id, element, attributes.skip_empty),
            Shape::Map(value) => self.map(id, value),
            Shape::Conventional => self.map(id, &super::ANY),
            Shape::Params => {
                if !matches!(self.kind(id), Kind::Array | Kind::Object) {
                    self.reject(id, "message parameters");
                }
            }
            Shape::Variables => self.variables(id),
            Shape::Fingerprint => self.fingerprint(id),
            Shape::Pairs(syntax, pair) => self.pairs(id, syntax, pair),
            Shape::Pair(_) => {}
            Shape::Contexts => self.contexts(id),
            Shape::Image => self.image(id),
            Shape::Measurements(measurement) => self.measurements(id, measurement),
            Shape::Attributes => self.attribute_map(id),
            scalar => self.scalar(id, scalar),
        }
    }

    /// The next sibling, read before the node may go away.
    fn next(&self, id: NodeId) -> Option<NodeId> {
        self.node(id).next().map(NodeRef::id)
    }

    fn first(&self, id: NodeId) -> Option<NodeId> {
        self.node(id).children().next().map(NodeRef::id)
    }

    fn list(&mut self, id: NodeId, element: &Attributes, skip_empty: bool) {
        if self.kind(id) != Kind::Array {
            return self.reject(id, "an array");
        }
        let mut next = self.first(id);
        while let Some(child) = next {
            self.value(child, element);
            next = self.next(child);
        }
        if skip_empty {
            self.payload.remove_plain_nulls(id);
        }
    }

    fn map(&mut self, id: NodeId, value: &Attributes) {
        if self.kind(id) != Kind::Object {
            return self.reject(id, "an object");
        }
        if let Shape::Any = value.shape {
            return;
        }
        self.remove_duplicates(id);
        let mut next = self.first(id);
        while let Some(child) = next {
            self.value(child, value);
            next = self.next(child);
        }
    }

    /// Of a key that a map has twice, the last counts: removes those before it. `_meta` could not tell them apart.
    fn remove_duplicates(&mut self, id: NodeId) {
        if self.node(id).children().nth(1).is_none() {
            return;
        }
        let mut entries: Vec<_> =
            self.node(id).children().filter_map(|it| it.key().zip(Some(it.id()))).collect();
        // Ids do not follow the order of entries; the sort does.
        entries.sort_by_key(|&(key, _)| key);
        let earlier: Vec<NodeId> = entries
            .windows(2)
            .filter(|pair| pair[0].0 == pair[1].0)
            .map(|pair| pair[0].1)
            .collect();
        for entry in earlier {
            self.payload.remove(entry);
        }
    }

    /// Whether a field is written only if it has something in it, and has not.
    fn is_left_out(&self, id: NodeId, attributes: &Attributes) -> bool {
        let node = self.node(id);
        match node.kind() {
            Kind::Null => node.meta().is_none(),
            Kind::Array | Kind::Object => {
                attributes.skip_empty
                    && !attributes.nonempty
                    && is_empty(node)
                    && node.meta().is_none()
            }
            _ => false,
        }
    }

    fn set(&mut self, id: NodeId, value: Value<'_>) {
        self.payload.set(id, value);
    }
}

fn attributes_below(payload: &mut Payload<'_>, id: NodeId, attributes: &Attributes) {
    match payload.kind(id) {
        Kind::String => return text::attributes(payload, id, attributes),
        Kind::Array | Kind::Object => {}
        _ => return,
    }
    if attributes.nonempty && payload.node(id).is_empty() {
        payload.set(id, Value::Null);
        return payload.add_error(id, MetaError::expected("a non-empty value"));
    }
    if let Shape::Object(interface) | Shape::LogEntry(interface) | Shape::Mechanism(interface) =
        attributes.shape
    {
        missing(payload, id, interface);
    }
    if is_free(attributes.shape) {
        return;
    }
    let mut next = payload.node(id).children().next().map(NodeRef::id);
    while let Some(child) = next {
        let node = payload.node(child);
        next = node.next().map(NodeRef::id);
        if matches!(node.kind(), Kind::String | Kind::Array | Kind::Object) {
            let below = attributes.below(node);
            attributes_below(payload, child, below);
        }
    }
}

/// Whether nothing is said of what is below.
fn is_free(shape: Shape) -> bool {
    match shape {
        Shape::Any
        | Shape::Params
        | Shape::Variables
        | Shape::Attributes
        | Shape::Attribute
        | Shape::Conventional => true,
        Shape::Map(value) => matches!(value.shape, Shape::Any),
        _ => false,
    }
}

fn missing(payload: &mut Payload<'_>, object: NodeId, interface: &'static Interface) {
    for field in interface.fields {
        if !field.attributes.required {
            continue;
        }
        let value = payload.node(object).get(field.name);
        // A value that was refused has its error already.
        if value.is_none_or(|value| {
            value.is_null() && value.meta().is_none_or(|meta| meta.errors.is_empty())
        }) {
            let value = payload.entry(object, field.name);
            payload.add_error(value, MetaError::new(ErrorKind::MissingAttribute));
        }
    }
}
