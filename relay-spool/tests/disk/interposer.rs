//! The interposer: a child process whose file operations are written down, or fail when told to.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, OnceLock, PoisonError};

use tempfile::TempDir;

/// Which task a child is to do; whoever has it set is one.
const TASK: &str = "RELAY_SPOOL_TASK";

/// The task of this process, if it is a child.
pub(crate) fn task() -> Option<String> {
    std::env::var(TASK).ok()
}

/// A folder that holds no spool yet, with a process to be started on it.
pub(crate) struct Watched {
    base: TempDir,
}

impl Watched {
    /// In memory where the system has such a place: what a disk would lose is our business, not its.
    pub(crate) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let base = base.expect("a folder for a test");
        std::fs::create_dir(base.path().join("watched")).expect("it is empty");
        Self { base }
    }

    /// Everything below it is watched.
    pub(crate) fn folder(&self) -> PathBuf {
        self.base.path().join("watched")
    }

    /// Where a copy may be made of what a crash leaves of it.
    pub(crate) fn crashed(&self) -> PathBuf {
        self.base.path().join("crashed")
    }

    /// Runs this program again, as a child that does `task`, below the interposer.
    pub(crate) fn run(&self, task: &str, record: bool) -> Output {
        let mut command = Command::new(std::env::current_exe().expect("this program is a file"));
        command
            .env(TASK, task)
            .env("LD_PRELOAD", library())
            .env("RELAY_SPOOL_WATCH", self.folder())
            .env("RELAY_SPOOL_COMMANDS", self.base.path().join("commands"))
            .env("RUST_BACKTRACE", "0");
        if record {
            command.env("RELAY_SPOOL_LOG", self.base.path().join("log"));
        }
        command.output().expect("this program can be started")
    }

    /// What was written down so far.
    pub(crate) fn log(&self) -> Vec<u8> {
        std::fs::read(self.base.path().join("log")).expect("the child has begun one")
    }
}

/// The child's side: where the spool is, and a way to speak to the interposer.
pub(crate) struct Interposer {
    pub(crate) folder: PathBuf,
    commands: Mutex<std::fs::File>,
}

impl Interposer {
    pub(crate) fn new() -> Self {
        let path = |name| PathBuf::from(std::env::var_os(name).expect("this is a child"));
        let commands = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path("RELAY_SPOOL_COMMANDS"))
            .expect("it can be made");
        Self { folder: path("RELAY_SPOOL_WATCH").join("spool"), commands: Mutex::new(commands) }
    }

    /// Ends the process as a kill would, but between two operations.
    pub(crate) fn end(&self) -> ! {
        self.say("end");
        unreachable!("the process has ended");
    }

    /// A command, or a mark among the operations.
    pub(crate) fn say(&self, text: &str) {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.write_all(text.as_bytes()).expect("the interposer takes it");
    }
}

/// One change below the watched folder. Paths are relative to it, the folder itself is empty.
#[derive(Debug)]
pub(crate) enum Operation {
    Create {
        path: String,
        inode: u64,
    },
    MakeFolder {
        path: String,
        inode: u64,
    },
    Write {
        inode: u64,
        offset: u64,
        data: Vec<u8>,
    },
    Truncate {
        inode: u64,
        length: u64,
    },
    /// Of a file or of a folder, whose path is there for the latter.
    Sync {
        inode: u64,
        path: String,
    },
    SyncFailed {
        inode: u64,
    },
    Rename {
        inode: u64,
        from: String,
        to: String,
    },
    Remove {
        path: String,
    },
    Mark(String),
}

impl Operation {
    /// A name came, went, or changed.
    pub(crate) fn is_of_names(&self) -> bool {
        matches!(
            self,
            Self::Create { .. }
                | Self::MakeFolder { .. }
                | Self::Rename { .. }
                | Self::Remove { .. }
        )
    }

    /// All of a log.
    pub(crate) fn decode_all(mut log: &[u8]) -> Vec<Self> {
        let mut operations = Vec::new();
        while !log.is_empty() {
            operations.push(Self::decode(&mut log));
        }
        operations
    }

    fn decode(log: &mut &[u8]) -> Self {
        let kind = take(log, 1)[0];
        let mut number = || u64::from_le_bytes(take(log, 8).try_into().expect("eight bytes"));
        let (inode, offset) = (number(), number());
        let length = u32::from_le_bytes(take(log, 4).try_into().expect("four bytes"));
        let data = take(log, length as usize).to_vec();
        let text = || String::from_utf8(data.clone()).expect("paths and marks are UTF-8");
        match kind {
            1 => Self::Create { path: text(), inode },
            2 => Self::Write { inode, offset, data },
            3 => Self::Truncate { inode, length: offset },
            4 => Self::Sync { inode, path: text() },
            5 => Self::SyncFailed { inode },
            6 => {
                let text = text();
                let (from, to) = text.split_once('\n').expect("two paths");
                Self::Rename { inode, from: from.to_owned(), to: to.to_owned() }
            }
            7 | 9 => Self::Remove { path: text() },
            8 => Self::MakeFolder { path: text(), inode },
            10 => Self::Mark(text()),
            other => panic!("operation {other}"),
        }
    }
}

fn take<'a>(log: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = log.split_at(length);
    *log = rest;
    taken
}

/// The shared object, compiled once per run with the C compiler that SQLite needs anyway.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let new = folder.join(format!("interposer-{}.so", std::process::id()));
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&new)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/disk/interposer.c"))
            .output()
            .expect("README.md asks for a C compiler called cc");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        let library = folder.join("interposer.so");
        std::fs::rename(new, &library).expect("both are in one folder");
        library
    })
}
