//! The relay under test, in this process.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use relay_server::{Config, Running, Shutdown, Stats};

use tempfile::TempDir;

use super::PATIENCE;
use super::upstream::Upstream;

/// A relay that forwards to `upstream`, on a port of its own, quick to retry.
pub(crate) fn proxy_config(upstream: &Upstream) -> Config {
    let mut config = Config::default();
    config.mode = relay_server::config::Mode::Proxy;
    config.upstream = format!("http://{}/", upstream.address()).parse().expect("an origin");
    config.port = 0;
    config.http.retry_delay = Duration::from_millis(10);
    config.limits.max_thread_count = Some(2);
    config
}

/// A running relay. Its figures must add up whenever nothing is on its way in.
pub(crate) struct Relay {
    /// There until the end was waited for.
    running: Option<Running>,
    /// Its spool is in here, unless the test has one of its own.
    _folder: TempDir,
}

impl Relay {
    pub(crate) fn start(mut config: Config) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        if config.spool.path == Config::default().spool.path {
            config.spool.path = folder.path().join("spool");
        }
        let running = relay_server::start(config).expect("the relay starts");
        Self { running: Some(running), _folder: folder }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("only the end takes it")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running().local_addr()
    }

    pub(crate) fn stats(&self) -> Stats {
        self.running().stats()
    }

    /// Waits until nothing is left to forward and every item is accounted for.
    pub(crate) fn settle(&self) -> Stats {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stats = self.stats();
            if stats.waiting == 0 && stats.adds_up() {
                return stats;
            }
            assert!(Instant::now() < deadline, "not settled: {stats:?}");
            // The figures cannot be waited for, only asked for; in between the processor is the relay's.
            thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Asks for a graceful end.
    pub(crate) fn begin_stop(&self) {
        self.running().shutdown(Shutdown::Graceful);
    }

    /// Waits for the end that was asked for; returns the last figures.
    pub(crate) fn ended(mut self) -> Stats {
        let (ended, end) = mpsc::channel();
        let running = self.running.take().expect("only the end takes it");
        // On a thread of its own, so that a relay that never ends fails its test instead of all of them.
        thread::spawn(move || ended.send(running.wait()).is_ok());
        let stats = end.recv_timeout(PATIENCE).expect("the relay ends");
        assert!(stats.adds_up(), "{stats:?}");
        stats
    }

    /// Ends when all is delivered, or when the time for that is over.
    pub(crate) fn stop(self) -> Stats {
        self.begin_stop();
        self.ended()
    }

    /// Ends at once.
    pub(crate) fn stop_now(self) -> Stats {
        self.running().shutdown(Shutdown::Immediate);
        self.ended()
    }
}

impl Drop for Relay {
    /// A test that does not wait for the end has its relay's figures looked at all the same.
    fn drop(&mut self) {
        if let Some(running) = self.running.take()
            && !thread::panicking()
        {
            running.shutdown(Shutdown::Immediate);
            let stats = running.wait();
            assert!(stats.adds_up(), "{stats:?}");
        }
    }
}
