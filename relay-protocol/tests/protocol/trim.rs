use proptest::prelude::*;
use relay_protocol::payload::{Kind, NodeRef, Payload};
use relay_protocol::schema::{Attributes, Described, Event, Interface, Replay, Shape, check, trim};
use serde_json::{Value, json};

use crate::generate::{self, Random};

fn trimmed(json: &Value) -> Value {
    let json = json.to_string();
    let mut payload = Payload::parse(json.as_bytes()).expect("this is JSON");
    let root = payload.root();
    check(&mut payload, root, Event::INTERFACE);
    trim(&mut payload, root, Event::INTERFACE);
    serde_json::from_str(&payload.to_json()).expect("what is written is JSON")
}

fn remark(start: usize, end: usize, length: usize) -> Value {
    json!({"": {"rem": [["!limit", "s", start, end]], "len": length}})
}

#[test]
fn texts_keep_their_allowance_and_are_cut_to_the_limit_beyond_it() {
    let found = trimmed(&json!({"culprit": "x".repeat(200), "message": "x".repeat(8392)}));
    assert_eq!(found.get("_meta"), None);
    let found = trimmed(&json!({"culprit": "x".repeat(201), "message": "é".repeat(8393)}));
    assert_eq!(found["culprit"], "x".repeat(197) + "...");
    assert_eq!(found["logentry"]["formatted"], "é".repeat(8189) + "...");
    assert_eq!(found["_meta"]["culprit"], remark(197, 200, 201));
    assert_eq!(found["_meta"]["logentry"]["formatted"], remark(16378, 16381, 8393));
}

#[test]
fn halves_of_tags_are_cut_on_their_own() {
    let found = trimmed(&json!({"tags": {"k": "v".repeat(201)}}));
    assert_eq!(found["tags"], json!([["k", "v".repeat(197) + "..."]]));
    assert_eq!(found["_meta"]["tags"]["0"]["1"], remark(197, 200, 201));
}

#[test]
fn redactions_are_kept_whole_or_not_at_all() {
    let cut = |text: String, start: usize| {
        trimmed(&json!({
            "culprit": text,
            "_meta": {"culprit": {"": {"rem": [["@x", "s", start, start + 5], ["whole", "a"]]}}},
        }))
    };
    let found = cut("x".repeat(100) + "[abc]" + &"y".repeat(200), 100);
    assert_eq!(found["culprit"], "x".repeat(100) + "[abc]" + &"y".repeat(92) + "...");
    assert_eq!(
        found["_meta"]["culprit"][""],
        json!({"rem": [["whole", "a"], ["@x", "s", 100, 105], ["!limit", "s", 197, 200]], "len": 305}),
    );
    let found = cut("x".repeat(197) + "[abc]" + "y", 197);
    assert_eq!(found["culprit"], "x".repeat(197) + "...");
}

#[test]
fn what_lies_too_deep_becomes_text() {
    let found = trimmed(&json!({"extra": {"a":{"b":{"c":{"d":{"e":{"f":{"h":1,"g":{"h":1}}}}}}}}}));
    assert_eq!(found["extra"]["a"]["b"]["c"]["d"]["e"]["f"], "{\"g\":{\"h\":1},\"h\":1}");
    let found = trimmed(&json!({"breadcrumbs": [{"data": {"a":{"b":{"c":{"d":{"e":1}}}}}}]}));
    assert_eq!(
        found["breadcrumbs"]["values"][0]["data"],
        json!({"a":{"b":{"c":{"d":"{\"e\":1}"}}}})
    );
    let found = trimmed(&json!({"contexts": {"foo": {"a":{"b":{"c":{"d":{"e":{"f":{"g":1}}}}}}}}}));
    assert_eq!(found["contexts"]["foo"]["a"]["b"]["c"]["d"]["e"]["f"], "{\"g\":1}");
    assert_eq!(found.get("_meta"), None);
}

#[test]
fn a_full_bag_is_cut_off() {
    let found = trimmed(&json!({"extra": {"a": vec!["x".repeat(100); 200]}}));
    let list = found["extra"]["a"].as_array().unwrap();
    assert_eq!(list.len(), 160);
    assert_eq!(list[159], "xxxx...");
    assert_eq!(
        found["_meta"]["extra"]["a"],
        json!({"": {"len": 200}, "159": {"": {"rem": [["!limit", "s", 4, 7]], "len": 100}}}),
    );
}

#[test]
fn a_full_map_loses_what_comes_last_by_key() {
    let entries = (0..20).rev().map(|n| (format!("k{n:02}"), "x".repeat(500).into()));
    let found = trimmed(
        &json!({"extra": {"a": entries.collect::<serde_json::Map<_, Value>>()}, "request": {
            "env": (0..20).rev().map(|n| (format!("k{n:02}"), "x".repeat(500).into())).collect::<serde_json::Map<_, Value>>(),
        }}),
    );
    assert_eq!(found["extra"]["a"].as_object().unwrap().len(), 20);
    let env = found["request"]["env"].as_object().unwrap();
    // 16 x 503 = 8048 of 8192 bytes; 144 are left for the next.
    assert_eq!(env.len(), 17);
    assert_eq!(env["k16"], "x".repeat(141) + "...");
    assert_eq!(found["_meta"]["request"]["env"][""], json!({"len": 20}));
}

#[test]
fn a_full_context_keeps_its_type() {
    let long = "x".repeat(9000);
    let found = trimmed(
        &json!({"contexts": {"flags": {"type": "mine", "a": long, "values": [{"flag": "x".repeat(300)}]}}}),
    );
    let context = &found["contexts"]["flags"];
    assert_eq!(context["type"], "mine");
    assert!(context["a"].as_str().is_some_and(|text| text.len() < 8192));
    assert_eq!(context.get("values"), None);
    // A second time it is the same.
    assert_eq!(trimmed(&found), found);
}

#[test]
fn lists_of_pairs_keep_their_length() {
    let headers: Vec<_> = (0..100).map(|n| json!([format!("X-{n:03}"), "x".repeat(200)])).collect();
    let found = trimmed(&json!({"request": {"headers": headers}}));
    let headers = found["request"]["headers"].as_array().unwrap();
    assert_eq!(headers.len(), 100);
    // A pair takes 3 + 8 + 203 bytes: 38 of them leave 60 of 8192.
    assert_eq!(headers[37], json!(["X-037", "x".repeat(200)]));
    assert_eq!(headers[38][0], "X-038");
    assert_eq!(headers[39..], [const { Value::Null }; 61]);
}

#[test]
fn stacks_lose_frames_from_their_middle() {
    let frames: Vec<_> = (0..260).map(|n| json!({"function": format!("f{n}")})).collect();
    let found = trimmed(&json!({"exception": [{"type": "E", "stacktrace": {"frames": frames}}]}));
    let frames = found["exception"]["values"][0]["stacktrace"]["frames"].as_array().unwrap();
    let numbers: Vec<_> = frames.iter().map(|frame| frame["function"].as_str().unwrap()).collect();
    assert_eq!(numbers.len(), 250);
    assert_eq!((numbers[49], numbers[50], numbers[249]), ("f49", "f60", "f259"));
    assert_eq!(
        found["_meta"]["exception"]["values"]["0"]["stacktrace"]["frames"],
        json!({"": {"len": 260}}),
    );
}

#[test]
fn of_many_frames_those_in_the_middle_lose_variables_and_sources() {
    let frame = |n: usize, in_app: bool| json!({"function": format!("f{n}"), "vars": {"a": "b"}, "pre_context": ["x"], "context_line": "y", "in_app": in_app});
    let keeping = |in_app: fn(usize) -> bool| {
        let frames: Vec<_> = (0..80).map(|n| frame(n, in_app(n))).collect();
        let found = trimmed(&json!({"stacktrace": {"frames": frames}}));
        let frames = found["stacktrace"]["frames"].as_array().unwrap().clone();
        assert!(frames.iter().all(|frame| frame["context_line"] == "y"));
        assert!(
            frames
                .iter()
                .all(|frame| frame.get("vars").is_some() == frame.get("pre_context").is_some())
        );
        (0..80).filter(|&n| frames[n].get("vars").is_some()).collect::<Vec<_>>()
    };
    assert_eq!(keeping(|n| n < 10), (0..30).chain(60..80).collect::<Vec<_>>());
    assert_eq!(keeping(|_| true), (0..25).chain(55..80).collect::<Vec<_>>());
    // 60 of the application: none of the other 20 stay full but the newest, and 10 of the 60 lose theirs.
    let kept = keeping(|n| n < 60);
    assert_eq!(kept, (0..25).chain(35..60).chain(79..80).collect::<Vec<_>>());
}

#[test]
fn spans_are_cut_off_as_a_list_and_left_alone_inside() {
    let span =
        |n: usize| json!({"span_id": format!("{:016x}", n + 1), "description": "x".repeat(10_000)});
    let spans: Vec<_> = (0..100).map(span).collect();
    let found = trimmed(&json!({"type": "transaction", "spans": spans}));
    let spans = found["spans"].as_array().unwrap();
    assert!((81..83).contains(&spans.len()), "{}", spans.len());
    assert!(spans.iter().all(|span| span["description"].as_str().unwrap().len() == 10_000));
    assert_eq!(found["_meta"]["spans"], json!({"": {"len": 100}}));
}

/// What a value costs in a bag, with all below.
fn cost(node: NodeRef<'_>) -> usize {
    node.descendants()
        .map(|node| match node.kind() {
            Kind::Null => 1,
            Kind::Bool => 5 + usize::from(node.as_bool() == Some(false)),
            Kind::Number => node.number().map_or(0, str::len) + 1,
            Kind::String => node.as_str().map_or(0, str::len) + 3,
            Kind::Array | Kind::Object => 3,
        })
        .sum()
}

fn depth(node: NodeRef<'_>) -> u32 {
    node.children().map(|child| 1 + depth(child)).max().unwrap_or(0)
}

/// Looks at every limit of the schema, and whether what is there is within it.
fn assert_limits(node: NodeRef<'_>, attributes: &Attributes) {
    if !attributes.trim {
        return;
    }
    if let (Some(text), Some(max)) = (node.as_str(), attributes.max_chars) {
        assert!(text.chars().count() <= (max + attributes.allowance) as usize, "{node:?}");
    }
    if let Some(max) = attributes.max_bytes {
        // What was cut off last ends in dots for which there may have been no room; characters may have four bytes.
        // Of pairs, the emptied ones stay.
        let pairs = if let Shape::Pairs(..) = attributes.shape { node.len() * 10 } else { 0 };
        let slack = max as usize * 3 + 64 + pairs;
        assert!(cost(node) <= max as usize + slack, "{node:?} costs {}", cost(node));
        if node.descendants().all(|node| node.as_str().is_none_or(str::is_ascii)) {
            assert!(cost(node) <= max as usize + 64 + pairs, "{node:?} costs {}", cost(node));
        }
    }
    if let Some(max) = attributes.max_depth {
        assert!(depth(node) < max, "{node:?}");
    }
    if let Shape::Object(interface) = attributes.shape
        && interface.name == "rawstacktrace"
        && let Some(frames) = node.get("frames")
    {
        assert!(frames.len() <= 250);
    }
    for child in node.children() {
        assert_limits(child, attributes.below(child));
    }
}

fn limits_hold(seed: u64, interface: &'static Interface, size: generate::Size) {
    let mut random = Random::new(seed);
    let json = generate::object(interface, &mut random, size);
    let json = generate::text_of(&json, &mut random);
    let mut payload = Payload::parse(json.as_bytes()).expect("this is JSON");
    let root = payload.root();
    check(&mut payload, root, interface);
    trim(&mut payload, root, interface);
    let found = payload.to_json();
    let payload = Payload::parse(found.as_bytes()).expect("what is written is JSON");
    assert_limits(payload.node(payload.root()), &Attributes::of(Shape::Object(interface)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_payload_exceeds_a_limit_after_trimming(seed: u64) {
        limits_hold(seed, Event::INTERFACE, generate::SMALL);
        limits_hold(seed, Event::INTERFACE, generate::LARGE);
        limits_hold(seed, Replay::INTERFACE, generate::LARGE);
    }
}
