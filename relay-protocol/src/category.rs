use std::convert::Infallible;
use std::fmt;
use std::ops::BitOr;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The table is the only place that pairs variant, number and name.
macro_rules! data_categories {
    ($($(#[doc = $doc:literal])+ $variant:ident = $id:literal $name:literal,)+) => {
        /// What a piece of data counts as: the unit of rate limits, quotas, outcomes and billing.
        ///
        /// Headers, client reports and quotas spell it by [`name`](Self::name), outcome metrics by
        /// [`id`](Self::id). The list grows with Sentry's products, so that a name or number this
        /// version does not know is read as [`Unknown`](Self::Unknown) and never as an error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i8)]
        #[non_exhaustive]
        pub enum DataCategory {
            $($(#[doc = $doc])+ $variant = $id,)+
        }

        impl DataCategory {
            /// Every category, ascending by id, [`Unknown`](Self::Unknown) last.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name on the wire, in lower snake case.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The category called `name`, in exactly that case; `user_report_v2` is an old name of
            /// `feedback`.
            pub fn from_name(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)+
                    "user_report_v2" => Self::Feedback,
                    _ => Self::Unknown,
                }
            }
        }
    };
}

data_categories! {
    /// Events that are none of the more precise kinds.
    Default = 0 "default",
    /// Error events.
    Error = 1 "error",
    /// Transactions.
    Transaction = 2 "transaction",
    /// Content security policy reports and their kin.
    Security = 3 "security",
    /// Attachments, in bytes; [`AttachmentItem`](Self::AttachmentItem) counts them.
    Attachment = 4 "attachment",
    /// Release health sessions.
    Session = 5 "session",
    /// Profiles of transactions.
    Profile = 6 "profile",
    /// Session replays.
    Replay = 7 "replay",
    /// Transactions that went through processing.
    TransactionProcessed = 8 "transaction_processed",
    /// Transactions that are stored after sampling.
    TransactionIndexed = 9 "transaction_indexed",
    /// Check-ins of cron monitors.
    Monitor = 10 "monitor",
    /// Profiles that are stored after sampling.
    ProfileIndexed = 11 "profile_indexed",
    /// Spans.
    Span = 12 "span",
    /// Cron monitors in use.
    MonitorSeat = 13 "monitor_seat",
    /// User feedback and user reports.
    Feedback = 14 "feedback",
    /// Buckets of metrics; the only category that namespaces divide further.
    MetricBucket = 15 "metric_bucket",
    /// Spans that are stored after sampling.
    SpanIndexed = 16 "span_indexed",
    /// Time covered by continuous profiles of backends, in milliseconds.
    ProfileDuration = 17 "profile_duration",
    /// Chunks of continuous profiles of backends.
    ProfileChunk = 18 "profile_chunk",
    /// Seconds of metrics.
    MetricSecond = 19 "metric_second",
    /// Video replays.
    ReplayVideo = 20 "replay_video",
    /// Uptime monitors.
    Uptime = 21 "uptime",
    /// Attachments, counted; [`Attachment`](Self::Attachment) measures them.
    AttachmentItem = 22 "attachment_item",
    /// Log entries, counted.
    LogItem = 23 "log_item",
    /// Log entries, in bytes.
    LogByte = 24 "log_byte",
    /// Time covered by continuous profiles of user interfaces, in milliseconds.
    ProfileDurationUi = 25 "profile_duration_ui",
    /// Chunks of continuous profiles of user interfaces.
    ProfileChunkUi = 26 "profile_chunk_ui",
    /// Runs of automatic fixes.
    SeerAutofix = 27 "seer_autofix",
    /// Runs of the issue scanner.
    SeerScanner = 28 "seer_scanner",
    /// Users of code review.
    PreventUser = 29 "prevent_user",
    /// Code reviews.
    PreventReview = 30 "prevent_review",
    /// Analyses of the size of builds.
    SizeAnalysis = 31 "size_analysis",
    /// Builds offered for installation.
    InstallableBuild = 32 "installable_build",
    /// Trace metrics, counted.
    TraceMetric = 33 "trace_metric",
    /// Contributors with a seat for automatic fixes.
    SeerUser = 34 "seer_user",
    /// Profiles of backends.
    ProfileBackend = 35 "profile_backend",
    /// Profiles of user interfaces.
    ProfileUi = 36 "profile_ui",
    /// Trace metrics, in bytes.
    TraceMetricByte = 37 "trace_metric_byte",
    /// Images of visual snapshot tests.
    SnapshotImage = 38 "snapshot_image",
    /// Any other category.
    Unknown = -1 "unknown",
}

impl DataCategory {
    /// The number of the category, −1 for [`Unknown`](Self::Unknown).
    pub const fn id(self) -> i8 {
        self as i8
    }

    /// The category with that number.
    pub fn from_id(id: i8) -> Self {
        // The list is complete and ascending, so that a number is also an index.
        usize::try_from(id)
            .ok()
            .and_then(|index| Self::ALL.get(index))
            .copied()
            .unwrap_or(Self::Unknown)
    }

    /// What one of this category is.
    pub const fn unit(self) -> CategoryUnit {
        match self {
            Self::Attachment | Self::LogByte | Self::TraceMetricByte => CategoryUnit::Bytes,
            Self::ProfileDuration | Self::ProfileDurationUi => CategoryUnit::Milliseconds,
            _ => CategoryUnit::Count,
        }
    }

    /// Whether events of this category are treated as errors.
    pub const fn is_error(self) -> bool {
        matches!(self, Self::Error | Self::Default | Self::Security)
    }

    /// The category that counts what is left of this one after sampling, if it has one.
    ///
    /// Limits on it are not enforced when data is received.
    pub const fn indexed(self) -> Option<Self> {
        match self {
            Self::Transaction => Some(Self::TransactionIndexed),
            Self::Span => Some(Self::SpanIndexed),
            Self::Profile => Some(Self::ProfileIndexed),
            _ => None,
        }
    }
}

impl fmt::Display for DataCategory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for DataCategory {
    type Err = Infallible;

    fn from_str(name: &str) -> Result<Self, Infallible> {
        Ok(Self::from_name(name))
    }
}

impl Serialize for DataCategory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for DataCategory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl Visitor<'_> for NameVisitor {
            type Value = DataCategory;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a data category")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<DataCategory, E> {
                Ok(DataCategory::from_name(name))
            }
        }

        deserializer.deserialize_str(NameVisitor)
    }
}

/// The unit in which a [`DataCategory`] is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CategoryUnit {
    /// Pieces.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
}

/// A set of [`DataCategory`], one machine word wide.
///
/// ```
/// use relay_protocol::{DataCategories, DataCategory};
///
/// let set: DataCategories = ["bogus", "span", "error"].map(DataCategory::from_name).into_iter().collect();
/// let names: Vec<_> = set.iter().map(DataCategory::name).collect();
/// assert_eq!(names, ["error", "span", "unknown"]);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataCategories(u64);

impl DataCategories {
    /// The set of nothing.
    pub const EMPTY: Self = Self(0);

    /// Adds a category.
    pub const fn insert(&mut self, category: DataCategory) {
        self.0 |= Self::bit(category);
    }

    /// Whether the category is in the set.
    pub const fn contains(self, category: DataCategory) -> bool {
        self.0 & Self::bit(category) != 0
    }

    /// Whether the sets share a category.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many categories are in the set.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The categories, ascending by id, [`Unknown`](DataCategory::Unknown) last.
    pub const fn iter(self) -> DataCategoriesIter {
        DataCategoriesIter(self)
    }

    /// Ids use the bits from 0 upwards; −1 becomes 63, the last.
    const fn bit(category: DataCategory) -> u64 {
        1 << (category.id() & 63)
    }
}

impl From<DataCategory> for DataCategories {
    fn from(category: DataCategory) -> Self {
        Self(Self::bit(category))
    }
}

impl BitOr for DataCategories {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Extend<DataCategory> for DataCategories {
    fn extend<I: IntoIterator<Item = DataCategory>>(&mut self, categories: I) {
        categories.into_iter().for_each(|category| self.insert(category));
    }
}

impl FromIterator<DataCategory> for DataCategories {
    fn from_iter<I: IntoIterator<Item = DataCategory>>(categories: I) -> Self {
        let mut set = Self::EMPTY;
        set.extend(categories);
        set
    }
}

impl IntoIterator for DataCategories {
    type Item = DataCategory;
    type IntoIter = DataCategoriesIter;

    fn into_iter(self) -> DataCategoriesIter {
        self.iter()
    }
}

impl fmt::Debug for DataCategories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Iterator of [`DataCategories::iter`].
#[derive(Clone, Debug)]
pub struct DataCategoriesIter(DataCategories);

impl Iterator for DataCategoriesIter {
    type Item = DataCategory;

    fn next(&mut self) -> Option<DataCategory> {
        let bits = &mut self.0.0;
        if *bits == 0 {
            return None;
        }
        let lowest = bits.trailing_zeros();
        *bits &= *bits - 1;
        // No category has the id 63, so that the last bit comes back as `Unknown`.
        Some(DataCategory::from_id(lowest as i8))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len(), Some(self.0.len()))
    }
}

impl ExactSizeIterator for DataCategoriesIter {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_category_stands_in_the_list_at_its_id() {
        let (unknown, known) = DataCategory::ALL.split_last().unwrap();
        assert_eq!(unknown.id(), -1);
        for (index, category) in known.iter().enumerate() {
            assert_eq!(usize::try_from(category.id()), Ok(index));
        }
        // Bit 63 of a set means `Unknown`.
        assert!(known.len() < 63);
    }
}
