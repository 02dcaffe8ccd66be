//! The pipeline as its users see it.

mod admission;
mod browser_report;
#[cfg(feature = "geoip")]
mod geo_database;
mod item_container;
mod items;
mod normalize;
mod normalize_properties;
mod normalize_settings;
mod sdk_payloads;
mod sizes;
