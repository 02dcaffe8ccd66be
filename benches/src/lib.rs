//! Inputs shared by the benches.

pub mod corpus;
