//! Endpoints: in what the paths that bring data differ (`spec/ingest.md` 3.4).
//!
//! Each reads its request into envelopes, in a module of its own, and has its own answer; what happens to the
//! envelopes is the same for all, and told in `ingest`.

mod attachments;
mod cron;
mod envelope;
mod minidump;
mod nel;
mod otlp;
mod security;
mod store;
mod unreal;
mod vercel;

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http::request::Parts;
use http::{Method, StatusCode};
use hyper::body::Incoming;
use matchit::Params;
use mime::Mime;
use relay_auth::Credentials;
use relay_compression::ContentEncoding;
use relay_envelope::Envelope;
use relay_protocol::EventId;
use serde::Deserialize;

pub(crate) use self::store::PayloadError;

use crate::body::{self, Received};
use crate::budget::Reservation;
use crate::config::Limits;
use crate::foreign::Foreign;
use crate::ingest::Sender;
use crate::multipart::FormLimits;
use crate::record::Items;
use crate::rejection::Rejection;
use crate::relay::Relay;
use crate::reply::{Reply, empty, json, reply, text};

/// What the relay calls itself where it speaks as a client, in items of its own making.
pub(crate) const OWN_CLIENT: &str = concat!("sentry.relay/", env!("CARGO_PKG_VERSION"));

/// The paths that bring envelopes, or what can be made one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Envelope,
    /// Envelopes of pages that reach no other path: the DSN in them says where they go.
    Tunnel,
    Store,
    Security,
    Minidump,
    Attachments,
    Unreal,
    Cron,
    OtlpTraces,
    OtlpLogs,
    VercelLogs,
    Nel,
}

/// What a path says besides which endpoint it is, as it stands there.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PathParameters<'a> {
    /// Old clients post to `/api/store/` without one.
    pub(crate) project: Option<&'a str>,
    /// The public key, where the path is what names the sender.
    pub(crate) key: Option<&'a str>,
    pub(crate) slug: Option<&'a str>,
    /// The event that files are for.
    pub(crate) event_id: Option<&'a str>,
    /// The name of a resumable upload.
    pub(crate) upload: Option<&'a str>,
}

impl<'a> PathParameters<'a> {
    pub(crate) fn of(params: &Params<'_, 'a>) -> Self {
        Self {
            project: params.get("project_id"),
            key: params.get("key"),
            slug: params.get("slug"),
            event_id: params.get("event_id"),
            upload: params.get("upload"),
        }
    }
}

/// A request whose body is still to be read.
pub(crate) struct Request<'a> {
    pub(crate) relay: &'a Relay,
    pub(crate) path: PathParameters<'a>,
    pub(crate) head: &'a Parts,
    pub(crate) body: &'a mut Incoming,
    pub(crate) encoding: ContentEncoding,
}

/// The envelopes of a request, and what they occupy.
pub(crate) struct Bundle {
    pub(crate) envelopes: Vec<Envelope>,
    pub(crate) memory: Reservation,
    /// Files that came along and were too large to keep: they owe an outcome.
    pub(crate) left_out: Items,
}

impl Endpoint {
    /// The methods, as an `Allow` header lists them.
    pub(crate) fn methods(self) -> &'static str {
        match self {
            Self::Store => "POST,GET,HEAD",
            Self::Cron => "GET,HEAD,POST",
            _ => "POST",
        }
    }

    pub(crate) fn takes(self, method: &Method) -> bool {
        self.methods().split(',').any(|name| name == method.as_str())
    }

    /// What can be told from the head alone, before anybody asks who sent it.
    pub(crate) fn check(self, relay: &Relay, headers: &HeaderMap) -> Result<(), Rejection> {
        let limits = &relay.config.limits;
        match self {
            Self::Minidump => check_length(headers, max_minidump_body(limits)),
            Self::Attachments => check_length(headers, limits.items.max_attachments_size),
            Self::Security | Self::Nel => mime(headers).map(drop),
            Self::OtlpTraces | Self::OtlpLogs => otlp::Format::of(headers).map(drop),
            _ => Ok(()),
        }
    }

    /// Reads the body, or what stands for it, and makes envelopes of it.
    pub(crate) async fn read(
        self,
        request: Request<'_>,
        sender: &Credentials,
    ) -> Result<Bundle, Rejection> {
        match self {
            Self::Envelope | Self::Tunnel => envelope::read(request).await,
            Self::Store => Box::pin(store::read(request, sender)).await,
            Self::Security => Box::pin(security::read(request)).await,
            Self::Minidump => Box::pin(minidump::read(request)).await,
            Self::Attachments => Box::pin(attachments::read(request)).await,
            Self::Unreal => Box::pin(unreal::read(request)).await,
            Self::Cron => Box::pin(cron::read(request, sender)).await,
            Self::OtlpTraces => Box::pin(otlp::read(request, otlp::Signal::Traces)).await,
            Self::OtlpLogs => Box::pin(otlp::read(request, otlp::Signal::Logs)).await,
            Self::VercelLogs => Box::pin(vercel::read(request)).await,
            Self::Nel => Box::pin(nel::read(request)).await,
        }
    }

    /// Reads an envelope whose own DSN says who sent it.
    pub(crate) async fn sender_of(
        self,
        request: Request<'_>,
    ) -> Result<(Sender, Bundle), Rejection> {
        envelope::sender_of(request, self == Self::Tunnel).await
    }

    /// Whether the sender is told of rate limits; some clients take anything but a success for a reason to try again
    /// (`spec/ingest.md` 8.4).
    pub(crate) fn tells_of_limits(self) -> bool {
        !matches!(self, Self::Minidump | Self::Unreal | Self::Cron | Self::Nel)
    }

    /// The answer to a request that was taken in.
    pub(crate) fn answer(self, head: &Parts, event_id: Option<EventId>) -> Reply {
        match self {
            Self::Store if head.method != Method::POST => {
                reply(StatusCode::OK, Some("image/gif"), Bytes::from_static(store::PIXEL))
            }
            Self::Envelope | Self::Tunnel | Self::Store => match event_id {
                Some(id) => json(StatusCode::OK, event_id_as_json(id)),
                None => json(StatusCode::OK, "{}"),
            },
            Self::Security | Self::Nel => empty(StatusCode::OK),
            Self::Attachments => empty(StatusCode::CREATED),
            Self::Minidump | Self::Unreal => {
                let id = event_id.map(|id| uuid::Uuid::from(id).hyphenated().to_string());
                text(StatusCode::OK, id.unwrap_or_default())
            }
            Self::Cron | Self::VercelLogs => empty(StatusCode::ACCEPTED),
            Self::OtlpTraces | Self::OtlpLogs => otlp::success(&head.headers),
        }
    }

    /// The answer to a request that was turned away.
    pub(crate) fn refuse(self, head: &Parts, rejection: Rejection) -> Reply {
        match self {
            Self::OtlpTraces | Self::OtlpLogs => otlp::refuse(&head.headers, rejection),
            _ => rejection.into_reply(),
        }
    }
}

impl Request<'_> {
    /// Reads the body to its end, decoded.
    async fn receive(&mut self, max_size: usize) -> Result<Received, Rejection> {
        let limits = self.relay.body_limits(max_size);
        Ok(body::read(self.body, self.encoding, &limits, &self.relay.budget).await?)
    }

    /// The parameters of the query that `T` names; others may be there.
    fn query<'de, T: Deserialize<'de>>(&'de self) -> Result<T, Rejection> {
        serde_urlencoded::from_str(self.head.uri.query().unwrap_or_default())
            .map_err(|error| Rejection::Query(error.to_string()))
    }

    fn form_limits(&self, max_body: usize) -> FormLimits {
        let limits = &self.relay.config.limits;
        FormLimits {
            max_body,
            max_part: limits.items.max_attachment_size,
            max_parts: limits.items.max_attachments_size,
            timeout: limits.body_timeout,
        }
    }

    fn max_minidump_body(&self) -> usize {
        max_minidump_body(&self.relay.config.limits)
    }

    fn is_post(&self) -> bool {
        self.head.method == Method::POST
    }
}

impl Bundle {
    fn new(envelopes: Vec<Envelope>, memory: Reservation) -> Self {
        Self { envelopes, memory, left_out: Items::default() }
    }

    /// Each envelope with its share of what they occupy.
    pub(crate) fn into_parts(mut self) -> impl Iterator<Item = (Envelope, Reservation)> {
        let mut left = self.envelopes.len();
        self.envelopes.into_iter().map(move |envelope| {
            left -= 1;
            let size = match left {
                0 => usize::MAX,
                _ => envelope.items().iter().map(|item| item.payload().len()).sum(),
            };
            (envelope, self.memory.split_off(size))
        })
    }

    /// One envelope of one item, made of the whole body.
    fn of_foreign(received: Received, foreign: Foreign) -> Self {
        let mut envelope = Envelope::new();
        envelope.header_mut().client = Some(OWN_CLIENT.to_owned());
        envelope.push(foreign.item(received.bytes));
        Self::new(vec![envelope], received.memory)
    }
}

/// `{"id":"…"}`, in one piece of memory: most answers are that.
fn event_id_as_json(id: EventId) -> String {
    let mut json = String::with_capacity(r#"{"id":""}"#.len() + 32);
    let _ = write!(json, r#"{{"id":"{id}"}}"#);
    json
}

/// The outer bound of a minidump with all that comes along.
fn max_minidump_body(limits: &Limits) -> usize {
    limits.max_upload_size.saturating_add(limits.items.max_attachments_size)
}

/// A length that is announced may be too large before anything is read.
fn check_length(headers: &HeaderMap, max: usize) -> Result<(), Rejection> {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > max as u64) {
        return Err(Rejection::Announced);
    }
    Ok(())
}

/// The media type of a body; a missing one is as bad as one that cannot be read.
fn mime(headers: &HeaderMap) -> Result<Mime, Rejection> {
    content_type(headers).parse().map_err(Rejection::Mime)
}

pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
