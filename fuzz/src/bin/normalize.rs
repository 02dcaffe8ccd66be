//! Any event is normalised or refused, and what is normalised is JSON that can be normalised again.
#![no_main]

use relay_pipeline::normalize::{Ingress, Lookups, Settings, normalize};
use relay_protocol::EventId;
use relay_protocol::payload::Payload;
use relay_protocol::schema::{Described, Event, check};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(once) = normalized(data) else { return };
    // Trimming and the check may take more than one round with what no SDK sends; whatever they do, it stays an
    // event.
    assert!(normalized(once.as_bytes()).is_some());
});

fn normalized(data: &[u8]) -> Option<String> {
    let received = "2023-11-14T22:13:20Z".parse().expect("this is a time");
    let id = "4c79f60c11214eb38604f4ae0781bfb2".parse::<EventId>().expect("this is an id");
    let mut ingress = Ingress::new(received, id);
    ingress.client_ip = Some([192, 0, 2, 1].into());
    ingress.sent_at = "2023-11-14T20:13:20Z".parse().ok();
    let mut settings = Settings::default();
    settings.exclusive_times = true;

    let mut event = Payload::parse(data).ok()?;
    let root = event.root();
    check(&mut event, root, Event::INTERFACE);
    normalize(&mut event, &ingress, &settings, &Lookups::default()).ok()?;
    Some(event.to_json())
}
