use std::fmt;
use std::io::Write;

/// The id of a project: the last segment of a DSN's path.
///
/// To an SDK it is text. Sentry's servers want a number: [`value`](Self::value). Two ids are equal if their texts
/// are, so `042` is not `42` though both have the value 42.
///
/// ```
/// use relay_dsn::ProjectId;
///
/// assert_eq!(ProjectId::from("042").value(), Some(42));
/// assert_eq!(ProjectId::from("my-project").value(), None);
/// assert_eq!(ProjectId::from(42).as_str(), "42");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ProjectId(Text);

/// Numbers, and whatever else is as short, do without an allocation. A text has one form only.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Text {
    /// Unused bytes are zero.
    Short {
        length: u8,
        bytes: [u8; SHORT],
    },
    Long(Box<str>),
}

/// More than the 20 digits of the highest number: it fills the room that `Long` takes anyway.
const SHORT: usize = 22;

impl ProjectId {
    /// The id as the DSN spells it.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Short { length, bytes } => bytes
                .get(..usize::from(*length))
                .and_then(|bytes| std::str::from_utf8(bytes).ok())
                .expect("a whole text was copied, and its length kept"),
            Text::Long(text) => text,
        }
    }

    /// The id as servers know it: a decimal number, with leading zeros or one `+` before it if need be.
    pub fn value(&self) -> Option<u64> {
        self.as_str().parse().ok()
    }
}

impl From<u64> for ProjectId {
    fn from(value: u64) -> Self {
        let mut bytes = [0; SHORT];
        let mut rest = &mut bytes[..];
        write!(rest, "{value}").expect("a u64 has at most 20 digits");
        let length = (SHORT - rest.len()) as u8;
        Self(Text::Short { length, bytes })
    }
}

impl From<&str> for ProjectId {
    fn from(text: &str) -> Self {
        let mut bytes = [0; SHORT];
        match bytes.get_mut(..text.len()) {
            Some(start) => {
                start.copy_from_slice(text.as_bytes());
                Self(Text::Short { length: text.len() as u8, bytes })
            }
            None => Self(Text::Long(text.into())),
        }
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProjectId").field(&self.as_str()).finish()
    }
}
