use std::fmt;
use std::num::NonZeroU32;

use super::{Meta, Payload};

/// Names a value of one [`Payload`]. Stays valid when the value is changed, moved or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(NonZeroU32);

impl NodeId {
    pub(super) const ROOT: Self = Self(NonZeroU32::MIN);

    pub(super) fn new(index: usize) -> Self {
        let index = u32::try_from(index).ok().and_then(NonZeroU32::new);
        Self(index.expect("nodes are numbered from 1, and there are fewer than bytes"))
    }

    pub(super) fn index(self) -> usize {
        self.0.get() as usize
    }
}

/// The kinds of JSON values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number; [`NodeRef::number`] has its text.
    Number,
    /// A string
    String,
    /// A list
    Array,
    /// An object
    Object,
}

/// A half-open range of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        // Parsing refuses bodies whose positions and decoded texts would not fit.
        let fit = |at: usize| u32::try_from(at).expect("texts stay below 4 GiB");
        Self { start: fit(start), end: fit(end) }
    }
}

/// `key` is a range of the text buffer, not of the source.
pub(super) const KEY_IN_TEXT: u8 = 1;
/// `raw` is a range of the text buffer, not of the source.
pub(super) const RAW_IN_TEXT: u8 = 2;
/// `raw` no longer says what the node is. Then this flag is on every ancestor, too.
pub(super) const CHANGED: u8 = 4;
/// The node has an entry in the table of metas.
pub(super) const HAS_META: u8 = 8;
/// The text of the string is a range of the text buffer, not of the source.
pub(super) const TEXT_IN_TEXT: u8 = 16;
/// The boolean is `true`.
pub(super) const TRUE: u8 = 32;
/// The `_meta` of everything below is written here.
pub(super) const META_ROOT: u8 = 64;

#[derive(Clone, Copy, Debug)]
pub(super) struct NodeData {
    pub(super) kind: Kind,
    pub(super) flags: u8,
    /// Meaningful if the parent is an object. Decoded.
    pub(super) key: Span,
    /// The value as it came.
    pub(super) raw: Span,
    /// Of a scalar: the decoded text of a string, the digits of a number.
    pub(super) text: Span,
    pub(super) first: Option<NodeId>,
    pub(super) last: Option<NodeId>,
    pub(super) parent: Option<NodeId>,
    pub(super) previous: Option<NodeId>,
    pub(super) next: Option<NodeId>,
}

impl NodeData {
    pub(super) const NOBODY: Self = Self {
        kind: Kind::Null,
        flags: 0,
        key: Span { start: 0, end: 0 },
        raw: Span { start: 0, end: 0 },
        text: Span { start: 0, end: 0 },
        first: None,
        last: None,
        parent: None,
        previous: None,
        next: None,
    };

    pub(super) fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// A value of a [`Payload`] and the way to its neighbours.
#[derive(Clone, Copy)]
pub struct NodeRef<'t> {
    payload: &'t Payload<'t>,
    id: NodeId,
}

impl<'t> NodeRef<'t> {
    pub(super) fn new(payload: &'t Payload<'t>, id: NodeId) -> Self {
        Self { payload, id }
    }

    pub(super) fn payload(self) -> &'t Payload<'t> {
        self.payload
    }

    fn data(self) -> &'t NodeData {
        self.payload.data(self.id)
    }

    /// The name of this value, to change it by.
    pub fn id(self) -> NodeId {
        self.id
    }

    /// What kind of value this is.
    pub fn kind(self) -> Kind {
        self.data().kind
    }

    /// Whether this is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The key under which this value stands in its object. `None` for list elements and roots.
    pub fn key(self) -> Option<&'t str> {
        let data = self.data();
        let parent = data.parent?;
        (self.payload.kind(parent) == Kind::Object)
            .then(|| self.payload.slice(data.key, data.is(KEY_IN_TEXT)))
    }

    /// Whether nothing stands before this value in its object or list.
    pub fn is_first(self) -> bool {
        self.data().previous.is_none()
    }

    /// The object or list this value stands in.
    pub fn parent(self) -> Option<Self> {
        self.data().parent.map(|id| self.payload.node(id))
    }

    /// What stands before this value in the same object or list.
    pub fn previous(self) -> Option<Self> {
        self.data().previous.map(|id| self.payload.node(id))
    }

    /// What stands behind this value in the same object or list.
    pub fn next(self) -> Option<Self> {
        self.data().next.map(|id| self.payload.node(id))
    }

    /// The values of an object or list, in the order they came in. Nothing for other kinds.
    pub fn children(self) -> Children<'t> {
        Children { payload: self.payload, front: self.data().first, back: self.data().last }
    }

    /// How many values an object or list has; 0 for other kinds. Counts them.
    pub fn len(self) -> usize {
        self.children().count()
    }

    /// Whether an object or list has no values. Also of other kinds.
    pub fn is_empty(self) -> bool {
        self.data().first.is_none()
    }

    /// The value of `key`, if this is an object that has it: the last one, should there be several.
    pub fn get(self, key: &str) -> Option<Self> {
        if self.kind() != Kind::Object {
            return None;
        }
        let mut child = self.data().last;
        while let Some(id) = child {
            let data = self.payload.data(id);
            if (data.key.end - data.key.start) as usize == key.len()
                && self.payload.slice(data.key, data.is(KEY_IN_TEXT)) == key
            {
                return Some(self.payload.node(id));
            }
            child = data.previous;
        }
        None
    }

    /// The element at `index`, if this is a list that long. Counts up to it.
    pub fn element(self, index: usize) -> Option<Self> {
        (self.kind() == Kind::Array).then(|| self.children().nth(index)).flatten()
    }

    /// The value at the end of a path of keys and, for lists, decimal positions.
    pub fn path(self, path: &[&str]) -> Option<Self> {
        path.iter().try_fold(self, |node, &step| match node.kind() {
            Kind::Array => node.element(step.parse().ok()?),
            _ => node.get(step),
        })
    }

    /// The decoded text of a string.
    pub fn as_str(self) -> Option<&'t str> {
        let data = self.data();
        (data.kind == Kind::String).then(|| self.payload.slice(data.text, data.is(TEXT_IN_TEXT)))
    }

    /// The value of a boolean.
    pub fn as_bool(self) -> Option<bool> {
        let data = self.data();
        (data.kind == Kind::Bool).then(|| data.is(TRUE))
    }

    /// The text of a number, as it was written.
    pub fn number(self) -> Option<&'t str> {
        let data = self.data();
        (data.kind == Kind::Number).then(|| self.payload.slice(data.text, data.is(TEXT_IN_TEXT)))
    }

    /// A whole number without fraction and exponent that fits.
    pub fn as_i64(self) -> Option<i64> {
        self.number()?.parse().ok()
    }

    /// A whole number without sign, fraction and exponent that fits.
    pub fn as_u64(self) -> Option<u64> {
        self.number()?.parse().ok()
    }

    /// Any number, rounded to what a double can hold; infinite if it is too large for one.
    pub fn as_f64(self) -> Option<f64> {
        self.number()?.parse().ok()
    }

    /// What is known to have been done to this value.
    pub fn meta(self) -> Option<&'t Meta> {
        self.data().is(HAS_META).then(|| self.payload.metas.get(&self.id)).flatten()
    }

    /// Whether the value, as compact JSON, has more than `size` bytes. Stops counting there.
    pub fn is_larger_than(self, size: usize) -> bool {
        let mut total = 0;
        for node in self.descendants() {
            total += node.key().filter(|_| node.id != self.id).map_or(0, |key| key.len() + 3);
            total += usize::from(node.data().next.is_some() && node.id != self.id);
            total += match node.kind() {
                Kind::Null => 4,
                Kind::Bool => 5 - usize::from(node.data().is(TRUE)),
                Kind::Number => node.number().map_or(0, str::len),
                Kind::String => node.as_str().map_or(0, str::len) + 2,
                Kind::Array | Kind::Object => 2,
            };
            if total > size {
                return true;
            }
        }
        false
    }

    /// Every value from here down, this one first, parents before their values.
    pub fn descendants(self) -> impl Iterator<Item = NodeRef<'t>> {
        let mut next = Some(self);
        std::iter::from_fn(move || {
            let node = next?;
            next = node.after(self.id);
            Some(node)
        })
    }

    /// The next value in document order within the subtree of `top`.
    fn after(self, top: NodeId) -> Option<Self> {
        if let Some(first) = self.data().first {
            return Some(self.payload.node(first));
        }
        let mut id = self.id;
        loop {
            if id == top {
                return None;
            }
            let data = self.payload.data(id);
            if let Some(next) = data.next {
                return Some(self.payload.node(next));
            }
            id = data.parent?;
        }
    }
}

impl fmt::Debug for NodeRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodeRef").field(&self.id).field(&self.kind()).finish()
    }
}

/// The values of an object or list; see [`NodeRef::children`].
#[derive(Clone, Debug)]
pub struct Children<'t> {
    payload: &'t Payload<'t>,
    front: Option<NodeId>,
    back: Option<NodeId>,
}

impl<'t> Iterator for Children<'t> {
    type Item = NodeRef<'t>;

    fn next(&mut self) -> Option<NodeRef<'t>> {
        let id = self.front?;
        if self.back == Some(id) {
            (self.front, self.back) = (None, None);
        } else {
            self.front = self.payload.data(id).next;
        }
        Some(self.payload.node(id))
    }
}

impl DoubleEndedIterator for Children<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let id = self.back?;
        if self.front == Some(id) {
            (self.front, self.back) = (None, None);
        } else {
            self.back = self.payload.data(id).previous;
        }
        Some(self.payload.node(id))
    }
}
