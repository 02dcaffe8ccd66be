//! Levels, statuses, types, platforms and ids.

use proptest::prelude::*;
use relay_protocol::{EventId, EventType, Level, Platform, SpanId, SpanStatus, TraceId};
use uuid::Uuid;

#[test]
fn every_word_reads_back() {
    for &level in Level::ALL {
        assert_eq!(level.as_str().parse(), Ok(level));
    }
    for &status in SpanStatus::ALL {
        assert_eq!(status.as_str().parse(), Ok(status));
        assert_eq!(SpanStatus::from_number(status.number().into()), Some(status));
    }
    for &ty in EventType::ALL {
        assert_eq!(ty.as_str().parse(), Ok(ty));
    }
    for &platform in Platform::ALL {
        assert_eq!(platform.as_str().parse(), Ok(platform));
    }
}

#[test]
fn levels_are_read_from_old_names_and_numbers() {
    let read = serde_json::from_str::<Level>;
    assert_eq!(read("\"log\"").ok(), Some(Level::Info));
    assert_eq!(read("\"critical\"").ok(), Some(Level::Fatal));
    assert_eq!(read("40").ok(), Some(Level::Error));
    for wrong in ["\"warn\"", "\"ERROR\"", "\"40\"", "0", "25", "null", "[]", "-10"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn statuses_are_read_from_aliases_and_numbers() {
    let read = serde_json::from_str::<SpanStatus>;
    assert_eq!(read("\"success\"").ok(), Some(SpanStatus::Ok));
    assert_eq!(read("\"failure\"").ok(), Some(SpanStatus::InternalError));
    assert_eq!(read("16").ok(), Some(SpanStatus::Unauthenticated));
    for wrong in ["\"canceled\"", "\"OK\"", "\"5\"", "17"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn span_ids_have_sixteen_digits() {
    for wrong in [
        "",
        "fa90fdead5f7405",
        "fa90fdead5f740533",
        "+a90fdead5f74053",
        "0000000000000000",
        "gggggggggggggggg",
    ] {
        assert!(wrong.parse::<SpanId>().is_err(), "{wrong}");
    }
    let event: EventId = "0000000000000000fa90fdead5f74053".parse().unwrap();
    assert_eq!(SpanId::of_event(event).unwrap().to_string(), "fa90fdead5f74053");
    let event: EventId = "67e5504410b1426f9247bb680e5fe0c8".parse().unwrap();
    assert_eq!(SpanId::of_event(event).unwrap().to_string(), "67e5504410b1426f");
    assert_eq!(SpanId::of_event(Uuid::nil().into()), None);
}

proptest! {
    #[test]
    fn ids_read_back(bits in any::<u128>()) {
        let trace = TraceId::from(Uuid::from_u128(bits));
        prop_assert_eq!(trace.to_string().to_uppercase().parse(), Ok(trace));
        if let Some(span) = SpanId::of_event(Uuid::from_u128(bits).into()) {
            prop_assert_eq!(span.to_string().parse(), Ok(span));
            prop_assert_eq!(serde_json::to_string(&span).unwrap(), format!("\"{span}\""));
        }
    }
}
