//! `relay spool export` and `import`

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use relay_spool::{ArchiveReader, ArchiveWriter, Exported, Removal, Settings, Spool, View};
use serde_json::json;

use super::{Failed, Output, count, filter, remove, totals_json};
use crate::args::FilterArgs;
use crate::failure::Failure;
use crate::progress::Progress;

/// Bytes of an archive that are read or written at once.
const BUFFER: usize = 256 * 1024;

pub(super) fn export(
    folder: &Path,
    output: &Path,
    args: &FilterArgs,
    remove_exported: bool,
    out: &mut Output,
) -> Result<(), Failed> {
    let to_stdout = output.to_str() == Some("-");
    if to_stdout && remove_exported {
        return Err(Failure::new("--remove needs a file")
            .caused_by("only of a file is it known that it is on the disk")
            .into());
    }
    if to_stdout && io::stdout().is_terminal() {
        return Err(Failure::new("an archive is not for a terminal").into());
    }
    let view = View::open(folder)?;
    let spool = match remove_exported {
        true => Some(Spool::open(folder, Settings::default())?),
        false => None,
    };
    let filter = filter(args, &view)?;

    let mut progress = Progress::new("exported", Some(view.matching(&filter)?.records));
    let mut write = |sink: &mut dyn Write| -> Result<Exported, Failure> {
        let mut archive = ArchiveWriter::new(sink)?;
        let exported = view.export(&filter, &mut archive, |records| progress.at(records))?;
        archive.finish()?;
        Ok(exported)
    };
    let exported = if to_stdout {
        write(&mut out.sink)
    } else {
        let file = NewFile::create(output)?;
        let exported = write(&mut BufWriter::with_capacity(BUFFER, &file.file));
        exported.and_then(|exported| file.keep().map(|()| exported))
    };
    drop(progress);
    let exported = exported.map_err(|failure| {
        Failure::new(format!("could not export to {}", output.display())).caused_by_failure(failure)
    })?;

    let mut removed = false;
    if let Some(spool) = spool {
        remove(&spool, &view, &filter, exported.last, &exported.damaged, Removal::Exported)?;
        drop(view);
        spool.close();
        removed = true;
    }
    if !to_stdout {
        report(&exported, output, removed, out)?;
    }
    match exported.damaged.as_slice() {
        [] => Ok(()),
        [first, rest @ ..] => {
            Err(Failure::new(format!("{} damaged records were left out", rest.len() + 1))
                .caused_by(format!(
                    "the bytes of record {first} cannot be read, or are not those that were stored"
                ))
                .caused_by("relay spool verify names all of them")
                .into())
        }
    }
}

fn report(exported: &Exported, output: &Path, removed: bool, out: &mut Output) -> io::Result<()> {
    if out.json {
        let mut json = totals_json(exported.totals);
        json["damaged"] = exported.damaged.iter().map(|id| id.get()).collect();
        json["removed"] = json!(removed);
        return out.json(&json);
    }
    let removed = if removed { " and removed them" } else { "" };
    writeln!(out.sink, "exported {} to {}{removed}", count(exported.totals), output.display())
}

pub(super) fn import(
    folder: &Path,
    settings: Settings,
    file: &Path,
    target: Option<String>,
    out: &mut Output,
) -> Result<(), Failed> {
    let failed = |failure: Failure| {
        Failure::new(format!("nothing was imported from {}", file.display()))
            .caused_by_failure(failure)
    };
    let source: Box<dyn Read + Send> = match file.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(File::open(file).map_err(|error| failed(error.into()))?),
    };
    // Before the spool: what is no archive should not make a folder.
    let archive = ArchiveReader::new(BufReader::with_capacity(BUFFER, source))
        .map_err(|error| failed(error.into()))?;
    let spool = Spool::open(folder, settings)?;
    let mut progress = Progress::new("imported", None);
    let imported = spool.import(archive, target, move |records| progress.at(records));
    spool.close();
    let imported = imported.map_err(|error| failed(error.into()))?;
    if out.json {
        let mut json = totals_json(imported.totals);
        json["targets"] = json!(imported.targets);
        return Ok(out.json(&json)?);
    }
    let targets: Vec<_> = imported.targets.iter().map(|name| format!("{name:?}")).collect();
    write!(out.sink, "imported {} into {}", count(imported.totals), folder.display())?;
    match targets.as_slice() {
        [] => writeln!(out.sink)?,
        targets => writeln!(out.sink, ", for {}", targets.join(", "))?,
    }
    Ok(())
}

/// A file that was not there before, and is not there afterwards unless it is kept.
struct NewFile {
    path: PathBuf,
    file: File,
    is_kept: bool,
}

impl NewFile {
    fn create(path: &Path) -> Result<Self, Failure> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        // What waits may be personal data.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| {
            let is_there = error.kind() == io::ErrorKind::AlreadyExists;
            let failure = Failure::new(format!("could not make the file {}", path.display()));
            match is_there {
                // An export that was killed leaves one.
                true => failure.caused_by("it is there already: name another, or remove it"),
                false => failure.caused_by(error),
            }
        })?;
        Ok(Self { path: path.to_owned(), file, is_kept: false })
    }

    /// Returns when it is on the disk.
    fn keep(mut self) -> Result<(), Failure> {
        self.file.sync_all()?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // Not every system can sync a folder.
        let _ = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
        self.is_kept = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
