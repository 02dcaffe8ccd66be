use std::fmt::{self, Write as _};

use super::meta::Meta;
use super::node::{
    CHANGED, HAS_META, KEY_IN_TEXT, Kind, META_ROOT, NodeData, NodeId, Span, TEXT_IN_TEXT, TRUE,
};
use super::{ParsePayloadError, Payload, PayloadLimits, number, parse};

/// A new value for a node. Objects and lists start empty.
///
/// Most things convert: `payload.insert(user, "id", "7")`, `payload.set(node, 1.5)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'v> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number
    Unsigned(u64),
    /// A whole number
    Signed(i64),
    /// Written with a decimal point; what is not finite is `null`.
    Float(f64),
    /// The text of a JSON number; `null` if it is none.
    Number(&'v str),
    /// A string
    String(&'v str),
    /// `[]`
    Array,
    /// `{}`
    Object,
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Value<'_> {
    fn from(value: u64) -> Self {
        Self::Unsigned(value)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Signed(value)
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(value: &'v str) -> Self {
        Self::String(value)
    }
}

impl<'v> From<&'v String> for Value<'v> {
    fn from(value: &'v String) -> Self {
        Self::String(value)
    }
}

/// Editing. Ids stay what they are; whatever is removed keeps its own values and can be put back elsewhere.
impl Payload<'_> {
    /// Replaces a value. Key, place and meta stay; what an object or list held is let go.
    pub fn set<'v>(&mut self, id: NodeId, value: impl Into<Value<'v>>) {
        let value = value.into();
        self.detach_children(id);
        let (kind, text) = match value {
            Value::Null => (Kind::Null, Span::default()),
            Value::Bool(_) => (Kind::Bool, Span::default()),
            Value::Unsigned(number) => (Kind::Number, self.add_text(number)),
            Value::Signed(number) => (Kind::Number, self.add_text(number)),
            // `Debug` of a float has a decimal point or an exponent, and reads back as the same float.
            Value::Float(number) if number.is_finite() => {
                (Kind::Number, self.add_text(format_args!("{number:?}")))
            }
            Value::Number(text) if number::is_number(text) => (Kind::Number, self.add_text(text)),
            Value::Float(_) | Value::Number(_) => (Kind::Null, Span::default()),
            Value::String(text) => (Kind::String, self.add_text(text)),
            Value::Array => (Kind::Array, Span::default()),
            Value::Object => (Kind::Object, Span::default()),
        };
        let data = self.data_mut(id);
        data.kind = kind;
        data.text = text;
        data.flags |= TEXT_IN_TEXT;
        data.flags &= !TRUE;
        if value == Value::Bool(true) {
            data.flags |= TRUE;
        }
        self.touch(id);
    }

    /// Replaces a value by what a JSON text says. If it is broken or beyond `limits`, nothing changes.
    pub fn set_json(
        &mut self,
        id: NodeId,
        json: &str,
        limits: PayloadLimits,
    ) -> Result<(), ParsePayloadError> {
        let base = self.text.len();
        self.text.push_str(json);
        match parse::parse_more(self, json, base, limits) {
            Ok(parsed) => {
                self.replace_content(id, parsed);
                Ok(())
            }
            Err(error) => {
                self.text.truncate(base);
                Err(error)
            }
        }
    }

    /// Gives `object` a value under `key`: the value that is there is replaced in its place, its meta stays; otherwise
    /// the new one comes last. Returns its id.
    ///
    /// # Panics
    ///
    /// If `object` is no object.
    pub fn insert<'v>(&mut self, object: NodeId, key: &str, value: impl Into<Value<'v>>) -> NodeId {
        let id = self.entry(object, key);
        self.set(id, value);
        id
    }

    /// The value of `key`, and if there is none, a new `null` for it at the end of `object`.
    ///
    /// # Panics
    ///
    /// If `object` is no object.
    pub fn entry(&mut self, object: NodeId, key: &str) -> NodeId {
        if let Some(id) = self.get(object, key) {
            return id;
        }
        let id = self.detached(Value::Null);
        self.attach(id, object, Some(key));
        id
    }

    /// Gives a list a further element. Returns its id.
    ///
    /// # Panics
    ///
    /// If `array` is no list.
    pub fn push<'v>(&mut self, array: NodeId, value: impl Into<Value<'v>>) -> NodeId {
        let id = self.detached(value);
        self.attach(id, array, None);
        id
    }

    /// A new value that stands nowhere yet; [`move_to`](Self::move_to) and [`append`](Self::append) put it somewhere.
    pub fn detached<'v>(&mut self, value: impl Into<Value<'v>>) -> NodeId {
        let id = NodeId::new(self.nodes.len());
        self.nodes.push(NodeData { flags: CHANGED, ..NodeData::NOBODY });
        self.set(id, value);
        id
    }

    /// Takes a value out of its object or list, without a trace. The root stays.
    pub fn remove(&mut self, id: NodeId) {
        if let Some(parent) = self.data(id).parent {
            self.touch(parent);
        }
        self.unlink(id);
    }

    /// Takes every value of `key` out of an object, without a trace.
    pub fn remove_key(&mut self, object: NodeId, key: &str) {
        for id in self.all_of_key(object, key) {
            self.remove(id);
        }
    }

    /// Takes everything out of an object or list.
    pub fn clear(&mut self, id: NodeId) {
        self.detach_children(id);
        self.touch(id);
    }

    /// Takes out every value after `last`, in the same object or list.
    pub fn remove_after(&mut self, last: NodeId) {
        while let Some(next) = self.data(last).next {
            self.remove(next);
        }
    }

    /// Changes the key of a value. It stays where it is.
    pub fn rename(&mut self, id: NodeId, key: &str) {
        let span = self.add_text(key);
        let data = self.data_mut(id);
        data.key = span;
        data.flags |= KEY_IN_TEXT;
        if let Some(parent) = data.parent {
            self.touch(parent);
        }
    }

    /// Moves a value, with its meta, to the end of `object`. A value that stood there under `key` is removed.
    ///
    /// # Panics
    ///
    /// If `object` is no object, or stands within the value.
    pub fn move_to(&mut self, id: NodeId, object: NodeId, key: &str) {
        for old in self.all_of_key(object, key) {
            if old != id {
                self.remove(old);
            }
        }
        let data = self.data(id);
        let stands_there = data.parent == Some(object) && data.next.is_none();
        if stands_there && self.node(id).key() == Some(key) {
            return;
        }
        self.remove(id);
        self.attach(id, object, Some(key));
    }

    /// The values of `key`, which an object may have more than once. One walk, whatever is done to them then.
    pub(crate) fn all_of_key(&self, object: NodeId, key: &str) -> Vec<NodeId> {
        let children = self.node(object).children();
        children.filter(|child| child.key() == Some(key)).map(|child| child.id()).collect()
    }

    /// Moves a value, with its meta, to the end of `object`, where the key may be there already.
    ///
    /// # Panics
    ///
    /// If `object` is no object, or stands within the value.
    pub fn move_to_end(&mut self, id: NodeId, object: NodeId, key: &str) {
        self.remove(id);
        self.attach(id, object, Some(key));
    }

    /// Moves a value of an object, with its key and meta, to the end of another object. It does not look whether that
    /// has a value of this key already: for many values at once.
    ///
    /// # Panics
    ///
    /// If `id` stands in no object, `object` is none, or stands within the value.
    pub fn move_entry(&mut self, id: NodeId, object: NodeId) {
        let key = self.node(id).key().expect("only values of objects have a key").to_owned();
        self.remove(id);
        self.attach(id, object, Some(&key));
    }

    /// Gives `object` a new value at its end, without looking whether it has one under `key` already: for many values
    /// at once. Returns its id.
    ///
    /// # Panics
    ///
    /// If `object` is no object.
    pub fn add_entry<'v>(
        &mut self,
        object: NodeId,
        key: &str,
        value: impl Into<Value<'v>>,
    ) -> NodeId {
        let id = self.detached(value);
        self.attach(id, object, Some(key));
        id
    }

    /// Moves a value, with its meta, to the end of a list.
    ///
    /// # Panics
    ///
    /// If `array` is no list, or stands within the value.
    pub fn append(&mut self, id: NodeId, array: NodeId) {
        self.remove(id);
        self.attach(id, array, None);
    }

    /// Copies a value with all below it, without meta, to `object` under `key`, replacing what is there. Returns the
    /// copy.
    ///
    /// # Panics
    ///
    /// If `object` is no object.
    pub fn copy_to(&mut self, id: NodeId, object: NodeId, key: &str) -> NodeId {
        let copy = self.copy(id);
        let target = self.entry(object, key);
        self.replace_content(target, copy);
        target
    }

    /// Copies a value with all below it, without meta. The copy stands nowhere yet.
    pub fn copy(&mut self, id: NodeId) -> NodeId {
        let root = self.copy_node(id);
        let mut open = vec![(id, root)];
        while let Some((from, to)) = open.pop() {
            let mut child = self.data(from).first;
            while let Some(id) = child {
                let copied = self.copy_node(id);
                self.link_last(copied, to);
                open.push((id, copied));
                child = self.data(id).next;
            }
        }
        root
    }

    /// Moves the content of `new`, which stands nowhere, into the place of a value. Key, place and meta stay.
    pub fn replace_content(&mut self, id: NodeId, new: NodeId) {
        self.detach_children(id);
        let new_data = *self.data(new);
        let mut child = new_data.first;
        while let Some(moved) = child {
            self.data_mut(moved).parent = Some(id);
            child = self.data(moved).next;
        }
        let kept = KEY_IN_TEXT | HAS_META | META_ROOT;
        let data = self.data_mut(id);
        data.flags = (data.flags & kept) | (new_data.flags & !kept);
        data.kind = new_data.kind;
        data.text = new_data.text;
        data.raw = new_data.raw;
        data.first = new_data.first;
        data.last = new_data.last;
        *self.data_mut(new) = NodeData { flags: CHANGED, ..NodeData::NOBODY };
        if let Some(parent) = self.data(id).parent {
            self.touch(parent);
        }
    }

    /// Moves the content of a value out of its place, as a value that stands nowhere; the place becomes `null`. Key,
    /// place and meta stay.
    pub fn take(&mut self, id: NodeId) -> NodeId {
        let taken = self.detached(Value::Null);
        // The empty node in the place, the content of the place in the new node; then both change sides.
        let data = *self.data(id);
        let mut child = data.first;
        while let Some(moved) = child {
            self.data_mut(moved).parent = Some(taken);
            child = self.data(moved).next;
        }
        let kept = KEY_IN_TEXT | HAS_META | META_ROOT;
        let new = self.data_mut(taken);
        new.kind = data.kind;
        new.flags = data.flags & !kept;
        new.text = data.text;
        new.raw = data.raw;
        new.first = data.first;
        new.last = data.last;
        let old = self.data_mut(id);
        old.first = None;
        old.last = None;
        self.set(id, Value::Null);
        taken
    }

    /// Brings the values of an object into the order of their keys, by bytes. Equal keys keep their order.
    pub fn sort_keys(&mut self, object: NodeId) {
        let sorted = self.node(object).children().is_sorted_by_key(|child| child.key());
        if sorted {
            return;
        }
        let mut children: Vec<NodeId> =
            self.node(object).children().map(|child| child.id()).collect();
        children.sort_by(|&a, &b| self.node(a).key().cmp(&self.node(b).key()));
        self.reorder(object, &children);
    }

    /// Makes `children` the values of an object or list, in this order. Others that stood there are let go.
    ///
    /// # Panics
    ///
    /// If one of them stands elsewhere.
    pub fn reorder(&mut self, container: NodeId, children: &[NodeId]) {
        assert!(children.iter().all(|&id| self.data(id).parent == Some(container)));
        self.detach_children(container);
        for &id in children {
            self.link_last(id, container);
        }
        self.touch(container);
    }

    /// Takes every `null` without meta out of a list.
    pub fn remove_plain_nulls(&mut self, array: NodeId) {
        let mut next = self.data(array).first;
        while let Some(id) = next {
            let data = self.data(id);
            next = data.next;
            if data.kind == Kind::Null && !data.is(HAS_META) {
                self.remove(id);
            }
        }
    }

    /// What is known to have been done to a value, to add to it.
    pub fn meta_mut(&mut self, id: NodeId) -> &mut Meta {
        self.meta_changed = true;
        self.data_mut(id).flags |= HAS_META;
        self.metas.entry(id).or_default()
    }

    /// Forgets what was done to a value.
    pub fn clear_meta(&mut self, id: NodeId) {
        if self.metas.remove(&id).is_some() {
            self.meta_changed = true;
            self.data_mut(id).flags &= !HAS_META;
            self.touch(id);
        }
    }

    /// Marks a node and all it stands in as different from what came in.
    pub(super) fn touch(&mut self, id: NodeId) {
        let mut next = Some(id);
        while let Some(id) = next {
            let data = self.data_mut(id);
            if data.is(CHANGED) {
                return;
            }
            data.flags |= CHANGED;
            next = data.parent;
        }
    }

    fn add_text(&mut self, text: impl fmt::Display) -> Span {
        let start = self.text.len();
        write!(self.text, "{text}").expect("a string takes any text");
        Span::new(start, self.text.len())
    }

    fn attach(&mut self, id: NodeId, container: NodeId, key: Option<&str>) {
        let kind = if key.is_some() { Kind::Object } else { Kind::Array };
        assert_eq!(
            self.kind(container),
            kind,
            "values are put into objects by key, else into lists"
        );
        let mut above = Some(container);
        while let Some(ancestor) = above {
            assert_ne!(ancestor, id, "a value does not stand within itself");
            above = self.data(ancestor).parent;
        }
        if let Some(key) = key {
            let span = self.add_text(key);
            let data = self.data_mut(id);
            data.key = span;
            data.flags |= KEY_IN_TEXT;
        }
        self.link_last(id, container);
        self.touch(container);
    }

    fn copy_node(&mut self, id: NodeId) -> NodeId {
        let mut data = *self.data(id);
        data.flags &= !(HAS_META | META_ROOT);
        (data.first, data.last) = (None, None);
        (data.parent, data.previous, data.next) = (None, None, None);
        let copy = NodeId::new(self.nodes.len());
        self.nodes.push(data);
        copy
    }

    fn detach_children(&mut self, id: NodeId) {
        let data = self.data_mut(id);
        let mut child = data.first.take();
        data.last = None;
        while let Some(id) = child {
            let data = self.data_mut(id);
            child = data.next.take();
            (data.parent, data.previous) = (None, None);
        }
    }

    pub(super) fn unlink(&mut self, id: NodeId) {
        let data = self.data_mut(id);
        let parent = data.parent.take();
        let previous = data.previous.take();
        let next = data.next.take();
        match (previous, parent) {
            (Some(previous), _) => self.data_mut(previous).next = next,
            (None, Some(parent)) => self.data_mut(parent).first = next,
            (None, None) => {}
        }
        match (next, parent) {
            (Some(next), _) => self.data_mut(next).previous = previous,
            (None, Some(parent)) => self.data_mut(parent).last = previous,
            (None, None) => {}
        }
    }

    fn link_last(&mut self, id: NodeId, container: NodeId) {
        let previous = self.data_mut(container).last.replace(id);
        match previous {
            None => self.data_mut(container).first = Some(id),
            Some(previous) => self.data_mut(previous).next = Some(id),
        }
        let data = self.data_mut(id);
        data.parent = Some(container);
        data.previous = previous;
        data.next = None;
    }
}
