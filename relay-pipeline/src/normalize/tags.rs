//! Tags and the class of the device (spec/processing.md 3.12).

use std::collections::HashSet;

use relay_protocol::payload::{Kind, MetaError, NodeId, NodeRef, Payload, Value};

use super::place::{filled, is_missing, list, make_list, number, object, remove, text, was_cut};

/// Tags that Sentry derives itself.
const DERIVED: [&str; 5] = ["release", "dist", "user", "filename", "function"];

/// An environment that came as a tag.
pub(super) fn promote_environment(payload: &mut Payload<'_>) {
    let root = payload.root();
    let Some(tags) = list(payload, root, "tags") else { return };
    for pair in pairs(payload, tags, "environment") {
        if is_missing(payload, root, "environment")
            && let Some(value) = payload.node(pair).element(1).and_then(NodeRef::as_str)
        {
            let value = value.to_owned();
            payload.insert(root, "environment", &value);
        }
        payload.remove(pair);
    }
}

/// Takes out tags that are not the sender's to set, second ones of a name, and empty keys and values.
pub(super) fn normalize_tags(payload: &mut Payload<'_>) {
    let root = payload.root();
    for field in ["server_name", "site"] {
        move_to_tags(payload, root, field);
    }
    let Some(tags) = list(payload, root, "tags") else { return };
    let (mut unwanted, mut empty) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for pair in payload.node(tags).children() {
        let mut parts = pair.children();
        let (Some(key), Some(value)) = (parts.next(), parts.next()) else { continue };
        if let Some(name) = key.as_str()
            && (DERIVED.contains(&name) || (!was_cut(key) && !seen.insert(name)))
        {
            unwanted.push(pair.id());
            continue;
        }
        let is_empty = |node: &NodeRef<'_>| node.as_str() == Some("");
        empty.extend([key, value].into_iter().filter(is_empty).map(NodeRef::id));
    }
    for pair in unwanted {
        payload.remove(pair);
    }
    for part in empty {
        payload.set(part, Value::Null);
        payload.add_error(part, MetaError::expected("a non-empty value"));
    }
}

fn move_to_tags(payload: &mut Payload<'_>, root: NodeId, field: &str) {
    let Some(value) = filled(payload, root, field).map(str::to_owned) else { return };
    remove(payload, root, field);
    set_tag(payload, field, &value);
}

/// Puts a tag at the end, in place of those of its name. What no tag may say is refused as the schema check would.
pub(super) fn set_tag(payload: &mut Payload<'_>, key: &str, value: &str) {
    let value = value.trim();
    if value.is_empty() {
        return;
    }
    let Some(tags) = make_list(payload, payload.root(), "tags") else { return };
    for pair in pairs(payload, tags, key) {
        payload.remove(pair);
    }
    let pair = payload.push(tags, Value::Array);
    payload.push(pair, key);
    let node = payload.push(pair, value);
    if value.contains('\n') {
        payload.reject(node, MetaError::invalid("invalid character '\\n'"));
    }
}

/// Whether there is a tag of that name.
pub(super) fn has_tag(payload: &Payload<'_>, key: &str) -> bool {
    list(payload, payload.root(), "tags").is_some_and(|tags| !pairs(payload, tags, key).is_empty())
}

/// The value of a tag.
pub(super) fn tag<'p>(payload: &'p Payload<'_>, key: &str) -> Option<&'p str> {
    let tags = list(payload, payload.root(), "tags")?;
    let pair = *pairs(payload, tags, key).first()?;
    payload.node(pair).element(1)?.as_str()
}

fn pairs(payload: &Payload<'_>, tags: NodeId, key: &str) -> Vec<NodeId> {
    let is_key = |pair: &NodeRef<'_>| {
        pair.kind() == Kind::Array && pair.children().next().and_then(NodeRef::as_str) == Some(key)
    };
    payload.node(tags).children().filter(is_key).map(NodeRef::id).collect()
}

/// Says in a tag how capable the device is: 1 low, 2 medium, 3 high.
pub(super) fn normalize_device_class(payload: &mut Payload<'_>) {
    const TAG: &str = "device.class";
    let class = device_class(payload);
    if tag(payload, TAG) == class {
        return;
    }
    match class {
        Some(class) => set_tag(payload, TAG, class),
        None => {
            let Some(tags) = list(payload, payload.root(), "tags") else { return };
            for pair in pairs(payload, tags, TAG) {
                payload.remove(pair);
            }
        }
    }
}

fn device_class(payload: &Payload<'_>) -> Option<&'static str> {
    let contexts = object(payload, payload.root(), "contexts")?;
    let device = object(payload, contexts, "device")?;
    if matches!(text(payload, device, "family"), Some("iPhone" | "iOS" | "iOS-Device"))
        && let Some(model) = text(payload, device, "model")
    {
        return Some(apple_class(model));
    }
    // In megahertz, cores and bytes.
    let frequency = number(payload, device, "processor_frequency")?;
    let cores = number(payload, device, "processor_count")?;
    let memory = number(payload, device, "memory_size")? / f64::from(1 << 30);
    Some(if frequency < 2000.0 || cores < 8.0 || memory < 4.0 {
        "1"
    } else if frequency < 2500.0 || memory < 6.0 {
        "2"
    } else {
        "3"
    })
}

/// By the generation in the model, as in `iPhone14,5`. Whatever has none is taken for new.
fn apple_class(model: &str) -> &'static str {
    let generation = model
        .strip_prefix("iPhone")
        .and_then(|rest| rest.split(',').next())
        .and_then(|generation| generation.parse::<u32>().ok());
    match generation {
        Some(..=8) => "1",
        Some(9..=12) => "2",
        _ => "3",
    }
}
