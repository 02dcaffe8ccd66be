//! Contexts (spec/processing.md 3.19, 3.21, 3.22, 3.24).

use relay_protocol::payload::{Kind, NodeId, NodeRef, Payload, Remark, RemarkKind, Value};
use relay_protocol::{EventId, SpanId, TraceId};

use super::os_description::{dot_net_version, parse_os, parse_runtime};
use super::place::{
    default_text, filled, is_missing, list, make_object, object, objects, put_number, put_text,
    remove, text,
};
use super::request::{move_cookies, take_apart};
use super::tags::{has_tag, set_tag};
use super::transaction::trace_context;
use super::{DeviceNames, Ingress, is_transaction};

/// Gives events that are part of no trace one of their own. A trace of which the SDK did not know the id gets one, too.
pub(super) fn default_trace(payload: &mut Payload<'_>, ingress: &Ingress<'_>) {
    let root = payload.root();
    replace_nil_trace(payload, ingress);
    if is_transaction(payload) {
        return;
    }
    let id = text(payload, root, "event_id").and_then(|id| id.parse::<EventId>().ok());
    let Some((id, span)) = id.and_then(|id| Some((id, SpanId::of_event(id)?))) else { return };
    let Some(contexts) = make_object(payload, root, "contexts") else { return };
    if !is_missing(payload, contexts, "trace") {
        return;
    }
    let Some(trace) = make_object(payload, contexts, "trace") else { return };
    payload.insert(trace, "trace_id", &TraceId::from(id).to_string());
    payload.insert(trace, "span_id", &span.to_string());
    payload.insert(trace, "type", "trace");
}

fn replace_nil_trace(payload: &mut Payload<'_>, ingress: &Ingress<'_>) {
    let mut owners: Vec<NodeId> = trace_context(payload).into_iter().collect();
    if let Some(spans) = list(payload, payload.root(), "spans") {
        owners.extend(objects(payload, spans));
    }
    let id = TraceId::from(ingress.random_event_id);
    for owner in owners {
        let old = text(payload, owner, "trace_id").and_then(|id| id.parse::<TraceId>().ok());
        if old.is_some_and(TraceId::is_nil) && !id.is_nil() {
            let node = payload.insert(owner, "trace_id", &id.to_string());
            let remark = Remark::new("nil_trace_id", RemarkKind::Substituted);
            payload.meta_mut(node).remarks.push(remark);
        }
    }
}

/// The replay in which the trace began.
pub(super) fn set_replay(payload: &mut Payload<'_>, ingress: &Ingress<'_>) {
    let Some(replay) = ingress.replay_id else { return };
    let Some(contexts) = make_object(payload, payload.root(), "contexts") else { return };
    let context = payload.entry(contexts, "replay");
    if payload.kind(context) != Kind::Object {
        payload.set(context, Value::Object);
    }
    put_text(payload, context, "replay_id", &replay.simple().to_string());
    put_text(payload, context, "type", "replay");
}

/// The rate at which the SDK kept traces; only the sampling context can tell.
pub(super) fn set_client_sample_rate(payload: &mut Payload<'_>, ingress: &Ingress<'_>) {
    let Some(trace) = trace_context(payload) else { return };
    match ingress.client_sample_rate {
        Some(rate) => put_number(payload, trace, "client_sample_rate", rate),
        None => remove(payload, trace, "client_sample_rate"),
    }
}

/// What the largest paint of a page was, as tags.
pub(super) fn set_lcp_tags(payload: &mut Payload<'_>) {
    let Some(trace) = trace_context(payload) else { return };
    let Some(data) = object(payload, trace, "data") else { return };
    for (key, name) in [
        ("browser.web_vital.lcp.element", "lcp.element"),
        ("browser.web_vital.lcp.size", "lcp.size"),
        ("browser.web_vital.lcp.id", "lcp.id"),
        ("browser.web_vital.lcp.url", "lcp.url"),
    ] {
        let value = payload.node(data).get(key);
        let value = value.and_then(|value| value.as_str().or(value.number())).map(str::to_owned);
        if let Some(value) = value.filter(|value| !value.is_empty())
            && !has_tag(payload, name)
        {
            set_tag(payload, name, &value);
        }
    }
}

/// Reads out of contexts what they say in free text, and sums up what they are about.
pub(super) fn normalize_contexts(payload: &mut Payload<'_>, names: Option<&dyn DeviceNames>) {
    let Some(contexts) = object(payload, payload.root(), "contexts") else { return };
    remove(payload, contexts, "reprocessing");
    let is_object = |context: &NodeRef<'_>| context.kind() == Kind::Object;
    let all: Vec<NodeId> =
        payload.node(contexts).children().filter(is_object).map(NodeRef::id).collect();
    for context in all {
        let node = payload.node(context);
        match text(payload, context, "type").or_else(|| node.key()) {
            Some("os") => normalize_os(payload, context),
            Some("runtime") => normalize_runtime(payload, context),
            Some("browser") => sum_up(payload, context, "browser"),
            Some("device") => name_device(payload, context, names),
            Some("response") => normalize_response(payload, context),
            Some("trace") => default_text(payload, context, "status", "unknown"),
            _ => {}
        }
    }
}

fn normalize_os(payload: &mut Payload<'_>, os: NodeId) {
    let is_unnamed = is_missing(payload, os, "name") && is_missing(payload, os, "version");
    if is_unnamed && let Some(description) = filled(payload, os, "raw_description") {
        let description = description.to_owned();
        if let Some(parsed) = parse_os(&description) {
            payload.insert(os, "name", parsed.name);
            for (key, value) in [
                ("version", parsed.version),
                ("build", parsed.build),
                ("kernel_version", parsed.kernel_version),
            ] {
                if let Some(value) = value {
                    payload.insert(os, key, value);
                }
            }
        }
    }
    sum_up(payload, os, "os");
}

fn normalize_runtime(payload: &mut Payload<'_>, runtime: NodeId) {
    let is_unnamed =
        is_missing(payload, runtime, "name") && is_missing(payload, runtime, "version");
    if is_unnamed && let Some(description) = filled(payload, runtime, "raw_description") {
        let description = description.to_owned();
        if let Some((name, version)) = parse_runtime(&description) {
            payload.insert(runtime, "name", name);
            payload.insert(runtime, "version", version);
        }
    }
    let is_framework =
        text(payload, runtime, "name").is_some_and(|it| it.starts_with(".NET Framework"));
    if is_framework && let Some(version) = text(payload, runtime, "build").and_then(dot_net_version)
    {
        put_text(payload, runtime, "version", version);
    }
    sum_up(payload, runtime, "runtime");
}

/// Name and version in one text.
fn sum_up(payload: &mut Payload<'_>, context: NodeId, key: &str) {
    if let Some(name) = filled(payload, context, "name")
        && let Some(version) = filled(payload, context, "version")
    {
        let summary = format!("{name} {version}");
        put_text(payload, context, key, &summary);
    }
}

fn name_device(payload: &mut Payload<'_>, device: NodeId, names: Option<&dyn DeviceNames>) {
    let Some(names) = names else { return };
    if is_missing(payload, device, "name")
        && let Some(name) = text(payload, device, "model").and_then(|model| names.name_of(model))
    {
        let name = name.to_owned();
        payload.insert(device, "name", &name);
    }
}

fn normalize_response(payload: &mut Payload<'_>, response: NodeId) {
    move_cookies(payload, response, "Set-Cookie");
    let is_inferred = filled(payload, response, "inferred_content_type").is_some();
    if let Some(data) = payload.get(response, "data").filter(|_| !is_inferred)
        && let Some(content_type) = take_apart(payload, data)
    {
        payload.insert(response, "inferred_content_type", content_type);
    }
}
