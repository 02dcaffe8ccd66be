//! `relay send`

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chrono::Utc;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use relay_auth::{AuthHeader, UserAgent};
use relay_compression::{ContentEncoding, Encoder, Level};
use relay_dsn::Dsn;
use relay_envelope::{Envelope, Limits, Position};
use relay_protocol::EventId;
use relay_quotas::{RateLimit, RateLimits};
use relay_server::HttpClient;
use relay_server::config::Http;

use crate::args::SendArgs;
use crate::event::{self, SDK};
use crate::failure::Failure;
use crate::printable::printable;

/// Sends an event or an envelope and prints its id.
///
/// # Errors
///
/// If it cannot be made, does not arrive, or is refused.
pub(crate) fn send(args: &SendArgs) -> Result<(), Failure> {
    // As in the SDKs: an application without a DSN reports nowhere.
    if args.dsn.trim().is_empty() {
        return Ok(());
    }
    let dsn: Dsn = args.dsn.trim().parse().map_err(|error| not_a_dsn(&error))?;
    let (id, body) = match &args.envelope {
        Some(path) => read_envelope(path)?,
        None => {
            let id = EventId::random();
            (Some(id), event::envelope(&args.event, id, Utc::now())?.encode())
        }
    };
    let request = request(&dsn, args.encoding.parse()?, body)?;
    let client = HttpClient::new(&Http {
        timeout: Duration::from_secs(args.timeout.into()),
        ..Http::default()
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(client.send(request)).map_err(|error| {
        Failure::new(format!("could not send to {}", dsn.origin())).caused_by_error(&error)
    })?;
    judge(&answer, SystemTime::now())?;
    match id {
        Some(id) => Ok(writeln!(io::stdout(), "{id}")?),
        None => Ok(()),
    }
}

fn not_a_dsn(error: &dyn std::error::Error) -> Failure {
    Failure::new("--dsn or SENTRY_DSN is not a DSN").caused_by_error(error)
}

/// The bytes of a file, or of standard input for `-`, and the id in their header.
fn read_envelope(path: &Path) -> Result<(Option<EventId>, Bytes), Failure> {
    let limits = Limits::default();
    let source: io::Result<Box<dyn Read>> = match path.to_str() {
        Some("-") => Ok(Box::new(io::stdin())),
        _ => File::open(path).map(|file| Box::new(file) as Box<dyn Read>),
    };
    let mut body = Vec::new();
    // One byte more shows that there are too many.
    let most = limits.max_size as u64 + 1;
    source.and_then(|source| source.take(most).read_to_end(&mut body)).map_err(|error| {
        Failure::new(format!("could not read the envelope {}", path.display())).caused_by(error)
    })?;
    let body = Bytes::from(body);
    let envelope = Envelope::decode(body.clone(), &limits).map_err(|error| {
        let failure =
            Failure::new(format!("{} is not an envelope", path.display())).caused_by_error(&error);
        match error.position() {
            Some(Position { item: Some(item), offset }) => {
                failure.caused_by(format!("the fault is in item {item}, at byte {offset}"))
            }
            Some(Position { item: None, offset }) => {
                failure.caused_by(format!("the fault is at byte {offset}"))
            }
            None => failure,
        }
    })?;
    Ok((envelope.header().event_id.map(EventId::from), body))
}

fn request(
    dsn: &Dsn,
    encoding: ContentEncoding,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Failure> {
    let key = dsn.project_key().map_err(|error| not_a_dsn(&error))?;
    let (name, version) = SDK;
    let client = format!("{name}/{version}");
    let agent = UserAgent { name, version, runtime: None, os: None };
    let mut request = Request::post(dsn.envelope_url())
        .header(CONTENT_TYPE, "application/x-sentry-envelope")
        .header(USER_AGENT, agent.to_string())
        .header("x-sentry-auth", AuthHeader::new(key).client(Some(&client)).to_string());
    let body = match encoding {
        ContentEncoding::Identity => body,
        encoding => {
            request = request.header(CONTENT_ENCODING, encoding.as_str());
            Encoder::new(encoding, Level::default_for(encoding)).encode([body.as_ref()])?
        }
    };
    Ok(request.body(Full::new(body))?)
}

/// Whether the server took it; if not, why.
fn judge(answer: &Response<Bytes>, now: SystemTime) -> Result<(), Failure> {
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let mut failure = Failure::new(format!("the server answered {status}"));
    for reason in reasons(answer.body()) {
        failure = failure.caused_by(reason);
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        for limit in rate_limits(answer.headers(), now).iter() {
            failure = failure.caused_by(describe(limit, now));
        }
    }
    Err(failure)
}

fn rate_limits(headers: &HeaderMap, now: SystemTime) -> RateLimits {
    let lines = headers.get_all("x-sentry-rate-limits");
    RateLimits::from_headers(lines, headers.get(RETRY_AFTER).map(|value| value.as_bytes()), now)
}

fn describe(limit: &RateLimit, now: SystemTime) -> String {
    let names: Vec<_> = limit.categories.iter().map(|category| category.name()).collect();
    let what = if names.is_empty() { "everything".to_owned() } else { names.join(", ") };
    let seconds = limit.remaining(now).unwrap_or_default().as_secs();
    let reason = limit.reason.as_ref().map(|reason| format!(" ({})", printable(reason.as_str())));
    format!("rate limited: {what} for {seconds} s{}", reason.unwrap_or_default())
}

/// What an error body gives as reasons: `{"detail": …, "causes": […]}`, else its first line.
fn reasons(body: &[u8]) -> Vec<String> {
    let text = |value: &serde_json::Value| value.as_str().map(printable);
    match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(json) => {
            let detail = json.get("detail").or_else(|| json.get("error")).and_then(text);
            let causes = json.get("causes").and_then(|causes| causes.as_array());
            detail
                .into_iter()
                .chain(causes.into_iter().flatten().filter_map(text))
                .take(16)
                .collect()
        }
        Err(_) => {
            let body = String::from_utf8_lossy(body);
            body.lines().map(printable).find(|line| !line.is_empty()).into_iter().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, headers: &[(&str, &str)], body: &'static str) -> String {
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        let answer = answer.body(Bytes::from_static(body.as_bytes())).expect("an answer");
        judge(&answer, SystemTime::UNIX_EPOCH).expect_err("a refusal").to_string()
    }

    #[test]
    fn detail_and_causes_of_a_refusal_are_told() {
        let body = r#"{"detail":"bad request: invalid event envelope","causes":["missing envelope header"]}"#;
        assert_eq!(
            refusal(400, &[], body),
            "error: the server answered 400 Bad Request\n  \
             caused by: bad request: invalid event envelope\n  \
             caused by: missing envelope header\n"
        );
    }

    #[test]
    fn rate_limits_are_told_with_category_time_and_reason() {
        let headers = [("x-sentry-rate-limits", "60:error;transaction:project:too_busy, 10::key")];
        assert_eq!(
            refusal(429, &headers, ""),
            "error: the server answered 429 Too Many Requests\n  \
             caused by: rate limited: error, transaction, span for 60 s (too_busy)\n  \
             caused by: rate limited: everything for 10 s\n"
        );
    }

    #[test]
    fn a_server_cannot_steer_the_terminal() {
        let told = refusal(502, &[], "\x1b[2Jgone\r\n<html>");
        assert_eq!(told, "error: the server answered 502 Bad Gateway\n  caused by: [2Jgone\n");
    }
}
