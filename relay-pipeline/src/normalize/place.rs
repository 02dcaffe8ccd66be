//! Ways to find and make the places that steps read and change.
//!
//! The schema check has brought every field into its one form, but a step must hold its own with any payload:
//! what is not of the expected kind counts as missing.

use relay_protocol::payload::{Kind, NodeId, NodeRef, Payload, Value};

/// The text under `key`; empty texts count.
pub(super) fn text<'p>(payload: &'p Payload<'_>, object: NodeId, key: &str) -> Option<&'p str> {
    payload.node(object).get(key)?.as_str()
}

/// The text under `key`, unless it is empty.
pub(super) fn filled<'p>(payload: &'p Payload<'_>, object: NodeId, key: &str) -> Option<&'p str> {
    text(payload, object, key).filter(|text| !text.is_empty())
}

/// The number under `key`.
pub(super) fn number(payload: &Payload<'_>, object: NodeId, key: &str) -> Option<f64> {
    payload.node(object).get(key)?.as_f64()
}

/// The object under `key`.
pub(super) fn object(payload: &Payload<'_>, parent: NodeId, key: &str) -> Option<NodeId> {
    payload.get(parent, key).filter(|&id| payload.kind(id) == Kind::Object)
}

/// The list under `key`.
pub(super) fn list(payload: &Payload<'_>, parent: NodeId, key: &str) -> Option<NodeId> {
    payload.get(parent, key).filter(|&id| payload.kind(id) == Kind::Array)
}

/// Whether there is nothing under `key`, or `null`.
pub(super) fn is_missing(payload: &Payload<'_>, object: NodeId, key: &str) -> bool {
    payload.get(object, key).is_none_or(|id| payload.kind(id) == Kind::Null)
}

/// The object under `key`, made if there is nothing; `None` if there is something else.
pub(super) fn make_object(payload: &mut Payload<'_>, parent: NodeId, key: &str) -> Option<NodeId> {
    make(payload, parent, key, Kind::Object, Value::Object)
}

/// The list under `key`, made if there is nothing; `None` if there is something else.
pub(super) fn make_list(payload: &mut Payload<'_>, parent: NodeId, key: &str) -> Option<NodeId> {
    make(payload, parent, key, Kind::Array, Value::Array)
}

fn make(
    payload: &mut Payload<'_>,
    parent: NodeId,
    key: &str,
    kind: Kind,
    empty: Value<'_>,
) -> Option<NodeId> {
    let id = payload.entry(parent, key);
    if payload.kind(id) == Kind::Null {
        payload.set(id, empty);
    }
    (payload.kind(id) == kind).then_some(id)
}

/// The objects in a list. Others are left alone by every step.
pub(super) fn objects(payload: &Payload<'_>, list: NodeId) -> Vec<NodeId> {
    let children = payload.node(list).children();
    children.filter(|child| child.kind() == Kind::Object).map(NodeRef::id).collect()
}

/// The objects in the list `values` of what stands under `key`.
pub(super) fn values(payload: &Payload<'_>, parent: NodeId, key: &str) -> Vec<NodeId> {
    object(payload, parent, key)
        .and_then(|container| list(payload, container, "values"))
        .map_or_else(Vec::new, |list| objects(payload, list))
}

/// Puts a text under `key`, unless it is there.
pub(super) fn put_text(payload: &mut Payload<'_>, object: NodeId, key: &str, value: &str) {
    if text(payload, object, key) != Some(value) {
        payload.insert(object, key, value);
    }
}

/// Puts a number under `key`, unless it is there.
pub(super) fn put_number(payload: &mut Payload<'_>, object: NodeId, key: &str, value: f64) {
    if number(payload, object, key) != Some(value) {
        payload.insert(object, key, value);
    }
}

/// Puts a text under `key` if there is nothing.
pub(super) fn default_text(payload: &mut Payload<'_>, object: NodeId, key: &str, value: &str) {
    if is_missing(payload, object, key) {
        payload.insert(object, key, value);
    }
}

/// Takes out what stands under `key`, without a trace.
pub(super) fn remove(payload: &mut Payload<'_>, object: NodeId, key: &str) {
    payload.remove_key(object, key);
}

/// Whether trimming cut a text before: what was there is not all there any more, and steps that look at the whole of
/// it have done so.
pub(super) fn is_trimmed(payload: &Payload<'_>, object: NodeId, key: &str) -> bool {
    payload.node(object).get(key).is_some_and(was_cut)
}

/// The same of a value.
pub(super) fn was_cut(node: NodeRef<'_>) -> bool {
    node.meta().is_some_and(|meta| meta.remarks.iter().any(|remark| remark.rule == "!limit"))
}
