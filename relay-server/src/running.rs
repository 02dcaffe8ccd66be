//! Running: threads, sockets and signals around the service.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{
    Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::MissedTickBehavior;

use crate::budget::{OPEN_CONNECTION, SILENT_CONNECTION};
use crate::client::{ClientError, HttpClient};
use crate::config::{Config, Durability, Limits};
use crate::ledger::{Loss, Stats};
use crate::relay::{Phase, Relay, Worker};
use crate::service::respond;
use crate::{forward, reports, upkeep};

/// Why a relay could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is taken, not ours, or not allowed.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// The reason.
        source: std::io::Error,
    },
    /// The client towards the upstream could not be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The spool could not be opened: in use by another relay, or not readable.
    #[error(transparent)]
    Spool(#[from] relay_spool::OpenError),
    /// The spool was opened and failed then.
    #[error("cannot use the spool")]
    SpoolUse(#[from] relay_spool::SpoolError),
    /// No thread, or no epoll.
    #[error("cannot start a worker")]
    Worker(#[source] std::io::Error),
}

/// How to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Answer what has begun and send what waits, for `limits.shutdown_timeout` at most.
    Graceful,
    /// Now.
    Immediate,
}

/// A relay at work on threads of its own. Dropping it stops it at once.
#[derive(Debug)]
pub struct Running {
    relay: Arc<Relay>,
    address: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

/// Binds the address of `config` and begins to serve.
///
/// # Errors
///
/// If the address cannot be bound, or the configuration names a file that cannot be read.
pub fn start(mut config: Config) -> Result<Running, StartError> {
    let client = HttpClient::new(&config.http)?;
    let address = SocketAddr::new(config.host, config.port);
    let listen_error = |source| StartError::Listen { address, source };
    let listener = bind(address, config.limits.tcp_listen_backlog).map_err(listen_error)?;
    let address = listener.local_addr().map_err(listen_error)?;
    config.port = address.port();

    let threads = config.limits.max_thread_count.unwrap_or_else(cores).max(1);
    let relay = Arc::new(Relay::new(config)?);
    let mut running = Running { relay: Arc::clone(&relay), address, threads: Vec::new() };
    let (unanswered, all_answered) = channel(1);
    let (inboxes, messages): (Vec<_>, Vec<_>) = (0..threads).map(|_| unbounded_channel()).unzip();
    let mut chief = Some(Chief { listener, inboxes, unanswered: all_answered });
    for (index, messages) in messages.into_iter().enumerate() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(StartError::Worker)?;
        let worker = Arc::new(Worker::new(index, Arc::clone(&relay), client.sibling()));
        let inbox = Inbox { messages, unanswered: unanswered.clone() };
        let chief = chief.take();
        let thread = std::thread::Builder::new()
            .name(format!("relay-{index}"))
            .spawn(move || work(runtime, worker, inbox, chief))
            .map_err(StartError::Worker)?;
        running.threads.push(thread);
    }
    Ok(running)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn bind(address: SocketAddr, backlog: u32) -> std::io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

impl Running {
    /// Where it listens; with port 0 in the configuration, the port that was found.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What became of every item so far.
    pub fn stats(&self) -> Stats {
        self.relay.stats()
    }

    /// Begins to stop and returns at once; [`Running::wait`] tells when it is over. An immediate shutdown
    /// cuts a graceful one short.
    pub fn shutdown(&self, shutdown: Shutdown) {
        self.stopper().shutdown(shutdown);
    }

    /// A handle to stop it from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.relay))
    }

    /// Blocks until the relay has stopped, and gives the last count: what waits is in the spool.
    pub fn wait(mut self) -> Stats {
        self.join();
        self.stats()
    }

    fn join(&mut self) {
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker panicked");
            }
        }
        if let Some(spool) = &self.relay.spool {
            reports::leave(&self.relay);
            spool.close();
        }
        if self.relay.config.spool.durability == Durability::Memory {
            self.relay.ledger.discard_the_rest(&Loss::Shutdown);
            let discarded = self.stats().discarded;
            let lost = discarded.get(&Loss::Shutdown.to_string()).copied().unwrap_or_default();
            if lost > 0 && self.relay.has_upstream() {
                tracing::error!(
                    items = lost,
                    "stopped with items that the upstream has not taken, they are lost"
                );
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.shutdown(Shutdown::Immediate);
            self.join();
        }
    }
}

/// Stops a [`Running`] relay from another thread.
#[derive(Debug, Clone)]
pub struct Stopper(Arc<Relay>);

impl Stopper {
    /// As [`Running::shutdown`].
    pub fn shutdown(&self, shutdown: Shutdown) {
        self.0.enter(match shutdown {
            Shutdown::Graceful => Phase::Draining,
            Shutdown::Immediate => Phase::Stopped,
        });
    }
}

/// What a worker is told by the first of them.
enum Message {
    /// Serve this connection.
    Connection(std::net::TcpStream, IpAddr, Option<OwnedSemaphorePermit>),
    /// Something that waited may be sent now.
    Drain,
}

/// A worker's end: what it is told, and how it says that it has answered all its requests: by dropping
/// `unanswered`.
struct Inbox {
    messages: UnboundedReceiver<Message>,
    unanswered: Sender<()>,
}

/// The first worker also accepts connections and hands them out in turn, wakes the others when what waits
/// becomes due, and sees the relay through its shutdown.
struct Chief {
    listener: std::net::TcpListener,
    inboxes: Vec<UnboundedSender<Message>>,
    unanswered: Receiver<()>,
}

fn work(runtime: Runtime, worker: Arc<Worker>, inbox: Inbox, chief: Option<Chief>) {
    runtime.block_on(async {
        let relay = Arc::clone(&worker.relay);
        let news = Arc::clone(&worker.news);
        tokio::spawn(async move { news.hand_out().await });
        tokio::spawn(tick());
        match chief {
            None => serve(worker, inbox).await,
            Some(Chief { listener, inboxes, unanswered }) => {
                tokio::select! {
                    _ = async { tokio::join!(lead(&relay, listener, &inboxes, unanswered), serve(worker, inbox)) } => {}
                    never = wake(&relay, &inboxes) => match never {},
                    never = upkeep::run(&relay) => match never {},
                    never = reports::run(&relay) => match never {},
                }
            }
        }
    });
    // What is left was either answered, or the time is over.
    runtime.shutdown_background();
}

/// Setting a timer that ends before all others wakes the runtime that it is set in: two system calls in each request, for
/// its time limits. Here is one that ends before nearly all of them.
async fn tick() -> Infallible {
    let mut every = tokio::time::interval(TICK);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
    }
}

/// Shorter than the time limits of requests are as a rule.
const TICK: Duration = Duration::from_secs(1);

/// Accepts until the relay stops, then ends it in order: requests first, then what is told of their losses, and the queue.
async fn lead(
    relay: &Arc<Relay>,
    listener: std::net::TcpListener,
    inboxes: &[UnboundedSender<Message>],
    mut unanswered: Receiver<()>,
) {
    tokio::select! {
        () = relay.stopping() => {}
        never = accept(&relay.config.limits, listener, inboxes) => match never {},
    }
    let deadline = Instant::now() + relay.config.limits.shutdown_timeout;
    let in_order = async {
        // Nobody sends: this ends when every worker has dropped its end.
        let _ = unanswered.recv().await;
        relay.upstreams().iter().for_each(|upstream| upstream.queue.close());
        drain(relay, inboxes, deadline).await;
        if relay.spool.is_none() {
            // What still waits cannot go in the time that is left; that it is lost perhaps can be told.
            relay.upstreams().iter().for_each(|upstream| upstream.queue.give_up());
            drain(relay, inboxes, deadline).await;
        }
    };
    tokio::select! {
        () = in_order => {}
        () = tokio::time::sleep_until(deadline.into()) => {}
        () = relay.reached(Phase::Stopped) => {}
    }
    relay.enter(Phase::Stopped);
}

/// Sends what waits, and reports of what has been discarded.
async fn drain(relay: &Arc<Relay>, inboxes: &[UnboundedSender<Message>], deadline: Instant) {
    reports::send(relay).await;
    inboxes.iter().for_each(|inbox| drop(inbox.send(Message::Drain)));
    settled_or_hopeless(relay, deadline).await;
}

/// Completes when nothing waits and nothing is on its way, or when nothing of what waits may be sent before `deadline`.
async fn settled_or_hopeless(relay: &Relay, deadline: Instant) {
    loop {
        let mut changed = std::pin::pin!(relay.changed.notified());
        // From here on no change is missed, also one between the look and the wait.
        changed.as_mut().enable();
        if relay.upstreams().iter().all(|upstream| upstream.queue.is_over(deadline)) {
            return;
        }
        changed.await;
    }
}

async fn accept(
    limits: &Limits,
    listener: std::net::TcpListener,
    inboxes: &[UnboundedSender<Message>],
) -> Infallible {
    let listener = TcpListener::from_std(listener).expect("a listening socket that does not block");
    let room = limits.max_connections.map(|most| Arc::new(Semaphore::new(most)));
    let mut turns = inboxes.iter().cycle();
    loop {
        let permit = match &room {
            Some(room) => Arc::clone(room).acquire_owned().await.ok(),
            None => None,
        };
        let accepted = async {
            let (stream, peer) = listener.accept().await?;
            if let Err(error) = prepare(&stream, limits) {
                tracing::debug!(%error, "a connection goes without its socket options");
            }
            Ok::<_, std::io::Error>((stream.into_std()?, peer.ip().to_canonical()))
        };
        match (accepted.await, turns.next()) {
            (Ok((stream, peer)), Some(inbox)) => {
                // A worker that has stopped takes none; the connection is closed then.
                let _ = inbox.send(Message::Connection(stream, peer, permit));
            }
            (Err(error), _) => {
                tracing::warn!(%error, "cannot accept a connection");
                // Out of file descriptors, as a rule: some have to be closed first.
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            (Ok(_), None) => unreachable!("there is at least one worker"),
        }
    }
}

/// The least time between two calls to all workers.
const WAKE_PAUSE: Duration = Duration::from_millis(1);

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

fn prepare(stream: &TcpStream, limits: &Limits) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    if let Some(idle) = limits.keepalive_timeout {
        let keepalive = TcpKeepalive::new().with_time(idle).with_interval(idle).with_retries(5);
        SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
    }
    Ok(())
}

/// Tells all workers when something that waited becomes due.
async fn wake(relay: &Relay, inboxes: &[UnboundedSender<Message>]) -> Infallible {
    loop {
        let mut changed = std::pin::pin!(relay.changed.notified());
        // From here on no change is missed, also one between the look and the wait.
        changed.as_mut().enable();
        match relay.upstreams().iter().filter_map(|upstream| upstream.queue.due()).min() {
            None => changed.await,
            Some(due) => tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(due.into()) => {
                    for inbox in inboxes {
                        let _ = inbox.send(Message::Drain);
                    }
                    // Their looking changes the queue; until then there is nothing more to tell them.
                    tokio::time::sleep(WAKE_PAUSE).await;
                }
            },
        }
    }
}

/// Serves what this worker is handed, until the relay has stopped.
async fn serve(worker: Arc<Worker>, inbox: Inbox) {
    let Inbox { mut messages, unanswered } = inbox;
    let relay = Arc::clone(&worker.relay);
    let graceful = GracefulShutdown::new();
    let mut stopping = std::pin::pin!(relay.stopping());
    loop {
        tokio::select! {
            () = &mut stopping => break,
            Some(message) = messages.recv() => match message {
                Message::Connection(stream, peer, permit) => {
                    connect(&worker, stream, peer, permit, &graceful);
                }
                Message::Drain => forward::kick(&worker),
            },
        }
    }
    let mut closed = std::pin::pin!(graceful.shutdown());
    let mut unanswered = Some(unanswered);
    let mut stopped = std::pin::pin!(relay.reached(Phase::Stopped));
    loop {
        tokio::select! {
            () = &mut stopped => return,
            () = &mut closed, if unanswered.is_some() => unanswered = None,
            Some(message) = messages.recv() => match message {
                Message::Drain => forward::kick(&worker),
                // Too late to be served.
                Message::Connection(..) => {}
            },
        }
    }
}

fn connect(
    worker: &Arc<Worker>,
    stream: std::net::TcpStream,
    peer: IpAddr,
    permit: Option<OwnedSemaphorePermit>,
    graceful: &GracefulShutdown,
) {
    let stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => return tracing::warn!(%error, "cannot serve a connection"),
    };
    let watcher = graceful.watcher();
    let worker = Arc::clone(worker);
    tokio::spawn(async move {
        let relay = Arc::clone(&worker.relay);
        let mut memory = relay.budget.take(SILENT_CONNECTION);
        let is_http2 = tokio::select! {
            begun = speaks_http2(&stream, &relay.config.limits) => match begun {
                Ok(is_http2) => is_http2,
                Err(error) => {
                    tracing::debug!(%error, "a connection brought no request");
                    // Bytes left unread would make of this end a reset.
                    let _ = stream.try_read(&mut [0; PREFACE.len()]);
                    return;
                }
            },
            () = relay.stopping() => return,
        };
        // On the heap, so that a connection that says nothing takes no more than it needs to wait.
        memory.insist(OPEN_CONNECTION - SILENT_CONNECTION);
        Box::pin(serve_requests(worker, stream, peer, is_http2, watcher)).await;
        drop((memory, permit));
    });
}

/// Serves the requests of a connection that has begun to speak.
async fn serve_requests(
    worker: Arc<Worker>,
    stream: TcpStream,
    peer: IpAddr,
    is_http2: bool,
    watcher: Watcher,
) {
    let limits = &worker.relay.config.limits;
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .half_close(true);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.keepalive_timeout)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST);
    let http = if is_http2 { http.http2_only() } else { http.http1_only() };
    let service = service_fn(move |request| {
        let worker = Arc::clone(&worker);
        async move { Ok::<_, Infallible>(respond(&worker, peer, request).await) }
    });
    let connection = http.serve_connection(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(error = &*error, "a connection ended early");
    }
}

/// The first bytes of an HTTP/2 connection.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether a connection begins with the preface of HTTP/2; waits until that is clear, and reads nothing.
async fn speaks_http2(stream: &TcpStream, limits: &Limits) -> std::io::Result<bool> {
    match limits.idle_timeout {
        Some(idle_timeout) => tokio::time::timeout(idle_timeout, stream.readable()).await??,
        None => stream.readable().await?,
    }
    let begins_with_preface = async {
        let mut start = [0; PREFACE.len()];
        loop {
            let readiness = stream.ready(Interest::READABLE).await?;
            let length = stream.peek(&mut start).await?;
            if length == PREFACE.len() && start == PREFACE {
                return Ok(true);
            }
            if start.get(..length) != PREFACE.get(..length) || readiness.is_read_closed() {
                return Ok(false);
            }
            // Some of it: what is there does not count as readable any more, until there is more.
            let _ =
                stream.try_io(Interest::READABLE, || Err::<(), _>(ErrorKind::WouldBlock.into()));
        }
    };
    tokio::time::timeout(limits.header_timeout, begins_with_preface).await?
}

/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;

/// Bytes of decoded headers of one HTTP/2 request.
const MAX_HEADER_LIST: u32 = 64 * 1024;

#[cfg(test)]
mod tests;
