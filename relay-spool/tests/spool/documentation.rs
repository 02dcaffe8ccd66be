//! What docs/operations.md tells operators about the file holds.

use std::path::Path;

use relay_spool::{ArchiveReader, Settings, Spool};
use rusqlite::{Connection, OpenFlags};

use crate::support::{append, record};

fn section() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let text = std::fs::read_to_string(path).expect("the documentation");
    let (_, rest) = text.split_once("\n## The spool folder\n").expect("a section about the folder");
    rest.split("\n## ").next().expect("a section").to_owned()
}

/// The block of this language that begins so.
fn block<'a>(section: &'a str, language: &str, start: &str) -> &'a str {
    let fence = format!("```{language}\n");
    let (_, rest) = section.split_once(&format!("{fence}{start}")).expect("such a block");
    let end = rest.find("```").expect("its end");
    let begin = section.len() - rest.len() - start.len();
    &section[begin..begin + start.len() + end]
}

#[test]
fn the_documented_tables_and_queries_are_those_of_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Settings::default()).expect("it opens");
    let target = spool.target("upstream").expect("a target");
    append(&spool, record(target, "one"));
    // As an operator does, beside a running relay.
    let database = Connection::open_with_flags(
        folder.path().join("spool.db"),
        OpenFlags::SQLITE_OPEN_READ_ONLY,
    )
    .expect("it can be read");

    let section = section();
    for table in ["record", "target", "removed"] {
        let (_, rest) = section.split_once(&format!("\nTable `{table}`")).expect("the table");
        let rows = rest.lines().skip_while(|line| !line.starts_with("|---"));
        let rows = rows.skip(1).take_while(|line| line.starts_with("| `"));
        let documented: Vec<_> =
            rows.map(|row| row.split('`').nth(1).expect("a column").to_owned()).collect();
        let mut columns = database
            .prepare("SELECT name FROM pragma_table_info(?1) ORDER BY cid")
            .expect("a query");
        let columns = columns.query_map([table], |row| row.get(0)).expect("columns");
        assert_eq!(documented, columns.collect::<Result<Vec<String>, _>>().expect("names"));
    }

    let queries = block(&section, "sql", "");
    let queries = queries.split(';').filter(|query| query.contains("SELECT"));
    let mut count = 0;
    for query in queries {
        let mut statement =
            database.prepare(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        let mut rows = statement.query([]).expect("no parameters");
        while rows.next().expect("rows").is_some() {}
        count += 1;
    }
    assert_eq!(count, 4);
    let pragma = |name: &str| -> i64 {
        database.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).expect("a number")
    };
    assert!(section.contains(&format!("`PRAGMA user_version` (now {})", pragma("user_version"))));
    assert!(section.contains(&format!("`PRAGMA application_id` is {}", pragma("application_id"))));
}

#[test]
fn the_documented_archive_can_be_read() {
    let section = section();
    let archive = block(&section, "text", "{\"format\"");
    let mut archive = ArchiveReader::new(archive.as_bytes()).expect("an archive");
    let record = archive.read().expect("whole").expect("a record");
    assert_eq!(
        (record.target.as_str(), &record.body[..]),
        ("upstream", &b"{}\n{\"type\":\"event\"}\n{}"[..])
    );
    assert_eq!(archive.read().expect("whole"), None);
}
