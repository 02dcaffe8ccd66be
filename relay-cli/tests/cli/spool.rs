use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use relay_compression::{ContentEncoding, Encoder, Level};
use relay_spool::{Meta, NewRecord, RecordId, Schedule, Settings, Spool, blocking};
use serde_json::{Value, json};

use crate::support::{Folder, Outcome, Relay, Server, answer};

const KEY: &str = "a94ae32be2582e0bcb7b0ba0d8ba36f3";
const EVENT: &str = "00112233445566778899aabbccddeeff";
const ENVELOPE: &[u8] =
    b"{}\n{\"type\":\"event\"}\n{\"message\":\"private\"}\n\
      {\"type\":\"attachment\",\"length\":3,\"filename\":\"a\\u001b.txt\",\"content_type\":\"text/plain\"}\nabc\n";

/// So long ago.
fn ago(seconds: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(seconds)
}

fn store(spool: &Spool, target: &str, change: impl FnOnce(&mut NewRecord)) -> RecordId {
    let meta = Meta {
        target: spool.target(target).expect("a target"),
        project: 42,
        key: KEY.to_owned(),
        received: ago(7_300),
        event_id: None,
        item_count: 1,
        items: r#"{"error":1}"#.to_owned(),
        encoding: "identity".to_owned(),
        headers: String::new(),
    };
    let mut record = NewRecord { meta, body: ENVELOPE.into() };
    change(&mut record);
    let appended = blocking(|reply| spool.append(vec![record], reply)).expect("the spool is well");
    appended.stored[0].expect("there is room")
}

fn open(folder: &Folder) -> Spool {
    Spool::open(&folder.path(".relay/spool"), Settings::default()).expect("it opens")
}

/// Three records for two targets, in the folder where `relay` looks without being told.
fn filled() -> Folder {
    let folder = Folder::new();
    let spool = open(&folder);
    store(&spool, "eu", |record| {
        record.meta.event_id = Some(EVENT.to_owned());
        record.meta.item_count = 2;
        record.meta.items =
            r#"{"attachment+attachment_item":{"items":1,"attachment":512},"error":1}"#.to_owned();
        record.meta.encoding = "gzip".to_owned();
        record.meta.headers = "x-one: 1\nx-two: \x1b[2J".to_owned();
        record.body =
            Encoder::new(ContentEncoding::Gzip, Level::default_for(ContentEncoding::Gzip))
                .encode([ENVELOPE])
                .expect("memory");
    });
    let second = store(&spool, "us", |record| {
        record.meta.project = 7;
        record.meta.key = "other".to_owned();
        record.meta.received = ago(200_000);
    });
    let refused = Schedule { attempts: 3, due: None, refused_since: Some(ago(3_700)) };
    spool.reschedule(second, refused);
    store(&spool, "eu", |record| {
        record.meta.event_id = Some(EVENT.to_owned());
        record.body = b"garbage".as_slice().into();
    });
    spool.close();
    folder
}

fn fine(outcome: Outcome) -> String {
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{outcome:?}");
    outcome.stdout
}

fn failure(folder: &Folder, arguments: &[&str]) -> String {
    let outcome = folder.outcome(arguments);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""), "{outcome:?}");
    outcome.stderr
}

fn ls(folder: &Folder, arguments: &[&str]) -> Vec<Value> {
    let arguments = [&["spool", "ls", "--json"], arguments].concat();
    let lines = fine(folder.outcome(&arguments));
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn ids(folder: &Folder, arguments: &[&str]) -> Vec<u64> {
    ls(folder, arguments).iter().map(|record| record["id"].as_u64().expect("an id")).collect()
}

fn object(folder: &Folder, arguments: &[&str]) -> Value {
    let printed = fine(folder.outcome(&[&["spool", "--json"], arguments].concat()));
    serde_json::from_str(&printed).expect("one JSON object")
}

/// Bytes of the compressed record, and of all three: how well gzip does is not ours to say.
fn sizes(folder: &Folder) -> (u64, u64) {
    let sizes: Vec<u64> =
        ls(folder, &[]).iter().map(|record| record["size"].as_u64().expect("a size")).collect();
    assert_eq!(sizes[1..], [231, 167]);
    (sizes[0], sizes.iter().sum())
}

#[test]
fn ls_shows_records_in_aligned_columns() {
    let folder = filled();
    let (size, _) = sizes(&folder);
    let expected = format!(
        "\
RECORD  AGE  TARGET  PROJECT  SIZE  TRIES  WAITING          EVENT                             ITEMS
     1   2h  eu           42  {size}B      0  ready            {EVENT}  1 attachment+attachment_item, 1 error
     2   2d  us            7  231B      3  refused for 61m  -                                 1 error
     3   2h  eu           42  167B      0  ready            {EVENT}  1 error
"
    );
    assert_eq!(fine(folder.outcome(&["spool", "ls"])), expected);
}

#[test]
fn ls_prints_an_object_per_line_for_programs() {
    let records = ls(&filled(), &[]);
    assert_eq!(records.len(), 3);
    let first = &records[0];
    for (key, value) in [
        ("id", json!(1)),
        ("target", json!("eu")),
        ("project", json!(42)),
        ("key", json!(KEY)),
        ("event_id", json!(EVENT)),
        ("item_count", json!(2)),
        (
            "items",
            json!({"attachment+attachment_item": {"items": 1, "attachment": 512}, "error": 1}),
        ),
        ("encoding", json!("gzip")),
        ("attempts", json!(0)),
        ("due", json!(null)),
        ("refused_since", json!(null)),
    ] {
        assert_eq!(first[key], value, "{key}");
    }
    let received = first["received"].as_str().expect("a time");
    assert!(received.len() == 24 && received.ends_with('Z'), "{received}");
    assert!(records[1]["refused_since"].is_string());
}

#[test]
fn ls_takes_filters_a_limit_and_a_place_to_begin_behind() {
    let folder = filled();
    assert_eq!(ids(&folder, &["--target", "eu"]), [1, 3]);
    assert_eq!(ids(&folder, &["--project", "7"]), [2]);
    assert_eq!(ids(&folder, &["--key", "other"]), [2]);
    assert_eq!(ids(&folder, &["--event", "00112233-4455-6677-8899-AABBCCDDEEFF"]), [1, 3]);
    assert_eq!(ids(&folder, &["--before", "1d"]), [2]);
    assert_eq!(ids(&folder, &["--before", "1970-01-02"]), [0; 0]);
    assert_eq!(ids(&folder, &["--limit", "2"]), [1, 2]);
    assert_eq!(ids(&folder, &["--limit", "0"]), [0; 0]);
    assert_eq!(ids(&folder, &["--after", "1", "--target", "eu"]), [3]);
    assert_eq!(
        failure(&folder, &["spool", "ls", "--target", "asia"]),
        "error: this spool has no target \"asia\"\n  caused by: its targets are eu, us\n"
    );
}

#[test]
fn a_list_of_more_than_a_piece_is_whole() {
    let folder = Folder::new();
    let spool = open(&folder);
    let target = spool.target("eu").expect("a target");
    let first = store(&spool, "eu", |_| {});
    let all = blocking(|reply| spool.list(RecordId::default(), 1, u64::MAX, reply));
    let (stored, body) = all.expect("well").pop().expect("the first");
    assert_eq!((stored.id, stored.meta.target), (first, target));
    let records = vec![NewRecord { meta: stored.meta, body }; 599];
    blocking(|reply| spool.append(records, reply)).expect("the spool is well");
    spool.close();
    assert_eq!(ids(&folder, &[]), (1..=600).collect::<Vec<_>>());
    assert_eq!(ids(&folder, &["--limit", "300"]).len(), 300);
    assert_eq!(fine(folder.outcome(&["spool", "ls"])).lines().count(), 601);
    let purged = fine(folder.outcome(&["spool", "purge", "--all", "--yes"]));
    assert_eq!(purged, "removed 600 records with 600 items\n");
    assert_eq!(fine(folder.outcome(&["spool", "ls"])), "");
}

#[test]
fn whoever_reads_no_further_is_no_failure() {
    let folder = filled();
    let mut command = folder.relay(&["spool", "ls"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    drop(child.stdout.take());
    let outcome = Outcome::from(child.wait_with_output().expect("an end"));
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
}

#[test]
fn show_tells_what_is_known_of_a_record_and_nothing_of_its_payloads() {
    let folder = filled();
    let shown = fine(folder.outcome(&["spool", "show", "1"]));
    for line in [
        "record    1\n",
        "target    eu\n",
        &format!("key       {KEY}\n"),
        "items     1 attachment+attachment_item, 1 error\n",
        "waiting   ready\n",
        "encoding  gzip\n",
        "headers   x-one: 1\n          x-two:  [2J\n",
        "\nITEM  TYPE        LENGTH  CONTENT TYPE  FILE NAME\n",
        "\n   0  event           21  -             -\n",
        "\n   1  attachment       3  text/plain    a .txt\n",
    ] {
        assert!(shown.contains(line), "{line:?} is not in {shown}");
    }
    assert!(!shown.contains("private"));

    let shown = object(&folder, &["show", "1"]);
    assert_eq!(shown["headers"], json!("x-one: 1\nx-two: \u{1b}[2J"));
    assert_eq!(
        shown["envelope"][1],
        json!({"type": "attachment", "length": 3, "content_type": "text/plain", "filename": "a\u{1b}.txt"})
    );
}

#[test]
fn show_finds_a_record_by_its_event_and_says_that_there_are_more() {
    let outcome = filled().outcome(&["spool", "show", EVENT]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.starts_with("record    1\n"), "{outcome:?}");
    assert_eq!(outcome.stderr, "note: 1 more of this event wait, see relay spool ls --event\n");
}

#[test]
fn show_writes_the_envelope_as_it_was_before_compression() {
    let printed = filled().relay(&["spool", "show", "1", "--body"]).output().expect("it runs");
    assert_eq!((printed.status.code(), &printed.stdout[..]), (Some(0), ENVELOPE));
}

#[test]
fn show_of_what_is_no_envelope_says_so() {
    let folder = filled();
    let shown = fine(folder.outcome(&["spool", "show", "3"]));
    assert!(shown.contains("\nthe body is not an envelope: "), "{shown}");
    assert!(!shown.contains("garbage"), "{shown}");
    let shown = object(&folder, &["show", "3"]);
    assert!(shown["error"].as_str().is_some_and(|error| error.contains("not an envelope")));
}

#[test]
fn show_of_nothing_says_so() {
    let folder = filled();
    assert_eq!(
        failure(&folder, &["spool", "show", "4"]),
        "error: there is no record 4 in the spool\n"
    );
    assert_eq!(
        failure(&folder, &["spool", "show", "11111111111111111111111111111111"]),
        "error: there is no record of the event 11111111111111111111111111111111 in the spool\n"
    );
    assert_eq!(folder.outcome(&["spool", "show", "x"]).code, Some(2));
}

#[test]
fn stats_count_by_target_and_say_who_holds_the_spool() {
    let folder = filled();
    folder.write(".relay/spool/spool.db.damaged-1", "0123456789");
    let printed = fine(folder.outcome(&["spool", "stats"]));
    let (head, table) = printed.split_once("\n\n").expect("a table");
    assert!(
        head.starts_with("folder     .relay/spool\nin use by  nobody\nfiles      database "),
        "{head}"
    );
    assert!(head.ends_with("\ndamaged    .relay/spool/spool.db.damaged-1, 10B"), "{head}");
    let (first, all) = sizes(&folder);
    let expected = format!(
        "\
TARGET  RECORDS  ITEMS  SIZE  OLDEST
eu            2      3  {}B      2h
us            1      1  231B      2d
all           3      4  {all}B      2d
",
        first + 167
    );
    assert_eq!(table, expected);

    let spool = open(&folder);
    let stats = object(&folder, &["stats"]);
    assert_eq!(stats["holder"], json!(format!("process {}", std::process::id())));
    assert_eq!(stats["total"]["records"], json!(3));
    assert_eq!(stats["targets"][1]["name"], json!("us"));
    assert_eq!(stats["targets"][1]["oldest"], stats["oldest"]);
    assert_eq!(stats["set_aside"][0]["size"], json!(10));
    spool.close();
}

#[test]
fn verify_is_content_with_a_sound_spool_and_fails_on_damage() {
    let folder = filled();
    assert_eq!(fine(folder.outcome(&["spool", "verify"])), ".relay/spool: sound, 3 records\n");
    assert_eq!(object(&folder, &["verify"])["sound"], json!(true));

    let path = folder.path(".relay/spool/spool.db");
    let mut file = std::fs::read(&path).expect("the file");
    let place = file.windows(7).position(|bytes| bytes == b"garbage").expect("the third body");
    file[place] = b'G';
    std::fs::write(&path, file).expect("room for it");
    assert_eq!(
        failure(&folder, &["spool", "verify"]),
        "error: the spool in .relay/spool is damaged\n  \
         caused by: record 3: its bytes are not those that were stored\n"
    );
    let outcome = folder.outcome(&["spool", "verify", "--json"]);
    assert_eq!(outcome.code, Some(1));
    let found: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!((&found["sound"], &found["damaged"]), (&json!(false), &json!([3])));

    // What is damaged is not exported, and not removed either.
    let outcome = folder.outcome(&["spool", "export", "-o", "archive", "--remove"]);
    assert_eq!(outcome.code, Some(1));
    assert_eq!(outcome.stdout, "exported 2 records with 3 items to archive and removed them\n");
    assert!(outcome.stderr.starts_with("error: 1 damaged records were left out\n"), "{outcome:?}");
    assert_eq!(ids(&folder, &[]), [3]);
}

#[test]
fn a_file_that_is_no_database_is_an_error_for_all_who_look() {
    let folder = Folder::with(".relay/spool/spool.db", &"not a database ".repeat(1000));
    for command in ["ls", "stats", "verify"] {
        assert_eq!(
            failure(&folder, &["spool", command]),
            "error: cannot open the spool in .relay/spool\n  \
             caused by: the spool file is damaged: file is not a database\n"
        );
    }
}

#[test]
fn commands_that_look_work_beside_whoever_holds_the_spool() {
    let folder = filled();
    let spool = open(&folder);
    store(&spool, "eu", |_| {});
    assert_eq!(ids(&folder, &[]), [1, 2, 3, 4]);
    object(&folder, &["show", "4"]);
    assert_eq!(object(&folder, &["verify"])["records"], json!(4));
    let exported = fine(folder.outcome(&["spool", "export", "-o", "archive"]));
    assert_eq!(exported, "exported 4 records with 5 items to archive\n");
    spool.close();
}

#[test]
fn commands_that_change_something_say_who_holds_the_spool() {
    let folder = filled();
    fine(folder.outcome(&["spool", "export", "-o", "archive"]));
    let spool = open(&folder);
    let expected = format!(
        "error: the spool folder .relay/spool is in use by process {}\n",
        std::process::id()
    );
    let commands: [&[&str]; 3] =
        [&["purge", "--all", "--yes"], &["import", "archive"], &["export", "-o", "b", "--remove"]];
    for command in commands {
        assert_eq!(failure(&folder, &[&["spool"], command].concat()), expected);
    }
    assert!(!folder.path("b").exists());
    spool.close();
    assert_eq!(ids(&folder, &[]), [1, 2, 3]);
}

#[test]
fn a_folder_without_a_spool_is_said_to_have_none_and_is_not_made() {
    let folder = Folder::new();
    let commands: [&[&str]; 7] = [
        &["ls"],
        &["show", "1"],
        &["stats"],
        &["verify"],
        &["purge", "--all", "--yes"],
        &["export", "-o", "a"],
        &["export", "-o", "a", "--remove"],
    ];
    for command in commands {
        let failure = failure(&folder, &[&["spool", "--spool", "x"], command].concat());
        assert_eq!(failure, "error: there is no spool in x\n");
    }
    assert!(!folder.path("x").exists() && !folder.path("a").exists());
}

#[test]
fn the_folder_is_the_one_asked_for_or_beside_the_config() {
    let folder = filled();
    std::fs::rename(folder.path(".relay"), folder.path("conf")).expect("a new name");
    folder.write("conf/config.yml", "relay: {mode: capture}\n");
    assert_eq!(ids(&folder, &["--spool", "conf/spool"]), [1, 2, 3]);
    assert_eq!(ids(&folder, &["--config", "conf"]), [1, 2, 3]);
    // A config that cannot be read is no hindrance to those who do not need it.
    folder.write("conf/config.yml", "relay: [");
    assert_eq!(ids(&folder, &["--config", "conf", "--spool", "conf/spool"]), [1, 2, 3]);
}

#[test]
fn what_is_exported_here_is_imported_there_and_begins_anew() {
    let folder = filled();
    let exported = fine(folder.outcome(&["spool", "export", "-o", "archive"]));
    assert_eq!(exported, "exported 3 records with 4 items to archive\n");
    let imported = fine(folder.outcome(&["spool", "--spool", "there", "import", "archive"]));
    assert_eq!(imported, "imported 3 records with 4 items into there, for \"eu\", \"us\"\n");

    let mut before = ls(&folder, &[]);
    before[1]["attempts"] = json!(0);
    before[1]["refused_since"] = json!(null);
    assert_eq!(ls(&folder, &["--spool", "there"]), before);
    let body = folder.relay(&["spool", "--spool", "there", "show", "1", "--body"]).output();
    assert_eq!(body.expect("it runs").stdout, ENVELOPE);
    assert_eq!(object(&folder, &["verify", "--spool", "there"])["sound"], json!(true));
}

#[test]
fn an_export_can_be_filtered_piped_and_given_to_another_target() {
    let folder = filled();
    let archive = folder.relay(&["spool", "export", "-o", "-", "--project", "42"]).output();
    let archive = archive.expect("it runs");
    assert_eq!((archive.status.code(), archive.stderr.len()), (Some(0), 0));
    std::fs::write(folder.path("archive"), archive.stdout).expect("a file");
    let input = std::fs::File::open(folder.path("archive")).expect("the file");
    let mut import =
        folder.relay(&["spool", "--spool", "there", "--json", "import", "-", "--target", "main"]);
    let imported = Outcome::from(import.stdin(input).output().expect("it runs"));
    let imported: Value = serde_json::from_str(&fine(imported)).expect("JSON");
    assert_eq!((&imported["records"], &imported["targets"]), (&json!(2), &json!(["main"])));
    assert_eq!(ids(&folder, &["--spool", "there", "--target", "main"]), [1, 2]);
}

#[test]
fn an_export_that_removes_leaves_what_it_did_not_take() {
    let folder = filled();
    let exported = object(&folder, &["export", "-o", "archive", "--target", "eu", "--remove"]);
    assert_eq!(exported["records"], json!(2));
    assert_eq!(exported["removed"], json!(true));
    assert_eq!(ids(&folder, &[]), [2]);
    fine(folder.outcome(&["spool", "import", "archive"]));
    assert_eq!(ids(&folder, &[]), [2, 4, 5]);
    assert_eq!(
        failure(&folder, &["spool", "export", "-o", "-", "--remove"]),
        "error: --remove needs a file\n  caused by: only of a file is it known that it is on the disk\n"
    );
}

#[test]
fn an_export_overwrites_nothing() {
    let folder = filled();
    folder.write("archive", "mine");
    let failure = failure(&folder, &["spool", "export", "-o", "archive"]);
    assert_eq!(
        failure,
        "error: could not make the file archive\n  \
         caused by: it is there already: name another, or remove it\n"
    );
    assert_eq!(std::fs::read_to_string(folder.path("archive")).expect("the file"), "mine");
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_an_export() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = filled();
    fine(folder.outcome(&["spool", "export", "-o", "archive"]));
    let mode = folder.path("archive").metadata().expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_is_not_a_whole_archive_is_refused_and_changes_nothing() {
    let folder = filled();
    fine(folder.outcome(&["spool", "export", "-o", "archive"]));
    let archive = std::fs::read(folder.path("archive")).expect("the file");
    let first_line = archive.iter().position(|&byte| byte == b'\n').expect("a line") + 1;
    let newer = [b"{\"format\":\"relay-spool\",\"version\":2}\n", &archive[first_line..]].concat();
    let mut changed = archive.clone();
    let end = changed.len() - 60;
    changed[end] ^= 1;
    let cases: [(&[u8], &str); 4] = [
        (b"private garbage\n", "this is not a spool archive: the first line does not say so"),
        (
            &newer,
            "the archive has version 2, this software reads up to 1: import it with the version that wrote it",
        ),
        (&archive[..archive.len() - 50], "the archive is cut off at byte "),
        (&changed, "record 2 at byte "),
    ];
    for (bytes, reason) in cases {
        std::fs::write(folder.path("bad"), bytes).expect("a file");
        let failure = failure(&folder, &["spool", "--spool", "there", "import", "bad"]);
        let expected = format!("error: nothing was imported from bad\n  caused by: {reason}");
        assert!(failure.starts_with(&expected), "{failure}");
        assert!(!failure.contains("private"), "{failure}");
        if folder.path("there").exists() {
            assert_eq!(ids(&folder, &["--spool", "there"]), [0; 0]);
        }
    }
    let failure = failure(&folder, &["spool", "import", "missing"]);
    assert!(
        failure.starts_with("error: nothing was imported from missing\n  caused by: "),
        "{failure}"
    );
    assert_eq!(ids(&folder, &[]), [1, 2, 3]);
}

#[test]
fn purge_removes_what_is_meant_and_only_that() {
    let folder = filled();
    let purge = |arguments: &[&str]| {
        fine(folder.outcome(&[&["spool", "purge", "--yes"], arguments].concat()))
    };
    assert_eq!(purge(&["--before", "1d"]), "removed 1 record with 1 item\n");
    assert_eq!(ids(&folder, &[]), [1, 3]);
    assert_eq!(purge(&["--target", "us"]), "removed 0 records with 0 items\n");
    assert_eq!(purge(&["--all"]), "removed 2 records with 3 items\n");
    let stats = object(&folder, &["stats"]);
    assert_eq!(stats["total"]["bytes"], json!(0));
    assert_eq!(stats["removed"], json!({ "purged": { "records": 3, "items": 4 } }));
    let stats = fine(folder.outcome(&["spool", "stats"]));
    let told = "\npurged, and not accounted for by a relay yet: 3 records with 4 items\n";
    assert!(stats.ends_with(told), "{stats}");
    // What was given is not given again.
    let spool = open(&folder);
    assert_eq!(store(&spool, "eu", |_| {}), RecordId::new(4));
}

#[test]
fn purge_asks_and_without_a_terminal_refuses() {
    let folder = filled();
    let (_, all) = sizes(&folder);
    let expected = format!(
        "error: there is no terminal to ask on\n  \
         caused by: Remove 3 records with 4 items, {all}B, from .relay/spool?\n  \
         caused by: spool purge --yes does not ask\n"
    );
    assert_eq!(failure(&folder, &["spool", "purge", "--all"]), expected);
    assert_eq!(ids(&folder, &[]), [1, 2, 3]);
}

#[test]
fn purge_wants_to_be_told_what() {
    let folder = filled();
    for arguments in [&["--yes"][..], &["--all", "--target", "eu", "--yes"], &["--before", "x"]] {
        let outcome = folder.outcome(&[&["spool", "purge"], arguments].concat());
        assert_eq!(outcome.code, Some(2), "{arguments:?}");
    }
    assert_eq!(ids(&folder, &[]), [1, 2, 3]);
}

#[test]
fn a_spool_of_a_later_version_is_left_alone() {
    let folder = filled();
    let path: PathBuf = folder.path(".relay/spool/spool.db");
    let mut file = std::fs::read(&path).expect("the file");
    // PRAGMA user_version, big-endian at byte 60 of the header: https://www.sqlite.org/fileformat2.html
    file[60..64].copy_from_slice(&9_u32.to_be_bytes());
    std::fs::write(&path, &file).expect("room for it");
    for command in [&["ls"][..], &["purge", "--all", "--yes"]] {
        assert_eq!(
            failure(&folder, &[&["spool"], command].concat()),
            "error: the spool in .relay/spool has format 9, this version reads up to 2: use the version that wrote \
             it, or move the file away\n"
        );
    }
    assert_eq!(std::fs::read(&path).expect("the file"), file);
}

#[test]
fn an_import_keeps_within_the_size_that_is_configured() {
    let folder = filled();
    fine(folder.outcome(&["spool", "export", "-o", "archive"]));
    folder.write(".relay/config.yml", "spool: {max_disk_size: 700B}\n");
    let failure = failure(&folder, &["spool", "--spool", "there", "import", "archive"]);
    let expected = "error: nothing was imported from archive\n  \
                    caused by: record 2 does not fit: it has 167 bytes, and its target \"eu\" has room for ";
    assert!(failure.starts_with(expected), "{failure}");
    assert_eq!(ids(&folder, &["--spool", "there"]), [0; 0]);
}

#[test]
fn what_waits_at_one_relay_is_carried_to_another_by_file_and_delivered() {
    // Nobody listens on port 1.
    let inside = Folder::new();
    let relay = Relay::start(&inside, &["--upstream", "http://127.0.0.1:1"]);
    let dsn = format!("http://{KEY}@{}/42", relay.address);
    let sent = inside.outcome(&["send", "--dsn", &dsn, "-m", "carried"]);
    let id = fine(sent).trim_end().to_owned();

    let waiting = ls(&inside, &[]);
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0]["event_id"], json!(id));
    assert_eq!(waiting[0]["items"], json!({"error": 1}));
    let holder = object(&inside, &["stats"])["holder"].clone();
    let refusal = failure(&inside, &["spool", "purge", "--all", "--yes"]);
    let holder = holder.as_str().expect("somebody holds it");
    assert_eq!(refusal, format!("error: the spool folder .relay/spool is in use by {holder}\n"));
    // Killed.
    drop(relay);
    fine(inside.outcome(&["spool", "export", "-o", "archive", "--remove"]));
    assert!(ls(&inside, &[]).is_empty());

    let outside = Folder::new();
    std::fs::copy(inside.path("archive"), outside.path("archive")).expect("a copy");
    fine(outside.outcome(&["spool", "import", "archive"]));
    let server = Server::answering(answer("200 OK", "", "{}"));
    let upstream = format!("http://{}", server.address());
    let _relay = Relay::start(&outside, &["--upstream", &upstream]);
    let request = server.request();
    assert!(request.head.starts_with("POST /api/42/envelope/ HTTP/1.1\r\n"), "{request:?}");
    assert!(request.head.contains(&format!("sentry_key={KEY}")), "{request:?}");
}

#[test]
fn what_was_captured_on_a_laptop_is_sent_on_by_a_relay_with_an_upstream() {
    let laptop = Folder::new();
    let relay = Relay::start(&laptop, &[]);
    let dsn = relay.dsn().to_owned();
    fine(laptop.outcome(&["send", "--dsn", &dsn, "-m", "captured"]));
    drop(relay);
    fine(laptop.outcome(&["spool", "export", "-o", "archive"]));

    let outside = Folder::new();
    std::fs::copy(laptop.path("archive"), outside.path("archive")).expect("a copy");
    fine(outside.outcome(&["spool", "import", "archive", "--target", "upstream"]));
    let server = Server::answering(answer("200 OK", "", "{}"));
    let upstream = format!("http://{}", server.address());
    let _relay = Relay::start(&outside, &["--upstream", &upstream]);
    let request = server.request();
    let (_, rest) = dsn.split_once("://").expect("a DSN");
    let (key, _) = rest.split_once('@').expect("a DSN");
    let head = request.head.to_ascii_lowercase();
    assert!(
        head.contains(&format!("x-sentry-auth: sentry sentry_key={key}, sentry_version=7")),
        "{head}"
    );
    assert!(head.contains("x-forwarded-for: 127.0.0.1\r\n"), "{head}");
    assert!(head.contains("content-encoding: zstd\r\n"), "{head}");
    let body = relay_compression::decode(ContentEncoding::Zstd, request.body.into(), 1 << 20);
    let body = body.expect("the encoding that it names");
    assert!(String::from_utf8_lossy(&body).contains("captured"));
}
