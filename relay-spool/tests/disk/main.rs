//! What a spool promises when the disk fails, or the power. (Method: to be written.)

mod crash;
mod faults;
mod interposer;
mod model;
mod power_cut;
mod random;
mod record;
mod schedule;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if let Some(task) = interposer::task() {
        if !faults::run(&task) {
            schedule::Life::of_task(&task).expect("a task").live();
        }
        return ExitCode::SUCCESS;
    }
    let tests: [(&str, fn() -> Result<(), String>); 3] = [
        (
            "no power cut loses what was acknowledged",
            crash::no_power_cut_loses_what_was_acknowledged,
        ),
        (
            "without syncs the same test finds losses",
            crash::without_syncs_the_same_test_finds_losses,
        ),
        (
            "a failing disk costs nothing that was acknowledged",
            faults::a_failing_disk_costs_nothing_that_was_acknowledged,
        ),
    ];
    let supported = cfg!(all(target_os = "linux", target_env = "gnu"));
    let trials = tests
        .into_iter()
        .map(|(name, test)| Trial::test(name, move || Ok(test()?)).with_ignored_flag(!supported));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
