//! Inputs shared by the benches, named after traffic.
