//! `relay spool`: what waits on disk, for people and programs.

mod ls;
mod purge;
mod show;
mod stats;
mod transfer;
mod verify;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

use relay_spool::{
    FaultKind, Filter, OpenError, RecordId, RecordRef, Removal, Settings, Spool, Stored, TargetId,
    Totals, View,
};
use serde_json::json;

use crate::age::{Age, timestamp};
use crate::args::{FilterArgs, GlobalArgs, SpoolArgs, SpoolCommand};
use crate::failure::Failure;
use crate::load::{self, Loaded};
use crate::printable::printable;
use crate::progress::Progress;

/// Does what is asked of a spool folder.
///
/// # Errors
///
/// If there is no spool, it cannot be used or is not sound, or the output cannot be written.
pub(crate) fn spool(args: &SpoolArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let folder = match &args.spool {
        Some(folder) => folder.clone(),
        None => load::load(&global.overrides())?.settings.server.spool.path,
    };
    let mut out = Output { json: args.json, sink: BufWriter::new(Box::new(io::stdout())) };
    let done = match &args.command {
        SpoolCommand::Ls { filter, limit, after } => {
            let after = after.map(RecordId::new).unwrap_or_default();
            ls::ls(&View::open(&folder)?, filter, *limit, after, &mut out)
        }
        SpoolCommand::Show { record, body } => {
            show::show(&View::open(&folder)?, record, *body, &mut out)
        }
        SpoolCommand::Stats => stats::stats(&View::open(&folder)?, &folder, &mut out),
        SpoolCommand::Verify => verify::verify(&View::open(&folder)?, &folder, &mut out),
        SpoolCommand::Export { output, filter, remove } => {
            transfer::export(&folder, output, filter, *remove, &mut out)
        }
        SpoolCommand::Import { file, target } => {
            let settings = spool_settings(&load::load(&global.overrides())?);
            transfer::import(&folder, settings, file, target.clone(), &mut out)
        }
        SpoolCommand::Purge { filter, all: _, yes } => {
            purge::purge(&folder, filter, *yes, &mut out)
        }
    };
    match done.and_then(|()| Ok(out.sink.flush()?)) {
        Err(Failed::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(Failed::Output(error)) => Err(error.into()),
        Err(Failed::Work(failure)) => {
            // What was found comes before what is wrong.
            let _ = out.sink.flush();
            Err(failure)
        }
        Ok(()) => Ok(()),
    }
}

/// What fits into the spool of the relay that is configured.
fn spool_settings(loaded: &Loaded) -> Settings {
    let max_bytes = loaded.settings.server.spool.max_disk_size as u64;
    Settings { max_bytes, ..Settings::default() }
}

/// Where results go. Whoever stops reading them (`| head`) wants no more, which is no failure.
struct Output {
    json: bool,
    sink: BufWriter<Box<dyn Write>>,
}

impl Output {
    /// A line of JSON.
    fn json(&mut self, value: &serde_json::Value) -> io::Result<()> {
        writeln!(self.sink, "{value}")
    }
}

/// Why a command came to no end.
enum Failed {
    /// Its results cannot be written.
    Output(io::Error),
    Work(Failure),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self::Work(failure)
    }
}

impl From<OpenError> for Failed {
    fn from(error: OpenError) -> Self {
        let is_read_only = matches!(
            &error,
            OpenError::File { source, .. } if source.kind() == FaultKind::ReadOnly
        );
        let failure = Failure::from(error);
        Self::Work(match is_read_only {
            // SQLite keeps an index of its log beside the file.
            true => failure.caused_by("even looking at a spool takes write access: look at a copy"),
            false => failure,
        })
    }
}

impl From<relay_spool::SpoolError> for Failed {
    fn from(error: relay_spool::SpoolError) -> Self {
        Self::Work(error.into())
    }
}

/// Targets by their number.
struct Names(Vec<(TargetId, String)>);

impl Names {
    fn of(view: &View) -> Result<Self, Failed> {
        Ok(Self(view.targets()?.into_iter().map(|(id, name, _)| (id, name)).collect()))
    }

    fn name(&self, target: TargetId) -> &str {
        let name = self.0.iter().find(|(id, _)| *id == target);
        name.map_or("?", |(_, name)| name)
    }
}

/// What the flags say, for the spool of `view`.
fn filter(args: &FilterArgs, view: &View) -> Result<Filter, Failed> {
    let target = match &args.target {
        None => None,
        Some(wanted) => {
            let targets = view.targets()?;
            let found = targets.iter().find(|(_, name, _)| name == wanted);
            Some(found.map(|(id, ..)| *id).ok_or_else(|| {
                let names: Vec<_> = targets.iter().map(|(_, name, _)| printable(name)).collect();
                let failure = Failure::new(format!("this spool has no target {wanted:?}"));
                match names.is_empty() {
                    true => failure.caused_by("it has none at all"),
                    false => failure.caused_by(format!("its targets are {}", names.join(", "))),
                }
            })?)
        }
    };
    Ok(Filter {
        target,
        project: args.project,
        key: args.key.clone(),
        event_id: args.event.map(|id| id.to_string()),
        received_before: args.before.map(|moment| moment.at(std::time::SystemTime::now())),
    })
}

/// So many records are read, or removed, at once.
const PIECE: usize = 256;

/// Removes what `filter` lets through up to `last`, but for `spared`.
fn remove(
    spool: &Spool,
    view: &View,
    filter: &Filter,
    last: RecordId,
    spared: &[RecordId],
    removal: Removal,
) -> Result<Totals, Failed> {
    let mut progress = Progress::new("removing", Some(view.matching(filter)?.records));
    let mut removed = Totals::default();
    let mut after = RecordId::default();
    loop {
        let piece = view.select(filter, after, PIECE)?;
        let Some(end) = piece.last().map(|record| record.id) else { break };
        after = end;
        let is_meant = |record: &&Stored| record.id <= last && !spared.contains(&record.id);
        let records: Vec<RecordRef> =
            piece.iter().filter(is_meant).map(Stored::reference).collect();
        removed += relay_spool::blocking(|reply| spool.discard(records, removal, reply))?;
        progress.at(removed.records);
    }
    relay_spool::blocking(|reply| spool.give_back(reply))?;
    Ok(removed)
}

/// Why a record waits, in a few words.
fn waiting(record: &Stored, now: std::time::SystemTime) -> String {
    let refused = record
        .schedule
        .refused_since
        .map(|since| format!("refused for {}", Age::between(since, now)));
    let due = match record.schedule.due {
        None => None,
        Some(due) if due <= now => Some("due".to_owned()),
        Some(due) => Some(format!("tried in {}", Age::between(now, due))),
    };
    match (refused, due) {
        (None, None) => "ready".to_owned(),
        (Some(one), None) | (None, Some(one)) => one,
        (Some(refused), Some(due)) => format!("{refused}, {due}"),
    }
}

/// What is known of a record, bytes apart.
fn record_json(record: &Stored, target: &str) -> serde_json::Value {
    let Stored { id, meta, schedule, size, body_size } = record;
    json!({
        "id": id.get(),
        "target": target,
        "project": meta.project,
        "key": meta.key,
        "received": timestamp(meta.received),
        "event_id": meta.event_id,
        "item_count": meta.item_count,
        "items": serde_json::from_str(&meta.items).unwrap_or_else(|_| json!(meta.items)),
        "encoding": meta.encoding,
        "size": size,
        "body_size": body_size,
        "attempts": schedule.attempts,
        "due": schedule.due.map(timestamp),
        "refused_since": schedule.refused_since.map(timestamp),
    })
}

/// How many items a record has by category, of what the server writes of them.
fn counts(items: &str) -> Option<BTreeMap<String, u64>> {
    let items: BTreeMap<String, serde_json::Value> = serde_json::from_str(items).ok()?;
    // A number, or an object where that is not all.
    let counts = items.into_iter().map(|(category, items)| {
        let count = items.as_u64().or_else(|| items.get("items")?.as_u64());
        count.map(|count| (category, count))
    });
    counts.collect()
}

/// The same for people: `2 attachment+attachment_item, 1 error`.
fn items(record: &Stored) -> String {
    match counts(&record.meta.items) {
        Some(counts) => {
            let counts = counts.iter().map(|(category, count)| format!("{count} {category}"));
            printable(&counts.collect::<Vec<_>>().join(", "))
        }
        None => record.meta.item_count.to_string(),
    }
}

fn totals_json(totals: Totals) -> serde_json::Value {
    json!({ "records": totals.records, "items": totals.items, "bytes": totals.bytes })
}

/// `1 record with 2 items`
fn count(totals: Totals) -> String {
    let plural = |number: u64| if number == 1 { "" } else { "s" };
    let Totals { records, items, .. } = totals;
    format!("{records} record{} with {items} item{}", plural(records), plural(items))
}
