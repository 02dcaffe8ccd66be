use relay_protocol::schema::{
    AbnormalMechanism, BrowserReport, CheckIn, CheckInStatus, Csp, CspReport, MetricBucket,
    MetricValue, ProfileHeader, Schedule, SessionAggregates, SessionStatus, SessionUpdate,
    UserReport,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, from_value, json, to_value};

fn fails<T: DeserializeOwned>(payload: Value) -> bool {
    from_value::<T>(payload).is_err()
}

#[test]
fn a_session_needs_a_beginning_and_a_release_and_has_defaults_for_the_rest() {
    let session = json!({"started": "2024-01-02T03:04:05+01:00", "attrs": {"release": "a"}});
    let read: SessionUpdate = from_value(session.clone()).unwrap();
    assert_eq!((read.status.clone(), read.errors, read.init), (SessionStatus::Ok, 0, false));
    assert_eq!((read.session_id, read.sequence, read.timestamp), (None, None, None));
    assert_eq!(
        to_value(&read).unwrap(),
        json!({"started": "2024-01-02T02:04:05Z", "status": "ok", "errors": 0, "attrs": {"release": "a"}}),
    );
    for key in ["started", "attrs"] {
        let mut without = session.clone();
        without.as_object_mut().unwrap().remove(key);
        assert!(fails::<SessionUpdate>(without), "{key}");
    }
    assert!(fails::<SessionUpdate>(json!({"started": "2024-01-02T03:04:05Z", "attrs": {}})));
    assert!(fails::<SessionUpdate>(
        json!({"started": "2024-01-02T03:04:05Z", "errors": "1", "attrs": {"release": "a"}})
    ));
}

#[test]
fn words_of_sessions_that_are_not_known_are_kept_or_mean_nothing() {
    let session = |status: &str, mechanism: Value, did: &str| -> SessionUpdate {
        from_value(json!({
            "started": 1_700_000_000, "status": status, "abnormal_mechanism": mechanism, "did": did,
            "attrs": {"release": "a"},
        }))
        .expect("it is a session")
    };
    let read = session("dizzy", json!("dizziness"), "7");
    assert_eq!(read.status, SessionStatus::Other("dizzy".to_owned()));
    assert_eq!(read.abnormal_mechanism, AbnormalMechanism::None);
    assert_eq!(read.distinct_id.as_deref(), Some("7"));
    assert_eq!(to_value(&read).unwrap()["status"], "dizzy");
    let read = session("abnormal", Value::Null, "00000000-0000-0000-0000-000000000000");
    assert_eq!((read.abnormal_mechanism, read.distinct_id), (AbnormalMechanism::None, None));
    assert_eq!(
        session("abnormal", json!("anr_background"), "").abnormal_mechanism,
        AbnormalMechanism::AnrBackground
    );
}

#[test]
fn aggregates_leave_out_what_is_zero() {
    let json = json!({
        "aggregates": [{"started": "2024-01-02T03:04:00Z", "exited": 3, "crashed": 1}],
        "attrs": {"release": "a", "environment": "b"},
    });
    let read: SessionAggregates = from_value(json.clone()).unwrap();
    assert_eq!(read.aggregates[0].total(), 4);
    assert_eq!(to_value(&read).unwrap(), json);
}

#[test]
fn check_ins_keep_what_they_do_not_know() {
    let json = json!({
        "check_in_id": "a460c25ff2554577b920fcfacae4e5eb", "monitor_slug": "nightly", "status": "in_progress",
        "monitor_config": {
            "schedule": {"type": "interval", "value": 2, "unit": "hour"}, "max_runtime": 10, "mine": 1,
        },
        "contexts": {"trace": {"trace_id": "4c79f60c11214eb38604f4ae0781bfb2", "op": "x"}, "device": {}},
        "other": [1],
    });
    let read: CheckIn = from_value(json.clone()).unwrap();
    assert!(matches!(
        read.monitor_config.as_ref().unwrap().schedule,
        Schedule::Interval { value: 2, .. }
    ));
    assert_eq!(to_value(&read).unwrap(), json);
    let read: CheckIn = from_value(json!({"status": "lost"})).unwrap();
    assert_eq!(read, CheckIn::new(CheckInStatus::Unknown));
    assert!(fails::<CheckIn>(json!({"monitor_slug": "a"})));
}

#[test]
fn user_reports_have_texts_even_if_there_are_none() {
    let id = "4c79f60c11214eb38604f4ae0781bfb2";
    let read: UserReport = from_value(json!({"event_id": id, "name": null, "extra": 1})).unwrap();
    assert_eq!(
        to_value(&read).unwrap(),
        json!({"event_id": id, "name": "", "email": "", "comments": ""})
    );
    assert!(fails::<UserReport>(json!({"name": "a"})));
}

#[test]
fn metric_buckets_have_a_value_of_their_type() {
    for (ty, value) in [
        ("c", json!(1.5)),
        ("d", json!([1.0, 2.0])),
        ("s", json!([1, 4_294_967_295_u32])),
        ("g", json!({"last": 1.0, "min": 0.0, "max": 2.0, "sum": 3.0, "count": 2})),
    ] {
        let json = json!({"timestamp": 1, "width": 10, "name": format!("{ty}:spans/a@none"), "type": ty, "value": value});
        let read: MetricBucket = from_value(json.clone()).unwrap();
        assert_eq!(read.namespace(), Some("spans"));
        assert_eq!(to_value(&read).unwrap(), json);
    }
    assert!(fails::<MetricValue>(json!({"type": "c", "value": []})));
    assert!(fails::<MetricValue>(json!({"type": "x", "value": 1})));
}

#[test]
fn reports_of_browsers_are_told_apart() {
    let body = json!({"effectiveDirective": "script-src-elem", "documentURL": "https://a.example/", "statusCode": 200, "sample": "x"});
    for report in
        [json!({"csp-report": body}), json!({"type": "csp-violation", "body": body, "age": 1})]
    {
        let BrowserReport::Csp(report) = from_value(report).unwrap() else {
            panic!("it is a violation")
        };
        let csp = Csp::from(*report);
        assert_eq!(csp.effective_directive.as_deref(), Some("script-src-elem"));
        assert_eq!((csp.blocked_uri.as_deref(), csp.status_code), (Some("self"), Some(200)));
        assert_eq!(csp.script_sample.as_deref(), Some("x"));
    }
    let nel = json!({"type": "network-error", "age": 5, "url": "https://a.example/", "body": {"type": "dns.name_not_resolved", "phase": "dns"}});
    let BrowserReport::Nel(nel) = from_value(nel).unwrap() else {
        panic!("it is a failed request")
    };
    assert_eq!(nel.body.ty.as_deref(), Some("dns.name_not_resolved"));
    assert_eq!(
        from_value::<BrowserReport>(json!({"type": "crash"})).unwrap(),
        BrowserReport::Other("crash".to_owned())
    );
    assert!(fails::<BrowserReport>(json!({"body": {}})));
    assert!(fails::<BrowserReport>(json!({"csp-report": {"status-code": "many"}})));
    assert_eq!(
        CspReport { violated_directive: "made-up 'self'".to_owned(), ..CspReport::default() }
            .directive(),
        None
    );
}

#[test]
fn profiles_go_by_several_names() {
    let id = "4c79f60c11214eb38604f4ae0781bfb2";
    for key in ["event_id", "profile_id", "chunk_id"] {
        let read: ProfileHeader =
            from_value(json!({key: id, "platform": "cocoa", "samples": [1]})).unwrap();
        assert!(read.is_user_interface() && read.event_id.to_string() == id);
    }
    assert!(fails::<ProfileHeader>(json!({"event_id": id})));
}
