//! What normalisation knows about the world. All of it is somebody else's data, so that it comes as an argument.

use std::fmt;
use std::net::IpAddr;

/// Where normalisation may look things up. By default nowhere.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub struct Lookups<'a> {
    /// Where an address is.
    pub geo: Option<&'a dyn GeoLookup>,
    /// What the text of a `User-Agent` says.
    pub user_agents: Option<&'a dyn UserAgents>,
    /// What a model of an Android device is called in shops.
    pub device_names: Option<&'a dyn DeviceNames>,
}

impl fmt::Debug for Lookups<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups")
            .field("geo", &self.geo.is_some())
            .field("user_agents", &self.user_agents.is_some())
            .field("device_names", &self.device_names.is_some())
            .finish()
    }
}

/// Knows where an address is.
pub trait GeoLookup {
    /// The place of an address, if it is known.
    fn lookup(&self, address: IpAddr) -> Option<Place>;
}

/// A place as events tell of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// ISO 3166-1, two letters.
    pub country_code: Option<String>,
    /// The name of the city, in English.
    pub city: Option<String>,
    /// The name of the state or province, in English.
    pub subdivision: Option<String>,
    /// The name of the country, in English.
    pub region: Option<String>,
}

/// Knows what user agents are.
pub trait UserAgents {
    /// What a `User-Agent` says. What is not known is `None` or `Other`.
    fn parse(&self, user_agent: &str) -> UserAgent;
}

/// What a `User-Agent` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserAgent {
    /// The family of the browser, such as `Mobile Safari`.
    pub browser: Option<String>,
    /// Numbers with dots between.
    pub browser_version: Option<String>,
    /// The family of the operating system, such as `Windows`.
    pub os: Option<String>,
    /// Numbers with dots between.
    pub os_version: Option<String>,
    /// The family of the device, such as `iPhone`.
    pub device: Option<String>,
    /// Its model.
    pub device_model: Option<String>,
    /// Who made it.
    pub device_brand: Option<String>,
}

/// Knows what devices are called.
pub trait DeviceNames {
    /// What a model is called in shops, if that is known: `Pixel 6`.
    fn name_of(&self, model: &str) -> Option<&str>;
}
