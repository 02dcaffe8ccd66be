//! `relay healthcheck`

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::args::{Health, HealthcheckArgs};
use crate::failure::Failure;
use crate::load::{Overrides, load};

/// Asks a relay whether it is well.
///
/// Straight over a socket: a proxy named by the environment is for the upstream, not for this machine.
///
/// # Errors
///
/// If it is not, or does not answer.
pub(crate) fn healthcheck(args: &HealthcheckArgs, overrides: &Overrides) -> Result<(), Failure> {
    let server = load(overrides)?.settings.server;
    let address = args.addr.unwrap_or_else(|| SocketAddr::new(server.host, server.port));
    let address = match address {
        // Some systems cannot connect to the address that means all addresses.
        SocketAddr::V4(all) if all.ip().is_unspecified() => {
            (Ipv4Addr::LOCALHOST, all.port()).into()
        }
        SocketAddr::V6(all) if all.ip().is_unspecified() => {
            (Ipv6Addr::LOCALHOST, all.port()).into()
        }
        address => address,
    };
    let kind = match args.mode {
        Health::Live => "live",
        Health::Ready => "ready",
    };
    let timeout = Duration::from_secs(args.timeout.into());
    let status = ask(address, kind, timeout).map_err(|error| {
        Failure::new(format!("the relay at {address} is unhealthy")).caused_by(error)
    })?;
    match status {
        200..300 => Ok(()),
        status => Err(Failure::new(format!("the relay at {address} is unhealthy"))
            .caused_by(format!("it answers with status {status}"))),
    }
}

/// The status of the health endpoint.
fn ask(address: SocketAddr, kind: &str, timeout: Duration) -> io::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    write!(
        stream,
        "GET /api/relay/healthcheck/{kind}/ HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut head = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut head)?;
    let status =
        head.strip_prefix(b"HTTP/1.1 ").and_then(|status| std::str::from_utf8(status).ok());
    status
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}
