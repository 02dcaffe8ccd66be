//! Loading: defaults, config file, environment and flags, each over the one before.

use std::collections::BTreeMap;
use std::env::{self, VarError};
use std::path::{Path, PathBuf};

use relay_dsn::Dsn;
use relay_server::Config;
use relay_server::config::{Mode as Served, Upstream};

use crate::failure::Failure;
use crate::keys::{KEYS, Key};
use crate::raw_config::{FILE_NAME, RawConfig};
use crate::settings::{Mode, Settings};
use crate::value::Value;

/// The config folder, relative to the working directory.
pub(crate) const DEFAULT_FOLDER: &str = ".relay";

/// Its name in the days of Semaphore.
const LEGACY_FOLDER: &str = ".semaphore";

/// Where the spool is in the config folder, unless it is said to be elsewhere.
const SPOOL_FOLDER: &str = "spool";

const MODE: &str = "relay.mode";
const UPSTREAM: &str = "relay.upstream";
const SHUTDOWN_TIMEOUT: &str = "limits.shutdown_timeout";
const SPOOL_PATH: &str = "spool.path";
const PROCESSING: &str = "processing.enabled";

/// Variables of the reference that have no effect here.
const IGNORED_VARIABLES: [&str; 8] = [
    "RELAY_ID",
    "RELAY_PUBLIC_KEY",
    "RELAY_SECRET_KEY",
    "RELAY_INSTANCE",
    "RELAY_KAFKA_BROKER_URL",
    "RELAY_REDIS_URL",
    "RELAY_SERVER_NAME",
    "RELAY_SOURCE_ID",
];

/// What flags say about the configuration. Without `Debug`: a DSN may hold a secret.
#[derive(Default)]
pub(crate) struct Overrides {
    /// `--config`
    pub(crate) folder: Option<PathBuf>,
    /// Key, flag and value, in rising precedence.
    pub(crate) settings: Vec<(&'static str, &'static str, String)>,
    /// `--upstream-dsn`
    pub(crate) upstream_dsn: Option<String>,
    /// Flags that are understood and have no effect.
    pub(crate) ignored: Vec<&'static str>,
}

/// The configuration in force.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    /// Where `config.yml` was read, if anywhere.
    pub(crate) folder: Option<PathBuf>,
    /// Why the mode is what it is, as half a sentence.
    pub(crate) mode_reason: String,
    /// What an operator should know and need not mend.
    pub(crate) warnings: Vec<String>,
}

impl Loaded {
    /// What the server runs with.
    ///
    /// # Errors
    ///
    /// If something is asked for that this relay does not do.
    pub(crate) fn server_config(&self) -> Result<Config, Failure> {
        if self.settings.processing {
            return Err(Failure::new(format!("invalid config value (field {PROCESSING})"))
                .caused_by("this relay has no processing, it sends on to a Sentry that has"));
        }
        match self.settings.mode {
            Mode::Served(_) => Ok(self.settings.server.clone()),
            mode @ (Mode::Static | Mode::Managed) => Err(Failure::new(format!(
                "the mode {mode} is not available yet: set {MODE}, RELAY_MODE or --mode to proxy, which \
                 sends everything on to the upstream, or to capture, which keeps it here"
            ))
            .caused_by(format!("the mode is {mode} because {}", self.mode_reason))),
        }
    }
}

/// Loads what `overrides`, the environment and the config folder say.
///
/// # Errors
///
/// If the file cannot be read, or a value does not fit its key; the message names file, line and key, or
/// the variable or flag.
pub(crate) fn load(overrides: &Overrides) -> Result<Loaded, Failure> {
    let mut layers = Layers::default();
    let mut warnings = Vec::new();
    let folder = find_folder(overrides.folder.as_deref(), &mut warnings);
    if let Some(folder) = &folder {
        layers.read_file(folder)?;
    }
    layers.read_environment()?;
    for (path, flag, value) in &overrides.settings {
        layers.set(path, flag, &Value::from_outside(value))?;
    }
    if let Some(dsn) = &overrides.upstream_dsn {
        layers.set_upstream_dsn("--upstream-dsn", dsn)?;
    }
    layers.ignored.extend(overrides.ignored.iter().map(ToString::to_string));
    if !layers.ignored.is_empty() {
        warnings.push(format!("these have no effect: {}", layers.ignored.join(", ")));
    }

    if !layers.sources.contains_key(SPOOL_PATH) {
        let folder = folder.as_deref().unwrap_or(Path::new(DEFAULT_FOLDER));
        layers.settings.server.spool.path = folder.join(SPOOL_FOLDER);
    }
    let (mode, mode_reason) = layers.mode(folder.as_deref());
    layers.settings.set_mode(mode);
    if mode == Mode::Served(Served::Capture) && !layers.settings.fan_out.is_empty() {
        warnings.push("fan_out has no effect in mode capture, in which nothing is sent".to_owned());
    }
    Ok(Loaded { settings: layers.settings, folder, mode_reason, warnings })
}

/// The folder to read `config.yml` from. Only a folder that was asked for must have one.
fn find_folder(asked: Option<&Path>, warnings: &mut Vec<String>) -> Option<PathBuf> {
    if let Some(folder) = asked {
        return Some(folder.to_owned());
    }
    let default = Path::new(DEFAULT_FOLDER);
    if default.join(FILE_NAME).exists() {
        return Some(default.to_owned());
    }
    let legacy = Path::new(LEGACY_FOLDER);
    if !default.exists() && legacy.join(FILE_NAME).exists() {
        warnings.push(format!(
            "reading the config folder {LEGACY_FOLDER}, whose name is outdated: rename it to {DEFAULT_FOLDER}"
        ));
        return Some(legacy.to_owned());
    }
    None
}

/// The settings while they are put together.
#[derive(Default)]
struct Layers {
    settings: Settings,
    /// Who set a key last.
    sources: BTreeMap<&'static str, String>,
    ignored: Vec<String>,
}

impl Layers {
    fn read_file(&mut self, folder: &Path) -> Result<(), Failure> {
        let config = RawConfig::load(folder, &mut self.settings)?;
        let source = folder.join(FILE_NAME).display().to_string();
        self.sources.extend(config.keys.into_iter().map(|key| (key, source.clone())));
        self.ignored.extend(config.ignored.iter().map(ToString::to_string));
        Ok(())
    }

    fn read_environment(&mut self) -> Result<(), Failure> {
        // The name without prefix is the reference's, and so is its patience with nonsense.
        if let Some(seconds) =
            env::var("SHUTDOWN_TIMEOUT").ok().and_then(|text| text.parse::<u32>().ok())
        {
            self.set(SHUTDOWN_TIMEOUT, "SHUTDOWN_TIMEOUT", &Value::Integer(seconds.into()))?;
        }
        if let Some(dsn) = variable("RELAY_UPSTREAM_DSN")?.filter(|dsn| !dsn.is_empty()) {
            self.set_upstream_dsn("RELAY_UPSTREAM_DSN", &dsn)?;
        }
        for key in KEYS {
            let Some(name) = key.variable else { continue };
            let value = match (key.path, variable(name)?) {
                (PROCESSING, Some(text)) => flag_of_variable(&text),
                (_, Some(text)) if !text.is_empty() => Value::from_outside(&text),
                // Empty variables are what is left of unset ones in compose files.
                _ => continue,
            };
            self.set(key.path, name, &value)?;
        }
        let ignored = IGNORED_VARIABLES
            .into_iter()
            .filter(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
        self.ignored.extend(ignored.map(str::to_owned));
        Ok(())
    }

    /// Sets a key as the variable or flag `source` says.
    fn set(&mut self, path: &'static str, source: &str, value: &Value) -> Result<(), Failure> {
        let key = Key::find(path).expect("the callers name keys of the table");
        key.set(&mut self.settings, value).map_err(|error| {
            Failure::new(format!("invalid config value (field {path})"))
                .caused_by(format!("{source}: {}", error.0))
        })?;
        self.sources.insert(path, source.to_owned());
        Ok(())
    }

    fn set_upstream_dsn(&mut self, source: &str, dsn: &str) -> Result<(), Failure> {
        let invalid = |error: &dyn std::error::Error| {
            Failure::new(format!("invalid config value (field {UPSTREAM})"))
                .caused_by(format!("{source} is not a DSN"))
                .caused_by_error(error)
        };
        let dsn: Dsn = dsn.parse().map_err(|error| invalid(&error))?;
        self.settings.server.upstream =
            Upstream::from_dsn(&dsn).map_err(|error| invalid(&error))?;
        self.sources.insert(UPSTREAM, source.to_owned());
        Ok(())
    }

    /// The mode in force, and why.
    fn mode(&self, folder: Option<&Path>) -> (Mode, String) {
        if let Some(source) = self.sources.get(MODE) {
            return (self.settings.mode, format!("{source} says so"));
        }
        match (folder, self.sources.get(UPSTREAM)) {
            (Some(folder), _) => {
                let file = folder.join(FILE_NAME);
                (Mode::Managed, format!("{} names no other", file.display()))
            }
            (None, Some(source)) => {
                (Mode::Served(Served::Proxy), format!("{source} names an upstream"))
            }
            (None, None) => (
                Mode::Served(Served::Capture),
                "there is neither a config file nor an upstream".to_owned(),
            ),
        }
    }
}

fn variable(name: &'static str) -> Result<Option<String>, Failure> {
    match env::var(name) {
        Ok(text) => Ok(Some(text)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Failure::new(format!("{name} is not UTF-8"))),
    }
}

/// The reference reads digits as well, for this one only.
fn flag_of_variable(text: &str) -> Value {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Value::Bool(true),
        "false" | "0" | "" => Value::Bool(false),
        _ => Value::Text(text.to_owned()),
    }
}
