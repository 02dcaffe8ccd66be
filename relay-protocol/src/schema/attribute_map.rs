//! Attributes of logs, spans v2 and trace metrics (spec/schema.md 13.2).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Attributes, List, Map, Other, Shape};

/// Attributes by name.
pub type AttributeMap = Map<Attribute>;

/// A value that says of what type it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attribute {
    /// The value.
    #[serde(flatten)]
    pub value: AttributeValue,
    /// Further keys, such as `unit`, as they came.
    #[serde(flatten)]
    pub other: Other,
}

/// The value of an [`Attribute`], as `{"type": …, "value": …}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "lowercase")]
pub enum AttributeValue {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Double(f64),
    /// A text.
    String(String),
    /// Texts, booleans or numbers, all of one kind. Nulls are left out.
    Array(List<Value>),
}

impl<T: Into<AttributeValue>> From<T> for Attribute {
    fn from(value: T) -> Self {
        Self { value: value.into(), other: Other::new() }
    }
}

impl From<bool> for AttributeValue {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for AttributeValue {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for AttributeValue {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

impl From<&str> for AttributeValue {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

/// What is said of one attribute.
pub(super) static ATTRIBUTE: Attributes = Attributes::of(Shape::Any);

/// What is said of all of them.
pub(super) const ATTRIBUTES: Attributes = Attributes::of(Shape::Attributes);

impl super::Typed for Attribute {
    const ATTRIBUTES: Attributes = Attributes::of(Shape::Any);
}
