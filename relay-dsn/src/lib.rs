#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! - [`Dsn`]: a DSN, its parts ([`Scheme`], [`ProjectId`], [`ProjectSecret`]) and the URLs of its endpoints
//!   ([`Signal`] picks one).
//! - [`ProjectKey`] and [`KeyFlags`]: the public key as servers know it.
//! - [`ParseDsnError`] and [`ParseProjectKeyError`]: which part is wrong.
#![forbid(unsafe_code)]

mod dsn;
mod endpoint;
mod error;
mod key;
mod parse;
mod project_id;
mod scheme;

pub use crate::dsn::{Dsn, ProjectSecret};
pub use crate::endpoint::Signal;
pub use crate::error::{ParseDsnError, ParseProjectKeyError};
pub use crate::key::{KeyFlags, ProjectKey};
pub use crate::project_id::ProjectId;
pub use crate::scheme::Scheme;
