//! Signals: how a running relay is told to stop.

use std::io;
use std::thread;

use relay_server::{Shutdown, Stopper};
use tokio::runtime::{Builder, Runtime};

/// Signals are noticed from here on, and wait for [`Signals::stop`].
pub(crate) struct Signals {
    runtime: Runtime,
    streams: Streams,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let streams = {
            let _inside = runtime.enter();
            Streams::open()?
        };
        Ok(Self { runtime, streams })
    }

    /// Stops a relay by signals, on a thread of its own that lives as long as the process: the first may
    /// ask for a graceful stop, the second ends the wait.
    pub(crate) fn stop(self, relay: Stopper) -> io::Result<()> {
        let Self { runtime, mut streams } = self;
        let listen = move || {
            let first = runtime.block_on(streams.next());
            tracing::info!(
                "shutting down, {}",
                match first {
                    Shutdown::Graceful => "another signal ends the wait",
                    Shutdown::Immediate => "at once",
                }
            );
            relay.shutdown(first);
            runtime.block_on(streams.next());
            relay.shutdown(Shutdown::Immediate);
        };
        thread::Builder::new().name("signals".to_owned()).spawn(listen).map(drop)
    }
}

#[cfg(unix)]
struct Streams {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    /// Reserved for tests of a reference relay; unheard it would kill the process.
    _user1: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Streams {
    fn open() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            _user1: signal(SignalKind::user_defined1())?,
        })
    }

    async fn next(&mut self) -> Shutdown {
        tokio::select! {
            _ = self.terminate.recv() => Shutdown::Graceful,
            _ = self.interrupt.recv() => Shutdown::Immediate,
            _ = self.quit.recv() => Shutdown::Immediate,
        }
    }
}

#[cfg(windows)]
struct Streams {
    interrupt: tokio::signal::windows::CtrlC,
    quit: tokio::signal::windows::CtrlBreak,
    close: tokio::signal::windows::CtrlClose,
}

#[cfg(windows)]
impl Streams {
    fn open() -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};
        Ok(Self { interrupt: ctrl_c()?, quit: ctrl_break()?, close: ctrl_close()? })
    }

    async fn next(&mut self) -> Shutdown {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.quit.recv() => {}
            _ = self.close.recv() => {}
        }
        Shutdown::Immediate
    }
}
