//! What texts have to be.

use crate::payload::{MetaError, NodeId, Payload, Value};
use crate::schema::Attributes;

pub(super) fn attributes(payload: &mut Payload<'_>, id: NodeId, attributes: &Attributes) {
    let text = payload.str(id).unwrap_or_default();
    if attributes.trim_whitespace {
        let trimmed = text.trim();
        if trimmed.len() != text.len() {
            let trimmed = trimmed.to_owned();
            payload.set(id, &trimmed);
        }
    }
    let text = payload.str(id).unwrap_or_default();
    if attributes.nonempty && text.is_empty() {
        payload.set(id, Value::Null);
        return payload.add_error(id, MetaError::expected("a non-empty string"));
    }
    if let Some(character) = attributes.characters.forbidden(text) {
        payload.reject(id, MetaError::invalid(&format!("invalid character {character:?}")));
    }
}
