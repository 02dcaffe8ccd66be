//! Security reports as browsers send them: of a content security policy, alone or as a list (`spec/ingest.md` 3.7).

use bytes::Bytes;
use relay_envelope::{Envelope, Item, ItemType};
use relay_protocol::EventId;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{Bundle, Request, mime};
use crate::rejection::Rejection;

#[derive(Deserialize)]
struct Query {
    #[serde(rename = "sentry_key")]
    _key: Option<IgnoredAny>,
    #[serde(rename = "sentry_release")]
    release: Option<String>,
    #[serde(rename = "sentry_environment")]
    environment: Option<String>,
}

pub(super) async fn read(mut request: Request<'_>) -> Result<Bundle, Rejection> {
    let query: Query = request.query()?;
    let received = request.receive(request.relay.config.limits.items.max_event_size).await?;
    let media_type = mime(&request.head.headers)?;
    let known = ["application/json", "application/csp-report", "application/reports+json"];
    if !known.contains(&media_type.essence_str()) {
        return Err(Rejection::MediaType);
    }
    if received.bytes.is_empty() {
        return Err(Rejection::EmptyBody);
    }
    let envelopes = reports(received.bytes).into_iter().map(|report| envelope(report, &query));
    Ok(Bundle::new(envelopes.collect(), received.memory))
}

/// The elements of a list; anything else is one report, whether or not somebody will understand it.
fn reports(body: Bytes) -> Vec<Bytes> {
    match serde_json::from_slice::<Vec<&RawValue>>(&body) {
        Ok(reports) => {
            reports.into_iter().map(|report| body.slice_ref(report.get().as_bytes())).collect()
        }
        Err(_) => vec![body],
    }
}

fn envelope(report: Bytes, query: &Query) -> Envelope {
    let mut item = Item::new(ItemType::RawSecurity, report);
    item.set_content_type("application/json");
    for (field, value) in
        [("sentry_release", &query.release), ("sentry_environment", &query.environment)]
    {
        if let Some(value) = value {
            item.set_field(field, value.as_str());
        }
    }
    let mut envelope = Envelope::new();
    envelope.header_mut().event_id = Some(EventId::random().into());
    envelope.push(item);
    envelope
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_as_many_reports_as_it_has_elements() {
        let cases: [(&str, &[&str]); 6] = [
            (r#"{"csp-report":{}}"#, &[r#"{"csp-report":{}}"#]),
            (r#" [{"a":[1]}, 2 ,"x"] "#, &[r#"{"a":[1]}"#, "2", r#""x""#]),
            ("[]", &[]),
            ("[1,", &["[1,"]),
            ("not json", &["not json"]),
            ("[1] [2]", &["[1] [2]"]),
        ];
        for (body, expected) in cases {
            assert_eq!(reports(Bytes::from_static(body.as_bytes())), expected, "{body}");
        }
    }
}
