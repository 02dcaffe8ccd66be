//! The message of an event (spec/processing.md 3.12).

use std::fmt::Write as _;

use relay_protocol::payload::{Kind, MetaError, NodeRef, Payload};

use super::place::{is_missing, is_trimmed, object, text};

/// The longest text that parameters may make of a message, in bytes; longer ones are not made. More than
/// trimming leaves of it.
const MAX_FORMATTED: usize = 64 * 1024;

/// How many parameters a message may name; with more it is not made.
const MAX_PLACEHOLDERS: usize = 256;

/// Formats the message with its parameters if the SDK did not, and keeps it only where it differs.
pub(super) fn normalize_message(payload: &mut Payload<'_>) {
    let root = payload.root();
    let Some(entry) = object(payload, root, "logentry") else { return };
    if is_missing(payload, entry, "message") && is_missing(payload, entry, "formatted") {
        if !payload.node(entry).is_empty() {
            payload.reject(entry, MetaError::invalid("no message present"));
        }
        return;
    }
    if is_missing(payload, entry, "formatted")
        && let Some(message) = text(payload, entry, "message")
        && let Some(params) = payload.node(entry).get("params")
        && let Some(formatted) = format(message, params)
    {
        payload.insert(entry, "formatted", &formatted);
    }
    let Some(message) = payload.get(entry, "message") else { return };
    if is_missing(payload, entry, "formatted") {
        payload.move_to(message, entry, "formatted");
    } else if payload.str(message) == text(payload, entry, "formatted")
        && !is_trimmed(payload, entry, "formatted")
    {
        payload.remove(message);
    }
}

/// The message with its parameters in place; `None` if they do not fit it.
fn format(message: &str, params: NodeRef<'_>) -> Option<String> {
    if message.contains('%') {
        let mut arguments = Arguments::new(params);
        percent(message, &mut arguments)
    } else if message.contains('{') {
        let mut arguments = Arguments::new(params);
        braces(message, &mut arguments)
    } else {
        None
    }
}

/// What placeholders stand for. By position and by name do not mix.
struct Arguments<'t> {
    params: NodeRef<'t>,
    positions: Vec<NodeRef<'t>>,
    next: usize,
    /// How many may still be looked up: that takes time linear in the parameters.
    left: usize,
}

impl<'t> Arguments<'t> {
    fn new(params: NodeRef<'t>) -> Self {
        let positions = match params.kind() {
            Kind::Array => params.children().collect(),
            _ => Vec::new(),
        };
        Self { params, positions, next: 0, left: MAX_PLACEHOLDERS }
    }

    fn next(&mut self) -> Option<NodeRef<'t>> {
        let index = self.next;
        self.next += 1;
        self.at(index)
    }

    fn at(&mut self, index: usize) -> Option<NodeRef<'t>> {
        self.left = self.left.checked_sub(1)?;
        self.positions.get(index).copied()
    }

    fn named(&mut self, name: &str) -> Option<NodeRef<'t>> {
        self.left = self.left.checked_sub(1)?;
        self.params.get(name)
    }
}

/// Python's `%s`, `%d`, `%(name)s` and their like.
fn percent(message: &str, arguments: &mut Arguments<'_>) -> Option<String> {
    let mut formatted = String::new();
    let mut rest = message;
    while let Some(at) = rest.find('%') {
        formatted.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            formatted.push('%');
            rest = after;
            continue;
        }
        let argument = match rest.strip_prefix('(') {
            Some(named) => {
                let (name, after) = named.split_once(')')?;
                rest = after;
                arguments.named(name)?
            }
            None => arguments.next()?,
        };
        let precision = match rest.strip_prefix('.') {
            Some(digits) => {
                let end = digits.find(|c: char| !c.is_ascii_digit())?;
                rest = &digits[end..];
                Some(digits[..end].parse::<usize>().ok().filter(|&precision| precision < 100)?)
            }
            None => None,
        };
        let conversion = rest.chars().next()?;
        rest = &rest[conversion.len_utf8()..];
        match conversion {
            's' | 'r' if precision.is_none() => push(&mut formatted, argument)?,
            'd' | 'i' | 'u' if precision.is_none() => {
                let _ = match argument.as_i64() {
                    Some(number) => write!(formatted, "{number}"),
                    None => write!(formatted, "{:.0}", argument.as_f64()?.trunc()),
                };
            }
            'f' | 'F' => {
                let number = argument.as_f64().filter(|number| number.is_finite())?;
                let _ = write!(formatted, "{number:.*}", precision.unwrap_or(6));
            }
            'x' if precision.is_none() => {
                let _ = write!(formatted, "{:x}", argument.as_u64()?);
            }
            _ => return None,
        }
        if formatted.len() > MAX_FORMATTED {
            return None;
        }
    }
    formatted.push_str(rest);
    Some(formatted)
}

/// `{}`, `{0}` and `{name}`; `{{` and `}}` are braces.
fn braces(message: &str, arguments: &mut Arguments<'_>) -> Option<String> {
    let mut formatted = String::new();
    let mut rest = message;
    while let Some(at) = rest.find(['{', '}']) {
        formatted.push_str(&rest[..at]);
        let is_open = rest[at..].starts_with('{');
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(if is_open { '{' } else { '}' }) {
            formatted.push(if is_open { '{' } else { '}' });
            rest = after;
            continue;
        }
        if !is_open {
            return None;
        }
        let (name, after) = rest.split_once('}')?;
        rest = after;
        let argument = match name.parse::<usize>() {
            _ if name.is_empty() => arguments.next()?,
            Ok(index) => arguments.at(index)?,
            Err(_) => arguments.named(name)?,
        };
        push(&mut formatted, argument)?;
        if formatted.len() > MAX_FORMATTED {
            return None;
        }
    }
    formatted.push_str(rest);
    Some(formatted)
}

fn push(formatted: &mut String, argument: NodeRef<'_>) -> Option<()> {
    // What is too large for the result is not worth writing.
    if argument.is_larger_than(MAX_FORMATTED) {
        return None;
    }
    match argument.as_str() {
        Some(text) => formatted.push_str(text),
        None => formatted.push_str(&argument.to_compact_json()),
    }
    Some(())
}
