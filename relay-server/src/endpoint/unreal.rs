//! Crashes of the Unreal Engine: an archive that goes on as it came (`spec/ingest.md` 3.10).

use relay_envelope::{Envelope, Item, ItemType};
use relay_protocol::EventId;
use serde::Deserialize;

use super::{Bundle, Request};
use crate::rejection::Rejection;

#[derive(Deserialize)]
struct Query {
    #[serde(rename = "UserID")]
    user_id: Option<String>,
}

pub(super) async fn read(mut request: Request<'_>) -> Result<Bundle, Rejection> {
    let Query { user_id } = request.query()?;
    let received = request.receive(request.relay.config.limits.items.max_attachments_size).await?;
    if received.bytes.is_empty() {
        return Err(Rejection::EmptyBody);
    }
    let mut item = Item::new(ItemType::UnrealReport, received.bytes);
    item.set_content_type("application/octet-stream");
    let mut envelope = Envelope::new();
    let header = envelope.header_mut();
    header.event_id = Some(EventId::random().into());
    if let Some(user_id) = user_id {
        header.other.insert("unreal_user_id", user_id);
    }
    envelope.push(item);
    Ok(Bundle::new(vec![envelope], received.memory))
}
