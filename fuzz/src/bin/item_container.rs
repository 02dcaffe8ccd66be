//! Any item of logs, spans or metrics is opened or refused; no element of it gets lost, and what is written is opened again.
//! The first byte says what it holds, the second how many elements its header promises.
#![no_main]

use std::time::Duration;

use relay_envelope::{Item, ItemType};
use relay_pipeline::{ContainerKind, ItemContainer, ItemLimits};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [which, count, body @ ..] = data else { return };
    let (ty, kind) = match which % 3 {
        0 => (ItemType::Log, ContainerKind::Logs),
        1 => (ItemType::Span, ContainerKind::Spans),
        _ => (ItemType::TraceMetric, ContainerKind::TraceMetrics),
    };
    let item = |body: Vec<u8>, count: usize| {
        let mut item = Item::new(ty.clone(), body);
        item.set_content_type(kind.content_type());
        item.set_item_count(u32::try_from(count).expect("not that many"));
        item
    };
    let first = item(body.to_vec(), usize::from(count % 4));
    let Ok(mut container) = ItemContainer::open(kind, &first) else { return };
    let received = "2023-11-14T22:13:20Z".parse().expect("this is a time");
    let sent = "2023-11-14T20:13:20Z".parse().ok().filter(|_| count & 4 != 0);
    let before = container.len();
    let mut discarded = container.measure(false, &ItemLimits::default()).len();
    discarded += container.correct_times(sent, received, Duration::from_secs(90 * 86_400)).len();
    container.normalize_attributes(received, Some([192, 0, 2, 1].into()));
    discarded += container.discard_invalid().len();
    assert_eq!(container.len() + discarded, before);

    let second = item(container.to_json().into_bytes(), container.len());
    let mut again = ItemContainer::open(kind, &second).expect("what is written can be opened");
    assert_eq!(again.measure(true, &ItemLimits::default()).len(), 0);
    assert_eq!(again.discard_invalid().len(), 0);
});
