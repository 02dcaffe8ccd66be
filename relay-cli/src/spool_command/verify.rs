//! `relay spool verify`

use std::io::Write;
use std::path::Path;

use relay_spool::{Totals, View};
use serde_json::json;

use super::{Failed, Output, totals_json};
use crate::failure::Failure;
use crate::progress::Progress;

/// So many findings of a kind are told to people.
const TOLD: usize = 20;

pub(super) fn verify(view: &View, folder: &Path, out: &mut Output) -> Result<(), Failed> {
    let total: u64 = view.targets()?.iter().map(|(.., totals)| totals.records).sum();
    let mut progress = Progress::new("checked", Some(total));
    let findings = view.verify(|records| progress.at(records))?;
    drop(progress);
    if out.json {
        out.json(&json!({
            "sound": findings.is_sound(),
            "records": findings.records,
            "structure": findings.structure,
            "totals": findings.totals.iter()
                .map(|(target, written, counted)| json!({
                    "target": target, "written": totals_json(*written), "counted": totals_json(*counted),
                }))
                .collect::<Vec<_>>(),
            "damaged": findings.damaged.iter().map(|id| id.get()).collect::<Vec<_>>(),
        }))?;
    }
    if findings.is_sound() {
        if !out.json {
            writeln!(out.sink, "{}: sound, {} records", folder.display(), findings.records)?;
        }
        return Ok(());
    }
    let mut failure = Failure::new(format!("the spool in {} is damaged", folder.display()));
    for finding in findings.structure.iter().take(TOLD) {
        failure = failure.caused_by(finding);
    }
    for (target, written, counted) in findings.totals.iter().take(TOLD) {
        let said = |totals: &Totals| {
            format!("{} records, {} items, {} bytes", totals.records, totals.items, totals.bytes)
        };
        failure = failure.caused_by(format!(
            "target {target:?} is said to have {}; it has {}",
            said(written),
            said(counted)
        ));
    }
    for id in findings.damaged.iter().take(TOLD) {
        failure =
            failure.caused_by(format!("record {id}: its bytes are not those that were stored"));
    }
    let untold = findings.damaged.len().saturating_sub(TOLD);
    if untold > 0 {
        failure = failure.caused_by(format!("{untold} more records have the same"));
    }
    Err(failure.into())
}
