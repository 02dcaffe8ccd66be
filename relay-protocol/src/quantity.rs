use crate::{DataCategories, DataCategory};

/// How much of which category one item is: at most four pairs, each category once.
///
/// ```
/// use relay_protocol::{CountedItem, DataCategory};
///
/// let item = CountedItem { item_type: "log", bytes: 812, item_count: Some(3), ..CountedItem::default() };
/// let quantities = item.quantities();
/// assert_eq!(*quantities.as_slice(), [(DataCategory::LogItem, 3), (DataCategory::LogByte, 812)]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantities {
    /// Those behind `len` are all alike, so that equality may look at them.
    pairs: [(DataCategory, u64); 4],
    len: usize,
}

impl Quantities {
    /// The pairs.
    pub fn as_slice(&self) -> &[(DataCategory, u64)] {
        self.pairs.get(..self.len).unwrap_or_default()
    }

    /// The categories alone, to look for limits on them.
    pub fn categories(&self) -> DataCategories {
        self.as_slice().iter().map(|&(category, _)| category).collect()
    }

    fn of<const N: usize>(pairs: [(DataCategory, u64); N]) -> Self {
        let mut quantities = Self { pairs: [(DataCategory::Unknown, 0); 4], len: N };
        quantities.pairs.iter_mut().zip(pairs).for_each(|(slot, pair)| *slot = pair);
        quantities
    }
}

impl<'a> IntoIterator for &'a Quantities {
    type Item = &'a (DataCategory, u64);
    type IntoIter = std::slice::Iter<'a, (DataCategory, u64)>;

    fn into_iter(self) -> Self::IntoIter {
        self.as_slice().iter()
    }
}

/// What must be known of an envelope item to count it; the header may leave out everything but the type.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountedItem<'a> {
    /// The `type` of the item header.
    pub item_type: &'a str,
    /// The size of the payload in bytes. For an attachment with metadata before its content
    /// (`meta_length`) the content alone; for a reference to an attachment the `attachment_length`.
    pub bytes: u64,
    /// The `item_count` of the item header.
    pub item_count: Option<u32>,
    /// The `span_count` of the item header: the child spans of a transaction.
    pub span_count: Option<u32>,
    /// The `platform` of the item header.
    pub platform: Option<&'a str>,
    /// The `content_type` of the item header: it tells what a body of a foreign protocol holds.
    pub content_type: Option<&'a str>,
}

impl CountedItem<'_> {
    /// What the item counts as. Empty for items that never count, and for unknown types.
    ///
    /// Metric buckets do not count by item: their content decides.
    pub fn quantities(&self) -> Quantities {
        use DataCategory::*;

        let count = self.item_count.map_or(1, u64::from);
        match self.item_type {
            "event" | "unreal_report" => Quantities::of([(Error, 1)]),
            "transaction" => {
                // The transaction itself is a span too.
                let spans = 1 + self.span_count.map_or(0, u64::from);
                Quantities::of([
                    (Transaction, 1),
                    (TransactionIndexed, 1),
                    (Span, spans),
                    (SpanIndexed, spans),
                ])
            }
            "security" | "raw_security" => Quantities::of([(Security, 1)]),
            "feedback" | "user_report" => Quantities::of([(Feedback, 1)]),
            "attachment" => Quantities::of([(Attachment, self.bytes.max(1)), (AttachmentItem, 1)]),
            "session" | "sessions" => Quantities::of([(Session, count)]),
            "check_in" => Quantities::of([(Monitor, count)]),
            "profile" => match self.profiles_user_interface() {
                None => Quantities::of([(Profile, count), (ProfileIndexed, count)]),
                Some(ui) => Quantities::of([
                    (Profile, count),
                    (ProfileIndexed, count),
                    (if ui { ProfileUi } else { ProfileBackend }, count),
                ]),
            },
            "profile_chunk" | "profile_chunk_ui" => match self.profiles_user_interface() {
                None => Quantities::of([]),
                Some(ui) => {
                    Quantities::of([(if ui { ProfileChunkUi } else { ProfileChunk }, count)])
                }
            },
            "replay_event" | "replay_recording" | "replay_video" => Quantities::of([(Replay, 1)]),
            "log" => Quantities::of([(LogItem, count), (LogByte, self.bytes.max(1))]),
            "trace_metric" => Quantities::of([(TraceMetric, count), (TraceMetricByte, self.bytes)]),
            "span" => Quantities::of([(Span, count), (SpanIndexed, count)]),
            // How many are in it nobody has looked yet: at least one counts.
            "integration" => match self.integrates_spans() {
                None => Quantities::of([]),
                Some(true) => Quantities::of([(Span, count), (SpanIndexed, count)]),
                Some(false) => Quantities::of([(LogItem, count), (LogByte, self.bytes.max(1))]),
            },
            _ => Quantities::of([]),
        }
    }

    /// Whether a body of a foreign protocol holds spans or logs.
    fn integrates_spans(&self) -> Option<bool> {
        let kind = self.content_type?.strip_prefix("application/vnd.sentry.integration.")?;
        match kind.split('+').next()? {
            "otel.spans" => Some(true),
            "otel.logs" | "vercel.logs" | "browser.nel" => Some(false),
            _ => None,
        }
    }

    /// Whether a profile shows a user interface or a backend; without a platform nobody knows.
    fn profiles_user_interface(&self) -> Option<bool> {
        self.platform.map(|platform| matches!(platform, "cocoa" | "android" | "javascript"))
    }
}
