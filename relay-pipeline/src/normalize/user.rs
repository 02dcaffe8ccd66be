//! The user (spec/processing.md 3.12).

use std::collections::HashMap;

use relay_protocol::payload::{NodeId, NodeRef, Payload};

use super::place::{is_missing, is_trimmed, make_object, object, put_text, text};

/// Keys of a user that are no data of the sender's own.
const USER_KEYS: [&str; 9] =
    ["id", "email", "ip_address", "username", "name", "sentry_user", "segment", "geo", "data"];

/// Gathers what SDKs and users added under `data`, and says in one text who the user is.
pub(super) fn normalize_user(payload: &mut Payload<'_>) {
    let Some(user) = object(payload, payload.root(), "user") else { return };
    let of_sender = |node: NodeRef<'_>| node.key().is_some_and(|key| !USER_KEYS.contains(&key));
    let others: Vec<_> = payload
        .node(user)
        .children()
        .filter(|&node| of_sender(node))
        .map(|node| (node.id(), node.key().unwrap_or_default().to_owned()))
        .collect();
    if !others.is_empty()
        && let Some(data) = make_object(payload, user, "data")
    {
        let entries = payload.node(data).children();
        let mut replaced: HashMap<String, NodeId> =
            entries.filter_map(|entry| Some((entry.key()?.to_owned(), entry.id()))).collect();
        for (node, key) in others {
            if let Some(old) = replaced.remove(&key) {
                payload.remove(old);
            }
            payload.move_entry(node, data);
        }
    }
    let name = [("id", "id"), ("username", "username"), ("email", "email"), ("ip_address", "ip")]
        .into_iter()
        .find_map(|(key, word)| {
            let value = text(payload, user, key).filter(|value| *value != "{{auto}}")?;
            Some((key, format!("{word}:{value}")))
        });
    if let Some((key, name)) = name
        && (!is_trimmed(payload, user, key) || is_missing(payload, user, "sentry_user"))
    {
        put_text(payload, user, "sentry_user", &name);
    }
}
