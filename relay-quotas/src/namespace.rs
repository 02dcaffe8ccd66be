use std::fmt;

/// The kinds of metrics that limits on [`MetricBucket`](crate::DataCategory::MetricBucket) tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Namespace {
    /// Metrics of release health.
    Sessions,
    /// Metrics of spans.
    Spans,
    /// Metrics of transactions.
    Transactions,
    /// Counts of outcomes.
    Outcomes,
    /// Any other namespace.
    Unsupported,
}

impl Namespace {
    /// Every namespace, in the order of a header.
    pub const ALL: &'static [Self] =
        &[Self::Sessions, Self::Spans, Self::Transactions, Self::Outcomes, Self::Unsupported];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Spans => "spans",
            Self::Transactions => "transactions",
            Self::Outcomes => "outcomes",
            Self::Unsupported => "unsupported",
        }
    }

    /// The namespace called `name`, in exactly that case.
    pub fn from_name(name: &str) -> Self {
        Self::ALL.iter().copied().find(|known| known.name() == name).unwrap_or(Self::Unsupported)
    }
}

/// A set of [`Namespace`], one byte wide.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespaces(u8);

impl Namespaces {
    /// The set of nothing.
    pub const EMPTY: Self = Self(0);

    /// Whether the namespace is in the set.
    pub const fn contains(self, namespace: Namespace) -> bool {
        self.0 & Self::bit(namespace) != 0
    }

    /// Whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The namespaces, in the order of [`Namespace::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Namespace> {
        Namespace::ALL.iter().copied().filter(move |&namespace| self.contains(namespace))
    }

    const fn bit(namespace: Namespace) -> u8 {
        1 << namespace as u8
    }
}

impl FromIterator<Namespace> for Namespaces {
    fn from_iter<I: IntoIterator<Item = Namespace>>(namespaces: I) -> Self {
        Self(namespaces.into_iter().fold(0, |bits, namespace| bits | Self::bit(namespace)))
    }
}

impl fmt::Debug for Namespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
