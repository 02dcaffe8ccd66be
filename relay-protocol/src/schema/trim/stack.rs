//! Stacks: how many frames there may be, and how many of them with variables and sources (spec/processing.md 2.4).

use crate::payload::{NodeId, NodeRef, Payload};
use crate::schema::{Described, Interface, Stacktrace};

pub(super) const INTERFACE: &Interface = Stacktrace::INTERFACE;

/// The most frames.
const MAX_FRAMES: usize = 250;
/// How many of them are the oldest.
const OLDEST: usize = 50;
/// The most frames that may all have variables and sources.
const MAX_FULL_FRAMES: usize = 50;

/// Removes frames from the middle.
pub(super) fn cut(payload: &mut Payload<'_>, stack: NodeId) {
    let Some(frames) = payload.get(stack, "frames") else { return };
    let ids: Vec<NodeId> = payload.node(frames).children().map(NodeRef::id).collect();
    if ids.len() <= MAX_FRAMES {
        return;
    }
    let newest = ids.len() - (MAX_FRAMES - OLDEST);
    for &frame in &ids[OLDEST..newest] {
        payload.remove(frame);
    }
    payload.meta_mut(frames).set_original_length(ids.len());
}

/// Removes variables and sources from frames in the middle, those of the application last.
pub(super) fn slim(payload: &mut Payload<'_>, stack: NodeId) {
    let Some(frames) = payload.get(stack, "frames") else { return };
    let count = payload.node(frames).len();
    if count <= MAX_FULL_FRAMES {
        return;
    }
    let newest = payload.node(frames).children().next_back().map(NodeRef::id);
    let in_app = |frame: &NodeRef<'_>| frame.get("in_app").and_then(NodeRef::as_bool) == Some(true);
    let (app, system): (Vec<_>, Vec<_>) = payload.node(frames).children().partition(in_app);
    let [app, system] =
        [app, system].map(|frames| frames.into_iter().map(NodeRef::id).collect::<Vec<_>>());

    let half = MAX_FULL_FRAMES.saturating_sub(app.len()) / 2;
    let dropped = middle(&system, half);
    let remaining = (count - MAX_FULL_FRAMES).saturating_sub(dropped.len());
    let app_half = app.len().saturating_sub(remaining) / 2;
    let app_dropped = if remaining > 0 { middle(&app, app_half) } else { &[] };

    for &frame in dropped.iter().chain(app_dropped).filter(|&&frame| Some(frame) != newest) {
        for key in ["vars", "pre_context", "post_context"] {
            if let Some(data) = payload.get(frame, key) {
                payload.remove(data);
            }
        }
    }
}

/// All but the first and last `half`.
fn middle(frames: &[NodeId], half: usize) -> &[NodeId] {
    frames.get(half..frames.len().saturating_sub(half)).unwrap_or_default()
}
