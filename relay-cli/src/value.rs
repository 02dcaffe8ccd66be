//! Values of `config.yml`, and of variables and flags that stand for them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use saphyr::Scalar;

/// One value, typed as YAML's core schema types it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(u64),
    /// Negative, fractional, or too large for an [`Integer`](Self::Integer). Its spelling.
    Number(String),
    Text(String),
    List(Vec<Self>),
    /// A map, or a list of lists, where a value belongs.
    Nested,
}

impl Value {
    /// Types a text from outside the file in the order bool, integer, number, text. Double quotes
    /// around the whole text make it a text, whatever is between them.
    pub(crate) fn from_outside(text: &str) -> Self {
        if let Some(quoted) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            return Self::Text(quoted.to_owned());
        }
        if let Ok(flag) = text.parse() {
            return Self::Bool(flag);
        }
        if let Ok(integer) = text.parse() {
            return Self::Integer(integer);
        }
        match text.parse::<f64>() {
            Ok(_) => Self::Number(text.to_owned()),
            Err(_) => Self::Text(text.to_owned()),
        }
    }

    /// Types a value of the file, and fetches it from elsewhere if it is one whole `${…}`.
    ///
    /// `folder` is the config folder, from which `${file:…}` paths start.
    pub(crate) fn from_file(
        scalar: &Scalar<'_>,
        folder: &Path,
    ) -> Result<Self, InterpolationError> {
        Ok(match scalar {
            Scalar::Null => Self::Null,
            Scalar::Boolean(flag) => Self::Bool(*flag),
            Scalar::Integer(integer) => u64::try_from(*integer)
                .map_or_else(|_| Self::Number(integer.to_string()), Self::Integer),
            Scalar::FloatingPoint(number) => Self::Number(number.to_string()),
            Scalar::String(text) => match reference(text) {
                Some(reference) => Self::from_outside(&fetch(reference, folder)?),
                None => Self::Text(text.clone().into_owned()),
            },
        })
    }
}

/// As an error message names it. A text is not repeated: it may have come from a secret's variable.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("nothing"),
            Self::Bool(flag) => write!(f, "{flag}"),
            Self::Integer(integer) => write!(f, "the number {integer}"),
            Self::Number(number) => write!(f, "the number {number}"),
            Self::Text(_) => f.write_str("a text"),
            Self::List(_) => f.write_str("a list"),
            Self::Nested => f.write_str("a list or a map"),
        }
    }
}

/// The inside of a scalar that is `${…}` from end to end.
fn reference(text: &str) -> Option<&str> {
    text.strip_prefix("${")?.strip_suffix('}')
}

fn fetch(reference: &str, folder: &Path) -> Result<String, InterpolationError> {
    match reference.strip_prefix("file:") {
        Some(file) => {
            // Not trimmed: a password may end in a space.
            read_text(&folder.join(file))
                .map_err(|source| InterpolationError::File { file: file.to_owned(), source })
        }
        None => {
            std::env::var(reference).map_err(|_| InterpolationError::Variable(reference.to_owned()))
        }
    }
}

/// Nobody writes a larger configuration by hand.
const MAX_FILE_SIZE: u64 = 1024 * 1024;

/// The content of a small file.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One byte more shows that there are too many. The length a file states may be wrong, as that of a device.
    File::open(path)?.take(MAX_FILE_SIZE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_SIZE {
        Err(io::Error::other("larger than 1 MiB"))
    } else {
        Ok(text)
    }
}

/// Why `${…}` has no value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InterpolationError {
    #[error("the environment variable {0} is not set, or is not UTF-8")]
    Variable(String),
    #[error("cannot read the file {file}: {source}")]
    File { file: String, source: io::Error },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_outside_is_a_bool_or_a_number_where_it_looks_like_one() {
        for (text, value) in [
            ("true", Value::Bool(true)),
            ("3000", Value::Integer(3000)),
            ("-1", Value::Number("-1".into())),
            ("1.5", Value::Number("1.5".into())),
            ("10MiB", Value::Text("10MiB".into())),
            ("", Value::Text(String::new())),
            ("\"3000\"", Value::Text("3000".into())),
            ("\"", Value::Text("\"".into())),
        ] {
            assert_eq!(Value::from_outside(text), value, "{text:?}");
        }
    }

    #[test]
    fn only_a_whole_scalar_is_a_reference() {
        assert_eq!(reference("${NAME}"), Some("NAME"));
        assert_eq!(reference("${file:a/b}"), Some("file:a/b"));
        assert_eq!(reference("a ${NAME}"), None);
        assert_eq!(reference("${NAME}/"), None);
        assert_eq!(reference("$NAME"), None);
    }
}
