//! The banner: what a person wants to know of a relay that has just started.

use std::fmt;
use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use relay_server::Config;
use relay_server::config::{Durability, Mode};

use crate::byte_size::ByteSize;

/// Any key is as good as another while everything is captured; the same one at every start saves
/// pasting it again.
const CAPTURE_KEY: &str = "0123456789abcdef0123456789abcdef";

pub(crate) struct Banner<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) config: &'a Config,
    pub(crate) mode_reason: &'a str,
}

impl Banner<'_> {
    /// Prints to standard output; the log has standard error for itself.
    pub(crate) fn print(&self) {
        // In one piece and at once. A relay serves just as well when nobody reads this.
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(self.to_string().as_bytes()).and_then(|()| stdout.flush());
    }

    /// An address that this machine reaches the relay under.
    fn reachable(&self) -> SocketAddr {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        address
    }
}

impl Banner<'_> {
    /// Where what is accepted waits.
    fn storage(&self, on_disk: usize) -> String {
        let Config { spool, limits, mode, .. } = self.config;
        match (spool.durability, mode) {
            (Durability::Memory, Mode::Proxy) => {
                format!(
                    "in MEMORY, {} at most and lost with the process",
                    ByteSize(limits.max_memory)
                )
            }
            (Durability::Memory, _) => {
                format!("in MEMORY, {} at most and lost with the process", ByteSize(on_disk))
            }
            _ => format!("in {}, {} at most", spool.path.display(), ByteSize(on_disk)),
        }
    }
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, config, mode_reason } = self;
        let reachable = self.reachable();
        let mode = config.mode.as_str();
        writeln!(f, "relay {} listens on http://{address}", env!("CARGO_PKG_VERSION"))?;
        match config.mode {
            Mode::Proxy => {
                let upstream = &config.upstream;
                writeln!(
                    f,
                    "  DSN     http://<public key>@{reachable}/<project id>, with your project's key and id"
                )?;
                writeln!(
                    f,
                    "  mode    {mode}, because {mode_reason}: everything is sent on to {upstream}"
                )?;
                let targets: usize = config.fan_out.iter().map(|route| route.to().len()).sum();
                if targets > 0 {
                    let senders = config.fan_out.len();
                    writeln!(f, "  fan-out {senders} senders to {targets} targets of their own")?;
                }
                writeln!(
                    f,
                    "  stored  {}, until it is sent",
                    self.storage(config.spool.max_disk_size)
                )
            }
            _ => {
                writeln!(f, "  DSN     http://{CAPTURE_KEY}@{reachable}/1, or any other")?;
                writeln!(f, "  mode    {mode}, because {mode_reason}: nothing is sent anywhere")?;
                writeln!(
                    f,
                    "  stored  {}, the oldest going first",
                    self.storage(config.capture.max_size)
                )?;
                writeln!(f, "  read    http://{reachable}/api/relay/events/")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner(address: &str, mode: Mode) -> String {
        banner_of(address, Config { mode, ..Config::default() })
    }

    fn banner_of(address: &str, config: Config) -> String {
        let address = address.parse().expect("an address");
        Banner { address, config: &config, mode_reason: "a test says so" }.to_string()
    }

    #[test]
    fn the_dsn_to_paste_parses_and_has_the_real_port() {
        let banner = banner("127.0.0.1:4711", Mode::Capture);
        let line = banner.lines().find(|line| line.contains("DSN")).expect("a line with the DSN");
        let dsn = line.split_whitespace().nth(1).expect("a DSN").trim_end_matches(',');
        let dsn: relay_dsn::Dsn = dsn.parse().expect("a DSN");
        assert_eq!(dsn.envelope_url(), "http://127.0.0.1:4711/api/1/envelope/");
        assert!(dsn.project_key().is_ok());
    }

    #[test]
    fn an_unspecified_address_is_shown_as_one_that_can_be_reached() {
        assert!(banner("0.0.0.0:1", Mode::Capture).contains("@127.0.0.1:1/1"));
        assert!(banner("[::]:1", Mode::Capture).contains("@[::1]:1/1"));
    }

    #[test]
    fn mode_reason_and_upstream_are_told() {
        let banner = banner("127.0.0.1:1", Mode::Proxy);
        assert!(banner.contains(
            "proxy, because a test says so: everything is sent on to https://sentry.io/"
        ));
        assert!(banner.contains("stored  in .relay/spool, 2048MiB at most, until it is sent"));
    }

    #[test]
    fn a_relay_that_keeps_nothing_on_disk_says_so() {
        for mode in [Mode::Proxy, Mode::Capture] {
            let mut config = Config { mode, ..Config::default() };
            config.spool.durability = Durability::Memory;
            let banner = banner_of("127.0.0.1:1", config);
            assert!(banner.contains("in MEMORY, 64MiB at most and lost with the process"));
        }
    }
}
