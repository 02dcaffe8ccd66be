//! What normalisation does beyond the cases of `fixtures/processing-cases.json`.

use std::net::IpAddr;

use relay_pipeline::normalize::{
    GeoLookup, Ingress, InvalidEvent, Lookups, Place, Settings, UserAgent, UserAgents,
    append_ingest_path, normalize,
};
use relay_protocol::EventId;
use relay_protocol::payload::Payload;
use relay_protocol::schema::{Described, Event, check};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const RECEIVED: f64 = 1_700_000_000.0;

pub(crate) fn ingress() -> Ingress<'static> {
    let received = "2023-11-14T22:13:20Z".parse().expect("a time");
    Ingress::new(received, EventId::from(Uuid::from_u128(u128::MAX / 15 * 10)))
}

/// Check and normalisation.
pub(crate) fn normalized_with(
    event: &Value,
    ingress: &Ingress<'_>,
    settings: &Settings,
    lookups: &Lookups<'_>,
) -> Result<Value, InvalidEvent> {
    let json = normalized_text(&event.to_string(), ingress, settings, lookups)?;
    Ok(serde_json::from_str(&json).expect("what is written is JSON"))
}

/// The same of JSON texts.
pub(crate) fn normalized_text(
    event: &str,
    ingress: &Ingress<'_>,
    settings: &Settings,
    lookups: &Lookups<'_>,
) -> Result<String, InvalidEvent> {
    let mut payload = Payload::parse(event.as_bytes()).expect("this is JSON");
    let root = payload.root();
    check(&mut payload, root, Event::INTERFACE);
    normalize(&mut payload, ingress, settings, lookups)?;
    Ok(payload.to_json())
}

fn normalized(event: Value) -> Value {
    received(event, &ingress())
}

fn received(event: Value, ingress: &Ingress<'_>) -> Value {
    normalized_with(&event, ingress, &Settings::default(), &Lookups::default())
        .expect("the event is valid")
}

pub(crate) fn transaction() -> Value {
    json!({
        "type": "transaction",
        "transaction": "/a",
        "start_timestamp": RECEIVED - 1.0,
        "timestamp": RECEIVED,
        "contexts": {"trace": {
            "trace_id": "4c79f60c11214eb38604f4ae0781bfb2",
            "span_id": "fa90fdead5f74053",
        }},
    })
}

/// The transaction with other values for some keys.
pub(crate) fn transaction_with(changes: Value) -> Value {
    let mut event = transaction();
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    event.as_object_mut().expect("an event is an object").extend(changes);
    event
}

#[test]
fn a_wrong_clock_moves_every_time_once() {
    let mut ingress = ingress();
    ingress.sent_at = Some("2023-11-14T20:13:20Z".parse().unwrap());
    let event = json!({
        "timestamp": RECEIVED - 7205.5,
        "breadcrumbs": [{"timestamp": RECEIVED - 7206.0}, {"message": "no time"}],
    });
    let once = received(event, &ingress);
    assert_eq!(once["timestamp"], RECEIVED - 5.5);
    assert_eq!(once["breadcrumbs"]["values"][0]["timestamp"], RECEIVED - 6.0);
    assert_eq!(once["_meta"]["timestamp"][""]["err"][0][0], "clock_drift");
    assert_eq!(received(once.clone(), &ingress), once);
}

#[test]
fn breadcrumbs_from_before_1970_leave_their_place() {
    let event = normalized(json!({"breadcrumbs": [{"timestamp": -1}, {"message": "a"}]}));
    assert_eq!(event["breadcrumbs"]["values"][0], Value::Null);
    assert_eq!(event["_meta"]["breadcrumbs"]["values"]["0"][""]["val"]["timestamp"], -1.0);
}

#[test]
fn transactions_are_valid_or_lost() {
    let span = |changes: Value| {
        let mut span = json!({
            "span_id": "bbbbbbbbbbbbbbbb",
            "trace_id": "4c79f60c11214eb38604f4ae0781bfb2",
            "start_timestamp": RECEIVED - 1.0,
            "timestamp": RECEIVED,
        });
        span.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        json!({"spans": [span]})
    };
    let trace = |trace: Value| json!({"contexts": {"trace": trace}});
    let id = "4c79f60c11214eb38604f4ae0781bfb2";
    for (changes, error) in [
        (json!({"start_timestamp": null}), InvalidEvent::MissingStart),
        (json!({"start_timestamp": RECEIVED + 1.0}), InvalidEvent::EndBeforeStart),
        (json!({"start_timestamp": RECEIVED - 432_001.0}), InvalidEvent::OutsideWindow),
        (json!({"timestamp": RECEIVED + 60.0}), InvalidEvent::OutsideWindow),
        (trace(json!(null)), InvalidEvent::MissingTrace),
        (trace(json!({"type": "os", "name": "x"})), InvalidEvent::MissingTrace),
        (trace(json!({"span_id": "fa90fdead5f74053"})), InvalidEvent::MissingTraceId),
        (trace(json!({"trace_id": id})), InvalidEvent::MissingSpanId),
        (json!({"spans": [null]}), InvalidEvent::Span),
        (json!({"spans": ["x"]}), InvalidEvent::Span),
        (span(json!({"start_timestamp": "x"})), InvalidEvent::SpanMissingStart),
        (span(json!({"trace_id": null})), InvalidEvent::SpanMissingTraceId),
        (span(json!({"span_id": "0000000000000000"})), InvalidEvent::SpanMissingId),
        (span(json!({"timestamp": RECEIVED - 2.0})), InvalidEvent::SpanEndBeforeStart),
    ] {
        let event = transaction_with(changes);
        let found = normalized_with(&event, &ingress(), &Settings::default(), &Lookups::default());
        assert_eq!(found, Err(error), "{event}");
    }
    assert_eq!(normalized(transaction_with(span(json!({}))))["spans"][0]["op"], "default");
}

#[test]
fn spans_out_of_time_take_the_time_of_the_transaction() {
    let event = normalized(transaction_with(json!({"spans": [{
        "span_id": "bbbbbbbbbbbbbbbb",
        "trace_id": "4c79f60c11214eb38604f4ae0781bfb2",
        "start_timestamp": 5,
        "timestamp": RECEIVED - 0.5,
    }]})));
    assert_eq!(event["spans"][0]["start_timestamp"], RECEIVED - 1.0);
    assert_eq!(event["spans"][0]["timestamp"], RECEIVED - 0.5);
    let meta = &event["_meta"]["spans"]["0"]["start_timestamp"][""];
    assert_eq!((&meta["val"], &meta["err"][0][0]), (&json!(5.0), &json!("invalid_data")));
}

#[test]
fn names_that_are_only_an_identifier_are_noted_and_kept() {
    let event = normalized(transaction_with(
        json!({"transaction": "12345", "transaction_info": {"source": "url"}}),
    ));
    assert_eq!(event["transaction"], "12345");
    assert_eq!(event["_meta"]["transaction"][""]["rem"], json!([["int", "s", 0, 5]]));
}

#[test]
fn sdks_that_send_raw_urls_are_known() {
    for (sdk, more, sanitised) in [
        (json!({"name": "sentry.php.laravel", "version": "1"}), json!({}), true),
        (json!({"name": "sentry.php", "version": "1"}), json!({}), false),
        (json!({"name": "sentry.ruby", "version": "1"}), json!({}), false),
        (
            json!({"name": "sentry.python", "version": "1", "integrations": ["django"]}),
            json!({"tags": {"http.status_code": "404"}}),
            true,
        ),
        (
            json!({"name": "sentry.javascript.node", "version": "1", "integrations": ["Express"]}),
            json!({"request": {"method": "options"}}),
            true,
        ),
        (
            json!({"name": "sentry.javascript.node", "version": "1", "integrations": ["Express"]}),
            json!({"request": {"method": "GET"}}),
            false,
        ),
    ] {
        let mut changes = json!({"transaction": "/foo/1234", "sdk": sdk});
        changes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let event = normalized(transaction_with(changes));
        let name = if sanitised { "/foo/*" } else { "/foo/1234" };
        assert_eq!(event["transaction"], name, "{}", event["sdk"]);
    }
}

#[test]
fn addresses_are_inferred_as_the_sdk_wants_it() {
    const CLIENT: &str = "192.0.2.1";
    const REMOTE: &str = "198.51.100.2";
    let auto = json!("{{auto}}");
    for (infer_ip, platform, user_ip, remote, expected) in [
        (json!("auto"), "python", json!(null), json!(null), json!(CLIENT)),
        (json!("auto"), "python", auto.clone(), json!(REMOTE), json!(REMOTE)),
        (json!("auto"), "python", json!("1.2.3.4"), json!(REMOTE), json!("1.2.3.4")),
        (json!("never"), "javascript", json!(null), json!(REMOTE), json!(null)),
        (json!("never"), "javascript", auto.clone(), json!(REMOTE), json!(null)),
        (json!("legacy"), "javascript", json!(null), json!(null), json!(CLIENT)),
        (json!(null), "python", json!(null), json!(null), json!(null)),
        (json!(null), "python", json!(null), json!("no address"), json!(null)),
        (json!(null), "python", auto.clone(), json!(null), json!(CLIENT)),
        (json!("new"), "javascript", auto, json!(REMOTE), json!(null)),
    ] {
        let event = json!({
            "platform": platform,
            "sdk": {"name": "x", "version": "1", "settings": {"infer_ip": infer_ip}},
            "user": {"id": "1", "ip_address": user_ip},
            "request": {"env": {"REMOTE_ADDR": remote}},
        });
        let mut ingress = ingress();
        ingress.client_ip = Some(CLIENT.parse().unwrap());
        let result = received(event.clone(), &ingress);
        assert_eq!(result["user"]["ip_address"], expected, "{event}");
    }
}

#[test]
fn an_address_that_was_scrubbed_is_not_inferred_again() {
    let mut ingress = ingress();
    ingress.client_ip = Some("192.0.2.1".parse().unwrap());
    let event = json!({
        "platform": "javascript",
        "user": {"ip_address": null},
        "_meta": {"user": {"ip_address": {"": {"rem": [["@ip:remove", "x"]]}}}},
    });
    assert_eq!(received(event, &ingress)["user"]["ip_address"], Value::Null);
}

#[test]
fn an_address_that_nobody_knows_stays_auto() {
    let event = normalized(json!({"user": {"ip_address": "{{auto}}"}}));
    assert_eq!(event["user"], json!({"ip_address": "{{auto}}"}));
}

#[test]
fn a_security_report_is_completed_from_the_request() {
    let mut ingress = ingress();
    ingress.client_ip = Some("192.0.2.1".parse().unwrap());
    ingress.browser.user_agent = Some("Browser/1");
    ingress.browser.platform = Some("\"Linux\"");
    let event = received(
        json!({"csp": {"document_uri": "http://x"}, "request": {"headers": {"user-agent": "own"}}}),
        &ingress,
    );
    assert_eq!((&event["type"], &event["logger"]), (&json!("csp"), &json!("csp")));
    assert_eq!(event["user"]["ip_address"], "192.0.2.1");
    let headers = json!([["User-Agent", "own"], ["Sec-CH-UA-Platform", "\"Linux\""]]);
    assert_eq!(event["request"]["headers"], headers);
    assert_eq!(event["contexts"]["client_os"]["name"], "Linux");
    assert!(received(json!({}), &ingress).get("request").is_none());
}

#[test]
fn places_are_looked_up_by_the_user_and_else_by_the_client() {
    struct Atlas;
    impl GeoLookup for Atlas {
        fn lookup(&self, address: IpAddr) -> Option<Place> {
            let is_known = address.to_string() == "192.0.2.1";
            is_known.then(|| Place { city: Some("Graz".to_owned()), ..Place::default() })
        }
    }
    let mut lookups = Lookups::default();
    lookups.geo = Some(&Atlas);
    let mut ingress = ingress();
    ingress.client_ip = Some("192.0.2.1".parse().unwrap());
    let city = |user: Value| {
        let event = json!({"platform": "python", "user": user});
        let event = normalized_with(&event, &ingress, &Settings::default(), &lookups).unwrap();
        event["user"]["geo"]["city"].clone()
    };
    assert_eq!(city(json!({"ip_address": "192.0.2.1"})), "Graz");
    assert_eq!(city(json!({"ip_address": "192.0.2.2"})), Value::Null);
    assert_eq!(city(json!(null)), "Graz");
    assert_eq!(city(json!({"geo": {"city": "Wien"}})), "Wien");
}

#[test]
fn messages_are_formatted_if_their_parameters_fit() {
    for (message, params, formatted) in [
        ("%s and %s", json!(["a", "b"]), Some("a and b")),
        ("%s and %s", json!(["a"]), None),
        ("%d%% of %(n)s", json!([1]), None),
        ("%(n)s%%", json!({"n": [1, {"a": null}]}), Some("[1,{\"a\":null}]%")),
        ("%.2f %x %i", json!([1.005, 255, -3.9]), Some("1.00 ff -3")),
        ("%d", json!(["a"]), None),
        ("%.999999999f", json!([1]), None),
        ("100%", json!([]), None),
        ("{} {}", json!(["a", 2]), Some("a 2")),
        ("{1} {0} {{}}", json!(["a", "b"]), Some("b a {}")),
        ("{name}", json!({"name": true}), Some("true")),
        ("{", json!(["a"]), None),
        ("}", json!(["a"]), None),
        ("plain", json!(["a"]), None),
    ] {
        let event = json!({"logentry": {"message": message, "params": params}});
        let event = normalized(event);
        let expected = match formatted {
            Some(formatted) => {
                json!({"message": message, "formatted": formatted, "params": params})
            }
            None => json!({"formatted": message, "params": params}),
        };
        let mut found = event["logentry"].clone();
        if let (Some(found), true) = (found.as_object_mut(), params == json!([])) {
            found.insert("params".to_owned(), json!([]));
        }
        assert_eq!(found, expected, "{message}");
    }
}

#[test]
fn parameters_do_not_blow_a_message_up() {
    let message = "%(a)s".repeat(1000);
    let event = json!({"logentry": {"message": message, "params": {"a": "x".repeat(10_000)}}});
    assert_eq!(normalized(event)["logentry"]["formatted"], message);
}

#[test]
fn devices_have_a_class() {
    const GIB: u64 = 1 << 30;
    let device = |frequency: u64, cores: u64, memory: u64| json!({"processor_frequency": frequency, "processor_count": cores, "memory_size": memory});
    for (device, class) in [
        (json!({"family": "iPhone", "model": "iPhone8,1"}), Some("1")),
        (json!({"family": "iOS", "model": "iPhone12,8"}), Some("2")),
        (json!({"family": "iOS-Device", "model": "iPhone14,5"}), Some("3")),
        (json!({"family": "iPhone", "model": "x86"}), Some("3")),
        (device(1999, 8, 8 * GIB), Some("1")),
        (device(2000, 7, 8 * GIB), Some("1")),
        (device(2400, 8, 8 * GIB), Some("2")),
        (device(2500, 8, 5 * GIB), Some("2")),
        (device(2500, 8, 6 * GIB), Some("3")),
        (json!({"family": "Pixel"}), None),
    ] {
        let event = json!({"contexts": {"device": device}, "tags": {"device.class": "9"}});
        let expected = class.map_or(json!([]), |class| json!([["device.class", class]]));
        let event = normalized(event);
        let tags = event.get("tags").cloned().unwrap_or(json!([]));
        assert_eq!(tags, expected, "{}", event["contexts"]);
    }
}

#[test]
fn frames_and_exceptions_are_tidied() {
    let event = normalized(json!({
        "exception": [
            {"value": "http://x"},
            {"value": "Foo.Bar: x"},
            {"value": "Error: a\nb"},
            {"type": "E", "mechanism": {"type": "m", "help_link": "ftp://x"}},
        ],
        "stacktrace": {"frames": [
            {"filename": "http://x/a.js", "pre_context": [null, "a"], "symbol": "?"},
            {"abs_path": "https://x"},
        ]},
    }));
    let exceptions = &event["exception"]["values"];
    assert_eq!(exceptions[0], json!({"type": "http", "value": "//x"}));
    assert_eq!(exceptions[1], json!({"value": "Foo.Bar: x"}));
    assert_eq!(exceptions[2], json!({"value": "Error: a\nb"}));
    assert!(exceptions[3]["mechanism"].get("help_link").is_none_or(Value::is_null));
    let frames = &event["stacktrace"]["frames"];
    assert_eq!(
        frames[0],
        json!({
            "filename": "/a.js", "abs_path": "http://x/a.js", "pre_context": ["", "a"], "context_line": "",
        })
    );
    assert_eq!(frames[1], json!({"abs_path": "https://x", "filename": "https://x"}));
}

#[test]
fn images_of_the_oldest_form_become_those_of_today() {
    let event = normalized(json!({"debug_meta": {"images": [
        {"type": "apple", "name": "a", "uuid": "dfb8e43a-f2a2-2d73-a10b-9a1ad6a0bd50", "image_addr": "0x0", "image_size": 1},
        {"type": "new"},
    ]}}));
    let image = &event["debug_meta"]["images"][0];
    assert_eq!((&image["type"], &image["code_file"]), (&json!("macho"), &json!("a")));
    assert_eq!(image["debug_id"], "dfb8e43a-f2a2-2d73-a10b-9a1ad6a0bd50");
    assert_eq!(event["debug_meta"]["images"][1], Value::Null);
    let meta = &event["_meta"]["debug_meta"]["images"]["1"][""];
    assert_eq!(meta["val"], json!({"type": "new"}));
}

#[test]
fn user_agents_are_parsed_only_where_a_context_is_missing() {
    struct Panics;
    impl UserAgents for Panics {
        fn parse(&self, _: &str) -> UserAgent {
            panic!("nobody needs to know");
        }
    }
    let mut lookups = Lookups::default();
    lookups.user_agents = Some(&Panics);
    let event = json!({
        "platform": "javascript",
        "request": {"headers": {"User-Agent": "x"}},
        "contexts": {"mine": {"type": "browser", "name": "x"}, "device": {"family": "y"}, "os": {"name": "z"}},
    });
    normalized_with(&event, &ingress(), &Settings::default(), &lookups).unwrap();
}

#[test]
fn urls_are_taken_apart_without_loss() {
    for (url, rest, query, fragment) in [
        ("HTTP://EXAMPLE.com:80", "http://example.com/", json!(null), json!(null)),
        ("http://x/é…", "http://x/%C3%A9...", json!(null), json!(null)),
        ("/a?b=c+d#e", "/a", json!([["b", "c d"]]), json!("e")),
        ("/a#b?c", "/a", json!(null), json!("b?c")),
    ] {
        let event = normalized(json!({"request": {"url": url}}));
        let request = &event["request"];
        assert_eq!(request["url"], rest);
        assert_eq!((&request["query_string"], &request["fragment"]), (&query, &fragment), "{url}");
    }
    let event = normalized(json!({"request": {"url": "http://x/?a=b", "query_string": "c=d"}}));
    assert_eq!(event["request"]["query_string"], json!([["c", "d"]]));
}

#[test]
fn cookies_with_a_bad_part_stay_in_their_header() {
    let headers = json!([["Cookie", "a=b; bad"]]);
    let event = normalized(json!({"request": {"headers": headers}}));
    assert_eq!(event["request"], json!({"headers": headers}));
}

#[test]
fn bodies_are_taken_apart_once() {
    for (data, expected, ty) in [
        (json!("\"123\""), json!("123"), json!("application/json")),
        (json!("true"), json!(true), json!("application/json")),
        (json!("a=b"), json!({"a": "b"}), json!("application/x-www-form-urlencoded")),
        (json!("a="), json!("a="), json!("text/x")),
        (json!("<?xml a=b"), json!("<?xml a=b"), json!("text/x")),
        (json!("{\"a\":"), json!("{\"a\":"), json!("text/x")),
    ] {
        let headers = json!([["Content-Type", "text/x; charset=utf-8"]]);
        let event = normalized(json!({"request": {"data": data, "headers": headers}}));
        assert_eq!(event["request"]["data"], expected);
        assert_eq!(event["request"]["inferred_content_type"], ty);
    }
}

#[test]
fn the_client_of_the_request_is_the_sdk_of_an_event_without() {
    for (client, sdk) in [
        ("raven-x/1.2", json!({"name": "raven-x", "version": "1.2"})),
        ("curl 7", json!({"name": "curl", "version": "7"})),
        ("nameless", json!(null)),
    ] {
        let mut ingress = ingress();
        ingress.client = Some(client);
        assert_eq!(received(json!({}), &ingress)["sdk"], sdk);
    }
}

#[test]
fn what_the_sender_may_not_say_is_overwritten() {
    let mut ingress = ingress();
    ingress.project_id = Some(42);
    ingress.event_id = Some(EventId::from(Uuid::from_u128(7)));
    let event = received(
        json!({"project": 1, "key_id": "x", "grouping_config": {"id": "x"}, "event_id": "a".repeat(32)}),
        &ingress,
    );
    assert_eq!(event["project"], 42);
    assert_eq!(event["event_id"], format!("{:032x}", 7));
    assert!(event.get("key_id").is_none() && event.get("grouping_config").is_none());
}

#[test]
fn nil_traces_become_real_ones() {
    let mut event = transaction();
    event["contexts"]["trace"]["trace_id"] = json!("0".repeat(32));
    let event = normalized(event);
    assert_eq!(event["contexts"]["trace"]["trace_id"], "a".repeat(32));
    let meta = &event["_meta"]["contexts"]["trace"]["trace_id"][""];
    assert_eq!(meta["rem"], json!([["nil_trace_id", "s"]]));
}

#[test]
fn the_largest_paint_becomes_tags() {
    let mut event = transaction_with(json!({"tags": {"lcp.id": "mine"}}));
    event["contexts"]["trace"]["data"] = json!({
        "browser.web_vital.lcp.element": "body > img",
        "browser.web_vital.lcp.size": 1200,
        "browser.web_vital.lcp.id": "theirs",
    });
    let tags = json!([["lcp.id", "mine"], ["lcp.element", "body > img"], ["lcp.size", "1200"]]);
    assert_eq!(normalized(event)["tags"], tags);
}

/// A transaction with one span that has this data, normalised; the data, and what `_meta` says of it.
fn span_data(data: Value, settings: &Settings) -> (Value, Value) {
    let mut event = transaction();
    event["spans"] = json!([{
        "start_timestamp": RECEIVED - 1.0, "timestamp": RECEIVED, "trace_id": "4c79f60c11214eb38604f4ae0781bfb2",
        "span_id": "fa90fdead5f74053", "data": data,
    }]);
    let normalized = normalized_with(&event, &ingress(), settings, &Lookups::default());
    let mut event = normalized.expect("the event is valid");
    let again = normalized_with(&event, &ingress(), settings, &Lookups::default());
    assert_eq!(again.expect("the event is valid"), event, "a second time changes nothing");
    (event["spans"][0]["data"].take(), event["_meta"]["spans"]["0"]["data"].take())
}

#[test]
fn attributes_with_old_names_get_their_present_ones() {
    let settings = Settings::default();
    // One moves, one stands under both names, one has its present name already.
    let (data, meta) = span_data(
        json!({
            "db.statement": "SELECT 1", "ai.model_id": {"a": [1]}, "db.operation": "old", "db.operation.name": "new",
            "mine": 1,
        }),
        &settings,
    );
    assert_eq!(
        data,
        json!({
            "db.statement": null, "db.query.text": "SELECT 1", "ai.model_id": {"a": [1]},
            "gen_ai.request.model": {"a": [1]}, "db.operation": null, "db.operation.name": "new", "mine": 1,
        })
    );
    let moved = json!({"": {"rem": [["attribute.deprecated", "x"]]}});
    assert_eq!(meta, json!({"db.statement": moved, "db.operation": moved}));
}

#[test]
fn calls_of_models_with_a_price_say_what_they_cost() {
    let settings: Settings =
        serde_json::from_value(json!({"aiModelMetadata": {"version": 1, "models": {
            "gpt-*": {"costs": {"inputPerToken": 1.0, "outputPerToken": 1.0}},
            "gpt-4o": {"costs": {
                "inputPerToken": 0.5, "outputPerToken": 2.0, "inputCachedPerToken": 0.25,
                "outputReasoningPerToken": 4.0, "inputCacheWritePerToken": 0.125,
            }},
            "[": {}, "broken": {"costs": "free"},
        }}}))
        .expect("settings");
    assert_eq!(settings.ai_model_metadata.models.len(), 2);
    let cost = |data: Value| {
        let (data, _) = span_data(data, &settings);
        ["input", "output", "total"].map(|key| data[format!("gen_ai.cost.{key}_tokens")].as_f64())
    };
    // The old names of former times count.
    assert_eq!(
        cost(
            json!({"ai.model_id": "gpt-4", "ai.prompt_tokens.used": 3, "gen_ai.usage.output_tokens": 4})
        ),
        [Some(3.0), Some(4.0), Some(7.0)]
    );
    assert_eq!(
        cost(json!({
            "gen_ai.request.model": "gpt-x", "gen_ai.response.model": "GPT-4o",
            "gen_ai.usage.input_tokens": 10, "gen_ai.usage.cache_read.input_tokens": 4,
            "gen_ai.usage.cache_creation.input_tokens": 8,
            "gen_ai.usage.output_tokens": 5, "gen_ai.usage.reasoning.output_tokens": 1,
        })),
        [Some(5.0), Some(12.0), Some(17.0)]
    );
    // What the SDK says stays; without tokens, or without a price, nobody can tell.
    let told = json!({"gen_ai.request.model": "gpt-4", "gen_ai.usage.input_tokens": 3, "gen_ai.cost.total_tokens": 9});
    assert_eq!(cost(told), [Some(3.0), Some(0.0), Some(9.0)]);
    assert_eq!(cost(json!({"gen_ai.request.model": "gpt-4"})), [None; 3]);
    let unknown = json!({"gen_ai.request.model": "other", "gen_ai.usage.input_tokens": 3});
    assert_eq!(cost(unknown), [None; 3]);
}

#[test]
fn every_relay_on_the_way_is_named_once() {
    let mut event = Payload::parse(br#"{"ingest_path":[{"version":"1","public_key":"a"}]}"#)
        .expect("this is JSON");
    for _ in 0..2 {
        append_ingest_path(&mut event, "2", None);
    }
    append_ingest_path(&mut event, "2", Some("b"));
    assert_eq!(
        event.to_json(),
        r#"{"ingest_path":[{"version":"1","public_key":"a"},{"version":"2"},{"version":"2","public_key":"b"}]}"#
    );
}

#[test]
fn keys_that_are_there_many_times_cost_linear_time() {
    const TIMES: usize = 100_000;
    let many = |entry: &str| format!("{entry},").repeat(TIMES);
    let others = many("\"a\":1");
    let settings: Settings = serde_json::from_value(
        json!({"breakdownsV2": {"ops": {"type": "spanOperations", "matches": ["a"]}}}),
    )
    .expect("settings");
    let mut transaction = transaction();
    transaction["spans"] = json!([{
        "start_timestamp": RECEIVED - 1.0, "timestamp": RECEIVED, "op": "a",
        "trace_id": "4c79f60c11214eb38604f4ae0781bfb2", "span_id": "fa90fdead5f74053",
    }]);
    let transaction = transaction.to_string();
    let names: String = (0..TIMES).map(|n| format!("\"b{n}\":{{}},")).collect();
    let data =
        format!("\"data\":{{\"db.query.text\":null,{}\"b\":1}},\"op\"", many("\"db.statement\":1"));
    for event in [
        format!("{{\"contexts\":{{{}{others}\"b\":1}}}}", many("\"reprocessing\":{}")),
        format!("{{\"user\":{{{}{others}\"b\":1}}}}", many("\"plan\":1")),
        format!(
            "{{\"debug_meta\":{{\"images\":[{{\"type\":\"apple\",\"name\":\"x\",{}{others}\"b\":1}}]}}}}",
            many("\"code_file\":null")
        ),
        transaction.replacen('{', &format!("{{\"breakdowns\":{{{names}\"b\":{{}}}},"), 1),
        transaction.replace("\"op\"", &data),
    ] {
        let begun = std::time::Instant::now();
        let normalized = normalized_text(&event, &ingress(), &settings, &Lookups::default());
        assert!(normalized.is_ok());
        // A second or two, where the square of it takes minutes.
        let elapsed = begun.elapsed();
        assert!(elapsed < std::time::Duration::from_secs(20), "{}: {elapsed:?}", &event[..60]);
    }
}

#[test]
fn of_an_attribute_that_is_there_twice_the_last_moves() {
    let mut payload = Payload::parse(br#"{"db.statement":1,"mine":1,"db.statement":2}"#).unwrap();
    let root = payload.root();
    relay_pipeline::normalize::rename_attributes(&mut payload, root);
    let found: Value = serde_json::from_str(&payload.to_json()).expect("what is written is JSON");
    assert_eq!(found["db.query.text"], 2);
    assert_eq!(found["db.statement"], Value::Null);
}

#[test]
fn an_image_of_the_oldest_form_is_checked_in_its_new_one() {
    let images = json!([{"type": "apple", "name": "/x", "uuid": "67E55044-10B1-426F-9247-BB680E5FE0C8", "debug_file": []}]);
    let once = normalized(json!({"debug_meta": {"images": images}}));
    let image = &once["debug_meta"]["images"][0];
    assert_eq!((&image["type"], &image["code_file"]), (&json!("macho"), &json!("/x")));
    assert_eq!(image["debug_id"], "67e55044-10b1-426f-9247-bb680e5fe0c8");
    assert_eq!(image["debug_file"], Value::Null);
    assert_eq!(normalized(once.clone()), once);
}
