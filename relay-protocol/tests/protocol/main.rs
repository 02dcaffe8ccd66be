//! The vocabulary as seen from outside.

mod category;
mod client_report;
mod event_id;
mod item_kind;
mod outcome;
mod quantity;
mod reason;
mod release;
mod words;
