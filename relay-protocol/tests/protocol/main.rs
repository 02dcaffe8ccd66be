//! The vocabulary as seen from outside.

mod category;
mod client_report;
mod condition;
mod event_id;
mod generate;
mod glob;
mod hostile;
mod item_kind;
mod json;
mod outcome;
mod path_pattern;
mod payload;
mod quantity;
mod reason;
mod release;
mod schema;
mod strict;
mod subject;
mod trim;
mod words;
