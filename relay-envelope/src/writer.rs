use std::fmt::Display;

use serde::{Serialize, Serializer};

use crate::plain::unescaped;

/// Writes a JSON object, member by member.
pub(crate) struct ObjectWriter<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> ObjectWriter<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// A string member.
    pub(crate) fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        self.string(text);
    }

    /// A string member, as `value` displays.
    pub(crate) fn display(&mut self, key: &str, value: &impl Display) {
        self.key(key);
        let mut json = serde_json::Serializer::new(&mut *self.out);
        json.collect_str(value).expect("a vector takes any text");
    }

    /// A member that serialises. Maps in `value` must have strings for keys.
    pub(crate) fn value<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        self.key(key);
        serde_json::to_writer(&mut *self.out, value).expect("a vector takes any JSON");
    }

    /// A member that is JSON text already.
    pub(crate) fn raw(&mut self, key: &str, json: &str) {
        self.key(key);
        self.out.extend_from_slice(json.as_bytes());
    }

    /// A member that is an object, to be written and ended next.
    pub(crate) fn nested(&mut self, key: &str) -> ObjectWriter<'_> {
        self.key(key);
        ObjectWriter::new(self.out)
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }

    fn key(&mut self, key: &str) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        self.string(key);
        self.out.push(b':');
    }

    fn string(&mut self, text: &str) {
        if unescaped(text.as_bytes()) == text.len() {
            self.out.push(b'"');
            self.out.extend_from_slice(text.as_bytes());
            self.out.push(b'"');
        } else {
            serde_json::to_writer(&mut *self.out, text).expect("a vector takes any text");
        }
    }
}
