//! Stack traces (spec/processing.md 3.13).

use relay_protocol::payload::{ErrorKind, Kind, MetaError, NodeId, NodeRef, Payload};
use url::Url;

use super::place::{filled, is_missing, is_trimmed, list, object, objects, text, values};

/// Normalises the frames of every stack trace of the event.
pub(super) fn normalize_stacktraces(payload: &mut Payload<'_>) {
    let root = payload.root();
    let mut owners = values(payload, root, "exception");
    owners.extend(values(payload, root, "threads"));
    owners.push(root);
    for owner in owners {
        for key in ["stacktrace", "raw_stacktrace"] {
            let Some(stacktrace) = object(payload, owner, key) else { continue };
            let Some(frames) = list(payload, stacktrace, "frames") else { continue };
            for frame in objects(payload, frames) {
                normalize_paths(payload, frame);
                normalize_frame(payload, frame);
            }
        }
    }
}

/// One of the two paths is as good as both; a file name of a web page is the path of its URL.
fn normalize_paths(payload: &mut Payload<'_>, frame: NodeId) {
    let has_path = filled(payload, frame, "abs_path").is_some();
    let has_name = filled(payload, frame, "filename").is_some();
    match (has_path, has_name) {
        (true, false) => {}
        (false, true) => {
            let name = payload.entry(frame, "filename");
            payload.copy_to(name, frame, "abs_path");
        }
        _ => return,
    }
    let Some(path) = filled(payload, frame, "abs_path") else { return };
    match url_path(path) {
        Some(name) => {
            payload.insert(frame, "filename", &name);
        }
        None if !has_name => {
            let path = payload.entry(frame, "abs_path");
            payload.copy_to(path, frame, "filename");
        }
        None => {}
    }
}

fn url_path(text: &str) -> Option<String> {
    let (scheme, _) = text.split_once(':')?;
    if !["file", "http", "https", "applewebdata"].iter().any(|it| scheme.eq_ignore_ascii_case(it)) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    (url.path().len() > 1).then(|| url.path().to_owned())
}

fn normalize_frame(payload: &mut Payload<'_>, frame: NodeId) {
    let (mut has_context, mut has_line) = (false, false);
    let (mut unnamed, mut contexts) = ([None; 2], [None; 2]);
    for field in payload.node(frame).children() {
        match field.key() {
            Some("function") if field.as_str() == Some("?") => unnamed[0] = Some(field.id()),
            Some("symbol") if field.as_str() == Some("?") => unnamed[1] = Some(field.id()),
            Some("pre_context") if field.kind() == Kind::Array => contexts[0] = Some(field.id()),
            Some("post_context") if field.kind() == Kind::Array => contexts[1] = Some(field.id()),
            Some("context_line") => has_line = !field.is_null(),
            _ => {}
        }
    }
    for name in unnamed.into_iter().flatten() {
        payload.remove(name);
    }
    for context in contexts.into_iter().flatten() {
        has_context |= !payload.node(context).is_empty();
        let is_null = |line: &NodeRef<'_>| line.is_null();
        let nulls: Vec<_> =
            payload.node(context).children().filter(is_null).map(NodeRef::id).collect();
        for line in nulls {
            payload.set(line, "");
        }
    }
    if has_context && !has_line {
        payload.insert(frame, "context_line", "");
    }
}

/// A stack trace of the event is that of its only exception.
pub(super) fn move_stacktrace(payload: &mut Payload<'_>) {
    let root = payload.root();
    let Some(stacktrace) = object(payload, root, "stacktrace") else { return };
    if payload.node(stacktrace).is_empty() {
        return;
    }
    let Some(container) = object(payload, root, "exception") else { return };
    let Some(list) = list(payload, container, "values") else { return };
    let mut exceptions = payload.node(list).children();
    let (Some(exception), None) = (exceptions.next().map(NodeRef::id), exceptions.next()) else {
        return;
    };
    if payload.kind(exception) == Kind::Object {
        payload.move_to(stacktrace, exception, "stacktrace");
    }
}

/// Names exceptions whose type stands at the beginning of their value, and refuses those that say nothing.
pub(super) fn name_exceptions(payload: &mut Payload<'_>) {
    for exception in values(payload, payload.root(), "exception") {
        if filled(payload, exception, "type").is_none()
            && !is_trimmed(payload, exception, "value")
            && let Some((ty, rest)) = text(payload, exception, "value").and_then(split_type)
        {
            let (ty, rest) = (ty.to_owned(), rest.to_owned());
            payload.insert(exception, "type", &ty);
            payload.insert(exception, "value", &rest);
        }
        if is_missing(payload, exception, "type") && is_missing(payload, exception, "value") {
            let error = MetaError::new(ErrorKind::MissingAttribute);
            payload.reject(exception, error.with("attribute", "type or value"));
        }
    }
}

/// `word: rest` on one line.
fn split_type(value: &str) -> Option<(&str, &str)> {
    if value.contains('\n') {
        return None;
    }
    let (ty, rest) = value.split_once(':')?;
    let is_word = !ty.is_empty() && ty.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_word.then(|| (ty, rest.trim()))
}
