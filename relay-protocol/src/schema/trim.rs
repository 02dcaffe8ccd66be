//! Cuts a payload to size (spec/processing.md 2).

mod stack;

use std::mem;

use super::attributes::{Attributes, Interface, Shape};
use super::contexts;
use crate::payload::{Chunk, Kind, NodeId, NodeRef, Payload, RemarkKind};

/// Cuts texts, and free values in bags of limited depth and size, to what the schema allows. [`check`](super::check)
/// comes before.
///
/// A text that is too long ends in `...`, with a remark and its old length in `_meta`; lists that are cut off have
/// their old length there. What lies too deep becomes JSON text. A second time nothing changes, unless a bag was cut.
pub fn trim(payload: &mut Payload<'_>, root: NodeId, interface: &'static Interface) {
    let mut trim = Trim { payload, bags: Vec::new(), depth: 0 };
    trim.value(root, &Attributes::of(Shape::Object(interface)));
}

/// A value whose parts are limited in depth or size, while the walk is in it.
#[derive(Clone, Copy)]
struct Bag {
    /// How deep the walk was where it went in.
    depth: u32,
    max_depth: u32,
    /// How many more bytes may be in it, by the estimate of [`cost`].
    remaining: usize,
}

struct Trim<'p, 'a> {
    payload: &'p mut Payload<'a>,
    /// From the outermost to the innermost.
    bags: Vec<Bag>,
    depth: u32,
}

/// Stands for no limit.
const UNLIMITED: u32 = u32::MAX;

impl<'a> Trim<'_, 'a> {
    fn node(&self, id: NodeId) -> NodeRef<'_> {
        self.payload.node(id)
    }

    /// How many bytes the innermost limit leaves.
    fn remaining(&self) -> usize {
        self.bags.iter().map(|bag| bag.remaining).min().unwrap_or(usize::MAX)
    }

    /// How many levels the innermost limit leaves, that of the present value included.
    fn depth_left(&self) -> u32 {
        let left = |bag: &Bag| match bag.max_depth {
            UNLIMITED => UNLIMITED,
            max_depth => max_depth.saturating_sub(self.depth - bag.depth),
        };
        self.bags.iter().map(left).min().unwrap_or(UNLIMITED)
    }

    fn charge(&mut self, cost: usize) {
        for bag in &mut self.bags {
            bag.remaining = bag.remaining.saturating_sub(cost);
        }
    }

    /// Trims a value. Tells whether it was deleted: it is `null` then, without a trace.
    fn value(&mut self, id: NodeId, attributes: &Attributes) -> bool {
        if !attributes.trim {
            if !self.bags.is_empty() {
                self.charge(total_cost(self.node(id)));
            }
            return false;
        }
        let opens = attributes.max_depth.is_some() || attributes.max_bytes.is_some();
        if opens {
            self.bags.push(Bag {
                depth: self.depth,
                max_depth: attributes.max_depth.unwrap_or(UNLIMITED),
                remaining: attributes.max_bytes.map_or(usize::MAX, |bytes| bytes as usize),
            });
        }
        let mut deleted = false;
        if !self.bags.is_empty() && (self.remaining() == 0 || self.depth_left() == 0) {
            deleted = self.delete(id);
        } else {
            match self.payload.kind(id) {
                Kind::String => self.text(id, attributes),
                Kind::Array | Kind::Object if opens && self.fits(id) => {
                    let outer = mem::take(&mut self.bags);
                    deleted = self.container(id, attributes);
                    self.bags = outer;
                    if self.bags.len() > 1 {
                        let below = total_cost(self.node(id)) - cost(self.node(id));
                        self.charge(below);
                    }
                }
                Kind::Array | Kind::Object => deleted = self.container(id, attributes),
                _ => {}
            }
        }
        if opens {
            self.bags.pop();
        }
        if !self.bags.is_empty() {
            self.charge(cost(self.node(id)));
        }
        deleted
    }

    fn delete(&mut self, id: NodeId) -> bool {
        self.payload.set(id, crate::payload::Value::Null);
        self.payload.clear_meta(id);
        true
    }

    /// Whether a value and all below it is within the limits of its bags, so that these need no attention in it.
    fn fits(&self, id: NodeId) -> bool {
        let mut left = self.remaining();
        let node = self.node(id);
        node.children().all(|child| takes(child, &mut left, self.depth_left().saturating_sub(1)))
            && (node.is_empty() || self.depth_left() > 1)
    }

    fn text(&mut self, id: NodeId, attributes: &Attributes) {
        if let Some(max) = attributes.max_chars {
            self.cut(id, max as usize, attributes.allowance as usize);
        }
        if !self.bags.is_empty() {
            self.cut(id, self.remaining(), 0);
        }
    }

    fn cut(&mut self, id: NodeId, max: usize, allowance: usize) {
        let limit = max.saturating_add(allowance);
        let text = self.payload.str(id).unwrap_or_default();
        // No text has more characters than bytes.
        if text.len() > limit && text.chars().count() > limit {
            self.payload.edit_chunks(id, |chunks| cut_chunks(chunks, max, limit));
        }
    }

    /// Trims what is in an object or list.
    fn container(&mut self, id: NodeId, attributes: &Attributes) -> bool {
        if self.node(id).is_empty() {
            return false;
        }
        if self.depth_left() == 1 {
            if !matches!(attributes.shape, Shape::Any) {
                return self.delete(id);
            }
            self.sort_below(id);
            let json = self.node(id).to_compact_json();
            self.payload.set(id, &json);
            self.text(id, attributes);
            return false;
        }
        // In free values outside of any bag there is nothing to trim.
        if self.bags.is_empty() && is_unlimited(attributes.shape) {
            return false;
        }
        let is_stack = self.is_stack(attributes.shape);
        if is_stack {
            stack::cut(self.payload, id);
        }
        if !self.bags.is_empty() {
            self.sort(id, attributes.shape);
            if contexts::is_free(attributes) {
                self.put_type_first(id);
            }
        }
        // Pairs and fields are deleted one by one, elements are cut off together.
        let cut_off = !matches!(
            attributes.shape,
            Shape::Pairs(..)
                | Shape::Pair(_)
                | Shape::Object(_)
                | Shape::LogEntry(_)
                | Shape::Mechanism(_)
        );
        let keeps_nulls = self.payload.kind(id) == Kind::Array;
        self.depth += 1;
        let mut next = self.node(id).children().next().map(NodeRef::id);
        let mut before = None;
        while let Some(child) = next {
            let node = self.node(child);
            next = node.next().map(NodeRef::id);
            if cut_off && !self.bags.is_empty() && self.remaining() == 0 {
                self.cut_off(id, before);
                break;
            }
            let below = attributes.below(self.node(child));
            if self.value(child, below) && !keeps_nulls {
                self.payload.remove(child);
            } else {
                before = Some(child);
            }
        }
        self.depth -= 1;
        if is_stack {
            stack::slim(self.payload, id);
        }
        false
    }

    /// Removes what stands behind `last`, or everything.
    fn cut_off(&mut self, id: NodeId, last: Option<NodeId>) {
        let count = self.node(id).len();
        match last {
            Some(last) => self.payload.remove_after(last),
            None => self.payload.clear(id),
        }
        self.payload.meta_mut(id).set_original_length(count);
    }

    fn is_stack(&self, shape: Shape) -> bool {
        matches!(shape, Shape::Object(interface) if std::ptr::eq(interface, stack::INTERFACE))
    }

    /// Brings entries into the order in which they use up a bag: fields as they are defined, then by key.
    fn sort(&mut self, id: NodeId, shape: Shape) {
        if self.payload.kind(id) != Kind::Object {
            return;
        }
        self.payload.sort_keys(id);
        if let Shape::Object(interface) = shape {
            let mut entries: Vec<NodeId> = self.node(id).children().map(NodeRef::id).collect();
            entries.sort_by_key(|&entry| {
                let key = self.node(entry).key().unwrap_or_default();
                interface.position(key).unwrap_or(usize::MAX)
            });
            self.payload.reorder(id, &entries);
        }
    }

    /// Without its type a context would be one of another type to the next reader.
    fn put_type_first(&mut self, context: NodeId) {
        let mut entries: Vec<NodeId> = self.node(context).children().map(NodeRef::id).collect();
        let is_type = |&entry: &NodeId| self.node(entry).key() == Some("type");
        if let Some(ty) = entries.iter().rposition(is_type).filter(|&ty| ty > 0) {
            entries[..=ty].rotate_right(1);
            self.payload.reorder(context, &entries);
        }
    }

    fn sort_below(&mut self, id: NodeId) {
        let objects: Vec<NodeId> = self
            .node(id)
            .descendants()
            .filter(|node| node.kind() == Kind::Object)
            .map(NodeRef::id)
            .collect();
        for object in objects {
            self.payload.sort_keys(object);
        }
    }
}

/// Whether nothing below a value of this shape has a limit.
fn is_unlimited(shape: Shape) -> bool {
    match shape {
        Shape::Any
        | Shape::Params
        | Shape::Variables
        | Shape::Attributes
        | Shape::Attribute
        | Shape::Conventional
        | Shape::Measurements(_) => true,
        Shape::Map(value) | Shape::List(value) => {
            value.max_chars.is_none()
                && value.max_depth.is_none()
                && value.max_bytes.is_none()
                && (!value.trim || is_scalar(value.shape) || is_unlimited(value.shape))
        }
        _ => false,
    }
}

fn is_scalar(shape: Shape) -> bool {
    matches!(
        shape,
        Shape::String | Shape::Lenient | Shape::JsonText | Shape::Address | Shape::Unsigned
    )
}

/// What a value takes from a bag, without what is in it: about its size as JSON, and one more.
fn cost(node: NodeRef<'_>) -> usize {
    1 + match node.kind() {
        Kind::Null => 0,
        Kind::Bool => 4 + usize::from(node.as_bool() == Some(false)),
        Kind::Number => node.number().map_or(0, str::len),
        Kind::String => node.as_str().map_or(0, str::len) + 2,
        Kind::Array | Kind::Object => 2,
    }
}

fn total_cost(node: NodeRef<'_>) -> usize {
    node.descendants().map(cost).sum()
}

/// Takes the cost of a value and all below it. Tells whether it was there to take, and whether the value has levels
/// enough.
fn takes(node: NodeRef<'_>, left: &mut usize, depth_left: u32) -> bool {
    let Some(rest) = left.checked_sub(cost(node)) else { return false };
    *left = rest;
    let levels = if node.is_empty() { 1 } else { 2 };
    depth_left >= levels && node.children().all(|child| takes(child, left, depth_left - 1))
}

/// Cuts a text to `max` characters, dots included; a redaction may reach up to `limit`.
fn cut_chunks(chunks: Vec<Chunk<'_>>, max: usize, limit: usize) -> Vec<Chunk<'_>> {
    let mut kept = Vec::new();
    let mut length = 0;
    for chunk in chunks {
        let chars = chunk.text().chars().count();
        if length + chars < max {
            length += chars;
            kept.push(chunk);
            continue;
        }
        match chunk {
            Chunk::Redaction { .. } if length + chars + 3 < limit => kept.push(chunk),
            Chunk::Redaction { .. } => {}
            Chunk::Text(text) => {
                let room = max.saturating_sub(length + 3);
                kept.push(Chunk::Text(text.chars().take(room).collect::<String>().into()));
            }
        }
        break;
    }
    kept.push(Chunk::Redaction {
        text: "...".into(),
        rule: "!limit".into(),
        kind: RemarkKind::Substituted,
    });
    kept
}
