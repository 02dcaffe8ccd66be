//! Check-ins of scheduled jobs, for those who have no SDK but `curl` (`spec/ingest.md` 3.11).

use http::header::HeaderMap;
use percent_encoding::percent_decode_str;
use relay_auth::Credentials;
use relay_envelope::{Envelope, Item, ItemType};
use relay_protocol::EventId;
use relay_protocol::schema::{CheckIn, CheckInStatus};
use serde::Deserialize;
use serde_json::error::Category;
use uuid::Uuid;

use super::{Bundle, Request, content_type};
use crate::rejection::Rejection;

/// Stands for the SDK of those who have none.
const CLIENT: &str = "relay-http";

#[derive(Deserialize)]
struct Query {
    status: CheckInStatus,
    check_in_id: Option<Uuid>,
    environment: Option<String>,
    duration: Option<f64>,
}

pub(super) async fn read(
    mut request: Request<'_>,
    sender: &Credentials,
) -> Result<Bundle, Rejection> {
    let is_json = content_type(&request.head.headers).starts_with("application/json");
    let (mut check_in, memory) = if is_json {
        check_json(&request.head.headers)?;
        let received = request.receive(request.relay.config.limits.items.max_event_size).await?;
        (serde_json::from_slice(&received.bytes).map_err(json_error)?, received.memory)
    } else {
        let Query { status, check_in_id, environment, duration } = request.query()?;
        let check_in_id = check_in_id.unwrap_or_default();
        let check_in = CheckIn { check_in_id, environment, duration, ..CheckIn::new(status) };
        (check_in, request.relay.budget.reserve(0).map_err(crate::body::BodyError::from)?)
    };
    let slug = percent_decode_str(request.path.slug.unwrap_or_default());
    check_in.monitor_slug = slug.decode_utf8().map_err(|_| Rejection::Slug)?.into_owned();

    let payload = serde_json::to_vec(&check_in).expect("what was read from JSON can be written");
    let mut item = Item::new(ItemType::CheckIn, payload);
    item.set_content_type("application/json");
    let mut envelope = Envelope::new();
    let header = envelope.header_mut();
    header.event_id = Some(EventId::random().into());
    if sender.client.is_none() {
        header.client = Some(CLIENT.to_owned());
    }
    envelope.push(item);
    Ok(Bundle::new(vec![envelope], memory))
}

/// A type that only begins like that of JSON is none.
fn check_json(headers: &HeaderMap) -> Result<(), Rejection> {
    let is_json = content_type(headers)
        .parse()
        .is_ok_and(|ty: mime::Mime| ty.essence_str() == mime::APPLICATION_JSON.essence_str());
    if is_json { Ok(()) } else { Err(Rejection::NotJson) }
}

fn json_error(error: serde_json::Error) -> Rejection {
    match error.classify() {
        Category::Data => Rejection::JsonShape(error),
        _ => Rejection::JsonSyntax(error),
    }
}
