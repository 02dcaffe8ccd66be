//! The grammar: what is an envelope, and where the fault is if it is none.

use bytes::Bytes;
use relay_envelope::{DecodeError, Envelope, ItemType, Limits, Position};

use crate::{causes, decode, faults};

#[test]
fn every_edge_of_the_grammar_that_is_accepted() {
    let cases: &[(&str, &[&str])] = &[
        ("{}", &[]),
        ("{}\n", &[]),
        (" \t\r\n\n{}\n", &[]),
        ("{\n \"sdk\": {}\n}\n", &[]),
        ("{}\n{\"type\":\"event\"}\n{\"a\":1}", &["{\"a\":1}"]),
        ("{}\n{\"type\":\"event\"}\n{\"a\":1}\n", &["{\"a\":1}"]),
        ("{}\n{\"type\":\"event\"}\n{\"a\":1}\r\n", &["{\"a\":1}\r"]),
        ("{}\n{\"type\":\"event\",\"length\":7}\n{\"a\":1}", &["{\"a\":1}"]),
        ("{}\n{\"type\":\"event\",\"length\":3}\n\n\r\n\n", &["\n\r\n"]),
        ("{}\n{\"type\":\"event\"}", &[""]),
        ("{}\n{\"type\":\"event\"}\n", &[""]),
        ("{}\n{\"type\":\"event\"}\n\n", &[""]),
        ("{}\n{\"type\":\"event\",\"length\":0}", &[""]),
        ("{}\n{\"type\":\"event\",\"length\":0}\n", &[""]),
        ("{}\n{\"type\":\"event\",\"length\":0}\n\n", &[""]),
        ("{}\n{\"type\":\"a\",\"length\":0}\n\n{\"type\":\"b\",\"length\":0}\n", &["", ""]),
        (
            "{}\n\n \n{\"type\":\"a\",\"length\":1}\na\n\t\r\n {\"type\":\"b\",\"length\":1}\nb",
            &["a", "b"],
        ),
        ("{}\n{\n\"type\"\n:\"a\"\n,\"length\":1\n}\na", &["a"]),
        ("{}\n{\"type\":\"a\",\"length\":9,\"length\":1}\na", &["a"]),
        ("{}\n{\"length\":1,\"x\":null,\"x\":[{}],\"type\":\"a\"}\na", &["a"]),
        ("{}\n{\"t\\u0079pe\":\"a\"}\na", &["a"]),
    ];
    for (text, payloads) in cases {
        let envelope =
            decode(text).unwrap_or_else(|error| panic!("{text:?}: {:?}", causes(&error)));
        let found: Vec<_> = envelope.items().iter().map(|item| &item.payload()[..]).collect();
        let expected: Vec<_> = payloads.iter().map(|payload| payload.as_bytes()).collect();
        assert_eq!(found, expected, "{text:?}");
    }
}

#[test]
fn every_edge_of_the_grammar_that_is_refused() {
    let cases: &[(&str, &[&str])] = &[
        ("", &["missing envelope header"]),
        (" \t\r\n", &["missing envelope header"]),
        ("{}\n\n", &["unexpected end of file"]),
        ("{}\n ", &["unexpected end of file"]),
        ("{}\n{\"type\":\"a\"}\na\n\n", &["unexpected end of file"]),
        ("{}\n{\"type\":\"a\",\"length\":2}\na", &["unexpected end of file"]),
        ("{}\n{\"type\":\"a\",\"length\":1}", &["unexpected end of file"]),
        ("{}\n{\"type\":\"a\",\"length\":18446744073709551615}\na", &["unexpected end of file"]),
        ("{} ", &["missing newline after header or payload"]),
        ("{}\r\n{\"type\":\"a\"}\r\na", &["missing newline after header or payload"]),
        ("{}{}", &["missing newline after header or payload"]),
        ("{}\n{\"type\":\"a\"} \na", &["missing newline after header or payload"]),
        ("{}\n{\"type\":\"a\",\"length\":1}\nab", &["missing newline after header or payload"]),
        ("\u{feff}{}", &["invalid envelope header", "expected value at line 1 column 1"]),
        (
            "[]",
            &[
                "invalid envelope header",
                "invalid type: sequence, expected an envelope header at line 1 column 0",
            ],
        ),
        ("{", &["invalid envelope header", "EOF while parsing an object at line 1 column 1"]),
        ("{\"a\":1,\"a\"}", &["invalid envelope header", "expected `:` at line 1 column 11"]),
        (
            "{}\n{\"length\":1}\na",
            &["invalid item header", "missing field `type` at line 1 column 12"],
        ),
        (
            "{}\n{\"type\":\"a\",\"type\":\"a\"}\na",
            &["invalid item header", "duplicate field `type` at line 1 column 18"],
        ),
        (
            "{}\n{\"type\":1}\na",
            &[
                "invalid item header",
                "invalid type: integer `1`, expected a string at line 1 column 9",
            ],
        ),
        (
            "{}\n\"type\"\na",
            &[
                "invalid item header",
                "invalid type: string \"type\", expected an item header at line 1 column 6",
            ],
        ),
        (
            "{}\n{\"type\":\"a\",}\na",
            &["invalid item header", "trailing comma at line 1 column 13"],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(faults(text), *expected, "{text:?}");
    }
}

#[test]
fn a_length_that_is_none_is_told_without_a_position() {
    let cases = [
        ("null", "invalid type: null, expected usize"),
        ("\"13\"", "invalid type: string \"13\", expected usize"),
        ("-1", "invalid value: integer `-1`, expected usize"),
        ("1.0", "invalid type: floating point `1.0`, expected usize"),
        (
            "18446744073709551616",
            "invalid type: floating point `18446744073709552000.0`, expected usize",
        ),
        ("true", "invalid type: boolean `true`, expected usize"),
        ("[1]", "invalid type: sequence, expected usize"),
        ("{}", "invalid type: map, expected usize"),
    ];
    for (length, text) in cases {
        let envelope =
            format!("{{}}\n{{\"type\":\"event\",\"length\":{length}}}\n{{\"message\":\"x\"}}\n");
        assert_eq!(faults(&envelope), ["invalid item header", text], "ING-050");
    }
}

#[test]
fn a_payload_with_a_length_may_hold_any_bytes() {
    let payload: Vec<u8> = (0..=255).collect();
    let mut text = b"{}\n{\"type\":\"attachment\",\"length\":256}\n".to_vec();
    text.extend_from_slice(&payload);
    let envelope = decode(&text).unwrap();
    assert_eq!(envelope.items()[0].payload(), &payload);
}

#[test]
fn payloads_are_slices_of_the_input() {
    let bytes = Bytes::from(b"{}\n{\"type\":\"attachment\",\"length\":3}\nabc\n".to_vec());
    let envelope = Envelope::decode(bytes.clone(), &Limits::default()).unwrap();
    let payload = envelope.items()[0].payload();
    assert_eq!(payload.as_ptr(), bytes[bytes.len() - 4..].as_ptr());
}

#[test]
fn an_error_names_the_item_and_the_offset_of_its_header() {
    let position = |text: &str| decode(text).unwrap_err().position();
    assert_eq!(position(""), None);
    assert_eq!(position("{\"version\":null}"), None);
    assert_eq!(position("{}x"), Some(Position { item: None, offset: 0 }));
    assert_eq!(position("\n{}x"), Some(Position { item: None, offset: 1 }));
    assert_eq!(position("{}\n{}"), Some(Position { item: Some(0), offset: 3 }));
    assert_eq!(
        position("{}\n{\"type\":\"a\"}\na\n\n{\"type\":\"b\",\"length\":9}\nb"),
        Some(Position { item: Some(1), offset: 19 })
    );
    assert_eq!(
        position("{}\n{\"type\":\"a\"}\na\n "),
        Some(Position { item: Some(1), offset: 19 })
    );
}

#[test]
fn headers_nested_as_deep_as_json_goes_are_refused_and_do_not_overflow() {
    let values = [128, 100_000].map(|depth| {
        ["[".repeat(depth) + &"]".repeat(depth), "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth)]
    });
    for value in values.as_flattened() {
        let limits = Limits { max_header_size: usize::MAX, ..Limits::default() };
        for text in [
            format!("{{\"a\":{value}}}"),
            format!("{{}}\n{{\"type\":\"a\",\"x\":{value}}}"),
            format!("{{}}\n{{\"type\":\"a\",\"length\":{value}}}"),
            format!("{{\"client\":{value}}}"),
        ] {
            let error = Envelope::decode(text.into(), &limits).unwrap_err();
            assert!(
                causes(&error)[1].starts_with("recursion limit exceeded"),
                "{:?}",
                causes(&error)
            );
        }
        // The one value that is tolerated whatever it is.
        let text = format!("{{\"trace\":{{\"x\":{value}}}}}");
        Envelope::decode(text.into(), &limits).unwrap();
    }
}

#[test]
fn headers_that_are_not_utf_8_are_refused() {
    for text in [
        &b"{\"a\":\"\xff\"}"[..],
        b"{\"\xff\":1}",
        b"{\"trace\":\"\xff\"}",
        b"{}\n{\"type\":\"\xff\"}\n",
        b"{}\n{\"type\":\"a\",\"filename\":\"\xff\"}\n",
        b"{}\n{\"type\":\"a\",\"x\":[{\"\xff\":1}]}\n",
    ] {
        assert_eq!(faults(text).len(), 2);
    }
}

#[test]
fn what_is_at_a_limit_passes_and_what_is_over_it_does_not() {
    let limits = Limits { max_items: 2, max_header_size: 14, max_size: 47 };
    let decode =
        |text: &'static str| Envelope::decode(Bytes::from_static(text.as_bytes()), &limits);

    let two = "{\"client\":\"a\"}\n{\"type\":\"abc\"}\n1\n{\"type\":\"b\"}\n2\n";
    assert_eq!(two.len(), 47);
    assert_eq!(decode(two).unwrap().items().len(), 2);

    let error =
        decode("{}\n{\"type\":\"\"}\n\n{\"type\":\"\"}\n\n{\"type\":\"\"}\n\n").unwrap_err();
    assert!(matches!(error, DecodeError::TooManyItems { at } if at.item == Some(2)));

    for text in ["{\"client\":\"ab\"}\n", "{}\n{\"type\":\"abcd\"}\n1\n"] {
        let error = decode(text).unwrap_err();
        assert!(matches!(error, DecodeError::HeaderTooLarge { limit: 14, .. }), "{error:?}");
    }

    let error =
        decode("{\"client\":\"a\"}\n{\"type\":\"abc\"}\n1\n{\"type\":\"b\"}\n23\n").unwrap_err();
    assert!(matches!(error, DecodeError::TooLarge { limit: 47 }));
}

#[test]
fn ing_054_five_hundred_items_pass_and_one_more_does_not() {
    let items = |count| "{}\n".to_owned() + &"{\"type\":\"x\",\"length\":0}\n\n".repeat(count);
    assert_eq!(decode(items(500)).unwrap().items().len(), 500);
    assert_eq!(faults(items(501)), ["too many individual items"]);
}

#[test]
fn ing_055_an_item_without_type_fails_the_valid_one_beside_it() {
    let text = "{}\n{\"type\":\"event\"}\n{\"message\":\"x\"}\n{\"length\":1}\na\n";
    assert_eq!(faults(text), ["invalid item header", "missing field `type` at line 1 column 12"]);
}

#[test]
fn ing_063_internal_items_decode_and_can_be_told_apart() {
    let envelope = decode("{}\n{\"type\":\"integration\",\"length\":2}\n{}\n").unwrap();
    assert_eq!(*envelope.items()[0].ty(), ItemType::Integration);
}
