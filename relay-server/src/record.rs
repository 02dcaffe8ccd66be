//! Records: one envelope on its way to one target, and the words in which the spool keeps it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use relay_compression::ContentEncoding;
use relay_dsn::ProjectKey;
use relay_envelope::Item;
use relay_protocol::{DataCategories, DataCategory};
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
    /// Of the upstream request; all but the encoding.
    pub(crate) headers: HeaderMap,
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

/// What a record occupies beside its body: measured, and rounded up.
pub(crate) const RECORD_OVERHEAD: usize = 2048;

impl Record {
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
        let headers = self.headers.values().map(HeaderValue::len).sum::<usize>();
        RECORD_OVERHEAD + self.items.size() + headers
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
            headers: headers_to_text(&self.headers),
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
            headers: headers_from_text(&stored.meta.headers)?,
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

/// The items of an envelope as rate limits see them: how many there are of each set of categories.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Items(Box<[(DataCategories, u32)]>);

impl Items {
    pub(crate) fn of(items: &[Item]) -> Self {
        let mut groups: Vec<(DataCategories, u32)> = Vec::new();
        for item in items {
            let categories = relay_pipeline::enforced(item);
            match groups.iter_mut().find(|(of, _)| *of == categories) {
                Some((_, count)) => *count += 1,
                None => groups.push((categories, 1)),
            }
        }
        Self(groups.into())
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = (DataCategories, u32)> + '_ {
        self.0.iter().copied()
    }

    /// Of an envelope of which nothing else is known: foreign bodies hold logs or spans, and are alone.
    fn wrapping(&self) -> Wrapping {
        match &*self.0 {
            [(categories, 1)]
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

    /// A JSON object of counts, for operators too: `{"attachment+attachment_item":2,"error":1}`. What counts as
    /// nothing is called `none`.
    pub(crate) fn to_text(&self) -> String {
        let groups = self.0.iter().map(|(categories, count)| {
            let names: Vec<&str> = categories.iter().map(DataCategory::name).collect();
            let name = if names.is_empty() { NOTHING.to_owned() } else { names.join("+") };
            (name, *count)
        });
        let groups: BTreeMap<String, u32> = groups.collect();
        serde_json::to_string(&groups).expect("names and numbers serialise")
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let groups: BTreeMap<String, u32> = serde_json::from_str(text).ok()?;
        let groups = groups.into_iter().map(|(names, count)| {
            let names = names.split('+').filter(|name| *name != NOTHING);
            (names.map(DataCategory::from_name).collect(), count)
        });
        Some(Self(groups.collect()))
    }
}

const NOTHING: &str = "none";

/// The headers that every envelope request has.
const COMMON: [(HeaderName, HeaderValue); 3] = [
    (CONTENT_TYPE, HeaderValue::from_static("application/x-sentry-envelope")),
    (ACCEPT, HeaderValue::from_static("*/*")),
    (ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
];

pub(crate) fn common_headers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.extend(COMMON);
    headers
}

/// A line per header, without those that all have.
pub(crate) fn headers_to_text(headers: &HeaderMap) -> String {
    let mut text = String::new();
    for (name, value) in headers {
        // Values were made of texts, so that none is left out here.
        if let Ok(value) = std::str::from_utf8(value.as_bytes())
            && COMMON.iter().all(|(common, _)| common != name)
        {
            text.extend([name.as_str(), ": ", value, "\n"]);
        }
    }
    text
}

fn headers_from_text(text: &str) -> Option<HeaderMap> {
    let mut headers = common_headers();
    for line in text.lines() {
        let (name, value) = line.split_once(": ")?;
        headers.insert(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
    }
    Some(headers)
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

    proptest::proptest! {
        #[test]
        fn what_is_stored_of_a_record_is_all_that_is_needed_to_send_it(
            key in "[\\x00-\\x7f]{32}",
            project: u64,
            values in proptest::collection::vec(".{0,20}", 4),
            counts in proptest::collection::vec((proptest::collection::vec(0..40_usize, 0..4), 1..9_u32), 0..6),
            encoding in proptest::sample::select(vec!["identity", "gzip", "deflate", "br", "zstd"]),
        ) {
            let key: ProjectKey = key.parse().expect("32 ASCII characters");
            let mut headers = common_headers();
            let auth = relay_auth::AuthHeader::new(key).client(values.first().map(String::as_str));
            headers.insert("x-sentry-auth", auth.into());
            for (name, value) in ["origin", "user-agent", "x-forwarded-for"].into_iter().zip(&values[1..]) {
                if let Ok(value) = HeaderValue::try_from(value) {
                    headers.insert(name, value);
                }
            }
            let all: Vec<DataCategory> = DataCategory::ALL.to_vec();
            let items: BTreeMap<Vec<&str>, (DataCategories, u32)> = counts.iter().map(|(of, count)| {
                let of: DataCategories = of.iter().filter_map(|index| all.get(*index)).copied().collect();
                (of.iter().map(DataCategory::name).collect(), (of, *count))
            }).collect();
            let record = Record {
                id: RecordId::new(1),
                lane: 0,
                worker: None,
                key,
                project,
                received: SystemTime::UNIX_EPOCH,
                items: Items(items.into_values().collect()),
                headers,
                body: None,
                stored_size: 1,
                stored_encoding: encoding.parse().expect("one of ours"),
                fallback: None,
                wrapping: Wrapping::Needed,
                memory: crate::budget::Budget::new(0).take(0),
                attempts: 3,
                refused_since: None,
            };
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
            proptest::prop_assert_eq!(again.items.count(), record.items.count());
            proptest::prop_assert_eq!(again.items.to_text(), record.items.to_text());
            proptest::prop_assert_eq!(again.stored_encoding, record.stored_encoding);
            proptest::prop_assert_eq!(again.stored_size, 1);
        }
    }

    #[test]
    fn headers_are_kept_as_they_are_sent() {
        let mut headers = common_headers();
        headers.insert("user-agent", HeaderValue::from_str("bücher: 1").expect("a value"));
        headers.insert("x-sentry-auth", HeaderValue::from_static("Sentry sentry_key=k"));
        let text = headers_to_text(&headers);
        assert_eq!(text, "user-agent: bücher: 1\nx-sentry-auth: Sentry sentry_key=k\n");
        assert_eq!(headers_from_text(&text), Some(headers));
        assert_eq!(headers_from_text("no colon"), None);
    }
}
