//! The lock of a spool folder: one relay at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::OpenError;

/// Beside the database; says who has it.
pub(crate) const LOCK_FILE: &str = "spool.lock";

/// Held as long as it lives; the system gives it back when the process ends, however that happens.
#[derive(Debug)]
pub(crate) struct FolderLock(#[expect(dead_code, reason = "held, not used")] File);

impl FolderLock {
    pub(crate) fn take(folder: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Folder { folder: folder.to_owned(), source };
        let path = folder.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        private(&mut options);
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = name_in(&mut file);
                return Err(OpenError::Locked { folder: folder.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // For people: the lock holds whether or not this can be written, on a full disk for example.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "process {}", std::process::id()));
        Ok(Self(file))
    }

    /// Whether somebody holds the lock of `folder`, and who. Leaves no trace, and can be asked by several at once.
    pub(crate) fn holder(folder: &Path) -> Option<String> {
        let mut file = File::open(folder.join(LOCK_FILE)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(name_in(&mut file)),
            _ => None,
        }
    }
}

/// Who holds the lock, as the file says.
fn name_in(file: &mut File) -> String {
    let mut holder = String::new();
    // Whoever holds it may be writing its name just now.
    let _ = file.take(1024).read_to_string(&mut holder);
    match holder.trim() {
        "" => "another process".to_owned(),
        holder => holder.to_owned(),
    }
}

/// What waits may be personal data: for the owner of the process alone.
#[cfg(unix)]
pub(crate) fn private(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600);
}

#[cfg(not(unix))]
pub(crate) fn private(_: &mut OpenOptions) {}
