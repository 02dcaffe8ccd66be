//! The conformance cases of `fixtures/ingest-cases.json`, one test each, over real sockets: an
//! in-process relay in proxy mode in front of an upstream that records.
//!
//! `fixtures/expected_failures.txt` lists what is not expected to hold yet: a line is an id and the
//! reason. A listed case that holds fails, so that the list cannot rot.

#[path = "../support/mod.rs"]
mod support;

mod case;
mod check;
mod raw;
mod run;

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize as _;
use serde_json::Value;

use crate::case::{Case, Mode, Title};
use crate::check::Mismatch;

const CASES: &str = include_str!("../../../fixtures/ingest-cases.json");
const EXPECTED_FAILURES: &str = include_str!("../../../fixtures/expected_failures.txt");

fn main() -> ExitCode {
    let mut expected_failures = expected_failures();
    let mut trials: Vec<Trial> = raw::CASES
        .iter()
        .map(|&(id, title, run)| trial(id, title, expected_failures.remove(id), run))
        .collect();

    let mut cases: Vec<Value> = serde_json::from_str(CASES).expect("the cases are JSON");
    for value in cases.drain(1..) {
        let Title { id, title, mode } =
            Title::deserialize(&value).expect("an element has id, title and mode");
        let expected_failure = expected_failures.remove(id.as_str());
        trials.push(match mode {
            Mode::Managed => Trial::test(name(&id, &title), || Ok(()))
                .with_kind("managed")
                .with_ignored_flag(true),
            Mode::Proxy | Mode::Any => trial(&id, &title, expected_failure, move || {
                run::run(&Case::of(value).map_err(|error| error.to_string())?)
            }),
        });
    }

    let leftover: Vec<&str> = expected_failures.into_keys().collect();
    trials.push(Trial::test("every expected failure is the id of a case", move || {
        if leftover.is_empty() { Ok(()) } else { Err(format!("no such case: {leftover:?}").into()) }
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Reasons by id.
fn expected_failures() -> BTreeMap<&'static str, &'static str> {
    EXPECTED_FAILURES
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(' ').expect("an expected failure has a reason"))
        .collect()
}

fn name(id: &str, title: &str) -> String {
    format!("{id} {title}")
}

fn trial(
    id: &str,
    title: &str,
    expected_failure: Option<&'static str>,
    run: impl FnOnce() -> Result<(), Mismatch> + Send + 'static,
) -> Trial {
    Trial::test(name(id, title), move || {
        let result = panic::catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|payload| Err(message(&*payload)));
        match (result, expected_failure) {
            (Ok(()), None) | (Err(_), Some(_)) => Ok(()),
            (Err(mismatch), None) => Err(Failed::from(mismatch)),
            (Ok(()), Some(reason)) => Err(format!(
                "holds, but fixtures/expected_failures.txt says it should not ({reason})"
            )
            .into()),
        }
    })
}

fn message(payload: &(dyn Any + Send)) -> Mismatch {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without text").to_owned()
}
