use proptest::prelude::*;
use relay_protocol::EventId;
use serde::Deserialize;
use uuid::Uuid;

const SIMPLE: &str = "9ec79c33ec9942ab8353589fcb2e04dc";

#[derive(Debug, Deserialize)]
struct Event {
    #[allow(dead_code)]
    event_id: EventId,
}

fn error_of(json: &str) -> String {
    serde_json::from_str::<Event>(json).expect_err(json).to_string()
}

#[test]
fn every_spelling_names_the_same_event() {
    for spelling in [
        SIMPLE,
        "9EC79C33EC9942AB8353589FCB2E04DC",
        "9ec79c33-ec99-42ab-8353-589fcb2e04dc",
        "9Ec79c33-EC99-42ab-8353-589fcb2e04dc",
        "{9ec79c33-ec99-42ab-8353-589fcb2e04dc}",
        "urn:uuid:9ec79c33-ec99-42ab-8353-589fcb2e04dc",
    ] {
        let id: EventId = spelling.parse().expect(spelling);
        assert_eq!(id.to_string(), SIMPLE);
    }
}

#[test]
fn nil_and_any_version_are_accepted() {
    for spelling in ["00000000000000000000000000000000", "ffffffffffffffffffffffffffffffff"] {
        assert_eq!(spelling.parse::<EventId>().unwrap().to_string(), spelling);
    }
}

#[test]
fn text_that_is_no_id_is_refused_and_not_repeated() {
    for text in
        ["", "zz", " 9ec79c33ec9942ab8353589fcb2e04dc", "9ec79c33ec9942ab8353589fcb2e04d", "ö"]
    {
        let error = text.parse::<EventId>().unwrap_err();
        assert_eq!(error.to_string(), "not an event identifier");
    }
}

#[test]
fn json_errors_read_as_in_the_answer_of_the_store_endpoint() {
    assert_eq!(
        error_of(r#"{"event_id":"zz"}"#),
        r#"invalid value: string "zz", expected an event identifier at line 1 column 16"#,
    );
    assert_eq!(
        error_of(r#"{"event_id":1}"#),
        "invalid type: integer `1`, expected an event identifier at line 1 column 13",
    );
}

#[test]
fn a_text_longer_than_any_id_is_not_repeated_in_the_error() {
    let text = "x".repeat(1000);
    let error = error_of(&format!(r#"{{"event_id":"{text}"}}"#));
    assert!(error.starts_with("invalid length 1000, expected an event identifier"), "{error}");
}

#[test]
fn random_ids_differ() {
    assert_ne!(EventId::random(), EventId::random());
}

proptest! {
    #[test]
    fn an_id_survives_text_and_json(bytes: u128) {
        let id = EventId::from(Uuid::from_u128(bytes));
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        prop_assert_eq!(id.hyphenated().to_string().parse(), Ok(id));
        let json = serde_json::to_string(&id).unwrap();
        prop_assert_eq!(&json, &format!("\"{bytes:032x}\""));
        prop_assert_eq!(serde_json::from_str::<EventId>(&json).unwrap(), id);
        prop_assert_eq!(Uuid::from(id).as_u128(), bytes);
    }

    #[test]
    fn no_text_makes_parsing_panic(text: String) {
        let _ = text.parse::<EventId>();
        let _ = serde_json::from_str::<EventId>(&text);
    }
}
