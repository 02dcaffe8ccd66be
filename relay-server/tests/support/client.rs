//! A client that sends exactly the bytes a test wants and reads what comes back.

use std::io::{self, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use super::PATIENCE;
use super::wire::{self, Message};

/// A request as a test spells it: nothing is added but `Host` and the framing of the body.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    chunked: bool,
}

impl Request {
    /// A request without headers and body.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: None,
            chunked: false,
        }
    }

    /// An envelope for project 42, authenticated by header.
    pub(crate) fn envelope(key: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", "/api/42/envelope/").auth(key).body(body)
    }

    /// An event for project 42 by the store endpoint.
    pub(crate) fn store(key: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", "/api/42/store/").auth(key).body(body)
    }

    /// Adds a line; the value is Latin-1.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds `X-Sentry-Auth`.
    pub(crate) fn auth(self, key: &str) -> Self {
        self.header("X-Sentry-Auth", &format!("Sentry sentry_key={key}, sentry_version=7"))
    }

    /// Sends this body with a `Content-Length`.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Compresses the body and says so.
    pub(crate) fn encoded(mut self, encoding: &str) -> Self {
        let plain = self.body.take().expect("a body to encode");
        self.body = Some(super::coding::encode(encoding, &plain));
        self.header("Content-Encoding", encoding)
    }

    /// Sends the body in chunks, without `Content-Length`.
    pub(crate) fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// The head alone, up to and including the empty line.
    pub(crate) fn head_bytes(&self) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        let mut headers = vec![("Host".to_owned(), "relay.test".to_owned())];
        headers.extend_from_slice(&self.headers);
        match &self.body {
            Some(_) if self.chunked => {
                headers.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
            }
            Some(body) => headers.push(("Content-Length".to_owned(), body.len().to_string())),
            None => {}
        }
        wire::write_headers(&mut out, &headers);
        out
    }

    /// All of the request.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.head_bytes();
        match self.body.as_deref() {
            Some(body) if self.chunked => {
                // Several chunks, so that a reader that takes the first for the whole is found out.
                for chunk in body.chunks(body.len().div_ceil(3).max(1)) {
                    out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    out.extend_from_slice(chunk);
                    out.extend_from_slice(b"\r\n");
                }
                out.extend_from_slice(b"0\r\n\r\n");
            }
            Some(body) => out.extend_from_slice(body),
            None => {}
        }
        out
    }

    /// The same for a client that knows HTTP/2.
    pub(crate) fn to_http(&self, relay: SocketAddr) -> http::Request<Vec<u8>> {
        let mut request = http::Request::builder()
            .method(self.method.as_str())
            .uri(format!("http://{relay}{}", self.target));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(self.body.clone().unwrap_or_default()).expect("a valid request")
    }

    /// Sends it over a connection of its own and reads the answer.
    pub(crate) fn send(&self, relay: SocketAddr) -> Message {
        Client::connect(relay).exchange(self).expect("an answer")
    }
}

/// One connection.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    /// Connects; every later read gives up after [`PATIENCE`].
    pub(crate) fn connect(relay: SocketAddr) -> Self {
        let stream = TcpStream::connect(relay).expect("the relay accepts connections");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout that is not zero");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout that is not zero");
        stream.set_nodelay(true).expect("a TCP option");
        Self { reader: BufReader::new(stream) }
    }

    /// Our end of it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.reader.get_ref().local_addr().expect("a connected socket")
    }

    /// Writes bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// Says that nothing more will be written; reading goes on.
    pub(crate) fn close_write(&mut self) {
        // It fails where the relay hung up already.
        let _ = self.reader.get_mut().shutdown(Shutdown::Write);
    }

    /// Breaks it off, with a reset.
    pub(crate) fn reset(self) {
        let linger = SockRef::from(self.reader.get_ref()).set_linger(Some(Duration::ZERO));
        linger.expect("a socket option");
    }

    /// Reads one answer; an interim `100 Continue` is an answer of its own.
    pub(crate) fn answer(&mut self, method: &str) -> io::Result<Message> {
        let mut message = wire::read_head(&mut self.reader)?.ok_or(ErrorKind::UnexpectedEof)?;
        wire::read_answer_body(&mut self.reader, method, &mut message)?;
        Ok(message)
    }

    /// Sends a request and reads its answer, which may come before the body is through.
    pub(crate) fn exchange(&mut self, request: &Request) -> io::Result<Message> {
        let mut writer = self.reader.get_ref().try_clone()?;
        thread::scope(|scope| {
            // A refused body ends in a broken pipe here; what the relay answered is what counts.
            scope.spawn(move || writer.write_all(&request.to_bytes()));
            let answer = self.answer(&request.method);
            if answer.is_err() {
                // Otherwise a relay that reads nothing would keep the writer, and the test, for good.
                let _ = self.reader.get_ref().shutdown(Shutdown::Both);
            }
            answer
        })
    }

    /// Whether anything has arrived that was not read yet.
    pub(crate) fn has_bytes(&mut self) -> bool {
        let stream = self.reader.get_ref();
        stream.set_nonblocking(true).expect("a socket option");
        let arrived = stream.peek(&mut [0]).is_ok();
        stream.set_nonblocking(false).expect("a socket option");
        arrived || !self.reader.buffer().is_empty()
    }

    /// Everything the relay still sends until it closes the connection.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}
