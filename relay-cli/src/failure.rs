//! Failures: what goes to the terminal when a command cannot do what it was asked.

use std::error::Error;
use std::fmt;

/// An error and its causes, each a line of its own.
#[derive(Debug)]
pub(crate) struct Failure {
    error: String,
    causes: Vec<String>,
}

impl Failure {
    pub(crate) fn new(error: impl Into<String>) -> Self {
        Self { error: error.into(), causes: Vec::new() }
    }

    pub(crate) fn caused_by(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Adds another failure and whatever caused it.
    pub(crate) fn caused_by_failure(mut self, failure: Self) -> Self {
        self.causes.push(failure.error);
        self.causes.extend(failure.causes);
        self
    }

    /// Adds an error and whatever caused it.
    pub(crate) fn caused_by_error(mut self, error: &dyn Error) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            self.causes.push(error.to_string());
            cause = error.source();
        }
        self
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let failure = Self::new(error.to_string());
        match error.source() {
            Some(source) => failure.caused_by_error(source),
            None => failure,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.error)?;
        self.causes.iter().try_for_each(|cause| writeln!(f, "  caused by: {cause}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] fmt::Error);

    #[test]
    fn every_cause_gets_a_line() {
        let failure = Failure::from(Outer(fmt::Error)).caused_by("a hint");
        let rest = format!("outer\n  caused by: {}\n  caused by: a hint\n", fmt::Error);
        assert_eq!(failure.to_string(), format!("error: {rest}"));
        let failure = Failure::new("outermost").caused_by_failure(failure);
        assert_eq!(failure.to_string(), format!("error: outermost\n  caused by: {rest}"));
    }
}
