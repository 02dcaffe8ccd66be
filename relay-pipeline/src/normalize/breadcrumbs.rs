//! Breadcrumbs (spec/processing.md 3.12).

use relay_protocol::payload::Payload;

use super::place::{default_text, values};

/// Gives breadcrumbs their type and level.
pub(super) fn default_breadcrumbs(payload: &mut Payload<'_>) {
    for crumb in values(payload, payload.root(), "breadcrumbs") {
        default_text(payload, crumb, "type", "default");
        default_text(payload, crumb, "level", "info");
    }
}
