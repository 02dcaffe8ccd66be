//! Removed: the account of records that somebody took out by hand.

use std::str::FromStr;

use crate::TargetId;

/// Why a record was removed by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Removal {
    /// Thrown away.
    Purged,
    /// Moved into an archive.
    Exported,
}

impl Removal {
    /// The word for it, in the file and for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Purged => "purged",
            Self::Exported => "exported",
        }
    }
}

/// A text is neither `purged` nor `exported`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected purged or exported")]
pub struct ParseRemovalError;

impl FromStr for Removal {
    type Err = ParseRemovalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Purged, Self::Exported]
            .into_iter()
            .find(|removal| removal.as_str() == text)
            .ok_or(ParseRemovalError)
    }
}

/// Records alike that were removed by hand for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Where they were to go.
    pub target: TargetId,
    /// The project at the target.
    pub project: u64,
    /// The public key at the target.
    pub key: String,
    /// What was in each of them, in the words of [`Meta::items`](crate::Meta::items).
    pub items: String,
    /// Why.
    pub removal: Removal,
    /// How many records.
    pub records: u64,
    /// The items in all of them.
    pub item_count: u64,
}
