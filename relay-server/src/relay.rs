//! The state of a running relay: what all workers share, and what each has for itself.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};
use relay_compression::{ContentEncoding, EncodeError, Encoder, Level};
use relay_dsn::{Dsn, ProjectId, ProjectKey};
use tokio::sync::watch;

use crate::body::BodyLimits;
use crate::budget::Budget;
use crate::capture::CaptureStore;
use crate::client::HttpClient;
use crate::config::{Config, Mode};
use crate::encoding::UpstreamEncoding;
use crate::learned::LearnedLimits;
use crate::ledger::Ledger;
use crate::pace::PaceSettings;
use crate::queue::Queue;

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) config: Config,
    pub(crate) budget: Arc<Budget>,
    pub(crate) ledger: Ledger,
    pub(crate) learned: LearnedLimits,
    pub(crate) encoding: UpstreamEncoding,
    pub(crate) host_header: Option<HeaderValue>,
    pub(crate) pace: PaceSettings,
    destination: Destination,
    /// Where the envelopes' `dsn` points to.
    origin: Origin,
    phase: watch::Sender<Phase>,
}

/// Where accepted envelopes go.
#[derive(Debug)]
pub(crate) enum Destination {
    Capture(CaptureStore),
    Upstream(Queue),
}

/// How far the relay is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Running,
    /// Nothing new is accepted; what waits is still sent.
    Draining,
    /// Over, whatever still waits.
    Stopped,
}

#[derive(Debug)]
struct Origin {
    scheme: relay_dsn::Scheme,
    uri_scheme: Scheme,
    host: String,
    port: Option<u16>,
    authority: Authority,
}

impl Relay {
    pub(crate) fn new(config: Config) -> Self {
        let pace = PaceSettings {
            max_in_flight: config.limits.max_concurrent_requests,
            retry_delay: config.http.retry_delay,
            max_retry_interval: config.http.max_retry_interval,
            outage_grace_period: config.http.outage_grace_period,
        };
        let destination = match config.mode {
            Mode::Capture => Destination::Capture(CaptureStore::new(config.capture.max_size)),
            Mode::Proxy => Destination::Upstream(Queue::new(pace.clone())),
        };
        Self {
            budget: Budget::new(config.limits.max_memory),
            ledger: Ledger::default(),
            learned: LearnedLimits::default(),
            encoding: UpstreamEncoding::new(config.http.encoding),
            host_header: config
                .http
                .host_header
                .as_deref()
                .and_then(|host| HeaderValue::try_from(host).ok()),
            pace,
            destination,
            origin: Origin::of(&config),
            phase: watch::Sender::new(Phase::Running),
            config,
        }
    }

    pub(crate) fn destination(&self) -> &Destination {
        &self.destination
    }

    pub(crate) fn queue(&self) -> Option<&Queue> {
        match &self.destination {
            Destination::Upstream(queue) => Some(queue),
            Destination::Capture(_) => None,
        }
    }

    pub(crate) fn captured(&self) -> Option<&CaptureStore> {
        match &self.destination {
            Destination::Capture(store) => Some(store),
            Destination::Upstream(_) => None,
        }
    }

    pub(crate) fn has_upstream(&self) -> bool {
        self.queue().is_some()
    }

    /// The DSN that a forwarded envelope names.
    pub(crate) fn dsn(&self, key: ProjectKey, project: u64) -> Dsn {
        Dsn::new(
            self.origin.scheme,
            key,
            &self.origin.host,
            self.origin.port,
            ProjectId::from(project),
        )
    }

    /// Where the upstream takes envelopes of `project`.
    pub(crate) fn envelope_uri(&self, project: u64) -> Uri {
        let path = PathAndQuery::try_from(format!("/api/{project}/envelope/"))
            .expect("digits between slashes");
        Uri::builder()
            .scheme(self.origin.uri_scheme.clone())
            .authority(self.origin.authority.clone())
            .path_and_query(path)
            .build()
            .expect("all three parts are there")
    }

    pub(crate) fn body_limits(&self, max_size: usize) -> BodyLimits {
        BodyLimits { max_size, timeout: self.config.limits.body_timeout }
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Moves on to `phase`; there is no way back.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|current| {
            let later = *current < phase;
            *current = phase.max(*current);
            later
        });
    }

    /// Completes once the relay is in `phase` or beyond.
    pub(crate) async fn reached(&self, phase: Phase) {
        let mut phases = self.phase.subscribe();
        // The sender lives in `self`, so that waiting cannot fail.
        let _ = phases.wait_for(|current| *current >= phase).await;
    }

    /// Completes once nothing new is accepted.
    pub(crate) async fn stopping(&self) {
        self.reached(Phase::Draining).await;
    }
}

impl Origin {
    fn of(config: &Config) -> Self {
        let upstream = match config.mode {
            // What is captured goes nowhere: its DSN is the one that the SDK has.
            Mode::Capture => {
                format!("http://{}/", std::net::SocketAddr::new(config.host, config.port))
            }
            Mode::Proxy => config.upstream.as_str().to_owned(),
        };
        let url =
            url::Url::parse(&upstream).expect("made of an address, or checked when configured");
        let host = url.host_str().unwrap_or_default().to_owned();
        let is_https = url.scheme() == "https";
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.clone(),
        };
        Self {
            scheme: if is_https { relay_dsn::Scheme::Https } else { relay_dsn::Scheme::Http },
            uri_scheme: if is_https { Scheme::HTTPS } else { Scheme::HTTP },
            authority: Authority::try_from(authority).expect("host and port of a URL"),
            port: url.port(),
            host,
        }
    }
}

/// What each worker thread has for itself: connections to the upstream and codec state, so that the way of
/// an envelope crosses no thread.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) relay: Arc<Relay>,
    pub(crate) client: HttpClient,
    encoder: Mutex<Option<(ContentEncoding, Encoder)>>,
}

impl Worker {
    pub(crate) fn new(relay: Arc<Relay>, client: HttpClient) -> Self {
        Self { relay, client, encoder: Mutex::new(None) }
    }

    /// Compresses the concatenation of `parts`; the state of the codec is kept for the next time.
    pub(crate) fn encode<'a>(
        &self,
        encoding: ContentEncoding,
        parts: impl IntoIterator<Item = &'a [u8], IntoIter: Clone>,
    ) -> Result<Bytes, EncodeError> {
        let mut kept = self.encoder.lock().unwrap_or_else(PoisonError::into_inner);
        let encoder = match &mut *kept {
            Some((of, encoder)) if *of == encoding => encoder,
            kept => {
                let level = Level::default_for(encoding);
                &mut kept.insert((encoding, Encoder::new(encoding, level))).1
            }
        };
        encoder.encode(parts)
    }
}
