//! Envelopes: whatever decodes is written so that it decodes to the same, and then does not change.
#![no_main]

use bytes::Bytes;
use relay_envelope::{Envelope, EnvelopeHeader, Item, Limits, Trace};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let limits = Limits::default();
    let _ = EnvelopeHeader::decode_sender(data, limits.max_header_size);
    let decoded = Envelope::decode(Bytes::copy_from_slice(data), &limits);

    // White space makes a header one for the slow reader; what it says stays the same.
    if let Some(start) = data.iter().position(|&byte| byte == b'{') {
        let spaced = [&data[..=start], b" ", &data[start + 1..]].concat();
        let spaced = Envelope::decode(spaced.into(), &limits);
        assert_eq!(decoded.is_ok(), spaced.is_ok());
        if let (Ok(decoded), Ok(spaced)) = (&decoded, &spaced) {
            assert_eq!(decoded, spaced);
        }
    }

    let Ok(envelope) = decoded else { return };
    let encoded = envelope.encode();
    let parts = envelope.encode_parts();
    assert_eq!(parts.iter().collect::<Vec<_>>().concat(), encoded);
    assert_eq!(parts.len(), encoded.len());

    let again = Envelope::decode(encoded.clone(), &limits).expect("what was written can be read");
    assert_eq!(as_written(again.header()), as_written(envelope.header()));
    assert_eq!(again.items(), envelope.items());
    if envelope.header().trace != Some(Trace::Invalid) {
        assert_eq!(again.encode(), encoded);
    }

    let (header, mut items) = envelope.into_parts();
    items.iter_mut().for_each(change);
    let changed = Envelope::from_parts(header, items);
    let again = Envelope::decode(changed.encode(), &limits).expect("so can what was changed");
    assert_eq!(again.items(), changed.items());
});

/// What is left of a header once it was written: a secret key and an unusable trace are not.
fn as_written(header: &EnvelopeHeader) -> (EnvelopeHeader, Option<String>) {
    let mut header = header.clone();
    let dsn = header.dsn.take().map(|dsn| dsn.to_forwarded().to_string());
    header.trace = header.trace.filter(|trace| *trace != Trace::Invalid);
    (header, dsn)
}

/// Reads all there is to read, and sets something.
fn change(item: &mut Item) {
    let _ = (item.content_type(), item.filename(), item.platform(), item.release());
    let _ = (item.attachment_type(), item.item_count(), item.span_count(), item.environment());
    let _ = (item.sampled(), item.fully_normalized(), item.meta_length(), item.has_span_id());
    let _ = (item.attachment_length(), item.creates_event());
    item.set_payload("a\nb");
    item.set_content_type("text/plain");
    assert_eq!(item.content_type().as_deref(), Some("text/plain"));
}
