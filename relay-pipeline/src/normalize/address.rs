//! The address of the user, what it tells about the place, and what the HTTP request adds to security
//! reports (spec/processing.md 3.8 to 3.10).

use std::net::IpAddr;

use relay_protocol::payload::{Kind, NodeId, NodeRef, Payload, RemarkKind, Value};

use super::place::{
    default_text, filled, is_missing, make_list, make_object, object, put_text, text,
};
use super::{GeoLookup, Ingress};

/// What an SDK sends where the relay is to find the address.
const AUTO: &str = "{{auto}}";

/// Whether addresses may be inferred: `sdk.settings.infer_ip`.
#[derive(Clone, Copy, PartialEq)]
enum Inference {
    Auto,
    Never,
    Legacy,
    /// A setting of the future. Resolves nothing and keeps no `{{auto}}`.
    Unknown,
}

fn inference(payload: &Payload<'_>) -> Inference {
    let settings = object(payload, payload.root(), "sdk")
        .and_then(|sdk| object(payload, sdk, "settings"))
        .and_then(|settings| text(payload, settings, "infer_ip"));
    match settings {
        None | Some("legacy") => Inference::Legacy,
        Some("auto") => Inference::Auto,
        Some("never") => Inference::Never,
        Some(_) => Inference::Unknown,
    }
}

/// A security report comes from a browser without an SDK: the request tells what an SDK would have told.
pub(super) fn complete_security_report(payload: &mut Payload<'_>, ingress: &Ingress<'_>) {
    let root = payload.root();
    if object(payload, root, "csp").is_none() {
        return;
    }
    default_text(payload, root, "logger", "csp");
    let may_infer = matches!(inference(payload), Inference::Auto | Inference::Legacy);
    if let Some(address) = ingress.client_ip.filter(|_| may_infer)
        && let Some(user) = make_object(payload, root, "user")
    {
        default_text(payload, user, "ip_address", &address.to_string());
    }
    let browser = &ingress.browser;
    for (name, value) in [
        ("User-Agent", browser.user_agent),
        ("Sec-CH-UA", browser.brands),
        ("Sec-CH-UA-Model", browser.model),
        ("Sec-CH-UA-Platform", browser.platform),
        ("Sec-CH-UA-Platform-Version", browser.platform_version),
    ] {
        let Some(value) = value else { continue };
        let Some(request) = make_object(payload, root, "request") else { return };
        let Some(headers) = make_list(payload, request, "headers") else { return };
        let is_there = payload.node(headers).children().any(|pair| {
            let key = pair.element(0).and_then(NodeRef::as_str);
            key.is_some_and(|key| key.eq_ignore_ascii_case(name))
        });
        if !is_there {
            let pair = payload.push(headers, Value::Array);
            payload.push(pair, name);
            payload.push(pair, value);
        }
    }
}

/// Finds out the address of the user, as far as that is wanted.
pub(super) fn normalize_address(payload: &mut Payload<'_>, ingress: &Ingress<'_>) {
    let root = payload.root();
    let user = object(payload, root, "user");
    let address = user.and_then(|user| payload.get(user, "ip_address"));
    let is_auto = address.is_some_and(|address| payload.str(address) == Some(AUTO));
    if !is_auto && address.is_some_and(|address| payload.kind(address) != Kind::Null) {
        return;
    }
    let inference = inference(payload);
    let infers = matches!(inference, Inference::Auto | Inference::Legacy);
    if !infers {
        if let (true, Some(user), Some(address)) = (is_auto, user, address) {
            payload.remove(address);
            if payload.node(user).is_empty() {
                payload.remove(user);
            }
        }
        return;
    }
    let client = ingress
        .client_ip
        .filter(|_| is_auto || inference == Inference::Auto || expects_client(payload, address))
        .map(|address| address.to_string());
    let Some(found) = remote_address(payload).or(client) else { return };
    if let Some(user) = make_object(payload, root, "user") {
        put_text(payload, user, "ip_address", &found);
    }
}

/// Clients that run where the user is, unless somebody took the address out on purpose.
fn expects_client(payload: &Payload<'_>, address: Option<NodeId>) -> bool {
    let platform = text(payload, payload.root(), "platform");
    let was_removed = address
        .and_then(|address| payload.node(address).meta())
        .is_some_and(|meta| meta.remarks.iter().any(|remark| remark.kind == RemarkKind::Removed));
    matches!(platform, Some("javascript" | "cocoa" | "objc")) && !was_removed
}

fn remote_address(payload: &Payload<'_>) -> Option<String> {
    let request = object(payload, payload.root(), "request")?;
    let address = text(payload, object(payload, request, "env")?, "REMOTE_ADDR")?;
    address.parse::<IpAddr>().is_ok().then(|| address.to_owned())
}

/// Looks up where the user is, unless the event says so.
pub(super) fn normalize_geo(
    payload: &mut Payload<'_>,
    ingress: &Ingress<'_>,
    lookup: &dyn GeoLookup,
) {
    let root = payload.root();
    let user = object(payload, root, "user");
    if user.is_some_and(|user| !is_missing(payload, user, "geo")) {
        return;
    }
    let address = user
        .and_then(|user| filled(payload, user, "ip_address"))
        .and_then(|address| address.parse().ok())
        .or(ingress.client_ip);
    let Some(place) = address.and_then(|address| lookup.lookup(address)) else { return };
    let Some(user) = make_object(payload, root, "user") else { return };
    let Some(geo) = make_object(payload, user, "geo") else { return };
    for (key, value) in [
        ("country_code", &place.country_code),
        ("city", &place.city),
        ("subdivision", &place.subdivision),
        ("region", &place.region),
    ] {
        if let Some(value) = value {
            payload.insert(geo, key, value);
        }
    }
}
