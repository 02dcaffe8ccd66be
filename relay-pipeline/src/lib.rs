#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod item_limits;

pub use crate::item_limits::ItemLimits;
