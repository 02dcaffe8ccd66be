use std::net::IpAddr;

use maxminddb::{Reader, geoip2};

use super::{GeoLookup, Place};

/// Places by address, from a database of cities or countries in MaxMind's format (`GeoLite2-City.mmdb`). Feature
/// `geoip`.
#[derive(Debug)]
pub struct GeoDatabase(Reader<Vec<u8>>);

impl GeoDatabase {
    /// Takes the bytes of a database. Names are read when they are asked for.
    ///
    /// # Errors
    ///
    /// The bytes are not such a database.
    pub fn new(bytes: Vec<u8>) -> Result<Self, GeoDatabaseError> {
        Reader::from_source(bytes).map(Self).map_err(GeoDatabaseError)
    }
}

/// The bytes are not a database in MaxMind's format.
#[derive(Debug, thiserror::Error)]
#[error("not a database of places")]
pub struct GeoDatabaseError(#[source] maxminddb::MaxMindDbError);

impl GeoLookup for GeoDatabase {
    /// A record that is broken is a place that is not known.
    fn lookup(&self, address: IpAddr) -> Option<Place> {
        let place: geoip2::City<'_> = self.0.lookup(address).ok()?.decode().ok()??;
        let own = |text: Option<&str>| text.map(str::to_owned);
        Some(Place {
            country_code: own(place.country.iso_code),
            city: own(place.city.names.english),
            subdivision: own(place.subdivisions.first().and_then(|it| it.names.english)),
            region: own(place.country.names.english),
        })
    }
}
