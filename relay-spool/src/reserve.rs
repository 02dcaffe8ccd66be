//! The reserve: room on the disk that is kept for making room.
//!
//! To remove something takes room in the log first, and to bring the log into the file may take as much again: on a disk
//! that is full neither is possible, and delivering all there is would free nothing. So a file as large as the log lies
//! beside it, which goes when that happens.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use crate::database::log_of;

const RESERVE_FILE: &str = "spool.reserve";

/// It grows in such steps, and is to be looked after when the log has.
pub(crate) const STEP: u64 = 256 * 1024;

/// The log is larger for moments at most.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Lets the reserve be as large as the log and a step more, and at least that large, as far as there is room for it.
pub(crate) fn keep(folder: &Path, least: u64) -> std::io::Result<()> {
    let size_of = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
    let path = folder.join(RESERVE_FILE);
    let (size, log) = (size_of(&path), size_of(&log_of(folder)));
    let wanted = if log == 0 { least } else { (log + STEP).min(LARGEST).max(least) };
    if size >= wanted {
        return Ok(());
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    crate::lock::private(&mut options);
    let mut file = options.open(path)?;
    // Some file systems make nothing of zeros.
    let mut noise = size | 1;
    let mut step = Vec::with_capacity(STEP as usize);
    while (step.len() as u64) < STEP {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        step.extend_from_slice(&noise.to_le_bytes());
    }
    for _ in 0..(wanted - size).div_ceil(STEP) {
        file.write_all(&step)?;
    }
    Ok(())
}

/// Gives the reserve to whoever needs room now.
pub(crate) fn release(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(folder.join(RESERVE_FILE)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
