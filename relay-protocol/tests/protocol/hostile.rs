//! Payloads that no SDK sends.

use std::time::{Duration, Instant};

use relay_protocol::payload::Payload;
use relay_protocol::schema::{
    Attribute, Described, Event, Log, ReadError, Shape, check, check_attributes, read, trim,
};
use relay_protocol::{Condition, EventSubject};
use serde_json::{Value, json};

fn checked_text(json: &str) -> String {
    let mut payload = Payload::parse(json.as_bytes()).expect("this is JSON");
    let root = payload.root();
    check(&mut payload, root, Event::INTERFACE);
    payload.to_json()
}

fn checked(json: &str) -> Value {
    serde_json::from_str(&checked_text(json)).expect("what is written is JSON")
}

#[test]
fn keys_that_are_there_many_times_cost_linear_time() {
    const TIMES: usize = 100_000;
    let many = |entry: &str| format!("{entry},").repeat(TIMES);
    let others = many("\"a\":1");
    for (begin, entry, end) in [
        ("{", r#""_meta":1"#, r#""b":1}"#),
        (r#"{"exception":[{"mechanism":{"#, r#""type":null"#, r#""b":1}}]}"#),
        (r#"{"exception":{"#, r#""values":[]"#, r#""b":1}}"#),
        (r#"{"breadcrumbs":{"values":[{"#, r#""ty":"x""#, r#""b":1}]}}"#),
        (r#"{"measurements":{"#, r#""LCP":{"value":1}"#, r#""b":1}}"#),
        (r#"{"debug_meta":{"images":[{"type":"elf","#, r#""mine":1"#, r#""b":1}]}}"#),
        (r#"{"contexts":{"os":{"type":"os","#, r#""mine":1"#, r#""b":1}}}"#),
        (r#"{"extra":{"#, r#""x":{"y":1}"#, r#""b":1}}"#),
    ] {
        let json = format!("{begin}{}{others}{end}", many(entry));
        let begun = Instant::now();
        let mut payload = Payload::parse(json.as_bytes()).expect("this is JSON");
        let root = payload.root();
        check(&mut payload, root, Event::INTERFACE);
        check_attributes(&mut payload, root, Event::INTERFACE);
        trim(&mut payload, root, Event::INTERFACE);
        payload.to_json();
        // A second, where the square of it takes minutes.
        assert!(begun.elapsed() < Duration::from_secs(15), "{entry}: {:?}", begun.elapsed());
    }
}

#[test]
fn moving_and_removing_a_key_costs_linear_time_however_often_it_is_there() {
    const TIMES: usize = 100_000;
    let json = format!("{{{}{}\"c\":1}}", "\"a\":1,".repeat(TIMES), "\"b\":1,".repeat(TIMES));
    let begun = Instant::now();
    let mut payload = Payload::parse(json.as_bytes()).expect("this is JSON");
    let root = payload.root();
    let c = payload.get(root, "c").expect("it is there");
    payload.move_to(c, root, "a");
    assert_eq!(payload.node(root).children().filter(|node| node.key() == Some("a")).count(), 1);
    payload.remove_key(root, "b");
    assert_eq!(payload.to_json(), r#"{"a":1}"#);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
fn of_a_list_that_is_there_three_times_the_last_counts() {
    let json = r#"{"exception":{"values":[{"type":"A"}],"values":7,"values":[{"type":"B"}]}}"#;
    assert_eq!(checked_text(json), r#"{"exception":{"values":[{"type":"B"}]}}"#);
    let event: Event = read(json.as_bytes()).expect("no content is an error");
    assert_eq!(event.exception.unwrap().values[0].ty.as_deref(), Some("B"));
}

#[test]
fn of_an_entry_of_a_map_that_is_there_twice_the_last_counts_and_free_maps_keep_both() {
    let json = r#"{"contexts":{"os":1,"a":{},"os":{"name":"x"}},"modules":{"a":1,"b":"2","a":"3"},"extra":{"a":1,"a":2}}"#;
    assert_eq!(
        checked_text(json),
        concat!(
            r#"{"contexts":{"a":{"type":"a"},"os":{"name":"x","type":"os"}},"modules":{"b":"2","a":"3"},"#,
            r#""extra":{"a":1,"a":2}}"#
        )
    );
}

#[test]
fn of_an_entry_of_a_map_that_is_there_twice_the_last_counts_in_structs_too() {
    let event: Event =
        read(br#"{"extra":{"a":1,"a":null,"b":null,"b":2}}"#).expect("no content is an error");
    let extra = event.extra.expect("it is there");
    assert_eq!(extra.keys().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn nothing_with_a_meta_is_null() {
    let json = r#"{"breadcrumbs":[null],"_meta":{"breadcrumbs":{"":{"len":3}}}}"#;
    let once = checked_text(json);
    assert_eq!(once, r#"{"breadcrumbs":null,"_meta":{"breadcrumbs":{"":{"len":3}}}}"#);
    assert_eq!(checked_text(&once), once);
}

#[test]
fn of_the_type_and_value_of_an_attribute_that_are_there_twice_the_last_count() {
    let json = r#"{"attributes":{"a":{"type":1,"value":"x","type":"integer","value":2}}}"#;
    let log: Log = read(json.as_bytes()).expect("no content is an error");
    assert_eq!(log.attributes.unwrap()["a"], Attribute::from(2_i64));
}

#[test]
fn of_old_names_the_one_that_is_named_first_counts_and_of_one_the_last() {
    let json = r#"{"message":"a","message":"b"}"#;
    assert_eq!(checked(json), json!({"logentry": {"formatted": "b"}}));
    let json = r#"{"message":"a","sentry.interfaces.Message":{"message":"b"}}"#;
    assert_eq!(checked(json), json!({"logentry": {"message": "b"}}));
}

#[test]
fn minus_zero_is_a_number_without_a_sign() {
    let json = r#"{"exception":[{"mechanism":{"type":"x","meta":{"errno":{"number":-0}}}}]}"#;
    let event: Event = read(json.as_bytes()).expect("no content is an error");
    let exception = event.exception.unwrap().values.0.remove(0);
    assert_eq!(exception.mechanism.unwrap().meta.unwrap().errno.unwrap().number, Some(0));
}

#[test]
fn what_is_nested_too_deep_to_be_read_is_refused_as_such() {
    for depth in [100, 119, 120, 127, 128, 129, 10_000] {
        for (begin, end) in [
            (r#"{"extra":"#, "}"),
            (r#"{"exception":{"mechanism":{"x":"#, "}}}"),
            (r#"{"contexts":{"os":{"x":"#, "}}}"),
            (r#"{"mine":"#, "}"),
        ] {
            let json = format!("{begin}{}{}{end}", "[".repeat(depth), "]".repeat(depth));
            match read::<Event>(json.as_bytes()) {
                Ok(_) => assert!(depth < 120, "{depth}"),
                Err(ReadError::Parse(_)) => assert!(depth > 100, "{depth}"),
                Err(error) => panic!("{begin} {depth}: {error:?}"),
            }
        }
    }
}

#[test]
fn numbers_in_a_fingerprint_that_are_no_whole_numbers_are_taken_out_as_well() {
    assert_eq!(
        checked(r#"{"fingerprint":["a",1e300,[1],null,1.5]}"#),
        json!({"fingerprint": ["a", "1"], "_meta": {"fingerprint": {"": {
            "err": [["invalid_data", {"value": [1e300, [1]]}]], "len": 4,
        }}}})
    );
}

#[test]
fn images_lack_what_they_need() {
    let json = r#"{"debug_meta":{"images":[{"type":"elf","code_file":"/x"},{"type":"proguard","uuid":"x"},{"type":"y"}]}}"#;
    let mut payload = Payload::parse(json.as_bytes()).expect("this is JSON");
    let root = payload.root();
    check(&mut payload, root, Event::INTERFACE);
    check_attributes(&mut payload, root, Event::INTERFACE);
    let found: Value = serde_json::from_str(&payload.to_json()).expect("what is written is JSON");
    let meta = &found["_meta"]["debug_meta"]["images"];
    assert_eq!(meta["0"], json!({"debug_id": {"": {"err": ["missing_attribute"]}}}));
    assert_eq!(meta["1"]["uuid"][""]["val"], "x");
    assert_eq!(meta.get("2"), None);
}

#[test]
fn units_in_any_case_are_what_they_become() {
    for unit in
        ["MS", "Ns", "S", "SECOND", "Frames", "us", "", "None", "a-b", "sixteen_chars_xx", "é"]
    {
        let json = json!({"measurements": {"a": {"value": 1.0, "unit": unit}}}).to_string();
        let once = checked_text(&json);
        assert_eq!(checked_text(&once), once, "{unit}");
    }
    assert_eq!(
        checked(r#"{"measurements":{"a":{"value":1,"unit":"MS"}}}"#)["measurements"]["a"]["unit"],
        "millisecond"
    );
}

#[test]
fn ids_in_contexts_are_compared_as_ids() {
    let event = br#"{"contexts":{"profile":{"profile_id":"67e5504410b1426f9247bb680e5fe0c8"},
        "device":{"uuid":"67e55044-10b1-426f-9247-bb680e5fe0c8"}}}"#;
    let event = Payload::parse(event).expect("this is JSON");
    for name in ["event.contexts.profile.profile_id", "event.contexts.device.uuid"] {
        for spelling in ["67e5504410b1426f9247bb680e5fe0c8", "67E55044-10B1-426F-9247-BB680E5FE0C8"]
        {
            let condition = json!({"op": "eq", "name": name, "value": spelling});
            let condition = Condition::try_from(condition).expect("this is a condition");
            assert!(condition.matches(&EventSubject::new(event.node(event.root()))), "{name}");
        }
    }
}

#[test]
fn data_of_a_trace_is_as_personal_as_that_of_a_span() {
    use relay_protocol::schema::{Pii, Span, TraceContext};
    let data = TraceContext::INTERFACE.of_key("data");
    assert_eq!(data.pii, Pii::Maybe);
    assert!(matches!(data.shape, Shape::Conventional));
    assert!(matches!(Span::INTERFACE.of_key("data").shape, Shape::Conventional));
}
