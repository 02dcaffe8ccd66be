//! The server seen from outside: real sockets, an in-process relay, an upstream that records.

#[path = "../support/mod.rs"]
mod support;

mod capture;
mod crash_reports;
mod durable;
mod endpoints;
mod foreign;
mod hostile;
mod http;
mod limits;
mod nothing_lost;
mod proxying;
mod reports;
mod rows;
mod settle;
mod shutdown;
mod statuses;
mod tunnel;
mod uploads;
