//! Resumable uploads: TUS requests go to the upstream and come back, streamed, once they are known to be sound
//! (`spec/ingest.md` 3.12).
//!
//! Nothing is kept here: an upload that is cut off is resumed by its client, at the offset that the upstream tells.

use std::net::IpAddr;
use std::time::SystemTime;

use http::header::{
    CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT,
};
use http::request::Parts;
use http::{Request, StatusCode, Uri};
use hyper::body::Incoming;
use relay_auth::AuthHeader;
use relay_compression::ContentEncoding;
use relay_dsn::ProjectKey;
use relay_protocol::DataCategory;
use relay_quotas::RateLimits;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::client::{ClientError, RequestBody};
use crate::endpoint::{PathParameters, content_type};
use crate::forwarded::Chain;
use crate::ingest::{Sender, identify, tell_of_limits};
use crate::passthrough::{self, hand_back};
use crate::rejection::{Rejection, detail};
use crate::relay::{Phase, Relay, Worker};
use crate::reply::{Reply, empty};
use crate::service::unread;
use crate::settle::RATE_LIMITS;
use crate::target::Target;

/// The version of TUS that is spoken here, and the only one.
const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");
const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-decoded-content-length");
const CHUNK: &str = "application/offset+octet-stream";

/// What the upstream is told of the request, beside who sends it.
const FORWARDED: [HeaderName; 8] = [
    CONTENT_TYPE,
    USER_AGENT,
    TUS_RESUMABLE,
    UPLOAD_LENGTH,
    UPLOAD_DEFER_LENGTH,
    UPLOAD_OFFSET,
    DECODED_LENGTH,
    HeaderName::from_static("upload-metadata"),
];

/// The two requests of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Asks for a place to upload to.
    Create,
    /// Brings bytes.
    Append,
}

impl Step {
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Create => "POST",
            Self::Append => "PATCH",
        }
    }
}

/// Answers a request of an upload.
pub(crate) async fn upload(
    worker: &Worker,
    peer: IpAddr,
    step: Step,
    path: PathParameters<'_>,
    encoding: ContentEncoding,
    request: Request<Incoming>,
) -> Reply {
    let (head, body) = request.into_parts();
    let mut reply = match check(&worker.relay, step, path, &head) {
        Ok(Checked { sender, target }) => {
            let upload = Upload { head: &head, sender: &sender, target, id: path.upload };
            forward(worker, peer, upload, encoding, body).await
        }
        Err(error) => unread(Request::from_parts(head, body), error.into_reply()).await,
    };
    reply.headers_mut().insert(TUS_RESUMABLE, VERSION);
    reply
}

struct Checked<'a> {
    sender: Sender,
    target: &'a Target,
}

/// Everything that can be told without the upstream, in the order in which clients are told.
fn check<'a>(
    relay: &'a Relay,
    step: Step,
    path: PathParameters<'_>,
    head: &Parts,
) -> Result<Checked<'a>, UploadError> {
    let sender = identify(path, head)?;
    let targets = relay.targets(sender.credentials.key, sender.project);
    let is_on = relay.config.upload.forward && relay.phase() == Phase::Running;
    let target = targets.first().filter(|_| is_on);
    let target = target.ok_or(UploadError::Off)?;
    check_headers(step, &head.headers, relay.config.limits.max_upload_size)?;
    if step == Step::Append {
        serde_urlencoded::from_str::<Place>(head.uri.query().unwrap_or_default())
            .map_err(|error| Rejection::Query(error.to_string()))?;
    }
    let now = SystemTime::now();
    let known = relay.upstream(target).learned.of(target_key(target, &sender));
    let counted = [DataCategory::Attachment, DataCategory::AttachmentItem].into_iter().collect();
    tell_of_limits(&known.select(counted, now), now)?;
    Ok(Checked { sender, target })
}

/// Why a request is not one of an upload.
#[derive(Debug, thiserror::Error)]
enum UploadError {
    #[error(transparent)]
    Request(#[from] Rejection),
    #[error("uploads are not passed on")]
    Off,
    #[error("expected Tus-Resumable: 1.0.0, got: {0}")]
    Version(String),
    #[error("expected Content-Type: {expected}, got: {got}")]
    ContentType { expected: &'static str, got: String },
    #[error(
        "expected Upload-Length or Upload-Defer-Length=1, got Upload-Length={length:?}, \
         Upload-Defer-Length={deferred:?}"
    )]
    Length { length: Option<u64>, deferred: Option<u64> },
    #[error("the upload is larger than uploads may be")]
    TooLarge,
    #[error("expected Upload-Offset >= 0")]
    Offset,
    #[error("Missing X-Decoded-Content-Length header")]
    DecodedLength,
}

impl UploadError {
    fn into_reply(self) -> Reply {
        let text = self.to_string();
        let status = match self {
            Self::Version(_) => StatusCode::PRECONDITION_FAILED,
            Self::ContentType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Request(rejection) => return rejection.into_reply(),
            Self::Off => return empty(StatusCode::SERVICE_UNAVAILABLE),
            Self::TooLarge => return empty(StatusCode::PAYLOAD_TOO_LARGE),
            Self::Length { .. } | Self::Offset | Self::DecodedLength => StatusCode::BAD_REQUEST,
        };
        let mut reply = detail(status, &text, Vec::new());
        if status == StatusCode::PRECONDITION_FAILED {
            reply.headers_mut().insert(TUS_VERSION, VERSION);
        }
        reply
    }
}

/// What the upstream signed when it named a place to upload to.
#[derive(Deserialize)]
struct Place {
    #[serde(rename = "upload_id")]
    _id: IgnoredAny,
    #[serde(rename = "upload_signature")]
    _signature: IgnoredAny,
}

fn check_headers(step: Step, headers: &HeaderMap, max_size: usize) -> Result<(), UploadError> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let number = |name: HeaderName| text(name)?.trim().parse::<u64>().ok();
    if headers.get(&TUS_RESUMABLE) != Some(&VERSION) {
        let got = text(TUS_RESUMABLE).unwrap_or("(missing)").to_owned();
        return Err(UploadError::Version(got));
    }
    let media_type = content_type(headers).to_owned();
    match step {
        Step::Create => {
            if headers.contains_key(CONTENT_TYPE) {
                return Err(UploadError::ContentType { expected: "none", got: media_type });
            }
            let (length, deferred) = (number(UPLOAD_LENGTH), number(UPLOAD_DEFER_LENGTH));
            match (length, deferred) {
                (Some(length), None) if length > max_size as u64 => Err(UploadError::TooLarge),
                (Some(_), None) | (None, Some(1)) => Ok(()),
                _ => Err(UploadError::Length { length, deferred }),
            }
        }
        Step::Append if media_type != CHUNK => {
            Err(UploadError::ContentType { expected: CHUNK, got: media_type })
        }
        Step::Append if number(UPLOAD_OFFSET).is_none() => Err(UploadError::Offset),
        Step::Append if number(DECODED_LENGTH).is_none() => Err(UploadError::DecodedLength),
        Step::Append => Ok(()),
    }
}

/// A sound request.
struct Upload<'a> {
    head: &'a Parts,
    sender: &'a Sender,
    target: &'a Target,
    /// The upload that bytes are for.
    id: Option<&'a str>,
}

async fn forward(
    worker: &Worker,
    peer: IpAddr,
    upload: Upload<'_>,
    encoding: ContentEncoding,
    body: Incoming,
) -> Reply {
    let relay = &*worker.relay;
    // Too many at once: the client comes back.
    let Ok(_permit) = relay.uploads.try_acquire() else {
        return empty(StatusCode::SERVICE_UNAVAILABLE);
    };
    let body = passthrough::decoded(body, encoding, relay.config.limits.max_upload_size);
    let request = match request(relay, peer, &upload, body) {
        Ok(request) => request,
        Err(error) => {
            tracing::debug!(%error, "an upload could not be written for the upstream");
            return empty(StatusCode::BAD_REQUEST);
        }
    };
    match worker.client.stream(request, relay.config.upload.timeout).await {
        Ok(answer) => {
            let key = target_key(upload.target, upload.sender);
            learn(relay, upload.target, key, answer.status(), answer.headers());
            let mut reply = hand_back(answer, false, relay.config.limits.body_timeout);
            localise(&mut reply, &upload);
            reply
        }
        Err(error) => {
            tracing::debug!(%error, "an upload could not be passed on");
            match error {
                ClientError::Timeout(_) => empty(StatusCode::GATEWAY_TIMEOUT),
                error if passthrough::is_too_large(&error) => empty(StatusCode::PAYLOAD_TOO_LARGE),
                _ => empty(StatusCode::BAD_GATEWAY),
            }
        }
    }
}

fn target_key(target: &Target, sender: &Sender) -> ProjectKey {
    target.address.address(sender.credentials.key, sender.project).0
}

/// The same request as a client of the upstream's own would write it: there the sender may have another name.
fn request(
    relay: &Relay,
    peer: IpAddr,
    upload: &Upload<'_>,
    body: RequestBody,
) -> Result<Request<RequestBody>, http::Error> {
    let Upload { head, sender, target, id } = upload;
    let credentials = &sender.credentials;
    let mut headers = HeaderMap::new();
    for name in &FORWARDED {
        if let Some(value) = head.headers.get(name) {
            headers.insert(name, value.clone());
        }
    }
    let auth = AuthHeader::new(target_key(target, sender))
        .version(credentials.version)
        .client(credentials.client.as_deref());
    headers.insert(HeaderName::from_static("x-sentry-auth"), auth.into());
    let forwarded_for = Chain::of(&head.headers, peer, &relay.config.forwarded).text;
    headers.insert(HeaderName::from_static("x-forwarded-for"), forwarded_for.try_into()?);
    if let Some(host) = &relay.host_header {
        headers.insert(HOST, host.clone());
    }
    let id = id.map(|id| format!("{id}/")).unwrap_or_default();
    let query = query_without_auth(head.uri.query().unwrap_or_default());
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = target.address.uri(sender.project, &format!("upload/{id}{query}"))?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Who sends it stands in a header already, and must not be said twice. The rest is signed, and stays as it is.
fn query_without_auth(query: &str) -> String {
    let kept = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("sentry_"));
    let kept: Vec<&str> = kept.collect();
    if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) }
}

fn learn(relay: &Relay, target: &Target, key: ProjectKey, status: StatusCode, headers: &HeaderMap) {
    if status == StatusCode::TOO_MANY_REQUESTS {
        let now = SystemTime::now();
        let retry_after = headers.get(RETRY_AFTER).map(HeaderValue::as_bytes);
        let limits = RateLimits::from_headers(headers.get_all(RATE_LIMITS), retry_after, now);
        relay.upstream(target).learned.learn(key, limits, now);
    }
}

/// The place to upload to, as it is reached through this relay.
fn localise(reply: &mut Reply, upload: &Upload<'_>) {
    let Some(location) = reply.headers().get(LOCATION) else { return };
    let Ok(uri) = Uri::try_from(location.as_bytes()) else { return };
    let path = uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    // Up to the name of the upload there are the prefix and the project of the upstream.
    let Some((_, rest)) = path.split_once("/upload/") else { return };
    let here = format!("/api/{}/upload/{rest}", upload.sender.project);
    if let Ok(here) = HeaderValue::try_from(here) {
        reply.headers_mut().insert(LOCATION, here);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_goes_on_without_the_sender() {
        let cases = [
            ("", ""),
            ("sentry_key=k&sentry_version=7", ""),
            (
                "upload_length=5&upload_id=a%2Fb&sentry_key=k&upload_signature=s",
                "?upload_length=5&upload_id=a%2Fb&upload_signature=s",
            ),
        ];
        for (query, expected) in cases {
            assert_eq!(query_without_auth(query), expected, "{query}");
        }
    }
}
