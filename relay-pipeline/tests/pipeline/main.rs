//! The pipeline as its users see it.

mod admission;
mod sizes;
