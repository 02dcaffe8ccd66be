//! The encoding that the upstream reads: a setting at first, stepped down when the upstream says 415.

use std::sync::{Mutex, PoisonError};

use relay_compression::ContentEncoding;

/// The encoding in use towards one upstream; remembered until the relay stops.
#[derive(Debug)]
pub(crate) struct UpstreamEncoding(Mutex<ContentEncoding>);

impl UpstreamEncoding {
    pub(crate) fn new(encoding: ContentEncoding) -> Self {
        Self(Mutex::new(encoding))
    }

    pub(crate) fn current(&self) -> ContentEncoding {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The upstream took an envelope in `encoding` after it had refused another: from now on this one.
    pub(crate) fn adopt(&self, encoding: ContentEncoding) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != encoding {
            let (refused, encoding) = (current.as_str(), encoding.as_str());
            tracing::warn!(
                refused,
                encoding,
                "the upstream does not read this encoding, stepping down"
            );
        }
        *current = encoding;
    }
}

/// What to try where `refused` was not understood: anything becomes gzip, gzip becomes identity.
pub(crate) fn step_below(refused: ContentEncoding) -> Option<ContentEncoding> {
    match refused {
        ContentEncoding::Identity => None,
        ContentEncoding::Gzip => Some(ContentEncoding::Identity),
        _ => Some(ContentEncoding::Gzip),
    }
}
