//! Arbitrary JSON, and what `serde_json` makes of a tree.

use proptest::prelude::*;
use relay_protocol::payload::{Kind, NodeRef};
use serde_json::{Map, Number, Value};

/// Any JSON value: nested a few levels, with every kind of text and number.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // Of these, `serde_json` reads exactly what it wrote.
        any::<i16>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Short texts, some of which need escapes.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z._-]{0,12}", "\\PC{0,12}", any::<String>(), "[\\x00-\\x1f\"\\\\/]{0,6}"]
}

/// What a tree says, in the words of `serde_json`. Of keys that are there twice, the last counts.
pub(crate) fn of_tree(node: NodeRef<'_>) -> Value {
    match node.kind() {
        Kind::Null => Value::Null,
        Kind::Bool => node.as_bool().expect("it is one").into(),
        Kind::Number => number(node).into(),
        Kind::String => node.as_str().expect("it is one").into(),
        Kind::Array => node.children().map(of_tree).collect(),
        Kind::Object => {
            let key = |child: NodeRef<'_>| child.key().expect("entries have keys").to_owned();
            let entries = node.children().map(|child| (key(child), of_tree(child)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}

fn number(node: NodeRef<'_>) -> Number {
    serde_json::from_str(node.number().expect("it is one")).expect("its text is a number")
}
