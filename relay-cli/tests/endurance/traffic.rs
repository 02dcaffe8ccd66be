//! Traffic: envelopes of many sizes and shapes, each with an id of its own, and who sends them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use relay_compression::{ContentEncoding, Encoder, Level};

use crate::dice::Dice;

/// The public key that everybody sends with.
pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";

/// One envelope, ready to be posted.
pub(crate) struct Envelope {
    pub(crate) digest: u64,
    encoding: ContentEncoding,
    body: Bytes,
}

/// What envelopes are made of, so that making one costs little.
pub(crate) struct Quarry {
    seed: u64,
    /// Words, as compressible as texts are.
    text: String,
    /// Not compressible at all.
    noise: Vec<u8>,
}

impl Quarry {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 0);
        let words: Vec<String> = (0..400)
            .map(|_| {
                (0..dice.within(2, 10))
                    .map(|_| char::from(b'a' + (dice.next() % 26) as u8))
                    .collect()
            })
            .collect();
        let mut text = String::new();
        while text.len() < 300_000 {
            text.push_str(&words[(dice.next() % 400) as usize]);
            text.push(' ');
        }
        let noise = (0..300_000).map(|_| dice.next() as u8).collect();
        Self { seed, text, noise }
    }

    /// The event id of the envelope `number`.
    fn id(&self, number: u64) -> String {
        format!("{:016x}{number:016x}", self.seed)
    }

    /// Which envelope has this event id, if it is one of ours.
    pub(crate) fn number(&self, id: &str) -> Option<u64> {
        let (seed, number) = id.split_at_checked(16)?;
        let is_ours = u64::from_str_radix(seed, 16) == Ok(self.seed);
        is_ours.then(|| u64::from_str_radix(number, 16).ok())?
    }

    /// The envelope `number`: always the same for a seed.
    pub(crate) fn envelope(&self, number: u64, encoders: &mut Encoders) -> Envelope {
        let mut dice = Dice::new(self.seed, number.wrapping_add(1));
        let id = self.id(number);
        let header = format!("{{\"event_id\":\"{id}\",\"sent_at\":\"2026-11-25T10:00:00Z\"}}\n");
        let mut items = Vec::new();
        match dice.within(0, 100) {
            0..55 => self.event(&mut items, &id, &mut dice, 500, 4_000),
            55..70 => {
                let session = format!(
                    "{{\"sid\":\"{id}\",\"status\":\"ok\",\"errors\":{}}}",
                    dice.within(0, 9)
                );
                item(&mut items, "\"type\":\"session\"", session.as_bytes());
            }
            70..80 => {
                self.event(&mut items, &id, &mut dice, 500, 3_000);
                for _ in 0..dice.within(1, 4) {
                    let bytes = self.noise(&mut dice, 1, 3_000);
                    item(&mut items, "\"type\":\"attachment\",\"filename\":\"noise\"", bytes);
                }
            }
            80..88 => {
                let logs = dice.within(1, 20);
                let log = format!(
                    "{{\"timestamp\":1,\"level\":\"info\",\"body\":\"{}\"}}",
                    self.text(&mut dice, 20, 200)
                );
                let logs_json = vec![log; logs as usize].join(",");
                let header = format!(
                    "\"type\":\"log\",\"item_count\":{logs},\"content_type\":\"application/vnd.sentry.items.log+json\""
                );
                item(&mut items, &header, format!("{{\"items\":[{logs_json}]}}").as_bytes());
            }
            88..92 => {
                item(
                    &mut items,
                    "\"type\":\"of_tomorrow\",\"x\":[1]",
                    self.noise(&mut dice, 0, 2_000),
                );
            }
            92..99 => self.event(&mut items, &id, &mut dice, 10_000, 40_000),
            _ => {
                self.event(&mut items, &id, &mut dice, 500, 3_000);
                let bytes = self.noise(&mut dice, 10_000, 100_000);
                item(&mut items, "\"type\":\"attachment\",\"filename\":\"minidump\"", bytes);
            }
        }
        let (encoding, encoder) = encoders.any(&mut dice);
        let body = encoder.encode([header.as_bytes(), &items]).expect("there is memory");
        Envelope { digest: digest(&items), encoding, body }
    }

    fn event(&self, out: &mut Vec<u8>, id: &str, dice: &mut Dice, from: u64, to: u64) {
        let event =
            format!("{{\"event_id\":\"{id}\",\"message\":\"{}\"}}", self.text(dice, from, to));
        item(out, "\"type\":\"event\"", event.as_bytes());
    }

    fn text(&self, dice: &mut Dice, from: u64, to: u64) -> &str {
        let length = dice.within(from, to) as usize;
        let start = dice.within(0, (self.text.len() - length) as u64) as usize;
        &self.text[start..start + length]
    }

    fn noise(&self, dice: &mut Dice, from: u64, to: u64) -> &[u8] {
        let length = dice.within(from, to) as usize;
        let start = dice.within(0, (self.noise.len() - length) as u64) as usize;
        &self.noise[start..start + length]
    }
}

fn item(out: &mut Vec<u8>, header: &str, payload: &[u8]) {
    out.extend_from_slice(format!("{{{header},\"length\":{}}}\n", payload.len()).as_bytes());
    out.extend_from_slice(payload);
    out.push(b'\n');
}

/// Of everything behind the first line, which is what nobody on the way may change.
pub(crate) fn digest(items: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(items);
    hasher.finish()
}

/// The encodings that SDKs use.
pub(crate) struct Encoders([(ContentEncoding, Encoder); 3]);

impl Encoders {
    pub(crate) fn new() -> Self {
        let encodings = [ContentEncoding::Identity, ContentEncoding::Gzip, ContentEncoding::Zstd];
        Self(
            encodings
                .map(|encoding| (encoding, Encoder::new(encoding, Level::default_for(encoding)))),
        )
    }

    fn any(&mut self, dice: &mut Dice) -> (ContentEncoding, &mut Encoder) {
        let (encoding, encoder) = &mut self.0[dice.within(0, 3) as usize];
        (*encoding, encoder)
    }
}

/// A kept connection to the relay.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    pub(crate) address: SocketAddr,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(crate::PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), address })
    }

    /// Posts the envelope; the status of the answer.
    pub(crate) fn post(&mut self, envelope: &Envelope) -> io::Result<u16> {
        let mut request = format!(
            "POST /api/42/envelope/ HTTP/1.1\r\nHost: relay\r\nX-Sentry-Auth: Sentry sentry_key={KEY}\r\n\
             Content-Type: application/x-sentry-envelope\r\nContent-Encoding: {}\r\nContent-Length: {}\r\n\r\n",
            envelope.encoding.as_str(),
            envelope.body.len(),
        )
        .into_bytes();
        request.extend_from_slice(&envelope.body);
        self.stream.get_mut().write_all(&request)?;
        let head = read_head(&mut self.stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut body = vec![0; head.length];
        self.stream.read_exact(&mut body)?;
        let status = head.start_line.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.ok_or_else(|| io::Error::other("no status"))
    }
}

/// What matters here of the head of a request or of an answer.
#[derive(Default)]
pub(crate) struct Head {
    pub(crate) start_line: String,
    pub(crate) host: String,
    pub(crate) encoding: Option<String>,
    pub(crate) length: usize,
}

/// `None` at the end of the connection.
pub(crate) fn read_head(stream: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut head = Head::default();
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let text = line.trim_end();
        if head.start_line.is_empty() {
            head.start_line = text.to_owned();
        } else if text.is_empty() {
            return Ok(Some(head));
        } else if let Some((name, value)) = text.split_once(':') {
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => head.length = value.parse().map_err(io::Error::other)?,
                "content-encoding" => head.encoding = Some(value.to_owned()),
                "host" => head.host = value.to_owned(),
                _ => {}
            }
        }
    }
}

/// What became of an envelope on its way to the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// None, or not yet: it may be stored or not.
    None,
    /// `200`: from here on it must not be lost.
    Acknowledged,
    Refused(u16),
}

#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) digest: u64,
    pub(crate) at: Instant,
    pub(crate) answer: Answer,
    /// From the moment at which it was to be sent to the answer.
    pub(crate) latency: Duration,
}

/// Everything that was sent, by number.
#[derive(Default)]
pub(crate) struct Book {
    sent: Mutex<BTreeMap<u64, Sent>>,
    acknowledged: Mutex<u64>,
    changed: Condvar,
}

impl Book {
    pub(crate) fn sent(&self) -> MutexGuard<'_, BTreeMap<u64, Sent>> {
        self.sent.lock().expect("no thread panics with the lock")
    }

    /// Sends the envelope and writes down what becomes of it. Whether there was an answer.
    pub(crate) fn send(
        &self,
        number: u64,
        envelope: &Envelope,
        at: Instant,
        connection: &mut Option<Connection>,
        address: SocketAddr,
    ) -> bool {
        // First: whatever arrives must be known.
        let digest = envelope.digest;
        let sent = Sent { digest, at, answer: Answer::None, latency: Duration::ZERO };
        self.sent().insert(number, sent);
        let status = connection
            .take()
            .filter(|kept| kept.address == address)
            .map_or_else(|| Connection::open(address), Ok)
            .and_then(|mut kept| {
                let status = kept.post(envelope)?;
                *connection = Some(kept);
                Ok(status)
            });
        let Ok(status) = status else { return false };
        let answer = if status == 200 { Answer::Acknowledged } else { Answer::Refused(status) };
        if let Some(sent) = self.sent().get_mut(&number) {
            sent.answer = answer;
            sent.latency = at.elapsed();
        }
        if answer == Answer::Acknowledged {
            *self.acknowledged.lock().expect("no thread panics with the lock") += 1;
            self.changed.notify_all();
        }
        true
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        *self.acknowledged.lock().expect("no thread panics with the lock")
    }

    /// Waits until so many were acknowledged, or for `patience`.
    pub(crate) fn wait_for(&self, acknowledged: u64, patience: Duration) {
        let count = self.acknowledged.lock().expect("no thread panics with the lock");
        let waited =
            self.changed.wait_timeout_while(count, patience, |count| *count < acknowledged);
        drop(waited.expect("no thread panics with the lock"));
    }
}
