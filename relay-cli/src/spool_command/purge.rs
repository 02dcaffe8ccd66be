//! `relay spool purge`

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use relay_spool::{Removal, Settings, Spool, View};

use super::{Failed, Output, count, filter, remove, totals_json};
use crate::args::FilterArgs;
use crate::byte_size::Rounded;
use crate::failure::Failure;

pub(super) fn purge(
    folder: &Path,
    args: &FilterArgs,
    yes: bool,
    out: &mut Output,
) -> Result<(), Failed> {
    // Looked at first: `Spool::open` would make one.
    let view = View::open(folder)?;
    let spool = Spool::open(folder, Settings::default())?;
    let filter = filter(args, &view)?;
    let meant = view.matching(&filter)?;
    if !yes && meant.records > 0 {
        let size = Rounded(meant.bytes);
        let question = format!("Remove {}, {size}, from {}?", count(meant), folder.display());
        if !io::stdin().is_terminal() {
            return Err(Failure::new("there is no terminal to ask on")
                .caused_by(question)
                .caused_by("spool purge --yes does not ask")
                .into());
        }
        if !confirm(&question, &mut io::stdin().lock(), &mut io::stderr())? {
            return Ok(());
        }
    }
    let removed = remove(&spool, &view, &filter, view.last()?, &[], Removal::Purged)?;
    // It leaves the log behind otherwise.
    drop(view);
    spool.close();
    match out.json {
        true => Ok(out.json(&totals_json(removed))?),
        false => Ok(writeln!(out.sink, "removed {}", count(removed))?),
    }
}

fn confirm(
    question: &str,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> Result<bool, Failure> {
    write!(output, "{question} [y/N]: ")?;
    output.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        for (answer, expected) in
            [("y\n", true), ("YES\n", true), ("\n", false), ("", false), ("n\n", false)]
        {
            let mut output = Vec::new();
            let confirmed = confirm("Really?", &mut answer.as_bytes(), &mut output);
            assert_eq!(confirmed.expect("an answer"), expected, "{answer:?}");
            assert_eq!(output, b"Really? [y/N]: ");
        }
    }
}
