use proptest::prelude::*;
use relay_protocol::payload::{
    ErrorKind, MetaError, ParsePayloadError, Payload, PayloadLimits, Remark, RemarkKind, Value,
};
use serde_json::{Value as Json, json};

use crate::json;

fn written(json: &str) -> String {
    Payload::parse(json.as_bytes()).expect("this is JSON").to_json()
}

proptest! {
    #[test]
    fn a_tree_says_what_serde_json_says_and_is_written_as_it_came(value in json::value(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let text = text.unwrap();
        let payload = Payload::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(json::of_tree(payload.node(payload.root())), value);
        prop_assert_eq!(payload.to_json(), text);
    }

    #[test]
    fn a_tree_that_was_put_together_anew_says_the_same(value in json::value()) {
        let text = value.to_string();
        let mut payload = Payload::parse(text.as_bytes()).unwrap();
        let ids: Vec<_> = payload.node(payload.root()).descendants().map(|node| node.id()).collect();
        for id in ids {
            let node = payload.node(id);
            if let Some(text) = node.as_str().map(str::to_owned) {
                payload.set(id, &text);
            } else if let Some(number) = node.number().map(str::to_owned) {
                payload.set(id, Value::Number(&number));
            } else if let Some(key) = node.key().map(str::to_owned) {
                payload.rename(id, &key);
            }
        }
        prop_assert_eq!(serde_json::from_str::<Json>(&payload.to_json()).unwrap(), value.clone());
        let compact = payload.node(payload.root()).to_compact_json();
        prop_assert_eq!(serde_json::from_str::<Json>(&compact).unwrap(), value);
        let root = payload.root();
        let size = compact.len();
        prop_assert!(!payload.node(root).is_larger_than(size));
    }

    #[test]
    fn what_serde_json_refuses_is_refused(
        value in json::value(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut text = value.to_string().into_bytes();
        for (index, byte) in edits {
            let index = index.index(text.len());
            text[index] = byte;
        }
        let ours = Payload::parse(&text);
        match serde_json::from_slice::<Json>(&text) {
            Ok(value) => {
                let payload = ours.unwrap();
                prop_assert_eq!(json::of_tree(payload.node(payload.root())), value);
            }
            // Text of any magnitude is a number here.
            Err(error) if error.to_string().starts_with("number out of range") => {}
            Err(_) => prop_assert!(ours.is_err()),
        }
    }
}

#[test]
fn what_is_no_json_is_refused_where_it_breaks() {
    for (json, offset, expected) in [
        ("", 0, "a value"),
        ("{", 1, "a key"),
        ("{\"a\" 1}", 5, "a colon"),
        ("{\"a\":1 \"b\":2}", 7, "a comma or the end of an object"),
        ("[1,]", 3, "a value"),
        ("{\"a\":1,}", 7, "a key"),
        ("[1}", 2, "a comma or the end of a list"),
        ("1 1", 2, "the end"),
        ("01", 1, "the end"),
        ("-", 1, "a digit"),
        ("1.", 2, "a digit"),
        ("1e+", 3, "a digit"),
        ("\"a", 2, "the end of a string"),
        ("\"\n\"", 1, "no control character"),
        ("\"\\x\"", 2, "an escape"),
        ("\"\\u12g4\"", 5, "four hex digits"),
        ("\"\\ud800\"", 7, "the second half of a surrogate pair"),
        ("\"\\udc00\"", 7, "a character"),
        ("nul", 0, "a value"),
    ] {
        let error = Payload::parse(json.as_bytes()).unwrap_err();
        assert_eq!(error, ParsePayloadError::Syntax { offset, expected }, "{json}");
    }
    let error = Payload::parse(b"\"a\xff\"").unwrap_err();
    assert_eq!(error.to_string(), "invalid UTF-8 at byte 2");
}

#[test]
fn depth_and_number_of_values_are_bounded() {
    let limits = PayloadLimits { max_depth: 3, max_nodes: 5 };
    let parse = |json: &'static str| Payload::parse_within(json.as_bytes(), limits).map(|_| ());
    assert_eq!(parse("[[[1]]]"), Ok(()));
    assert_eq!(parse("[[[[]]]]"), Err(ParsePayloadError::Depth { offset: 3 }));
    assert_eq!(parse("[1,2,3,4]"), Ok(()));
    assert_eq!(parse("[1,2,3,4,5]"), Err(ParsePayloadError::Nodes { offset: 9 }));
}

#[test]
fn of_a_key_that_is_there_twice_the_last_counts_and_both_are_written() {
    let json = r#"{"a":1,"b":2,"a":3}"#;
    let payload = Payload::parse(json.as_bytes()).unwrap();
    assert_eq!(payload.node(payload.root()).get("a").unwrap().as_u64(), Some(3));
    assert_eq!(payload.to_json(), json);
}

#[test]
fn what_was_not_changed_is_copied_as_it_came() {
    let json = "{ \"a\" : [1, 2.50e+3, \"\\u0041\\/\"] , \"b\" : 1 }";
    let mut payload = Payload::parse(json.as_bytes()).unwrap();
    let root = payload.root();
    payload.insert(root, "b", false);
    payload.insert(root, "c\"", 1.0);
    assert_eq!(payload.to_json(), r#"{"a":[1, 2.50e+3, "\u0041\/"],"b":false,"c\"":1.0}"#);
}

#[test]
fn values_move_with_their_meta() {
    let mut payload = Payload::parse(br#"{"a":{"x":[1,2]},"b":{}}"#).unwrap();
    let root = payload.root();
    let (a, b) = (payload.get(root, "a").unwrap(), payload.get(root, "b").unwrap());
    let x = payload.get(a, "x").unwrap();
    let two = payload.node(x).element(1).unwrap().id();
    payload.meta_mut(two).set_original_length(7);
    payload.meta_mut(two).set_original_length(8);
    payload.move_to(x, b, "y");
    assert_eq!(
        payload.to_json(),
        r#"{"a":{},"b":{"y":[1,2]},"_meta":{"b":{"y":{"1":{"":{"len":7}}}}}}"#
    );
    payload.remove(b);
    assert_eq!(payload.to_json(), r#"{"a":{}}"#);
}

#[test]
fn lists_can_lose_plain_nulls() {
    let mut payload = Payload::parse(b"[null,1,null]").unwrap();
    let root = payload.root();
    let last = payload.node(root).element(2).unwrap().id();
    payload.add_error(last, MetaError::new(ErrorKind::InvalidData));
    payload.remove_plain_nulls(root);
    assert_eq!(payload.node(root).to_json(), "[1,null]");
}

#[test]
fn incoming_meta_is_attached_and_entries_that_point_to_nothing_are_dropped() {
    let json = r#"{"_meta":{"":{"len":1,"x":2},"a":{"1":{"":{"rem":[["@ip","s",0,4],["x"],["y","a"]],"err":["invalid_data",["odd",{"k":[1]}]],"val":{"q":1}}},"9":{"":{"len":3}}},"zz":{"":{"len":1}}},"a":[0,"[ip]"]}"#;
    assert_eq!(written(json), json);

    let mut payload = Payload::parse(json.as_bytes()).unwrap();
    let root = payload.root();
    let node = payload.node(root).path(&["a", "1"]).unwrap();
    let meta = node.meta().unwrap().clone();
    assert_eq!(
        meta.remarks[0],
        Remark { rule: "@ip".into(), kind: RemarkKind::Substituted, range: Some((0, 4)) }
    );
    assert_eq!(meta.errors[1].kind(), &ErrorKind::Other("odd".to_owned()));
    payload.insert(root, "b", true);
    let again: Json = serde_json::from_str(&payload.to_json()).unwrap();
    assert_eq!(
        again,
        json!({
            "a": [0, "[ip]"],
            "b": true,
            "_meta": {
                "": {"len": 1},
                "a": {"1": {"": {
                    "rem": [["@ip", "s", 0, 4], ["y", "a"]],
                    "err": ["invalid_data", ["odd", {"k": [1]}]],
                    "val": {"q": 1},
                }}},
            },
        })
    );
}

#[test]
fn refused_values_are_kept_while_they_are_small() {
    let big = "x".repeat(498);
    for (text, kept) in [(&big[..497], true), (&big[..], false)] {
        let json = json!({ "a": text }).to_string();
        let mut payload = Payload::parse(json.as_bytes()).unwrap();
        let a = payload.get(payload.root(), "a").unwrap();
        payload.reject(a, MetaError::expected("a number"));
        payload.reject(a, MetaError::expected("a number"));
        let written: Json = serde_json::from_str(&payload.to_json()).unwrap();
        assert_eq!(written["a"], Json::Null);
        let record = &written["_meta"]["a"][""];
        assert_eq!(record["err"].as_array().unwrap().len(), 1);
        assert_eq!(record.get("val").is_some(), kept);
    }
}

#[test]
fn text_that_is_json_becomes_a_value_of_the_tree() {
    let mut payload = Payload::parse(br#"{"data":"{\"a\":[\"\\n\",1]}","other":"{"}"#).unwrap();
    let root = payload.root();
    for key in ["data", "other"] {
        let id = payload.get(root, key).unwrap();
        let text = payload.str(id).unwrap().to_owned();
        let parsed = payload.set_json(id, &text, PayloadLimits::default());
        assert_eq!(parsed.is_ok(), key == "data");
    }
    assert_eq!(payload.to_json(), r#"{"data":{"a":["\n",1]},"other":"{"}"#);
    let data = payload.get(root, "data").unwrap();
    let copy = payload.copy_to(data, root, "copy");
    let a = payload.get(copy, "a").unwrap();
    payload.push(a, 2_u64);
    assert_eq!(payload.to_json(), r#"{"data":{"a":["\n",1]},"other":"{","copy":{"a":["\n",1,2]}}"#);
}

#[test]
fn items_of_a_container_keep_a_meta_of_their_own() {
    let json = r#"{"items":[{"a":1,"_meta":{"a":{"":{"len":2}}}},{"a":2}]}"#;
    let mut payload = Payload::parse(json.as_bytes()).unwrap();
    let items = payload.get(payload.root(), "items").unwrap();
    let ids: Vec<_> = payload.node(items).children().map(|node| node.id()).collect();
    for &id in &ids {
        payload.split_meta(id);
    }
    let a = payload.get(ids[1], "a").unwrap();
    payload.reject(a, MetaError::new(ErrorKind::InvalidData));
    assert_eq!(
        payload.to_json(),
        r#"{"items":[{"a":1,"_meta":{"a":{"":{"len":2}}}},{"a":null,"_meta":{"a":{"":{"err":["invalid_data"],"val":2}}}}]}"#,
    );
}

#[test]
fn what_stands_under_the_empty_key_has_no_meta_on_the_wire() {
    let mut payload = Payload::parse(br#"{"a":{"":{"b":1}},"c":2}"#).unwrap();
    let root = payload.root();
    let b = payload.node(root).path(&["a", "", "b"]).unwrap().id();
    payload.reject(b, MetaError::new(ErrorKind::InvalidData));
    assert_eq!(payload.to_json(), r#"{"a":{"":{"b":null}},"c":2}"#);
    let a = payload.get(root, "a").unwrap();
    payload.meta_mut(a).set_original_length(1);
    assert_eq!(payload.to_json(), r#"{"a":{"":{"b":null}},"c":2,"_meta":{"a":{"":{"len":1}}}}"#);
}
