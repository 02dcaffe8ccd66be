//! Settings: everything that file, variables and flags can say, as values that are in force.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::str::FromStr;

use relay_server::Config;
use tracing::level_filters::LevelFilter;

/// What `relay run` goes by. What is a key of `config.yml` is in [`KEYS`](crate::keys::KEYS).
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    /// Its `mode` follows the one above, see [`set_mode`](Self::set_mode).
    pub(crate) server: Config,
    /// The senders of `server.fan_out`, as they were written.
    pub(crate) fan_out: Vec<relay_dsn::Dsn>,
    pub(crate) logging: Logging,
    pub(crate) processing: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let server = Config { host: default_host(), ..Config::default() };
        Self {
            mode: Mode::Served(relay_server::config::Mode::Capture),
            server,
            fan_out: Vec::new(),
            logging: Logging::default(),
            processing: false,
        }
    }
}

impl Settings {
    pub(crate) fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
        if let Mode::Served(mode) = mode {
            self.server.mode = mode;
        }
    }
}

/// `relay.mode`, with the modes that cannot be run yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Served(relay_server::config::Mode),
    Static,
    Managed,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Served(mode) => mode.as_str(),
            Self::Static => "static",
            Self::Managed => "managed",
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("expected capture, proxy, static or managed")]
pub(crate) struct UnknownMode;

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        use relay_server::config::Mode::{Capture, Proxy};
        [Self::Served(Capture), Self::Served(Proxy), Self::Static, Self::Managed]
            .into_iter()
            .find(|mode| mode.to_string() == text)
            .ok_or(UnknownMode)
    }
}

/// `logging.*`
#[derive(Debug, Clone)]
pub(crate) struct Logging {
    pub(crate) level: Level,
    pub(crate) format: LogFormat,
}

impl Default for Logging {
    fn default() -> Self {
        Self { level: Level(LevelFilter::INFO), format: LogFormat::Auto }
    }
}

/// `logging.level`: a [`LevelFilter`] that reads names only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level(pub(crate) LevelFilter);

impl Level {
    /// The levels a flag may name; the file may also say `off`.
    pub(crate) const FLAGS: [&str; 5] = ["info", "warn", "error", "debug", "trace"];
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("expected off, error, warn, info, debug or trace")]
pub(crate) struct UnknownLevel;

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        match text {
            "off" => Ok(Self(LevelFilter::OFF)),
            name if Self::FLAGS.contains(&name) => name.parse().map(Self).map_err(|_| UnknownLevel),
            _ => Err(UnknownLevel),
        }
    }
}

/// `logging.format`: how a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// `Pretty` on a terminal, else `Simplified`.
    Auto,
    Pretty,
    Simplified,
    Json,
}

impl LogFormat {
    pub(crate) const NAMES: [&str; 4] = ["auto", "pretty", "simplified", "json"];
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Pretty => "pretty",
            Self::Simplified => "simplified",
            Self::Json => "json",
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("expected auto, pretty, simplified or json")]
pub(crate) struct UnknownFormat;

impl FromStr for LogFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        [Self::Auto, Self::Pretty, Self::Simplified, Self::Json]
            .into_iter()
            .find(|format| format.to_string() == text)
            .ok_or(UnknownFormat)
    }
}

/// Loopback; all interfaces in a container, whose loopback nobody outside can reach.
pub(crate) fn default_host() -> IpAddr {
    let in_docker = || {
        Path::new("/.dockerenv").exists()
            || std::fs::read_to_string("/proc/self/cgroup")
                .is_ok_and(|text| text.contains("/docker"))
    };
    if in_docker() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv4Addr::LOCALHOST.into() }
}
