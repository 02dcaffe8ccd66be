//! What the numbers of operating systems in exception mechanisms are called (spec/processing.md 3.13).

use relay_protocol::payload::{MetaError, NodeId, Payload};

use super::os_codes::{self, System};
use super::place::{is_missing, object, text, values};

/// Names errors, signals and Mach exceptions where the SDK sent numbers only, and refuses help that is no link.
pub(super) fn normalize_mechanisms(payload: &mut Payload<'_>) {
    let mut system = None;
    for exception in values(payload, payload.root(), "exception") {
        let Some(mechanism) = object(payload, exception, "mechanism") else { continue };
        if let Some(link) = text(payload, mechanism, "help_link")
            && !link.starts_with("http://")
            && !link.starts_with("https://")
        {
            let link = payload.entry(mechanism, "help_link");
            payload.reject(link, MetaError::invalid("expected a link of http or https"));
        }
        let Some(meta) = object(payload, mechanism, "meta") else { continue };
        name_codes(payload, meta, *system.get_or_insert_with(|| self::system(payload)));
    }
}

fn name_codes(payload: &mut Payload<'_>, meta: NodeId, system: Option<System>) {
    if let Some(exception) = object(payload, meta, "mach_exception") {
        name(payload, exception, "exception", "name", os_codes::mach_exception);
    }
    let Some(system) = system else { return };
    if let Some(errno) = object(payload, meta, "errno") {
        name(payload, errno, "number", "name", |number| os_codes::errno(system, number));
    }
    if let Some(signal) = object(payload, meta, "signal") {
        name(payload, signal, "number", "name", |number| os_codes::signal(system, number));
        let number = payload.node(signal).get("number").and_then(|number| number.as_i64());
        let signal_name = number.and_then(|number| os_codes::signal(system, number));
        if let Some(signal_name) = signal_name {
            let code_name = |code| os_codes::signal_code(system, signal_name, code);
            name(payload, signal, "code", "code_name", code_name);
        }
    }
}

fn name(
    payload: &mut Payload<'_>,
    object: NodeId,
    number: &str,
    key: &str,
    name: impl Fn(i64) -> Option<&'static str>,
) {
    let number = payload.node(object).get(number).and_then(|number| number.as_i64());
    if is_missing(payload, object, key)
        && let Some(name) = number.and_then(name)
    {
        payload.insert(object, key, name);
    }
}

fn system(payload: &Payload<'_>) -> Option<System> {
    let root = payload.root();
    let of_sdk = || {
        let debug_meta = object(payload, root, "debug_meta")?;
        text(payload, object(payload, debug_meta, "sdk_info")?, "sdk_name")
    };
    let of_context = || {
        let contexts = object(payload, root, "contexts")?;
        text(payload, object(payload, contexts, "os")?, "name")
    };
    match &*of_sdk().or_else(of_context)?.to_ascii_lowercase() {
        "ios" | "watchos" | "tvos" | "macos" => Some(System::Darwin),
        "linux" | "android" => Some(System::Linux),
        "windows" => Some(System::Windows),
        _ => None,
    }
}
