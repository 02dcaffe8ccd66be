//! The conformance cases of `fixtures/schema-cases.json`, one test each: what the schema check makes of an event.
//!
//! Order of keys is not significant, everything else is: `1` is not `1.0`. A reason `*` stands for any text: it comes
//! from a parser and is for people.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use relay_protocol::payload::Payload;
use relay_protocol::schema::{Described, Event, check};
use serde::Deserialize;
use serde_json::Value;

const CASES: &str = include_str!("../../../fixtures/schema-cases.json");

#[derive(Deserialize)]
struct Case {
    id: String,
    title: String,
    input: Value,
    output: Value,
}

fn main() -> ExitCode {
    let cases: Vec<Case> = serde_json::from_str(CASES).expect("the cases are JSON");
    let trials = cases
        .into_iter()
        .map(|case| Trial::test(format!("{} {}", case.id, case.title), move || run(&case)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn run(case: &Case) -> Result<(), Failed> {
    let once = checked(&case.input.to_string());
    compare(&case.output, &once)?;
    // What was checked is in its first form: a second time changes nothing.
    let twice = checked(&once.to_string());
    if twice == once { Ok(()) } else { Err(format!("a second check makes it {twice}").into()) }
}

fn checked(json: &str) -> Value {
    let mut payload = Payload::parse(json.as_bytes()).expect("a case is JSON");
    let root = payload.root();
    check(&mut payload, root, Event::INTERFACE);
    serde_json::from_str(&payload.to_json()).expect("what is written is JSON")
}

fn compare(expected: &Value, found: &Value) -> Result<(), Failed> {
    if matches(expected, found) {
        Ok(())
    } else {
        Err(format!("expected {expected}\n   found {found}").into())
    }
}

fn matches(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::String(any), Value::String(_)) if any == "*" => true,
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() == found.len()
                && expected.iter().zip(found).all(|(expected, found)| matches(expected, found))
        }
        (Value::Object(expected), Value::Object(found)) => {
            expected.len() == found.len()
                && expected
                    .iter()
                    .all(|(key, value)| found.get(key).is_some_and(|found| matches(value, found)))
        }
        _ => expected == found,
    }
}
