//! What makes a transaction valid, and its names (spec/processing.md 3.3, 3.7).

use relay_protocol::payload::{Kind, MetaError, NodeId, NodeRef, Payload, Remark, RemarkKind};

use super::place::{
    default_text, filled, is_missing, list, make_list, make_object, number, object, objects,
    put_number, put_text, text, was_cut,
};
use super::settings::Settings;
use super::tags::tag;
use super::time::seconds;
use super::{Ingress, InvalidEvent, identifiers};

/// Checks what a transaction cannot do without, and mends the times of its spans.
pub(super) fn validate(
    payload: &mut Payload<'_>,
    ingress: &Ingress<'_>,
) -> Result<(), InvalidEvent> {
    let root = payload.root();
    let end = number(payload, root, "timestamp").ok_or(InvalidEvent::MissingEnd)?;
    let start = number(payload, root, "start_timestamp").ok_or(InvalidEvent::MissingStart)?;
    if end < start {
        return Err(InvalidEvent::EndBeforeStart);
    }
    let now = seconds(ingress.received_at);
    let earliest = now - ingress.transaction_age.as_secs_f64();
    let latest = now + ingress.max_future.as_secs_f64();
    if start < earliest || end >= latest {
        return Err(InvalidEvent::OutsideWindow);
    }

    let trace = trace_context(payload).ok_or(InvalidEvent::MissingTrace)?;
    for (key, error) in
        [("trace_id", InvalidEvent::MissingTraceId), ("span_id", InvalidEvent::MissingSpanId)]
    {
        text(payload, trace, key).ok_or(error)?;
    }

    let spans = make_list(payload, root, "spans").ok_or(InvalidEvent::Span)?;
    let spans: Vec<NodeId> = payload.node(spans).children().map(NodeRef::id).collect();
    for span in spans {
        validate_span(payload, span, (start, end), (earliest, latest))?;
    }
    Ok(())
}

fn validate_span(
    payload: &mut Payload<'_>,
    span: NodeId,
    event: (f64, f64),
    window: (f64, f64),
) -> Result<(), InvalidEvent> {
    if payload.kind(span) != Kind::Object {
        return Err(InvalidEvent::Span);
    }
    let start = number(payload, span, "start_timestamp").ok_or(InvalidEvent::SpanMissingStart)?;
    text(payload, span, "trace_id").ok_or(InvalidEvent::SpanMissingTraceId)?;
    text(payload, span, "span_id").ok_or(InvalidEvent::SpanMissingId)?;
    let end = match number(payload, span, "timestamp") {
        Some(end) => end,
        None => {
            put_number(payload, span, "timestamp", event.1);
            payload.insert(span, "status", "deadline_exceeded");
            event.1
        }
    };
    if end < start {
        return Err(InvalidEvent::SpanEndBeforeStart);
    }
    let outside = |time: f64| time < window.0 || time >= window.1;
    let (mut start_outside, mut end_outside) = (outside(start), outside(end));
    // Half a span of its own and half of the event's could end before it begins.
    if (start_outside && end < event.0) || (end_outside && event.1 < start) {
        (start_outside, end_outside) = (true, true);
    }
    if start_outside {
        replace_time(payload, span, "start_timestamp", event.0);
    }
    if end_outside {
        replace_time(payload, span, "timestamp", event.1);
    }
    Ok(())
}

fn replace_time(payload: &mut Payload<'_>, span: NodeId, key: &str, time: f64) {
    let node = payload.entry(span, key);
    payload.reject(node, MetaError::invalid("timestamp is outside of the accepted time"));
    payload.set(node, time);
}

/// The trace context, if it is one.
pub(super) fn trace_context(payload: &Payload<'_>) -> Option<NodeId> {
    let contexts = object(payload, payload.root(), "contexts")?;
    let trace = object(payload, contexts, "trace")?;
    text(payload, trace, "type").is_none_or(|ty| ty == "trace").then_some(trace)
}

/// Gives a transaction its name and source, and takes identifiers out of names that are URLs.
pub(super) fn normalize_name(
    payload: &mut Payload<'_>,
    ingress: &Ingress<'_>,
    settings: &Settings,
) {
    let root = payload.root();
    if filled(payload, root, "transaction").is_none() {
        payload.insert(root, "transaction", "<unlabeled transaction>");
    }
    let Some(info) = make_object(payload, root, "transaction_info") else { return };
    let has_slash = text(payload, root, "transaction").is_some_and(|name| name.contains('/'));
    if is_missing(payload, info, "source") && !(has_slash && sends_raw_urls(payload)) {
        payload.insert(info, "source", "unknown");
    }
    let is_url = match text(payload, info, "source") {
        Some(source) => matches!(source, "url" | "sanitized"),
        None => has_slash,
    };
    if is_url {
        sanitize(payload, ingress, settings);
        put_text(payload, info, "source", "sanitized");
    }
    if payload.node(info).is_empty() {
        payload.remove(info);
    }
}

fn sanitize(payload: &mut Payload<'_>, ingress: &Ingress<'_>, settings: &Settings) {
    let node = payload.entry(payload.root(), "transaction");
    if was_cut(payload.node(node)) {
        return;
    }
    let Some(name) = payload.str(node) else { return };
    let (mut name, mut remarks) = (name.to_owned(), Vec::new());
    let identifiers = identifiers::find(&name);
    if !identifiers.is_empty() {
        let replaced = identifiers::replace(&name, &identifiers);
        remarks.extend(identifiers.iter().map(|identifier| Remark {
            range: Some((identifier.start, identifier.end)),
            ..Remark::new(identifier.kind, RemarkKind::Substituted)
        }));
        // A name that is nothing but an identifier says more than a star.
        if replaced != "*" {
            name = replaced;
        }
    }
    let rule = settings.transaction_name_rules.iter().find_map(|rule| {
        let renamed = rule.apply(&name, ingress.received_at)?;
        Some((rule.pattern.as_str().to_owned(), renamed))
    });
    if let Some((pattern, renamed)) = rule
        && renamed != name
    {
        remarks.push(Remark::new(pattern, RemarkKind::Substituted));
        name = renamed;
    }
    if remarks.is_empty() {
        return;
    }
    let meta = payload.node(node).meta();
    let is_noted = meta.is_some_and(|meta| remarks.iter().all(|it| meta.remarks.contains(it)));
    if is_noted && payload.str(node) == Some(&name) {
        return;
    }
    payload.null_with_original(node);
    payload.set(node, &name);
    let meta = payload.meta_mut(node);
    remarks.retain(|remark| !meta.remarks.contains(remark));
    meta.remarks.extend(remarks);
}

/// SDKs that put URLs into the name without saying so.
fn sends_raw_urls(payload: &Payload<'_>) -> bool {
    let root = payload.root();
    let Some(sdk) = object(payload, root, "sdk") else { return false };
    let Some(name) = text(payload, sdk, "name") else { return false };
    match name {
        "sentry.javascript.angular"
        | "sentry.javascript.browser"
        | "sentry.javascript.ember"
        | "sentry.javascript.gatsby"
        | "sentry.javascript.nextjs"
        | "sentry.javascript.react"
        | "sentry.javascript.remix"
        | "sentry.javascript.vue"
        | "sentry.php.laravel"
        | "sentry.php.symfony" => true,
        "sentry.python" => {
            lists(payload, sdk, "integrations", "django")
                && tag(payload, "http.status_code") == Some("404")
        }
        "sentry.javascript.node" => {
            lists(payload, sdk, "integrations", "Express")
                && object(payload, root, "request")
                    .and_then(|request| text(payload, request, "method"))
                    .is_some_and(|method| method.eq_ignore_ascii_case("OPTIONS"))
        }
        "sentry.ruby" => {
            object(payload, root, "modules")
                .is_some_and(|modules| payload.get(modules, "rack").is_some())
                && trace_context(payload)
                    .and_then(|trace| text(payload, trace, "status"))
                    .is_some_and(|status| !matches!(status, "ok" | "cancelled" | "unknown"))
        }
        _ => false,
    }
}

fn lists(payload: &Payload<'_>, parent: NodeId, key: &str, word: &str) -> bool {
    list(payload, parent, key).is_some_and(|list| {
        payload.node(list).children().any(|element| element.as_str() == Some(word))
    })
}

/// Gives the trace and every span an operation.
pub(super) fn default_operations(payload: &mut Payload<'_>, settings: &Settings) {
    if let Some(trace) = trace_context(payload) {
        default_text(payload, trace, "op", "default");
    }
    let Some(spans) = list(payload, payload.root(), "spans") else { return };
    for span in objects(payload, spans) {
        if is_missing(payload, span, "op") {
            let op = settings.span_op_defaults.op_of(payload.node(span));
            payload.insert(span, "op", op);
        }
    }
}
