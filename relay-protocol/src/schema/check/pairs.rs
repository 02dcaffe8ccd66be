//! Lists of names and values.

use super::Check;
use crate::payload::{Kind, MetaError, NodeId, NodeRef, Value};
use crate::schema::{Attributes, PairSyntax, Shape};

impl Check<'_, '_> {
    pub(super) fn pairs(&mut self, id: NodeId, syntax: PairSyntax, pair: &Attributes) {
        let Shape::Pair(halves) = pair.shape else { return };
        match (self.kind(id), syntax) {
            (Kind::Array, _) => {}
            (Kind::Object, _) => self.pairs_of_object(id),
            (Kind::String, PairSyntax::Query) => self.query(id),
            (Kind::String, PairSyntax::Cookies) => self.cookies(id),
            (_, PairSyntax::Query) => return self.reject(id, "a query string or map"),
            (_, PairSyntax::Cookies) => return self.reject(id, "cookies"),
            _ => return self.reject(id, "an array"),
        }
        let mut next = self.first(id);
        while let Some(element) = next {
            next = self.next(element);
            if self.kind(element) == Kind::Null {
                continue;
            }
            let node = self.node(element);
            let mut parts = node.children();
            let both = (parts.next(), parts.next(), parts.next());
            let (Kind::Array, (Some(name), Some(value), None)) = (node.kind(), both) else {
                self.reject(element, "a tuple");
                continue;
            };
            let (name, value) = (name.id(), value.id());
            match syntax {
                PairSyntax::Tags => self.tag_name(name),
                PairSyntax::Headers => self.header(name, value),
                PairSyntax::Query | PairSyntax::Cookies => {}
            }
            self.value(name, &halves[0]);
            self.value(value, &halves[1]);
        }
        if let PairSyntax::Tags = syntax {
            self.payload.remove_plain_nulls(id);
        }
    }

    /// The entries in the order of their names; of a name that is there twice, the last.
    fn pairs_of_object(&mut self, id: NodeId) {
        let object = self.payload.take(id);
        self.payload.sort_keys(object);
        self.set(id, Value::Array);
        let mut next = self.first(object);
        while let Some(value) = next {
            next = self.next(value);
            let key = self.node(value).key().unwrap_or_default();
            if next.is_some_and(|next| self.node(next).key() == Some(key)) {
                continue;
            }
            let key = key.to_owned();
            let pair = self.payload.push(id, Value::Array);
            self.payload.push(pair, &key);
            self.payload.append(value, pair);
        }
    }

    fn push_pair(&mut self, list: NodeId, name: &str, value: &str) {
        let pair = self.payload.push(list, Value::Array);
        self.payload.push(pair, name);
        self.payload.push(pair, value);
    }

    fn query(&mut self, id: NodeId) {
        let text = self.payload.str(id).unwrap_or_default().to_owned();
        self.set(id, Value::Array);
        let text = text.strip_prefix('?').unwrap_or(&text);
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            self.push_pair(id, &decode_form(name), &decode_form(value));
        }
    }

    fn cookies(&mut self, id: NodeId) {
        let text = self.payload.str(id).unwrap_or_default().to_owned();
        let mut bad = false;
        let mut good = Vec::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some((name, value)) => good.push((name.trim(), value.trim())),
                None => bad = true,
            }
        }
        if bad {
            self.payload.reject(id, MetaError::invalid("the cookie is missing a name/value pair"));
        }
        self.set(id, Value::Array);
        for (name, value) in good {
            self.push_pair(id, &decode_percent(name), &decode_percent(value));
        }
    }

    fn tag_name(&mut self, name: NodeId) {
        self.scalar(name, Shape::Lenient);
        if let Some(text) = self.payload.str(name)
            && text.contains(' ')
        {
            let text = text.replace(' ', "-");
            self.payload.set(name, &text);
        }
    }

    fn header(&mut self, name: NodeId, value: NodeId) {
        if let Some(text) = self.payload.str(name) {
            let canonical = header_name(text);
            if canonical != text {
                self.payload.set(name, &canonical);
            }
        }
        if self.kind(value) == Kind::Array {
            let texts: Option<Vec<String>> = self.node(value).children().map(header_text).collect();
            if let Some(texts) = texts {
                self.payload.set(value, &texts.join(","));
            }
        } else if self.kind(value) != Kind::Null {
            self.scalar(value, Shape::Lenient);
        }
    }
}

fn header_text(node: NodeRef<'_>) -> Option<String> {
    match node.kind() {
        Kind::String => node.as_str().map(str::to_owned),
        Kind::Number | Kind::Bool => Some(node.to_compact_json()),
        _ => None,
    }
}

/// The first letter and every letter behind a hyphen in upper case.
fn header_name(name: &str) -> String {
    let mut upper = true;
    name.chars()
        .map(|c| {
            let c = if upper { c.to_ascii_uppercase() } else { c };
            upper = c == '-';
            c
        })
        .collect()
}

fn decode_form(text: &str) -> String {
    decode_percent(&text.replace('+', " "))
}

/// Replaces `%XX`; what is no UTF-8 then becomes U+FFFD.
fn decode_percent(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digit = |at: usize| bytes.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
