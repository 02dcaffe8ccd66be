//! The vocabulary as seen from outside.

mod category;
mod client_report;
mod condition;
mod event_id;
mod glob;
mod item_kind;
mod outcome;
mod path_pattern;
mod quantity;
mod reason;
mod release;
mod words;
