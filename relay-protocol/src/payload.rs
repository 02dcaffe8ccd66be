//! The payload tree: JSON that is parsed once, edited in place and written once.
//!
//! A [`Payload`] borrows the body it was parsed from. Strings stay slices of the body, numbers keep their text, and
//! whatever was not changed is copied to the output as it came: a payload that nobody touched is written byte for
//! byte. All nodes live in one vector and are named by a [`NodeId`], which is small and `Copy`, so that code can hold
//! on to one place while it changes another:
//!
//! ```
//! use relay_protocol::payload::{MetaError, Payload, Value};
//!
//! let body = br#"{"user":{"id":7,"shoe":42},"request":{"env":{"REMOTE_ADDR":"192.0.2.7"}}}"#;
//! let mut payload = Payload::parse(body)?;
//! let root = payload.root();
//!
//! // Read: a `NodeRef` is a place to look around from.
//! let address = payload.node(root).path(&["request", "env", "REMOTE_ADDR"]).map(|node| node.id());
//! let user = payload.get(root, "user").expect("this body has a user");
//!
//! // Change: by id, in place. `insert` replaces the value of a key that is there already.
//! if let Some(address) = address {
//!     payload.copy_to(address, user, "ip_address");
//! }
//! payload.insert(user, "id", "7");
//!
//! // Refuse: the value becomes null, the error and the old value go to `_meta`.
//! let shoe = payload.get(user, "shoe").expect("and the user a shoe");
//! payload.reject(shoe, MetaError::expected("a string"));
//!
//! assert_eq!(
//!     payload.to_json(),
//!     r#"{"user":{"id":"7","shoe":null,"ip_address":"192.0.2.7"},"request":{"env":{"REMOTE_ADDR":"192.0.2.7"}},"#
//!         .to_owned()
//!         + r#""_meta":{"user":{"shoe":{"":{"err":[["invalid_data",{"reason":"expected a string"}]],"val":42}}}}}"#,
//! );
//! # Ok::<(), relay_protocol::payload::ParsePayloadError>(())
//! ```
//!
//! # What it accepts
//!
//! One JSON text as RFC 8259 has it, in UTF-8, with white space around it. Lone surrogates in escapes are refused, as
//! are nesting and numbers of values beyond [`PayloadLimits`]. Of a key that an object has twice, the last one counts
//! when it is looked up; all of them are kept, visited by [`NodeRef::children`], and written.
//!
//! # Meta
//!
//! What was done to a value (`_meta` on the wire) is kept beside the tree, by node, and travels with the node. An
//! incoming `_meta` of the root is taken apart while parsing and written back last. Entries that point to nothing are
//! dropped, unless nothing at all was changed. An element of a list may be a root of its own (items of a
//! container): [`Payload::split_meta`]. What stands under the empty key, and below, has no meta on the wire, where that
//! key means the value itself.
//!
//! # Cost
//!
//! 48 bytes per value in one vector, plus the decoded text of strings with escapes in one buffer. Looking up a key
//! walks the keys of that object.

mod chunk;
mod edit;
mod meta;
mod node;
mod number;
mod parse;
mod write;

pub use self::chunk::Chunk;
pub use self::edit::Value;
pub use self::meta::{ErrorKind, Meta, MetaError, Remark, RemarkKind};
pub use self::node::{Children, Kind, NodeId, NodeRef};
pub use self::parse::{ParsePayloadError, PayloadLimits};

use std::collections::BTreeMap;

use self::node::{NodeData, Span};

/// A JSON text as a tree that can be edited; see the [module documentation](self).
#[derive(Clone, Debug)]
pub struct Payload<'a> {
    /// The body; unchanged nodes and undecoded strings are slices of it.
    source: &'a str,
    /// Everything else that is text: decoded strings, texts and numbers set by edits.
    text: String,
    /// The first one is nobody: index 0 stands for "none".
    nodes: Vec<NodeData>,
    /// Only of nodes that carry [`node::HAS_META`].
    metas: BTreeMap<NodeId, Meta>,
    root: NodeId,
    /// Whether a meta differs from what came in.
    meta_changed: bool,
}

impl<'a> Payload<'a> {
    /// Parses a body within the default [`PayloadLimits`].
    pub fn parse(body: &'a [u8]) -> Result<Self, ParsePayloadError> {
        Self::parse_within(body, PayloadLimits::default())
    }

    /// Parses a body.
    ///
    /// # Errors
    ///
    /// It is not one JSON text in UTF-8, or is larger than `limits`.
    pub fn parse_within(body: &'a [u8], limits: PayloadLimits) -> Result<Self, ParsePayloadError> {
        let mut payload = parse::parse(body, limits)?;
        payload.split_root_meta();
        Ok(payload)
    }

    /// An empty object, to build a payload from nothing.
    pub fn object() -> Payload<'static> {
        Payload::parse(b"{}").expect("this is JSON")
    }

    /// The outermost value.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// A place to look around from.
    ///
    /// # Panics
    ///
    /// May panic, or name some other node, if `id` comes from another payload.
    pub fn node(&self, id: NodeId) -> NodeRef<'_> {
        NodeRef::new(self, id)
    }

    /// The value of `key`, if `object` is an object that has it: the last one, should there be several.
    pub fn get(&self, object: NodeId, key: &str) -> Option<NodeId> {
        self.node(object).get(key).map(NodeRef::id)
    }

    /// What kind of value this is.
    pub fn kind(&self, id: NodeId) -> Kind {
        self.data(id).kind
    }

    /// The decoded text, if this is a string.
    pub fn str(&self, id: NodeId) -> Option<&str> {
        self.node(id).as_str()
    }

    /// How many values the payload has held so far, removed ones included: what walks and buffers cost.
    pub fn node_count(&self) -> usize {
        self.nodes.len() - 1
    }

    fn data(&self, id: NodeId) -> &NodeData {
        &self.nodes[id.index()]
    }

    fn data_mut(&mut self, id: NodeId) -> &mut NodeData {
        &mut self.nodes[id.index()]
    }

    fn slice(&self, span: Span, in_text: bool) -> &str {
        let buffer = if in_text { self.text.as_str() } else { self.source };
        &buffer[span.start as usize..span.end as usize]
    }
}
