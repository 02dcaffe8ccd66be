//! Rejections: why a request was turned away, and the answer that says so.

use std::error::Error;

use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use relay_auth::AuthError;
use relay_pipeline::ItemTooLarge;

use crate::body::BodyError;
use crate::meta::OriginMismatch;
use crate::multipart::FormError;
use crate::reply::{Reply, empty, json, text};
use crate::settle::RATE_LIMITS;

/// Why a request was turned away. The texts are those of the protocol (`spec/ingest.md` 3.2): SDKs show
/// them, and some compare them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("bad project path parameter")]
    ProjectId(#[source] BadProjectId),
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error("bad envelope authentication header")]
    EnvelopeAuth(#[source] serde_json::Error),
    #[error("the tunnel does not lead to the host and project of this DSN")]
    Tunnel,
    #[error("bad x-sentry-relay-signature header")]
    Signature,
    #[error("Failed to deserialize query string: {0}")]
    Query(String),
    #[error("mime parse error: {0}")]
    Mime(#[source] mime::FromStrError),
    #[error("a media type that this endpoint does not read")]
    MediaType,
    #[error("unsupported content type: {0}")]
    OtlpType(String),
    #[error("Failed to buffer the request body: {0}")]
    Body(#[from] BodyError),
    #[error("{}", form_detail(.0))]
    Form(#[from] FormError),
    #[error(transparent)]
    Dump(#[from] DumpError),
    #[error("invalid messagepack data")]
    MessagePack(String),
    #[error(
        "Invalid URL: Cannot parse `event_id` with value `{0}`: invalid value: string {0:?}, expected an event identifier"
    )]
    EventId(String),
    #[error("length limit exceeded")]
    Announced,
    #[error("empty request body")]
    EmptyBody,
    #[error("invalid request body")]
    StoreBody(#[source] crate::endpoint::PayloadError),
    #[error("Expected request with `Content-Type: application/json`")]
    NotJson,
    #[error("Failed to parse the request body as JSON: {0}")]
    JsonSyntax(#[source] serde_json::Error),
    #[error("Failed to deserialize the JSON body into the target type: {0}")]
    JsonShape(#[source] serde_json::Error),
    #[error("Invalid URL: the slug of the monitor is not UTF-8")]
    Slug,
    #[error("invalid JSON data: {0:?}")]
    Json(#[source] serde_json::Error),
    #[error("invalid event envelope")]
    Envelope(#[source] relay_envelope::DecodeError),
    #[error("invalid event envelope")]
    Mismatch(#[source] Mismatch),
    #[error("envelope contains internal items")]
    InternalItems,
    #[error(transparent)]
    TooLarge(#[from] ItemTooLarge),
    #[error(
        "Sentry dropped data due to a quota or internal rate limit being reached. This will not affect your \
         application. See https://docs.sentry.io/product/accounts/quotas/ for more information."
    )]
    RateLimited { limits: String, retry_after: u64 },
    #[error("failed to queue envelope")]
    Queue(#[source] QueueError),
}

/// Why a request brings no minidump.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DumpError {
    #[error("missing minidump")]
    Missing,
    #[error("invalid minidump")]
    Invalid,
    #[error("invalid compression format")]
    Container(#[source] std::io::Error),
    #[error("invalid request body")]
    Body(#[source] BodyError),
}

/// A form that is too large is one all the same.
fn form_detail(error: &FormError) -> &'static str {
    match error {
        FormError::TooLarge => "request content exceeded size limits",
        FormError::OverBudget => "failed to queue envelope",
        _ => "invalid multipart data",
    }
}

/// The project in the path is not a number.
#[derive(Debug, thiserror::Error)]
#[error("Cannot parse `project_id` with value `{0}` to a `u64`")]
pub(crate) struct BadProjectId(pub(crate) String);

/// The envelope's own header contradicts the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mismatch {
    #[error("project id header mismatch between envelope and request")]
    Project,
    #[error("public key header mismatch between envelope and request")]
    Key,
    #[error(transparent)]
    Origin(#[from] OriginMismatch),
}

/// Why an envelope has no place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueueError {
    #[error("envelope buffer channel is closed")]
    Closed,
    #[error("envelope buffer does not have capacity")]
    Full,
    #[error("the envelope is larger than all that may be stored for its target")]
    TooLarge,
    #[error("the envelope could not be encoded")]
    Encoding,
    #[error("the envelope could not be stored")]
    Spool,
}

/// When to come back after a 503, in seconds: the queue drains, or another relay takes over.
pub(crate) const RETRY_AFTER_OVERLOAD: u64 = 5;

impl Rejection {
    /// Whether to read what is left of the body before answering. Who asks with `Expect: 100-continue` before
    /// sending a body is answered without one, unless it was the body that was looked at.
    pub(crate) fn drains_body(&self, expects_continue: bool) -> bool {
        match self {
            Self::Body(BodyError::Stalled | BodyError::Broken(_))
            | Self::Form(FormError::Stalled) => false,
            Self::Body(_) => true,
            _ => !expects_continue,
        }
    }

    /// The answer: status, body and headers.
    pub(crate) fn into_reply(self) -> Reply {
        let status = self.status();
        let mut reply = match &self {
            Self::MediaType => empty(status),
            Self::Form(FormError::TooLarge) => detail(status, &self.to_string(), Vec::new()),
            Self::Form(error) => {
                let mut causes = vec![error.to_string()];
                causes.extend(causes_of(error));
                detail(status, &self.to_string(), causes)
            }
            Self::MessagePack(cause) => detail(status, &self.to_string(), vec![cause.clone()]),
            Self::Body(error) if status == StatusCode::SERVICE_UNAVAILABLE => {
                detail(status, "failed to queue envelope", vec![error.to_string()])
            }
            Self::Body(_)
            | Self::Query(_)
            | Self::NotJson
            | Self::JsonSyntax(_)
            | Self::JsonShape(_)
            | Self::Slug
            | Self::EventId(_)
            | Self::Announced => text(status, self.to_string()),
            Self::Mime(_) => detail(status, &self.to_string(), Vec::new()),
            _ => detail(status, &self.to_string(), self.causes()),
        };
        let headers = reply.headers_mut();
        match self {
            Self::RateLimited { limits, retry_after } => {
                headers.insert(RETRY_AFTER, retry_after.into());
                // A reason code that does not fit into a header is not worth losing the answer for.
                if let Ok(limits) = HeaderValue::try_from(limits) {
                    headers.insert(RATE_LIMITS, limits);
                }
            }
            _ if status == StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, RETRY_AFTER_OVERLOAD.into());
            }
            _ => {}
        }
        reply
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Auth(AuthError::Key(_) | AuthError::UnsupportedVersion(_)) => {
                StatusCode::BAD_REQUEST
            }
            Self::Auth(_) | Self::EnvelopeAuth(_) => StatusCode::UNAUTHORIZED,
            Self::Body(BodyError::TooLong)
            | Self::Form(FormError::TooLarge)
            | Self::Announced
            | Self::TooLarge(_)
            | Self::Queue(QueueError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(BodyError::Stalled) | Self::Form(FormError::Stalled) => {
                StatusCode::REQUEST_TIMEOUT
            }
            Self::Body(BodyError::OverBudget)
            | Self::Form(FormError::OverBudget)
            | Self::Queue(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Tunnel => StatusCode::FORBIDDEN,
            Self::MediaType | Self::OtlpType(_) | Self::NotJson => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Self::JsonShape(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::ProjectId(_)
            | Self::Signature
            | Self::Query(_)
            | Self::Mime(_)
            | Self::Body(_)
            | Self::Form(_)
            | Self::Dump(_)
            | Self::MessagePack(_)
            | Self::EventId(_)
            | Self::EmptyBody
            | Self::StoreBody(_)
            | Self::JsonSyntax(_)
            | Self::Slug
            | Self::Json(_)
            | Self::Envelope(_)
            | Self::Mismatch(_)
            | Self::InternalItems => StatusCode::BAD_REQUEST,
        }
    }

    fn causes(&self) -> Vec<String> {
        causes_of(self)
    }
}

fn causes_of(error: &dyn Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut error = error.source();
    while let Some(cause) = error {
        causes.push(cause.to_string());
        error = cause.source();
    }
    causes
}

/// The JSON error body of the protocol: a detail and, where there are any, its causes.
pub(crate) fn detail(status: StatusCode, detail: &str, causes: Vec<String>) -> Reply {
    #[derive(serde::Serialize)]
    struct Body<'a> {
        detail: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        causes: Vec<String>,
    }
    let body = serde_json::to_vec(&Body { detail, causes }).expect("strings serialise");
    json(status, body)
}
