//! Attributes of logs, spans v2 and trace metrics (spec/schema.md 13.2).

use serde_json::Value;

use super::{Attributes, Map, Shape, interface};

/// Attributes by name.
pub type AttributeMap = Map<Attribute>;

interface! {
    /// A value that says of what type it is.
    ///
    /// ```
    /// use relay_protocol::schema::Attribute;
    ///
    /// let attribute = Attribute::from(8080_i64);
    /// assert_eq!(serde_json::to_string(&attribute)?, r#"{"type":"integer","value":8080}"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    Attribute = "attribute", other: Inherit {
        /// `boolean`, `integer`, `double`, `string` or `array`.
        ty: String = "type";
        /// A value of that type. Integers fit 64 bits; arrays hold texts, booleans or numbers, all of one kind.
        value: Value = "value";
    }
}

impl Attribute {
    fn new(ty: &str, value: Value) -> Self {
        Self { ty: Some(ty.to_owned()), value: Some(value), ..Self::default() }
    }
}

impl From<bool> for Attribute {
    fn from(value: bool) -> Self {
        Self::new("boolean", value.into())
    }
}

impl From<i64> for Attribute {
    fn from(value: i64) -> Self {
        Self::new("integer", value.into())
    }
}

impl From<f64> for Attribute {
    fn from(value: f64) -> Self {
        Self::new("double", value.into())
    }
}

impl From<&str> for Attribute {
    fn from(value: &str) -> Self {
        Self::new("string", value.into())
    }
}

/// What is said of one attribute.
pub(super) static ATTRIBUTE: Attributes = Attributes::of(Shape::Any);

/// What is said of all of them.
pub(super) const ATTRIBUTES: Attributes = Attributes::of(Shape::Attributes);
