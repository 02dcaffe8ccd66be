//! Reading and writing the few kinds of JSON value that headers have a use for.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor};

use crate::plain::{self, Raw};

/// A JSON value. What arrays and objects hold is checked, nesting included, but not kept.
pub(crate) enum Scalar<'de> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Negative(i64),
    Float(f64),
    Text(Cow<'de, str>),
    Array,
    Object,
}

impl<'de> Scalar<'de> {
    /// The complaint that this value is not of the type `expected`.
    pub(crate) fn mismatch(&self, expected: &str) -> String {
        let unexpected = match self {
            // serde calls it "unit value", which nobody who writes JSON would recognise.
            Self::Null => return format!("invalid type: null, expected {expected}"),
            Self::Bool(value) => Unexpected::Bool(*value),
            Self::Unsigned(value) => Unexpected::Unsigned(*value),
            Self::Negative(value) => Unexpected::Signed(*value),
            Self::Float(value) => Unexpected::Float(*value),
            Self::Text(value) => Unexpected::Str(value),
            Self::Array => Unexpected::Seq,
            Self::Object => Unexpected::Map,
        };
        format!("invalid type: {unexpected}, expected {expected}")
    }

    /// Reads an unsigned integer of the type called `name`.
    pub(crate) fn unsigned<T: TryFrom<u64>>(self, name: &str) -> Result<T, String> {
        match self {
            Self::Unsigned(value) => T::try_from(value)
                .map_err(|_| format!("invalid value: integer `{value}`, expected {name}")),
            Self::Negative(value) => {
                Err(format!("invalid value: integer `{value}`, expected {name}"))
            }
            other => Err(other.mismatch(name)),
        }
    }

    /// Reads a string.
    pub(crate) fn text(self) -> Result<Cow<'de, str>, String> {
        match self {
            Self::Text(value) => Ok(value),
            other => Err(other.mismatch("a string")),
        }
    }

    /// Reads `null` as nothing, and all else with `parse`.
    pub(crate) fn nullable<T>(
        self,
        parse: impl FnOnce(Self) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        match self {
            Self::Null => Ok(None),
            value => parse(value).map(Some),
        }
    }
}

/// Reads a scalar and parses it on the spot, so that an error carries the position of the value.
pub(crate) struct Parsed<F>(pub(crate) F);

impl<'de> de::Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Parsed(Ok).deserialize(deserializer)
    }
}

impl<'de, T, F: FnOnce(Scalar<'de>) -> Result<T, String>> DeserializeSeed<'de> for Parsed<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T, F: FnOnce(Scalar<'de>) -> Result<T, String>> Visitor<'de> for Parsed<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<T, E> {
        (self.0)(Scalar::Null).map_err(E::custom)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<T, E> {
        (self.0)(Scalar::Bool(value)).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<T, E> {
        (self.0)(Scalar::Unsigned(value)).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<T, E> {
        (self.0)(Scalar::Negative(value)).map_err(E::custom)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<T, E> {
        (self.0)(Scalar::Float(value)).map_err(E::custom)
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<T, E> {
        (self.0)(Scalar::Text(Cow::Borrowed(value))).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<T, E> {
        (self.0)(Scalar::Text(Cow::Owned(value.to_owned()))).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<T, A::Error> {
        Checked.visit_seq(seq)?;
        (self.0)(Scalar::Array).map_err(de::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        Checked.visit_map(map)?;
        (self.0)(Scalar::Object).map_err(de::Error::custom)
    }
}

/// Lets a value pass that is kept as it is: JSON alone does not bound its nesting.
pub(crate) fn checked(value: Raw<'_>) -> Result<Raw<'_>, String> {
    match plain::read(value.0, PhantomData::<Raw<'_>>) {
        Some(_) => Ok(value),
        None => serde_json::from_str::<Checked>(value.0).map(|_| value).map_err(|e| e.to_string()),
    }
}

/// Any value, thoroughly checked and then forgotten.
///
/// `serde::de::IgnoredAny` would let through what other readers refuse: nesting without end, broken
/// UTF-8, half a surrogate pair, numbers beyond a double.
pub(crate) struct Checked;

impl<'de> de::Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}
