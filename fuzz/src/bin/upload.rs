//! Requests of resumable uploads: a line with the place that the upstream names, a line with a letter (`c` to create, else to
//! append) and the query, lines of headers, an empty line, the body. What reaches the upstream is a sound request, and what
//! comes back leads through the relay. See `exchange.rs`.
#![no_main]

#[path = "../exchange.rs"]
mod exchange;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{LazyLock, Mutex};

use relay_server::Running;
use relay_server::config::{Config, Durability, Mode};

use crate::exchange::{Framing, PATIENCE, Request, exchange};

const MAX_SIZE: usize = 1000;

const AUTH: &[u8] = b"X-Sentry-Auth: Sentry sentry_key=0123456789abcdef0123456789abcdef";

/// Would make of it another request, or another sender.
const NOT_HEADERS: [&str; 8] = [
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
    "upgrade",
    "te",
    "host",
    "x-sentry-auth",
];

/// What the upstream saw last, and the place that it names.
#[derive(Default)]
struct Upstream {
    place: Vec<u8>,
    seen: Option<(Vec<u8>, usize)>,
}

static UPSTREAM: Mutex<Upstream> = Mutex::new(Upstream { place: Vec::new(), seen: None });

static RELAY: LazyLock<Running> = LazyLock::new(|| {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port that is free");
    let address = listener.local_addr().expect("a bound socket");
    std::thread::spawn(move || listener.incoming().flatten().for_each(serve));
    let mut config = Config { mode: Mode::Proxy, port: 0, ..Config::default() };
    config.upstream = format!("http://{address}/").parse().expect("an origin");
    config.spool.durability = Durability::Memory;
    config.limits.max_thread_count = Some(1);
    config.limits.max_upload_size = MAX_SIZE;
    config.upload.forward = true;
    relay_server::start(config).expect("a port that is free")
});

/// Answers one request, and closes the connection. One that breaks off is the relay's right: its client may have sent too
/// much.
fn serve(stream: TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).expect("a time that is not zero");
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match reader.read_until(b'\n', &mut head) {
            Ok(1..) => {}
            _ => return,
        }
    }
    let Some(body) = read_body(&mut reader, &head) else { return };
    let mut upstream = UPSTREAM.lock().expect("no panic with the lock");
    upstream.seen = Some((head, body));
    let status: &[u8] = b"HTTP/1.1 201 -\r\nConnection: close\r\nContent-Length: 0\r\nLocation: ";
    let answer = [status, &upstream.place, b"\r\n\r\n"].concat();
    // The relay may have given up by now.
    let _ = reader.get_mut().write_all(&answer);
}

/// The length of the body.
fn read_body(reader: &mut BufReader<TcpStream>, head: &[u8]) -> Option<usize> {
    if let Some(length) = header(head, "content-length").next() {
        let mut body = vec![0; std::str::from_utf8(length).ok()?.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        return Some(body.len());
    }
    let mut total = 0;
    while header(head, "transfer-encoding").next().is_some() {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.trim_end(), 16).ok()?;
        reader.read_exact(&mut vec![0; length + 2]).ok()?;
        if length == 0 {
            break;
        }
        total += length;
    }
    Some(total)
}

/// The values of that header.
fn header<'a>(head: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.take_while(|line| !line.is_empty()).filter_map(move |line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (own, value) = line.split_at(colon);
        own.eq_ignore_ascii_case(name.as_bytes()).then(|| value[1..].trim_ascii())
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (data, &b""[..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let (Some(place), Some([letter, query @ ..])) = (lines.next(), lines.next()) else { return };
    let is_text = |bytes: &[u8]| bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let is_query = is_text(query) && !query.iter().any(|byte| b" #".contains(byte));
    let (Ok(query), true) = (std::str::from_utf8(query), is_text(place) && is_query) else {
        return;
    };
    let is_header = |line: &&[u8]| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
        !NOT_HEADERS.iter().any(|not| name.eq_ignore_ascii_case(not.as_bytes()))
    };
    let mut headers: Vec<&[u8]> = lines.filter(is_header).collect();
    if headers.iter().any(|line| line.contains(&b'\r')) {
        return;
    }
    headers.push(AUTH);
    let method_and_target = match letter {
        b'c' => format!("POST /api/42/upload/?{query}"),
        _ => format!("PATCH /api/42/upload/abc/?{query}"),
    };
    *UPSTREAM.lock().expect("no panic with the lock") =
        Upstream { place: place.to_vec(), seen: None };
    let request = Request {
        method_and_target: &method_and_target,
        headers,
        body,
        framing: Framing::of(body),
    };
    let (status, answer) = exchange(RELAY.local_addr(), &request);
    assert!(matches!(status, 201 | 400..500 | 502), "status {status}");

    let upstream = std::mem::take(&mut *UPSTREAM.lock().expect("no panic with the lock"));
    if header(&answer, "server").next().is_some() {
        assert!(header(&answer, "tus-resumable").eq([b"1.0.0"]) || status == 415, "{status}");
    }
    if let Some((head, length)) = &upstream.seen {
        assert!(*length <= MAX_SIZE);
        let start =
            if *letter == b'c' { "POST /api/42/upload/" } else { "PATCH /api/42/upload/abc/" };
        assert!(head.starts_with(start.as_bytes()));
        assert_eq!(header(head, "x-sentry-auth").count(), 1);
        assert!(header(head, "tus-resumable").eq([b"1.0.0"]));
        let target = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let query = target.splitn(2, |byte| *byte == b'?').nth(1).unwrap_or_default();
        assert!(!query.split(|byte| *byte == b'&').any(|pair| pair.starts_with(b"sentry_")));
    }
    if status == 201 {
        assert!(upstream.seen.is_some());
        let place = upstream.place.trim_ascii();
        for told in header(&answer, "location") {
            assert!(told == place || told.starts_with(b"/api/42/upload/"));
        }
    }
});
