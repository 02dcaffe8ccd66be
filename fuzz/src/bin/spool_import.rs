//! Spool archives: whatever reads as one is written so that it reads as the same, and any record survives the way.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use relay_spool::{ArchiveError, ArchiveReader, ArchiveWriter, ArchivedRecord, Schedule};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(records) = read(data) {
        assert_eq!(read(&write(&records)).expect("what was written can be read"), records);
    }

    // Checksums keep a fuzzer from getting far by itself.
    let records: Vec<_> = data.split(|&byte| byte == b'\n').take(16).map(record).collect();
    let archive = write(&records);
    assert_eq!(read(&archive).expect("what was written can be read"), records);
    let mut changed = archive;
    if let [.., change] = data
        && *change != 0
    {
        let place = number(data) as usize % changed.len();
        changed[place] ^= change;
        assert!(read(&changed).is_err(), "byte {place} does not matter");
    }
});

fn read(bytes: &[u8]) -> Result<Vec<ArchivedRecord>, ArchiveError> {
    let mut archive = ArchiveReader::new(bytes)?;
    let mut records = Vec::new();
    while let Some(record) = archive.read()? {
        assert!(record.body.len() <= bytes.len());
        records.push(record);
    }
    assert_eq!(archive.offset(), bytes.len() as u64);
    Ok(records)
}

fn write(records: &[ArchivedRecord]) -> Vec<u8> {
    let mut archive = ArchiveWriter::new(Vec::new()).expect("memory");
    records.iter().for_each(|record| archive.write(record).expect("they are small"));
    archive.finish().expect("memory")
}

/// A record of these bytes, in every place that takes some.
fn record(bytes: &[u8]) -> ArchivedRecord {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let number = number(bytes);
    let time = UNIX_EPOCH + Duration::from_millis(number >> 1);
    ArchivedRecord {
        target: text.clone(),
        project: number,
        key: text.clone(),
        received: time,
        event_id: number.is_multiple_of(2).then(|| text.clone()),
        item_count: number as u32,
        items: text.clone(),
        encoding: text.clone(),
        headers: text,
        schedule: Schedule {
            attempts: number as u32,
            due: number.is_multiple_of(3).then_some(time),
            refused_since: number.is_multiple_of(5).then_some(time),
        },
        body: bytes.to_vec().into(),
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, &byte| number << 7 ^ number >> 57 ^ u64::from(byte))
}
