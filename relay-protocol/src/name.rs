/// Why a text is not a valid release, environment or distribution. No message repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is no text.
    #[error("expected a non-empty string")]
    Empty,
    /// The text has more characters than the name may have.
    #[error("the name is too long")]
    TooLong,
    /// The text stands for something else, such as `latest` for a release.
    #[error("the name is reserved")]
    Reserved,
    /// A character that the name must not have.
    #[error("invalid character {0:?}")]
    Character(char),
}

/// What releases and environments have in common.
pub(crate) fn check(text: &str, max_chars: usize) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > max_chars && text.chars().count() > max_chars {
        return Err(NameError::TooLong);
    }
    match text.chars().find(|c| matches!(c, '/' | '\\') || c.is_ascii_control()) {
        Some(character) => Err(NameError::Character(character)),
        None => Ok(()),
    }
}
