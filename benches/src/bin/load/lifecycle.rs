//! What a relay costs besides requests: size, memory, start and stop.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::client::{Connection, Load};
use crate::measure::measure;
use crate::report::{median, megabytes, milliseconds};
use crate::shape::Shape;
use crate::subject::{Folder, Subject};
use crate::{Result, usage};

/// Measures start, stop, memory and size of the relay, and prints a Markdown table.
#[derive(Debug, clap::Args)]
pub(crate) struct Process {
    /// The relay binary.
    #[arg(long)]
    relay: PathBuf,
    /// How often it is started and stopped.
    #[arg(long, default_value_t = 21)]
    starts: usize,
    /// Connections open at once for the memory figure.
    #[arg(long, default_value_t = 512)]
    connections: usize,
    /// Requests sent over them.
    #[arg(long, default_value_t = 51_200)]
    requests: usize,
}

impl Process {
    pub(crate) async fn run(self) -> Result<()> {
        let program = std::fs::canonicalize(&self.relay)?;
        let folder = Folder::new("process")?;
        let upstream = Subject::sink()?;
        let mut sink = Connection::open(upstream.address()).await?;
        let bodies = Shape::ERROR_3K.bodies()?;
        let body = bodies.first().ok_or("the shape has no body")?;

        let (mut idle, mut first_event, mut stop) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.starts {
            let mut relay = Subject::relay(&program, upstream.address(), &folder)?;
            drop(relay.connect().await?);
            settled(&relay).await?;
            idle.push(megabytes(usage::memory(relay.target().pid)?.resident));
            drop(relay);

            let started = Instant::now();
            let mut relay = Subject::relay(&program, upstream.address(), &folder)?;
            let mut connection = relay.connect().await?;
            if !connection.post(body.clone()).await? {
                return Err("the first event was refused".into());
            }
            first_event.push(milliseconds(started.elapsed()));
            settled(&relay).await?;
            // The connection stays open, as that of an idle SDK does.
            stop.push(milliseconds(relay.terminate()?));
            drop(connection);
        }

        let mut relay = Subject::relay(&program, upstream.address(), &folder)?;
        drop(relay.connect().await?);
        let load = Load { requests: self.requests, connections: self.connections };
        let measured = measure(&relay.target(), Some(&mut sink), &bodies, &load, 0).await?;

        println!("{} starts; {}\n", self.starts, usage::machine());
        println!("| figure | median | worst |\n|---|---|---|");
        let size = megabytes(std::fs::metadata(&program)?.len());
        println!("| binary | {size:.1} MB | |");
        row("memory after the start, nothing sent", "MB", &mut idle);
        row("start to first accepted event", "ms", &mut first_event);
        row("SIGTERM to exit, nothing waiting", "ms", &mut stop);
        let refused = match measured.refused() {
            0 => String::new(),
            refused => format!(", {refused} of {} refused with 503", self.requests),
        };
        let peak = megabytes(measured.memory().peak);
        println!(
            "| memory, {} connections sending 3 KB errors{refused} | | {peak:.1} MB |",
            self.connections
        );
        Ok(())
    }
}

/// Waits until the process has used no CPU time for a while.
async fn settled(relay: &Subject) -> Result<()> {
    let pid = relay.target().pid;
    let mut before = usage::cpu(pid)?;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = usage::cpu(pid)?;
        if now.saturating_sub(before) < Duration::from_micros(100) {
            return Ok(());
        }
        before = now;
    }
}

fn row(figure: &str, unit: &str, values: &mut [f64]) {
    let median = median(values);
    let worst = values.last().copied().unwrap_or(f64::NAN);
    println!("| {figure} | {median:.1} {unit} | {worst:.1} {unit} |");
}
