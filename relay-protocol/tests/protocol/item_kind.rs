use relay_protocol::ItemKind;

fn name(item_type: &str, attachment_type: Option<&str>) -> Option<&'static str> {
    ItemKind::of(item_type, attachment_type).map(ItemKind::name)
}

#[test]
fn most_types_are_called_as_on_the_wire() {
    for item_type in [
        "event",
        "transaction",
        "security",
        "form_data",
        "raw_security",
        "unreal_report",
        "user_report",
        "session",
        "sessions",
        "metric_buckets",
        "client_report",
        "profile",
        "profile_chunk",
        "replay_event",
        "replay_recording",
        "replay_video",
        "check_in",
        "log",
        "trace_metric",
        "span",
        "integration",
    ] {
        assert_eq!(name(item_type, None), Some(item_type));
    }
}

#[test]
fn older_and_newer_names_of_one_kind_meet() {
    assert_eq!(name("feedback", None), Some("user_report_v2"));
    assert_eq!(name("profile_chunk_ui", None), Some("profile_chunk"));
}

#[test]
fn attachments_are_divided_by_their_type() {
    for (attachment_type, expected) in [
        (None, "attachment:attachment"),
        (Some("event.attachment"), "attachment:attachment"),
        (Some("event.nv_gpudmp"), "attachment:attachment"),
        (Some("event.nv_shader_debug"), "attachment:attachment"),
        (Some("event.minidump"), "attachment:minidump"),
        (Some("event.applecrashreport"), "attachment:apple_crash_report"),
        (Some("event.payload"), "attachment:event_payload"),
        (Some("event.breadcrumbs"), "attachment:breadcrumbs"),
        (Some("playstation.prosperodump"), "attachment:prosperodump"),
        (Some("nswitch.dying_message"), "attachment:nnswitch_dying_message"),
        (Some("unreal.context"), "attachment:unreal_context"),
        (Some("unreal.logs"), "attachment:unreal_logs"),
        (Some("event.view_hierarchy"), "attachment:view_hierarchy"),
    ] {
        assert_eq!(name("attachment", attachment_type), Some(expected));
    }
}

#[test]
fn an_attachment_type_selects_the_attachment_form_on_any_item() {
    assert_eq!(name("event", Some("event.minidump")), Some("attachment:minidump"));
}

#[test]
fn a_made_up_attachment_type_does_not_free_an_event_from_its_limit() {
    assert_eq!(name("event", Some("bogus")), Some("event"));
}

#[test]
fn unknown_items_are_of_no_kind() {
    assert_eq!(name("nel", None), None);
    assert_eq!(name("attachment", Some("bogus")), None);
}
