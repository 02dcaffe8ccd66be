use std::fmt::Write as _;

use super::Payload;
use super::meta::write_record;
use super::node::{
    CHANGED, KEY_IN_TEXT, Kind, META_ROOT, NodeId, NodeRef, RAW_IN_TEXT, TEXT_IN_TEXT, TRUE,
};

impl NodeRef<'_> {
    /// This value as JSON text, without its meta. What was not changed is as it came, white space included.
    pub fn to_json(self) -> String {
        let mut out = String::new();
        self.payload().write_value(&mut out, self.id());
        out
    }

    /// This value as JSON text without white space between its parts, and without its meta.
    pub fn to_compact_json(self) -> String {
        let mut out = String::new();
        self.payload().write_compact(&mut out, self.id());
        out
    }
}

impl Payload<'_> {
    /// The payload as it is to be sent, `_meta` included: exactly what came in if nothing was changed.
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(self.source.len() + self.source.len() / 16 + 64);
        self.write(&mut out);
        out
    }

    /// Appends the payload as it is to be sent; see [`to_json`](Self::to_json).
    pub fn write(&self, out: &mut String) {
        if !self.meta_changed && !self.data(self.root).is(CHANGED) {
            return out.push_str(self.source);
        }
        self.write_with(out, self.root, &self.marks());
    }

    /// Writes a value without meta.
    pub(super) fn write_value(&self, out: &mut String, id: NodeId) {
        self.write_with(out, id, &Marks::default());
    }

    /// Writes a value; at the root, and at roots of their own, with the `_meta` of what is marked.
    fn write_with(&self, out: &mut String, id: NodeId, marks: &Marks) {
        let data = self.data(id);
        // An object that ends in `_meta` is put together; so is one whose `_meta` was taken out but whose other
        // entries are as they came.
        let ends_in_meta = marks.of(id) & NAMED != 0 && (id == self.root || data.is(META_ROOT));
        if !data.is(CHANGED) && marks.of(id) & REBUILT == 0 && id != self.root {
            return out.push_str(self.slice(data.raw, data.is(RAW_IN_TEXT)));
        }
        match data.kind {
            Kind::Object => {
                out.push('{');
                let mut first = true;
                let mut child = data.first;
                while let Some(id) = child {
                    let data = self.data(id);
                    if !first {
                        out.push(',');
                    }
                    first = false;
                    self.write_key(out, id);
                    self.write_with(out, id, marks);
                    child = data.next;
                }
                if ends_in_meta {
                    if !first {
                        out.push(',');
                    }
                    out.push_str("\"_meta\":");
                    self.write_meta(out, id, marks);
                }
                out.push('}');
            }
            Kind::Array => {
                out.push('[');
                let mut first = true;
                let mut child = data.first;
                while let Some(id) = child {
                    child = self.data(id).next;
                    if !first {
                        out.push(',');
                    }
                    first = false;
                    self.write_with(out, id, marks);
                }
                out.push(']');
            }
            _ => self.write_scalar(out, id),
        }
    }

    fn write_compact(&self, out: &mut String, id: NodeId) {
        let data = self.data(id);
        let (open, close) = match data.kind {
            Kind::Object => ('{', '}'),
            Kind::Array => ('[', ']'),
            _ => return self.write_scalar(out, id),
        };
        out.push(open);
        let mut child = data.first;
        while let Some(id) = child {
            if self.data(id).previous.is_some() {
                out.push(',');
            }
            if data.kind == Kind::Object {
                self.write_key(out, id);
            }
            self.write_compact(out, id);
            child = self.data(id).next;
        }
        out.push(close);
    }

    fn write_key(&self, out: &mut String, id: NodeId) {
        let data = self.data(id);
        let key = self.slice(data.key, data.is(KEY_IN_TEXT));
        if data.is(KEY_IN_TEXT) {
            write_string(out, key);
        } else {
            // What has no escapes in the source needs none.
            out.push('"');
            out.push_str(key);
            out.push('"');
        }
        out.push(':');
    }

    fn write_scalar(&self, out: &mut String, id: NodeId) {
        let data = self.data(id);
        if !data.is(CHANGED) {
            return out.push_str(self.slice(data.raw, data.is(RAW_IN_TEXT)));
        }
        match data.kind {
            Kind::Null => out.push_str("null"),
            Kind::Bool if data.is(TRUE) => out.push_str("true"),
            Kind::Bool => out.push_str("false"),
            Kind::Number => out.push_str(self.slice(data.text, data.is(TEXT_IN_TEXT))),
            _ => write_string(out, self.slice(data.text, data.is(TEXT_IN_TEXT))),
        }
    }

    /// Marks every node that has a meta to write, and those above it.
    fn marks(&self) -> Marks {
        let mut marks = Marks::default();
        for (&id, meta) in &self.metas {
            if meta.is_empty() {
                continue;
            }
            if marks.0.is_empty() {
                marks.0 = vec![0; self.nodes.len()];
            }
            let mut mark = REBUILT | NAMED;
            let mut next = Some(id);
            while let Some(id) = next {
                if self.node(id).key() == Some("") {
                    mark = REBUILT;
                }
                if marks.of(id) & mark == mark {
                    break;
                }
                marks.0[id.index()] |= mark;
                if self.data(id).is(META_ROOT) {
                    mark = REBUILT;
                }
                next = self.data(id).parent;
            }
        }
        marks
    }

    /// Writes the `_meta` of `root` from `id` down.
    fn write_meta(&self, out: &mut String, id: NodeId, marks: &Marks) {
        out.push('{');
        let mut first = true;
        if let Some(meta) = self.metas.get(&id).filter(|meta| !meta.is_empty()) {
            out.push_str("\"\":");
            write_record(out, self, meta);
            first = false;
        }
        let data = self.data(id);
        let mut child = data.first;
        let mut index = 0;
        while let Some(id) = child {
            let below = self.data(id);
            if marks.of(id) & NAMED != 0 && !below.is(META_ROOT) {
                if !first {
                    out.push(',');
                }
                first = false;
                if data.kind == Kind::Object {
                    self.write_key(out, id);
                } else {
                    let _ = write!(out, "\"{index}\":");
                }
                self.write_meta(out, id, marks);
            }
            index += 1;
            child = below.next;
        }
        out.push('}');
    }
}

/// A node is not copied as it came: something below it has a meta that is written there.
const REBUILT: u8 = 1;
/// A node stands in `_meta`.
const NAMED: u8 = 2;

/// Marks by node; empty as long as there are none.
#[derive(Default)]
struct Marks(Vec<u8>);

impl Marks {
    fn of(&self, id: NodeId) -> u8 {
        self.0.get(id.index()).copied().unwrap_or(0)
    }
}

/// Writes a text as a JSON string.
pub(super) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        // All of these are ASCII, so that both sides of them are whole characters.
        out.push_str(&text[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x8 => out.push_str("\\b"),
            0xc => out.push_str("\\f"),
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}
