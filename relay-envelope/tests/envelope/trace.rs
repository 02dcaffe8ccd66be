//! The dynamic sampling context in the envelope header.

use relay_envelope::{SamplingContext, Trace};

use crate::{KEY, decode_header, rewritten};

const TRACE_ID: &str = "771a43a4192642f0b136d5159a501700";

fn context(members: &str) -> Option<SamplingContext> {
    let header =
        format!(r#"{{"trace":{{"trace_id":"{TRACE_ID}","public_key":"{KEY}"{members}}}}}"#);
    decode_header(&header).header().trace.as_ref().and_then(Trace::context).cloned()
}

#[test]
fn a_context_is_written_in_one_form() {
    let header = format!(
        r#"{{"trace":{{"sample_rand":"0.5","user":{{"id":"u","segment":""}},"replay_id":"9EC79C33EC9942AB8353589FCB2E04DC","sampled":"true","sample_rate":1,"segment_name":"GET /","public_key":"{KEY}","trace_id":"{TRACE_ID}","a":null}}}}"#
    );
    assert_eq!(
        rewritten(&header),
        format!(
            r#"{{"trace":{{"trace_id":"{TRACE_ID}","public_key":"{KEY}","release":null,"environment":null,"transaction":"GET /","sample_rate":"1.0","sampled":true,"replay_id":"9ec79c33-ec99-42ab-8353-589fcb2e04dc","user_id":"u","a":null,"sample_rand":"0.5"}}}}"#
        )
    );
}

#[test]
fn sample_rates_may_be_numbers_or_numeric_strings_from_zero() {
    for (value, rate) in
        [("0.25", 0.25), ("0", 0.0), ("\"0.25\"", 0.25), ("\"1\"", 1.0), ("7", 7.0)]
    {
        assert_eq!(context(&format!(r#","sample_rate":{value}"#)).unwrap().sample_rate, Some(rate));
    }
    assert_eq!(context(r#","sample_rate":null"#).unwrap().sample_rate, None);
    for value in ["-0.1", "\"-1\"", "\"\"", "\"x\"", "\"NaN\"", "\"inf\"", "true", "[]", "{}", "-1"]
    {
        assert_eq!(context(&format!(r#","sample_rate":{value}"#)), None, "{value}");
    }
}

#[test]
fn sampled_may_be_a_boolean_or_one_in_quotes() {
    for (value, sampled) in [
        ("true", Some(true)),
        ("false", Some(false)),
        ("\"true\"", Some(true)),
        ("\"false\"", Some(false)),
        ("\"maybe\"", None),
        ("null", None),
    ] {
        assert_eq!(context(&format!(r#","sampled":{value}"#)).unwrap().sampled, sampled);
    }
    assert_eq!(context(r#","sampled":1"#), None);
}

#[test]
fn the_user_may_be_nested_and_what_is_flat_wins() {
    let user = |members| {
        let context = context(members).unwrap();
        (context.user_id, context.user_segment)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(user(r#","user":{"id":"a","segment":"b","x":1}"#), (some("a"), some("b")));
    assert_eq!(user(r#","user":{"id":"a"},"user_segment":"b""#), (None, some("b")));
    assert_eq!(user(r#","user_id":"","user":null"#), (None, None));
}

#[test]
fn a_context_that_cannot_be_used_is_invalid_and_does_not_fail_the_envelope() {
    for trace in [
        "{}".to_owned(),
        "5".to_owned(),
        "[]".to_owned(),
        "\"x\"".to_owned(),
        format!(r#"{{"trace_id":"{TRACE_ID}"}}"#),
        format!(r#"{{"trace_id":"x","public_key":"{KEY}"}}"#),
        format!(r#"{{"trace_id":null,"public_key":"{KEY}"}}"#),
        format!(r#"{{"trace_id":"{TRACE_ID}","public_key":"x"}}"#),
        format!(r#"{{"trace_id":"{TRACE_ID}","public_key":"{KEY}","replay_id":"x"}}"#),
        format!(r#"{{"trace_id":"{TRACE_ID}","public_key":"{KEY}","release":1}}"#),
    ] {
        let header = format!(r#"{{"trace":{trace}}}"#);
        assert_eq!(decode_header(&header).header().trace, Some(Trace::Invalid), "{trace}");
        assert_eq!(rewritten(&header), r#"{"trace":null}"#);
    }
}

#[test]
fn a_rate_that_is_none_is_not_written() {
    let mut context = context("").unwrap();
    for rate in [f64::NAN, f64::INFINITY, -1.0] {
        context.sample_rate = Some(rate);
        let mut envelope = relay_envelope::Envelope::new();
        envelope.header_mut().trace = Some(context.clone().into());
        let text = String::from_utf8(envelope.encode().to_vec()).unwrap();
        assert!(!text.contains("sample_rate"), "{text}");
    }
}
