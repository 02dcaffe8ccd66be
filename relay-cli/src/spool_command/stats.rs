//! `relay spool stats`

use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use relay_spool::{Removal, Totals, View};
use serde_json::json;

use super::{Failed, Output, count, totals_json};
use crate::age::{Age, timestamp};
use crate::byte_size::Rounded;
use crate::printable::printable;
use crate::table::Table;

pub(super) fn stats(view: &View, folder: &Path, out: &mut Output) -> Result<(), Failed> {
    let holder = view.holder();
    let files = view.files()?;
    let mut targets = Vec::new();
    let mut total = Totals::default();
    for (id, name, totals) in view.targets()? {
        total += totals;
        targets.push((name, totals, view.oldest_of(id)?));
    }
    let oldest = targets.iter().filter_map(|(.., oldest)| *oldest).min();
    let removed = removed(view)?;

    if out.json {
        let mut json = json!({
            "folder": folder.display().to_string(),
            "holder": holder,
            "database_size": files.database,
            "log_size": files.log,
            "set_aside": files.set_aside.iter()
                .map(|(path, size)| json!({ "path": path.display().to_string(), "size": size }))
                .collect::<Vec<_>>(),
            "total": totals_json(total),
            "oldest": oldest.map(timestamp),
        });
        for (removal, totals) in &removed {
            let Totals { records, items, .. } = totals;
            json["removed"][removal.as_str()] = json!({ "records": records, "items": items });
        }
        json["targets"] = targets
            .iter()
            .map(|(name, totals, oldest)| {
                let mut target = totals_json(*totals);
                target["name"] = json!(name);
                target["oldest"] = json!(oldest.map(timestamp));
                target
            })
            .collect();
        return Ok(out.json(&json)?);
    }

    let sink = &mut out.sink;
    writeln!(sink, "folder     {}", folder.display())?;
    writeln!(sink, "in use by  {}", holder.as_deref().map_or("nobody".to_owned(), printable))?;
    let (database, log) = (Rounded(files.database), Rounded(files.log));
    writeln!(sink, "files      database {database}, log {log}")?;
    for (path, size) in &files.set_aside {
        writeln!(sink, "damaged    {}, {}", path.display(), Rounded(*size))?;
    }
    writeln!(sink)?;
    let now = SystemTime::now();
    let mut table = Table::new(["TARGET", "RECORDS>", "ITEMS>", "SIZE>", "OLDEST>"]);
    let all = [("all".to_owned(), total, oldest)];
    for (name, totals, oldest) in targets.iter().chain(&all) {
        table.push([
            printable(name),
            totals.records.to_string(),
            totals.items.to_string(),
            Rounded(totals.bytes).to_string(),
            oldest.map_or("-".to_owned(), |oldest| Age::between(oldest, now).to_string()),
        ]);
    }
    table.write(sink)?;
    for (removal, totals) in removed {
        writeln!(
            sink,
            "\n{}, and not accounted for by a relay yet: {}",
            removal.as_str(),
            count(totals)
        )?;
    }
    Ok(())
}

/// What was removed by hand since a relay last ran, by the reason. Of the bytes nobody kept account.
fn removed(view: &View) -> Result<Vec<(Removal, Totals)>, Failed> {
    let mut removed: Vec<(Removal, Totals)> = Vec::new();
    for entry in view.removed()? {
        let totals = Totals { records: entry.records, items: entry.item_count, bytes: 0 };
        match removed.iter_mut().find(|(removal, _)| *removal == entry.removal) {
            Some((_, sum)) => *sum += totals,
            None => removed.push((entry.removal, totals)),
        }
    }
    Ok(removed)
}
