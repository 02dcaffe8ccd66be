//! A database in MaxMind's format, of one network, made here.

use relay_pipeline::normalize::{GeoDatabase, GeoLookup, Place};

fn length(length: usize) -> u8 {
    u8::try_from(length).expect("everything in here is short")
}

fn text(text: &str) -> Vec<u8> {
    [&[0x40 | length(text.len())], text.as_bytes()].concat()
}

fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![0xe0 | length(entries.len())];
    for (key, value) in entries {
        bytes.extend(text(key));
        bytes.extend(value);
    }
    bytes
}

fn list(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![length(elements.len()), 4];
    bytes.extend(elements.concat());
    bytes
}

/// The lower half of all addresses is in Vienna.
fn database() -> Vec<u8> {
    let named = |name: &str| ("names", map(&[("en", text(name))]));
    let place = map(&[
        ("country", map(&[("iso_code", text("AT")), named("Austria")])),
        ("city", map(&[named("Vienna")])),
        ("subdivisions", list(&[map(&[named("Vienna")])])),
    ]);
    // One node; its left record points behind itself and the separator of 16 bytes.
    let mut bytes = vec![0, 0, 17, 0, 0, 1];
    bytes.extend([0; 16]);
    bytes.extend(place);
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    bytes.extend(map(&[
        ("binary_format_major_version", vec![0xa1, 2]),
        ("binary_format_minor_version", vec![0xa1, 0]),
        ("build_epoch", vec![0x01, 2, 1]),
        ("database_type", text("Test-City")),
        ("description", map(&[("en", text("made here"))])),
        ("ip_version", vec![0xa1, 4]),
        ("languages", list(&[text("en")])),
        ("node_count", vec![0xc1, 1]),
        ("record_size", vec![0xa1, 24]),
    ]));
    bytes
}

#[test]
fn addresses_are_found_in_a_database() {
    let places = GeoDatabase::new(database()).unwrap();
    let vienna = Place {
        country_code: Some("AT".to_owned()),
        city: Some("Vienna".to_owned()),
        subdivision: Some("Vienna".to_owned()),
        region: Some("Austria".to_owned()),
    };
    assert_eq!(places.lookup([10, 0, 0, 1].into()), Some(vienna));
    assert_eq!(places.lookup([192, 0, 2, 1].into()), None);
    assert_eq!(places.lookup([0; 16].into()), None);
    assert!(GeoDatabase::new(b"no database".to_vec()).is_err());
}
