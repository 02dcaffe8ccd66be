//! Lists, maps and pairs of the typed face. Elements that are `null` on the wire are left out of lists and maps.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::Other;
use super::attributes::{Attributes, Characters, PairSyntax, Pii, Shape};

/// A list. What is `null` on the wire is left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct List<T>(pub Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Deref for List<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T> DerefMut for List<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<T> From<Vec<T>> for List<T> {
    fn from(elements: Vec<T>) -> Self {
        Self(elements)
    }
}

impl<T> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Self(elements.into_iter().collect())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T>, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = list.next_element::<Option<T>>()? {
                    elements.extend(element);
                }
                Ok(List(elements))
            }
        }

        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

/// A map by name. What is `null` on the wire is left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Map<T>(pub BTreeMap<String, T>);

impl<T> Default for Map<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Deref for Map<T> {
    type Target = BTreeMap<String, T>;

    fn deref(&self) -> &BTreeMap<String, T> {
        &self.0
    }
}

impl<T> DerefMut for Map<T> {
    fn deref_mut(&mut self) -> &mut BTreeMap<String, T> {
        &mut self.0
    }
}

impl<K: Into<String>, T> FromIterator<(K, T)> for Map<T> {
    fn from_iter<I: IntoIterator<Item = (K, T)>>(entries: I) -> Self {
        Self(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Map<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for MapVisitor<T> {
            type Value = Map<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Map<T>, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, Option<T>>()? {
                    // Of a key that is there twice the last counts, `null` or not.
                    match value {
                        Some(value) => entries.insert(key, value),
                        None => entries.remove(&key),
                    };
                }
                Ok(Map(entries))
            }
        }

        deserializer.deserialize_map(MapVisitor(PhantomData))
    }
}

/// A list in an object: `{"values": […]}`, as exceptions, threads and breadcrumbs have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Values<T> {
    /// The elements.
    #[serde(
        default = "List::default",
        deserialize_with = "list_or_null",
        bound(deserialize = "T: Deserialize<'de>")
    )]
    pub values: List<T>,
    /// Keys beside `values`, as they came.
    #[serde(flatten)]
    pub other: Other,
}

fn list_or_null<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<List<T>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl<T> Default for Values<T> {
    fn default() -> Self {
        Self { values: List::default(), other: Other::new() }
    }
}

impl<T> From<Vec<T>> for Values<T> {
    fn from(elements: Vec<T>) -> Self {
        Self { values: List(elements), other: Other::new() }
    }
}

impl<T> FromIterator<T> for Values<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Self::from(Vec::from_iter(elements))
    }
}

/// Names and values in order, such as tags and headers: a list of `[name, value]`. Names can be there twice, and both
/// halves of a pair can be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Pairs(pub Vec<(Option<String>, Option<String>)>);

impl Pairs {
    /// The first value under a name.
    pub fn value_of(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(key, _)| key.as_deref() == Some(name));
        pair.and_then(|(_, value)| value.as_deref())
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (Some(key.into()), Some(value.into()))).collect())
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        List::deserialize(deserializer).map(|list| Self(list.0))
    }
}

impl super::Typed for Pairs {
    const ATTRIBUTES: Attributes = QUERY;
}

const fn pairs(syntax: PairSyntax, pair: &'static Attributes) -> Attributes {
    Attributes::of(Shape::Pairs(syntax, pair))
}

/// What is said of a query string.
pub(super) const QUERY: Attributes = pairs(
    PairSyntax::Query,
    &Attributes::of(Shape::Pair(&[Attributes::of(Shape::String), Attributes::of(Shape::JsonText)])),
);
/// What is said of cookies.
pub(super) const COOKIES: Attributes = pairs(PairSyntax::Cookies, &TEXTS);
/// What is said of headers; they are made text while they are brought into their form.
pub(super) const HEADERS: Attributes = pairs(PairSyntax::Headers, &TEXTS);
static TEXTS: Attributes =
    Attributes::of(Shape::Pair(&[Attributes::of(Shape::String), Attributes::of(Shape::String)]));
/// What is said of tags.
pub(super) const TAGS: Attributes = pairs(PairSyntax::Tags, &TAG);
static TAG: Attributes = Attributes {
    pii: Pii::Maybe,
    ..Attributes::of(Shape::Pair(&[
        Attributes {
            trim_whitespace: true,
            characters: Characters::Alphanumeric("_.:-"),
            max_chars: Some(200),
            ..Attributes::of(Shape::Lenient)
        },
        Attributes {
            trim_whitespace: true,
            characters: Characters::Without("\n"),
            max_chars: Some(200),
            ..Attributes::of(Shape::Lenient)
        },
    ]))
};
