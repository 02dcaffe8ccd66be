//! Hostile traffic: whoever sends slowly, endlessly, too much or nonsense, all at once; and a client that behaves, which must
//! not notice.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::life::Lives;
use crate::outage::{MEMORY, resident};
use crate::traffic::{Connection, Encoders, KEY, Quarry};
use crate::upstream::Upstream;
use crate::{seed, variable};

/// Connections that never say anything.
const IDLE: usize = 10_000;

/// What files the process needs beside those connections, and the relay as well.
const OTHER_FILES: usize = 1000;

/// Connections of each kind that send slowly.
const SLOW: usize = 100;

/// Requests of the client that behaves, for each second.
const RATE: u32 = 200;

/// Until it is over, or a connection is of no use any more.
struct Attack<'a> {
    relay: SocketAddr,
    over: &'a AtomicBool,
    /// Connections and requests, in the order of [`KINDS`].
    made: &'a AtomicU64,
}

impl Attack<'_> {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    fn connect(&self) -> Option<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.relay, Duration::from_secs(5)).ok()?;
        stream.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
        stream.set_write_timeout(Some(Duration::from_millis(500))).ok()?;
        self.made.fetch_add(1, Ordering::Relaxed);
        Some(stream)
    }

    /// Writes `bytes` again and again with a pause between, on many connections, each opened again when it is closed.
    fn drip(&self, head: &str, bytes: &[u8], pause: Duration) {
        let mut streams: Vec<Option<TcpStream>> = (0..SLOW).map(|_| None).collect();
        while self.goes_on() {
            for stream in &mut streams {
                let open = match stream.take() {
                    Some(stream) => Some(stream),
                    None => self.connect().filter(|mut new| new.write_all(head.as_bytes()).is_ok()),
                };
                *stream = open.filter(|mut open| open.write_all(bytes).is_ok());
            }
            // The slowness itself.
            thread::park_timeout(pause);
        }
    }

    /// Sends the bytes of `make` on a new connection, and reads what comes, over and over.
    fn repeat(&self, mut make: impl FnMut(&mut TcpStream) -> io::Result<()>) {
        while self.goes_on() {
            let Some(mut stream) = self.connect() else { continue };
            // The relay may close at any time, and mostly does.
            let _ = make(&mut stream);
            let _ = stream.shutdown(Shutdown::Write);
            let mut answer = [0; 4096];
            while let Ok(1..) = stream.read(&mut answer) {}
        }
    }
}

/// The figures of a client that behaves.
#[derive(Default)]
struct Figures {
    /// Of what was answered 200.
    latencies: Vec<Duration>,
    /// For want of memory, to be sent again later.
    refused: u64,
    /// Connections that ended before the answer.
    broken: u64,
}

impl Figures {
    fn served(&self) -> u64 {
        self.latencies.len() as u64
    }

    fn quantile(&mut self, share: f64) -> Duration {
        self.latencies.sort_unstable();
        let place = (self.latencies.len() as f64 * share) as usize;
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get(place.min(last)).copied().unwrap_or_default()
    }
}

/// Posts at a fixed rate for so long; a latency counts from the moment at which the request was due.
fn behave(address: SocketAddr, quarry: &Quarry, next: &AtomicU64, time: Duration) -> Figures {
    let mut connection = None;
    let mut encoders = Encoders::new();
    let mut figures = Figures::default();
    let began = Instant::now();
    for turn in 0.. {
        let due = began + Duration::from_secs(turn) / RATE;
        if due.duration_since(began) >= time {
            break;
        }
        if let Some(early) = due.checked_duration_since(Instant::now()) {
            // The rate is what is asked for: it waits for its turn, not for something to happen.
            thread::sleep(early);
        }
        let envelope = quarry.envelope(next.fetch_add(1, Ordering::Relaxed), &mut encoders);
        let opened = match connection.take() {
            Some(open) => Ok(open),
            None => Connection::open(address),
        };
        let answer = opened.and_then(|mut open| Ok((open.post(&envelope)?, open)));
        match answer {
            Ok((status, open)) => {
                match status {
                    200 => figures.latencies.push(due.elapsed()),
                    503 => figures.refused += 1,
                    status => panic!("a client that behaves is answered {status}"),
                }
                connection = Some(open);
            }
            Err(_) => figures.broken += 1,
        }
    }
    figures
}

#[test]
fn whoever_behaves_does_not_notice_those_who_do_not() {
    let _alone = crate::alone();
    let seed = seed();
    let time = Duration::from_secs(variable("RELAY_TEST_HOSTILE").unwrap_or(8));
    let quarry = Arc::new(Quarry::new(seed));
    let upstream = Upstream::start(&quarry, Dice::new(seed, 1));
    // The relay has as many files as we have.
    let files = rlimit::increase_nofile_limit((IDLE + OTHER_FILES) as u64).unwrap_or(1024);
    let idle = IDLE.min((files as usize).saturating_sub(OTHER_FILES));
    if idle < IDLE {
        println!("only {files} files may be open: {idle} idle connections");
    }
    let mut lives = Lives::new("hostile", upstream.address, "", "disk");
    lives.start(u64::MAX, 1);
    lives.address.wait();
    let relay = lives.address.now().expect("it listens");
    let pid = u64::from(lives.pid());

    let next = AtomicU64::new(0);
    let mut before = behave(relay, &quarry, &next, time / 4);
    let calm = resident(pid).unwrap_or_default();

    let (over, made, peak) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let attack = || Attack { relay, over: &over, made: &made };
    let head = |rest: &str| {
        format!("POST /api/42/envelope/?sentry_key={KEY} HTTP/1.1\r\nHost: x\r\n{rest}")
    };
    let (mut during, idle_at_the_end) = thread::scope(|threads| {
        let silent = threads.spawn(|| {
            let attack = attack();
            let streams: Vec<TcpStream> = (0..idle).filter_map(|_| attack.connect()).collect();
            while attack.goes_on() {
                thread::park_timeout(Duration::from_millis(50));
            }
            streams.len()
        });
        threads.spawn(|| attack().drip(&head(""), b"X-Slow: 1\r\n", Duration::from_millis(300)));
        threads.spawn(|| {
            let head = head("Content-Length: 1000000\r\n\r\n");
            attack().drip(&head, b"{}\n", Duration::from_millis(300));
        });
        // An event that never ends, as fast as it goes, and one that ends far above any limit.
        threads.spawn(|| {
            let head = head("Transfer-Encoding: chunked\r\n\r\n");
            let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
            attack().repeat(|stream| {
                stream.write_all(head.as_bytes())?;
                loop {
                    stream.write_all(&chunk)?;
                }
            });
        });
        threads.spawn(|| {
            let bombs = [
                head("Content-Length: 99999999999\r\n\r\n"),
                format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000)),
                head(&format!("X: {}\r\n\r\n", "x".repeat(1_000_000))),
                head(&"X: 1\r\n".repeat(1000)),
            ];
            let mut turn = 0;
            attack().repeat(|stream| {
                turn += 1;
                stream.write_all(bombs[turn % bombs.len()].as_bytes())
            });
        });
        threads.spawn(|| {
            // A form whose parts have no end to their heads, and zeros that inflate to far more than they are.
            let mut zeros = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            zeros.write_all(&vec![0; 300 << 20]).expect("memory");
            let zeros = zeros.finish().expect("memory");
            let bomb =
                head(&format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", zeros.len()));
            let form = format!(
                "POST /api/42/minidump/?sentry_key={KEY} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\
                 Content-Type: multipart/form-data; boundary=B\r\n\r\n100005\r\n--B\r\n{}",
                "x".repeat(1 << 20)
            );
            let mut turn = 0;
            attack().repeat(|stream| {
                turn += 1;
                if turn % 2 == 0 {
                    return stream.write_all(form.as_bytes());
                }
                stream.write_all(bomb.as_bytes())?;
                stream.write_all(&zeros)
            });
        });
        threads.spawn(|| {
            let mut dice = Dice::new(seed, 7);
            attack().repeat(|stream| {
                let noise: Vec<u8> = (0..2000).map(|_| dice.within(0, 255) as u8).collect();
                stream.write_all(&noise)
            });
        });
        threads.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                peak.fetch_max(resident(pid).unwrap_or_default(), Ordering::Relaxed);
                thread::park_timeout(Duration::from_millis(20));
            }
        });
        let during = behave(relay, &quarry, &next, time);
        over.store(true, Ordering::Relaxed);
        (during, silent.join().expect("no panic"))
    });

    let peak = peak.into_inner();
    println!(
        "{} connections in {time:?}, {idle_at_the_end} of them idle; resident {:.1} MB before, {:.1} MB at most",
        made.into_inner(),
        calm as f64 / 1e6,
        peak as f64 / 1e6,
    );
    for (name, figures) in [("before", &mut before), ("during", &mut during)] {
        let (p50, p99) = (figures.quantile(0.5), figures.quantile(0.99));
        let (refused, broken) = (figures.refused, figures.broken);
        println!(
            "{name}: {} served, p50 {p50:?}, p99 {p99:?}; {refused} refused for want of memory, {broken} broken off",
            figures.served(),
        );
    }
    let (refused, broken) = (during.refused, during.broken);
    let (before, during) = (before.served(), during.served());
    assert!(during > refused + broken, "{during} served, {refused} refused, {broken} broken off");
    // Code that was not optimised is larger by itself.
    let allowed = MEMORY + if cfg!(debug_assertions) { 15_000_000 } else { 0 };
    assert!(peak <= allowed, "{peak} bytes");
    let words = lives.terminate();
    assert_eq!(words.waiting, 0, "{words:?}");
    assert!(words.delivered >= before + during, "{words:?}: {} were acknowledged", before + during);
    assert!(!lives.read_log().contains("panicked"), "{}", lives.read_log());
}
