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

    /// The upstream does not read `refused`: anything becomes gzip, gzip becomes identity. Gives back
    /// what to use from now on, or `None` when there is nothing left to step down to.
    pub(crate) fn step_down(&self, refused: ContentEncoding) -> Option<ContentEncoding> {
        let next = match refused {
            ContentEncoding::Identity => return None,
            ContentEncoding::Gzip => ContentEncoding::Identity,
            _ => ContentEncoding::Gzip,
        };
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Several envelopes may be refused at once: only the first of them changes anything.
        if *current == refused {
            *current = next;
            let (refused, next) = (refused.as_str(), next.as_str());
            tracing::warn!(
                refused,
                next,
                "the upstream does not read this encoding, stepping down"
            );
        }
        Some(*current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_down_once_for_many_refusals_of_the_same_encoding() {
        let encoding = UpstreamEncoding::new(ContentEncoding::Zstd);
        assert_eq!(encoding.step_down(ContentEncoding::Zstd), Some(ContentEncoding::Gzip));
        assert_eq!(encoding.step_down(ContentEncoding::Zstd), Some(ContentEncoding::Gzip));
        assert_eq!(encoding.current(), ContentEncoding::Gzip);
        assert_eq!(encoding.step_down(ContentEncoding::Gzip), Some(ContentEncoding::Identity));
        assert_eq!(encoding.step_down(ContentEncoding::Identity), None);
    }
}
