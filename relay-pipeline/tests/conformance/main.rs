//! The cases of `fixtures/processing-cases.json`, one test each: schema check, normalisation and trimming of
//! events, and conditions. Its first element explains the format.
//!
//! A case with a key `fails` is not expected to hold, for the reason given there. If it holds all the same, that
//! fails, so that no reason can rot.

mod case;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use serde_json::Value;

const CASES: &str = include_str!("../../../fixtures/processing-cases.json");

fn main() -> ExitCode {
    let mut cases: Vec<Value> = serde_json::from_str(CASES).expect("the cases are JSON");
    let trials = cases.drain(1..).map(trial).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(case: Value) -> Trial {
    let text = |key: &str| case[key].as_str().expect("a case has an id and says what it is about");
    let name = format!("{} {}", text("id"), text("what"));
    let lacks_feature = case["needs"] == "user-agent" && cfg!(not(feature = "user-agent"));
    Trial::test(name, move || match (case::run(&case), case.get("fails")) {
        (Ok(()), None) | (Err(_), Some(_)) => Ok(()),
        (Ok(()), Some(reason)) => Err(format!("holds, though {reason}").into()),
        (Err(mismatch), None) => Err(mismatch.into()),
    })
    .with_ignored_flag(lacks_feature)
}
