//! One measurement: load, drain, and what both cost the process under test.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::Result;
use crate::client::{self, Connection, Load, Sent};
use crate::report::{megabytes, milliseconds};
use crate::sink::{self, Received};
use crate::usage::{self, Memory};

/// A running process under test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
}

/// What `requests` requests cost.
#[derive(Debug)]
pub(crate) struct Measured {
    requests: usize,
    cpu: Duration,
    sent: Sent,
    memory: Memory,
    /// If there was a sink.
    forwarded: Option<Forwarded>,
}

/// What the sink saw of the requests that were accepted.
#[derive(Debug)]
struct Forwarded {
    /// How many were still on their way when the last one was answered.
    backlog: u64,
    /// Bytes of all bodies.
    bytes: u64,
}

impl Measured {
    /// CPU time per request in microseconds, drain included.
    pub(crate) fn cpu_per_request(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.requests as f64
    }

    /// Requests for which there was no room.
    pub(crate) fn refused(&self) -> usize {
        self.sent.refused
    }

    /// Memory after the last request, and the most there was until then.
    pub(crate) fn memory(&self) -> Memory {
        self.memory
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, sent, memory, .. } = self;
        let latency = |share| milliseconds(sent.latency(share));
        writeln!(f, "CPU per request     {:.1} µs", self.cpu_per_request())?;
        writeln!(f, "requests            {requests} in {:.2} s", sent.elapsed.as_secs_f64())?;
        writeln!(f, "refused for room    {}", sent.refused)?;
        writeln!(f, "throughput          {:.0}/s", *requests as f64 / sent.elapsed.as_secs_f64())?;
        writeln!(f, "latency p50, p99    {:.2} ms, {:.2} ms", latency(0.5), latency(0.99))?;
        if let Some(Forwarded { backlog, bytes }) = self.forwarded {
            writeln!(f, "forwarded later     {backlog}")?;
            writeln!(f, "bytes forwarded     {} per request", bytes / *requests as u64)?;
        }
        let (resident, peak) = (megabytes(memory.resident), megabytes(memory.peak));
        write!(f, "memory now, peak    {resident:.1} MB, {peak:.1} MB")
    }
}

/// Loads `target` and waits until `sink` got everything. The `warmup` requests before are not measured.
pub(crate) async fn measure(
    target: &Target,
    mut sink: Option<&mut Connection>,
    bodies: &Arc<[Bytes]>,
    load: &Load,
    warmup: usize,
) -> Result<Measured> {
    let warmup = Load { requests: warmup, ..*load };
    send_and_drain(target, sink.as_deref_mut(), bodies, &warmup).await?;
    let before = usage::cpu(target.pid)?;
    let (sent, forwarded) = send_and_drain(target, sink, bodies, load).await?;
    let cpu = usage::cpu(target.pid)?.saturating_sub(before);
    Ok(Measured {
        requests: load.requests,
        cpu,
        sent,
        memory: usage::memory(target.pid)?,
        forwarded,
    })
}

async fn send_and_drain(
    target: &Target,
    sink: Option<&mut Connection>,
    bodies: &Arc<[Bytes]>,
    load: &Load,
) -> Result<(Sent, Option<Forwarded>)> {
    let Some(sink) = sink else {
        return Ok((client::send(target.address, bodies, load).await?, None));
    };
    let before = sink::received(sink).await?;
    let sent = client::send(target.address, bodies, load).await?;
    let expected = before.requests + (load.requests - sent.refused) as u64;
    let backlog = expected.saturating_sub(sink::received(sink).await?.requests);
    let after = drained(sink, expected).await?;
    // The sink answered the last request just now: reading that answer is part of the cost.
    tokio::time::sleep(Duration::from_millis(20)).await;
    Ok((sent, Some(Forwarded { backlog, bytes: after.bytes - before.bytes })))
}

/// How long the sink may hear nothing new before the rest counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until the sink has got `expected` requests.
async fn drained(sink: &mut Connection, expected: u64) -> Result<Received> {
    let mut seen = 0;
    let mut since = Instant::now();
    loop {
        let received = sink::received(sink).await?;
        if received.requests >= expected {
            return Ok(received);
        }
        if received.requests > seen {
            (seen, since) = (received.requests, Instant::now());
        } else if since.elapsed() > PATIENCE {
            return Err(format!(
                "{} requests never reached the sink",
                expected - received.requests
            )
            .into());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
