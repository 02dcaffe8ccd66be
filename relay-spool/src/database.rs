//! The database: every SQL statement of the spool, one function each. Nothing here decides anything.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::SystemTime;

use bytes::Bytes;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params};

use crate::record::{from_millis, to_millis};
use crate::spool::Sync;
use crate::status::Totals;
use crate::{
    Dropped, Fault, FaultKind, Filter, Meta, NewRecord, RecordId, Removal, Removed, Schedule,
    SpoolError, Stored, TargetId,
};

/// The name of the database in a spool folder.
pub(crate) const DATABASE_FILE: &str = "spool.db";

/// The format of the file, in `PRAGMA user_version`.
pub(crate) const FORMAT: i64 = 2;

/// `relay` in the header of the file (`PRAGMA application_id`), for `file` and for ourselves.
const APPLICATION_ID: i64 = 0x726c_7931;

/// Format 2. `docs/operations.md` describes it for operators.
const SCHEMA: &str = "
CREATE TABLE target (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    records INTEGER NOT NULL DEFAULT 0,
    items   INTEGER NOT NULL DEFAULT 0,
    bytes   INTEGER NOT NULL DEFAULT 0,
    last_id INTEGER NOT NULL DEFAULT 0,
    newest  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE record (
    id            INTEGER PRIMARY KEY,
    target        INTEGER NOT NULL REFERENCES target (id),
    due           INTEGER NOT NULL DEFAULT 0,
    attempts      INTEGER NOT NULL DEFAULT 0,
    refused_since INTEGER,
    received      INTEGER NOT NULL,
    early         INTEGER NOT NULL DEFAULT 0,
    project       INTEGER NOT NULL,
    key           TEXT NOT NULL,
    event_id      TEXT,
    item_count    INTEGER NOT NULL,
    items         TEXT NOT NULL,
    encoding      TEXT NOT NULL,
    headers       TEXT NOT NULL,
    size          INTEGER NOT NULL,
    checksum      INTEGER NOT NULL,
    body          BLOB NOT NULL
) STRICT;
CREATE INDEX record_order ON record (target, due);
";

/// What format 2 has and format 1 had not, beside two columns.
const SINCE_2: &str = "
CREATE INDEX record_early ON record (received) WHERE early = 1;
CREATE TABLE removed (
    target     INTEGER NOT NULL REFERENCES target (id),
    project    INTEGER NOT NULL,
    key        TEXT NOT NULL,
    items      TEXT NOT NULL,
    reason     TEXT NOT NULL,
    records    INTEGER NOT NULL,
    item_count INTEGER NOT NULL,
    PRIMARY KEY (target, project, key, items, reason)
) STRICT, WITHOUT ROWID;
";

/// How far a record may be older than one that was stored before it without being found by its own age: the clocks and
/// threads of one process are not further apart. In milliseconds.
pub(crate) const EARLY: i64 = 1000;

/// In KiB.
const CACHE: &str = "PRAGMA cache_size = -4096;";

/// Makes format 2 of format 1.
const TO_2: &str = "
ALTER TABLE target ADD COLUMN newest INTEGER NOT NULL DEFAULT 0;
ALTER TABLE record ADD COLUMN early INTEGER NOT NULL DEFAULT 0;
UPDATE target SET newest = (SELECT coalesce(max(received), 0) FROM record);
UPDATE record SET early = 1 WHERE id IN (
    SELECT id FROM (SELECT id, received, max(received) OVER (ORDER BY id) AS newest FROM record)
    WHERE received < newest - 1000
);
";

/// What [`stored`] reads, in its order.
macro_rules! columns {
    () => {
        "id, target, due, attempts, refused_since, received, project, key, event_id, item_count, items, encoding, \
         headers, size, length(body)"
    };
}

/// Which rows a [`Filter`] lets through, with the parameters of [`Filter::parameters`].
macro_rules! passes {
    () => {
        "id > ?1 AND (?2 IS NULL OR target = ?2) AND (?3 IS NULL OR project = ?3) AND (?4 IS NULL OR key = ?4) AND \
         (?5 IS NULL OR event_id = ?5) AND (?6 IS NULL OR received < ?6)"
    };
}

/// One connection to the file.
#[derive(Debug)]
pub(crate) struct Database {
    connection: Connection,
    /// Of the file, as it was found.
    pub(crate) format: i64,
}

/// Why a file cannot be used as it is.
#[derive(Debug)]
pub(crate) enum Unusable {
    Newer(i64),
    Fault(Fault),
}

impl<E: Into<Fault>> From<E> for Unusable {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

impl Database {
    /// Opens or creates the file in `folder` for the one process that writes it.
    pub(crate) fn open(folder: &Path, sync: Sync) -> Result<Self, Unusable> {
        let path = folder.join(DATABASE_FILE);
        if !path.exists() {
            // SQLite gives its other files the mode of this one.
            let mut options = std::fs::OpenOptions::new();
            options.create_new(true).write(true);
            crate::lock::private(&mut options);
            options.open(&path).map_err(|error| Unusable::Fault(error.into()))?;
        }
        if sync == Sync::Disk {
            renew_log(folder).map_err(Unusable::Fault)?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags)?;
        Self::prepare(connection, sync).map_err(|unusable| name_damage(unusable, &path))
    }

    /// A database that is gone with the process.
    pub(crate) fn in_memory() -> Result<Self, Unusable> {
        Self::prepare(Connection::open_in_memory()?, Sync::System)
    }

    /// Opens the file in `folder` to look at it, whoever writes it; `None` if there is nothing in it yet. Neither the
    /// file nor what is in its log changes.
    pub(crate) fn open_read_only(folder: &Path) -> Result<Option<Self>, Unusable> {
        let path = folder.join(DATABASE_FILE);
        // Without write access SQLite cannot read what only the log has, so that it is asked for.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let has_log = log_of(folder).metadata().is_ok_and(|log| log.len() > 0);
        let looked = Connection::open_with_flags(&path, flags)
            .map_err(Unusable::from)
            .and_then(|connection| Self::look(connection, has_log));
        let looked = looked.map_err(|unusable| name_damage(unusable, &path));
        match (looked, unchanging(&path)) {
            // SQLite begins a log in any case, and cannot here. Without one nobody writes, and everything is in the file.
            (Err(Unusable::Fault(fault)), Some(unchanging))
                if matches!(
                    fault.kind(),
                    FaultKind::DiskFull | FaultKind::ReadOnly | FaultKind::Io
                ) && !has_log =>
            {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
                    | OpenFlags::SQLITE_OPEN_NO_MUTEX
                    | OpenFlags::SQLITE_OPEN_URI;
                Self::look(Connection::open_with_flags(unchanging, flags)?, has_log)
            }
            (looked, _) => looked,
        }
    }

    fn look(connection: Connection, has_log: bool) -> Result<Option<Self>, Unusable> {
        // Whoever is the last to close a file brings its log in, as far as that is sound, and removes it. What a crash has
        // left is for the one who writes; a log that is only made by looking goes again.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_log)?;
        // A file that is shorter than it says SQLite does not read at all, unless its schema may be written.
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA writable_schema = ON;")?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        let format = check_format(&connection)?;
        Ok((format != 0).then_some(Self { connection, format }))
    }

    fn prepare(connection: Connection, sync: Sync) -> Result<Self, Unusable> {
        connection.set_prepared_statement_cache_capacity(32);
        // A command-line tool may be reading; readers do not hold up a writer in WAL mode, but for moments.
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        // The first two only have an effect on a new file, and must come first.
        connection.execute_batch(
            "PRAGMA page_size = 4096;
             PRAGMA auto_vacuum = INCREMENTAL;
             PRAGMA journal_mode = WAL;
             PRAGMA wal_autocheckpoint = 1024;
             PRAGMA journal_size_limit = 16777216;
             PRAGMA temp_store = MEMORY;
             PRAGMA trusted_schema = OFF;
             PRAGMA fullfsync = ON;
             PRAGMA checkpoint_fullfsync = ON;",
        )?;
        connection.execute_batch(CACHE)?;
        connection.execute_batch(match sync {
            Sync::Disk => "PRAGMA synchronous = FULL;",
            Sync::System => "PRAGMA synchronous = OFF;",
        })?;
        let found = check_format(&connection)?;
        let steps: &[&str] = match found {
            0 => &[SCHEMA, SINCE_2],
            1 if !has_table(&connection, "removed")? => &[TO_2, SINCE_2],
            // The number alone is wrong: somebody wrote into the file.
            1 => &[""],
            _ => &[],
        };
        if !steps.is_empty() {
            connection.execute_batch(&format!(
                "BEGIN IMMEDIATE; {} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;",
                steps.concat()
            ))?;
        }
        Ok(Self { connection, format: FORMAT })
    }

    /// Runs `work` in one transaction: all of it, or nothing.
    pub(crate) fn transaction<T, E: From<Fault>>(
        &mut self,
        work: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.run("BEGIN IMMEDIATE")?;
        let done = work(self).and_then(|done| {
            self.run("COMMIT")?;
            Ok(done)
        });
        if done.is_err() && !self.connection.is_autocommit() {
            // After some errors SQLite has rolled back by itself.
            let _ = self.run("ROLLBACK");
        }
        done
    }

    fn run(&self, statement: &str) -> Result<(), Fault> {
        self.connection.prepare_cached(statement)?.execute([])?;
        Ok(())
    }

    /// Runs `work` on the file as it is now, whatever is written meanwhile.
    pub(crate) fn snapshot<T>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.connection.execute_batch("BEGIN")?;
        let done = work(self);
        // Nothing was written that could fail to be committed.
        let _ = self.connection.execute_batch("COMMIT");
        done
    }

    /// The number of the target `name`, a new one if need be.
    pub(crate) fn target(&self, name: &str) -> Result<TargetId, Fault> {
        self.connection
            .prepare_cached("INSERT INTO target (name) VALUES (?1) ON CONFLICT DO NOTHING")?
            .execute([name])?;
        let id = self
            .connection
            .prepare_cached("SELECT id FROM target WHERE name = ?1")?
            .query_row([name], |row| row.get(0))?;
        Ok(TargetId(id))
    }

    /// All targets with their running totals, in the order in which they were named.
    pub(crate) fn targets(&self) -> Result<Vec<(TargetId, String, Totals)>, Fault> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id, name, records, items, bytes FROM target ORDER BY id")?;
        let rows = statement.query_map([], |row| {
            let totals = Totals { records: row.get(2)?, items: row.get(3)?, bytes: row.get(4)? };
            Ok((TargetId(row.get(0)?), row.get(1)?, totals))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The largest number that a record ever had.
    pub(crate) fn last_id(&self) -> Result<RecordId, Fault> {
        let id = self.connection.query_row(
            "SELECT max((SELECT coalesce(max(last_id), 0) FROM target), (SELECT coalesce(max(id), 0) FROM record))",
            [],
            |row| row.get(0),
        )?;
        Ok(RecordId(id))
    }

    /// When the record that was received last of all was received, in milliseconds.
    pub(crate) fn newest(&self) -> Result<i64, Fault> {
        Ok(self
            .connection
            .query_row("SELECT coalesce(max(newest), 0) FROM target", [], |row| row.get(0))?)
    }

    pub(crate) fn set_totals(
        &self,
        target: TargetId,
        totals: Totals,
        last: RecordId,
        newest: i64,
    ) -> Result<(), Fault> {
        self.connection
            .prepare_cached(
                "UPDATE target SET records = ?2, items = ?3, bytes = ?4, last_id = max(last_id, ?5), \
                 newest = max(newest, ?6) WHERE id = ?1",
            )?
            .execute((target.0, totals.records, totals.items, totals.bytes, last.0, newest))?;
        Ok(())
    }

    /// What the totals should be, by looking at every record.
    pub(crate) fn count(&self, target: TargetId) -> Result<Totals, Fault> {
        let mut statement = self.connection.prepare_cached(
            "SELECT count(*), coalesce(sum(item_count), 0), coalesce(sum(size), 0) FROM record WHERE target = ?1",
        )?;
        Ok(statement.query_row([target.0], |row| {
            Ok(Totals { records: row.get(0)?, items: row.get(1)?, bytes: row.get(2)? })
        })?)
    }

    /// Stores a record; `early` if it is older than ones before it.
    pub(crate) fn insert(
        &self,
        id: RecordId,
        record: &NewRecord,
        schedule: &Schedule,
        early: bool,
    ) -> Result<(), Fault> {
        let NewRecord { meta, body } = record;
        // By place: to find seventeen parameters by name takes 0.4 µs of the ten that a record costs in busy times.
        self.connection
            .prepare_cached(
                "INSERT INTO record (id, target, due, attempts, refused_since, received, early, project, key, \
                 event_id, item_count, items, encoding, headers, size, checksum, body) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                id.0,
                meta.target.0,
                schedule.due.map_or(0, to_millis),
                schedule.attempts,
                schedule.refused_since.map(to_millis),
                to_millis(meta.received),
                early,
                // As it is in the 63 bits that anybody uses; the rest survives as a negative number.
                meta.project.cast_signed(),
                meta.key,
                meta.event_id,
                meta.item_count,
                meta.items,
                meta.encoding,
                meta.headers,
                record.size(),
                crc32fast::hash(body),
                &body[..],
            ])?;
        Ok(())
    }

    /// Removes a record; gives back where it went and what it counted, if it was there.
    pub(crate) fn remove(&self, id: RecordId) -> Result<Option<(TargetId, Totals)>, Fault> {
        // Two statements are cheaper than one that returns what it deletes, by a third of the time of both.
        let row = self
            .connection
            .prepare_cached("SELECT target, item_count, size FROM record WHERE id = ?1")?
            .query_row([id.0], |row| {
                let totals = Totals { records: 1, items: row.get(1)?, bytes: row.get(2)? };
                Ok((TargetId(row.get(0)?), totals))
            })
            .optional()?;
        if row.is_some() {
            self.connection.prepare_cached("DELETE FROM record WHERE id = ?1")?.execute([id.0])?;
        }
        Ok(row)
    }

    pub(crate) fn reschedule(&self, id: RecordId, schedule: &Schedule) -> Result<(), Fault> {
        self.connection
            .prepare_cached(
                "UPDATE record SET due = ?2, attempts = ?3, refused_since = ?4 WHERE id = ?1",
            )?
            .execute((
                id.0,
                schedule.due.map_or(0, to_millis),
                schedule.attempts,
                schedule.refused_since.map(to_millis),
            ))?;
        Ok(())
    }

    /// The records of `target` that wait for no time, behind `after`, oldest first.
    pub(crate) fn ready(
        &self,
        target: TargetId,
        after: RecordId,
        limit: usize,
    ) -> Result<Vec<Stored>, Fault> {
        let mut statement = self.connection.prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM record WHERE target = ?1 AND due = 0 AND id > ?2 ORDER BY id LIMIT ?3"
        ))?;
        let rows = statement.query_map((target.0, after.0, limit as i64), stored)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The records of `target` whose time has come by `now`, the earliest first; from now on they wait for none.
    pub(crate) fn ripen(
        &self,
        target: TargetId,
        now: SystemTime,
        limit: usize,
    ) -> Result<Vec<Stored>, Fault> {
        let mut statement = self.connection.prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM record WHERE target = ?1 AND due BETWEEN 1 AND ?2 ORDER BY due, id LIMIT ?3"
        ))?;
        let rows = statement.query_map((target.0, to_millis(now), limit as i64), stored)?;
        let mut ripe: Vec<Stored> = rows.collect::<Result<_, _>>()?;
        for record in &mut ripe {
            record.schedule.due = None;
            self.reschedule(record.id, &record.schedule)?;
        }
        Ok(ripe)
    }

    /// When the next record of `target` that waits for a time may go.
    pub(crate) fn next_due(&self, target: TargetId) -> Result<Option<SystemTime>, Fault> {
        let due: Option<i64> = self
            .connection
            .prepare_cached("SELECT min(due) FROM record WHERE target = ?1 AND due > 0")?
            .query_row([target.0], |row| row.get(0))?;
        Ok(due.map(from_millis))
    }

    /// The record `id`, without its bytes.
    pub(crate) fn find(&self, id: RecordId) -> Result<Option<Stored>, Fault> {
        let mut statement = self.connection.prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM record WHERE id = ?1"
        ))?;
        Ok(statement.query_row([id.0], stored).optional()?)
    }

    /// The oldest record of the event `event_id`. Looks at all records: only people ask.
    pub(crate) fn find_event(&self, event_id: &str) -> Result<Option<Stored>, Fault> {
        let mut statement = self.connection.prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM record WHERE event_id = ?1 ORDER BY id LIMIT 1"
        ))?;
        Ok(statement.query_row([event_id], stored).optional()?)
    }

    /// Records behind `after` whatever they wait for, oldest first.
    pub(crate) fn list(&self, after: RecordId, limit: usize) -> Result<Vec<Stored>, Fault> {
        // To find what is larger than a number SQLite begins at the page which that is on, and that may be damaged.
        let mut statement = self.connection.prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM record WHERE id >= ?1 + 1 ORDER BY id LIMIT ?2"
        ))?;
        let rows = statement.query_map((after.0, limit as i64), stored)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Records behind `after` that `filter` lets through, oldest first.
    pub(crate) fn select(
        &self,
        filter: &Filter,
        after: RecordId,
        limit: usize,
    ) -> Result<Vec<Stored>, Fault> {
        let mut statement = self.connection.prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM record WHERE ",
            passes!(),
            " ORDER BY id LIMIT ?7"
        ))?;
        let passes = filter.parameters(after);
        let rows = statement.query_map(
            (passes.0, passes.1, passes.2, passes.3, passes.4, passes.5, limit as i64),
            stored,
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How much `filter` lets through.
    pub(crate) fn matching(&self, filter: &Filter) -> Result<Totals, Fault> {
        let mut statement = self.connection.prepare_cached(concat!(
            "SELECT count(*), coalesce(sum(item_count), 0), coalesce(sum(size), 0) FROM record WHERE ",
            passes!()
        ))?;
        Ok(statement.query_row(filter.parameters(RecordId::default()), |row| {
            Ok(Totals { records: row.get(0)?, items: row.get(1)?, bytes: row.get(2)? })
        })?)
    }

    /// The bytes of a record, if it is there; they are those that were stored.
    pub(crate) fn body(&self, id: RecordId) -> Result<Option<Bytes>, SpoolError> {
        let row: Option<(Vec<u8>, u32)> = self
            .connection
            .prepare_cached("SELECT body, checksum FROM record WHERE id = ?1")
            .and_then(|mut statement| {
                statement.query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()
            })
            .map_err(Fault::from)?;
        match row {
            Some((body, checksum)) if crc32fast::hash(&body) != checksum => {
                Err(SpoolError::DamagedRecord(id))
            }
            row => Ok(row.map(|(body, _)| body.into())),
        }
    }

    /// When the oldest record was received, and which it is.
    ///
    /// Numbers and ages go together, but for records that are marked as early. The record with the lowest number is
    /// older than all that are not; if it is early itself, the oldest of those is older still.
    pub(crate) fn oldest(&self) -> Result<Option<(Dropped, SystemTime)>, Fault> {
        let oldest = |rest: &str| -> Result<Option<(Dropped, i64)>, Fault> {
            let statement = format!("SELECT {DROPPED}, received FROM record {rest} LIMIT 1");
            let mut statement = self.connection.prepare_cached(&statement)?;
            Ok(statement.query_row([], |row| Ok((dropped(row)?, row.get(6)?))).optional()?)
        };
        let first = oldest("ORDER BY id")?;
        let early = oldest("WHERE early = 1 ORDER BY received, id")?;
        let oldest = first.into_iter().chain(early).min_by_key(|(_, received)| *received);
        Ok(oldest.map(|(record, received)| (record, from_millis(received))))
    }

    /// When the oldest record of `target` was received.
    pub(crate) fn oldest_of(&self, target: TargetId) -> Result<Option<SystemTime>, Fault> {
        // The innermost query reads an index alone.
        let received: Option<i64> = self
            .connection
            .prepare_cached(
                "SELECT min(received) FROM (\
                    SELECT received FROM record WHERE id = (SELECT min(id) FROM record WHERE target = ?1) \
                    UNION ALL \
                    SELECT min(received) FROM record WHERE early = 1 AND target = ?1)",
            )?
            .query_row([target.0], |row| row.get(0))?;
        Ok(received.map(from_millis))
    }

    /// Adds the record `id` to the account of what was removed by hand.
    pub(crate) fn account_for(&self, id: RecordId, removal: Removal) -> Result<(), Fault> {
        self.connection
            .prepare_cached(
                "INSERT INTO removed (target, project, key, items, reason, records, item_count) \
                 SELECT target, project, key, items, ?2, 1, item_count FROM record WHERE id = ?1 \
                 ON CONFLICT DO UPDATE SET records = records + 1, item_count = item_count + excluded.item_count",
            )?
            .execute((id.0, removal.as_str()))?;
        Ok(())
    }

    /// The account of what was removed by hand.
    pub(crate) fn removed(&self) -> Result<Vec<Removed>, Fault> {
        let mut statement = self.connection.prepare_cached(
            "SELECT target, project, key, items, reason, records, item_count FROM removed ORDER BY target, project, key",
        )?;
        let rows = statement.query_map([], |row| {
            let reason: String = row.get(4)?;
            let removed = Removed {
                target: TargetId(row.get(0)?),
                project: row.get::<_, i64>(1)?.cast_unsigned(),
                key: row.get(2)?,
                items: row.get(3)?,
                // Another word can only come from a damaged file.
                removal: Removal::from_str(&reason).unwrap_or(Removal::Purged),
                records: row.get(5)?,
                item_count: row.get(6)?,
            };
            Ok(removed)
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Closes the account of what was removed by hand.
    pub(crate) fn clear_removed(&self) -> Result<(), Fault> {
        self.connection.prepare_cached("DELETE FROM removed")?.execute([])?;
        Ok(())
    }

    /// Carries an entry over from another file.
    pub(crate) fn insert_removed(&self, entry: &Removed) -> Result<(), Fault> {
        self.connection
            .prepare_cached(
                "INSERT INTO removed (target, project, key, items, reason, records, item_count) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET \
                 records = records + excluded.records, item_count = item_count + excluded.item_count",
            )?
            .execute((
                entry.target.0,
                entry.project.cast_signed(),
                &entry.key,
                &entry.items,
                entry.removal.as_str(),
                entry.records,
                entry.item_count,
            ))?;
        Ok(())
    }

    /// The record of `target` to give up first: the oldest that waits for no time, else the one that is due first.
    pub(crate) fn first_of(&self, target: TargetId) -> Result<Option<Dropped>, Fault> {
        let statement =
            format!("SELECT {DROPPED} FROM record WHERE target = ?1 ORDER BY due, id LIMIT 1");
        let mut statement = self.connection.prepare_cached(&statement)?;
        Ok(statement.query_row([target.0], dropped).optional()?)
    }

    /// Tries whether the disk takes a record of `bytes`, and leaves everything as it was.
    pub(crate) fn try_out(&self, bytes: u64) -> Result<(), Fault> {
        // What does not fit into the cache is written into the log at once; what is not committed, nobody reads there.
        self.connection.execute_batch("PRAGMA cache_size = 1;")?;
        let tried = self.connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; CREATE TABLE trial (body BLOB); INSERT INTO trial VALUES (zeroblob({bytes}));"
        ));
        if !self.connection.is_autocommit() {
            // After some errors SQLite has rolled back by itself.
            let _ = self.run("ROLLBACK");
        }
        self.connection.execute_batch(CACHE)?;
        tried?;
        // A commit, with its sync.
        Ok(self.connection.pragma_update(None, "user_version", FORMAT)?)
    }

    /// Gives back up to `pages` free pages to the file system; how many are still free.
    pub(crate) fn give_back(&self, pages: u32) -> Result<u64, Fault> {
        // A pragma that returns a row per page, and does the work while they are read.
        let mut statement =
            self.connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        self.free_pages()
    }

    /// Pages of the file that hold nothing.
    pub(crate) fn free_pages(&self) -> Result<u64, Fault> {
        Ok(self.connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))?)
    }

    /// Moves everything from the log into the database file and empties the log.
    pub(crate) fn checkpoint(&self) -> Result<(), Fault> {
        // Busy readers leave something in the log, which is no fault.
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// What SQLite finds wrong with the file, at most `limit` sentences.
    pub(crate) fn integrity(&self, limit: u32) -> Result<Vec<String>, Fault> {
        let mut statement = self.connection.prepare(&format!("PRAGMA integrity_check({limit})"))?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        let mut findings: Vec<String> = rows.collect::<Result<_, _>>()?;
        findings.retain(|finding| finding != "ok");
        Ok(findings)
    }
}

/// The name under which SQLite takes the file at `path` for one that nobody changes.
fn unchanging(path: &Path) -> Option<String> {
    // What has a meaning in a URI.
    let path = path.to_str()?.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    Some(format!("file:{path}?immutable=1"))
}

/// Calls damage what SQLite gives another name.
fn name_damage(unusable: Unusable, path: &Path) -> Unusable {
    match unusable {
        Unusable::Fault(fault)
            if matches!(fault.kind(), FaultKind::ReadOnly | FaultKind::Other)
                && has_unknown_header(path) =>
        {
            not_a_spool()
        }
        unusable => unusable,
    }
}

/// Whether the header has what SQLite does not call damage but something else: read-only, for two of its bytes, as
/// where the system forbids to write, or a mistake in the question.
fn has_unknown_header(path: &Path) -> bool {
    let mut header = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(100).read_to_end(&mut header));
    let versions = header.get(18..20).unwrap_or_default();
    let schema_format = header.get(44..48).unwrap_or_default();
    read.is_ok()
        && (versions.iter().any(|version| *version > 2)
            || !matches!(schema_format, [] | [0, 0, 0, 0..=4]))
}

fn not_a_spool() -> Unusable {
    let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB);
    rusqlite::Error::SqliteFailure(error, Some("not a spool".to_owned())).into()
}

/// Writes what the log holds once more, byte for byte in its place, and syncs it.
///
/// A sync that fails leaves the system with pages that it takes for written, whether or not they are, and the next
/// sync says nothing of them. SQLite would go on behind them, and a power cut take all that follows.
fn renew_log(folder: &Path) -> Result<(), Fault> {
    let path = log_of(folder);
    let mut log = match std::fs::OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        log => log?,
    };
    let mut piece = vec![0; 1 << 16];
    let mut offset = 0;
    loop {
        let length = log.read(&mut piece).map_err(Fault::unreadable)?;
        if length == 0 {
            break;
        }
        log.seek(SeekFrom::Start(offset))?;
        log.write_all(piece.get(..length).unwrap_or_default())?;
        offset += length as u64;
    }
    if offset > 0 {
        log.sync_all()?;
    }
    Ok(())
}

/// What SQLite has not brought into the file in `folder` yet.
pub(crate) fn log_of(folder: &Path) -> PathBuf {
    folder.join(format!("{DATABASE_FILE}-wal"))
}

/// The format of the file; 0 for one that is still empty.
fn check_format(connection: &Connection) -> Result<i64, Unusable> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match found {
        0 if tables == 0 => Ok(0),
        1..=FORMAT => Ok(found),
        found if found > FORMAT => Err(Unusable::Newer(found)),
        // Somebody else's database under our name.
        _ => Err(not_a_spool()),
    }
}

fn has_table(connection: &Connection, name: &str) -> Result<bool, Unusable> {
    let sql = "SELECT count(*) > 0 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    Ok(connection.query_row(sql, [name], |row| row.get(0))?)
}

/// The columns that [`dropped`] reads.
const DROPPED: &str = "id, target, project, key, items, item_count";

fn dropped(row: &Row<'_>) -> rusqlite::Result<Dropped> {
    Ok(Dropped {
        id: RecordId(row.get(0)?),
        target: TargetId(row.get(1)?),
        project: row.get::<_, i64>(2)?.cast_unsigned(),
        key: row.get(3)?,
        items: row.get(4)?,
        item_count: row.get(5)?,
    })
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let due: i64 = row.get(2)?;
    let refused_since: Option<i64> = row.get(4)?;
    Ok(Stored {
        id: RecordId(row.get(0)?),
        meta: Meta {
            target: TargetId(row.get(1)?),
            received: from_millis(row.get(5)?),
            project: row.get::<_, i64>(6)?.cast_unsigned(),
            key: row.get(7)?,
            event_id: row.get(8)?,
            item_count: row.get(9)?,
            items: row.get(10)?,
            encoding: row.get(11)?,
            headers: row.get(12)?,
        },
        schedule: Schedule {
            attempts: row.get(3)?,
            due: (due > 0).then(|| from_millis(due)),
            refused_since: refused_since.map(from_millis),
        },
        size: row.get(13)?,
        body_size: row.get(14)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_nobody_changes_is_found_whatever_its_folder_is_called() {
        let parent = tempfile::tempdir().expect("a folder");
        for name in ["plain", "50%", "a%20b", "why?", "?mode=rw#", "ümläut"] {
            let folder = parent.path().join(name);
            std::fs::create_dir(&folder).expect("room");
            drop(Database::open(&folder, Sync::System).expect("a new one"));
            let uri = unchanging(&folder.join(DATABASE_FILE)).expect("a name in UTF-8");
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            let connection = Connection::open_with_flags(uri, flags).expect("it is there");
            let looked = Database::look(connection, false).expect("it can be read");
            assert_eq!(looked.expect("it has a format").format, FORMAT, "{name}");
        }
    }
}
