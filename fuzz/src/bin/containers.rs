//! Compressed files of any kind, of which no more is read than is wanted.
#![no_main]

use std::io::Read as _;

use libfuzzer_sys::fuzz_target;
use relay_compression::Container;

const WANTED: u64 = 1 << 20;

fuzz_target!(|file: &[u8]| {
    let Some(container) = Container::of(file) else { return };
    let Ok(reader) = container.reader(file) else { return };
    let mut content = Vec::new();
    let read = reader.take(WANTED).read_to_end(&mut content);
    assert!(content.len() as u64 <= WANTED);
    if let Ok(read) = read {
        assert_eq!(read, content.len());
    }
});
