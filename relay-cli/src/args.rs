//! Arguments: the command line, as clap reads it. Without `Debug`: some arguments are secrets.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use relay_protocol::EventId;

use crate::age::Moment;
use crate::load::Overrides;
use crate::settings::{Level, LogFormat};

/// Takes what Sentry SDKs send, and keeps it here or sends it on.
#[derive(Parser)]
#[command(name = "relay", version, propagate_version = true, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Folder with config.yml [default: .relay]
    #[arg(short, long, global = true, value_name = "FOLDER")]
    pub(crate) config: Option<PathBuf>,
    /// Least severe messages to log
    #[arg(long, global = true, value_name = "LEVEL", value_parser = Level::FLAGS)]
    pub(crate) log_level: Option<String>,
    /// How log lines look
    #[arg(long, global = true, value_name = "FORMAT", value_parser = LogFormat::NAMES)]
    pub(crate) log_format: Option<String>,
}

// Without a display name, `relay run --version` would call itself `relay-run`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve until a signal comes
    #[command(display_name = "relay")]
    Run(Box<RunArgs>),
    /// Make, show and check the configuration
    #[command(display_name = "relay", subcommand)]
    Config(ConfigCommand),
    /// Send an event or an envelope to a DSN and print its id
    #[command(display_name = "relay")]
    Send(Box<SendArgs>),
    /// Ask a running relay whether it is well
    #[command(display_name = "relay")]
    Healthcheck(HealthcheckArgs),
    /// Look at what waits on disk, carry it elsewhere, remove it
    #[command(display_name = "relay")]
    Spool(Box<SpoolArgs>),
    /// Print completions for a shell
    #[command(display_name = "relay", alias = "generate-completions")]
    Completions {
        /// The shell [default: that of $SHELL]
        #[arg(short, long)]
        format: Option<Shell>,
    },
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Write a config.yml
    #[command(display_name = "relay")]
    Init {
        /// Ask nothing and take the defaults
        #[arg(short, long)]
        yes: bool,
    },
    /// Print the values in force, defaults included
    #[command(display_name = "relay")]
    Show {
        /// How to print them
        #[arg(short, long, value_enum, default_value = "yaml")]
        format: ShowFormat,
    },
    /// Name what is wrong with the configuration, or without effect
    #[command(display_name = "relay")]
    Check,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ShowFormat {
    /// As config.yml
    Yaml,
    /// As the program holds them
    Debug,
}

#[derive(Args)]
pub(crate) struct RunArgs {
    /// What happens to what comes in [default: capture, or proxy with an upstream]
    #[arg(long, value_parser = ["capture", "proxy", "static", "managed"])]
    mode: Option<String>,
    /// Where to send it: scheme, host and port
    #[arg(short, long, value_name = "URL", conflicts_with = "upstream_dsn")]
    upstream: Option<String>,
    /// The same, taken from a DSN
    #[arg(long, value_name = "DSN")]
    upstream_dsn: Option<String>,
    /// Address to listen on
    #[arg(short = 'H', long)]
    host: Option<IpAddr>,
    /// Port to listen on; 0 takes a free one
    #[arg(short = 'P', long)]
    port: Option<u16>,
    /// Seconds that SIGTERM gives to what is under way
    #[arg(long, value_name = "SECONDS")]
    shutdown_timeout: Option<u32>,
    #[command(flatten)]
    ignored: IgnoredArgs,
}

/// Flags of the reference for what this relay does not do.
#[derive(Args)]
struct IgnoredArgs {
    #[arg(long, hide = true, conflicts_with = "no_processing")]
    processing: bool,
    #[arg(long, hide = true)]
    no_processing: bool,
    #[arg(short, long, hide = true, requires = "public_key")]
    secret_key: Option<String>,
    #[arg(short, long, hide = true, requires = "secret_key")]
    public_key: Option<String>,
    #[arg(short, long, hide = true)]
    id: Option<String>,
    #[arg(long, hide = true)]
    kafka_broker_url: Option<String>,
    #[arg(long, hide = true)]
    redis_url: Option<String>,
    #[arg(long, hide = true)]
    source_id: Option<String>,
    #[arg(long, hide = true)]
    server_name: Option<String>,
    #[arg(long, hide = true)]
    instance: Option<String>,
}

#[derive(Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true))]
pub(crate) struct SendArgs {
    /// Where to send it; an empty one means nowhere
    #[arg(long, env = "SENTRY_DSN", hide_env_values = true)]
    pub(crate) dsn: String,
    /// Send this envelope, byte for byte; - reads standard input
    #[arg(long, value_name = "FILE", group = "what", conflicts_with = "EventArgs")]
    pub(crate) envelope: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) event: EventArgs,
    /// How to compress it
    #[arg(long, default_value = "gzip", value_parser = ["identity", "gzip", "deflate", "br", "zstd"])]
    pub(crate) encoding: String,
    /// Seconds to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) timeout: u32,
}

#[derive(Args)]
pub(crate) struct EventArgs {
    /// Text of the event
    #[arg(short, long, group = "what", value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// Type and text of an exception; repeat it for what caused it
    #[arg(long, group = "what", value_name = "TYPE:VALUE")]
    pub(crate) exception: Vec<String>,
    /// Severity
    #[arg(short, long, default_value = "error", value_parser = ["fatal", "error", "warning", "info", "debug"])]
    pub(crate) level: String,
    /// A tag to search by
    #[arg(short, long, value_name = "KEY:VALUE", value_parser = pair)]
    pub(crate) tag: Vec<(String, String)>,
    /// Further data
    #[arg(short, long, value_name = "KEY:VALUE", value_parser = pair)]
    pub(crate) extra: Vec<(String, String)>,
    /// Who was affected: id, email, username, ip_address and more
    #[arg(short, long, value_name = "KEY:VALUE", value_parser = pair)]
    pub(crate) user: Vec<(String, String)>,
    /// Version of the application
    #[arg(short, long)]
    pub(crate) release: Option<String>,
    /// Build of the version
    #[arg(short, long)]
    pub(crate) dist: Option<String>,
    /// Where the application runs
    #[arg(short = 'E', long, default_value = "production")]
    pub(crate) environment: String,
    /// A file to go with the event
    #[arg(short, long, value_name = "FILE")]
    pub(crate) attach: Vec<PathBuf>,
}

#[derive(Args)]
pub(crate) struct HealthcheckArgs {
    /// Whether it answers at all, or would take envelopes
    #[arg(long, value_enum, default_value = "live")]
    pub(crate) mode: Health,
    /// Seconds to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) timeout: u32,
    /// Where it listens [default: as configured]
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) addr: Option<SocketAddr>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Health {
    Live,
    Ready,
}

#[derive(Args)]
pub(crate) struct SpoolArgs {
    /// Folder of the spool [default: as configured]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) spool: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: SpoolCommand,
}

#[derive(Subcommand)]
pub(crate) enum SpoolCommand {
    /// List records, newest last
    #[command(display_name = "relay")]
    Ls {
        #[command(flatten)]
        filter: FilterArgs,
        /// So many records at most
        #[arg(long, value_name = "COUNT")]
        limit: Option<u64>,
        /// Begin behind this record
        #[arg(long, value_name = "RECORD")]
        after: Option<u64>,
    },
    /// Print what is known of one record
    #[command(display_name = "relay")]
    Show {
        /// Number of the record, or id of its event
        #[arg(value_name = "RECORD|EVENT")]
        record: RecordName,
        /// Write its envelope to standard output, decompressed, and nothing else
        #[arg(long)]
        body: bool,
    },
    /// Print how much waits, since when, and who holds the spool
    #[command(display_name = "relay")]
    Stats,
    /// Look for damage in the file and in each record
    #[command(display_name = "relay")]
    Verify,
    /// Write records into a file that another relay can import
    #[command(display_name = "relay")]
    Export {
        /// The file, which must not exist; - writes to standard output
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        #[command(flatten)]
        filter: FilterArgs,
        /// Remove what was exported, once it is on the disk; needs a stopped relay
        #[arg(long)]
        remove: bool,
    },
    /// Store the records of an exported file, all or none; needs a stopped relay
    #[command(display_name = "relay")]
    Import {
        /// The file; - reads standard input
        file: PathBuf,
        /// Give all records to this target [default: each to the one of the name it had]
        #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
        target: Option<String>,
    },
    /// Remove records for good; needs a stopped relay
    #[command(display_name = "relay", group = ArgGroup::new("which").required(true).multiple(true))]
    Purge {
        #[command(flatten)]
        filter: FilterArgs,
        /// All of them
        #[arg(long, group = "which", conflicts_with = "FilterArgs")]
        all: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// Which records are meant: those for which everything given holds.
#[derive(Args)]
pub(crate) struct FilterArgs {
    /// Only those for this target
    #[arg(long, group = "which", value_name = "NAME")]
    pub(crate) target: Option<String>,
    /// Only those of this project
    #[arg(long, group = "which", value_name = "ID")]
    pub(crate) project: Option<u64>,
    /// Only those that came with this public key
    #[arg(long, group = "which", value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Only those of this event
    #[arg(long, group = "which", value_name = "ID")]
    pub(crate) event: Option<EventId>,
    /// Only those received before a time (2026-03-01, 2026-03-01T12:00:00Z) or longer ago than this (90s, 15m, 12h, 7d)
    #[arg(long, group = "which", value_name = "TIME|AGE")]
    pub(crate) before: Option<Moment>,
}

/// A record's number, or the id of an event.
#[derive(Clone)]
pub(crate) enum RecordName {
    Number(u64),
    Event(EventId),
}

impl FromStr for RecordName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // An event id may have digits only, but has more of them than any number.
        match text.parse() {
            Ok(number) => Ok(Self::Number(number)),
            Err(_) => text.parse().map(Self::Event).map_err(
                |_| "expected the number of a record, or an event id of 32 hexadecimal digits",
            ),
        }
    }
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once(':') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY:VALUE"),
    }
}

impl GlobalArgs {
    pub(crate) fn overrides(&self) -> Overrides {
        let mut overrides = Overrides { folder: self.config.clone(), ..Overrides::default() };
        let settings = [
            ("logging.level", "--log-level", &self.log_level),
            ("logging.format", "--log-format", &self.log_format),
        ];
        for (key, flag, value) in settings {
            overrides.settings.extend(value.iter().map(|value| (key, flag, value.clone())));
        }
        overrides
    }
}

impl RunArgs {
    /// Adds to the global flags those of `run`.
    pub(crate) fn overrides(&self, global: &GlobalArgs) -> Overrides {
        fn text(value: &Option<impl ToString>) -> Option<String> {
            value.as_ref().map(ToString::to_string)
        }
        let ignored = &self.ignored;
        let processing = match (ignored.processing, ignored.no_processing) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        };
        let mut overrides = global.overrides();
        let settings = [
            ("relay.mode", "--mode", text(&self.mode)),
            ("relay.upstream", "--upstream", text(&self.upstream)),
            ("relay.host", "--host", text(&self.host)),
            ("relay.port", "--port", text(&self.port)),
            ("limits.shutdown_timeout", "--shutdown-timeout", text(&self.shutdown_timeout)),
            ("processing.enabled", "--processing", text(&processing)),
        ];
        for (key, flag, value) in settings {
            overrides.settings.extend(value.map(|value| (key, flag, value)));
        }
        overrides.upstream_dsn.clone_from(&self.upstream_dsn);
        let given = [
            ("--secret-key", ignored.secret_key.is_some()),
            ("--public-key", ignored.public_key.is_some()),
            ("--id", ignored.id.is_some()),
            ("--kafka-broker-url", ignored.kafka_broker_url.is_some()),
            ("--redis-url", ignored.redis_url.is_some()),
            ("--source-id", ignored.source_id.is_some()),
            ("--server-name", ignored.server_name.is_some()),
            ("--instance", ignored.instance.is_some()),
        ];
        overrides
            .ignored
            .extend(given.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag));
        overrides
    }
}
