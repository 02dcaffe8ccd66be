//! What OpenTelemetry exporters send over HTTP, as protobuf or JSON (`spec/ingest.md` 3.12).

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use super::{Bundle, Request, content_type};
use crate::foreign::Foreign;
use crate::rejection::Rejection;
use crate::reply::{Reply, ReplyBody, reply};

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Logs,
}

/// In which form; the answer has the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Protobuf,
}

impl Format {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Rejection> {
        let text = content_type(headers);
        let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
        match (parts.next().as_deref(), parts.next().as_deref(), parts.next()) {
            (Some("application/json"), None | Some("charset=utf-8"), None) => Ok(Self::Json),
            (Some("application/x-protobuf"), None, _) => Ok(Self::Protobuf),
            _ => Err(Rejection::OtlpType(text.to_owned())),
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/x-protobuf",
        }
    }
}

/// Without the feature a project takes no logs.
const LOGS_FEATURE: &str = "organizations:ourlogs-ingestion";

pub(super) async fn read(mut request: Request<'_>, signal: Signal) -> Result<Bundle, Rejection> {
    let format = Format::of(&request.head.headers)?;
    let received = request.receive(request.relay.config.limits.items.max_container_size).await?;
    let foreign = match (signal, format) {
        (Signal::Traces, Format::Json) => Foreign::OtlpTracesJson,
        (Signal::Traces, Format::Protobuf) => Foreign::OtlpTracesProtobuf,
        (Signal::Logs, Format::Json) => Foreign::OtlpLogsJson,
        (Signal::Logs, Format::Protobuf) => Foreign::OtlpLogsProtobuf,
    };
    let mut bundle = Bundle::of_foreign(received, foreign);
    if signal == Signal::Logs {
        for envelope in &mut bundle.envelopes {
            envelope.header_mut().required_features.push(LOGS_FEATURE.to_owned());
        }
    }
    Ok(bundle)
}

/// An empty answer of the kind that was asked for, which protobuf writes in no bytes at all.
pub(super) fn success(headers: &HeaderMap) -> Reply {
    match Format::of(headers) {
        Ok(format @ Format::Protobuf) => {
            reply(StatusCode::OK, Some(format.media_type()), "".into())
        }
        _ => reply(StatusCode::OK, Some(Format::Json.media_type()), "{}".into()),
    }
}

/// The answer to a rejected request: its status and headers, and a `google.rpc.Status` in the form of the request.
pub(super) fn refuse(headers: &HeaderMap, rejection: Rejection) -> Reply {
    let message = match &rejection {
        Rejection::Body(_) => format!("unable to read body: {rejection}"),
        rejection => rejection.to_string(),
    };
    let format = Format::of(headers).unwrap_or(Format::Json);
    let mut reply = rejection.into_reply();
    let code = status_code(reply.status());
    let body = match format {
        Format::Json => serde_json::json!({ "code": code, "message": message }).to_string().into(),
        Format::Protobuf => protobuf_status(code, &message),
    };
    *reply.body_mut() = ReplyBody::whole(body);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    reply
}

/// What gRPC calls an HTTP status.
fn status_code(status: StatusCode) -> u8 {
    match status.as_u16() {
        400 | 415 => 3,
        401 => 16,
        403 => 7,
        404 => 5,
        413 | 429 => 8,
        501 => 12,
        502 | 503 => 14,
        504 => 4,
        500..=599 => 13,
        _ => 2,
    }
}

/// `code` is field 1, `message` field 2.
fn protobuf_status(code: u8, message: &str) -> Vec<u8> {
    let mut bytes = vec![0x08, code, 0x12];
    let mut length = message.len();
    while length > 0x7f {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(message.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_media_types_are_read() {
        let cases = [
            ("application/json", Some(Format::Json)),
            ("Application/JSON; charset=UTF-8", Some(Format::Json)),
            ("application/x-protobuf", Some(Format::Protobuf)),
            ("application/json; charset=latin1", None),
            ("application/x-protobuf; charset=utf-8", None),
            ("application/protobuf", None),
            ("text/plain", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(text));
            assert_eq!(Format::of(&headers).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_long_message_has_a_length_of_several_bytes() {
        assert_eq!(protobuf_status(3, "no"), b"\x08\x03\x12\x02no");
        let message = "x".repeat(300);
        assert_eq!(protobuf_status(16, &message)[..5], [0x08, 16, 0x12, 0xac, 0x02]);
    }
}
