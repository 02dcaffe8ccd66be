//! Bytes that real SDKs sent.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use relay_envelope::{Envelope, ItemType, Limits};

/// The bodies below `fixtures/sdk` that came without a content encoding, by path.
fn bodies() -> Vec<(String, Bytes)> {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/sdk");
    let mut bodies = Vec::new();
    for client in ["python-identity", "node"] {
        for entry in fs::read_dir(sdk.join(client)).expect("the fixtures are there") {
            let path = entry.expect("the folder can be read").path();
            if path.extension().is_some_and(|extension| extension == "body") {
                let body = fs::read(&path).expect("the file can be read");
                if body.starts_with(b"{") {
                    bodies.push((path.display().to_string(), body.into()));
                }
            }
        }
    }
    assert!(bodies.len() >= 15, "{}", bodies.len());
    bodies
}

#[test]
fn what_sdks_send_is_read_and_its_items_written_back_byte_for_byte() {
    for (path, body) in bodies() {
        let envelope = Envelope::decode(body.clone(), &Limits::default()).expect(&path);
        let encoded = envelope.encode();
        let after_header = |bytes: &Bytes| {
            let end = bytes.iter().position(|&byte| byte == b'\n').expect(&path);
            bytes.slice(end + 1..)
        };
        let mut items = after_header(&body).to_vec();
        if !items.ends_with(b"\n") {
            items.push(b'\n');
        }
        assert_eq!(after_header(&encoded), items, "{path}");
        assert_eq!(Envelope::decode(encoded, &Limits::default()).expect(&path), envelope, "{path}");
    }
}

#[test]
fn what_sdks_send_is_of_known_types() {
    for (path, body) in bodies() {
        let envelope = Envelope::decode(body, &Limits::default()).expect(&path);
        for item in envelope.items() {
            assert!(!matches!(item.ty(), ItemType::Other(_)), "{path}: {}", item.ty());
        }
        if let Some(trace) = &envelope.header().trace {
            assert!(trace.context().is_some(), "{path}");
        }
    }
}
