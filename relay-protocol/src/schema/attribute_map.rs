//! Attributes of logs, spans v2 and trace metrics (spec/schema.md 13.2).

use serde_json::Value;

use super::{Attributes, Convention, Map, Pii, Shape, interface};

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

/// What is said of one attribute: as much as the conventions know of its name.
pub(super) fn attribute(name: &str) -> &'static Attributes {
    static ATTRIBUTE: [Attributes; 3] = levels(Shape::Attribute);
    by_level(&ATTRIBUTE, name)
}

/// What is said of a free value, by its name.
pub(super) fn value(name: &str) -> &'static Attributes {
    static VALUE: [Attributes; 3] = levels(Shape::Any);
    by_level(&VALUE, name)
}

/// The type of an attribute is what anybody may know.
pub(super) static TYPE: Attributes = Attributes { pii: Pii::No, ..Attributes::of(Shape::Any) };

const fn levels(shape: Shape) -> [Attributes; 3] {
    let of = Attributes::of(shape);
    [
        Attributes { pii: Pii::Yes, ..of },
        Attributes { pii: Pii::Maybe, ..of },
        Attributes { pii: Pii::No, ..of },
    ]
}

fn by_level(levels: &'static [Attributes; 3], name: &str) -> &'static Attributes {
    let [yes, maybe, no] = levels;
    match Convention::of(name).pii {
        Pii::Yes | Pii::Inherit => yes,
        Pii::Maybe => maybe,
        Pii::No => no,
    }
}

/// What is said of all of them.
pub(super) const ATTRIBUTES: Attributes = Attributes::of(Shape::Attributes);
