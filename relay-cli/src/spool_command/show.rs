//! `relay spool show`

use std::io::Write;
use std::time::SystemTime;

use bytes::Bytes;
use relay_envelope::{Envelope, Limits};
use relay_spool::{Filter, RecordId, Stored, View};
use serde_json::json;

use super::{Failed, Names, Output, items, record_json, waiting};
use crate::age::{Age, timestamp};
use crate::args::RecordName;
use crate::byte_size::Rounded;
use crate::failure::Failure;
use crate::printable::printable;
use crate::table::Table;

pub(super) fn show(
    view: &View,
    name: &RecordName,
    body_alone: bool,
    out: &mut Output,
) -> Result<(), Failed> {
    let (record, others) = find(view, name)?;
    let body = view.body(record.id)?.ok_or_else(|| missing(name))?;
    let limits = Limits::default();
    let decoded = decode(&record, body, limits.max_size);
    if body_alone {
        return Ok(out.sink.write_all(&decoded.map_err(Failure::new)?)?);
    }
    if others > 0 {
        // Not among the results, which are those of one record.
        let _ = writeln!(
            std::io::stderr(),
            "note: {others} more of this event wait, see relay spool ls --event"
        );
    }
    let envelope = decoded.and_then(|body| {
        // Its first reason names a place; those below it may quote.
        let envelope = Envelope::decode(body, &limits);
        envelope.map_err(|error| format!("the body is not an envelope: {error}"))
    });
    let names = Names::of(view)?;
    let target = names.name(record.meta.target);
    match out.json {
        true => Ok(out.json(&as_json(&record, target, &envelope))?),
        false => Ok(print(&record, target, &envelope, &mut out.sink)?),
    }
}

/// The record, and how many others there are of its event.
fn find(view: &View, name: &RecordName) -> Result<(Stored, u64), Failed> {
    let (found, others) = match name {
        RecordName::Number(number) => {
            (view.find(&relay_spool::Wanted::Id(RecordId::new(*number)))?, 0)
        }
        RecordName::Event(id) => {
            let filter = Filter { event_id: Some(id.to_string()), ..Filter::default() };
            let found = view.select(&filter, RecordId::default(), 1)?.pop();
            (found, view.matching(&filter)?.records.saturating_sub(1))
        }
    };
    Ok((found.ok_or_else(|| missing(name))?, others))
}

fn missing(name: &RecordName) -> Failure {
    Failure::new(match name {
        RecordName::Number(number) => format!("there is no record {number} in the spool"),
        RecordName::Event(id) => format!("there is no record of the event {id} in the spool"),
    })
}

fn decode(record: &Stored, body: Bytes, limit: usize) -> Result<Bytes, String> {
    let failed = |error: &dyn std::error::Error| format!("the body cannot be decoded: {error}");
    let encoding = record.meta.encoding.parse().map_err(|error| failed(&error))?;
    relay_compression::decode(encoding, body, limit).map_err(|error| failed(&error))
}

fn as_json(
    record: &Stored,
    target: &str,
    envelope: &Result<Envelope, String>,
) -> serde_json::Value {
    let mut json = record_json(record, target);
    json["headers"] = json!(record.meta.headers);
    match envelope {
        Ok(envelope) => {
            let items = envelope.items().iter().map(|item| {
                json!({
                    "type": item.ty().as_str(),
                    "length": item.payload().len(),
                    "content_type": item.content_type(),
                    "filename": item.filename(),
                })
            });
            json["envelope"] = json!(items.collect::<Vec<_>>());
        }
        Err(error) => json["error"] = json!(error),
    }
    json
}

fn print(
    record: &Stored,
    target: &str,
    envelope: &Result<Envelope, String>,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let now = SystemTime::now();
    let Stored { id, meta, schedule, size, body_size } = record;
    let age = Age::between(meta.received, now);
    let sizes = format!("{}, of which the body {}", Rounded(*size), Rounded(*body_size));
    for (name, value) in [
        ("record", id.to_string()),
        ("target", printable(target)),
        ("project", meta.project.to_string()),
        ("key", printable(&meta.key)),
        ("received", format!("{}, {age} ago", timestamp(meta.received))),
        ("event", printable(meta.event_id.as_deref().unwrap_or("-"))),
        ("items", items(record)),
        ("tries", schedule.attempts.to_string()),
        ("waiting", waiting(record, now)),
        ("size", sizes),
        ("encoding", printable(&meta.encoding)),
    ] {
        writeln!(out, "{name:8}  {}", value.trim_end())?;
    }
    for (index, line) in meta.headers.lines().enumerate() {
        writeln!(out, "{:8}  {}", if index == 0 { "headers" } else { "" }, printable(line))?;
    }
    writeln!(out)?;
    match envelope {
        Err(error) => writeln!(out, "{}", error),
        Ok(envelope) => {
            let mut table = Table::new(["ITEM>", "TYPE", "LENGTH>", "CONTENT TYPE", "FILE NAME"]);
            for (index, item) in envelope.items().iter().enumerate() {
                table.push([
                    index.to_string(),
                    printable(item.ty().as_str()),
                    item.payload().len().to_string(),
                    printable(item.content_type().as_deref().unwrap_or("-")),
                    printable(item.filename().as_deref().unwrap_or("-")),
                ]);
            }
            table.write(out)
        }
    }
}
