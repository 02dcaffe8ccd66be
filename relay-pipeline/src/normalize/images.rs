//! Debug images (spec/processing.md 3.4, 3.12).

use relay_protocol::payload::{MetaError, NodeId, Payload};
use relay_protocol::schema::{self, Described as _, NativeImage};

use super::place::{is_missing, list, object, objects, text};

/// Brings images of the oldest form into today's, and refuses those that nobody knows.
pub(super) fn normalize_images(payload: &mut Payload<'_>) {
    let Some(debug_meta) = object(payload, payload.root(), "debug_meta") else { return };
    let Some(images) = list(payload, debug_meta, "images") else { return };
    for image in objects(payload, images) {
        match text(payload, image, "type") {
            Some("apple") => convert_apple(payload, image),
            Some(
                "symbolic" | "macho" | "elf" | "pe" | "pe_dotnet" | "wasm" | "sourcemap" | "jvm"
                | "proguard",
            ) => {}
            _ => payload.reject(image, MetaError::invalid("unsupported debug image type")),
        }
    }
}

fn convert_apple(payload: &mut Payload<'_>, image: NodeId) {
    for (old, new) in [("name", "code_file"), ("uuid", "debug_id")] {
        if let Some(value) = payload.get(image, old)
            && is_missing(payload, image, new)
        {
            payload.move_to(value, image, new);
        }
    }
    payload.insert(image, "type", "macho");
    // What was nobody's business before has a meaning now.
    schema::check(payload, image, NativeImage::INTERFACE);
}
