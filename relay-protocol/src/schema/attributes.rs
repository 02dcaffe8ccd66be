use std::fmt;

use crate::payload::{Kind, NodeRef};

/// Whether a scrubber may look at a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pii {
    /// As what it stands in.
    Inherit,
    /// Yes, always.
    Yes,
    /// Only if a rule names it.
    Maybe,
    /// Never.
    No,
}

/// Which characters a text may have. One that it may not have costs the whole text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Characters {
    /// All.
    Any,
    /// ASCII letters and digits, and these.
    Alphanumeric(&'static str),
    /// All but these.
    Without(&'static str),
}

impl Characters {
    /// The first character of a text that it may not have.
    pub fn forbidden(self, text: &str) -> Option<char> {
        match self {
            Self::Any => None,
            Self::Alphanumeric(more) => {
                text.chars().find(|&c| !c.is_ascii_alphanumeric() && !more.contains(c))
            }
            Self::Without(these) => text.chars().find(|&c| these.contains(c)),
        }
    }
}

/// What a value has to look like, and which spellings of it are accepted. [`check`](super::check) brings all of them
/// into the first form named here.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Shape {
    /// Anything.
    Any,
    /// A string.
    String,
    /// A string; booleans become `True` and `False`, numbers their text.
    Lenient,
    /// A string; anything else becomes its JSON text.
    JsonText,
    /// `true` or `false`.
    Bool,
    /// A whole number without sign; fractions are cut off.
    Unsigned,
    /// A whole number; fractions are cut off.
    Signed,
    /// A number.
    Float,
    /// A number that a double can hold.
    FiniteFloat,
    /// Seconds since 1970 as a number with fraction; RFC 3339, or the same without zone.
    Timestamp,
    /// The name of a [`Level`](crate::Level), an alias of one, or 10 to 50.
    Level,
    /// The name of an [`EventType`](crate::EventType).
    EventType,
    /// 32 lower-case hex digits; any spelling of a UUID.
    EventId,
    /// A UUID with hyphens; any spelling of one.
    Uuid,
    /// 32 lower-case hex digits; any spelling of a UUID.
    TraceId,
    /// 16 hex digits that are not all zero, in lower case.
    SpanId,
    /// The name of a [`SpanStatus`](crate::SpanStatus), an alias of one, or its number.
    Status,
    /// An IPv4 or IPv6 address, or `{{auto}}`.
    Ip,
    /// `0x` and hex digits; a number, in decimal digits as well.
    Address,
    /// A whole number without sign, or a string.
    ThreadId,
    /// A path of some operating system. Only the directories in it are personal.
    Path,
    /// A debug id: a UUID with hyphens, perhaps `-` and an age in hex.
    DebugId,
    /// Hex digits in lower case.
    CodeId,
    /// The name of a [`MetricUnit`](super::MetricUnit).
    Unit,
    /// 1, 2, 4 or 8.
    LockType,
    /// An object with known keys.
    Object(&'static Interface),
    /// An object with known keys; anything else but `null` and `false` becomes `{"formatted": text}`.
    LogEntry(&'static Interface),
    /// An object with known keys; one without `type` is of the shape that old SDKs send.
    Mechanism(&'static Interface),
    /// `{"values": […]}`; the list alone, or one of its elements. Holds what is said of the list.
    Values(&'static Attributes),
    /// A list.
    List(&'static Attributes),
    /// An object whose keys are names.
    Map(&'static Attributes),
    /// An object or a list of anything.
    Params,
    /// An object of anything; a list becomes one with its positions as keys.
    Variables,
    /// A list of strings; what cannot become one is taken out.
    Fingerprint,
    /// A list of `[name, value]`; an object whose keys are the names.
    Pairs(PairSyntax, &'static Attributes),
    /// A list of two.
    Pair(&'static [Attributes; 2]),
    /// An object of contexts, each as its `type` says.
    Contexts,
    /// An image of a program in memory, as its `type` says.
    Image,
    /// An object of measurements.
    Measurements(&'static Attributes),
    /// An object of `{"type": …, "value": …}` (spec/schema.md 13.2), each as personal as the
    /// [`Convention`](super::Convention) says of its name.
    Attributes,
    /// One of those.
    Attribute,
    /// An object of anything, each value as personal as the [`Convention`](super::Convention) says of its name.
    Conventional,
}

/// What else than lists and objects is taken for pairs, and what is done to their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairSyntax {
    /// Blanks in names become hyphens, white space around name and value goes.
    Tags,
    /// A query string, perhaps with `?`.
    Query,
    /// A `Cookie` header.
    Cookies,
    /// Names get upper-case letters where headers have them, lists of values are joined.
    Headers,
}

/// Everything the schema says about a value.
#[derive(Clone, Copy, Debug)]
pub struct Attributes {
    /// What it looks like.
    pub shape: Shape,
    /// Whether a scrubber may look at it.
    pub pii: Pii,
    /// Its absence is an error.
    pub required: bool,
    /// An empty text or list is an error.
    pub nonempty: bool,
    /// White space around the text is cut off.
    pub trim_whitespace: bool,
    /// Which characters the text may have.
    pub characters: Characters,
    /// The longest text after trimming, in characters.
    pub max_chars: Option<u32>,
    /// How many more characters a text may have before it is trimmed at all.
    pub allowance: u32,
    /// How deep values may stand in it: itself 1.
    pub max_depth: Option<u32>,
    /// How many bytes it and all below may have, about as JSON without keys.
    pub max_bytes: Option<u32>,
    /// Whether trimming goes in.
    pub trim: bool,
    /// An empty object or list is not written, and neither are nulls in lists.
    pub skip_empty: bool,
}

impl Attributes {
    /// What a shape says of itself alone.
    pub const fn of(shape: Shape) -> Self {
        Self {
            shape,
            pii: Pii::Inherit,
            required: false,
            nonempty: false,
            trim_whitespace: false,
            characters: Characters::Any,
            max_chars: None,
            allowance: 0,
            max_depth: None,
            max_bytes: None,
            trim: true,
            skip_empty: false,
        }
    }

    /// The attributes of a value that stands in one with these, after [`check`](super::check).
    ///
    /// In free values everything is free.
    pub fn below(&self, child: NodeRef<'_>) -> &'static Attributes {
        match self.shape {
            Shape::Object(interface) | Shape::LogEntry(interface) | Shape::Mechanism(interface) => {
                interface.of_key(child.key().unwrap_or_default())
            }
            // The list `values` and its elements; other keys beside `values` are free.
            Shape::Values(list) => match child.key() {
                Some("values") => list,
                _ => &super::ANY,
            },
            Shape::List(Self { shape: Shape::Image, .. }) => {
                super::debug_meta::attributes_of(child)
            }
            Shape::List(element) | Shape::Map(element) | Shape::Measurements(element) => element,
            Shape::Fingerprint => &super::TEXT,
            Shape::Pairs(_, pair) => pair,
            Shape::Pair(halves) => &halves[usize::from(!child.is_first())],
            Shape::Contexts => super::contexts::attributes_of(child),
            Shape::Attributes => super::attribute_map::attribute(child.key().unwrap_or_default()),
            Shape::Attribute if child.key() == Some("type") => &super::attribute_map::TYPE,
            Shape::Conventional => super::attribute_map::value(child.key().unwrap_or_default()),
            _ => &super::ANY,
        }
    }
}

/// A known key of an [`Interface`].
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// Keys that mean the same. They count if the key itself is absent.
    pub aliases: &'static [&'static str],
    /// What its value is.
    pub attributes: Attributes,
}

/// An object whose keys are known, or some of them.
pub struct Interface {
    /// What it is called: `expected user` says that some other kind of value stood in its place.
    pub name: &'static str,
    /// The known keys.
    pub fields: &'static [Field],
    /// The attributes of values under other keys.
    pub other: Attributes,
    /// Which field, plus 1, a hash of a key leads to.
    slots: [u8; SLOTS],
}

const SLOTS: usize = 256;

impl Interface {
    /// Describes an object; `other` is the level of unknown keys.
    pub(super) const fn new(name: &'static str, other: Pii, fields: &'static [Field]) -> Self {
        assert!(
            fields.len() < 128,
            "fields are numbered in a byte, and half of the slots stay free"
        );
        let mut slots = [0; SLOTS];
        let mut field = 0;
        while field < fields.len() {
            place(&mut slots, fields[field].name, field);
            let mut alias = 0;
            while alias < fields[field].aliases.len() {
                place(&mut slots, fields[field].aliases[alias], field);
                alias += 1;
            }
            field += 1;
        }
        let mut other_attributes = Attributes::of(Shape::Any);
        other_attributes.pii = other;
        Self { name, fields, other: other_attributes, slots }
    }

    /// The position in [`fields`](Self::fields) of the field that goes by `key`, aliases included.
    pub fn position(&self, key: &str) -> Option<usize> {
        let mut slot = hash(key.as_bytes());
        while self.slots[slot] != 0 {
            let position = usize::from(self.slots[slot] - 1);
            let field = &self.fields[position];
            if field.name == key || field.aliases.contains(&key) {
                return Some(position);
            }
            slot = (slot + 1) % SLOTS;
        }
        None
    }

    /// The attributes of the value under a key, known or not.
    pub fn of_key(&'static self, key: &str) -> &'static Attributes {
        match self.position(key) {
            Some(position) => &self.fields[position].attributes,
            None => &self.other,
        }
    }
}

impl fmt::Debug for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interface").field("name", &self.name).finish_non_exhaustive()
    }
}

const fn place(slots: &mut [u8; SLOTS], key: &str, field: usize) {
    let mut slot = hash(key.as_bytes());
    while slots[slot] != 0 {
        slot = (slot + 1) % SLOTS;
    }
    slots[slot] = field as u8 + 1;
}

/// Tells the keys of one interface apart, mostly.
const fn hash(key: &[u8]) -> usize {
    let length = key.len();
    if length == 0 {
        return 0;
    }
    let (first, middle, last) =
        (key[0] as usize, key[length / 2] as usize, key[length - 1] as usize);
    (length.wrapping_mul(31)
        ^ first.wrapping_mul(7)
        ^ middle.wrapping_mul(59)
        ^ last.wrapping_mul(13))
        % SLOTS
}

/// Whether a value counts as empty: nothing in it, or nothing that is written.
pub(super) fn is_empty(node: NodeRef<'_>) -> bool {
    match node.kind() {
        Kind::Null => true,
        Kind::Array | Kind::Object => node.is_empty(),
        _ => false,
    }
}
