//! The first line: what its keys mean, which values they may have, how it is written.

use relay_envelope::{ClientHints, EnvelopeHeader, Trace};

use crate::{EVENT_ID, KEY, causes, decode_header, faults, rewritten};

#[test]
fn all_known_keys_are_read() {
    let envelope = decode_header(&format!(
        r#"{{"event_id":"{EVENT_ID}","dsn":"https://{KEY}@o1.example.com/pre/42","client":"c/1",
        "version":6,"origin":"https://A.example:443","remote_addr":"2001:db8::1","forwarded_for":"192.0.2.1, 192.0.2.2",
        "user_agent":"ua","client_hints":{{"sec_ch_ua":"h","x":1}},"no_cache":true,
        "sent_at":"2020-01-02 03:04:05.5+02:00","trace":{{}},"required_features":["projects:a"],"sdk":{{"name":"s"}}}}"#
    ));
    let header = envelope.header();
    assert_eq!(header.event_id.unwrap().simple().to_string(), EVENT_ID);
    assert_eq!(header.dsn.as_ref().unwrap().project_id().value(), Some(42));
    assert_eq!(header.client.as_deref(), Some("c/1"));
    assert_eq!(header.version, Some(6));
    assert_eq!(header.origin.as_deref(), Some("https://a.example/"));
    assert_eq!(header.remote_addr.unwrap().to_string(), "2001:db8::1");
    assert_eq!(header.forwarded_for.as_deref(), Some("192.0.2.1, 192.0.2.2"));
    assert_eq!(header.user_agent.as_deref(), Some("ua"));
    let hints = ClientHints { sec_ch_ua: Some("h".to_owned()), ..ClientHints::default() };
    assert_eq!(header.client_hints, hints);
    assert!(header.no_cache);
    assert_eq!(header.sent_at.unwrap().timestamp_millis(), 1_577_927_045_500);
    assert_eq!(header.trace, Some(Trace::Invalid));
    assert_eq!(header.required_features, ["projects:a"]);
    assert_eq!(header.other.get("sdk"), Some(r#"{"name":"s"}"#));
}

#[test]
fn keys_are_written_in_one_order_and_the_unknown_ones_sorted_behind() {
    let header = format!(
        r#"{{"z":1,"required_features":["projects:a"],"trace":5,"sent_at":"2020-01-02T03:04:05Z","no_cache":true,"client_hints":{{"sec_ch_ua":"h"}},"user_agent":"ua","forwarded_for":"f","remote_addr":"192.0.2.1","origin":"https://a.example/","version":7,"client":"c","dsn":"https://{KEY}@host/42","event_id":"{EVENT_ID}","a":[1, 2]}}"#
    );
    assert_eq!(
        rewritten(&header),
        format!(
            r#"{{"event_id":"{EVENT_ID}","dsn":"https://{KEY}:@host/42","client":"c","version":7,"origin":"https://a.example/","remote_addr":"192.0.2.1","forwarded_for":"f","user_agent":"ua","client_hints":{{"sec_ch_ua":"h","sec_ch_ua_model":null,"sec_ch_ua_platform":null,"sec_ch_ua_platform_version":null}},"no_cache":true,"sent_at":"2020-01-02T03:04:05Z","trace":null,"required_features":["projects:a"],"a":[1, 2],"z":1}}"#
        )
    );
}

#[test]
fn what_is_empty_or_false_is_left_out() {
    let header =
        r#"{"client_hints":{},"no_cache":false,"forwarded_for":"","required_features":[]}"#;
    assert_eq!(rewritten(header), "{}");
    assert_eq!(rewritten(r#"{"client":"","user_agent":""}"#), r#"{"client":"","user_agent":""}"#);
}

#[test]
fn event_ids_are_read_in_all_their_forms_and_written_in_one() {
    for id in [
        "9ec79c33ec9942ab8353589fcb2e04dc",
        "9EC79C33EC9942AB8353589FCB2E04DC",
        "9ec79c33-ec99-42ab-8353-589fcb2e04dc",
        "{9ec79c33-ec99-42ab-8353-589fcb2e04dc}",
        "urn:uuid:9ec79c33-ec99-42ab-8353-589fcb2e04dc",
    ] {
        let header = format!(r#"{{"event_id":"{id}"}}"#);
        assert_eq!(rewritten(&header), format!(r#"{{"event_id":"{EVENT_ID}"}}"#));
    }
    let nil = r#"{"event_id":"00000000000000000000000000000000"}"#;
    assert_eq!(rewritten(nil), nil);
}

#[test]
fn ing_133_sent_at_keeps_the_precision_it_has_and_is_written_in_utc() {
    for (received, written) in [
        ("2020-01-02T03:04:05.5+02:00", "2020-01-02T01:04:05.500Z"),
        ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05Z"),
        ("2020-01-02t03:04:05z", "2020-01-02T03:04:05Z"),
        ("2020-01-02 03:04:05.123456Z", "2020-01-02T03:04:05.123456Z"),
        ("2020-01-02T03:04:05.1234567891Z", "2020-01-02T03:04:05.123456789Z"),
    ] {
        let header = format!(r#"{{"sent_at":"{received}"}}"#);
        assert_eq!(rewritten(&header), format!(r#"{{"sent_at":"{written}"}}"#));
    }
    for bad in ["2020-01-02T03:04:05", "2020-01-02", "", "9999-12-31T23:59:59-01:00", "now"] {
        let faults = faults(format!(r#"{{"sent_at":"{bad}"}}"#));
        assert_eq!(faults[0], "invalid envelope header", "{bad}");
        assert!(
            faults[1].ends_with(&format!(" at line 1 column {}", 13 + bad.len())),
            "{faults:?}"
        );
    }
}

#[test]
fn a_known_key_with_a_wrong_value_is_refused_and_the_fault_told() {
    let cases = [
        (
            r#"{"event_id":"zz"}"#,
            "invalid value: string, expected an event identifier at line 1 column 16",
        ),
        (r#"{"event_id":1}"#, "invalid type: integer `1`, expected a string at line 1 column 13"),
        (r#"{"dsn":"https://abc@host/42"}"#, "username is empty at line 1 column 29"),
        (r#"{"dsn":"https://host"}"#, "empty path at line 1 column 22"),
        (
            r#"{"dsn":42,"sdk":1}"#,
            "invalid type: integer `42`, expected a string at line 1 column 18",
        ),
        (r#"{"client":1}"#, "invalid type: integer `1`, expected a string at line 1 column 12"),
        (
            r#"{"version":65536}"#,
            "invalid value: integer `65536`, expected u16 at line 1 column 17",
        ),
        (r#"{"version":-1}"#, "invalid value: integer `-1`, expected u16 at line 1 column 14"),
        (r#"{"version":"7"}"#, "invalid type: string \"7\", expected u16 at line 1 column 15"),
        (r#"{"origin":"/a"}"#, "relative URL without a base at line 1 column 15"),
        (r#"{"remote_addr":"x"}"#, "invalid IP address syntax at line 1 column 19"),
        (r#"{"user_agent":[]}"#, "invalid type: sequence, expected a string at line 1 column 17"),
        (r#"{"no_cache":1}"#, "invalid type: integer `1`, expected a boolean at line 1 column 14"),
        (
            r#"{"client_hints":{"sec_ch_ua":1}}"#,
            "invalid type: integer `1`, expected a string at line 1 column 30",
        ),
        (
            r#"{"required_features":"a"}"#,
            "invalid type: string \"a\", expected a sequence at line 1 column 24",
        ),
        (
            r#"{"required_features":[1]}"#,
            "invalid type: integer `1`, expected a string at line 1 column 23",
        ),
        (r#"{"version":7,"version":7}"#, "duplicate field `version` at line 1 column 22"),
        (r#"{"event_id":null,"event_id":null}"#, "duplicate field `event_id` at line 1 column 27"),
    ];
    for (header, fault) in cases {
        assert_eq!(faults(header), ["invalid envelope header", fault], "{header}");
    }
}

#[test]
fn of_an_unknown_key_that_comes_twice_the_last_counts() {
    assert_eq!(rewritten(r#"{"a":1,"b":2,"a":3}"#), r#"{"a":3,"b":2}"#);
}

#[test]
fn an_unknown_value_keeps_its_text_but_for_line_breaks() {
    let header = "{\"a\": { \"b\" :\r\n 1.50e+1,\n\"c\":\"\\u00e9\\n\" } }";
    assert_eq!(rewritten(header), r#"{"a":{ "b" : 1.50e+1,"c":"\u00e9\n" }}"#);
}

#[test]
fn keys_and_values_are_escaped_when_written() {
    let header = r#"{"client":"a\"\\\n\u0001é","\"\n":1}"#;
    assert_eq!(rewritten(header), header);
}

#[test]
fn other_keys_never_write_what_has_a_field_of_its_own() {
    let mut header = EnvelopeHeader::default();
    header.other.insert("version", 1);
    header.other.insert("gone", serde_json::Value::Null);
    header.other.insert("kept", "x");
    let envelope = relay_envelope::Envelope::from_parts(header, Vec::new());
    assert_eq!(envelope.encode(), "{\"kept\":\"x\"}\n");
}

#[test]
fn debug_shows_no_values_of_unknown_keys() {
    let envelope = decode_header(r#"{"password":"hunter2"}"#);
    let debug = format!("{envelope:?}");
    assert!(debug.contains("password") && !debug.contains("hunter2"), "{debug}");
}

#[test]
fn ing_064_an_unusable_sent_at_or_trace() {
    assert_eq!(
        faults(r#"{"sent_at":123}"#),
        [
            "invalid envelope header",
            "invalid type: integer `123`, expected an RFC 3339 formatted date and time string at line 1 column 14"
        ]
    );
    assert_eq!(rewritten(r#"{"sent_at":null}"#), "{}");
    assert_eq!(rewritten(r#"{"trace":{"x":1}}"#), r#"{"trace":null}"#);
}

#[test]
fn ing_067_an_unknown_key_is_kept_verbatim() {
    assert_eq!(rewritten(r#"{"foo":{"a": 1}}"#), r#"{"foo":{"a": 1}}"#);
}

#[test]
fn ing_124_null_where_it_passes_and_where_it_does_not() {
    assert_eq!(
        faults(r#"{"a":null}"#),
        [
            "invalid envelope header",
            "invalid type: null, expected any valid JSON value at line 1 column 10"
        ]
    );
    assert_eq!(
        faults(r#"{"version":null}"#),
        ["invalid envelope header", "invalid type: null, expected u16 at line 1 column 16"]
    );
    assert_eq!(
        faults(r#"{"forwarded_for":null}"#),
        ["invalid envelope header", "invalid type: null, expected a string at line 1 column 22"]
    );
    let nested = r#"{"a":{"b":null},"c":[null]}"#;
    assert_eq!(rewritten(nested), nested);
    assert_eq!(
        rewritten(
            r#"{"event_id":null,"dsn":null,"client":null,"user_agent":null,"sent_at":null,"trace":null}"#
        ),
        "{}"
    );
}

#[test]
fn ing_132_a_feature_that_is_none_becomes_unknown() {
    assert_eq!(
        rewritten(r#"{"required_features":["nope","organizations:session-replay"]}"#),
        r#"{"required_features":["Unknown","organizations:session-replay"]}"#
    );
}

#[test]
fn ing_142_a_chain_in_the_header_is_written_as_it_came() {
    assert_eq!(rewritten(r#"{"forwarded_for":"9.9.9.9"}"#), r#"{"forwarded_for":"9.9.9.9"}"#);
}

#[test]
fn ing_147_client_hints_are_written_with_all_four_keys() {
    assert_eq!(
        rewritten(r#"{"client_hints":{"sec_ch_ua":"x"}}"#),
        r#"{"client_hints":{"sec_ch_ua":"x","sec_ch_ua_model":null,"sec_ch_ua_platform":null,"sec_ch_ua_platform_version":null}}"#
    );
}

mod sender {
    use super::*;

    fn fault(body: &str) -> String {
        let error =
            EnvelopeHeader::decode_sender(body.as_bytes(), 1024).expect_err("there is no sender");
        causes(&error).remove(0)
    }

    #[test]
    fn ing_041_the_sender_is_found_in_the_first_line() {
        let body = format!("{{\"dsn\":\"https://{KEY}@host/42\"}}\n{{\"type\":\"event\"}}\n{{}}");
        let dsn = EnvelopeHeader::decode_sender(body.as_bytes(), 1024).unwrap();
        assert_eq!(dsn.to_forwarded().to_string(), format!("https://{KEY}:@host/42"));
    }

    #[test]
    fn a_first_line_without_a_sender_is_refused() {
        assert_eq!(fault(""), "EOF while parsing a value at line 1 column 0");
        assert_eq!(fault("{}"), "missing field `dsn` at line 1 column 2");
        assert_eq!(fault("{}\n{\"dsn\":1}"), "missing field `dsn` at line 1 column 2");
        let body = format!("{{\"dsn\":\"https://{KEY}@host/42\"}} x");
        assert_eq!(fault(&body), "trailing characters at line 1 column 60");
        assert_eq!(fault(r#"{"dsn":"https://host/1"}"#), "username is empty at line 1 column 24");
        assert_eq!(
            fault(r#"{"dsn":"http://a@b/1","version":null}"#),
            "username is empty at line 1 column 37"
        );
    }

    #[test]
    fn ing_053_the_header_has_to_be_on_the_first_line() {
        let body = format!("{{\n \"dsn\": \"https://{KEY}@host/42\"\n}}\n");
        assert_eq!(fault(&body), "EOF while parsing an object at line 1 column 1");
    }

    #[test]
    fn keys_that_are_not_about_the_request_are_left_to_the_envelope() {
        let body = format!(r#"{{"sent_at":123,"a":null,"dsn":"https://{KEY}@host/42"}}"#);
        EnvelopeHeader::decode_sender(body.as_bytes(), 1024).unwrap();
    }

    #[test]
    fn a_first_line_beyond_the_limit_is_cut_off() {
        let body = format!(r#"{{"dsn":"https://{KEY}@host/42"}}"#);
        let error = EnvelopeHeader::decode_sender(body.as_bytes(), body.len() - 1).unwrap_err();
        assert!(error.is_eof());
        EnvelopeHeader::decode_sender(body.as_bytes(), body.len()).unwrap();
    }
}
