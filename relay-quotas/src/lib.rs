#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! - [`RateLimits`]: the limits in force; reads and writes the headers, answers what may be sent.
//! - [`RateLimit`]: one of them, with its [`Scope`] and, for metrics, its [`Namespaces`].
//! - [`DataCategory`], [`DataCategories`], [`ReasonCode`]: words of `relay-protocol` that limits use.
#![forbid(unsafe_code)]

mod header;
mod limit;
mod limits;
mod namespace;

pub use relay_protocol::{DataCategories, DataCategory, ReasonCode};

pub use crate::limit::{RateLimit, Scope};
pub use crate::limits::RateLimits;
pub use crate::namespace::{Namespace, Namespaces};
