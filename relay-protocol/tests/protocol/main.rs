//! The vocabulary as seen from outside.

mod category;
mod client_report;
mod event_id;
mod item_kind;
mod json;
mod outcome;
mod payload;
mod quantity;
mod reason;
