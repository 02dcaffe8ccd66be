//! HTTP/1.1 framing for both ends of a test, independent of the code under test.

use std::io::{self, BufRead, ErrorKind, Read as _};

use super::coding;

/// A request or an answer. Header values are Latin-1: one character per byte on the wire.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message {
    pub(crate) start_line: String,
    pub(crate) headers: Vec<(String, String)>,
    /// Without transfer coding, content coding untouched.
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// The first line of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.header_lines(name).next()
    }

    /// All lines of that name, in order.
    pub(crate) fn header_lines(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Of a request.
    pub(crate) fn method(&self) -> &str {
        self.word(0)
    }

    /// Path and query of a request.
    pub(crate) fn target(&self) -> &str {
        self.word(1)
    }

    /// Of an answer.
    pub(crate) fn status(&self) -> u16 {
        self.word(1).parse().expect("the status line has a status")
    }

    fn word(&self, index: usize) -> &str {
        self.start_line.split(' ').nth(index).unwrap_or_default()
    }

    /// The body without content coding.
    pub(crate) fn content(&self) -> Vec<u8> {
        let encoding = self.header("content-encoding").unwrap_or("identity");
        coding::decode(encoding, &self.body).expect("the body is what its Content-Encoding says")
    }

    /// The content as text; invalid UTF-8 is replaced.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.content()).into_owned()
    }

    /// The content as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.content()).expect("the body is JSON")
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }
}

/// Reads a start line and headers; `None` when the peer closed before the first byte.
pub(crate) fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Message>> {
    let Some(start_line) = read_line(reader)? else { return Ok(None) };
    let mut message = Message { start_line, ..Message::default() };
    loop {
        let line = read_line(reader)?.ok_or(ErrorKind::UnexpectedEof)?;
        if line.is_empty() {
            return Ok(Some(message));
        }
        let (name, value) = line.split_once(':').ok_or(ErrorKind::InvalidData)?;
        message.headers.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
}

/// Reads the body of a request.
pub(crate) fn read_request_body(
    reader: &mut impl BufRead,
    message: &mut Message,
) -> io::Result<()> {
    if message.is_chunked() || message.header("content-length").is_some() {
        read_framed(reader, message)?;
    }
    Ok(())
}

/// Reads the body of an answer to a request of that method.
pub(crate) fn read_answer_body(
    reader: &mut impl BufRead,
    method: &str,
    message: &mut Message,
) -> io::Result<()> {
    match message.status() {
        100..200 | 204 | 304 => Ok(()),
        _ if method == "HEAD" => Ok(()),
        _ => read_framed(reader, message),
    }
}

fn read_framed(reader: &mut impl BufRead, message: &mut Message) -> io::Result<()> {
    if message.is_chunked() {
        message.body = read_chunks(reader)?;
    } else if let Some(length) = message.header("content-length") {
        let length: usize = length.parse().map_err(|_| ErrorKind::InvalidData)?;
        message.body.resize(length, 0);
        reader.read_exact(&mut message.body)?;
    } else {
        reader.read_to_end(&mut message.body)?;
    }
    Ok(())
}

fn read_chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(reader)?.ok_or(ErrorKind::UnexpectedEof)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| ErrorKind::InvalidData)?;
        if reader.take(size).read_to_end(&mut body)? as u64 != size {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        // After the last chunk this is the end of the (empty) trailer section.
        if read_line(reader)?.is_none_or(|line| !line.is_empty()) {
            return Err(ErrorKind::InvalidData.into());
        }
        if size == 0 {
            return Ok(body);
        }
    }
}

/// One line without its CRLF; `None` at the end of the stream.
fn read_line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    match line.strip_suffix(b"\r\n") {
        Some(line) => Ok(Some(line.iter().copied().map(char::from).collect())),
        None => Err(ErrorKind::UnexpectedEof.into()),
    }
}

/// Adds `Name: value` lines and the empty line; values are Latin-1.
pub(crate) fn write_headers<N: AsRef<str>, V: AsRef<str>>(out: &mut Vec<u8>, headers: &[(N, V)]) {
    for (name, value) in headers {
        out.extend_from_slice(name.as_ref().as_bytes());
        out.extend_from_slice(b": ");
        out.extend(value.as_ref().chars().map(|c| u8::try_from(c).expect("a Latin-1 value")));
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}
