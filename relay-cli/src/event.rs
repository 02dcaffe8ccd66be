//! Events made of arguments.

use std::path::Path;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use relay_envelope::{Envelope, EnvelopeHeader, Item, ItemType};
use relay_protocol::EventId;
use serde_json::{Map, Value, json};

use crate::args::EventArgs;
use crate::failure::Failure;

/// The name and version that events carry as those of their SDK.
pub(crate) const SDK: (&str, &str) = ("relay.send", env!("CARGO_PKG_VERSION"));

/// The event that `args` describe, with its attachments.
///
/// # Errors
///
/// If a file to attach cannot be read, or an exception has no type.
pub(crate) fn envelope(
    args: &EventArgs,
    id: EventId,
    now: DateTime<Utc>,
) -> Result<Envelope, Failure> {
    let mut header = EnvelopeHeader {
        event_id: Some(id.into()),
        sent_at: Some(now),
        ..EnvelopeHeader::default()
    };
    header.set_sdk(SDK.0, SDK.1);
    let payload = payload(args, id, now)?.to_string();
    let mut event = Item::new(ItemType::Event, payload.into_bytes());
    event.set_content_type("application/json");
    let mut items = vec![event];
    for path in &args.attach {
        items.push(attachment(path)?);
    }
    Ok(Envelope::from_parts(header, items))
}

fn attachment(path: &Path) -> Result<Item, Failure> {
    let content = std::fs::read(path).map_err(|error| {
        Failure::new(format!("could not read the attachment {}", path.display())).caused_by(error)
    })?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    Ok(Item::attachment(&name, Bytes::from(content)))
}

fn payload(args: &EventArgs, id: EventId, now: DateTime<Utc>) -> Result<Value, Failure> {
    let mut event = Map::new();
    let mut set = |key: &str, value: Value| event.insert(key.to_owned(), value);
    set("event_id", id.to_string().into());
    set("timestamp", now.to_rfc3339_opts(SecondsFormat::Micros, true).into());
    set("platform", "other".into());
    set("level", args.level.as_str().into());
    set("environment", args.environment.as_str().into());
    set("sdk", json!({ "name": SDK.0, "version": SDK.1 }));
    if let Some(message) = &args.message {
        set("message", message.as_str().into());
    }
    if !args.exception.is_empty() {
        // On the wire the cause comes first.
        let values: Result<Vec<_>, _> =
            args.exception.iter().rev().map(|text| exception(text)).collect();
        set("exception", json!({ "values": values? }));
    }
    for (key, pairs) in [("tags", &args.tag), ("extra", &args.extra), ("user", &args.user)] {
        if !pairs.is_empty() {
            set(
                key,
                pairs
                    .iter()
                    .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
                    .collect(),
            );
        }
    }
    for (key, text) in [("release", &args.release), ("dist", &args.dist)] {
        if let Some(text) = text {
            set(key, text.as_str().into());
        }
    }
    Ok(event.into())
}

fn exception(text: &str) -> Result<Value, Failure> {
    let (ty, value) = text.split_once(':').unwrap_or((text, ""));
    if ty.trim().is_empty() {
        return Err(Failure::new("an exception needs a type").caused_by("expected TYPE:VALUE"));
    }
    Ok(json!({ "type": ty.trim(), "value": value.trim_start() }))
}
