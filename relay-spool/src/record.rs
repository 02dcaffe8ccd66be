//! Records: what is stored of an envelope beside its bytes, and how a stored one is referred to.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

/// A record's number. Numbers grow in the order of arrival and are never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RecordId(pub(crate) i64);

impl RecordId {
    /// The number, as the column `id` has it.
    pub fn get(self) -> u64 {
        self.0.unsigned_abs()
    }

    /// The record of this number; a number beyond what the file can hold stands for its last.
    pub fn new(number: u64) -> Self {
        Self(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl std::fmt::Display for RecordId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

/// Where records go, by the number that the spool gave to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub(crate) i64);

/// What is known of a record beside its bytes. The spool keeps these words and reads none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Where it goes.
    pub target: TargetId,
    /// The project it belongs to.
    pub project: u64,
    /// The public key it came with.
    pub key: String,
    /// When it was received; kept to the millisecond.
    pub received: SystemTime,
    /// The id of its event, 32 hexadecimal digits, to find it by.
    pub event_id: Option<String>,
    /// How many items it has.
    pub item_count: u32,
    /// Its items by category, in the owner's own text.
    pub items: String,
    /// How the body is encoded, as `Content-Encoding` spells it.
    pub encoding: String,
    /// What must be said when it is sent, in the owner's own text.
    pub headers: String,
}

/// A record to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// What is known of it.
    pub meta: Meta,
    /// Its bytes, as they will be sent; 1 GB at most, which is what SQLite takes.
    pub body: Bytes,
}

impl NewRecord {
    /// What it counts against the size of the spool: the room it takes in the file, within some per cent.
    pub fn size(&self) -> u64 {
        // Numbers at their usual length; the entry in the index stands elsewhere.
        const COLUMNS: usize = 44;
        const INDEX: u64 = 16;
        let Meta { key, event_id, items, encoding, headers, .. } = &self.meta;
        let event_id = event_id.as_ref().map_or(0, String::len);
        let texts = key.len() + event_id + items.len() + encoding.len() + headers.len();
        occupied(COLUMNS + texts + self.body.len()) + INDEX
    }
}

/// Bytes of the file that a row of `row` bytes takes: its share of a page, and the pages that it overflows into.
///
/// Source: the SQLite file format, "B-tree pages" and "Cell payload overflow pages", for pages of 4 KiB without
/// reserved bytes.
fn occupied(row: usize) -> u64 {
    const PAGE: usize = 4096;
    const HEADER: usize = 8;
    /// The number, the length and the place of a row on its page.
    const CELL: usize = 14;
    const MOST_LOCAL: usize = PAGE - 35;
    const LEAST_LOCAL: usize = (PAGE - 12) * 32 / 255 - 23;
    const OVERFLOW: usize = PAGE - 4;
    let local = if row <= MOST_LOCAL {
        row
    } else {
        let local = LEAST_LOCAL + (row - LEAST_LOCAL) % OVERFLOW;
        if local <= MOST_LOCAL { local } else { LEAST_LOCAL }
    };
    let on_a_page = ((PAGE - HEADER) / (local + CELL)).max(1);
    let overflow = (row - local).div_ceil(OVERFLOW);
    (overflow * PAGE + PAGE / on_a_page) as u64
}

/// What has been tried with a record, and when it may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Schedule {
    /// Attempts that did not settle it.
    pub attempts: u32,
    /// Not before this time; `None` is at once.
    pub due: Option<SystemTime>,
    /// Since when it has been refused, if it was.
    pub refused_since: Option<SystemTime>,
}

/// A record as it is stored, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the order of arrival.
    pub id: RecordId,
    /// What is known of it.
    pub meta: Meta,
    /// What has been tried with it.
    pub schedule: Schedule,
    /// The bytes it counts against the size of the spool.
    pub size: u64,
    /// The length of its body.
    pub body_size: u64,
}

impl Stored {
    /// What it is removed by.
    pub fn reference(&self) -> RecordRef {
        RecordRef { id: self.id, item_count: self.meta.item_count }
    }
}

/// A stored record, for [`Spool::remove`](crate::Spool::remove).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef {
    pub(crate) id: RecordId,
    pub(crate) item_count: u32,
}

impl RecordRef {
    /// The record of this number, with as many items as it was stored with.
    pub fn new(id: RecordId, item_count: u32) -> Self {
        Self { id, item_count }
    }

    /// Its place in the order of arrival.
    pub fn id(self) -> RecordId {
        self.id
    }
}

/// A record that the spool gave up by itself, for its age or to make room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// Its place in the order of arrival.
    pub id: RecordId,
    /// Where it would have gone.
    pub target: TargetId,
    /// The project there.
    pub project: u64,
    /// The public key there.
    pub key: String,
    /// What was in it, in the words of [`Meta::items`].
    pub items: String,
    /// How many items it had.
    pub item_count: u32,
}

/// Milliseconds since 1970, as the file keeps times; what lies before is 0, which nothing that waits has.
pub(crate) fn to_millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What no clock of this system can show is 0, too.
pub(crate) fn from_millis(millis: i64) -> SystemTime {
    let since = Duration::from_millis(u64::try_from(millis).unwrap_or_default());
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}
