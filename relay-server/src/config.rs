//! What the server needs to know, as values that cannot be wrong.
//!
//! Reading files, flags and variables is the caller's business (`relay-cli`); the defaults here are
//! those of the reference configuration unless the field says otherwise.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use relay_compression::ContentEncoding;
use relay_dsn::{Dsn, ProjectKey};
use relay_pipeline::ItemLimits;
pub use relay_spool::WhenFull;

/// Everything [`start`](crate::start) reads.
#[derive(Debug, Clone)]
pub struct Config {
    /// What happens to accepted envelopes.
    pub mode: Mode,
    /// Where envelopes and unknown API requests go; unused in [`Mode::Capture`].
    pub upstream: Upstream,
    /// Address to listen on.
    pub host: IpAddr,
    /// Port to listen on; 0 takes any free one.
    pub port: u16,
    /// The client side: how the upstream is talked to.
    pub http: Http,
    /// Bounds on requests, connections and time.
    pub limits: Limits,
    /// Where and how long accepted envelopes wait.
    pub spool: Spool,
    /// Senders whose envelopes go elsewhere than to `upstream`, to one target or to several.
    pub fan_out: Vec<FanOut>,
    /// What the upstream is told of what is discarded here.
    pub outcomes: Outcomes,
    /// How much [`Mode::Capture`] keeps.
    pub capture: Capture,
    /// Resumable uploads.
    pub upload: Upload,
    /// The path for pages that reach no other.
    pub tunnel: Tunnel,
    /// Who is believed where a request came from.
    pub forwarded: Forwarded,
    /// Whether envelope items of unknown type are kept (and forwarded) or dropped.
    pub accept_unknown_items: bool,
}

impl Default for Config {
    /// A relay that captures on 127.0.0.1:3000.
    fn default() -> Self {
        Self {
            mode: Mode::Capture,
            upstream: Upstream::default(),
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 3000,
            http: Http::default(),
            limits: Limits::default(),
            spool: Spool::default(),
            fan_out: Vec::new(),
            outcomes: Outcomes::default(),
            capture: Capture::default(),
            upload: Upload::default(),
            tunnel: Tunnel::default(),
            forwarded: Forwarded::default(),
            accept_unknown_items: true,
        }
    }
}

/// What happens to accepted envelopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Kept here for the capture API; nothing is sent anywhere.
    Capture,
    /// Forwarded to the upstream as they came, for any project.
    Proxy,
}

impl Mode {
    /// The name used in `config.yml`, flags and variables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Proxy => "proxy",
        }
    }
}

/// The origin of the upstream: scheme, host and port, never a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    url: url::Url,
}

impl Upstream {
    /// `scheme://host[:port]/`, the default port left out.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Whether the connection is encrypted.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// `host[:port]` as the `Host` header and the request line spell it.
    pub fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// `scheme://host[:port]` of `dsn`: only its origin matters for an upstream.
    pub fn from_dsn(dsn: &Dsn) -> Result<Self, ParseUpstreamError> {
        let mut url = url::Url::parse(&dsn.envelope_url()).map_err(|_| ParseUpstreamError::Url)?;
        url.set_path("/");
        url.set_query(None);
        url.as_str().parse()
    }
}

impl Default for Upstream {
    /// `https://sentry.io/`
    fn default() -> Self {
        Self { url: url::Url::parse("https://sentry.io/").expect("a constant that parses") }
    }
}

impl std::fmt::Display for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is not an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseUpstreamError {
    /// Not a URL at all.
    #[error("invalid upstream URL: bad URL format")]
    Url,
    /// A path, a query, a fragment or a user name beside the origin.
    #[error("invalid upstream URL: non root URL given")]
    NotRoot,
    /// Neither `http` nor `https`.
    #[error("invalid upstream URL: unknown or unsupported URL scheme")]
    Scheme,
    /// No host.
    #[error("invalid upstream URL: no host")]
    Host,
}

impl FromStr for Upstream {
    type Err = ParseUpstreamError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = url::Url::parse(text).map_err(|error| match error {
            url::ParseError::EmptyHost => ParseUpstreamError::Host,
            _ => ParseUpstreamError::Url,
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ParseUpstreamError::Scheme);
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(ParseUpstreamError::Host);
        }
        let plain = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if plain { Ok(Self { url }) } else { Err(ParseUpstreamError::NotRoot) }
    }
}

/// How the upstream is talked to (`http.*` of `config.yml`).
#[derive(Debug, Clone)]
pub struct Http {
    /// A whole upstream request, answer body included; of one that passes through, the head of the answer.
    pub timeout: Duration,
    /// TCP and TLS handshake together.
    pub connection_timeout: Duration,
    /// The longest pause between two attempts to send one envelope.
    pub max_retry_interval: Duration,
    /// Network errors without interruption for this long are an outage: one probe at a time.
    pub outage_grace_period: Duration,
    /// The first pause after a failed attempt; doubles, with jitter, up to `max_retry_interval`.
    pub retry_delay: Duration,
    /// Replaces the `Host` header.
    pub host_header: Option<String>,
    /// How envelope bodies are compressed; a 415 makes the relay step down to gzip.
    pub encoding: ContentEncoding,
    /// Whether unknown `/api/` paths are passed through to the upstream.
    pub forward: bool,
    /// A PEM file with certificate authorities trusted beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// How long an envelope that the upstream refuses with 401, 403 or 404 is retried before it is
    /// discarded: time to mend a key or a project setting.
    pub refusal_grace_period: Duration,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            connection_timeout: Duration::from_secs(3),
            max_retry_interval: Duration::from_secs(60),
            outage_grace_period: Duration::from_secs(10),
            retry_delay: Duration::from_secs(1),
            host_header: None,
            encoding: ContentEncoding::Zstd,
            forward: true,
            ca_file: None,
            refusal_grace_period: Duration::from_secs(300),
        }
    }
}

/// Bounds on requests, connections and time (`limits.*` of `config.yml`). Sizes are bytes after
/// content decoding.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Item sizes and counts per envelope; `max_event_size` also bounds a store body.
    pub items: ItemLimits,
    /// Body of the envelope endpoint.
    pub max_envelope_size: usize,
    /// Body of a request passed through to the upstream.
    pub max_api_payload_size: usize,
    /// The same for release files and debug files.
    pub max_api_file_upload_size: usize,
    /// The same for chunk uploads.
    pub max_api_chunk_upload_size: usize,
    /// One resumable upload.
    pub max_upload_size: usize,
    /// Open connections, request bodies in flight and envelopes waiting in memory, together. What does not fit is
    /// answered 503; what could never fit, 413.
    pub max_memory: usize,
    /// Envelope requests in flight to the upstream.
    pub max_concurrent_requests: usize,
    /// Open client connections; further ones wait. `None`: no bound.
    pub max_connections: Option<usize>,
    /// From the first byte of a request to the end of its headers, and between two requests.
    pub header_timeout: Duration,
    /// A request body, or an answer that passes through, of which nothing comes for this long is given up.
    pub body_timeout: Duration,
    /// A connection that has not brought a byte for this long is closed; later `header_timeout` counts. `None`:
    /// never.
    pub idle_timeout: Option<Duration>,
    /// TCP keep-alive probes; `None` for off.
    pub keepalive_timeout: Option<Duration>,
    /// How long a graceful shutdown waits for requests and for the queue.
    pub shutdown_timeout: Duration,
    /// Connections the kernel queues before they are accepted.
    pub tcp_listen_backlog: u32,
    /// Worker threads; `None`: one per core.
    pub max_thread_count: Option<usize>,
}

const MIB: usize = 1024 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            items: ItemLimits::default(),
            max_envelope_size: 200 * MIB,
            max_api_payload_size: 20 * MIB,
            max_api_file_upload_size: 40 * MIB,
            max_api_chunk_upload_size: 100 * MIB,
            max_upload_size: 1024 * MIB,
            max_memory: 64 * MIB,
            max_concurrent_requests: 100,
            max_connections: None,
            header_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(30),
            idle_timeout: None,
            keepalive_timeout: Some(Duration::from_secs(5)),
            shutdown_timeout: Duration::from_secs(10),
            tcp_listen_backlog: 1024,
            max_thread_count: None,
        }
    }
}

/// Resumable uploads (`upload.*` of `config.yml`). They are streamed to the upstream, and not kept here.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Whether uploads are passed on; otherwise they are answered 503.
    pub forward: bool,
    /// Upload requests under way; further ones are answered 503.
    pub max_concurrent_requests: usize,
    /// One request, until the upstream's answer begins.
    pub timeout: Duration,
}

impl Default for Upload {
    fn default() -> Self {
        Self { forward: false, max_concurrent_requests: 100, timeout: Duration::from_secs(300) }
    }
}

/// A path that takes envelopes from pages behind ad blockers (`tunnel.*` of `config.yml`).
#[derive(Debug, Clone, Default)]
pub struct Tunnel {
    /// Where it is.
    pub path: TunnelPath,
    /// Where it leads. To nowhere if this is empty.
    pub allow: Vec<TunnelTarget>,
}

impl Tunnel {
    /// Whether a request for `path`, its slashes collapsed, is one for the tunnel.
    pub(crate) fn is_at(&self, path: &str) -> bool {
        !self.path.0.is_empty() && self.path.0 == path
    }

    /// Whether envelopes with this DSN may pass.
    pub(crate) fn leads_to(&self, dsn: &Dsn) -> bool {
        self.allow.iter().any(|target| {
            target.host.eq_ignore_ascii_case(dsn.host())
                && target.port.is_none_or(|port| port == dsn.port())
                && target.project.is_none_or(|project| dsn.project_id().value() == Some(project))
        })
    }
}

/// The path of the [`Tunnel`]; an empty one switches it off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunnelPath(String);

impl Default for TunnelPath {
    /// `/tunnel`
    fn default() -> Self {
        Self("/tunnel".to_owned())
    }
}

impl std::fmt::Display for TunnelPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text is no path for a [`Tunnel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a path such as /tunnel, outside of /api/, or nothing")]
pub struct ParseTunnelPathError;

impl FromStr for TunnelPath {
    type Err = ParseTunnelPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_path = text.starts_with('/')
            && text.len() > 1
            && !text.contains("//")
            && !(text == "/api" || text.starts_with("/api/"))
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
        if text.is_empty() || is_path {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseTunnelPathError)
        }
    }
}

/// A host, perhaps with a port, and a project there, as in `o1.ingest.sentry.io/42`; `*` stands for any project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunnelTarget {
    host: String,
    port: Option<u16>,
    project: Option<u64>,
}

impl std::fmt::Display for TunnelTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match self.project {
            Some(project) => write!(f, "/{project}"),
            None => f.write_str("/*"),
        }
    }
}

/// A text is no [`TunnelTarget`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a host and a project, as in o1.ingest.sentry.io/42 or sentry.example:9000/*")]
pub struct ParseTunnelTargetError;

impl FromStr for TunnelTarget {
    type Err = ParseTunnelTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, project) = text.rsplit_once('/').ok_or(ParseTunnelTargetError)?;
        let project = match project {
            "*" => None,
            project => Some(project.parse().map_err(|_| ParseTunnelTargetError)?),
        };
        // Only a host and a port make a URL with nothing but these in it.
        let url =
            url::Url::parse(&format!("http://{address}/")).map_err(|_| ParseTunnelTargetError)?;
        let host = url.host_str().ok_or(ParseTunnelTargetError)?.to_owned();
        let port = match address.strip_prefix(&host).or_else(|| address.get(host.len()..)) {
            Some("") => None,
            Some(port) => {
                let port = port.strip_prefix(':').and_then(|port| port.parse().ok());
                Some(port.ok_or(ParseTunnelTargetError)?)
            }
            None => return Err(ParseTunnelTargetError),
        };
        let is_bare = url.path() == "/" && url.username().is_empty() && url.password().is_none();
        if is_bare { Ok(Self { host, port, project }) } else { Err(ParseTunnelTargetError) }
    }
}

/// Who is believed about the addresses a request came through (`forwarded.*` of `config.yml`). With neither hops nor
/// networks named, everybody is.
#[derive(Debug, Clone, Default)]
pub struct Forwarded {
    /// The header that the proxies in front write; read in the place of all others if somebody is named below.
    pub header: ForwardedHeader,
    /// So many proxies are in front, and each of them tells the truth about the hop before it.
    pub trusted_hops: Option<usize>,
    /// Whoever comes from these networks tells the truth about the hop before it.
    pub trusted_networks: Vec<ipnet::IpNet>,
}

/// A header of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardedHeader(pub(crate) http::HeaderName);

impl Default for ForwardedHeader {
    /// `X-Forwarded-For`
    fn default() -> Self {
        Self(http::HeaderName::from_static("x-forwarded-for"))
    }
}

impl std::fmt::Display for ForwardedHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl FromStr for ForwardedHeader {
    type Err = http::header::InvalidHeaderName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Where and how long accepted envelopes wait (`spool.*` of `config.yml`).
#[derive(Debug, Clone)]
pub struct Spool {
    /// What an accepted envelope survives.
    pub durability: Durability,
    /// The folder; no other relay may have it.
    pub path: PathBuf,
    /// Bytes of envelopes that wait for all targets together; each has an even share.
    pub max_disk_size: usize,
    /// What waits for longer than this is discarded.
    pub max_age: Duration,
    /// What to do with an envelope for which there is no room.
    pub when_full: WhenFull,
}

impl Default for Spool {
    /// On disk, in `.relay/spool` of the working directory.
    fn default() -> Self {
        Self {
            durability: Durability::Disk,
            path: PathBuf::from(".relay/spool"),
            max_disk_size: 2 * 1024 * MIB,
            max_age: Duration::from_secs(7 * 24 * 60 * 60),
            when_full: WhenFull::Reject,
        }
    }
}

/// What an accepted envelope survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// The end of the process, and a power cut: it is on the disk before it is answered for.
    Disk,
    /// Nothing: it waits in memory, within [`Limits::max_memory`].
    Memory,
}

impl Durability {
    /// The name used in `config.yml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Memory => "memory",
        }
    }
}

impl std::fmt::Display for Durability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text is neither `disk` nor `memory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected disk or memory")]
pub struct ParseDurabilityError;

impl FromStr for Durability {
    type Err = ParseDurabilityError;

    fn from_str(text: &str) -> Result<Self, ParseDurabilityError> {
        let known = [Self::Disk, Self::Memory];
        known.into_iter().find(|known| known.as_str() == text).ok_or(ParseDurabilityError)
    }
}

/// A sender, and where its envelopes go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FanOut {
    from: (ProjectKey, u64),
    to: Vec<Dsn>,
}

/// Targets of one sender at most: each envelope is stored once for each.
pub const MAX_TARGETS: usize = 16;

impl FanOut {
    /// Sends what comes with the key and project of `from` to each of `to` instead of to the upstream. Host and port of
    /// `from` do not matter, and nobody but this relay needs to know its key.
    ///
    /// # Errors
    ///
    /// If there is no target or more than [`MAX_TARGETS`], a target is named twice, a key is not 32 hexadecimal
    /// digits, or a project not a number.
    pub fn new(from: &Dsn, to: Vec<Dsn>) -> Result<Self, FanOutError> {
        if to.is_empty() || to.len() > MAX_TARGETS {
            return Err(FanOutError::Count);
        }
        let address = |dsn: &Dsn| {
            let project = dsn.project_id().value().ok_or(FanOutError::Project)?;
            Ok((dsn.project_key().map_err(|_| FanOutError::Key)?, project))
        };
        for (index, dsn) in to.iter().enumerate() {
            address(dsn)?;
            Upstream::from_dsn(dsn).map_err(|_| FanOutError::Address)?;
            // The secret makes no difference: it is not sent.
            let name = dsn.to_forwarded().to_string();
            if to.iter().take(index).any(|other| other.to_forwarded().to_string() == name) {
                return Err(FanOutError::Twice);
            }
        }
        Ok(Self { from: address(from)?, to })
    }

    /// Key and project of the sender.
    pub fn from(&self) -> (ProjectKey, u64) {
        self.from
    }

    /// The targets.
    pub fn to(&self) -> &[Dsn] {
        &self.to
    }
}

/// Why a sender and its targets do not make a [`FanOut`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FanOutError {
    /// None, or too many.
    #[error("expected 1 to {MAX_TARGETS} target DSNs")]
    Count,
    /// A key that no Sentry gives out.
    #[error("the public key of a DSN must be 32 hexadecimal digits")]
    Key,
    /// A project that is no number.
    #[error("the project of a DSN must be a number")]
    Project,
    /// No host that could be sent to.
    #[error("a target DSN names no server")]
    Address,
    /// The same target twice.
    #[error("a target DSN is named twice")]
    Twice,
}

/// What the upstream is told of what is discarded here (`outcomes.*` and `aggregator.*` of `config.yml`).
#[derive(Debug, Clone)]
pub struct Outcomes {
    /// Whether it is told, and how.
    pub emit: EmitOutcomes,
    /// What is discarded within such a time is told together; a second at least.
    pub bucket_interval: Duration,
    /// From the first of what is discarded until that is told.
    pub initial_delay: Duration,
}

impl Default for Outcomes {
    fn default() -> Self {
        Self {
            emit: EmitOutcomes::AsClientReports,
            bucket_interval: Duration::from_secs(10),
            initial_delay: Duration::from_secs(30),
        }
    }
}

/// In which form the upstream is told of what is discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum EmitOutcomes {
    /// Not at all.
    Nothing,
    /// In client reports, as an SDK does it.
    #[default]
    AsClientReports,
    /// In metrics, which only relays that trust each other do; in all modes that there are so far, in client reports.
    AsMetrics,
}

impl EmitOutcomes {
    /// The value in `config.yml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "false",
            Self::AsClientReports => "as_client_reports",
            Self::AsMetrics => "true",
        }
    }
}

impl std::fmt::Display for EmitOutcomes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text is no [`EmitOutcomes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected true, false or as_client_reports")]
pub struct ParseEmitOutcomesError;

impl FromStr for EmitOutcomes {
    type Err = ParseEmitOutcomesError;

    fn from_str(text: &str) -> Result<Self, ParseEmitOutcomesError> {
        let known = [Self::Nothing, Self::AsClientReports, Self::AsMetrics];
        known.into_iter().find(|known| known.as_str() == text).ok_or(ParseEmitOutcomesError)
    }
}

/// How much [`Mode::Capture`] keeps (`capture.*` of `config.yml`).
#[derive(Debug, Clone)]
pub struct Capture {
    /// Bytes of envelopes; the oldest go first.
    pub max_size: usize,
}

impl Default for Capture {
    fn default() -> Self {
        Self { max_size: 64 * MIB }
    }
}
