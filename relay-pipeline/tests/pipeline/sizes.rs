//! Sizes and counts of items, `spec/ingest.md` 7.2.

use relay_envelope::{AttachmentType, Envelope, Item, ItemType};
use relay_pipeline::{ItemLimits, check_sizes};

fn envelope(items: impl IntoIterator<Item = Item>) -> Envelope {
    Envelope::from_parts(Default::default(), items.into_iter().collect())
}

fn of(ty: ItemType, bytes: usize) -> Item {
    Item::new(ty, vec![b'x'; bytes])
}

#[track_caller]
fn assert_refused(items: impl IntoIterator<Item = Item>, kind: &str) {
    let refused = check_sizes(&envelope(items), &ItemLimits::default()).expect_err("over a limit");
    assert_eq!(refused.kind.name(), kind);
}

#[track_caller]
fn assert_accepted(items: impl IntoIterator<Item = Item>) {
    check_sizes(&envelope(items), &ItemLimits::default()).expect("within all limits");
}

#[test]
fn an_item_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
    assert_accepted([of(ItemType::Event, 1024 * 1024)]);
    assert_refused([of(ItemType::Event, 1024 * 1024 + 1)], "event");
    assert_refused([of(ItemType::CheckIn, 100 * 1024 + 1)], "check_in");
}

#[test]
fn ing_060_event_like_items_share_a_budget_of_one() {
    assert_refused([of(ItemType::Event, 2), of(ItemType::Event, 2)], "event");
    assert_refused([of(ItemType::Event, 2), of(ItemType::ReplayEvent, 2)], "replay_event");
    assert_refused([of(ItemType::Event, 2), of(ItemType::FormData, 2)], "form_data");
}

#[test]
fn ing_061_the_count_of_a_group_is_bounded() {
    assert_accepted((0..30).map(|_| of(ItemType::Attachment, 1)));
    assert_refused((0..31).map(|_| of(ItemType::Attachment, 1)), "attachment:attachment");
    assert_refused((0..26).map(|_| of(ItemType::Span, 2)), "span");
    assert_refused((0..101).map(|_| of(ItemType::Session, 2)), "session");
}

#[test]
fn ing_150_an_attachment_type_on_another_item_names_the_limit() {
    let mut second = of(ItemType::Event, 2);
    second.set_attachment_type(&AttachmentType::ViewHierarchy);
    assert_refused([of(ItemType::Event, 2), second], "attachment:view_hierarchy");
}

#[test]
fn a_container_is_measured_by_its_average_element() {
    let logs = |count| {
        let mut item = of(ItemType::Log, 3 * 1024 * 1024);
        item.set_item_count(count);
        item
    };
    assert_refused([logs(1)], "log");
    assert_refused([logs(0)], "log");
    assert_accepted([logs(2)]);
    assert_refused([logs(2), logs(2)], "log");
}

#[test]
fn items_and_attachments_of_unknown_type_are_not_limited_here() {
    let mut unknown = of(ItemType::Attachment, 1);
    unknown.set_attachment_type(&AttachmentType::from("future"));
    assert_accepted((0..100).map(|_| unknown.clone()));
    assert_accepted((0..100).map(|_| of(ItemType::Other("future_thing".into()), 1)));
}
