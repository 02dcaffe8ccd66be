//! The header line of an item: what framing needs of it, and its fields on request.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::fields::Fields;
use crate::item_type::ItemType;
use crate::plain::{self, Raw};
use crate::scalar::{Checked, Parsed, Scalar};
use crate::writer::ObjectWriter;

/// The keys with a meaning.
pub(crate) mod key {
    pub(crate) const TYPE: &str = "type";
    pub(crate) const LENGTH: &str = "length";
    pub(crate) const ITEM_COUNT: &str = "item_count";
    pub(crate) const ATTACHMENT_TYPE: &str = "attachment_type";
    pub(crate) const CONTENT_TYPE: &str = "content_type";
    pub(crate) const FILENAME: &str = "filename";
    pub(crate) const PLATFORM: &str = "platform";
    pub(crate) const SPAN_COUNT: &str = "span_count";
    pub(crate) const FULLY_NORMALIZED: &str = "fully_normalized";
    pub(crate) const SAMPLED: &str = "sampled";
    pub(crate) const META_LENGTH: &str = "meta_length";
    pub(crate) const SPAN_ID: &str = "span_id";
    pub(crate) const ATTACHMENT_LENGTH: &str = "attachment_length";
    pub(crate) const SENTRY_RELEASE: &str = "sentry_release";
    pub(crate) const SENTRY_ENVIRONMENT: &str = "sentry_environment";
}

/// The order in which fields are written, behind `type` and `length`; all others follow sorted.
const ORDER: [&str; 13] = [
    key::ITEM_COUNT,
    key::ATTACHMENT_TYPE,
    key::CONTENT_TYPE,
    key::FILENAME,
    key::PLATFORM,
    key::SPAN_COUNT,
    key::FULLY_NORMALIZED,
    key::SAMPLED,
    key::META_LENGTH,
    key::SPAN_ID,
    key::ATTACHMENT_LENGTH,
    key::SENTRY_RELEASE,
    key::SENTRY_ENVIRONMENT,
];

/// Whether the item itself says what belongs under `key`.
pub(crate) fn is_derived(key: &str) -> bool {
    key == key::TYPE || key == key::LENGTH
}

/// Finds the value of a key in a header that has been read before; of several, the last counts.
pub(crate) fn find<'a>(header: &'a [u8], key: &str) -> Option<&'a str> {
    if is_derived(key) {
        return None;
    }
    let header = str::from_utf8(header).ok()?;
    plain::from_str(header, Find(key)).ok()?.map(|value| value.0)
}

/// Collects the fields of a header that has been read before.
pub(crate) fn collect(header: &[u8]) -> Fields {
    let header = str::from_utf8(header).unwrap_or_default();
    plain::from_str(header, Collect).unwrap_or_default()
}

/// Appends a header in canonical form.
pub(crate) fn write(ty: &ItemType, length: usize, fields: &Fields, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::new(out);
    object.text(key::TYPE, ty.as_str());
    object.value(key::LENGTH, &length);
    for key in ORDER {
        if let Some(json) = fields.get(key) {
            object.raw(key, json);
        }
    }
    for (key, json) in fields.iter().filter(|(key, _)| !ORDER.contains(key)) {
        object.raw(key, json);
    }
    object.end();
}

/// What framing needs of a header; all other values are checked only.
pub(crate) struct ItemHead {
    pub(crate) ty: ItemType,
    /// The type goes by another name here than the one it is written with.
    pub(crate) alias: bool,
    /// The `length`, or why it is none: told without a position, as SDK authors know it.
    pub(crate) length: Option<Result<usize, String>>,
}

impl<'de> Deserialize<'de> for ItemHead {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemHeadVisitor;

        impl<'de> Visitor<'de> for ItemHeadVisitor {
            type Value = ItemHead;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an item header")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ItemHead, A::Error> {
                let mut name = None;
                let mut length = None;
                while let Some(key) = map.next_key_seed(Parsed(Scalar::text))? {
                    match &*key {
                        key::TYPE if name.is_some() => {
                            return Err(de::Error::duplicate_field(key::TYPE));
                        }
                        key::TYPE => name = Some(map.next_value_seed(Parsed(Scalar::text))?),
                        key::LENGTH => {
                            length = Some(map.next_value::<Scalar<'_>>()?.unsigned("usize"));
                        }
                        _ => {
                            map.next_value::<Checked>()?;
                        }
                    }
                }
                let name = name.ok_or_else(|| de::Error::missing_field(key::TYPE))?;
                let ty = ItemType::from(&*name);
                Ok(ItemHead { alias: ty.as_str() != name, ty, length })
            }
        }

        deserializer.deserialize_map(ItemHeadVisitor)
    }
}

#[derive(Clone, Copy)]
struct Find<'k>(&'k str);

impl<'de> Visitor<'de> for Find<'_> {
    type Value = Option<Raw<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key_seed(Parsed(Scalar::text))? {
            if key == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[derive(Clone, Copy)]
struct Collect;

impl<'de> Visitor<'de> for Collect {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key_seed(Parsed(Scalar::text))? {
            let value = map.next_value()?;
            if !is_derived(&key) {
                fields.insert_raw(&key, value);
            }
        }
        Ok(fields)
    }
}
