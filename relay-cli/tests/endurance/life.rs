//! The lives of a relay: the same folder, one process after the other.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::upstream::TIMEOUT;

/// Where the living one listens, for whoever sends.
#[derive(Default)]
pub(crate) struct Address {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    address: Option<SocketAddr>,
    /// So many may be sent in this life.
    quota: u64,
    over: bool,
}

impl Address {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with the lock")
    }

    /// Waits until one more may be sent, and says where to; `None` when all is over.
    pub(crate) fn turn(&self) -> Option<SocketAddr> {
        let waits =
            |state: &mut State| !state.over && (state.address.is_none() || state.quota == 0);
        let state = self.changed.wait_while(self.state(), waits);
        let mut state = state.expect("no thread panics with the lock");
        state.quota = state.quota.saturating_sub(1);
        state.address.filter(|_| !state.over)
    }

    /// Where the relay listens, if it does.
    pub(crate) fn now(&self) -> Option<SocketAddr> {
        self.state().address
    }

    /// Waits until it listens.
    pub(crate) fn wait(&self) {
        let state = self
            .changed
            .wait_timeout_while(self.state(), crate::PATIENCE, |state| state.address.is_none());
        let (state, _) = state.expect("no thread panics with the lock");
        assert!(state.address.is_some(), "the relay does not listen");
    }

    /// Nobody sends any more.
    pub(crate) fn end(&self) {
        self.state().over = true;
        self.changed.notify_all();
    }

    fn set(&self, address: Option<SocketAddr>) {
        self.state().address = address;
        self.changed.notify_all();
    }
}

/// A folder and the relays that live in it.
pub(crate) struct Lives {
    folder: PathBuf,
    config: String,
    durability: &'static str,
    pub(crate) address: Arc<Address>,
    count: u64,
    living: Option<Life>,
}

struct Life {
    child: Child,
    banner: JoinHandle<Option<Duration>>,
}

/// What a relay says of itself at its end.
#[derive(Debug)]
pub(crate) struct LastWords {
    pub(crate) recovered: u64,
    pub(crate) received: u64,
    pub(crate) made: u64,
    pub(crate) delivered: u64,
    pub(crate) discarded: u64,
    pub(crate) waiting: u64,
}

impl Lives {
    /// In a new folder; `config` is YAML beside the `relay` and `http` sections.
    pub(crate) fn new(
        name: &str,
        upstream: SocketAddr,
        config: &str,
        durability: &'static str,
    ) -> Self {
        let name = format!("endurance-{}-{name}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(folder.join(".relay")).expect("a new folder");
        let config = format!(
            "relay: {{mode: proxy, upstream: 'http://{upstream}/', host: 127.0.0.1, port: 0}}\n{config}\n"
        );
        Self { folder, config, durability, address: Arc::default(), count: 0, living: None }
    }

    /// The next relay; it may be sent so many envelopes.
    pub(crate) fn start(&mut self, quota: u64, max_retry_interval: u64) {
        assert!(self.living.is_none());
        self.count += 1;
        // The upstream learns from the host which life an envelope comes from.
        let http = format!(
            "http: {{timeout: {}, retry_delay: 1, max_retry_interval: {max_retry_interval}, host_header: life-{}}}\n",
            TIMEOUT.as_secs(),
            self.count,
        );
        let config = format!("{}{http}", self.config);
        fs::write(self.folder.join(".relay/config.yml"), config).expect("a config file");
        let started = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_relay"))
            .arg("run")
            .current_dir(&self.folder)
            .env_clear()
            .env("RELAY_SPOOL_DURABILITY", self.durability)
            .envs(std::env::vars().filter(|(k, _)| k.starts_with("MALLOC_")))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(self.log()).expect("a log"))
            .spawn()
            .expect("the binary runs");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        self.address.state().quota = quota;
        let address = Arc::clone(&self.address);
        let banner = std::thread::spawn(move || {
            // Killed before it could say so, it listens nowhere.
            let line = stdout.lines().next()?.ok()?;
            let (_, listens) = line.split_once(" listens on http://")?;
            let took = started.elapsed();
            address.set(Some(listens.parse().ok()?));
            Some(took)
        });
        self.living = Some(Life { child, banner });
    }

    pub(crate) fn pid(&self) -> u32 {
        self.living.as_ref().expect("alive").child.id()
    }

    fn log(&self) -> PathBuf {
        self.folder.join("relay.log")
    }

    /// Ends the life at once (SIGKILL). How long it took from the start to listening, if it came so far.
    pub(crate) fn kill(&mut self) -> Option<Duration> {
        let Life { mut child, banner } = self.living.take().expect("alive");
        let ended = child.try_wait().expect("a child");
        assert_eq!(ended, None, "it ended by itself: {}", self.read_log());
        child.kill().expect("a child");
        child.wait().expect("a child");
        let took = banner.join().expect("no panic");
        self.address.set(None);
        took
    }

    /// Ends the life in good order (SIGTERM).
    pub(crate) fn terminate(&mut self) -> LastWords {
        let Life { mut child, banner } = self.living.take().expect("alive");
        banner.join().expect("no panic");
        let command = format!("kill -TERM {}", child.id());
        let asked = Command::new("/bin/sh").args(["-c", &command]).status();
        assert!(asked.expect("a shell").success());
        let status = child.wait().expect("a child");
        self.address.set(None);
        let log = self.read_log();
        assert!(status.success(), "{log}");
        let last = log.lines().last().unwrap_or_default();
        let figure = |name: &str| -> u64 {
            let figure = last
                .split_once(&format!(" {name}="))
                .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
            figure.unwrap_or_else(|| panic!("no {name} in {last:?}"))
        };
        let words = LastWords {
            recovered: figure("recovered"),
            received: figure("received"),
            made: figure("made"),
            delivered: figure("delivered"),
            discarded: figure("discarded"),
            waiting: figure("waiting"),
        };
        assert_eq!(
            words.recovered + words.received + words.made,
            words.delivered + words.discarded + words.waiting,
            "{words:?}"
        );
        words
    }

    pub(crate) fn read_log(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }
}

impl Drop for Lives {
    fn drop(&mut self) {
        if let Some(Life { mut child, .. }) = self.living.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
