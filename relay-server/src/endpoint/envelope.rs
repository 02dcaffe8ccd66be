//! Envelopes as SDKs send them (`spec/ingest.md` 2.5, 5).

use bytes::Bytes;
use relay_auth::{AuthError, Credentials};
use relay_envelope::{Envelope, EnvelopeHeader, ItemType, Limits};

use super::{Bundle, Request};
use crate::ingest::Sender;
use crate::rejection::Rejection;

pub(super) async fn read(mut request: Request<'_>) -> Result<Bundle, Rejection> {
    let received = request.receive(request.relay.config.limits.max_envelope_size).await?;
    Ok(Bundle::new(vec![decode(received.bytes)?], received.memory))
}

/// Reads an envelope whose own DSN says who sent it; through the tunnel only to where that leads.
pub(super) async fn sender_of(
    mut request: Request<'_>,
    is_tunnel: bool,
) -> Result<(Sender, Bundle), Rejection> {
    let received = request.receive(request.relay.config.limits.max_envelope_size).await?;
    let dsn = EnvelopeHeader::decode_sender(&received.bytes, Limits::default().max_header_size);
    let dsn = dsn.map_err(Rejection::EnvelopeAuth)?;
    if is_tunnel && !request.relay.config.tunnel.leads_to(&dsn) {
        return Err(Rejection::Tunnel);
    }
    let envelope = decode(received.bytes)?;
    let key = dsn.project_key().map_err(AuthError::Key)?;
    let sender = Sender {
        credentials: Credentials::new(key),
        project: dsn.project_id().value().unwrap_or_default(),
        is_own_word: true,
    };
    Ok((sender, Bundle::new(vec![envelope], received.memory)))
}

/// Decodes what somebody outside calls an envelope. Its size was looked at while it was read.
pub(super) fn decode(bytes: Bytes) -> Result<Envelope, Rejection> {
    if bytes.is_empty() {
        return Err(Rejection::EmptyBody);
    }
    let limits = Limits { max_size: usize::MAX, ..Limits::default() };
    let envelope = Envelope::decode(bytes, &limits).map_err(Rejection::Envelope)?;
    if envelope.items().iter().any(|item| *item.ty() == ItemType::Integration) {
        return Err(Rejection::InternalItems);
    }
    Ok(envelope)
}
