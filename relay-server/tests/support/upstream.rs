//! A Sentry that records what it is sent and answers as it is told.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use super::PATIENCE;
use super::envelope::Envelope;
use super::wire::{self, Message};

/// What the upstream does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Reply(Reply),
    /// The connection is reset in place of an answer.
    Reset,
    /// No answer as long as the upstream lives.
    Silence,
}

/// An answer in HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Reply {
    /// `{}` with that status.
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: b"{}".to_vec() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("HTTP/1.1 {} -\r\n", self.status).into_bytes();
        let mut headers = self.headers.clone();
        headers.push(("Content-Length".to_owned(), self.body.len().to_string()));
        wire::write_headers(&mut out, &headers);
        out.extend_from_slice(&self.body);
        out
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// Whether a request is one of those that carry an envelope.
pub(crate) fn is_envelope(request: &Message) -> bool {
    request.method() == "POST" && request.target().ends_with("/envelope/")
}

/// The server; it ends when dropped.
pub(crate) struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Held while the upstream is down: a port that nobody listens on and nobody else can take.
    bound: Option<Socket>,
}

struct Shared {
    script: Box<dyn Fn(&Message) -> Answer + Send + Sync>,
    tls: Option<Arc<rustls::ServerConfig>>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    requests: Vec<Arc<Message>>,
    connections: HashMap<u64, TcpStream>,
    /// How many connections there ever were.
    accepted: u64,
    held: bool,
    stopped: bool,
}

impl Upstream {
    /// Answers everything with `200 {}`.
    pub(crate) fn start() -> Self {
        Self::scripted(|_| Reply::new(200).into())
    }

    /// Gives these answers to envelopes, in order, then `200 {}`.
    pub(crate) fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::scripted(in_order(answers))
    }

    /// Answers as `script` says.
    pub(crate) fn scripted(script: impl Fn(&Message) -> Answer + Send + Sync + 'static) -> Self {
        let mut upstream = Self::down(script);
        upstream.listen();
        upstream
    }

    /// Refuses connections until [`listen`](Self::listen).
    pub(crate) fn down(script: impl Fn(&Message) -> Answer + Send + Sync + 'static) -> Self {
        Self::bind(Box::new(script), None)
    }

    /// `200 {}` behind TLS.
    pub(crate) fn encrypted(tls: Arc<rustls::ServerConfig>) -> Self {
        let mut upstream = Self::bind(Box::new(|_| Reply::new(200).into()), Some(tls));
        upstream.listen();
        upstream
    }

    fn bind(
        script: Box<dyn Fn(&Message) -> Answer + Send + Sync>,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&any_port.into()).expect("a free port");
        let address = socket.local_addr().expect("a bound socket has an address");
        let shared = Shared { script, tls, state: Mutex::default(), changed: Condvar::new() };
        Self {
            address: address.as_socket().expect("an IP address"),
            shared: Arc::new(shared),
            bound: Some(socket),
        }
    }

    /// Starts to accept connections.
    pub(crate) fn listen(&mut self) {
        let socket = self.bound.take().expect("an upstream that is down");
        socket.listen(1024).expect("a bound socket");
        let listener = TcpListener::from(socket);
        let shared = Arc::clone(&self.shared);
        thread::spawn(move || shared.accept(&listener));
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Keeps back every answer until [`release`](Self::release); requests are recorded all the same.
    pub(crate) fn hold(&self) {
        self.shared.lock().held = true;
    }

    /// Gives all answers held back.
    pub(crate) fn release(&self) {
        self.shared.lock().held = false;
        self.shared.changed.notify_all();
    }

    /// Waits until there were that many requests; returns all there were.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Arc<Message>> {
        let (state, timeout) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), PATIENCE, |state| state.requests.len() < count)
            .expect("no thread panics with the lock");
        assert!(!timeout.timed_out(), "{} of {count} requests came", state.requests.len());
        state.requests.clone()
    }

    /// The requests up to now, in order of arrival.
    pub(crate) fn requests(&self) -> Vec<Arc<Message>> {
        self.shared.lock().requests.clone()
    }

    /// The envelopes up to now, in order of arrival.
    pub(crate) fn envelopes(&self) -> Vec<Envelope> {
        let requests = self.requests();
        requests.iter().filter(|request| is_envelope(request)).map(|r| envelope(r)).collect()
    }

    /// How many connections there ever were.
    pub(crate) fn connections(&self) -> u64 {
        self.shared.lock().accepted
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopped = true;
        for connection in state.connections.values() {
            // It may be closed already.
            let _ = connection.shutdown(Shutdown::Both);
        }
        drop(state);
        self.shared.changed.notify_all();
        if self.bound.is_none() {
            // Wakes the accepting thread, which then sees that it is over.
            let _ = TcpStream::connect(self.address);
        }
    }
}

/// A script that gives envelopes these answers in order, then `200 {}` to everything.
pub(crate) fn in_order(
    answers: impl IntoIterator<Item = Answer>,
) -> impl Fn(&Message) -> Answer + Send + Sync + 'static {
    let answers: Vec<_> = answers.into_iter().collect();
    let answers = Mutex::new(answers.into_iter());
    move |request| {
        let next = if is_envelope(request) {
            answers.lock().expect("no thread panics with the lock").next()
        } else {
            None
        };
        next.unwrap_or_else(|| Reply::new(200).into())
    }
}

/// The envelope a request carries.
pub(crate) fn envelope(request: &Message) -> Envelope {
    Envelope::parse(&request.content()).expect("the relay sends canonical envelopes")
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with the lock")
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            let mut state = self.lock();
            if state.stopped {
                return;
            }
            state.accepted += 1;
            let id = state.accepted;
            state.connections.insert(id, stream.try_clone().expect("a spare file descriptor"));
            drop(state);
            let shared = Arc::clone(self);
            thread::spawn(move || {
                // An error here is a connection that the relay closed, or that the script reset.
                let _ = match shared.tls.clone() {
                    None => shared.serve(id, stream),
                    Some(tls) => rustls::ServerConnection::new(tls)
                        .map_err(io::Error::other)
                        .and_then(|tls| shared.serve(id, rustls::StreamOwned::new(tls, stream))),
                };
                shared.lock().connections.remove(&id);
            });
        }
    }

    fn serve(&self, id: u64, stream: impl Read + Write) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(mut request) = wire::read_head(&mut reader)? {
            wire::read_request_body(&mut reader, &mut request)?;
            match self.record(request) {
                Answer::Reply(reply) => reader.get_mut().write_all(&reply.to_bytes())?,
                Answer::Silence => self.wait_while(|_| true),
                Answer::Reset => {
                    // Closing with a linger of zero is what makes TCP send a reset; every handle
                    // of the socket has to go for that, this one and the caller's.
                    if let Some(connection) = self.lock().connections.remove(&id) {
                        SockRef::from(&connection).set_linger(Some(Duration::ZERO))?;
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn record(&self, request: Message) -> Answer {
        let answer = (self.script)(&request);
        self.lock().requests.push(Arc::new(request));
        self.changed.notify_all();
        self.wait_while(|state| state.held);
        answer
    }

    fn wait_while(&self, condition: impl Fn(&State) -> bool) {
        let state = self
            .changed
            .wait_while(self.lock(), |state| !state.stopped && condition(state))
            .expect("no thread panics with the lock");
        drop(state);
    }
}
