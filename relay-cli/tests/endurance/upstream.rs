//! A Sentry with moods, that writes down what it is sent and what it answered.

use std::collections::HashMap;
use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use relay_compression::{ContentEncoding, decode};
use serde_json::Value;
use socket2::{Domain, SockRef, Socket, Type};

use crate::dice::Dice;
use crate::traffic::{Quarry, digest, read_head};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// Some 5xx to everything.
    Refusing,
    /// Well, but takes its time, now and then longer than the relay waits.
    Slow,
    /// The connection is reset in the middle of the answer.
    Cutting,
    /// Connections are refused, and those that were open end.
    Down,
}

/// What the upstream did with an envelope that had arrived whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Said no: it is not taken.
    Refused,
    /// Took it, but the relay cannot know.
    AnswerLost,
    /// Took it and said so.
    Taken,
}

/// One arrival of an envelope.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Receipt {
    /// Which life of the relay sent it.
    pub(crate) life: u64,
    pub(crate) end: End,
    pub(crate) at: Instant,
    pub(crate) digest: u64,
}

#[derive(Default)]
pub(crate) struct Arrivals {
    /// By the number of the envelope, in the order of the answers.
    pub(crate) receipts: HashMap<u64, Vec<Receipt>>,
    /// Envelopes that were taken, each counted once.
    pub(crate) taken: u64,
    /// Requests that carried nothing we had sent.
    pub(crate) invented: Vec<String>,
}

/// The relay gives up on an answer after this long, see `http.timeout` in [`crate::life`].
pub(crate) const TIMEOUT: Duration = Duration::from_secs(3);

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    /// Keeps the port while nobody listens on it.
    _bound: Socket,
}

struct Shared {
    quarry: Arc<Quarry>,
    state: Mutex<State>,
    arrivals: Mutex<Arrivals>,
    changed: Condvar,
}

struct State {
    mood: Mood,
    dice: Dice,
    connections: HashMap<u64, TcpStream>,
    accepted: u64,
}

impl Upstream {
    pub(crate) fn start(quarry: &Arc<Quarry>, mut dice: Dice) -> Self {
        let bound = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let address = bound.local_addr().expect("a bound socket has an address");
        let state = State {
            mood: Mood::Down,
            dice: Dice::new(dice.next(), 1),
            connections: HashMap::new(),
            accepted: 0,
        };
        let upstream = Self {
            address: address.as_socket().expect("an IP address"),
            shared: Arc::new(Shared {
                quarry: Arc::clone(quarry),
                state: Mutex::new(state),
                arrivals: Mutex::default(),
                changed: Condvar::new(),
            }),
            _bound: bound,
        };
        upstream.turn(Mood::Well);
        upstream
    }

    pub(crate) fn turn(&self, mood: Mood) {
        let mut state = self.shared.state();
        let before = std::mem::replace(&mut state.mood, mood);
        if before == Mood::Down && mood != Mood::Down {
            let socket = bind(self.address).expect("the port is ours");
            socket.listen(1024).expect("a bound socket");
            let listener = TcpListener::from(socket);
            let shared = Arc::clone(&self.shared);
            thread::spawn(move || shared.accept(&listener));
        }
        if before != Mood::Down && mood == Mood::Down {
            for (_, connection) in state.connections.drain() {
                // It may be closed already.
                let _ = connection.shutdown(Shutdown::Both);
            }
            drop(state);
            // Wakes the accepting thread, which then stops to listen.
            let _ = TcpStream::connect(self.address);
            while TcpStream::connect(self.address).is_ok() {
                thread::yield_now();
            }
        }
    }

    pub(crate) fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        self.shared.arrivals.lock().expect("no thread panics with the lock")
    }

    /// Waits for an arrival, or for `patience`.
    pub(crate) fn wait(&self, patience: Duration) {
        let waited = self.shared.changed.wait_timeout(self.arrivals(), patience);
        drop(waited.expect("no thread panics with the lock"));
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.turn(Mood::Down);
    }
}

fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // Beside the one that keeps the port.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with the lock")
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            let mut state = self.state();
            if state.mood == Mood::Down {
                return;
            }
            state.accepted += 1;
            let id = state.accepted;
            state.connections.insert(id, stream.try_clone().expect("a spare file descriptor"));
            drop(state);
            let shared = Arc::clone(self);
            thread::spawn(move || {
                // An error here is a connection that one of both sides has closed.
                let _ = shared.serve(id, stream);
                shared.state().connections.remove(&id);
            });
        }
    }

    fn serve(&self, id: u64, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        while let Some(head) = read_head(&mut stream)? {
            let mut body = vec![0; head.length];
            stream.read_exact(&mut body)?;
            let at = Instant::now();
            let encoding = head.encoding.as_deref().unwrap_or("identity").parse();
            let encoding: ContentEncoding = encoding.map_err(io::Error::other)?;
            let envelope = decode(encoding, body.into(), usize::MAX).map_err(io::Error::other)?;
            let life = head.host.strip_prefix("life-").and_then(|life| life.parse().ok());
            let end = self.answer(id, &mut stream, at);
            let receipt = |digest| Receipt { life: life.unwrap_or(0), end: end.0, at, digest };
            self.write_down(&envelope, receipt);
            end.1?;
        }
        Ok(())
    }

    /// Answers as the mood is, and says what that means for the envelope.
    fn answer(
        &self,
        id: u64,
        stream: &mut BufReader<TcpStream>,
        at: Instant,
    ) -> (End, io::Result<()>) {
        const YES: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        let (mood, roll) = {
            let mut state = self.state();
            (state.mood, state.dice.next())
        };
        let stream = stream.get_mut();
        match mood {
            Mood::Well => {}
            Mood::Refusing => {
                let status = [500, 502, 503, 503, 504][(roll % 5) as usize];
                let no = format!("HTTP/1.1 {status} -\r\nContent-Length: 2\r\n\r\n{{}}");
                return (End::Refused, stream.write_all(no.as_bytes()));
            }
            Mood::Slow if roll % 50 == 0 => thread::sleep(TIMEOUT + Duration::from_millis(300)),
            Mood::Slow => thread::sleep(Duration::from_millis(roll % 200)),
            Mood::Cutting => {
                let half = stream.write_all(&YES[..(roll % (YES.len() as u64 - 1)) as usize]);
                // Closing with a linger of zero is what makes TCP send a reset, once the last handle has gone.
                if let Some(connection) = self.state().connections.remove(&id) {
                    let _ = SockRef::from(&connection).set_linger(Some(Duration::ZERO));
                }
                return (End::AnswerLost, half.and(Err(io::ErrorKind::ConnectionReset.into())));
            }
            Mood::Down => return (End::AnswerLost, Err(io::ErrorKind::ConnectionReset.into())),
        }
        let written = stream.write_all(YES);
        let is_known = written.is_ok() && at.elapsed() < TIMEOUT - Duration::from_secs(1);
        (if is_known { End::Taken } else { End::AnswerLost }, written)
    }

    fn write_down(&self, envelope: &[u8], receipt: impl FnOnce(u64) -> Receipt) {
        let newline = envelope.iter().position(|byte| *byte == b'\n').unwrap_or(envelope.len());
        let (header, items) = envelope.split_at(newline);
        let header: Value = serde_json::from_slice(header).unwrap_or_default();
        let client = header["client"].as_str().unwrap_or_default();
        if client.starts_with("sentry.relay/") {
            // What it tells of what it refused is no envelope of ours.
            return;
        }
        let id = header["event_id"].as_str().unwrap_or_default();
        let number = self.quarry.number(id);
        let receipt = receipt(digest(items.get(1..).unwrap_or_default()));
        let mut arrivals = self.arrivals.lock().expect("no thread panics with the lock");
        let Some(number) = number else {
            arrivals.invented.push(header.to_string());
            return;
        };
        let receipts = arrivals.receipts.entry(number).or_default();
        let was_taken = receipts.iter().any(|receipt| receipt.end == End::Taken);
        receipts.push(receipt);
        if receipt.end == End::Taken && !was_taken {
            arrivals.taken += 1;
        }
        self.changed.notify_all();
    }
}
