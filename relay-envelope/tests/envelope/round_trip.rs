//! Properties: nothing is lost, nothing drifts, nothing panics.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use relay_envelope::{
    AttachmentType, ClientHints, Envelope, EnvelopeHeader, Item, ItemType, Limits, SamplingContext,
};
use serde_json::Value;
use uuid::Uuid;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9./-]{0,12}", "\\PC{0,6}", any::<String>()]
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn time() -> impl Strategy<Value = DateTime<Utc>> {
    (-62_167_219_200i64..253_402_300_800, 0u32..1_000_000_000).prop_map(|(seconds, nanos)| {
        DateTime::from_timestamp(seconds, nanos).expect("it is in range")
    })
}

prop_compose! {
    fn context()(
        trace_id in uuid(),
        key in "[0-9a-zA-Z]{32}",
        texts in (option::of(text()), option::of(text()), option::of(text())),
        sample_rate in option::of(prop_oneof![0.0..=1.0f64, 0.0..f64::MAX]),
        sampled in any::<Option<bool>>(),
        replay_id in option::of(uuid()),
        user in (option::of("[a-z]{1,5}"), option::of("\\PC{1,5}")),
        other in vec((text(), json()), 0..3),
    ) -> SamplingContext {
        let mut context = SamplingContext::new(trace_id, key.parse().expect("it is a key"));
        (context.release, context.environment, context.transaction) = texts;
        context.sample_rate = sample_rate;
        context.sampled = sampled;
        context.replay_id = replay_id;
        (context.user_id, context.user_segment) = user;
        for (key, value) in other {
            context.other.insert(&format!("x{key}"), value);
        }
        context
    }
}

prop_compose! {
    fn header()(
        event_id in option::of(uuid()),
        dsn in option::of("https?://[0-9a-f]{32}@[a-z]{1,8}\\.example(:[1-9][0-9]{3})?(/[a-z]{1,4})?/[1-9][0-9]{0,9}"),
        (client, user_agent) in (option::of(text()), option::of(text())),
        version in any::<Option<u16>>(),
        origin in option::of("https?://[a-z]{1,8}\\.example/[a-z]{0,4}"),
        remote_addr in any::<Option<std::net::IpAddr>>(),
        forwarded_for in option::of("[0-9., ]{1,20}"),
        hints in vec(option::of(text()), 4),
        no_cache in any::<bool>(),
        sent_at in option::of(time()),
        trace in option::of(context()),
        required_features in vec("(organizations|projects):[a-z-]{1,12}", 0..3),
        other in vec((text(), json()), 0..4),
    ) -> EnvelopeHeader {
        let mut hints = hints.into_iter();
        let mut hint = || hints.next().flatten();
        let mut header = EnvelopeHeader {
            event_id,
            dsn: dsn.map(|dsn| dsn.parse().expect("it is a DSN")),
            client,
            version,
            origin,
            remote_addr,
            forwarded_for,
            user_agent,
            client_hints: ClientHints {
                sec_ch_ua: hint(),
                sec_ch_ua_model: hint(),
                sec_ch_ua_platform: hint(),
                sec_ch_ua_platform_version: hint(),
            },
            no_cache,
            sent_at,
            trace: trace.map(Into::into),
            required_features,
            ..EnvelopeHeader::default()
        };
        for (key, value) in other.into_iter().filter(|(_, value)| !value.is_null()) {
            header.other.insert(&format!("x{key}"), value);
        }
        header
    }
}

prop_compose! {
    fn item()(
        ty in prop_oneof![
            text(),
            proptest::sample::select(vec!["event", "attachment", "profile_chunk_ui", "log"]).prop_map(str::to_owned),
        ],
        payload in vec(any::<u8>(), 0..40),
        content_type in option::of(text()),
        attachment_type in option::of(text()),
        item_count in any::<Option<u32>>(),
        other in vec((text(), json()), 0..4),
    ) -> Item {
        let mut item = Item::new(ItemType::from(&*ty), payload);
        if let Some(content_type) = content_type {
            item.set_content_type(&content_type);
        }
        if let Some(attachment_type) = attachment_type {
            item.set_attachment_type(&AttachmentType::from(&*attachment_type));
        }
        if let Some(item_count) = item_count {
            item.set_item_count(item_count);
        }
        for (key, value) in other {
            item.set_field(&key, value);
        }
        item
    }
}

fn envelope() -> impl Strategy<Value = Envelope> {
    (header(), vec(item(), 0..5)).prop_map(|(header, items)| Envelope::from_parts(header, items))
}

/// Text that is an envelope more often than not: the pieces of one in some order.
fn nearly_an_envelope() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(vec![
        "{}\n",
        "{}",
        "\n",
        " ",
        "\r",
        "{\"type\":\"event\"}\n",
        "{\"type\":\"a\",\"length\":2}\n",
        "ab\n",
        "ab",
        "{\"type\":\"a\",\n\"length\":0}",
        "{\"length\":null}",
        "{\"trace\":{}}\n",
        "[1,2]\n",
        "\"\n",
    ]);
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn an_envelope_survives_the_wire(envelope in envelope()) {
        let bytes = envelope.encode();
        let received = Envelope::decode(bytes.clone(), &Limits::default()).unwrap();
        prop_assert_eq!(&received, &envelope);
        prop_assert_eq!(received.encode(), bytes);
    }

    #[test]
    fn the_parts_are_the_whole(envelope in envelope()) {
        let parts = envelope.encode_parts();
        prop_assert_eq!(parts.iter().collect::<Vec<_>>().concat(), envelope.encode());
        prop_assert_eq!(parts.len(), envelope.encode().len());
    }

    #[test]
    fn a_cut_off_envelope_is_refused_or_a_prefix(envelope in envelope(), cut in any::<proptest::sample::Index>()) {
        let bytes = envelope.encode();
        let cut = bytes.slice(..cut.index(bytes.len()));
        if let Ok(received) = Envelope::decode(cut, &Limits::default()) {
            let items = received.items().iter().zip(envelope.items());
            prop_assert!(items.take(received.items().len().saturating_sub(1)).all(|(a, b)| a == b));
        }
    }

    #[test]
    fn any_field_reads_back_as_it_was_set(key in text(), value in json()) {
        let mut item = Item::new(ItemType::Event, "");
        item.set_field(&key, value.clone());
        let received = Envelope::decode(
            Envelope::from_parts(EnvelopeHeader::default(), vec![item]).encode(),
            &Limits::default(),
        )
        .unwrap();
        prop_assume!(key != "type" && key != "length");
        prop_assert_eq!(received.items()[0].field(&key), Some(&*value.to_string()));
    }

    #[test]
    fn what_decodes_keeps_its_payloads_and_encodes_to_what_no_longer_changes(text in nearly_an_envelope()) {
        if let Ok(envelope) = Envelope::decode(Bytes::from(text), &Limits::default()) {
            let first = envelope.encode();
            let again = Envelope::decode(first, &Limits::default()).unwrap();
            prop_assert_eq!(again.items(), envelope.items());
            let second = again.encode();
            prop_assert_eq!(Envelope::decode(second.clone(), &Limits::default()).unwrap().encode(), second);
        }
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Envelope::decode(Bytes::from(bytes), &Limits::default());
    }
}
