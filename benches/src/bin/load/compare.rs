//! The comparison: every floor and the relay, in turns, shape by shape.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::client::{Connection, Load};
use crate::floor::Floor;
use crate::measure::{Target, measure};
use crate::report::{median, microseconds};
use crate::shape::Shape;
use crate::subject::{Folder, Subject};
use crate::{Result, usage};

/// Measures every floor and the relay in turns, and prints a Markdown table.
#[derive(Debug, clap::Args)]
pub(crate) struct Compare {
    /// A relay binary, with a name for its column if there are several.
    #[arg(long, value_name = "[NAME=]PATH")]
    relay: Vec<Build>,
    /// Shapes to send.
    #[arg(long, value_delimiter = ',', default_values = Shape::ALL.map(|shape| shape.name))]
    shape: Vec<Shape>,
    /// How often every process has its turn with a shape.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Requests per turn, as a multiple of the shape's own number.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Connections, each with one request in flight.
    #[arg(long, default_value_t = 16)]
    connections: usize,
}

/// A relay binary and the name of its column.
#[derive(Debug, Clone)]
struct Build {
    name: String,
    path: PathBuf,
}

impl FromStr for Build {
    type Err = std::io::Error;

    fn from_str(text: &str) -> std::io::Result<Self> {
        let (name, path) = text.split_once('=').unwrap_or(("relay, proxy", text));
        // The relay is started from a folder of its own.
        Ok(Self { name: name.to_owned(), path: std::fs::canonicalize(path)? })
    }
}

/// A column of the table: a process that has its turn.
#[derive(Debug)]
struct Column {
    title: String,
    target: Target,
    forwards: bool,
    /// Held for its life: dropping it stops the process.
    _process: (Subject, Option<Folder>),
}

impl Compare {
    pub(crate) async fn run(self) -> Result<()> {
        let sink = Subject::sink()?;
        let columns = self.columns(sink.address()).await?;
        let mut sink = Connection::open(sink.address()).await?;

        println!("{}\n", self.heading());
        print!("| payload | body |");
        columns.iter().for_each(|column| print!(" {} |", column.title));
        self.relay.iter().for_each(|build| print!(" {} / floor P |", build.name));
        println!("\n|{}", "---|".repeat(2 + columns.len() + self.relay.len()));
        for &shape in &self.shape {
            let row = self.measure(shape, &columns, &mut sink).await?;
            println!("{row}");
        }
        Ok(())
    }

    async fn columns(&self, sink: SocketAddr) -> Result<Vec<Column>> {
        let mut columns = Vec::new();
        for floor in Floor::ALL {
            let subject = Subject::floor(floor, sink)?;
            let (target, forwards) = (subject.target(), floor.forwards());
            columns.push(Column {
                title: floor.title().to_owned(),
                target,
                forwards,
                _process: (subject, None),
            });
        }
        for (index, build) in self.relay.iter().enumerate() {
            let folder = Folder::new(&index.to_string())?;
            let mut relay = Subject::relay(&build.path, sink, &folder)?;
            relay.connect().await?.fetch("/api/relay/healthcheck/live/").await?;
            let (title, target) = (build.name.clone(), relay.target());
            columns.push(Column { title, target, forwards: true, _process: (relay, Some(folder)) });
        }
        Ok(columns)
    }

    /// The row of `shape`: medians, how far the rounds lie apart, and the relays' ratio to floor P.
    async fn measure(
        &self,
        shape: Shape,
        columns: &[Column],
        sink: &mut Connection,
    ) -> Result<String> {
        let bodies = shape.bodies()?;
        let requests = (shape.requests as f64 * self.scale).max(1.0) as usize;
        let load = Load { requests, connections: self.connections };
        let mut rounds = vec![Vec::with_capacity(self.rounds); columns.len()];
        for round in 1..=self.rounds {
            for (column, seen) in columns.iter().zip(&mut rounds) {
                let sink = column.forwards.then_some(&mut *sink);
                let measured = measure(&column.target, sink, &bodies, &load, requests / 10).await;
                let measured = measured.map_err(|error| format!("{}: {error}", column.title))?;
                if measured.refused() > 0 {
                    return Err(format!(
                        "{}: {} requests refused",
                        column.title,
                        measured.refused()
                    )
                    .into());
                }
                let cost = measured.cpu_per_request();
                eprintln!("{} {round}/{}: {}: {cost:.1} µs", shape.name, self.rounds, column.title);
                seen.push(cost);
            }
        }

        let bytes = bodies.iter().map(|body| body.len()).sum::<usize>() / bodies.len();
        let mut row = format!("| {} | {} |", shape.title, kilobytes(bytes));
        let medians: Vec<_> = rounds.iter_mut().map(|seen| median(seen)).collect();
        for (seen, median) in rounds.iter().zip(&medians) {
            let spread =
                seen.last().zip(seen.first()).map_or(0.0, |(dearest, cheapest)| dearest - cheapest);
            row += &format!(" {} ± {} |", microseconds(*median), microseconds(spread / 2.0));
        }
        let floor = Floor::ALL
            .iter()
            .position(|&floor| floor == Floor::FloorP)
            .and_then(|at| medians.get(at));
        for relay in medians.iter().skip(Floor::ALL.len()) {
            row += &format!(" {:.2} |", relay / floor.copied().unwrap_or(f64::NAN));
        }
        Ok(row)
    }

    fn heading(&self) -> String {
        format!(
            "CPU µs per request, user and system, drain included: median of {} rounds in turns ± half the distance \
             between the cheapest and the dearest; closed loop over {} connections, gzip bodies. {}",
            self.rounds,
            self.connections,
            usage::machine(),
        )
    }
}

fn kilobytes(bytes: usize) -> String {
    format!("{:.1} KB", bytes as f64 / 1e3)
}
