//! The state of a running relay: what all workers share, and what each has for itself.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::HeaderValue;
use relay_compression::{ContentEncoding, EncodeError, Encoder, Level};
use relay_dsn::ProjectKey;
use relay_spool::{Dropped, Removal, Spool, SpoolError, Status, TargetId, WhenFull};
use tokio::sync::{Notify, Semaphore, watch};

use crate::body::BodyLimits;
use crate::budget::Budget;
use crate::capture::{self, CaptureStore};
use crate::client::HttpClient;
use crate::config::{Config, Durability, Mode};
use crate::encoding::UpstreamEncoding;
use crate::foreign::TakesBare;
use crate::lane::Lane;
use crate::learned::LearnedLimits;
use crate::ledger::{Ledger, Loss, Stats};
use crate::pace::PaceSettings;
use crate::queue::Queue;
use crate::record::Items;
use crate::reports::Reports;
use crate::running::StartError;
use crate::storing::News;
use crate::target::{self, Origin, Routes, Target, Upstream};

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) config: Config,
    pub(crate) budget: Arc<Budget>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) host_header: Option<HeaderValue>,
    pub(crate) pace: PaceSettings,
    /// Everything that waits; `None` with `durability: memory`, except in capture mode, whose spool is in memory then.
    pub(crate) spool: Option<Spool>,
    destination: Destination,
    /// Places for uploads that pass through.
    pub(crate) uploads: Semaphore,
    /// Told when something that waits may go sooner than was known.
    pub(crate) changed: Arc<Notify>,
    phase: watch::Sender<Phase>,
}

/// Where accepted envelopes go.
#[derive(Debug)]
pub(crate) enum Destination {
    Capture(CaptureStore),
    /// The first one is that of the configuration; the others are those of `fan_out`.
    Upstreams {
        upstreams: Vec<Upstream>,
        routes: Routes,
    },
}

impl Destination {
    /// By their numbers in the spool.
    fn targets(&self) -> HashMap<TargetId, &Target> {
        let upstreams = match self {
            Self::Upstreams { upstreams, .. } => upstreams.as_slice(),
            Self::Capture(_) => &[],
        };
        let targets = upstreams.iter().flat_map(|upstream| &upstream.targets);
        targets.filter_map(|target| Some((target.id?, target.as_ref()))).collect()
    }
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

impl Relay {
    /// A relay that has opened its spool and knows what waits in it.
    pub(crate) fn new(config: Config) -> Result<Self, StartError> {
        let pace = PaceSettings {
            max_in_flight: config.limits.max_concurrent_requests,
            retry_delay: config.http.retry_delay,
            max_retry_interval: config.http.max_retry_interval,
            outage_grace_period: config.http.outage_grace_period,
        };
        let spool = open_spool(&config)?;
        let budget = Budget::new(config.limits.max_memory);
        let ledger = Arc::new(Ledger::new(Reports::new(&config.outcomes)));
        let changed = Arc::<Notify>::default();
        let destination = match (config.mode, &spool) {
            (Mode::Capture, Some(spool)) => {
                let target = spool.target(capture::TARGET)?;
                let local = format!("http://{}/", SocketAddr::new(config.host, config.port));
                Destination::Capture(CaptureStore::new(spool.clone(), target, Origin::of(&local)))
            }
            (_, spool) => {
                let number =
                    |name: &str| spool.as_ref().map(|spool| spool.target(name)).transpose();
                let (targets, routes) = target::plan(&config, number)?;
                let waiting = spool.as_ref().map(Spool::status).unwrap_or_default();
                let upstreams = targets.into_iter().enumerate().map(|(index, targets)| {
                    let lanes = targets.iter().map(|target| {
                        let waits = waiting
                            .targets
                            .iter()
                            .any(|(id, totals)| Some(*id) == target.id && totals.records > 0);
                        Lane::new(target.id, waits)
                    });
                    let queue = Queue::new(
                        index,
                        lanes.collect(),
                        pace.clone(),
                        spool.clone(),
                        Arc::clone(&budget),
                        Arc::clone(&ledger),
                        Arc::clone(&changed),
                    );
                    Upstream {
                        encoding: UpstreamEncoding::new(config.http.encoding),
                        takes_bare: TakesBare::default(),
                        learned: LearnedLimits::default(),
                        queue: Arc::new(queue),
                        targets,
                    }
                });
                Destination::Upstreams { upstreams: upstreams.collect(), routes }
            }
        };
        if let Some(spool) = &spool {
            let status = spool.status();
            // What a damaged file took with it since it was opened waited as well.
            ledger.recovered(status.total().items + status.lost_items);
            tell_of_strays(spool, &status, &destination)?;
            account_for_removed(spool, &ledger, &destination)?;
        }
        Ok(Self {
            budget,
            ledger,
            host_header: config
                .http
                .host_header
                .as_deref()
                .and_then(|host| HeaderValue::try_from(host).ok()),
            pace,
            spool,
            destination,
            uploads: Semaphore::new(
                config.upload.max_concurrent_requests.min(Semaphore::MAX_PERMITS),
            ),
            changed,
            phase: watch::Sender::new(Phase::Running),
            config,
        })
    }

    pub(crate) fn upstreams(&self) -> &[Upstream] {
        match &self.destination {
            Destination::Upstreams { upstreams, .. } => upstreams,
            Destination::Capture(_) => &[],
        }
    }

    /// The targets of what comes from this sender; none in capture mode.
    pub(crate) fn targets(&self, key: ProjectKey, project: u64) -> &[Arc<Target>] {
        match &self.destination {
            Destination::Upstreams { routes, .. } => routes.of(key, project),
            Destination::Capture(_) => &[],
        }
    }

    /// The upstream of `target`.
    pub(crate) fn upstream(&self, target: &Target) -> &Upstream {
        self.upstreams().get(target.upstream).expect("targets are made with their upstreams")
    }

    pub(crate) fn captured(&self) -> Option<&CaptureStore> {
        match &self.destination {
            Destination::Capture(store) => Some(store),
            Destination::Upstreams { .. } => None,
        }
    }

    pub(crate) fn has_upstream(&self) -> bool {
        self.captured().is_none()
    }

    /// Accounts for records that the spool has given up.
    pub(crate) fn given_up(&self, dropped: &[Dropped], loss: &Loss) {
        if dropped.is_empty() {
            return;
        }
        let targets = self.destination.targets();
        for piece in dropped.chunk_by(|one, other| one.target == other.target) {
            let target = piece.first().map(|dropped| dropped.target);
            match target.and_then(|target| targets.get(&target)) {
                Some(target) => {
                    self.upstream(target).queue.given_up(target.lane, piece, loss);
                }
                // Of a target that the configuration does not name any more, or captured.
                None => {
                    let items = piece.iter().map(|dropped| u64::from(dropped.item_count)).sum();
                    self.ledger.discard(None, &Items::unknown(items), loss);
                }
            }
        }
    }

    /// What became of every item so far.
    pub(crate) fn stats(&self) -> Stats {
        self.ledger.stats(self.spool.as_ref().map(Spool::status))
    }

    /// Why nothing should be sent here, for people; empty as long as data is taken in.
    pub(crate) fn reasons_not_to_be_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.phase() != Phase::Running {
            reasons.push("shutting down".to_owned());
        }
        if !self.budget.has_room() {
            reasons.push("limits.max_memory is taken".to_owned());
        }
        if let Some(spool) = &self.spool {
            let status = spool.status();
            reasons.extend(status.fault.as_ref().map(ToString::to_string));
            // One that drops its oldest is meant to be full.
            if status.when_full == WhenFull::Reject && status.is_nearly_full() {
                reasons.push("the spool is nearly full".to_owned());
            }
        }
        reasons
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

/// What tools took out of the spool while no relay ran had waited, and does no more.
fn account_for_removed(
    spool: &Spool,
    ledger: &Ledger,
    destination: &Destination,
) -> Result<(), SpoolError> {
    let targets = destination.targets();
    let (mut purged, mut exported) = (0, 0);
    for entry in relay_spool::blocking(|reply| spool.take_removed(reply))? {
        ledger.recovered(entry.item_count);
        let (sum, loss) = match entry.removal {
            Removal::Purged => (&mut purged, Loss::Purged),
            Removal::Exported => (&mut exported, Loss::Exported),
        };
        *sum += entry.item_count;
        let recipient = targets.get(&entry.target).zip(entry.key.parse().ok());
        let recipient = recipient.map(|(target, key)| target.recipient(key, entry.project));
        let one = entry.item_count.checked_div(entry.records).unwrap_or_default();
        let items = Items::stored(&entry.items, one).times(entry.records);
        ledger.discard(recipient, &items, &loss);
    }
    if purged + exported > 0 {
        tracing::info!(
            purged,
            exported,
            "items were removed from the spool since a relay last ran on it"
        );
    }
    Ok(())
}

/// Tells the log of what waits for targets that the configuration does not name any more.
fn tell_of_strays(
    spool: &Spool,
    status: &Status,
    destination: &Destination,
) -> Result<(), SpoolError> {
    let served: HashSet<TargetId> = match destination {
        Destination::Capture(store) => [store.target()].into(),
        Destination::Upstreams { upstreams, .. } => {
            let targets = upstreams.iter().flat_map(|upstream| &upstream.targets);
            targets.filter_map(|target| target.id).collect()
        }
    };
    for (target, name) in spool.targets()? {
        let waiting = status.targets.iter().find(|(id, _)| *id == target);
        if let Some((_, totals)) = waiting
            && totals.records > 0
            && !served.contains(&target)
        {
            tracing::warn!(
                name,
                records = totals.records,
                items = totals.items,
                "envelopes wait for a target that the configuration does not name, until spool.max_age is over"
            );
        }
    }
    Ok(())
}

/// The spool that the configuration asks for. Only capture needs one in memory: to be read from.
fn open_spool(config: &Config) -> Result<Option<Spool>, StartError> {
    let (max_bytes, when_full) = match config.mode {
        Mode::Capture => (config.capture.max_size, WhenFull::DropOldest),
        Mode::Proxy => (config.spool.max_disk_size, config.spool.when_full),
    };
    let settings = relay_spool::Settings {
        max_bytes: max_bytes as u64,
        when_full,
        ..relay_spool::Settings::default()
    };
    Ok(match (config.spool.durability, config.mode) {
        (Durability::Disk, _) => Some(Spool::open(&config.spool.path, settings)?),
        (Durability::Memory, Mode::Capture) => Some(Spool::in_memory(settings)?),
        (Durability::Memory, Mode::Proxy) => None,
    })
}

/// What each worker thread has for itself: connections to the upstream and codec state, so that the way of
/// an envelope crosses no thread.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Its place among the workers: a queue prefers to give each what it received itself.
    pub(crate) index: usize,
    pub(crate) relay: Arc<Relay>,
    pub(crate) client: HttpClient,
    /// What was stored for the requests of this worker.
    pub(crate) news: Arc<News>,
    encoder: Mutex<Option<(ContentEncoding, Encoder)>>,
}

impl Worker {
    pub(crate) fn new(index: usize, relay: Arc<Relay>, client: HttpClient) -> Self {
        Self { index, relay, client, news: Arc::default(), encoder: Mutex::new(None) }
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
