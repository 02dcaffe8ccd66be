/// Why a text is not a DSN.
///
/// The text of each is the protocol's: servers answer with it. None repeats any part of the DSN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseDsnError {
    /// It is not a URL, or one without a host.
    #[error("no valid url provided")]
    Url,
    /// There is no path to hold a project id; for a server, the project id is not a number.
    #[error("empty path")]
    EmptyPath,
    /// The path is nothing but slashes.
    #[error("invalid project id")]
    ProjectId,
    /// There is no user name to be the public key; for a server, it is not a [`ProjectKey`](crate::ProjectKey).
    #[error("username is empty")]
    PublicKey,
    /// The scheme is neither `http` nor `https`.
    #[error("no valid scheme")]
    Scheme,
}

/// A public key that is not exactly 32 ASCII characters long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid project key")]
pub struct ParseProjectKeyError;
