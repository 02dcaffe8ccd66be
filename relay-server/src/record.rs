//! Records: one envelope on its way to one target, and the words in which the spool keeps it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use relay_compression::ContentEncoding;
use relay_dsn::ProjectKey;
use relay_envelope::Item;
use relay_protocol::{DataCategories, DataCategory, Quantities};
use relay_spool::{Meta, RecordId, RecordRef, Schedule, Stored, TargetId};

use crate::budget::Reservation;
use crate::foreign::Wrapping;

/// One envelope on its way to one target: what must be known to send it, beside the bytes to send.
#[derive(Debug)]
pub(crate) struct Record {
    /// Its number in the spool and its place in the order of arrival.
    pub(crate) id: RecordId,
    /// Whose turn it takes, see [`Queue`](crate::queue::Queue).
    pub(crate) lane: usize,
    /// The worker that received it; `None` for one from the disk.
    pub(crate) worker: Option<usize>,
    pub(crate) key: ProjectKey,
    pub(crate) project: u64,
    pub(crate) received: SystemTime,
    pub(crate) items: Items,
    pub(crate) headers: SenderHeaders,
    /// `None`: on the disk alone.
    pub(crate) body: Option<Body>,
    /// Of the body on the disk.
    pub(crate) stored_size: usize,
    pub(crate) stored_encoding: ContentEncoding,
    /// The encoding to try instead of the upstream's usual one, which it refused for this envelope.
    pub(crate) fallback: Option<ContentEncoding>,
    pub(crate) wrapping: Wrapping,
    pub(crate) memory: Reservation,
    /// Attempts that did not settle it.
    pub(crate) attempts: u32,
    pub(crate) refused_since: Option<SystemTime>,
}

/// The bytes of an envelope, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) encoding: ContentEncoding,
}

/// What a record occupies beside its body: measured, and rounded up. By now it is less.
pub(crate) const RECORD_OVERHEAD: usize = 2048;

impl Record {
    /// One that was just made, without its body, and without memory: `memory` is to pay for it.
    pub(crate) fn new(
        lane: usize,
        (key, project): (ProjectKey, u64),
        received: SystemTime,
        items: Items,
        headers: SenderHeaders,
        memory: Reservation,
    ) -> Self {
        Self {
            id: RecordId::default(),
            lane,
            worker: None,
            key,
            project,
            received,
            items,
            headers,
            body: None,
            stored_size: 0,
            stored_encoding: ContentEncoding::Identity,
            fallback: None,
            wrapping: Wrapping::Needed,
            memory,
            attempts: 0,
            refused_since: None,
        }
    }

    /// What is stored of it, and sent first.
    pub(crate) fn set_body(&mut self, bytes: Bytes, encoding: ContentEncoding) {
        self.stored_size = bytes.len();
        self.stored_encoding = encoding;
        self.body = Some(Body { bytes, encoding });
    }

    pub(crate) fn item_count(&self) -> u64 {
        self.items.count()
    }

    pub(crate) fn reference(&self) -> RecordRef {
        RecordRef::new(self.id, u32::try_from(self.items.count()).unwrap_or(u32::MAX))
    }

    pub(crate) fn schedule(&self, due: Option<SystemTime>) -> Schedule {
        Schedule { attempts: self.attempts, due, refused_since: self.refused_since }
    }

    /// Leaves the body to the disk, and gives its memory back.
    pub(crate) fn leave_body(&mut self) {
        self.body = None;
        self.memory.shrink_to(self.occupied());
    }

    /// The bytes it occupies without its body.
    pub(crate) fn occupied(&self) -> usize {
        RECORD_OVERHEAD + self.items.size() + self.headers.size()
    }

    /// What the spool keeps beside the body.
    pub(crate) fn meta(&self, target: TargetId, event_id: Option<String>) -> Meta {
        Meta {
            target,
            project: self.project,
            key: self.key.as_str().to_owned(),
            received: self.received,
            event_id,
            item_count: u32::try_from(self.items.count()).unwrap_or(u32::MAX),
            items: self.items.to_text(),
            encoding: self.stored_encoding.as_str().to_owned(),
            headers: self.headers.to_text(),
        }
    }

    /// A record that waited on the disk. `None` if it says of itself what no relay wrote.
    pub(crate) fn from_stored(stored: &Stored, lane: usize, memory: Reservation) -> Option<Self> {
        let items = Items::from_text(&stored.meta.items)?;
        Some(Self {
            id: stored.id,
            lane,
            worker: None,
            key: stored.meta.key.parse().ok()?,
            project: stored.meta.project,
            received: stored.meta.received,
            wrapping: items.wrapping(),
            items,
            headers: SenderHeaders::from_text(&stored.meta.headers)?,
            body: None,
            stored_size: usize::try_from(stored.body_size).ok()?,
            stored_encoding: stored.meta.encoding.parse().ok()?,
            fallback: None,
            memory,
            attempts: stored.schedule.attempts,
            refused_since: stored.schedule.refused_since,
        })
    }
}

/// The items of an envelope as rate limits and client reports see them: how many there are of each set of categories, and
/// how much that is of each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Items(Box<[Group]>);

/// Items that count as the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Group {
    /// Those that limits are enforced for. What is indexed of them counts the same again.
    categories: DataCategories,
    count: u64,
    /// How much of each category, in their order; of those that find no room here as much as there are items.
    sums: [u64; 4],
}

impl Items {
    pub(crate) fn of(items: &[Item]) -> Self {
        Self::counted(items.iter().map(relay_pipeline::quantities))
    }

    /// Items that count this much each.
    pub(crate) fn counted(items: impl IntoIterator<Item = Quantities>) -> Self {
        let items = items.into_iter();
        // Most envelopes have one item, or items alike.
        let mut groups: Vec<Group> = Vec::with_capacity(items.size_hint().0.min(1));
        for quantities in items {
            let one = Group::of(&quantities);
            match groups.iter_mut().find(|group| group.categories == one.categories) {
                Some(group) => group.add(&one),
                None => groups.push(one),
            }
        }
        Self(groups.into())
    }

    /// So many attachments, of so many bytes together.
    pub(crate) fn attachments(count: u64, bytes: u64) -> Self {
        if count == 0 {
            return Self::default();
        }
        let categories = [DataCategory::Attachment, DataCategory::AttachmentItem];
        let categories = categories.into_iter().collect();
        Self(Box::new([Group { categories, count, sums: [bytes.max(1), count, count, count] }]))
    }

    /// So many items of which nothing else is known.
    pub(crate) fn unknown(count: u64) -> Self {
        Self(Box::new([Group { categories: DataCategories::EMPTY, count, sums: [count; 4] }]))
    }

    /// What the spool says that it has of a record, `count` items.
    pub(crate) fn stored(text: &str, count: u64) -> Self {
        let read = Self::from_text(text).filter(|items| items.count() == count);
        read.unwrap_or_else(|| Self::unknown(count))
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|group| group.count).sum()
    }

    /// The sets of categories that limits are enforced for.
    pub(crate) fn groups(&self) -> impl Iterator<Item = DataCategories> + '_ {
        self.0.iter().map(|group| group.categories)
    }

    /// How much of each category; one may come more than once.
    pub(crate) fn quantities(&self) -> impl Iterator<Item = (DataCategory, u64)> + '_ {
        self.0.iter().flat_map(Group::quantities).flat_map(|(category, quantity)| {
            let categories = [Some(category), category.indexed()].into_iter().flatten();
            categories.map(move |category| (category, quantity))
        })
    }

    /// Those whose categories are `wanted`.
    pub(crate) fn select(&self, wanted: impl Fn(DataCategories) -> bool) -> Self {
        Self(self.0.iter().filter(|group| wanted(group.categories)).copied().collect())
    }

    /// As many times as much.
    pub(crate) fn times(mut self, factor: u64) -> Self {
        for group in &mut self.0 {
            group.count = group.count.saturating_mul(factor);
            group.sums = group.sums.map(|sum| sum.saturating_mul(factor));
        }
        self
    }

    /// Of an envelope of which nothing else is known: foreign bodies hold logs or spans, and are alone.
    fn wrapping(&self) -> Wrapping {
        match &*self.0 {
            [Group { categories, count: 1, .. }]
                if [DataCategory::LogItem, DataCategory::Span]
                    .iter()
                    .any(|category| categories.contains(*category)) =>
            {
                Wrapping::Optional
            }
            _ => Wrapping::Needed,
        }
    }

    /// The bytes it occupies.
    pub(crate) fn size(&self) -> usize {
        size_of_val(&*self.0)
    }

    /// A JSON object, for operators too: `{"attachment+attachment_item":{"items":2,"attachment":512},"error":1}`. The
    /// number of items, and of what they are more than that, how much. What counts as nothing is called `none`.
    pub(crate) fn to_text(&self) -> String {
        let mut groups: Vec<(String, &Group)> =
            self.0.iter().map(|group| (group.name(), group)).collect();
        groups.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let mut text = String::with_capacity(64);
        text.push('{');
        for (index, (name, group)) in groups.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(text, "{comma}\"{name}\":");
            let count = group.count;
            if group.quantities().all(|(_, quantity)| quantity == count) {
                let _ = write!(text, "{count}");
                continue;
            }
            let _ = write!(text, "{{\"{ITEMS}\":{count}");
            for (category, quantity) in group.quantities().filter(|(_, sum)| *sum != count) {
                let _ = write!(text, ",\"{category}\":{quantity}");
            }
            text.push('}');
        }
        text.push('}');
        text
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Value {
            Count(u32),
            Sums(BTreeMap<String, u64>),
        }
        let groups: BTreeMap<String, Value> = serde_json::from_str(text).ok()?;
        let groups = groups.into_iter().map(|(names, value)| {
            let names = names.split('+').filter(|name| *name != NOTHING);
            let categories: DataCategories = names.map(DataCategory::from_name).collect();
            let sums = match value {
                Value::Count(count) => BTreeMap::from([(ITEMS.to_owned(), count.into())]),
                Value::Sums(sums) => sums,
            };
            let count = u32::try_from(*sums.get(ITEMS)?).ok()?.into();
            let mut group = Group { categories, count, sums: [count; 4] };
            for (slot, category) in group.sums.iter_mut().zip(categories) {
                *slot = sums.get(category.name()).copied().unwrap_or(count);
            }
            Some(group)
        });
        groups.collect::<Option<_>>().map(Self)
    }
}

impl Group {
    fn of(quantities: &Quantities) -> Self {
        let categories = relay_pipeline::enforced(quantities);
        let mut group = Self { categories, count: 1, sums: [1; 4] };
        for (slot, category) in group.sums.iter_mut().zip(categories) {
            let quantity = quantities.into_iter().find(|(of, _)| *of == category);
            *slot = quantity.map_or(1, |(_, quantity)| *quantity);
        }
        group
    }

    fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        for (sum, more) in self.sums.iter_mut().zip(other.sums) {
            *sum = sum.saturating_add(more);
        }
    }

    fn quantities(&self) -> impl Iterator<Item = (DataCategory, u64)> + '_ {
        let rest = std::iter::repeat(self.count);
        self.categories.iter().zip(self.sums.into_iter().chain(rest))
    }

    fn name(&self) -> String {
        let mut name = String::new();
        for category in self.categories {
            name.push_str(if name.is_empty() { "" } else { "+" });
            name.push_str(category.name());
        }
        if name.is_empty() { NOTHING.to_owned() } else { name }
    }
}

const NOTHING: &str = "none";

/// What is none of the categories: the number of items.
const ITEMS: &str = "items";

/// The headers that every envelope request has.
const COMMON: [(HeaderName, HeaderValue); 3] = [
    (CONTENT_TYPE, HeaderValue::from_static("application/x-sentry-envelope")),
    (ACCEPT, HeaderValue::from_static("*/*")),
    (ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
];

/// What the request to the upstream says of the sender: its headers without those that all envelopes have, and without
/// those of the body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SenderHeaders(Vec<(HeaderName, HeaderValue)>);

/// More than any relay stores with a record, and far fewer than a header map takes.
const MOST_HEADERS: usize = 64;

impl SenderHeaders {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    pub(crate) fn push(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.push((name, value));
    }

    /// All headers of the request, but those of the body.
    pub(crate) fn of_request(&self) -> HeaderMap {
        // Encoding, length and host come yet.
        let mut headers = HeaderMap::with_capacity(COMMON.len() + self.0.len() + 3);
        for (name, value) in COMMON.into_iter().chain(self.0.iter().cloned()) {
            headers.insert(name, value);
        }
        headers
    }

    /// The bytes that its values occupy.
    fn size(&self) -> usize {
        self.0.iter().map(|(_, value)| value.len()).sum()
    }

    /// A line per header.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::with_capacity(self.size() + 24 * self.0.len());
        for (name, value) in &self.0 {
            // Values were made of texts, so that none is left out here.
            if let Ok(value) = std::str::from_utf8(value.as_bytes()) {
                text.extend([name.as_str(), ": ", value, "\n"]);
            }
        }
        text
    }

    fn from_text(text: &str) -> Option<Self> {
        let headers = text.lines().map(|line| {
            let (name, value) = line.split_once(": ")?;
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        });
        let headers: Vec<_> = headers.collect::<Option<_>>()?;
        (headers.len() <= MOST_HEADERS).then_some(Self(headers))
    }
}

#[cfg(test)]
mod tests {
    use relay_envelope::{Envelope, Limits};

    use super::*;

    fn items(text: &'static str) -> Items {
        let envelope = Envelope::decode(text.into(), &Limits::default()).expect("an envelope");
        Items::of(envelope.items())
    }

    #[test]
    fn items_are_counted_by_what_they_count_as() {
        let items = items(
            "{}\n{\"type\":\"event\"}\n{}\n{\"type\":\"attachment\",\"length\":0}\n\n\
             {\"type\":\"attachment\",\"length\":1}\nx\n{\"type\":\"client_report\"}\n{}\n",
        );
        assert_eq!(items.count(), 4);
        assert_eq!(items.to_text(), r#"{"attachment+attachment_item":2,"error":1,"none":1}"#);
        let again = Items::from_text(&items.to_text()).expect("what we wrote");
        assert_eq!(again.count(), 4);
        assert_eq!(again.to_text(), items.to_text());
    }

    #[test]
    fn what_counts_in_bytes_or_by_more_than_its_items_says_how_much_that_is() {
        let items = items(
            "{}\n{\"type\":\"attachment\",\"length\":3}\nabc\n{\"type\":\"attachment\",\"length\":4}\nabcd\n\
             {\"type\":\"transaction\",\"span_count\":9}\n{}\n{\"type\":\"session\"}\n{}\n",
        );
        let text = r#"{"attachment+attachment_item":{"items":2,"attachment":7},"session":1,"transaction+span":{"items":1,"span":10}}"#;
        assert_eq!(items.to_text(), text);
        let quantities: BTreeMap<&str, u64> =
            items.quantities().map(|(category, quantity)| (category.name(), quantity)).collect();
        let expected = [
            ("attachment", 7),
            ("attachment_item", 2),
            ("session", 1),
            ("span", 10),
            ("span_indexed", 10),
            ("transaction", 1),
            ("transaction_indexed", 1),
        ];
        assert_eq!(quantities, expected.into());
    }

    #[test]
    fn what_was_written_before_quantities_were_is_read_as_one_for_each_item() {
        let items =
            Items::from_text(r#"{"attachment+attachment_item":2,"none":3}"#).expect("items");
        assert_eq!(items.count(), 5);
        let attachments = [(DataCategory::Attachment, 2), (DataCategory::AttachmentItem, 2)];
        assert_eq!(items.quantities().collect::<Vec<_>>(), attachments);
        for broken in
            ["", "[]", r#"{"error":-1}"#, r#"{"error":{"error":1}}"#, r#"{"error":{"items":"1"}}"#]
        {
            assert_eq!(Items::from_text(broken), None, "{broken}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_stored_of_a_record_is_all_that_is_needed_to_send_it(
            key in "[\\x00-\\x7f]{32}",
            project: u64,
            values in proptest::collection::vec(".{0,20}", 4),
            counts in proptest::collection::vec(
                (proptest::collection::vec(0..40_usize, 0..7), 1..9_u64, proptest::array::uniform4(0..9_u64)), 0..6),
            encoding in proptest::sample::select(vec!["identity", "gzip", "deflate", "br", "zstd"]),
        ) {
            let key: ProjectKey = key.parse().expect("32 ASCII characters");
            let mut headers = SenderHeaders::default();
            let auth = relay_auth::AuthHeader::new(key).client(values.first().map(String::as_str));
            headers.push(HeaderName::from_static("x-sentry-auth"), auth.into());
            for (name, value) in ["origin", "user-agent", "x-forwarded-for"].into_iter().zip(&values[1..]) {
                if let Ok(value) = HeaderValue::try_from(value) {
                    headers.push(HeaderName::from_static(name), value);
                }
            }
            let all: Vec<DataCategory> = DataCategory::ALL.to_vec();
            let items: BTreeMap<String, Group> = counts.iter().map(|(of, count, sums)| {
                let categories: DataCategories = of.iter().filter_map(|index| all.get(*index)).copied().collect();
                let mut group = Group { categories, count: *count, sums: [*count; 4] };
                group.sums.iter_mut().zip(categories).zip(sums).for_each(|((slot, _), sum)| *slot = *sum);
                (group.name(), group)
            }).collect();
            let mut record = Record::new(
                0,
                (key, project),
                SystemTime::UNIX_EPOCH,
                Items(items.into_values().collect()),
                headers,
                crate::budget::Budget::new(0).take(0),
            );
            record.set_body(Bytes::from_static(b"x"), encoding.parse().expect("one of ours"));
            record.attempts = 3;
            let spool = relay_spool::Spool::in_memory(relay_spool::Settings::default()).expect("memory");
            let target = spool.target("upstream").expect("memory");
            let new = relay_spool::NewRecord { meta: record.meta(target, None), body: Bytes::from_static(b"x") };
            relay_spool::blocking(|reply| spool.append(vec![new], reply)).expect("memory");
            let stored = relay_spool::blocking(|reply| {
                spool.find(relay_spool::Wanted::Id(RecordId::new(1)), reply);
            }).expect("memory").expect("it was stored");
            let again = Record::from_stored(&stored, 0, crate::budget::Budget::new(0).take(0)).expect("readable");
            proptest::prop_assert_eq!((again.key, again.project), (record.key, record.project));
            proptest::prop_assert_eq!(again.headers, record.headers);
            proptest::prop_assert_eq!(&again.items, &record.items);
            proptest::prop_assert_eq!(again.items.to_text(), record.items.to_text());
            proptest::prop_assert_eq!(again.stored_encoding, record.stored_encoding);
            proptest::prop_assert_eq!(again.stored_size, 1);
        }
    }

    #[test]
    fn headers_are_kept_as_they_are_sent() {
        let mut headers = SenderHeaders::default();
        let agent = HeaderValue::from_str("bücher: 1").expect("a value");
        headers.push(http::header::USER_AGENT, agent.clone());
        let auth = HeaderValue::from_static("Sentry sentry_key=k");
        headers.push(HeaderName::from_static("x-sentry-auth"), auth);
        let text = headers.to_text();
        assert_eq!(text, "user-agent: bücher: 1\nx-sentry-auth: Sentry sentry_key=k\n");
        let sent = headers.of_request();
        assert_eq!(sent.get("user-agent"), Some(&agent));
        assert_eq!(sent.len(), COMMON.len() + 2);
        assert_eq!(SenderHeaders::from_text(&text), Some(headers));
        assert_eq!(SenderHeaders::from_text("no colon"), None);
        assert_eq!(SenderHeaders::from_text(&"name: value\n".repeat(65)), None);
    }
}
