//! Attributes that every event has afterwards (spec/processing.md 3.18).

use relay_protocol::payload::{NodeId, NodeRef, Payload, Remark, RemarkKind, Value};
use relay_protocol::{EventType, Platform};

use super::place::{default_text, filled, is_missing, make_object, object, put_text, remove, text};
use super::{Ingress, is_transaction};

/// The longest logger of Java that is kept whole, in characters.
const MAX_JAVA_LOGGER: usize = 64;

/// Fills in what the event does not say, and overwrites what is not the sender's to say.
pub(super) fn default_attributes(payload: &mut Payload<'_>, ingress: &Ingress<'_>) {
    let root = payload.root();
    default_platform(payload, root);
    put_text(payload, root, "type", event_type(payload).as_str());
    overwrite(payload, root, "project", ingress.project_id.map(Value::Unsigned));
    overwrite(payload, root, "key_id", ingress.key_id.map(Value::String));
    overwrite(payload, root, "version", ingress.protocol_version.map(Value::String));
    // It comes from the configuration that only the last relay has.
    remove(payload, root, "grouping_config");
    default_event_id(payload, root, ingress);
    default_text(payload, root, "logger", "");
    let level = if is_transaction(payload) { "info" } else { "error" };
    default_text(payload, root, "level", level);
    default_sdk(payload, root, ingress);
    shorten_java_logger(payload, root);
}

/// Transactions and feedback say what they are, everything else shows it.
fn event_type(payload: &Payload<'_>) -> EventType {
    let root = payload.root();
    let said = text(payload, root, "type").and_then(|ty| ty.parse().ok());
    if let Some(ty @ (EventType::Transaction | EventType::Feedback)) = said {
        return ty;
    }
    let has_exception = object(payload, root, "exception")
        .and_then(|exception| payload.get(exception, "values"))
        .is_some_and(|values| !payload.node(values).is_empty());
    if has_exception {
        EventType::Error
    } else if object(payload, root, "csp").is_some_and(|csp| !payload.node(csp).is_empty()) {
        EventType::Csp
    } else {
        EventType::Default
    }
}

fn default_platform(payload: &mut Payload<'_>, root: NodeId) {
    match text(payload, root, "platform").map(str::parse::<Platform>) {
        Some(Ok(_)) => return,
        Some(Err(_)) => {
            let platform = payload.entry(root, "platform");
            payload.null_with_original(platform);
        }
        None => {}
    }
    payload.insert(root, "platform", Platform::Other.as_str());
}

fn overwrite(payload: &mut Payload<'_>, root: NodeId, key: &str, value: Option<Value<'_>>) {
    let old = payload.node(root).get(key);
    match value {
        Some(Value::String(text)) if old.and_then(NodeRef::as_str) == Some(text) => {}
        Some(Value::Unsigned(number)) if old.and_then(NodeRef::as_u64) == Some(number) => {}
        Some(value) => {
            payload.insert(root, key, value);
        }
        None => remove(payload, root, key),
    }
}

fn default_event_id(payload: &mut Payload<'_>, root: NodeId, ingress: &Ingress<'_>) {
    let id = match ingress.event_id {
        Some(id) => id,
        None if is_missing(payload, root, "event_id") => ingress.random_event_id,
        None => return,
    };
    put_text(payload, root, "event_id", &id.to_string());
}

/// What the client said of itself in the request: `name/version`, or with a blank between.
fn default_sdk(payload: &mut Payload<'_>, root: NodeId, ingress: &Ingress<'_>) {
    let is_there = object(payload, root, "sdk").is_some_and(|sdk| !payload.node(sdk).is_empty());
    let Some(client) = ingress.client.filter(|_| !is_there) else { return };
    let Some((name, version)) = client.split_once('/').or_else(|| client.split_once(' ')) else {
        return;
    };
    let Some(sdk) = make_object(payload, root, "sdk") else { return };
    payload.insert(sdk, "name", name);
    payload.insert(sdk, "version", version);
}

/// Loggers of Java are called after classes: their end says more than their beginning.
fn shorten_java_logger(payload: &mut Payload<'_>, root: NodeId) {
    if text(payload, root, "platform") != Some("java") {
        return;
    }
    let Some(logger) = filled(payload, root, "logger").filter(|it| it.len() > MAX_JAVA_LOGGER)
    else {
        return;
    };
    let length = logger.chars().count();
    let Some(excess) = length.checked_sub(MAX_JAVA_LOGGER - 1).filter(|&excess| excess > 1) else {
        return;
    };
    let cut = logger.char_indices().nth(excess).map_or(logger.len(), |(at, _)| at);
    let cut = logger[cut..].find('.').map_or(cut, |dot| cut + dot);
    let shortened = format!("*{}", &logger[cut..]);
    payload.insert(root, "logger", &shortened);
    let meta = payload.meta_mut(root);
    meta.remarks.push(Remark {
        range: Some((0, cut)),
        ..Remark::new("@logger:replace", RemarkKind::Substituted)
    });
    meta.set_original_length(length);
}
