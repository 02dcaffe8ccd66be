//! `relay spool ls`

use std::time::SystemTime;

use relay_spool::{RecordId, Stored, View};

use super::{Failed, Names, Output, PIECE, filter, items, record_json, waiting};
use crate::age::Age;
use crate::args::FilterArgs;
use crate::byte_size::Rounded;
use crate::printable::printable;
use crate::table::Table;

pub(super) fn ls(
    view: &View,
    args: &FilterArgs,
    limit: Option<u64>,
    mut after: RecordId,
    out: &mut Output,
) -> Result<(), Failed> {
    let filter = filter(args, view)?;
    let now = SystemTime::now();
    let mut table = Table::new([
        "RECORD>", "AGE>", "TARGET", "PROJECT>", "SIZE>", "TRIES>", "WAITING", "EVENT", "ITEMS",
    ]);
    let mut left = limit.unwrap_or(u64::MAX);
    while left > 0 {
        let piece =
            view.select(&filter, after, usize::try_from(left).unwrap_or(PIECE).min(PIECE))?;
        let Some(last) = piece.last() else { break };
        after = last.id;
        left -= piece.len() as u64;
        // Anew for each piece: a running relay may have got another target.
        let names = Names::of(view)?;
        for record in &piece {
            let target = names.name(record.meta.target);
            match out.json {
                true => out.json(&record_json(record, target))?,
                false => table.push(row(record, target, now)),
            }
        }
        table.write(&mut out.sink)?;
    }
    Ok(())
}

fn row(record: &Stored, target: &str, now: SystemTime) -> [String; 9] {
    let Stored { id, meta, schedule, size, .. } = record;
    [
        id.to_string(),
        Age::between(meta.received, now).to_string(),
        printable(target),
        meta.project.to_string(),
        Rounded(*size).to_string(),
        schedule.attempts.to_string(),
        waiting(record, now),
        printable(meta.event_id.as_deref().unwrap_or("-")),
        items(record),
    ]
}
