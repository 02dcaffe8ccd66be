//! A disk whose power may fail: of what was not synced by then, anything may be there, or parts of it, or nothing.
//!
//! Files and folders are told apart: syncing a file says nothing about its name. What was not synced:
//!
//! - writes and truncations of a file: all, none, or most up to a torn one and some behind it. A torn write leaves some of its sectors of 512 bytes, or a piece that begins and ends at any byte. Which of two writes to
//!   one place went last is not random, that would be another page cache; which of two places was written first is.
//!   Where a file has grown without the data there are zeros, or what the disk held before.
//! - new, renamed and removed names: the first few, as a journal would have it, or, name by name, as without one. A
//!   rename happens as one.
//! - a sync that fails has lost some of what it should have written for good: the next one does not know of it.
//!
//! Nothing changes outside of what was written: SQLite relies on that (`SQLITE_IOCAP_POWERSAFE_OVERWRITE`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::interposer::Operation;
use crate::random::Random;

const SECTOR: u64 = 512;

#[derive(Default)]
pub(crate) struct Disk {
    files: BTreeMap<u64, File>,
    folders: BTreeSet<u64>,
    /// As the processes see them.
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    pending_names: Vec<Rename>,
}

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write { offset: u64, data: Vec<u8> },
    Truncate(u64),
}

/// A name that went, one that came, or both at once.
#[derive(Clone)]
struct Rename {
    gone: Option<String>,
    new: Option<(String, u64)>,
}

impl Disk {
    pub(crate) fn apply(&mut self, operation: &Operation, random: &mut Random) {
        match operation {
            Operation::Create { path, inode } => {
                self.files.insert(*inode, File::default());
                self.rename(None, Some((path.clone(), *inode)));
            }
            Operation::MakeFolder { path, inode } => {
                self.folders.insert(*inode);
                self.rename(None, Some((path.clone(), *inode)));
            }
            Operation::Rename { inode, from, to } => {
                self.rename(Some(from.clone()), Some((to.clone(), *inode)));
            }
            Operation::Remove { path } => self.rename(Some(path.clone()), None),
            Operation::Write { inode, offset, data } => {
                let change = Change::Write { offset: *offset, data: data.clone() };
                self.file(*inode).pending.push(change);
            }
            Operation::Truncate { inode, length } => {
                self.file(*inode).pending.push(Change::Truncate(*length));
            }
            Operation::Sync { inode, path } => {
                // The watched folder itself was there before.
                if path.is_empty() || self.folders.contains(inode) {
                    self.sync_names(path);
                    return;
                }
                let file = self.file(*inode);
                for change in std::mem::take(&mut file.pending) {
                    change.apply(&mut file.durable, None);
                }
            }
            Operation::SyncFailed { inode } => {
                self.file(*inode).pending.retain(|_| random.once_in(2));
            }
            Operation::Mark(_) => {}
        }
    }

    fn file(&mut self, inode: u64) -> &mut File {
        self.files.entry(inode).or_default()
    }

    fn rename(&mut self, gone: Option<String>, new: Option<(String, u64)>) {
        let rename = Rename { gone, new };
        rename.apply(&mut self.names);
        self.pending_names.push(rename);
    }

    /// All names in `folder` are on the disk.
    fn sync_names(&mut self, folder: &str) {
        let is_in = |name: &str| Path::new(name).parent() == Some(Path::new(folder));
        let pending = std::mem::take(&mut self.pending_names);
        for rename in pending {
            let concerned = rename.names().any(is_in);
            if concerned {
                rename.apply(&mut self.durable_names);
            } else {
                self.pending_names.push(rename);
            }
        }
    }

    /// Makes `folder` what the disk may hold if the power fails now.
    pub(crate) fn cut(&self, folder: &Path, random: &mut Random) -> std::io::Result<()> {
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir(folder)?;
        let names = self.surviving_names(random);
        // Parents come before what is in them.
        for (name, inode) in &names {
            let path = folder.join(name);
            if path.parent().is_none_or(|parent| !parent.is_dir()) {
                continue;
            }
            if self.folders.contains(inode) {
                std::fs::create_dir(&path)?;
            } else if let Some(file) = self.files.get(inode) {
                std::fs::write(&path, file.surviving(random))?;
            }
        }
        Ok(())
    }

    fn surviving_names(&self, random: &mut Random) -> BTreeMap<String, u64> {
        let mut names = self.durable_names.clone();
        if random.once_in(2) {
            let first = random.below(self.pending_names.len() + 1);
            for rename in &self.pending_names[..first] {
                rename.apply(&mut names);
            }
            return names;
        }
        // Once one was lost, nothing comes through that touches the same names.
        let mut lost: Vec<&str> = Vec::new();
        for rename in &self.pending_names {
            if random.once_in(3) || rename.names().any(|name| lost.contains(&name)) {
                lost.extend(rename.names());
            } else {
                rename.apply(&mut names);
            }
        }
        names
    }
}

impl Rename {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.gone.as_deref().into_iter().chain(self.new.as_ref().map(|(name, _)| name.as_str()))
    }

    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        if let Some(gone) = &self.gone {
            names.remove(gone);
        }
        if let Some((new, inode)) = &self.new {
            names.insert(new.clone(), *inode);
        }
    }
}

impl File {
    fn surviving(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        if self.pending.is_empty() {
            return bytes;
        }
        let stale = random.once_in(2).then(|| random.clone());
        let last = match random.below(4) {
            0 => return bytes,
            1 => self.pending.len(),
            _ => random.below(self.pending.len()),
        };
        // Those before `last` are there, or so many of eight; of the others so many.
        let before = [8, 8, 7, 4][random.below(4)];
        let behind = [0, 0, 1, 4][random.below(4)];
        for (index, change) in self.pending.iter().enumerate() {
            let share = if index < last { before } else { behind };
            if random.below(8) < share {
                change.apply(&mut bytes, stale.clone());
            } else if index == last || share > 0 && random.once_in(2) {
                change.torn(random).iter().for_each(|part| part.apply(&mut bytes, stale.clone()));
            }
        }
        bytes
    }
}

impl Change {
    /// `stale` is what unwritten places of the disk hold, if not zeros.
    fn apply(&self, bytes: &mut Vec<u8>, stale: Option<Random>) {
        let grow = |bytes: &mut Vec<u8>, length: usize| {
            if let Some(mut stale) = stale.clone()
                && bytes.len() < length
            {
                let fill = stale.number().to_le_bytes();
                let missing = length - bytes.len();
                bytes.extend(fill.iter().cycle().take(missing));
            }
            bytes.resize(length, 0);
        };
        match self {
            Self::Write { offset, data } => {
                let (start, end) = (*offset as usize, *offset as usize + data.len());
                if bytes.len() < start {
                    grow(bytes, start);
                }
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[start..end].copy_from_slice(data);
            }
            Self::Truncate(length) => grow(bytes, *length as usize),
        }
    }

    /// What is left of it.
    fn torn(&self, random: &mut Random) -> Vec<Self> {
        let Self::Write { offset, data } = self else {
            return if random.once_in(2) { vec![self.clone()] } else { Vec::new() };
        };
        let piece = |from: u64, to: u64| Self::Write {
            offset: from,
            data: data[(from - offset) as usize..(to - offset) as usize].to_vec(),
        };
        let end = offset + data.len() as u64;
        if random.once_in(2) {
            let from = offset + random.below(data.len()) as u64;
            let to = from + 1 + random.below((end - from) as usize) as u64;
            return match random.below(3) {
                0 => vec![piece(from, to)],
                1 => vec![piece(from, end)],
                _ => vec![piece(*offset, to)],
            };
        }
        (offset / SECTOR..end.div_ceil(SECTOR))
            .filter(|_| random.once_in(2))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|sector| piece((sector * SECTOR).max(*offset), ((sector + 1) * SECTOR).min(end)))
            .collect()
    }
}
