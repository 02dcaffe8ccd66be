use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::plain::Raw;

/// Header keys and their values, each kept as the JSON text it came in.
///
/// Iterates in the order of the keys, which is the order they are written in. Line breaks between
/// the tokens of a value are dropped, since a header has to fit on one line.
///
/// ```
/// use relay_envelope::Fields;
///
/// let mut fields = Fields::default();
/// fields.insert("retention", 90);
/// assert_eq!(fields.get("retention"), Some("90"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<Box<str>, Box<str>>);

impl Fields {
    /// The value of `key` as JSON text.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|json| &**json)
    }

    /// Sets `key`, replacing what it had.
    pub fn insert(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.into(), value.into().to_string().into());
    }

    /// Keys and JSON texts, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, json)| (&**key, &**json))
    }

    /// Sets `key` to a value as it was received.
    pub(crate) fn insert_raw(&mut self, key: &str, value: Raw<'_>) {
        let Raw(json) = value;
        let json = match memchr::memchr2(b'\n', b'\r', json.as_bytes()) {
            None => json.into(),
            // Strings cannot hold a raw line break, so it is white space and may go.
            Some(_) => json.replace(['\n', '\r'], "").into(),
        };
        self.0.insert(key.into(), json);
    }
}

impl fmt::Debug for Fields {
    /// Names the keys only: the values may be personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
