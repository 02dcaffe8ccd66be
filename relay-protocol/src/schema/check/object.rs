//! Objects, and shapes that become objects.

use std::collections::BTreeMap;

use super::Check;
use super::scalar::lenient;
use crate::payload::{ErrorKind, Kind, MetaError, NodeId, NodeRef, Value};
use crate::schema::{Attributes, Interface, Shape, contexts, debug_meta};

impl Check<'_, '_> {
    pub(super) fn object(&mut self, id: NodeId, interface: &'static Interface) {
        if self.kind(id) != Kind::Object {
            return self.reject(id, interface.name);
        }
        // Fields that are there, a bit each; interfaces have less than 128.
        let mut seen = 0_u128;
        let mut aliases: Vec<(usize, usize, NodeId)> = Vec::new();
        let mut next = self.first(id);
        while let Some(child) = next {
            next = self.next(child);
            let key = self.node(child).key().unwrap_or_default();
            let Some(position) = interface.position(key) else { continue };
            let field = &interface.fields[position];
            if let Some(rank) = field.aliases.iter().position(|&alias| alias == key) {
                aliases.push((position, rank, child));
                continue;
            }
            if seen & 1 << position != 0 {
                self.remove_before(child, field.name);
            }
            seen |= 1 << position;
            self.field(child, &field.attributes);
        }
        // The name itself wins over every alias, even where it says `null`; then the alias that is named first, and of one
        // that is there twice the last.
        aliases.reverse();
        aliases.sort_by_key(|&(position, rank, _)| (position, rank));
        for (position, _, child) in aliases {
            if seen & 1 << position != 0 {
                self.payload.remove(child);
                continue;
            }
            seen |= 1 << position;
            let field = &interface.fields[position];
            self.payload.rename(child, field.name);
            self.field(child, &field.attributes);
        }
    }

    fn field(&mut self, id: NodeId, attributes: &Attributes) {
        self.value(id, attributes);
        if self.is_left_out(id, attributes) {
            self.payload.remove(id);
        }
    }

    /// Of a key that is there twice, the last counts: removes those before `last`.
    fn remove_before(&mut self, last: NodeId, key: &str) {
        let mut before = self.node(last).previous();
        while let Some(node) = before {
            if node.key() == Some(key) {
                let id = node.id();
                return self.payload.remove(id);
            }
            before = node.previous();
        }
    }

    /// Of a key that is there twice, the last counts: removes all before it.
    pub(super) fn last_of_key(&mut self, object: NodeId, key: &str) -> Option<NodeId> {
        let mut of_key = self.node(object).children().filter(|child| child.key() == Some(key));
        let only = of_key.next()?.id();
        if of_key.next().is_none() {
            return Some(only);
        }
        let mut all = self.payload.all_of_key(object, key);
        let last = all.pop();
        for before in all {
            self.payload.remove(before);
        }
        last
    }

    fn is_plain_null(&self, id: NodeId) -> bool {
        let node = self.node(id);
        node.is_null() && node.meta().is_none()
    }

    pub(super) fn log_entry(&mut self, id: NodeId, interface: &'static Interface) {
        let node = self.node(id);
        if node.as_bool() == Some(false) {
            return self.set(id, Value::Null);
        }
        if node.kind() != Kind::Object {
            self.wrap(id, "formatted");
        }
        self.object(id, interface);
    }

    /// Makes a value an object that has it under a key.
    fn wrap(&mut self, id: NodeId, key: &str) {
        let content = self.payload.take(id);
        self.set(id, Value::Object);
        self.payload.move_to(content, id, key);
    }

    pub(super) fn values(&mut self, id: NodeId, list: &Attributes) {
        match self.kind(id) {
            Kind::Array => self.wrap(id, "values"),
            Kind::Object if self.node(id).is_empty() => return self.set(id, Value::Null),
            Kind::Object if self.node(id).get("values").is_none() => {
                let element = self.payload.take(id);
                self.set(id, Value::Object);
                let values = self.payload.insert(id, "values", Value::Array);
                self.payload.append(element, values);
            }
            Kind::Object => {}
            _ => return self.reject(id, "a list or values object"),
        }
        let Some(values) = self.last_of_key(id, "values") else { return };
        if self.kind(values) != Kind::Null
            && let Shape::List(element) = list.shape
        {
            self.list(values, element, true);
        }
        let node = self.node(values);
        let plain = |node: NodeRef<'_>| node.is_null() && node.meta().is_none();
        let nothing = node.meta().is_none() && (node.is_null() || node.children().all(plain));
        if nothing && self.node(id).children().count() == 1 && self.kind(values) != Kind::Object {
            self.set(id, Value::Null);
        }
    }

    pub(super) fn mechanism(&mut self, id: NodeId, interface: &'static Interface) {
        if self.kind(id) == Kind::Object {
            // A type that is null and says nothing more goes away; then it is as if it had not come.
            for ty in self.payload.all_of_key(id, "type").into_iter().rev() {
                if !self.is_plain_null(ty) {
                    break;
                }
                self.payload.remove(ty);
            }
            if self.node(id).is_empty() {
                return self.set(id, Value::Null);
            }
            if self.node(id).get("type").is_none() {
                self.legacy_mechanism(id);
            }
        }
        self.object(id, interface);
    }

    /// Old SDKs sent what belongs into `meta` and `data` side by side, and no type.
    fn legacy_mechanism(&mut self, id: NodeId) {
        let old = self.payload.take(id);
        self.set(id, Value::Object);
        self.payload.insert(id, "type", "generic");
        let mut next = self.first(old);
        while let Some(child) = next {
            next = self.next(child);
            let key = self.node(child).key().unwrap_or_default().to_owned();
            let (meta_key, old_name, name) = match &*key {
                "posix_signal" => ("signal", "signal", "number"),
                "mach_exception" => ("mach_exception", "exception_name", "name"),
                _ => {
                    let data = self.entry_object(id, "data");
                    self.payload.move_to_end(child, data, &key);
                    continue;
                }
            };
            let meta = self.entry_object(id, "meta");
            self.payload.move_to(child, meta, meta_key);
            if let Some(value) = self.payload.get(child, old_name) {
                self.payload.rename(value, name);
            }
        }
    }

    fn entry_object(&mut self, id: NodeId, key: &str) -> NodeId {
        match self.payload.get(id, key) {
            Some(object) => object,
            None => self.payload.insert(id, key, Value::Object),
        }
    }

    pub(super) fn variables(&mut self, id: NodeId) {
        match self.kind(id) {
            Kind::Object => {}
            Kind::Array => {
                let list = self.payload.take(id);
                self.set(id, Value::Object);
                let mut next = self.first(list);
                let mut index = 0_usize;
                while let Some(child) = next {
                    next = self.next(child);
                    self.payload.move_to_end(child, id, &index.to_string());
                    index += 1;
                }
            }
            _ => self.reject(id, "an object"),
        }
    }

    pub(super) fn fingerprint(&mut self, id: NodeId) {
        if self.kind(id) != Kind::Array {
            return self.reject(id, "an array");
        }
        let mut count = 0;
        let mut bad = Vec::new();
        let mut next = self.first(id);
        while let Some(child) = next {
            next = self.next(child);
            count += usize::from(self.kind(child) != Kind::Null);
            match (self.kind(child), lenient(self.node(child))) {
                (Kind::Null, _) => self.payload.remove(child),
                (Kind::String, _) => {}
                (_, Some(text)) => self.payload.set(child, &text),
                (_, None) => {
                    bad.push(self.node(child).to_compact_json());
                    self.payload.remove(child);
                }
            }
        }
        if !bad.is_empty() {
            let bad = format!("[{}]", bad.join(","));
            let error = MetaError::new(ErrorKind::InvalidData).with_json("value", bad);
            let meta = self.payload.meta_mut(id);
            meta.set_original_length(count);
            meta.add_error(error);
        }
    }

    pub(super) fn contexts(&mut self, id: NodeId) {
        if self.kind(id) != Kind::Object {
            return self.reject(id, "an object");
        }
        self.remove_duplicates(id);
        let mut next = self.first(id);
        while let Some(context) = next {
            next = self.next(context);
            match self.kind(context) {
                Kind::Null => continue,
                Kind::Object => {}
                _ => {
                    self.reject(context, "an object");
                    continue;
                }
            }
            let node = self.node(context);
            // A type that was refused stays `null`.
            let missing = |ty: NodeRef<'_>| ty.is_null() && ty.meta().is_none();
            if node.get("type").is_none_or(|ty| missing(ty) || ty.as_str() == Some("")) {
                let key = node.key().unwrap_or_default().to_owned();
                self.payload.insert(context, "type", &key);
            }
            if let Shape::Object(interface) = contexts::attributes_of(self.node(context)).shape {
                self.object(context, interface);
            }
        }
    }

    pub(super) fn image(&mut self, id: NodeId) {
        if self.kind(id) != Kind::Object {
            self.reject(id, "an object");
        } else if let Shape::Object(interface) = debug_meta::attributes_of(self.node(id)).shape {
            self.object(id, interface);
        }
    }

    pub(super) fn measurements(&mut self, id: NodeId, measurement: &Attributes) {
        if self.kind(id) != Kind::Object {
            return self.reject(id, "an object");
        }
        let mut seen = BTreeMap::new();
        let mut next = self.first(id);
        while let Some(child) = next {
            next = self.next(child);
            let key = self.node(child).key().unwrap_or_default();
            let name = key.trim().to_ascii_lowercase();
            if !is_measurement_name(&name) {
                let reason =
                    format!("measurement name '{name}' can contain only characters a-z0-9._");
                self.payload.remove(child);
                self.payload.add_error(id, MetaError::invalid(&reason));
                continue;
            }
            if name != key {
                self.payload.rename(child, &name);
            }
            // Of a name that is there twice, the last counts.
            if let Some(before) = seen.insert(name, child) {
                self.payload.remove(before);
            }
            self.value(child, measurement);
            // A measurement always has a value, if only `null`.
            if self.kind(child) == Kind::Object && self.payload.get(child, "value").is_none() {
                self.payload.entry(child, "value");
            }
        }
    }
}

fn is_measurement_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
}
