//! Payload trees: what is a tree is JSON to `serde_json`, too, says the same, and survives being edited.
#![no_main]

use relay_protocol::payload::{Kind, NodeId, NodeRef, Payload, PayloadLimits, Value};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let limits = PayloadLimits { max_depth: 100, max_nodes: 10_000 };
    let Ok(mut payload) = Payload::parse_within(data, limits) else {
        // `serde_json` allows a few levels more than this.
        let accepted = serde_json::from_slice::<serde_json::Value>(data).is_ok();
        let too_large = data.iter().filter(|byte| b"[{".contains(byte)).count() > 100;
        assert!(!accepted || too_large || data.len() > 10_000, "refused what serde_json reads");
        return;
    };
    assert_eq!(payload.to_json().as_bytes(), data);
    let root = payload.root();
    match serde_json::from_slice::<serde_json::Value>(data) {
        Ok(mut value) => {
            if let Some(object) = value.as_object_mut() {
                object.remove("_meta");
            }
            let compact = payload.node(root).to_compact_json();
            let again: serde_json::Value =
                serde_json::from_str(&compact).expect("what is written is JSON");
            assert_eq!(again, value);
        }
        Err(error) => assert!(error.to_string().starts_with("number out of range"), "{error}"),
    }

    // The bytes say what is done to which value.
    let ids: Vec<NodeId> = payload.node(root).descendants().map(NodeRef::id).collect();
    for pair in data.chunks_exact(2).take(64) {
        let id = ids[usize::from(pair[1]) % ids.len()];
        match pair[0] % 8 {
            0 => payload.set(id, "text"),
            1 => payload.set(id, Value::Object),
            2 if id != root => payload.remove(id),
            3 if payload.kind(id) == Kind::Object => {
                payload.insert(id, "key", u64::from(pair[1]));
            }
            4 => payload.null_with_original(id),
            5 => payload.sort_keys(id),
            6 if payload.kind(root) == Kind::Object => {
                payload.copy_to(id, root, "copy");
            }
            _ => payload.meta_mut(id).set_original_length(usize::from(pair[1])),
        }
    }
    let written = payload.to_json();
    let again =
        Payload::parse(written.as_bytes()).expect("what was edited can be written and read");
    assert_eq!(again.node(again.root()).to_compact_json(), payload.node(root).to_compact_json());
});
