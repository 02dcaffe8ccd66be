use std::net::IpAddr;

use relay_pipeline::normalize::{DeviceNames, Ingress, Lookups, Settings, normalize};
use relay_protocol::payload::Payload;
use relay_protocol::schema::{Described, Event, check};
use relay_protocol::{Condition, ConditionError, EventSubject};
use serde_json::{Map, Value};

/// Runs one case; the error says where it does not hold.
pub(crate) fn run(case: &Value) -> Result<(), String> {
    match case.get("condition") {
        Some(condition) => evaluate(condition, &case["input"], &case["expect"]),
        None => process(case),
    }
}

fn evaluate(condition: &Value, input: &Value, expected: &Value) -> Result<(), String> {
    let found = match Condition::try_from(condition.clone()) {
        Err(ConditionError::TooDeep) => return Err("nested too deeply".to_owned()),
        Err(_) => Value::from("invalid"),
        Ok(condition) if !condition.is_supported() => Value::from("unsupported"),
        Ok(condition) => {
            let json = input.to_string();
            let payload = Payload::parse(json.as_bytes()).map_err(|error| error.to_string())?;
            Value::from(condition.matches(&EventSubject::new(payload.node(payload.root()))))
        }
    };
    if found == *expected { Ok(()) } else { Err(format!("{found} instead of {expected}")) }
}

fn process(case: &Value) -> Result<(), String> {
    let config = &case["config"];
    let once = processed(&case["input"].to_string(), config);
    if let Some(expected) = case.get("rejected") {
        let found = once.err().map(|error| format!("invalid transaction event: {error}"));
        return match found.as_deref() == expected.as_str() {
            true => Ok(()),
            false => Err(format!("{found:?} instead of {expected}")),
        };
    }
    let once = once?;
    let twice = processed(&once, config)?;
    let result: Value = serde_json::from_str(&once).map_err(|error| error.to_string())?;
    if serde_json::from_str::<Value>(&twice).ok().as_ref() != Some(&result) {
        return Err(format!("not the same a second time:\n{once}\n{twice}"));
    }
    let Value::Object(expected) = &case["expect"] else { return Err("expects nothing".to_owned()) };
    for (path, expected) in expected {
        let found = path.split('.').try_fold(&result, |value, step| match value {
            Value::Array(list) => list.get(step.parse::<usize>().ok()?),
            value => value.get(step),
        });
        let holds = match (found, expected.as_str()) {
            (None, Some("(absent)")) => true,
            (None, _) => expected.is_null(),
            (Some(found), _) => essence(found) == essence(expected),
        };
        if !holds {
            return Err(format!("{path} is {found:?} instead of {expected}"));
        }
    }
    Ok(())
}

/// A value without what says nothing: keys whose value is null, within objects.
fn essence(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let says = |(key, value): (&String, &Value)| {
                let value = essence(value);
                let hollow = value.is_null() || value == Value::Object(Map::new()) && key == "meta";
                (!hollow).then(|| (key.clone(), value))
            };
            Value::Object(object.iter().filter_map(says).collect())
        }
        Value::Array(list) => list.iter().map(essence).collect(),
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        other => other.clone(),
    }
}

fn processed(input: &str, config: &Value) -> Result<String, String> {
    let text = |key: &str| config[key].as_str();
    let time = |text: &str| text.parse().map_err(|error| format!("{text}: {error}"));
    let received_at = time(text("received_at").unwrap_or("2023-11-14T22:13:20Z"))?;
    let event_id = "a".repeat(32).parse().map_err(|_| "not an id")?;
    let mut ingress = Ingress::new(received_at, event_id);
    ingress.project_id = Some(1);
    ingress.sent_at = text("sent_at").map(time).transpose()?;
    ingress.client_sample_rate = config["client_sample_rate"].as_f64();
    ingress.replay_id = text("replay_id").and_then(|id| id.parse().ok());
    ingress.client_ip = text("client_ip").and_then(|address| address.parse::<IpAddr>().ok());

    let mut settings: Settings =
        serde_json::from_value(config["project"].clone()).unwrap_or_default();
    settings.exclusive_times = config["normalize_spans"] == Value::Bool(true);

    let mut lookups = Lookups::default();
    lookups.device_names = Some(&Shop);

    #[cfg(feature = "user-agent")]
    if config["normalize_user_agent"] == Value::Bool(true) {
        lookups.user_agents = Some(relay_pipeline::normalize::UserAgentRules::bundled());
    }

    let mut payload = Payload::parse(input.as_bytes()).map_err(|error| error.to_string())?;
    let root = payload.root();
    check(&mut payload, root, Event::INTERFACE);
    normalize(&mut payload, &ingress, &settings, &lookups).map_err(|error| error.to_string())?;
    Ok(payload.to_json())
}

/// Sells one telephone.
struct Shop;

impl DeviceNames for Shop {
    fn name_of(&self, model: &str) -> Option<&str> {
        (model == "Pixel 6").then_some("Pixel 6")
    }
}
