//! Attributes of logs, spans v2 and trace metrics (spec/schema.md 13.2).

use super::Check;
use crate::payload::{ErrorKind, Kind, MetaError, NodeId, NodeRef, Value};

impl Check<'_, '_> {
    pub(super) fn attribute_map(&mut self, id: NodeId) {
        if self.kind(id) != Kind::Object {
            return self.reject(id, "an object");
        }
        self.remove_duplicates(id);
        let mut next = self.first(id);
        while let Some(attribute) = next {
            next = self.next(attribute);
            if self.kind(attribute) != Kind::Null {
                self.attribute(attribute);
            }
        }
    }

    fn attribute(&mut self, id: NodeId) {
        if self.kind(id) != Kind::Object {
            return self.reject(id, "an object");
        }
        for key in ["type", "value"] {
            self.last_of_key(id, key);
        }
        let node = self.node(id);
        let present = |key| node.get(key).filter(|value| !value.is_null());
        let (Some(ty), Some(value)) = (present("type"), present("value")) else {
            // A value that was refused before has told so.
            let told = node.get("value").and_then(NodeRef::meta).is_some();
            if !told {
                self.payload.reject(id, MetaError::new(ErrorKind::MissingAttribute));
            }
            return;
        };
        let agree = match ty.as_str() {
            Some("boolean") => value.kind() == Kind::Bool,
            Some("integer") => value.as_i64().is_some(),
            Some("double") => value.kind() == Kind::Number,
            Some("string") => value.kind() == Kind::String,
            Some("array") if value.kind() == Kind::Array => {
                if !is_uniform(value) {
                    let value = value.id();
                    self.set(value, Value::Null);
                    self.payload.add_error(value, MetaError::new(ErrorKind::InvalidData));
                }
                return;
            }
            _ => false,
        };
        if !agree {
            self.reject_without_reason(id);
        }
    }
}

/// Whether all elements are strings, booleans or numbers, apart from nulls.
fn is_uniform(list: NodeRef<'_>) -> bool {
    let mut kinds = list.children().map(NodeRef::kind).filter(|&kind| kind != Kind::Null);
    let Some(first) = kinds.next() else { return true };
    matches!(first, Kind::String | Kind::Bool | Kind::Number) && kinds.all(|kind| kind == first)
}
