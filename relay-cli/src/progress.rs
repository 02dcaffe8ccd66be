//! Progress: a line on the terminal that says how far long work has come.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// A line on standard error, if that is a terminal; it goes away with this.
pub(crate) struct Progress {
    verb: &'static str,
    /// Of how many, where that is known.
    total: Option<u64>,
    is_shown: bool,
    next: Instant,
}

impl Progress {
    /// Shows nothing before some time has passed: short work needs no progress.
    pub(crate) fn new(verb: &'static str, total: Option<u64>) -> Self {
        Self { verb, total, is_shown: false, next: Instant::now() + Duration::from_millis(500) }
    }

    pub(crate) fn at(&mut self, records: u64) {
        let now = Instant::now();
        if now < self.next || !io::stderr().is_terminal() {
            return;
        }
        self.next = now + Duration::from_millis(100);
        self.is_shown = true;
        // Nothing depends on it.
        let _ = match self.total {
            Some(total) => write!(io::stderr(), "\r{} {records} of {total} records", self.verb),
            None => write!(io::stderr(), "\r{} {records} records", self.verb),
        };
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
