use std::borrow::Cow;
use std::net::IpAddr;

use serde_json::{Map, Value};
use uuid::Uuid;

use self::compare::{Comparison, compare, equals, in_networks, release_compares};
use self::network::Network;
use crate::{Globs, SpanId};

mod compare;
mod json;
mod network;

pub use self::json::ConditionError;

/// When a rule applies: a test of the fields of an event, a trace or anything else that is a [`Subject`]
/// (spec/processing.md 8.1).
///
/// Sampling rules, filters and defaults of projects carry conditions as JSON, which is what a condition is
/// read from and written as. Patterns and networks are compiled while reading; evaluating allocates nothing
/// but what patterns with alternatives need.
///
/// | `op` | holds if |
/// |---|---|
/// | `eq` | the field is the string or one of the list of strings (`options.ignoreCase`), the boolean, the id or address that the string spells; `null`: there is no such field. Never for numbers |
/// | `gt` `gte` `lt` `lte` | both are numbers, or both are strings (in byte order), and compare so |
/// | `glob` | the field is a string and one of the patterns matches all of it |
/// | `cidr` | the field is or spells an address in one of the networks |
/// | `release` | the field is a release whose version compares so (`comparator`) |
/// | `and` `or` `not` | all, any, none of `inner` hold |
/// | `any` `all` | `inner` holds for one, for every element of the list field |
///
/// Any other operator is kept and never holds; [`is_supported`](Self::is_supported) tells.
///
/// ```
/// use relay_protocol::{Condition, Field, Subject};
///
/// struct Session<'a> {
///     release: &'a str,
/// }
///
/// impl Subject for Session<'_> {
///     fn field(&self, name: &str) -> Option<Field<'_>> {
///         (name == "event.release").then(|| Field::from(self.release))
///     }
/// }
///
/// let json = r#"{"op":"glob","name":"event.release","value":["app@1.*"]}"#;
/// let condition: Condition = serde_json::from_str(json)?;
/// assert!(condition.matches(&Session { release: "app@1.2" }));
/// assert_eq!(serde_json::to_string(&condition)?, json);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Condition(Test);

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Equal { name: Box<str>, value: Value, ignore_case: bool },
    Compare { comparison: Comparison, name: Box<str>, value: Value },
    Glob { name: Box<str>, globs: Globs },
    Cidr { name: Box<str>, networks: Vec<Result<Network, Box<str>>> },
    Release { name: Box<str>, comparison: Comparison, value: Box<str> },
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Any { name: Box<str>, inner: Box<Condition> },
    All { name: Box<str>, inner: Box<Condition> },
    Unsupported(Map<String, Value>),
}

impl Condition {
    /// How deep conditions may be nested; deeper ones are refused when read.
    pub const MAX_DEPTH: usize = 32;

    /// The condition that always holds.
    pub const fn always() -> Self {
        Self(Test::And(Vec::new()))
    }

    /// The condition that never holds.
    pub const fn never() -> Self {
        Self(Test::Or(Vec::new()))
    }

    /// Whether the condition holds for `subject`.
    pub fn matches(&self, subject: &dyn Subject) -> bool {
        let field = |name: &str| subject.field(name);
        match &self.0 {
            Test::Equal { name, value, ignore_case } => equals(field(name), value, *ignore_case),
            Test::Compare { comparison, name, value } => {
                field(name).is_some_and(|field| compare(&field, *comparison, value))
            }
            Test::Glob { name, globs } => {
                matches!(field(name), Some(Field::Text(text)) if globs.is_match(&text))
            }
            Test::Cidr { name, networks } => {
                field(name).is_some_and(|field| in_networks(&field, networks))
            }
            Test::Release { name, comparison, value } => {
                field(name).is_some_and(|field| release_compares(&field, *comparison, value))
            }
            Test::And(inner) => inner.iter().all(|condition| condition.matches(subject)),
            Test::Or(inner) => inner.iter().any(|condition| condition.matches(subject)),
            Test::Not(inner) => !inner.matches(subject),
            Test::Any { name, inner } => {
                subject.any(name, &mut |element| inner.matches(element)).unwrap_or(false)
            }
            Test::All { name, inner } => {
                subject.any(name, &mut |element| !inner.matches(element)) == Some(false)
            }
            Test::Unsupported(_) => false,
        }
    }

    /// Whether this version knows every operator in the condition.
    ///
    /// A sampling configuration with a rule that is not supported is to be left alone as a whole.
    pub fn is_supported(&self) -> bool {
        match &self.0 {
            Test::And(inner) | Test::Or(inner) => inner.iter().all(Self::is_supported),
            Test::Not(inner) | Test::Any { inner, .. } | Test::All { inner, .. } => {
                inner.is_supported()
            }
            Test::Unsupported(_) => false,
            _ => true,
        }
    }
}

/// What conditions can be asked about. Fields go by the names of spec/processing.md 8.2, such as
/// `event.release` or `trace.environment`.
pub trait Subject {
    /// The field of that name; `None` if it is missing or nobody knows it.
    fn field(&self, name: &str) -> Option<Field<'_>>;

    /// Whether `test` holds for any element of the list of that name; `None` if there is no such list.
    fn any(&self, name: &str, test: &mut dyn FnMut(&dyn Subject) -> bool) -> Option<bool> {
        let _ = (name, test);
        None
    }
}

/// The value of one field.
#[derive(Clone, Debug, PartialEq)]
pub enum Field<'a> {
    /// A string.
    Text(Cow<'a, str>),
    /// A boolean.
    Bool(bool),
    /// A number of any kind.
    Number(f64),
    /// An id of 128 bits.
    Uuid(Uuid),
    /// An id of 64 bits.
    SpanId(SpanId),
    /// An address.
    Ip(IpAddr),
}

impl<'a> From<&'a str> for Field<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Field<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<bool> for Field<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Field<'_> {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<Uuid> for Field<'_> {
    fn from(uuid: Uuid) -> Self {
        Self::Uuid(uuid)
    }
}

impl From<SpanId> for Field<'_> {
    fn from(id: SpanId) -> Self {
        Self::SpanId(id)
    }
}

impl From<IpAddr> for Field<'_> {
    fn from(address: IpAddr) -> Self {
        Self::Ip(address)
    }
}
