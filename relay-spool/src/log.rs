//! The log of the database as it lies on the disk: damage is told from a torn end, and what stands behind it saved.
//!
//! Each checksum goes on from the one before, and SQLite takes the first frame that does not fit for the end of the log.
//! After a power cut it is. After a bit has changed in the middle, all commits behind it would be gone without a word.
//!
//! The format: <https://www.sqlite.org/fileformat2.html#the_wal_file_format>

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, ErrorKind, Read as _, Write as _};
use std::path::Path;

use crate::lock::private;

/// Checksums are those of little-endian words; with one added, of big-endian ones.
const MAGIC: u32 = 0x377f_0682;
const FORMAT: u32 = 3_007_000;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// What has happened to a log that was synced.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The last frame to keep, counted from zero: it ends a commit.
    last: u64,
}

/// Whether the log at `path` is damaged, and not only torn at its end.
///
/// A frame is whole if its checksum goes on from the one that stands in the frame before. Behind the first that is not,
/// a commit with a whole frame right after it is proof of damage: nobody begins a transaction before the last commit is
/// synced, with all that stands before it, and after one that could not be synced the next begins in its place. (SQLite
/// pads a commit with frames only where a write may change what lies beside it; nobody says that of our disks.) All else
/// may be an end that a power cut has left in any order, or what stayed of transactions that came to nothing.
///
/// So damage in the last commit, or in the one before it, passes for a torn end: either may have been on its way when
/// the power failed. So does damage of the log's own header: it is written anew whenever the log is begun anew, and what
/// stands behind it then is in the database already.
pub(crate) fn damage(path: &Path) -> std::io::Result<Option<Damage>> {
    let Some(mut log) = Log::open(path)? else { return Ok(None) };
    let mut is_broken = false;
    // Whether nothing is missing since a commit that was surely synced.
    let mut is_sure = false;
    let mut commit_before = None;
    let mut last = None;
    let mut number = 0;
    while let Some(frame) = log.next()? {
        if !frame.is_whole {
            (is_broken, is_sure, commit_before) = (true, false, None);
        } else if is_broken {
            if let Some(commit) = commit_before {
                is_sure = true;
                last = Some(commit);
            }
            commit_before = frame.is_commit.then_some(number);
            if is_sure && frame.is_commit {
                last = Some(number);
            }
        }
        number += 1;
    }
    Ok(last.map(|last| Damage { last }))
}

/// Writes a log to `mended` that SQLite reads to its end: all frames of the one at `path` that are worth it and whole,
/// with checksums that go on over those left out.
///
/// A page whose newest frame is left out is what it was before, so that the database is damaged. A commit whose last
/// frame is left out becomes part of the next.
pub(crate) fn mend(path: &Path, damage: &Damage, mended: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    private(&mut options);
    let file = options.open(mended)?;
    let Some(mut log) = Log::open(path)? else { return Err(ErrorKind::InvalidData.into()) };
    let mut writer = BufWriter::new(&file);
    writer.write_all(&log.header)?;
    let mut checksum = log.checksum;
    let mut number = 0;
    while number <= damage.last
        && let Some(frame) = log.next()?
    {
        if frame.is_whole {
            checksum = log.sum(log.sum(checksum, &frame.start), &log.page);
            writer.write_all(&frame.start)?;
            writer.write_all(&log.salts)?;
            writer.write_all(&checksum.to_bytes())?;
            writer.write_all(&log.page)?;
        }
        number += 1;
    }
    writer.flush()?;
    drop(writer);
    file.sync_all()
}

/// A log that is read frame by frame.
struct Log {
    reader: BufReader<File>,
    header: [u8; HEADER],
    is_big_endian: bool,
    salts: [u8; 8],
    /// As it stands in the frame before, whether or not that is whole.
    checksum: Checksum,
    /// Of the frame that was read last.
    page: Vec<u8>,
}

struct Frame {
    /// The number of the page, and for a commit the pages of the database.
    start: [u8; 8],
    is_commit: bool,
    is_whole: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Checksum(u32, u32);

impl Log {
    /// `None` if SQLite would take nothing from it either.
    fn open(path: &Path) -> std::io::Result<Option<Self>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut header = [0; HEADER];
        if !fill(&mut reader, &mut header)? {
            return Ok(None);
        }
        let words = header.as_chunks().0;
        let [magic, format, page_size, _, salt1, salt2, sum1, sum2] = *words else {
            return Ok(None);
        };
        let page_size = u32::from_be_bytes(page_size);
        let is_known = u32::from_be_bytes(magic) & !1 == MAGIC
            && u32::from_be_bytes(format) == FORMAT
            && page_size.is_power_of_two()
            && (512..=65536).contains(&page_size);
        if !is_known {
            return Ok(None);
        }
        let mut salts = [0; 8];
        salts.iter_mut().zip(salt1.iter().chain(&salt2)).for_each(|(to, from)| *to = *from);
        let log = Self {
            reader,
            header,
            is_big_endian: u32::from_be_bytes(magic) != MAGIC,
            salts,
            checksum: Checksum::from_bytes(sum1, sum2),
            page: vec![0; page_size as usize],
        };
        let summed = header.first_chunk::<{ HEADER - 8 }>().map_or(&[][..], |summed| summed);
        let is_whole = log.sum(Checksum(0, 0), summed) == log.checksum;
        Ok(is_whole.then_some(log))
    }

    /// The next frame, its page in `page`; `None` where there is no room for another.
    fn next(&mut self) -> std::io::Result<Option<Frame>> {
        let mut header = [0; FRAME_HEADER];
        if !fill(&mut self.reader, &mut header)? || !fill(&mut self.reader, &mut self.page)? {
            return Ok(None);
        }
        let [number, size, salt1, salt2, sum1, sum2] = *header.as_chunks().0 else {
            return Ok(None);
        };
        let start = *header.first_chunk().expect("a header is longer");
        let stored = Checksum::from_bytes(sum1, sum2);
        let expected = self.sum(self.sum(self.checksum, &start), &self.page);
        self.checksum = stored;
        Ok(Some(Frame {
            start,
            is_commit: size != [0; 4],
            is_whole: number != [0; 4]
                && salt1.iter().chain(&salt2).eq(&self.salts)
                && stored == expected,
        }))
    }

    fn sum(&self, seed: Checksum, bytes: &[u8]) -> Checksum {
        let word = if self.is_big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        bytes.as_chunks().0.iter().fold(seed, |Checksum(sum1, sum2), &[a, b, c, d, e, f, g, h]| {
            let sum1 = sum1.wrapping_add(word([a, b, c, d])).wrapping_add(sum2);
            Checksum(sum1, sum2.wrapping_add(word([e, f, g, h])).wrapping_add(sum1))
        })
    }
}

impl Checksum {
    fn from_bytes(sum1: [u8; 4], sum2: [u8; 4]) -> Self {
        Self(u32::from_be_bytes(sum1), u32::from_be_bytes(sum2))
    }

    fn to_bytes(self) -> [u8; 8] {
        (u64::from(self.0) << 32 | u64::from(self.1)).to_be_bytes()
    }
}

/// Reads as much as there is room for; whether there was as much.
fn fill(reader: &mut BufReader<File>, room: &mut [u8]) -> std::io::Result<bool> {
    match reader.read_exact(room) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rusqlite::Connection;

    use super::*;

    const PAGE: usize = 512;
    const FRAME: usize = FRAME_HEADER + PAGE;

    /// A database that is never closed, with a log of commits of several frames each.
    struct Killed {
        folder: tempfile::TempDir,
        log: Vec<u8>,
        connection: Connection,
    }

    impl Killed {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let connection = Connection::open(folder.path().join("spool.db")).expect("it opens");
            let sql = format!(
                "PRAGMA page_size = {PAGE}; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; \
                 CREATE TABLE record (id INTEGER PRIMARY KEY, body BLOB);"
            );
            connection.execute_batch(&sql).expect("a table");
            let mut killed = Self { folder, log: Vec::new(), connection };
            (0..12).for_each(|_| killed.commit(1000));
            killed
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn commit(&mut self, size: u32) {
            let sql = "INSERT INTO record (body) VALUES (randomblob(?1))";
            self.connection.execute(sql, [size]).expect("room for it");
            self.log = std::fs::read(self.path("spool.db-wal")).expect("a log");
        }

        /// The same at this time, to go on otherwise.
        fn fork(&self) -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            for name in ["spool.db", "spool.db-wal"] {
                std::fs::copy(self.path(name), folder.path().join(name)).expect("room");
            }
            let connection = Connection::open(folder.path().join("spool.db")).expect("it opens");
            connection.execute_batch("PRAGMA wal_autocheckpoint = 0").expect("it is one");
            Self { folder, log: self.log.clone(), connection }
        }

        /// The frames that end a commit.
        fn commits(&self) -> Vec<u64> {
            let frames = self.log[HEADER..].chunks(FRAME).zip(0..);
            frames.filter(|(frame, _)| frame[4..8] != [0; 4]).map(|(_, number)| number).collect()
        }

        fn damage_of(&self, log: &[u8]) -> Option<Damage> {
            std::fs::write(self.path("changed"), log).expect("room");
            damage(&self.path("changed")).expect("it can be read")
        }

        /// How many records SQLite counts with this log, which it reads to its end.
        fn records(&self, log: &Path) -> u64 {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("spool.db");
            std::fs::copy(self.path("spool.db"), &path).expect("room");
            std::fs::copy(log, folder.path().join("spool.db-wal")).expect("room");
            let connection = Connection::open(path).expect("it opens");
            let newest = "SELECT id FROM record ORDER BY id DESC LIMIT 1";
            connection.query_row(newest, [], |row| row.get(0)).expect("it can be read")
        }
    }

    /// Where a frame begins.
    fn start(frame: u64) -> usize {
        HEADER + usize::try_from(frame).expect("it is small") * FRAME
    }

    fn flipped(log: &[u8], at: usize) -> Vec<u8> {
        let mut log = log.to_vec();
        log[at] ^= 0x10;
        log
    }

    #[test]
    fn what_is_no_log_is_not_damaged() {
        let killed = Killed::new();
        assert_eq!(damage(&killed.path("missing")).expect("that is no error"), None);
        assert!(damage(killed.folder.path()).is_err(), "a folder cannot be read");
        for length in 0..=HEADER {
            assert_eq!(killed.damage_of(&killed.log[..length]), None, "{length}");
        }
        for at in 0..HEADER {
            assert_eq!(killed.damage_of(&flipped(&killed.log, at)), None, "{at}");
        }
        for page_size in [0_u32, 1, 256, 4095, 131_072, u32::MAX] {
            let mut log = killed.log.clone();
            log[8..12].copy_from_slice(&page_size.to_be_bytes());
            assert_eq!(killed.damage_of(&log), None, "{page_size}");
        }
    }

    #[test]
    fn a_log_that_ends_anywhere_is_not_damaged() {
        let killed = Killed::new();
        assert_eq!(killed.damage_of(&killed.log), None);
        let before = killed.commits()[killed.commits().len() - 4];
        for length in start(before)..killed.log.len() {
            assert_eq!(killed.damage_of(&killed.log[..length]), None, "{length}");
        }
    }

    #[test]
    fn a_commit_that_was_written_in_any_order_is_not_damaged() {
        let killed = Killed::new();
        let [.., before, last] = killed.commits()[..] else { panic!("there are two") };
        assert!(last - before >= 3, "it has several frames");
        for missing in 1..1_u64 << (last - before) {
            let mut log = killed.log.clone();
            for frame in
                (before + 1..=last).filter(|frame| missing >> (frame - before - 1) & 1 == 1)
            {
                log[start(frame)..][..FRAME].fill(0xa5);
            }
            assert_eq!(killed.damage_of(&log), None, "{missing:b}");
        }
    }

    #[test]
    fn a_bit_that_has_changed_before_the_last_two_commits_is_damage() {
        let killed = Killed::new();
        let [.., third, before, last] = killed.commits()[..] else { panic!("there are three") };
        assert_eq!(killed.records(&killed.path("spool.db-wal")), 12);
        for frame in 0..=last {
            // The number of the page, that of all pages, a salt, the checksum, the page.
            for place in [1, 5, 9, 18, FRAME_HEADER + 77] {
                let log = flipped(&killed.log, start(frame) + place);
                let damage = killed.damage_of(&log);
                // The checksum of one frame is where the next goes on.
                let until = if place == 18 { frame + 1 } else { frame };
                if until > before {
                    assert_eq!(damage, None, "frame {frame}, byte {place}");
                    continue;
                }
                if frame > third {
                    // The commit before the last, which only its own last frame could prove.
                    assert_eq!(damage.is_some(), until < before, "frame {frame}, byte {place}");
                    continue;
                }
                assert_eq!(damage, Some(Damage { last }), "frame {frame}, byte {place}");
                let mended = killed.path("mended");
                mend(&killed.path("changed"), &Damage { last }, &mended).expect("room");
                let length = std::fs::metadata(&mended).expect("it is there").len();
                assert_eq!(length, start(last + frame - until) as u64);
                let mut log = Log::open(&mended).expect("readable").expect("a log");
                while let Some(frame) = log.next().expect("readable") {
                    assert!(frame.is_whole);
                }
                // The root of the table is in each commit.
                if frame > killed.commits()[0] {
                    assert_eq!(killed.records(&mended), 12, "frame {frame}, byte {place}");
                }
                std::fs::remove_file(mended).expect("it is there");
            }
        }
    }

    #[test]
    fn what_stayed_of_a_commit_that_failed_is_neither_damage_nor_kept() {
        let killed = Killed::new();
        let (mut failed, mut next) = (killed.fork(), killed.fork());
        failed.commit(5000);
        failed.commit(1000);
        next.commit(1000);
        // The one that failed was longer, and its end is still there behind the one that took its place.
        let [.., failed_end, _] = failed.commits()[..] else { panic!("there are two") };
        let last = *next.commits().last().expect("there is one");
        assert!(failed_end > last + 2);
        let mut log = next.log.clone();
        log.extend_from_slice(&failed.log[log.len()..start(failed_end + 1)]);
        assert_eq!(next.damage_of(&log), None);
        let log = flipped(&log, start(killed.commits()[3]) + 100);
        assert_eq!(next.damage_of(&log), Some(Damage { last }));
    }

    #[test]
    fn a_log_of_the_other_byte_order_is_read_as_well() {
        let killed = Killed::new();
        let path = killed.path("spool.db-wal");
        let mut log = Log::open(&path).expect("readable").expect("a log");
        let mut other = log.header[..24].to_vec();
        other[3] ^= 1;
        log.is_big_endian = !log.is_big_endian;
        let mut checksum = log.sum(Checksum(0, 0), &other);
        other.extend(checksum.to_bytes());
        while let Some(frame) = log.next().expect("readable") {
            checksum = log.sum(log.sum(checksum, &frame.start), &log.page);
            other.extend(frame.start.iter().chain(&log.salts).chain(&checksum.to_bytes()));
            other.extend(&log.page);
        }
        let last = *killed.commits().last().expect("there is one");
        assert_eq!(killed.damage_of(&other), None);
        assert_eq!(killed.records(&killed.path("changed")), 12);
        let damage = killed.damage_of(&flipped(&other, start(20) + 100));
        assert_eq!(damage, Some(Damage { last }));
        mend(&killed.path("changed"), &Damage { last }, &killed.path("mended")).expect("room");
        assert_eq!(killed.records(&killed.path("mended")), 12);
    }
}
