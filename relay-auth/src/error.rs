use relay_dsn::ParseProjectKeyError;

/// Why a request does not say who sent it.
///
/// The text is the `detail` of the protocol's answer, its `source` the cause. No message repeats what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// Nothing in the request says who sent it. [`authenticate`](crate::authenticate) leaves it to the caller to
    /// say so: an envelope may still name its sender.
    #[error("missing authorization information")]
    Missing,
    /// Two carriers at once, even if they agree.
    #[error("multiple authorization payloads detected")]
    Multiple,
    /// There is a carrier but it cannot be read.
    #[error("bad x-sentry-auth header")]
    Malformed(#[source] MalformedAuth),
    /// The key is not a public key.
    #[error("bad sentry DSN public key")]
    Key(#[source] ParseProjectKeyError),
    /// A later version of the protocol than 7.
    #[error("unsupported protocol version ({0})")]
    UnsupportedVersion(u16),
}

/// What is wrong with an auth header or query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedAuth {
    /// No `sentry_key`, or an empty one.
    #[error("missing public key in auth header")]
    MissingKey,
    /// `sentry_version` is no number from 0 to 65,535.
    #[error("invalid value for version")]
    Version,
}
