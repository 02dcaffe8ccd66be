//! Forwarded addresses: the way a request came, and how much of that is believed.

use std::fmt::Write as _;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::config::Forwarded;

/// Headers that may name the client's address; the first that is not empty counts (`spec/ingest.md` 9.1).
const CLIENT_ADDRESS: [HeaderName; 4] = [
    HeaderName::from_static("cf-connecting-ip"),
    HeaderName::from_static("x-vercel-forwarded-for"),
    HeaderName::from_static("x-sentry-forwarded-for"),
    HeaderName::from_static("x-forwarded-for"),
];

/// An IPv6 address in full.
const LONGEST_ADDRESS: usize = 39;

/// The addresses a request came through, ours being the last hop: `client, proxy, …, peer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) text: String,
    /// Whether whoever stands at its beginning may say in an envelope where that came from before.
    pub(crate) may_say_more: bool,
}

impl Chain {
    /// What the headers of a request from `peer` say, as far as `settings` believes it.
    pub(crate) fn of(headers: &HeaderMap, peer: IpAddr, settings: &Forwarded) -> Self {
        if settings.believes_all() {
            let text = |name| headers.get(name)?.to_str().ok();
            let chain = CLIENT_ADDRESS
                .iter()
                .find_map(|name| text(name).filter(|chain: &&str| !chain.is_empty()));
            let mut text = String::with_capacity(chain.map_or(0, str::len) + LONGEST_ADDRESS + 2);
            if let Some(chain) = chain {
                text.extend([chain, ", "]);
            }
            let _ = write!(text, "{peer}");
            return Self { text, may_say_more: true };
        }
        let told =
            headers.get_all(&settings.header.0).iter().filter_map(|value| value.to_str().ok());
        let told: Vec<&str> = told.flat_map(|value| value.split(',')).map(str::trim).collect();
        // From us towards the client: each hop that is believed tells of the one before it.
        let mut chain = vec![peer];
        let mut before = told.iter().rev();
        while let Some(nearest) = chain.last()
            && settings.believes(chain.len(), *nearest)
            && let Some(address) = before.next().and_then(|text| address(text))
        {
            chain.push(address);
        }
        let client = chain.last().copied().unwrap_or(peer);
        let text: Vec<String> = chain.iter().rev().map(IpAddr::to_string).collect();
        Self { text: text.join(", "), may_say_more: settings.is_ours(client) }
    }
}

/// Takes out what a client may have made up.
pub(crate) fn remove_unbelieved(headers: &mut HeaderMap<HeaderValue>, settings: &Forwarded) {
    if !settings.believes_all() {
        CLIENT_ADDRESS.iter().for_each(|name| {
            headers.remove(name);
        });
        headers.remove(&settings.header.0);
    }
}

/// An address, perhaps with a port, as some proxies write it.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(ip, _)| ip);
    bare.unwrap_or(text)
        .parse()
        .ok()
        .or_else(|| text.parse().ok().map(|socket: std::net::SocketAddr| socket.ip()))
}

impl Forwarded {
    /// Nobody has said whom to believe: everybody, as SDKs and other relays expect.
    fn believes_all(&self) -> bool {
        self.trusted_hops.is_none() && self.trusted_networks.is_empty()
    }

    /// Whether the hop at `address`, the peer being number 1, tells the truth about the one before it.
    fn believes(&self, hop: usize, address: IpAddr) -> bool {
        self.trusted_hops.is_none_or(|hops| hop <= hops)
            && (self.trusted_networks.is_empty() || self.is_ours(address))
    }

    fn is_ours(&self, address: IpAddr) -> bool {
        // An IPv4 address may come in the dress of IPv6.
        let address = address.to_canonical();
        self.trusted_networks.iter().any(|network: &IpNet| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(hops: Option<usize>, networks: &[&str]) -> Forwarded {
        Forwarded {
            trusted_hops: hops,
            trusted_networks: networks.iter().map(|net| net.parse().expect("a network")).collect(),
            ..Forwarded::default()
        }
    }

    /// The truth table of docs/configuration.md.
    #[test]
    fn a_client_is_believed_what_the_settings_say() {
        let ours = ["10.0.0.0/8", "fd00::/8"];
        let all = settings(None, &[]);
        let none = settings(Some(0), &[]);
        let one = settings(Some(1), &[]);
        let two = settings(Some(2), &[]);
        let nets = settings(None, &ours);
        let both = settings(Some(1), &ours);
        let cases: [(&Forwarded, &str, &str, &str, bool); 20] = [
            (&all, "10.0.0.1", "1.2.3.4", "1.2.3.4, 10.0.0.1", true),
            (&all, "9.9.9.9", "", "9.9.9.9", true),
            (&all, "9.9.9.9", "anything", "anything, 9.9.9.9", true),
            (&none, "10.0.0.1", "1.2.3.4", "10.0.0.1", false),
            (&one, "10.0.0.1", "1.2.3.4", "1.2.3.4, 10.0.0.1", false),
            (&one, "10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4, 10.0.0.1", false),
            (&one, "10.0.0.1", "", "10.0.0.1", false),
            (&two, "10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4, 10.0.0.2, 10.0.0.1", false),
            (&two, "10.0.0.1", "1.2.3.4", "1.2.3.4, 10.0.0.1", false),
            (&nets, "9.9.9.9", "1.2.3.4", "9.9.9.9", false),
            (&nets, "10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4, 10.0.0.1", false),
            (&nets, "10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4, 10.0.0.2, 10.0.0.1", false),
            (&nets, "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3, 10.0.0.2, 10.0.0.1", true),
            (&nets, "10.0.0.1", "", "10.0.0.1", true),
            (&nets, "::ffff:10.0.0.1", "1.2.3.4", "1.2.3.4, ::ffff:10.0.0.1", false),
            (&nets, "fd00::1", "[2001:db8::1]:443", "2001:db8::1, fd00::1", false),
            (&nets, "10.0.0.1", "1.2.3.4:5678", "1.2.3.4, 10.0.0.1", false),
            (&nets, "10.0.0.1", "1.2.3.4, unknown", "10.0.0.1", true),
            (&both, "10.0.0.1", "1.2.3.4, 10.0.0.2", "10.0.0.2, 10.0.0.1", true),
            (&both, "9.9.9.9", "1.2.3.4", "9.9.9.9", false),
        ];
        for (settings, peer, header, text, may_say_more) in cases {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", header.parse().expect("a header"));
            let chain = Chain::of(&headers, peer.parse().expect("an address"), settings);
            let expected = Chain { text: text.to_owned(), may_say_more };
            assert_eq!(chain, expected, "{settings:?} {peer} {header}");
        }
    }

    #[test]
    fn a_header_that_no_proxy_of_ours_writes_is_not_read() {
        let mut headers = HeaderMap::new();
        headers.insert("cf-connecting-ip", HeaderValue::from_static("6.6.6.6"));
        headers.append("x-forwarded-for", HeaderValue::from_static("7.7.7.7"));
        headers.append("x-forwarded-for", HeaderValue::from_static("1.2.3.4"));
        let peer = "10.0.0.1".parse().expect("an address");
        let mut settings = settings(Some(1), &[]);
        assert_eq!(Chain::of(&headers, peer, &settings).text, "1.2.3.4, 10.0.0.1");
        settings.header = "CF-Connecting-IP".parse().expect("a header");
        assert_eq!(Chain::of(&headers, peer, &settings).text, "6.6.6.6, 10.0.0.1");
        remove_unbelieved(&mut headers, &settings);
        assert!(headers.is_empty());
    }
}
