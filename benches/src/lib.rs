//! Inputs shared by the benches.

pub mod corpus;
pub mod payload;
