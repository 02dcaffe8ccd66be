//! Compressed files that say themselves what they are.

use std::io::{Read as _, Write as _};

use proptest::prelude::*;
use relay_compression::Container;

const XZ: &[u8] = include_bytes!("../../../fixtures/containers/dump.xz");
const BZIP2: &[u8] = include_bytes!("../../../fixtures/containers/dump.bz2");

fn pack(container: Container, content: &[u8]) -> Vec<u8> {
    match container {
        Container::Gzip => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(content).expect("memory");
            encoder.finish().expect("memory")
        }
        Container::Zstd => zstd::encode_all(content, 1).expect("memory"),
        Container::Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(content).expect("memory");
            encoder.finish().expect("memory")
        }
        Container::Xz => XZ.to_vec(),
    }
}

fn unpack(file: &[u8]) -> std::io::Result<Vec<u8>> {
    let container = Container::of(file).ok_or(std::io::ErrorKind::InvalidData)?;
    let mut content = Vec::new();
    container.reader(file)?.take(1 << 20).read_to_end(&mut content)?;
    Ok(content)
}

#[test]
fn files_of_other_tools_are_read() {
    let expected = [b"MDMP".as_slice(), &[7; 300_000]].concat();
    assert!(unpack(XZ).expect("a whole file") == expected);
    assert!(unpack(BZIP2).expect("a whole file") == expected);
    assert_eq!(Container::of(b"BZ"), None);
    assert_eq!(Container::of(b""), None);
}

#[test]
fn a_file_that_is_cut_off_is_an_error_and_no_panic() {
    for container in [Container::Gzip, Container::Xz, Container::Bzip2, Container::Zstd] {
        let whole = pack(container, &[7; 5000]);
        for length in container.extension().len() + 4..whole.len() {
            assert!(unpack(&whole[..length]).is_err(), "{container:?}: {length}");
        }
        assert!(unpack(&whole).is_ok(), "{container:?}");
    }
}

#[test]
fn a_file_that_asks_for_more_memory_than_it_may_is_refused() {
    let xz = include_bytes!("../../../fixtures/containers/large-dictionary.xz");
    assert!(unpack(xz).is_err());
    // The window stands behind the magic: 2^31 bytes.
    let zstd = b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00";
    assert!(unpack(zstd).is_err());
}

proptest! {
    #[test]
    fn what_was_packed_comes_out(
        content in prop::collection::vec(any::<u8>(), 0..5000),
        container in prop::sample::select(vec![Container::Gzip, Container::Bzip2, Container::Zstd]),
    ) {
        let packed = pack(container, &content);
        prop_assert_eq!(Container::of(&packed), Some(container));
        prop_assert_eq!(unpack(&packed).expect("a whole file"), content);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(
        magic in prop::sample::select(vec![&b"\x1f\x8b\x08"[..], b"\xfd7zXZ\0", b"BZh9", b"\x28\xb5\x2f\xfd"]),
        rest in prop::collection::vec(any::<u8>(), 0..300),
        at in 0..60_usize,
    ) {
        let _ = unpack(&[magic, &rest].concat());
        for whole in [XZ, BZIP2] {
            let mut broken = whole.to_vec();
            let place = at % broken.len();
            broken[place] ^= rest.first().copied().unwrap_or(1);
            let _ = unpack(&broken);
        }
    }
}
