//! What the binary promises, tried out: traffic, an upstream with moods, and a relay that is killed again and again or
//! has to wait for long. At the end what was acknowledged is compared with what arrived.
//!
//! `cargo test` runs each of these for some seconds. The variables that make them long are in `docs/benchmarks.md`.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "the figures, for who runs them with --nocapture")]

mod dice;
mod hostile;
mod kill;
mod life;
mod outage;
mod traffic;
mod upstream;
mod verdict;

use std::fmt::Debug;
use std::str::FromStr;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Some tests must have the machine for themselves, or others would be late for no fault of theirs.
static MACHINE: RwLock<()> = RwLock::new(());

/// For a test that may run beside others.
fn together() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// For one that may not.
fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// How long a test waits for what must happen; only a failing test ever waits that long.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// The environment variable `name`, for whoever wants more than `cargo test` does.
fn variable<T: FromStr<Err: Debug>>(name: &str) -> Option<T> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// The seed of a run: that of the variable, or any. A failure names it.
fn seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    let seed = variable("RELAY_TEST_SEED").unwrap_or_else(|| RandomState::new().hash_one(0_u8));
    println!("RELAY_TEST_SEED={seed}");
    seed
}
