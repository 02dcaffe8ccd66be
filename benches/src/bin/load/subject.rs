//! Processes that the tool starts: the sink, the floors and the relay.

use std::error::Error;
use std::fmt::Display;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::Result;
use crate::client::Connection;
use crate::floor::Floor;
use crate::measure::Target;

/// A child process that listens; killed when dropped.
#[derive(Debug)]
pub(crate) struct Subject {
    child: Child,
    address: SocketAddr,
    /// Where its stderr goes, if not to ours.
    log: Option<PathBuf>,
}

impl Subject {
    pub(crate) fn sink() -> Result<Self> {
        Self::own(&["sink"])
    }

    pub(crate) fn floor(what: Floor, upstream: SocketAddr) -> Result<Self> {
        let what = what.to_possible_value().ok_or("every floor has a name")?;
        Self::own(&["floor", "--what", what.get_name(), "--upstream", &upstream.to_string()])
    }

    /// This program again, which prints its address first of all.
    fn own(arguments: &[&str]) -> Result<Self> {
        let program = std::env::current_exe()?;
        let mut child = Command::new(program).args(arguments).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        Ok(Self { address: line.trim_end().parse()?, child, log: None })
    }

    /// Starts a relay in proxy mode without waiting for it, in a folder without configuration.
    pub(crate) fn relay(program: &Path, upstream: SocketAddr, folder: &Folder) -> Result<Self> {
        // The port is free now and nobody else is looking for one: good enough for a bench.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let log = folder.0.join("relay.err");
        let child = Command::new(program)
            .args(["run", "--mode", "proxy", "--upstream", &format!("http://{upstream}")])
            .args(["-H", &address.ip().to_string(), "-P", &address.port().to_string()])
            .current_dir(&folder.0)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        Ok(Self { child, address, log: Some(log) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn target(&self) -> Target {
        Target { address: self.address, pid: self.child.id() }
    }

    /// A connection, as soon as the process accepts one. Asks without a pause: start-up is measured with it.
    pub(crate) async fn connect(&mut self) -> Result<Connection> {
        let started = Instant::now();
        loop {
            match Connection::open(self.address).await {
                Ok(connection) => return Ok(connection),
                Err(error) if started.elapsed() > START_UP => return Err(self.failed(&error)),
                Err(_) => {}
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(self.failed(&status));
            }
        }
    }

    fn failed(&self, how: &dyn Display) -> Box<dyn Error + Send + Sync> {
        let log =
            self.log.as_ref().and_then(|log| std::fs::read_to_string(log).ok()).unwrap_or_default();
        format!("nobody listens on {}: {how}\n{log}", self.address).into()
    }

    /// Asks the process to stop and gives back how long that took it.
    pub(crate) fn terminate(mut self) -> Result<Duration> {
        let asked = Instant::now();
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        if !status.success() {
            return Err("kill failed".into());
        }
        self.child.wait()?;
        Ok(asked.elapsed())
    }
}

/// What takes longer to listen than this has failed.
const START_UP: Duration = Duration::from_secs(10);

impl Drop for Subject {
    fn drop(&mut self) {
        // It may have ended by itself, which is what is wanted here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An empty folder for a relay to run in; removed when dropped.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("relay-load-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
