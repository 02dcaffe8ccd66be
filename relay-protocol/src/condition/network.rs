use std::net::IpAddr;
use std::str::FromStr;

/// A network in CIDR notation, or a single address.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Network {
    text: Box<str>,
    address: IpAddr,
    prefix: u32,
}

impl Network {
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (network.to_bits() ^ address.to_bits()).leading_zeros()
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits()).leading_zeros()
            }
            _ => return false,
        };
        differing >= self.prefix
    }
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| ())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.trim().parse().ok().filter(|&prefix| prefix <= bits).ok_or(())?,
            None => bits,
        };
        Ok(Self { text: text.into(), address, prefix })
    }
}
