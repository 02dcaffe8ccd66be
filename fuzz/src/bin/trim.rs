//! Trimming: every text and stack of an event is within its limits, whatever it was.
#![no_main]

use relay_protocol::payload::{NodeRef, Payload};
use relay_protocol::schema::{Attributes, Described, Event, Shape, check, trim};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&repeat, data)) = data.split_first() else { return };
    // Short inputs have to become large ones to meet a limit.
    let text = String::from_utf8_lossy(data).replace('~', &"xé".repeat(usize::from(repeat) * 16));
    let Ok(mut payload) = Payload::parse(text.as_bytes()) else { return };
    let root = payload.root();
    check(&mut payload, root, Event::INTERFACE);
    trim(&mut payload, root, Event::INTERFACE);
    let written = payload.to_json();
    let payload = Payload::parse(written.as_bytes()).expect("what is written is JSON");
    within(payload.node(payload.root()), &Attributes::of(Shape::Object(Event::INTERFACE)));
});

fn within(node: NodeRef<'_>, attributes: &Attributes) {
    if !attributes.trim {
        return;
    }
    if let (Some(text), Some(max)) = (node.as_str(), attributes.max_chars) {
        assert!(text.chars().count() <= (max + attributes.allowance) as usize);
    }
    for child in node.children() {
        within(child, attributes.below(child));
    }
}
