//! Placeholder, replaced with its crate.
fn main() {}
