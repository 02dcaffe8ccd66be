use std::collections::BTreeMap;

use proptest::prelude::*;
use relay_protocol::{Condition, ConditionError, Field, Subject};
use serde_json::{Value, json};

/// Fields by name, and lists of more such.
#[derive(Default)]
struct Facts {
    fields: BTreeMap<String, Field<'static>>,
    lists: BTreeMap<String, Vec<Facts>>,
}

impl Subject for Facts {
    fn field(&self, name: &str) -> Option<Field<'_>> {
        self.fields.get(name).cloned()
    }

    fn any(&self, name: &str, test: &mut dyn FnMut(&dyn Subject) -> bool) -> Option<bool> {
        self.lists.get(name).map(|list| list.iter().any(|element| test(element)))
    }
}

fn facts(fields: Value) -> Facts {
    let mut facts = Facts::default();
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    for (name, value) in fields {
        let field = match value {
            Value::String(text) => Field::from(text),
            Value::Bool(value) => Field::from(value),
            Value::Number(number) => Field::from(number.as_f64().expect("a number is one")),
            Value::Array(list) => {
                facts.lists.insert(name, list.into_iter().map(self::facts).collect());
                continue;
            }
            Value::Null | Value::Object(_) => continue,
        };
        facts.fields.insert(name, field);
    }
    facts
}

fn holds(condition: Value, fields: Value) -> bool {
    Condition::try_from(condition).expect("a condition").matches(&facts(fields))
}

#[test]
fn operators_compare_as_they_say() {
    let eq = |value: Value| json!({"op": "eq", "name": "a", "value": value});
    let with = |op: &str, value: Value| json!({"op": op, "name": "a", "value": value});
    let release = |comparator: &str, value: &str| json!({"op": "release", "name": "a", "comparator": comparator, "value": value});
    for (condition, fields, expected) in [
        (eq(json!("x")), json!({"a": "x"}), true),
        (eq(json!("X")), json!({"a": "x"}), false),
        (eq(json!(["y", 1, "x"])), json!({"a": "x"}), true),
        (eq(json!([])), json!({}), false),
        (eq(json!(true)), json!({"a": true}), true),
        (eq(json!(404)), json!({"a": 404}), false),
        (eq(json!(null)), json!({}), true),
        (eq(json!(null)), json!({"a": ""}), false),
        (eq(json!({})), json!({"a": "x"}), false),
        (with("gt", json!(1)), json!({"a": 1.5}), true),
        (with("gt", json!(1)), json!({"a": 1}), false),
        (with("gte", json!(1)), json!({"a": 1}), true),
        (with("lt", json!("b")), json!({"a": "a"}), true),
        (with("lte", json!("a")), json!({"a": "b"}), false),
        (with("lt", json!(2)), json!({"a": "1"}), false),
        (with("lt", json!(2)), json!({}), false),
        (with("glob", json!(["[", "B*"])), json!({"a": "bar"}), true),
        (with("glob", json!(["1"])), json!({"a": 1}), false),
        (with("cidr", json!(["bad", "10.0.0.0/8"])), json!({"a": "10.1.2.3"}), true),
        (with("cidr", json!(["10.0.0.0/8"])), json!({"a": "::ffff:10.1.2.3"}), true),
        (with("cidr", json!(["10.0.0.0/33", "10.0.0.1"])), json!({"a": "10.0.0.2"}), false),
        (with("cidr", json!(["0.0.0.0/0"])), json!({"a": "::1"}), false),
        (with("cidr", json!(["::/0"])), json!({"a": "::1"}), true),
        (with("cidr", json!(["2001:db8::/32"])), json!({"a": "2001:db8::5"}), true),
        (release("gt", "1.0"), json!({"a": "app@1.1"}), true),
        (release("gt", "app@1.0"), json!({"a": "app@1.1"}), true),
        (release("gt", "other@1.0"), json!({"a": "app@1.1"}), false),
        (release("eq", "1.1+a"), json!({"a": "app@1.1.0+b"}), true),
        (release("lt", "1.1"), json!({"a": "app@1.1-rc.1"}), true),
        (release("lte", "x"), json!({"a": "app@1.1"}), false),
        (release("gte", "1.0"), json!({"a": "2.0"}), false),
        (release("gte", "1"), json!({"a": "app@aaaaaaaaaaaa"}), false),
        (json!({"op": "and", "inner": []}), json!({}), true),
        (json!({"op": "or", "inner": []}), json!({}), false),
        (json!({"op": "not", "inner": eq(json!("x"))}), json!({}), true),
        (json!({"op": "foo"}), json!({}), false),
    ] {
        assert_eq!(holds(condition.clone(), fields.clone()), expected, "{condition} {fields}");
    }
}

#[test]
fn case_is_ignored_where_asked() {
    let condition =
        json!({"op": "eq", "name": "a", "value": ["Prod", "É"], "options": {"ignoreCase": true}});
    assert!(holds(condition.clone(), json!({"a": "pROD"})));
    assert!(holds(condition, json!({"a": "é"})));
}

#[test]
fn lists_are_searched_by_their_elements() {
    let inner = json!({"op": "eq", "name": "ty", "value": "E"});
    let any = json!({"op": "any", "name": "l", "inner": inner.clone()});
    let all = json!({"op": "all", "name": "l", "inner": inner});
    for (fields, some, every) in [
        (json!({"l": [{"ty": "D"}, {"ty": "E"}]}), true, false),
        (json!({"l": [{"ty": "E"}]}), true, true),
        (json!({"l": []}), false, true),
        (json!({}), false, false),
    ] {
        assert_eq!(holds(any.clone(), fields.clone()), some, "{fields}");
        assert_eq!(holds(all.clone(), fields.clone()), every, "{fields}");
    }
}

#[test]
fn ids_and_addresses_are_compared_whatever_their_spelling() {
    let eq = |value: &str| {
        Condition::try_from(json!({"op": "eq", "name": "a", "value": value})).unwrap()
    };
    let id = |field: Field<'static>| Facts {
        fields: [("a".to_owned(), field)].into(),
        ..Facts::default()
    };
    let uuid = uuid::Uuid::from_u128(0xab);
    assert!(eq("00000000-0000-0000-0000-0000000000AB").matches(&id(uuid.into())));
    assert!(!eq("ab").matches(&id(uuid.into())));
    let span: relay_protocol::SpanId = "fa90fdead5f74053".parse().unwrap();
    assert!(eq("FA90FDEAD5F74053").matches(&id(span.into())));
    let address: std::net::IpAddr = "::1".parse().unwrap();
    assert!(eq("0:0::1").matches(&id(address.into())));
}

#[test]
fn what_is_not_a_condition_says_why() {
    for (value, error) in [
        (json!([]), ConditionError::NotAnObject),
        (json!({}), ConditionError::Missing("op")),
        (json!({"op": 1}), ConditionError::WrongType("op")),
        (json!({"op": "eq", "name": "a"}), ConditionError::Missing("value")),
        (json!({"op": "eq", "value": "a"}), ConditionError::Missing("name")),
        (
            json!({"op": "eq", "name": "a", "value": 1, "options": 1}),
            ConditionError::WrongType("options"),
        ),
        (json!({"op": "glob", "name": "a", "value": "*"}), ConditionError::WrongType("value")),
        (json!({"op": "cidr", "name": "a", "value": [1]}), ConditionError::WrongType("value")),
        (json!({"op": "and", "inner": {}}), ConditionError::WrongType("inner")),
        (json!({"op": "not", "inner": []}), ConditionError::NotAnObject),
        (
            json!({"op": "release", "name": "a", "value": "1"}),
            ConditionError::Missing("comparator"),
        ),
    ] {
        assert_eq!(Condition::try_from(value.clone()), Err(error), "{value}");
    }
}

#[test]
fn conditions_end_at_a_depth() {
    let nested = |depth| {
        (1..depth).fold(
            json!({"op": "and", "inner": []}),
            |inner, _| json!({"op": "not", "inner": inner}),
        )
    };
    assert!(Condition::try_from(nested(Condition::MAX_DEPTH)).is_ok());
    assert_eq!(Condition::try_from(nested(Condition::MAX_DEPTH + 1)), Err(ConditionError::TooDeep));
}

#[test]
fn an_unknown_operator_anywhere_makes_a_condition_unsupported() {
    let supported = |condition| Condition::try_from(condition).unwrap().is_supported();
    let unknown = json!({"op": "foo", "x": [1, {"y": null}]});
    assert!(supported(json!({"op": "and", "inner": []})));
    for condition in [
        unknown.clone(),
        json!({"op": "not", "inner": unknown}),
        json!({"op": "or", "inner": [{"op": "and", "inner": []}, {"op": "any", "name": "a", "inner": unknown}]}),
        json!({"op": "release", "name": "a", "comparator": "like", "value": "1"}),
    ] {
        assert!(!supported(condition.clone()), "{condition}");
        assert_eq!(json!(Condition::try_from(condition.clone()).unwrap()), condition);
    }
}

fn conditions() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-2i64..3).prop_map(Value::from),
        "[ab*]{0,3}".prop_map(Value::from),
        proptest::collection::vec("[ab]{0,2}", 0..3).prop_map(Value::from),
    ];
    let texts = proptest::collection::vec("[ab*\\[]{0,3}|10\\.0\\.0\\.0/8", 0..3);
    let leaf = prop_oneof![
        ("[ab]", value.clone()).prop_map(|(name, value)| json!({"op": "eq", "name": name, "value": value})),
        ("[ab]", value.clone()).prop_map(|(name, value)| json!({"op": "eq", "name": name, "value": value, "options": {"ignoreCase": true}})),
        ("gte?|lte?", "[ab]", value).prop_map(|(op, name, value)| json!({"op": op, "name": name, "value": value})),
        ("glob|cidr", "[ab]", texts).prop_map(|(op, name, value)| json!({"op": op, "name": name, "value": value})),
        ("[ab]", "eq|[gl]te?|xx", "[ab]?@?[0-2.]{0,3}").prop_map(|(name, comparator, value)| json!({"op": "release", "name": name, "comparator": comparator, "value": value})),
        "[f-j]{3}".prop_map(|op| json!({"op": op, "name": 1})),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            ("and|or", proptest::collection::vec(inner.clone(), 0..4))
                .prop_map(|(op, inner)| json!({"op": op, "inner": inner})),
            inner.clone().prop_map(|inner| json!({"op": "not", "inner": inner})),
            ("any|all", "[ab]", inner)
                .prop_map(|(op, name, inner)| json!({"op": op, "name": name, "inner": inner})),
        ]
    })
}

proptest! {
    #[test]
    fn a_condition_is_written_as_it_was_read(json in conditions()) {
        let condition = Condition::try_from(json.clone()).unwrap();
        prop_assert_eq!(serde_json::to_value(&condition).unwrap(), json);
    }

    #[test]
    fn and_or_not_obey_de_morgan(
        left in conditions(),
        right in conditions(),
        a in "[ab]{0,2}",
        b in -2i64..3,
    ) {
        let not = |inner: &Value| json!({"op": "not", "inner": inner});
        let fields = json!({"a": a, "b": b, "l": []});
        let and = json!({"op": "and", "inner": [left, right]});
        let or = json!({"op": "or", "inner": [not(&left), not(&right)]});
        prop_assert_eq!(holds(not(&and), fields.clone()), holds(or, fields));
    }
}
