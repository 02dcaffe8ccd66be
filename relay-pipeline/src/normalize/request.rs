//! The HTTP request (spec/processing.md 3.19).

use std::borrow::Cow;
use std::collections::BTreeMap;

use relay_protocol::payload::{
    ErrorKind, Kind, MetaError, NodeId, NodeRef, Payload, PayloadLimits, Value,
};
use url::{Url, form_urlencoded};

use super::place::{
    filled, is_missing, is_trimmed, list, make_list, object, put_text, text, was_cut,
};

/// How much a body that turns out to be JSON may hold.
const BODY_LIMITS: PayloadLimits = PayloadLimits { max_depth: 64, max_nodes: 50_000 };

/// Takes the parts of the URL apart, and what is packed into texts out of them.
pub(super) fn normalize_request(payload: &mut Payload<'_>) {
    let Some(request) = object(payload, payload.root(), "request") else { return };
    normalize_url(payload, request);
    normalize_method(payload, request);
    normalize_body(payload, request);
    move_cookies(payload, request, "Cookie");
}

fn normalize_url(payload: &mut Payload<'_>, request: NodeId) {
    let Some(text) = filled(payload, request, "url") else { return };
    if is_trimmed(payload, request, "url") {
        return;
    }
    let text = match text.strip_suffix('…') {
        Some(start) => Cow::Owned(format!("{start}...")),
        None => Cow::Borrowed(text),
    };
    let (url, query, fragment) = match Url::parse(&text) {
        Ok(mut url) => {
            let query = url.query().map(str::to_owned);
            let fragment = url.fragment().map(str::to_owned);
            url.set_query(None);
            url.set_fragment(None);
            (String::from(url), query, fragment)
        }
        Err(_) => {
            let (rest, fragment) = match text.split_once('#') {
                Some((rest, fragment)) => (rest, Some(fragment.to_owned())),
                None => (&*text, None),
            };
            match rest.split_once('?') {
                Some((rest, query)) => (rest.to_owned(), Some(query.to_owned()), fragment),
                None => (rest.to_owned(), None, fragment),
            }
        }
    };
    put_text(payload, request, "url", &url);
    if let Some(query) = query.filter(|query| !query.is_empty())
        && is_absent(payload, request, "query_string")
        && let Some(pairs) = make_list(payload, request, "query_string")
    {
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            push_pair(payload, pairs, &key, &value);
        }
    }
    if let Some(fragment) = fragment.filter(|fragment| !fragment.is_empty())
        && is_missing(payload, request, "fragment")
    {
        payload.insert(request, "fragment", &fragment);
    }
}

fn is_absent(payload: &Payload<'_>, object: NodeId, key: &str) -> bool {
    payload
        .node(object)
        .get(key)
        .is_none_or(|node| node.is_null() || (node.kind() == Kind::Array && node.is_empty()))
}

fn push_pair(payload: &mut Payload<'_>, pairs: NodeId, key: &str, value: &str) {
    let pair = payload.push(pairs, Value::Array);
    payload.push(pair, key);
    payload.push(pair, value);
}

fn normalize_method(payload: &mut Payload<'_>, request: NodeId) {
    let Some(method) = text(payload, request, "method") else { return };
    let upper = method.to_ascii_uppercase();
    let is_valid = (3..=32).contains(&upper.len())
        && upper.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_'));
    put_text(payload, request, "method", &upper);
    if !is_valid {
        let method = payload.entry(request, "method");
        payload.reject(method, MetaError::new(ErrorKind::InvalidData));
    }
}

fn normalize_body(payload: &mut Payload<'_>, request: NodeId) {
    const TYPE: &str = "inferred_content_type";
    let Some(data) = payload.get(request, "data").filter(|&id| payload.kind(id) != Kind::Null)
    else {
        return;
    };
    // Once a body was taken apart, a text in it is a text.
    let is_inferred = filled(payload, request, TYPE).is_some();
    let inferred = if is_inferred { None } else { take_apart(payload, data) };
    match inferred {
        Some(content_type) => put_text(payload, request, TYPE, content_type),
        None if is_inferred => {}
        None => {
            if let Some(content_type) = said_content_type(payload, request) {
                put_text(payload, request, TYPE, &content_type);
            }
        }
    }
}

/// Makes a value of a text that is JSON or a form. Says which of them it was.
pub(super) fn take_apart(payload: &mut Payload<'_>, data: NodeId) -> Option<&'static str> {
    let text = payload.str(data)?;
    let may_be_json = text.trim_start().starts_with(['{', '[', '"', '-', 't', 'f', 'n'])
        || text.trim_start().starts_with(|c: char| c.is_ascii_digit());
    if !may_be_json && !text.contains('=') {
        return None;
    }
    let text = text.to_owned();
    if may_be_json && payload.set_json(data, &text, BODY_LIMITS).is_ok() {
        return Some("application/json");
    }
    let form = form(&text)?;
    payload.set(data, Value::Object);
    for (key, value) in form {
        payload.add_entry(data, &key, &*value);
    }
    Some("application/x-www-form-urlencoded")
}

fn said_content_type(payload: &Payload<'_>, request: NodeId) -> Option<String> {
    let header = header(payload, request, "Content-Type")?;
    let value = payload.node(header).element(1)?.as_str()?;
    let value = value.split(';').next().unwrap_or(value).trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// A text that looks like a form: `a=b&c=d`. Of a key that is there twice the last value counts.
fn form(text: &str) -> Option<BTreeMap<Cow<'_, str>, Cow<'_, str>>> {
    if !text.is_ascii()
        || !text.contains('=')
        || ["<?xml", "{", "["].iter().any(|start| text.starts_with(start))
    {
        return None;
    }
    let form: BTreeMap<_, _> = form_urlencoded::parse(text.as_bytes()).collect();
    let is_form = form.len() > 1 || form.values().any(|value| !value.is_empty());
    is_form.then_some(form)
}

/// The pair of the header of that name.
fn header(payload: &Payload<'_>, object: NodeId, name: &str) -> Option<NodeId> {
    let headers = payload.node(list(payload, object, "headers")?);
    let is_named = |pair: &NodeRef<'_>| {
        let key = pair.children().next().and_then(NodeRef::as_str);
        key.is_some_and(|key| key.eq_ignore_ascii_case(name))
    };
    headers.children().find(is_named).map(NodeRef::id)
}

/// Makes cookies of a header, unless there are some. A header of which a part is no cookie stays.
pub(super) fn move_cookies(payload: &mut Payload<'_>, object: NodeId, name: &str) {
    if !is_absent(payload, object, "cookies") {
        return;
    }
    let Some(header) = header(payload, object, name) else { return };
    let value = payload.node(header).element(1).filter(|&value| !was_cut(value));
    let Some(value) = value.and_then(NodeRef::as_str) else { return };
    let mut cookies = Vec::new();
    for part in value.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let Some((key, value)) = part.split_once('=') else { return };
        cookies.push((decode(key.trim()), decode(value.trim())));
    }
    if cookies.is_empty() {
        return;
    }
    let Some(list) = make_list(payload, object, "cookies") else { return };
    for (key, value) in cookies {
        push_pair(payload, list, &key, &value);
    }
    payload.remove(header);
}

/// Percent escapes, of which a `+` is none here.
fn decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = text.get(at + 1..at + 3).filter(|_| byte == b'%');
        match digits.filter(|it| it.bytes().all(|digit| digit.is_ascii_hexdigit())) {
            Some(digits) => {
                decoded.push(u8::from_str_radix(digits, 16).unwrap_or(byte));
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
