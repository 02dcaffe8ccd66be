//! What a spool promises when the power fails, or the disk.
//!
//! Both are tested below SQLite, on the spool as it is built for production. A shared object of our own
//! (`interposer.c`, compiled by the test) is loaded before the C library into a child process, which is this program
//! again; there it sees every call that changes a file below the spool's folder, and what is synced. It writes down all
//! of it with the data, in its order, or makes calls fail.
//!
//! # Crashes
//!
//! 1. A child lives through a random [`schedule`]: appends of several records, several in flight, removals,
//!    postponements, reads, expiry, clearing, restarts, kills; or so many commits that the log is begun anew, so much
//!    removed that pages go back to the file system, more than fits, syncs that fail, a file that is overwritten and
//!    rescued. It marks each request and each answer among the operations.
//! 2. The record is cut at a random place. [`power_cut`] builds a folder as the disk may have it then: what was synced,
//!    and of the rest anything, nothing, or parts, in any order.
//! 3. A spool is opened there and compared with a [`model`] of what somebody knows who saw the marks alone: each
//!    acknowledged record is there unless its removal was asked for, nothing is invented or altered, nothing comes back
//!    whose removal was followed by an acknowledged commit, what was in flight is there whole or not at all and in its
//!    order, no number is given twice, the file is sound and its totals are right.
//!
//! 240 schedules are cut at 100 places each, other ones with each run; their seeds are printed. A failure leaves the
//! record of its operations and says how to cut that again, or run the schedule again, by environment variables: see
//! [`crash`]. That the test can fail is tested: on a spool that does not sync it has to find losses.
//!
//! # Faults
//!
//! Each of the cases in [`faults`] makes some calls fail for a while, in a running spool and while one is opened; those in
//! [`unreadable`] make a place on the disk unreadable for good.

mod crash;
mod faults;
mod interposer;
mod model;
mod power_cut;
mod random;
mod record;
mod schedule;
mod unreadable;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

type Test = fn() -> Result<(), String>;

fn main() -> ExitCode {
    if let Some(task) = interposer::task() {
        if !faults::run(&task) && !unreadable::run(&task) {
            schedule::Life::of_task(&task).expect("a task").live();
        }
        return ExitCode::SUCCESS;
    }
    let tests: [(&str, Test); 7] = [
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
        (
            "a disk with too little room is full until it has more",
            faults::a_disk_with_too_little_room_is_full_until_it_has_more,
        ),
        (
            "what is removed makes room on a full disk",
            faults::what_is_removed_makes_room_on_a_full_disk,
        ),
        (
            "a disk without any room keeps no spool from starting",
            faults::a_disk_without_any_room_keeps_no_spool_from_starting,
        ),
        (
            "what the disk cannot read holds up nothing else",
            unreadable::what_the_disk_cannot_read_holds_up_nothing_else,
        ),
    ];
    let supported = cfg!(all(target_os = "linux", target_env = "gnu"));
    let trials = tests
        .into_iter()
        .map(|(name, test)| Trial::test(name, move || Ok(test()?)).with_ignored_flag(!supported));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
