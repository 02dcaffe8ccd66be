//! The macro that makes both faces of an interface from one definition, and what it leans on.

use std::collections::BTreeMap;

use serde_json::Value;

use super::attributes::{Attributes, Interface, Shape};

/// Keys that are not known to this version, as they came.
pub type Other = BTreeMap<String, Value>;

/// A type with a place in the schema.
pub trait Typed {
    /// What the schema says about a value of this type, before what the field it stands in adds.
    const ATTRIBUTES: Attributes;
}

/// A struct that is defined together with its table of attributes.
pub trait Described {
    /// The table.
    const INTERFACE: &'static Interface;
}

/// Defines an interface: a struct, its table of attributes, and how it is read and written.
///
/// ```text
/// interface! {
///     /// What it is.
///     Name = "name in errors", other: Pii of unknown keys {
///         /// What it means, unit, limits.
///         field: Type = "key" | "alias" { max_chars: Some(64), pii: Pii::No };
///     }
/// }
/// ```
///
/// The shape follows from the type, unless a field says otherwise.
macro_rules! interface {
    (
        $(#[$meta:meta])*
        $name:ident = $label:literal, other: $other:ident {
            $(
                $(#[$field_meta:meta])*
                $field:ident: $type:ty = $key:literal $(| $alias:literal)*
                    $({ $($attribute:ident: $value:expr),* $(,)? })?;
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                pub $field: Option<$type>,
            )*
            /// Keys that are not known here, as they came.
            pub other: $crate::schema::Other,
        }

        impl $crate::schema::Described for $name {
            const INTERFACE: &'static $crate::schema::Interface = {
                const FIELDS: &[$crate::schema::Field] = &[$(
                    $crate::schema::Field {
                        name: $key,
                        aliases: &[$($alias),*],
                        attributes: $crate::schema::Attributes {
                            $($($attribute: $value,)*)?
                            ..<$type as $crate::schema::Typed>::ATTRIBUTES
                        },
                    },
                )*];
                static TABLE: $crate::schema::Interface =
                    $crate::schema::Interface::new($label, $crate::schema::Pii::$other, FIELDS);
                &TABLE
            };
        }

        impl $crate::schema::Typed for $name {
            const ATTRIBUTES: $crate::schema::Attributes = $crate::schema::Attributes::of(
                $crate::schema::Shape::Object(<$name as $crate::schema::Described>::INTERFACE),
            );
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap as _;

                let mut map = serializer.serialize_map(None)?;
                $(
                    if let Some(value) = &self.$field {
                        map.serialize_entry($key, value)?;
                    }
                )*
                for (key, value) in &self.other {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;

                impl<'de> serde::de::Visitor<'de> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($label)
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<$name, A::Error> {
                        let mut read = $name::default();
                        while let Some(key) = map.next_key::<String>()? {
                            match &*key {
                                $(
                                    $key => read.$field = map.next_value()?,
                                    $(
                                        $alias => {
                                            let value = map.next_value()?;
                                            read.$field = read.$field.or(value);
                                        }
                                    )*
                                )*
                                "_meta" => {
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                }
                                _ => {
                                    read.other.insert(key, map.next_value()?);
                                }
                            }
                        }
                        Ok(read)
                    }
                }

                deserializer.deserialize_map(Visitor)
            }
        }
    };
}
pub(super) use interface;

macro_rules! typed {
    ($($type:ty => $shape:expr),* $(,)?) => {
        $(
            impl Typed for $type {
                const ATTRIBUTES: Attributes = Attributes::of($shape);
            }
        )*
    };
}

typed! {
    Value => Shape::Any,
    String => Shape::String,
    bool => Shape::Bool,
    u64 => Shape::Unsigned,
    i64 => Shape::Signed,
    f64 => Shape::Float,
    crate::Level => Shape::Level,
    crate::EventType => Shape::EventType,
    crate::EventId => Shape::EventId,
    crate::TraceId => Shape::TraceId,
    crate::SpanId => Shape::SpanId,
    crate::SpanStatus => Shape::Status,
    uuid::Uuid => Shape::Uuid,
    super::Timestamp => Shape::Timestamp,
    super::Address => Shape::Address,
    super::ThreadId => Shape::ThreadId,
}

impl<T: Typed> Typed for Box<T> {
    const ATTRIBUTES: Attributes = T::ATTRIBUTES;
}

impl<T: Typed> Typed for super::List<T> {
    const ATTRIBUTES: Attributes = Attributes::of(Shape::List(&T::ATTRIBUTES));
}

impl<T: Typed> Typed for super::Map<T> {
    const ATTRIBUTES: Attributes = Attributes::of(Shape::Map(&T::ATTRIBUTES));
}

impl<T: Typed> Typed for super::Values<T> {
    const ATTRIBUTES: Attributes =
        Attributes::of(Shape::Values(&<super::List<T> as Typed>::ATTRIBUTES));
}

/// Defines an enum of interfaces that are told apart by their `type`, and their table.
macro_rules! by_type {
    (
        $(#[$meta:meta])*
        $name:ident, $table:ident, $limits:expr; {
            $(
                $(#[$variant_meta:meta])*
                $variant:ident($type:ty) = $($word:literal)|+ $({ $($attribute:ident: $value:expr),* $(,)? })?;
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        #[serde(untagged)]
        pub enum $name {
            $(
                $(#[$variant_meta])*
                $variant(Box<$type>),
            )*
            /// Of a type that is not known here, or of none.
            Other($crate::schema::Other),
        }

        $(
            impl From<$type> for $name {
                fn from(value: $type) -> Self {
                    Self::$variant(Box::new(value))
                }
            }
        )*

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error as _;

                let value = $crate::schema::Other::deserialize(deserializer)?;
                let ty = value.get("type").and_then(serde_json::Value::as_str);
                let object = || serde_json::Value::Object(value.clone().into_iter().collect());
                match ty {
                    $(
                        Some($($word)|+) => serde_json::from_value(object())
                            .map(Self::$variant)
                            .map_err(D::Error::custom),
                    )*
                    _ => Ok(Self::Other(value)),
                }
            }
        }

        /// What is said of each, by the words that stand for it.
        pub(super) static $table: &[(&[&str], $crate::schema::Attributes)] = &[$(
            (&[$($word),+], $crate::schema::Attributes {
                $($($attribute: $value,)*)?
                shape: <$type as $crate::schema::Typed>::ATTRIBUTES.shape,
                ..$limits
            }),
        )*];
    };
}
pub(super) use by_type;
