//! The whole-process bench: what one request costs a process in CPU time, against floors.
//!
//! `docs/benchmarks.md` has the method and how to read the figures, `benches/whole-process` builds
//! everything and runs `compare` and `process`. The other commands are the pieces of those two, for
//! looking at one process by hand or under a profiler.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a terminal tool: tables out, progress on stderr"
)]

mod client;
mod compare;
mod floor;
mod lifecycle;
mod measure;
mod report;
mod serve;
mod shape;
mod sink;
mod subject;
mod usage;

use std::net::SocketAddr;

use clap::{Parser, Subcommand};
use tokio::runtime;

use crate::client::{Connection, Load};
use crate::measure::Target;
use crate::shape::Shape;

/// A tool has one reader for its errors, who wants a sentence.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures what a request costs a process in CPU time.
#[derive(Debug, Parser)]
#[command(name = "load")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// An upstream that accepts and counts whatever arrives; prints its address.
    Sink(Listen),
    /// A server that does only part of what a relay must; prints its address.
    Floor {
        /// Which part.
        #[arg(long)]
        what: floor::Floor,
        /// Where it forwards to.
        #[arg(long)]
        upstream: SocketAddr,
        #[command(flatten)]
        listen: Listen,
    },
    /// Loads one running process and prints what a request cost it.
    Run(Run),
    /// Measures every floor and the relay in turns, and prints a Markdown table.
    Compare(compare::Compare),
    /// Measures start, stop, memory and size of the relay, and prints a Markdown table.
    Process(lifecycle::Process),
}

#[derive(Debug, clap::Args)]
struct Listen {
    /// The default takes any free port.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[derive(Debug, clap::Args)]
struct Run {
    /// Where the process listens.
    #[arg(long)]
    target: SocketAddr,
    /// Its process id.
    #[arg(long)]
    pid: u32,
    /// The sink it forwards to: the run then ends when everything arrived there.
    #[arg(long)]
    sink: Option<SocketAddr>,
    /// What to send.
    #[arg(long)]
    shape: Shape,
    /// How much of it; the default depends on the shape.
    #[arg(long)]
    requests: Option<usize>,
    /// Requests sent before the measurement begins.
    #[arg(long, default_value_t = 1000)]
    warmup: usize,
    /// Connections, each with one request in flight.
    #[arg(long, default_value_t = 16)]
    connections: usize,
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Sink(Listen { listen }) => one_thread()?.block_on(sink::serve(listen)),
        Command::Floor { what, upstream, listen: Listen { listen } } => {
            two_threads()?.block_on(floor::serve(what, upstream, listen))
        }
        Command::Run(run) => one_thread()?.block_on(run.run()),
        Command::Compare(compare) => one_thread()?.block_on(compare.run()),
        Command::Process(process) => one_thread()?.block_on(process.run()),
    }
}

/// For the tool itself: it shares the cores with the process under test.
fn one_thread() -> Result<runtime::Runtime> {
    Ok(runtime::Builder::new_current_thread().enable_all().build()?)
}

/// For the floors: as many workers as the relay has on the machine the targets were set for.
fn two_threads() -> Result<runtime::Runtime> {
    Ok(runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

impl Run {
    async fn run(self) -> Result<()> {
        let requests = self.requests.unwrap_or(self.shape.requests);
        let load = Load { requests, connections: self.connections };
        let target = Target { address: self.target, pid: self.pid };
        let mut sink = match self.sink {
            Some(address) => Some(Connection::open(address).await?),
            None => None,
        };
        let bodies = self.shape.bodies()?;
        let measured =
            measure::measure(&target, sink.as_mut(), &bodies, &load, self.warmup).await?;
        println!("{measured}");
        Ok(())
    }
}
