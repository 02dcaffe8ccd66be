//! Attributes that go by names of former times (step 6; spec/schema.md 13.2).

use std::collections::{HashMap, HashSet};

use relay_protocol::payload::{Kind, NodeId, NodeRef, Payload, Remark, RemarkKind, Value};
use relay_protocol::schema::{Convention, Replacement};

use super::place::{is_missing, list, object, objects};

/// Says of a value that it went to another name.
const DEPRECATED: &str = "attribute.deprecated";

/// Brings the data of all spans of a transaction up to date.
pub(super) fn rename_in_spans(event: &mut Payload<'_>) {
    let Some(spans) = list(event, event.root(), "spans") else { return };
    for span in objects(event, spans) {
        if let Some(data) = object(event, span, "data") {
            rename_attributes(event, data);
        }
    }
}

/// Brings the names of attributes up to date, as the [`Convention`] says of each: a value with an old name moves to the
/// present one, or stands under both. One that stands under the present name already stays what it is.
///
/// `attributes` is the object that holds them: the `data` of a span, or the `attributes` of a log, a span v2 or a trace
/// metric.
pub fn rename_attributes(payload: &mut Payload<'_>, attributes: NodeId) {
    let old: Vec<(NodeRef<'_>, Replacement)> = payload
        .node(attributes)
        .children()
        .filter_map(|child| Some((child, replacement(child)?)))
        .collect();
    // Of a name that is there twice the last counts.
    let last: HashMap<_, _> = old.iter().map(|(child, _)| (child.key(), child.id())).collect();
    let old: Vec<(NodeId, Replacement, bool)> = old
        .iter()
        .filter(|(child, _)| child.kind() != Kind::Null)
        .map(|(child, it)| (child.id(), *it, last.get(&child.key()) == Some(&child.id())))
        .collect();
    // A look at a present name costs as much as there are attributes: one for each will do.
    let mut looked_at = HashSet::new();
    for (id, replacement, counts) in old {
        let name = replacement.name();
        if counts && looked_at.insert(name) && is_missing(payload, attributes, name) {
            payload.copy_to(id, attributes, name);
        }
        if let Replacement::Moves(_) = replacement {
            payload.set(id, Value::Null);
            payload.meta_mut(id).remarks.push(Remark::new(DEPRECATED, RemarkKind::Removed));
        }
    }
}

fn replacement(attribute: NodeRef<'_>) -> Option<Replacement> {
    Convention::of(attribute.key()?).replacement
}
