//! Archives: records in a file that is carried to another spool.
//!
//! A line of JSON says what the file is. Then each record is a line of JSON, its body of as many bytes as that line says,
//! and a newline. The last line counts the records and has a checksum (CRC-32) of all bytes before it, so that a file
//! which was cut off or changed on its way is not taken for a whole one:
//!
//! ```text
//! {"format":"relay-spool","version":1}
//! {"record":{"target":"upstream","project":42,…,"length":22,"checksum":3693316654}}
//! {}
//! {"type":"event"}
//! {}
//! {"end":{"records":1,"checksum":2731831843}}
//! ```
//!
//! JSON because scripts should be able to make and read one; bodies beside it and not in it, because they are bytes.

use std::borrow::Cow;
use std::io::{self, BufRead, Read as _, Write};
use std::time::SystemTime;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::record::{from_millis, to_millis};
use crate::{Meta, NewRecord, Schedule, TargetId};

const FORMAT: &str = "relay-spool";
const VERSION: u32 = 1;

/// Bytes of a line at most, its newline included.
const MAX_LINE: usize = 1024 * 1024;

/// Bytes of a body at most, as in [`NewRecord`].
const MAX_BODY: u64 = 1_000_000_000;

/// A record in an archive. It names its target, whose number differs from file to file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedRecord {
    /// The name of its target.
    pub target: String,
    /// The project it belongs to.
    pub project: u64,
    /// The public key it came with.
    pub key: String,
    /// When it was received; kept to the millisecond.
    pub received: SystemTime,
    /// The id of its event, 32 hexadecimal digits.
    pub event_id: Option<String>,
    /// How many items it has.
    pub item_count: u32,
    /// Its items by category, in the owner's own text.
    pub items: String,
    /// How the body is encoded, as `Content-Encoding` spells it.
    pub encoding: String,
    /// What must be said when it is sent, in the owner's own text.
    pub headers: String,
    /// What was tried with it where it comes from.
    pub schedule: Schedule,
    /// Its bytes.
    pub body: Bytes,
}

impl ArchivedRecord {
    pub(crate) fn new(target: String, meta: Meta, schedule: Schedule, body: Bytes) -> Self {
        let Meta { target: _, project, key, received, event_id, item_count, .. } = meta;
        let Meta { items, encoding, headers, .. } = meta;
        Self {
            target,
            project,
            key,
            received,
            event_id,
            item_count,
            items,
            encoding,
            headers,
            schedule,
            body,
        }
    }

    /// The record as one for `target`.
    pub(crate) fn into_new(self, target: TargetId) -> NewRecord {
        let Self { project, key, received, event_id, item_count, items, encoding, .. } = self;
        let Self { headers, body, .. } = self;
        let meta =
            Meta { target, project, key, received, event_id, item_count, items, encoding, headers };
        NewRecord { meta, body }
    }
}

/// Why an archive could not be read or written.
///
/// `record` counts records from zero, `offset` bytes from the start of the file. No message repeats what is in the
/// file: it may be personal data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The file could not be read or written.
    #[error("cannot read or write the archive")]
    Io(#[from] io::Error),
    /// The first line is not that of an archive.
    #[error("this is not a spool archive: the first line does not say so")]
    NotAnArchive,
    /// A later version of this software wrote it.
    #[error(
        "the archive has version {found}, this software reads up to {VERSION}: import it with the version that wrote it"
    )]
    Newer {
        /// The version in the file.
        found: u32,
    },
    /// A line is too long to be one.
    #[error("record {record} at byte {offset}: its line is longer than {MAX_LINE} bytes")]
    LineTooLong {
        /// Which record.
        record: u64,
        /// Where its line begins.
        offset: u64,
    },
    /// A line is not what is expected at its place.
    #[error("record {record} at byte {offset}: its line is not understood, from column {column}")]
    Line {
        /// Which record.
        record: u64,
        /// Where its line begins.
        offset: u64,
        /// From which byte of the line on, counted from one.
        column: usize,
    },
    /// A body is announced that no spool takes.
    #[error(
        "record {record} at byte {offset}: {length} bytes are announced, {MAX_BODY} are possible"
    )]
    BodyTooLong {
        /// Which record.
        record: u64,
        /// Where its line begins.
        offset: u64,
        /// The length of its body.
        length: u64,
    },
    /// A body does not end with the newline that belongs behind it.
    #[error("record {record} at byte {offset}: its body is longer than announced")]
    NoNewline {
        /// Which record.
        record: u64,
        /// Where its line begins.
        offset: u64,
    },
    /// A body is not the one that was written.
    #[error("record {record} at byte {offset}: its body is damaged")]
    Body {
        /// Which record.
        record: u64,
        /// Where its line begins.
        offset: u64,
    },
    /// The file ends before its last line.
    #[error("the archive is cut off at byte {offset}, after {records} whole records")]
    CutOff {
        /// How many records came before.
        records: u64,
        /// Where it ends.
        offset: u64,
    },
    /// What was read is not what was written: the last line says so.
    #[error(
        "the archive is damaged: its last line, at byte {offset}, does not fit what comes before"
    )]
    Damaged {
        /// Where its last line begins.
        offset: u64,
    },
    /// Something comes after the last line.
    #[error("the archive is damaged: something follows its last line, at byte {offset}")]
    Trailing {
        /// Where it begins.
        offset: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct Opening<'a> {
    #[serde(borrow)]
    format: Cow<'a, str>,
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    #[serde(borrow)]
    Record(Entry<'a>),
    End(Closing),
}

/// Named and counted as the columns of the table `record`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    #[serde(borrow)]
    target: Cow<'a, str>,
    project: u64,
    #[serde(borrow)]
    key: Cow<'a, str>,
    received: u64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    event_id: Option<Cow<'a, str>>,
    item_count: u32,
    #[serde(borrow)]
    items: Cow<'a, str>,
    #[serde(borrow)]
    encoding: Cow<'a, str>,
    #[serde(borrow)]
    headers: Cow<'a, str>,
    #[serde(default)]
    attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused_since: Option<u64>,
    length: u64,
    checksum: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Closing {
    records: u64,
    checksum: u32,
}

/// Writes an archive, record by record.
#[derive(Debug)]
pub struct ArchiveWriter<W> {
    sink: W,
    hasher: crc32fast::Hasher,
    records: u64,
    offset: u64,
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins an archive.
    ///
    /// # Errors
    ///
    /// If `sink` does not take it.
    pub fn new(sink: W) -> Result<Self, ArchiveError> {
        let mut archive = Self { sink, hasher: crc32fast::Hasher::new(), records: 0, offset: 0 };
        archive.line(&Opening { format: FORMAT.into(), version: VERSION })?;
        Ok(archive)
    }

    /// Adds a record.
    ///
    /// # Errors
    ///
    /// If `sink` does not take it, or the record is larger than a reader would take.
    pub fn write(&mut self, record: &ArchivedRecord) -> Result<(), ArchiveError> {
        let (index, offset, length) = (self.records, self.offset, record.body.len() as u64);
        if length > MAX_BODY {
            return Err(ArchiveError::BodyTooLong { record: index, offset, length });
        }
        self.line(&Line::Record(Entry {
            target: record.target.as_str().into(),
            project: record.project,
            key: record.key.as_str().into(),
            received: millis(record.received),
            event_id: record.event_id.as_deref().map(Cow::from),
            item_count: record.item_count,
            items: record.items.as_str().into(),
            encoding: record.encoding.as_str().into(),
            headers: record.headers.as_str().into(),
            attempts: record.schedule.attempts,
            due: record.schedule.due.map(millis),
            refused_since: record.schedule.refused_since.map(millis),
            length,
            checksum: crc32fast::hash(&record.body),
        }))?;
        self.bytes(&record.body)?;
        self.bytes(b"\n")?;
        self.records += 1;
        Ok(())
    }

    /// Writes the last line, without which an archive is not whole, and gives the sink back, flushed.
    ///
    /// # Errors
    ///
    /// If `sink` does not take it.
    pub fn finish(mut self) -> Result<W, ArchiveError> {
        let checksum = self.hasher.clone().finalize();
        self.line(&Line::End(Closing { records: self.records, checksum }))?;
        self.sink.flush()?;
        Ok(self.sink)
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), ArchiveError> {
        let mut bytes = serde_json::to_vec(line).map_err(io::Error::from)?;
        bytes.push(b'\n');
        if bytes.len() > MAX_LINE {
            return Err(ArchiveError::LineTooLong { record: self.records, offset: self.offset });
        }
        self.bytes(&bytes)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.sink.write_all(bytes)?;
        self.hasher.update(bytes);
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

/// Reads an archive, record by record: never more than one is in memory, and no more of it than there is in the file.
///
/// ```
/// use relay_spool::{ArchiveReader, ArchiveWriter};
///
/// let file = ArchiveWriter::new(Vec::new())?.finish()?;
/// let mut archive = ArchiveReader::new(&file[..])?;
/// assert_eq!(archive.read()?, None);
/// # Ok::<(), relay_spool::ArchiveError>(())
/// ```
#[derive(Debug)]
pub struct ArchiveReader<R> {
    source: R,
    hasher: crc32fast::Hasher,
    records: u64,
    /// Bytes read so far.
    offset: u64,
    line: Vec<u8>,
    ended: bool,
}

impl<R: BufRead> ArchiveReader<R> {
    /// Begins to read an archive.
    ///
    /// # Errors
    ///
    /// If it is none, or one of a later version.
    pub fn new(source: R) -> Result<Self, ArchiveError> {
        let mut archive = Self {
            source,
            hasher: crc32fast::Hasher::new(),
            records: 0,
            offset: 0,
            line: Vec::new(),
            ended: false,
        };
        match archive.next_line() {
            Err(ArchiveError::Io(error)) => return Err(error.into()),
            Err(_) => return Err(ArchiveError::NotAnArchive),
            Ok(()) => {}
        }
        archive.hasher.update(&archive.line);
        match serde_json::from_slice::<Opening<'_>>(&archive.line) {
            Ok(Opening { format, version }) if format == FORMAT => match version {
                VERSION => {}
                0 => return Err(ArchiveError::NotAnArchive),
                found => return Err(ArchiveError::Newer { found }),
            },
            _ => return Err(ArchiveError::NotAnArchive),
        }
        Ok(archive)
    }

    /// How many records were read.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// How many bytes were read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the next record; `None` when all were read, and are all that were written.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is not what was written. What was read before may be in order all the same: only
    /// the last line vouches for all of it.
    pub fn read(&mut self) -> Result<Option<ArchivedRecord>, ArchiveError> {
        if self.ended {
            return Ok(None);
        }
        let (record, offset) = (self.records, self.offset);
        self.next_line()?;
        let line: Line<'_> = serde_json::from_slice(&self.line)
            .map_err(|error| ArchiveError::Line { record, offset, column: error.column() })?;
        let entry = match line {
            Line::End(closing) => {
                self.ended = true;
                let fits = closing.records == self.records
                    && closing.checksum == self.hasher.clone().finalize();
                if !fits {
                    return Err(ArchiveError::Damaged { offset });
                }
                return match self.source.fill_buf()? {
                    [] => Ok(None),
                    _ => Err(ArchiveError::Trailing { offset: self.offset }),
                };
            }
            Line::Record(entry) => entry,
        };
        self.hasher.update(&self.line);
        if entry.length > MAX_BODY {
            return Err(ArchiveError::BodyTooLong { record, offset, length: entry.length });
        }
        let mut body = Vec::new();
        // Grows with what is there, whatever is announced. One more for the newline.
        (&mut self.source).take(entry.length + 1).read_to_end(&mut body)?;
        self.hasher.update(&body);
        self.offset += body.len() as u64;
        if body.len() as u64 <= entry.length {
            return Err(ArchiveError::CutOff { records: record, offset: self.offset });
        }
        if body.pop() != Some(b'\n') {
            return Err(ArchiveError::NoNewline { record, offset });
        }
        if crc32fast::hash(&body) != entry.checksum {
            return Err(ArchiveError::Body { record, offset });
        }
        self.records += 1;
        Ok(Some(ArchivedRecord {
            target: entry.target.into_owned(),
            project: entry.project,
            key: entry.key.into_owned(),
            received: time(entry.received),
            event_id: entry.event_id.map(Cow::into_owned),
            item_count: entry.item_count,
            items: entry.items.into_owned(),
            encoding: entry.encoding.into_owned(),
            headers: entry.headers.into_owned(),
            schedule: Schedule {
                attempts: entry.attempts,
                due: entry.due.map(time),
                refused_since: entry.refused_since.map(time),
            },
            body: body.into(),
        }))
    }

    /// Reads a line, newline included, which belongs to the record that comes next.
    fn next_line(&mut self) -> Result<(), ArchiveError> {
        let start = self.offset;
        self.line.clear();
        (&mut self.source).take(MAX_LINE as u64).read_until(b'\n', &mut self.line)?;
        self.offset += self.line.len() as u64;
        match self.line.last() {
            Some(b'\n') => Ok(()),
            _ if self.line.len() == MAX_LINE => {
                Err(ArchiveError::LineTooLong { record: self.records, offset: start })
            }
            _ => Err(ArchiveError::CutOff { records: self.records, offset: self.offset }),
        }
    }
}

fn millis(time: SystemTime) -> u64 {
    to_millis(time).unsigned_abs()
}

/// What is beyond the columns of the file stands for their last.
fn time(millis: u64) -> SystemTime {
    from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}
