//! Targets: where envelopes go. Each belongs to one upstream, and has a lane of its own there.

use std::collections::HashMap;
use std::sync::Arc;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use relay_dsn::{Dsn, ProjectId, ProjectKey};
use relay_spool::TargetId;

use crate::config::{Config, Upstream as Address};
use crate::encoding::UpstreamEncoding;
use crate::foreign::TakesBare;
use crate::learned::LearnedLimits;
use crate::queue::Queue;
use crate::reports::Recipient;

/// One server that takes envelopes, and how it fares. What is true of one says nothing about another.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) encoding: UpstreamEncoding,
    pub(crate) takes_bare: TakesBare,
    pub(crate) learned: LearnedLimits,
    pub(crate) queue: Arc<Queue>,
    /// By lane.
    pub(crate) targets: Targets,
}

/// Where an envelope goes.
#[derive(Debug)]
pub(crate) struct Target {
    /// Which of the upstreams.
    pub(crate) upstream: usize,
    /// Which lane of its queue.
    pub(crate) lane: usize,
    /// Its number in the spool, if there is one.
    pub(crate) id: Option<TargetId>,
    pub(crate) address: Destination,
}

impl Target {
    /// Who is told what became of the items of this sender; the key and project may also be those that the target knows.
    pub(crate) fn recipient(&self, key: ProjectKey, project: u64) -> Recipient {
        let (key, project) = self.address.address(key, project);
        Recipient { upstream: self.upstream, lane: self.lane, key, project }
    }
}

/// Those of an upstream, or of a sender.
pub(crate) type Targets = Vec<Arc<Target>>;

/// What an envelope is addressed to.
#[derive(Debug, Clone)]
pub(crate) enum Destination {
    /// The project and key it came with, at this server.
    AsSent(Origin),
    /// Always this one.
    Project(Box<Project>),
}

/// A project that a DSN names.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    pub(crate) key: ProjectKey,
    pub(crate) id: u64,
    dsn: Dsn,
    uri: Uri,
}

impl Destination {
    /// A destination for `dsn`.
    ///
    /// # Panics
    ///
    /// If its key is none; those in a [`Config`] were looked at.
    pub(crate) fn of(dsn: &Dsn) -> Self {
        let url = dsn.envelope_url();
        Self::Project(Box::new(Project {
            key: dsn.project_key().expect("checked when the configuration was made"),
            id: dsn.project_id().value().unwrap_or_default(),
            uri: Uri::try_from(url).expect("the URL of a DSN"),
            dsn: dsn.clone(),
        }))
    }

    /// The key and project that the target knows an envelope by.
    pub(crate) fn address(&self, key: ProjectKey, project: u64) -> (ProjectKey, u64) {
        match self {
            Self::AsSent(_) => (key, project),
            Self::Project(to) => (to.key, to.id),
        }
    }

    /// The DSN that an envelope from this sender names when it is forwarded.
    pub(crate) fn dsn(&self, key: ProjectKey, project: u64) -> Dsn {
        match self {
            Self::AsSent(origin) => origin.dsn(key, project),
            Self::Project(to) => to.dsn.clone(),
        }
    }

    /// Where envelopes of `project` are posted.
    pub(crate) fn envelope_uri(&self, project: u64) -> Uri {
        match self {
            Self::AsSent(origin) => origin.envelope_uri(project),
            Self::Project(to) => to.uri.clone(),
        }
    }

    /// Where requests other than envelopes of `project` go; `rest` follows the project in the path.
    pub(crate) fn uri(&self, project: u64, rest: &str) -> Result<Uri, http::uri::InvalidUri> {
        let envelope = self.envelope_uri(project).to_string();
        let base = envelope.strip_suffix("envelope/").unwrap_or(&envelope);
        format!("{base}{rest}").parse()
    }
}

/// The name of the target in the spool to which everything goes that has no other.
pub(crate) const DEFAULT_TARGET: &str = "upstream";

/// Scheme, host and port.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    scheme: relay_dsn::Scheme,
    uri_scheme: Scheme,
    host: String,
    port: Option<u16>,
    authority: Authority,
}

impl Origin {
    /// The origin of the URL `text`.
    ///
    /// # Panics
    ///
    /// If it is none; it was made of an address, or checked when configured.
    pub(crate) fn of(text: &str) -> Self {
        let url = url::Url::parse(text).expect("made of an address, or checked when configured");
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

    pub(crate) fn dsn(&self, key: ProjectKey, project: u64) -> Dsn {
        Dsn::new(self.scheme, key, &self.host, self.port, ProjectId::from(project))
    }

    fn envelope_uri(&self, project: u64) -> Uri {
        let path = PathAndQuery::try_from(format!("/api/{project}/envelope/"))
            .expect("digits between slashes");
        Uri::builder()
            .scheme(self.uri_scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
            .expect("all three parts are there")
    }
}

/// Which targets an envelope goes to, by its sender.
#[derive(Debug)]
pub(crate) struct Routes {
    /// Of senders that the configuration names.
    named: HashMap<(ProjectKey, u64), Targets>,
    /// Of all others.
    otherwise: Targets,
}

impl Routes {
    pub(crate) fn of(&self, key: ProjectKey, project: u64) -> &[Arc<Target>] {
        self.named.get(&(key, project)).unwrap_or(&self.otherwise)
    }
}

/// The targets of a configuration, by upstream, and the ways to them. `number` gives the number of a name in the spool.
pub(crate) fn plan<E>(
    config: &Config,
    mut number: impl FnMut(&str) -> Result<Option<TargetId>, E>,
) -> Result<(Vec<Targets>, Routes), E> {
    let mut origins = vec![config.upstream.clone()];
    let default = Arc::new(Target {
        upstream: 0,
        lane: 0,
        id: number(DEFAULT_TARGET)?,
        address: Destination::AsSent(Origin::of(config.upstream.as_str())),
    });
    let mut upstreams = vec![vec![Arc::clone(&default)]];
    let mut by_name: HashMap<String, Arc<Target>> = HashMap::new();
    let mut named: HashMap<(ProjectKey, u64), Targets> = HashMap::new();
    for route in &config.fan_out {
        let mut targets = Vec::with_capacity(route.to().len());
        for dsn in route.to() {
            // Without its secret, which is nobody's business on the disk.
            let name = dsn.to_forwarded().to_string();
            if let Some(target) = by_name.get(&name) {
                targets.push(Arc::clone(target));
                continue;
            }
            let origin = Address::from_dsn(dsn).expect("a DSN has an origin");
            let upstream = origins.iter().position(|known| *known == origin).unwrap_or_else(|| {
                origins.push(origin);
                upstreams.push(Vec::new());
                origins.len() - 1
            });
            let lanes: &mut Targets = &mut upstreams[upstream];
            let target = Arc::new(Target {
                upstream,
                lane: lanes.len(),
                id: number(&name)?,
                address: Destination::of(dsn),
            });
            lanes.push(Arc::clone(&target));
            by_name.insert(name, Arc::clone(&target));
            targets.push(target);
        }
        named.insert(route.from(), targets);
    }
    Ok((upstreams, Routes { named, otherwise: vec![default] }))
}
