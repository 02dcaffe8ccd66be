//! What the kernel says a process has used.

use std::fs;
use std::time::Duration;

use crate::Result;

/// CPU time of all threads of `pid`, user and system together.
///
/// The sum over the threads' `schedstat` is exact to the nanosecond but forgets threads that ended;
/// `stat` remembers those but counts in ticks, rounded down. Neither ever exceeds the truth, so the larger
/// one is the better of the two.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let mut threads = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the listing and the reading.
        let Ok(schedstat) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let running = schedstat.split(' ').next().ok_or("schedstat is empty")?;
        threads += Duration::from_nanos(running.parse()?);
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the command's name in parentheses and may hold anything; user and system time
    // are the twelfth and thirteenth field after it.
    let (_, fields) = stat.rsplit_once(')').ok_or("stat has no command name")?;
    let ticks = fields.split_ascii_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks = ticks.sum::<std::result::Result<u64, _>>()?;
    Ok(threads.max(Duration::from_millis(ticks * MILLISECONDS_PER_TICK)))
}

/// `USER_HZ` is 100 on every architecture this bench is likely to see.
const MILLISECONDS_PER_TICK: u64 = 10;

/// Memory of a process in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) resident: u64,
    /// The most that was ever resident.
    pub(crate) peak: u64,
}

pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let bytes = |key: &str| -> Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kib = line
            .and_then(|line| line.split_ascii_whitespace().next())
            .ok_or("no such line in status")?;
        Ok(kib.parse::<u64>()? * 1024)
    };
    Ok(Memory { resident: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
}

/// The machine, as a table of figures must name it.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let model = model.trim_start_matches([' ', '\t', ':']);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores of {model}, Linux {}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_this_very_process_can_be_read() {
        let own = std::process::id();
        assert!(cpu(own).is_ok());
        let memory = memory(own).unwrap();
        assert!(memory.resident > 0 && memory.resident <= memory.peak);
    }
}
