#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! - [`start`], [`Running`], [`Stopper`], [`Shutdown`]: a relay on threads of its own, from start to stop.
//! - [`Config`] and the module [`config`]: what a relay needs to know.
//! - [`Stats`]: what became of every item.
//! - [`HttpClient`]: the client towards the upstream, for whoever sends something themselves.
//!
//! Inside, a request goes accept (`running`) → `service` (route) → `ingest` (authenticate, read by its `endpoint`,
//! admit, encode) → `storing` → answer; and in tasks of its own `queue` → `forward` → `settle`.
#![forbid(unsafe_code)]

// What the tests share names this crate as they do.
#[cfg(test)]
extern crate self as relay_server;

pub mod config;

mod body;
mod budget;
mod capture;
mod client;
mod encoding;
mod endpoint;
mod foreign;
mod forward;
mod forwarded;
mod ingest;
mod lane;
mod learned;
mod ledger;
mod meta;
mod multipart;
mod pace;
mod passthrough;
mod queue;
mod record;
mod rejection;
mod relay;
mod reply;
mod reports;
mod running;
mod service;
mod settle;
mod storing;
mod target;
mod upkeep;
mod upload;

pub use crate::client::{ClientError, HttpClient};
pub use crate::config::Config;
pub use crate::ledger::Stats;
pub use crate::running::{Running, Shutdown, StartError, Stopper, start};
