use proptest::prelude::*;
use relay_protocol::{CategoryUnit, DataCategories, DataCategory};

#[test]
fn names_and_numbers_are_those_of_the_protocol() {
    // Independent of the table in the crate: a slip there would otherwise test itself.
    let names = "default error transaction security attachment session profile replay \
        transaction_processed transaction_indexed monitor profile_indexed span monitor_seat feedback \
        metric_bucket span_indexed profile_duration profile_chunk metric_second replay_video uptime \
        attachment_item log_item log_byte profile_duration_ui profile_chunk_ui seer_autofix seer_scanner \
        prevent_user prevent_review size_analysis installable_build trace_metric seer_user \
        profile_backend profile_ui trace_metric_byte snapshot_image";
    let mut count = 0;
    for (id, name) in (0..).zip(names.split_whitespace()) {
        let category = DataCategory::from_name(name);
        assert_eq!((category.id(), category.name()), (id, name));
        assert_eq!(DataCategory::from_id(id), category);
        count += 1;
    }
    assert_eq!(DataCategory::ALL.len(), count + 1);
}

#[test]
fn a_name_or_number_that_is_not_known_is_unknown() {
    for name in ["", "bogus", "Error", " error", "unknown"] {
        assert_eq!(DataCategory::from_name(name), DataCategory::Unknown);
    }
    for id in [i8::MIN, -2, -1, 39, 63, i8::MAX] {
        assert_eq!(DataCategory::from_id(id), DataCategory::Unknown);
    }
}

#[test]
fn the_old_name_of_feedback_is_read_and_not_written() {
    assert_eq!("user_report_v2".parse(), Ok(DataCategory::Feedback));
    assert_eq!(DataCategory::Feedback.to_string(), "feedback");
}

#[test]
fn json_is_the_name_and_nothing_else() {
    for &category in DataCategory::ALL {
        let json = serde_json::to_string(&category).unwrap();
        assert_eq!(json, format!("\"{category}\""));
        assert_eq!(serde_json::from_str::<DataCategory>(&json).unwrap(), category);
    }
    assert!(serde_json::from_str::<DataCategory>("1").is_err());
    assert_eq!(serde_json::from_str::<DataCategory>("\"new\"").unwrap(), DataCategory::Unknown);
}

#[test]
fn bytes_and_milliseconds_are_told_from_pieces() {
    let with = |unit| -> Vec<_> {
        DataCategory::ALL
            .iter()
            .filter(|category| category.unit() == unit)
            .map(|c| c.name())
            .collect()
    };
    assert_eq!(with(CategoryUnit::Bytes), ["attachment", "log_byte", "trace_metric_byte"]);
    assert_eq!(with(CategoryUnit::Milliseconds), ["profile_duration", "profile_duration_ui"]);
}

#[test]
fn three_categories_are_errors() {
    let errors: DataCategories =
        DataCategory::ALL.iter().copied().filter(|c| c.is_error()).collect();
    assert_eq!(format!("{errors:?}"), "{Default, Error, Security}");
}

#[test]
fn sampled_categories_have_an_indexed_partner() {
    for &category in DataCategory::ALL {
        let partner = DataCategory::from_name(&format!("{category}_indexed"));
        assert_eq!(category.indexed().unwrap_or(DataCategory::Unknown), partner);
    }
}

proptest! {
    #[test]
    fn a_set_holds_what_was_put_in_ascending_and_unknown_last(
        picked in prop::collection::vec(prop::sample::select(DataCategory::ALL), 0..50),
        other in prop::sample::select(DataCategory::ALL),
    ) {
        let set: DataCategories = picked.iter().copied().collect();
        let expected: Vec<_> =
            DataCategory::ALL.iter().copied().filter(|category| picked.contains(category)).collect();
        prop_assert_eq!(set.iter().collect::<Vec<_>>(), expected.clone());
        prop_assert_eq!(set.len(), expected.len());
        prop_assert_eq!(set.iter().len(), expected.len());
        prop_assert_eq!(set.is_empty(), expected.is_empty());
        prop_assert_eq!(set.contains(other), picked.contains(&other));
        prop_assert_eq!(set.intersects(other.into()), picked.contains(&other));
        prop_assert!((set | other.into()).contains(other));
    }

    #[test]
    fn any_name_is_read(name: String) {
        let _ = DataCategory::from_name(&name);
    }
}
