//! Records that are carried from one spool to another.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use relay_spool::{
    ArchiveError, ArchiveReader, ArchiveWriter, ArchivedRecord, Exported, Filter, ImportError,
    Imported, RecordId, Schedule, Settings, Spool, View, WhenFull, blocking,
};

use crate::support::{append, bodies, noon, record};

fn time() -> impl Strategy<Value = SystemTime> {
    (0..4_000_000_000_000_u64).prop_map(|millis| UNIX_EPOCH + Duration::from_millis(millis))
}

fn schedule() -> impl Strategy<Value = Schedule> {
    // A due time of 0 is none in the file.
    let due = proptest::option::of(time().prop_filter("not 0", |due| *due > UNIX_EPOCH));
    (any::<u32>(), due, proptest::option::of(time()))
        .prop_map(|(attempts, due, refused_since)| Schedule { attempts, due, refused_since })
}

fn archived() -> impl Strategy<Value = ArchivedRecord> {
    let place = ("[a-c]|\\PC{0,10}", any::<u64>(), ".{0,40}");
    let event = (time(), proptest::option::of("[0-9a-f]{32}"), any::<u32>(), ".{0,20}");
    let sending = ("gzip|identity|.{0,8}", "(?s).{0,60}", schedule());
    let body = proptest::collection::vec(any::<u8>(), 0..300);
    (place, event, sending, body).prop_map(|(place, event, sending, body)| {
        let (target, project, key) = place;
        let (received, event_id, item_count, items) = event;
        let (encoding, headers, schedule) = sending;
        ArchivedRecord {
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
            body: body.into(),
        }
    })
}

fn written(records: &[ArchivedRecord]) -> Vec<u8> {
    let mut archive = ArchiveWriter::new(Vec::new()).expect("memory");
    records.iter().for_each(|record| archive.write(record).expect("memory"));
    archive.finish().expect("memory")
}

fn read(bytes: &[u8]) -> Result<Vec<ArchivedRecord>, ArchiveError> {
    let mut archive = ArchiveReader::new(bytes)?;
    let mut records = Vec::new();
    while let Some(record) = archive.read()? {
        records.push(record);
    }
    assert_eq!(archive.offset(), bytes.len() as u64);
    assert_eq!(archive.read().expect("nothing more"), None);
    Ok(records)
}

fn message(bytes: &[u8]) -> String {
    read(bytes).expect_err("it is no archive").to_string()
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(records in proptest::collection::vec(archived(), 0..8)) {
        prop_assert_eq!(read(&written(&records)).expect("it is whole"), records);
    }

    #[test]
    fn no_archive_is_taken_for_whole_of_which_a_byte_was_changed_or_the_end_is_missing(
        records in proptest::collection::vec(archived(), 0..4), place: prop::sample::Index, change in 1..=u8::MAX
    ) {
        let mut bytes = written(&records);
        let place = place.index(bytes.len());
        prop_assert!(read(&bytes[..place]).is_err());
        bytes[place] ^= change;
        prop_assert!(read(&bytes).is_err());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        head in "|\\{\"format\":\"relay-spool\",\"version\":1\\}\n",
        entry in "|\\{\"record\":\\{\"target\":\"a\",\"project\":1.{0,80}\\}\\}\n|\\{\"end\":.{0,40}\\}\n",
        rest in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let _ = read(&[head.as_bytes(), entry.as_bytes(), &rest].concat());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_exported_and_imported_is_the_same_but_begins_anew(
        records in proptest::collection::vec(archived(), 1..20)
    ) {
        let [old, new] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        let archive = written(&records);
        import(old.path(), &archive, None).expect("there is room");
        let spool = Spool::open(old.path(), Settings::default()).expect("it opens");
        for (id, record) in (1..).map(RecordId::new).zip(&records) {
            spool.reschedule(id, record.schedule);
        }
        spool.close();

        // All of it was stored, the schedule apart, and is exported.
        let (exported, archive) = export(old.path(), &Filter::default());
        prop_assert_eq!(read(&archive).expect("it is whole"), &records[..]);
        let items = records.iter().map(|record| u64::from(record.item_count)).sum::<u64>();
        prop_assert_eq!((exported.totals.records, exported.totals.items), (records.len() as u64, items));

        let imported = import(new.path(), &archive, None).expect("there is room");
        prop_assert_eq!(imported.totals, exported.totals);
        let (_, again) = export(new.path(), &Filter::default());
        let fresh = |record: &ArchivedRecord| {
            ArchivedRecord { schedule: Schedule::default(), ..record.clone() }
        };
        let expected: Vec<_> = records.iter().map(fresh).collect();
        prop_assert_eq!(read(&again).expect("it is whole"), expected);
        let view = View::open(new.path()).expect("readable");
        let findings = view.verify(|_| ()).expect("readable");
        prop_assert_eq!(findings.is_sound(), true, "{:?}", findings);
    }
}

fn export(folder: &std::path::Path, filter: &Filter) -> (Exported, Vec<u8>) {
    let view = View::open(folder).expect("readable");
    let mut archive = ArchiveWriter::new(Vec::new()).expect("memory");
    let exported = view.export(filter, &mut archive, |_| {}).expect("readable");
    (exported, archive.finish().expect("memory"))
}

fn import(
    folder: &std::path::Path,
    archive: &[u8],
    target: Option<&str>,
) -> Result<Imported, ImportError> {
    let spool = Spool::open(folder, Settings::default()).expect("it opens");
    let archive = ArchiveReader::new(std::io::Cursor::new(archive.to_vec()))?;
    spool.import(archive, target.map(str::to_owned), |_| {})
}

fn one(target: &str, body: &'static [u8]) -> ArchivedRecord {
    ArchivedRecord {
        target: target.to_owned(),
        project: 42,
        key: "a94ae32be2582e0bcb7b0ba0d8ba36f3".to_owned(),
        received: noon(),
        event_id: None,
        item_count: 1,
        items: "error".to_owned(),
        encoding: "identity".to_owned(),
        headers: String::new(),
        schedule: Schedule::default(),
        body: body.into(),
    }
}

/// So that nobody changes the format without noticing: archives of this version are on disks out there.
#[test]
fn version_1_looks_like_this() {
    let mut record = one("upstream", b"{}\n{\"type\":\"event\"}\n{}");
    record.event_id = Some("00112233445566778899aabbccddeeff".to_owned());
    record.schedule = Schedule {
        attempts: 2,
        due: Some(noon() + Duration::from_millis(1)),
        refused_since: Some(noon()),
    };
    let expected = concat!(
        r#"{"format":"relay-spool","version":1}"#,
        "\n",
        r#"{"record":{"target":"upstream","project":42,"key":"a94ae32be2582e0bcb7b0ba0d8ba36f3","#,
        r#""received":1800000000000,"event_id":"00112233445566778899aabbccddeeff","item_count":1,"items":"error","#,
        r#""encoding":"identity","headers":"","attempts":2,"due":1800000000001,"refused_since":1800000000000,"#,
        r#""length":22,"checksum":3693316654}}"#,
        "\n{}\n{\"type\":\"event\"}\n{}\n",
        r#"{"end":{"records":1,"checksum":2731831843}}"#,
        "\n",
    );
    assert_eq!(String::from_utf8_lossy(&written(&[record])), expected);
}

#[test]
fn what_is_no_archive_is_refused_with_the_place_and_without_its_bytes() {
    let archive = String::from_utf8(written(&[one("a", b"secret")])).expect("UTF-8");
    let (first, rest) = archive.split_once('\n').expect("lines");
    assert_eq!(first.len() + 1, 37);

    let none = "this is not a spool archive: the first line does not say so";
    for garbage in ["", "\n", "secret\n", "{}\n", "SQLite format 3\0", &"x".repeat(2 << 20)] {
        assert_eq!(message(garbage.as_bytes()), none);
    }
    assert_eq!(message(first.as_bytes()), none);
    let newer = archive.replace("\"version\":1", "\"version\":7,\"more\":true");
    assert_eq!(
        message(newer.as_bytes()),
        "the archive has version 7, this software reads up to 1: import it with the version that wrote it"
    );

    let after_first = |rest: &str| message(format!("{first}\n{rest}").as_bytes());
    assert_eq!(after_first(""), "the archive is cut off at byte 37, after 0 whole records");
    assert_eq!(
        after_first("{\"record\":\"secret\"}\n"),
        "record 0 at byte 37: its line is not understood, from column 18"
    );
    assert_eq!(
        after_first(&"x".repeat(2 << 20)),
        "record 0 at byte 37: its line is longer than 1048576 bytes"
    );
    let longer = rest.replace("\"length\":6", "\"length\":7");
    assert_eq!(after_first(&longer), "record 0 at byte 37: its body is longer than announced");
    let shorter = rest.replace("\"length\":6", "\"length\":5");
    assert_eq!(after_first(&shorter), "record 0 at byte 37: its body is longer than announced");
    let huge = rest.replace("\"length\":6", "\"length\":18446744073709551615");
    assert_eq!(
        after_first(&huge),
        "record 0 at byte 37: 18446744073709551615 bytes are announced, 1000000000 are possible"
    );
    let large = rest.replace("\"length\":6", "\"length\":999999999");
    assert!(after_first(&large).starts_with("the archive is cut off at byte "));
    let changed = rest.replace("secret\n", "secreT\n");
    assert_eq!(after_first(&changed), "record 0 at byte 37: its body is damaged");
    let renamed = rest.replace("\"target\":\"a\"", "\"target\":\"b\"");
    assert!(after_first(&renamed).starts_with("the archive is damaged: its last line, at byte "));
    let more = format!("{rest}x");
    assert!(after_first(&more).starts_with("the archive is damaged: something follows its last"));
}

#[test]
fn a_line_that_no_reader_would_take_is_not_written() {
    let mut archive = ArchiveWriter::new(Vec::new()).expect("memory");
    let record = ArchivedRecord { headers: "x".repeat(1 << 20), ..one("a", b"") };
    assert!(matches!(archive.write(&record), Err(ArchiveError::LineTooLong { .. })));
}

#[test]
fn an_import_goes_behind_what_waits_and_can_give_all_of_it_to_one_target() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let here = spool.target("here").expect("a target");
    append(&spool, record(here, "first"));
    spool.close();
    let archive = written(&[one("there", b"second"), one("elsewhere", b"third")]);
    let imported = import(folder.path(), &archive, Some("here")).expect("there is room");
    assert_eq!(imported.targets, ["here"]);
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    assert_eq!(bodies(&spool), ["first", "second", "third"]);
    assert_eq!(spool.targets().expect("readable").len(), 1);
    assert_eq!(spool.status().total().records, 3);
}

#[test]
fn an_import_that_fails_on_the_way_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let records: Vec<_> = (0..1000).map(|_| one("new", b"a body")).collect();
    let mut archive = written(&records);
    let middle = archive.len() - 100;
    archive[middle] ^= 1;
    let archive =
        ArchiveReader::new(std::io::Cursor::new(archive)).expect("the first line is fine");
    spool.import(archive, None, |_| {}).expect_err("it is damaged");
    assert_eq!(spool.targets().expect("readable"), []);
    assert_eq!(spool.status().total().records, 0);
    assert!(bodies(&spool).is_empty());

    // It goes on as if nothing had been.
    let target = spool.target("upstream").expect("a target");
    append(&spool, record(target, "one"));
    assert_eq!(bodies(&spool), ["one"]);
    let findings = View::open(folder.path()).expect("readable").verify(|_| {}).expect("readable");
    assert!(findings.is_sound(), "{findings:?}");
}

#[test]
fn an_import_that_does_not_fit_stores_nothing_and_drops_nothing() {
    let settings =
        Settings { max_bytes: 2_000, when_full: WhenFull::DropOldest, ..Settings::default() };
    let spool = Spool::in_memory(settings).expect("memory");
    let target = spool.target("upstream").expect("a target");
    append(&spool, record(target, "one"));
    let used = spool.status().total().bytes;
    let body: &[u8] = &[b'x'; 700];
    let archive = written(&[one("upstream", body), one("upstream", body), one("upstream", body)]);
    let archive = ArchiveReader::new(std::io::Cursor::new(archive)).expect("an archive");
    let error = spool.import(archive, None, |_| {}).expect_err("there is no room");
    // As if it were stored by an append: without headers, that is.
    let mut appended = record(target, "");
    (appended.meta.headers, appended.body) = (String::new(), body.into());
    let size = appended.size();
    assert_eq!(
        error.to_string(),
        format!(
            "record 2 does not fit: it has {size} bytes, and its target \"upstream\" has room for {} of its 2000",
            2000 - used - 2 * size
        )
    );
    assert_eq!(bodies(&spool), ["one"]);
    assert_eq!(spool.status().total().bytes, used);
}

#[test]
fn an_archive_of_a_thousand_targets_or_of_a_name_without_end_is_not_that_of_a_relay() {
    let records: Vec<_> = (0..1025).map(|n| one(&n.to_string(), b"")).collect();
    let archive = ArchiveReader::new(std::io::Cursor::new(written(&records))).expect("an archive");
    let spool = Spool::in_memory(Settings::default()).expect("memory");
    let error = spool.import(archive, None, |_| {}).expect_err("too many");
    assert_eq!(error.to_string(), "record 1024 names another target after 1024");
    let long = written(&[one(&"x".repeat(1025), b"")]);
    let archive = ArchiveReader::new(std::io::Cursor::new(long)).expect("an archive");
    let error = spool.import(archive, None, |_| {}).expect_err("too long");
    assert_eq!(error.to_string(), "record 0 names a target with more than 1024 bytes");
    assert_eq!(spool.targets().expect("readable"), []);
}

#[test]
fn a_record_with_damaged_bytes_is_left_out_of_an_export_and_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    let damaged = append(&spool, record(target, "the place of the damage"));
    append(&spool, record(target, "whole"));
    spool.close();
    let path = folder.path().join("spool.db");
    let mut file = std::fs::read(&path).expect("the file");
    let place = file.windows(23).position(|bytes| bytes == b"the place of the damage");
    file[place.expect("the body")] = b'T';
    std::fs::write(&path, file).expect("room for it");

    let (exported, archive) = export(folder.path(), &Filter::default());
    assert_eq!(exported.damaged, [damaged]);
    assert_eq!(exported.totals.records, 1);
    assert_eq!(read(&archive).expect("it is whole")[0].body, "whole");
}

#[test]
fn an_export_of_a_running_spool_has_what_fits_the_filter() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let targets = ["a", "b"].map(|name| spool.target(name).expect("a target"));
    for n in 0..600 {
        let target = targets[n % 2];
        blocking(|reply| spool.append(vec![record(target, &n.to_string())], reply)).expect("well");
    }
    let filter = Filter { target: Some(targets[1]), ..Filter::default() };
    let (exported, archive) = export(folder.path(), &filter);
    assert_eq!((exported.totals.records, exported.last), (300, RecordId::new(600)));
    let records = read(&archive).expect("it is whole");
    assert!(records.iter().all(|record| record.target == "b"));
    let bodies: Vec<_> = records.iter().map(|record| record.body.clone()).collect();
    let odd: Vec<_> = (0..600).filter(|n| n % 2 == 1).map(|n| n.to_string()).collect();
    assert_eq!(bodies, odd);
}
