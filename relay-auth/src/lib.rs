#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! - [`authenticate`] and [`Credentials`]: who sent a request, from its headers, query and path.
//! - [`AuthError`] and [`MalformedAuth`]: why it does not say.
//! - [`AuthHeader`] and [`UserAgent`]: the other direction, for whoever sends.
#![forbid(unsafe_code)]

mod client;
mod credentials;
mod error;

pub use crate::client::{AuthHeader, UserAgent};
pub use crate::credentials::{Credentials, authenticate};
pub use crate::error::{AuthError, MalformedAuth};
