//! What projects can say about normalisation.

use relay_pipeline::normalize::{Lookups, MeasurementSettings, Settings};
use serde_json::{Value, json};

use crate::normalize::{RECEIVED, ingress, normalized_with, transaction_with};

fn normalized(settings: Value, changes: Value) -> Value {
    let mut settings: Settings = serde_json::from_value(settings).expect("these are settings");
    settings.exclusive_times = true;
    let event = transaction_with(changes);
    normalized_with(&event, &ingress(), &settings, &Lookups::default()).expect("a valid one")
}

fn span(op: &str, start: f64, end: f64) -> Value {
    json!({
        "span_id": "bbbbbbbbbbbbbbbb",
        "parent_span_id": "fa90fdead5f74053",
        "trace_id": "4c79f60c11214eb38604f4ae0781bfb2",
        "op": op,
        "start_timestamp": RECEIVED + start,
        "timestamp": RECEIVED + end,
    })
}

#[test]
fn transactions_are_renamed_by_the_first_rule_that_is_good() {
    let rule = |pattern: &str, expiry: &str, method: &str| json!({"pattern": pattern, "expiry": expiry, "redaction": {"method": method, "substitution": "*"}});
    let settings = json!({"txNameRules": [
        rule("/**", "2023-01-01T00:00:00Z", "replace"),
        rule("/**", "2030-01-01T00:00:00Z", "hide"),
        {"pattern": 7},
        rule("/users/*/**", "2030-01-01T00:00:00Z", "replace"),
        rule("/*/*/**", "2030-01-01T00:00:00Z", "replace"),
    ]});
    let changes = json!({"transaction": "/users/ann/x", "transaction_info": {"source": "url"}});
    let event = normalized(settings, changes);
    assert_eq!(event["transaction"], "/users/*/x");
    let meta = json!({"rem": [["/users/*/**", "s"]], "val": "/users/ann/x"});
    assert_eq!(event["_meta"]["transaction"][""], meta);
}

#[test]
fn spans_without_an_operation_are_called_by_rules() {
    let condition = json!({"op": "glob", "name": "span.data.db\\.system", "value": ["*"]});
    let settings = json!({"spanOpDefaults": {"rules": [
        {"condition": condition, "value": "never"},
        {"condition": {"op": "not", "inner": {"op": "eq", "name": "span.data.db", "value": null}}, "value": "db"},
    ]}});
    let mut database = span("", -0.5, 0.0);
    database["op"] = Value::Null;
    let other = database.clone();
    database["data"] = json!({"db": "postgres"});
    let event = normalized(settings, json!({"spans": [database, other]}));
    assert_eq!(
        (&event["spans"][0]["op"], &event["spans"][1]["op"]),
        (&json!("db"), &json!("default"))
    );
}

#[test]
fn spans_are_summed_up_by_operation() {
    let settings = json!({"breakdownsV2": {
        "span_ops": {"type": "spanOperations", "matches": ["http", "db"]},
        "other": {"type": "unknown"},
    }});
    let event = normalized(
        settings,
        json!({
            "breakdowns": {"sent": {"x": {"value": 1}}},
            "spans": [
                span("http.client", -1.0, -0.5),
                span("http.server", -0.75, -0.25),
                span("db", -0.5, 0.0),
                span("ui", -1.0, -0.75),
            ],
        }),
    );
    let ms = |value: f64| json!({"value": value, "unit": "millisecond"});
    let expected = json!({"span_ops": {
        "ops.http": ms(750.0), "ops.db": ms(500.0), "total.time": ms(1500.0),
    }});
    assert_eq!(event["breakdowns"], expected);
}

#[test]
fn measurements_are_limited_as_configured() {
    let project: MeasurementSettings = serde_json::from_value(json!({
        "builtinMeasurements": [{"name": "lcp", "unit": "millisecond"}],
        "maxCustomMeasurements": 5,
    }))
    .unwrap();
    let global: MeasurementSettings = serde_json::from_value(json!({
        "builtinMeasurements": [{"name": "cls", "unit": "none", "allowNegative": true}],
        "maxCustomMeasurements": 1,
    }))
    .unwrap();
    let limited = project.limited_by(&global);
    assert_eq!((limited.builtin_measurements.len(), limited.max_custom_measurements), (2, Some(1)));

    let settings = json!({"measurements": {
        "builtinMeasurements": [
            {"name": "lcp", "unit": "millisecond"},
            {"name": "cls", "unit": "none", "allowNegative": true},
        ],
        "maxCustomMeasurements": 1,
    }});
    let event = normalized(
        settings,
        json!({"measurements": {
            "lcp": {"value": 1}, "cls": {"value": -1}, "fid": {"value": -1},
            "a": {"value": 1}, "b": {"value": 1}, "stall_total_time": {"value": 250},
        }}),
    );
    let mut names: Vec<_> = event["measurements"].as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["a", "cls", "lcp", "stall_percentage"]);
    assert_eq!(event["measurements"]["stall_percentage"]["value"], 0.25);
    assert_eq!(event["_meta"]["measurements"][""]["err"].as_array().unwrap().len(), 2);
}

#[test]
fn transactions_are_rated_by_their_profile() {
    let settings = json!({"performanceScore": {"profiles": [
        {"name": "other", "condition": {"op": "eq", "name": "event.platform", "value": "python"}, "scoreComponents": []},
        {"name": "all", "version": "7", "scoreComponents": [
            {"measurement": "lcp", "weight": 0.3, "p10": 1200, "p50": 2400},
            {"measurement": "fcp", "weight": 0.3, "p10": 900, "p50": 1600},
            {"measurement": "cls", "weight": 0.4, "p10": 0.1, "p50": 0.25, "optional": true},
        ]},
    ]}});
    let event = normalized(
        settings.clone(),
        json!({"measurements": {"lcp": {"value": 2400}, "fcp": {"value": 1600}}}),
    );
    let value = |name: &str| event["measurements"][name]["value"].as_f64().unwrap();
    assert!((value("score.total") - 0.5).abs() < 1e-9);
    assert!((value("score.weight.lcp") - 0.5).abs() < 1e-9);
    assert!((value("score.lcp") - 0.25).abs() < 1e-9);
    assert_eq!(event["measurements"]["score.lcp"]["unit"], "ratio");
    assert_eq!(event["contexts"]["performance_score"]["score_profile_version"], "7");

    let event = normalized(settings, json!({"measurements": {"lcp": {"value": 2400}}}));
    assert!(event["measurements"].get("score.total").is_none());
}

#[test]
fn the_start_of_an_app_is_copied() {
    let changes = json!({"measurements": {"app.start.warm": {"value": 200}}});
    let event = normalized(json!({}), changes);
    let start = json!({"value": 200.0, "unit": "millisecond"});
    assert_eq!(event["measurements"]["app.vitals.start.value"], start);
    assert_eq!(event["measurements"]["app_start_warm"], start);
    assert_eq!(event["tags"], json!([["app.vitals.start.type", "warm"]]));
}

#[test]
fn a_whole_project_configuration_can_be_read() {
    let settings: Settings = serde_json::from_value(json!({
        "allowedDomains": ["*"],
        "piiConfig": null,
        "measurements": {"builtinMeasurements": [{"unit": 1}]},
        "performanceScore": {"profiles": [{"scoreComponents": [{}], "condition": {"op": "new"}}]},
    }))
    .unwrap();
    assert_eq!(settings.performance_score.profiles.len(), 1);
    assert!(settings.performance_score.profiles[0].score_components.is_empty());
}
