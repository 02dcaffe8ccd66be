//! Names that must be valid (spec/processing.md 3.11; spec/schema.md 3.1).

use relay_protocol::payload::{ErrorKind, MetaError, Payload, Value};
use relay_protocol::{Dist, Environment, NameError, Release};

use super::place::text;

/// Refuses releases, environments and distributions that are not valid.
pub(super) fn check_names(payload: &mut Payload<'_>) {
    refuse(payload, "release", |text| Release::parse(text).err());
    refuse(payload, "environment", |text| Environment::parse(text).err());
    refuse(payload, "dist", |text| Dist::parse(text).err());
}

fn refuse(payload: &mut Payload<'_>, key: &str, check: impl Fn(&str) -> Option<NameError>) {
    let root = payload.root();
    let Some(error) = text(payload, root, key).and_then(check) else { return };
    let node = payload.entry(root, key);
    match error {
        NameError::Empty => {
            payload.set(node, Value::Null);
            payload.add_error(node, MetaError::expected("a non-empty string"));
        }
        NameError::TooLong if key == "dist" => {
            payload.reject(node, MetaError::new(ErrorKind::ValueTooLong));
        }
        _ => payload.reject(node, MetaError::new(ErrorKind::InvalidData)),
    }
}
