//! Processes, folders and a server for the tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

/// A working directory of its own, removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cli-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).expect("the target folder is writable");
        Self(path)
    }

    pub(crate) fn with(file: &str, text: &str) -> Self {
        let folder = Self::new();
        folder.write(file, text);
        folder
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        std::fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a new folder");
        std::fs::write(path, text).expect("a new file");
    }

    /// The binary in this folder, without any variable of whoever runs the tests. The address is given
    /// because in a container the default is another.
    pub(crate) fn relay(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relay"));
        command.args(arguments).current_dir(&self.0).env_clear().env("RELAY_HOST", "127.0.0.1");
        command
    }

    /// What the binary prints, and its exit code.
    pub(crate) fn outcome(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(&mut self.relay(arguments))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::from(command.stdin(Stdio::null()).output().expect("the binary runs"))
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

/// A relay at work; killed at the end of the test if it still is.
pub(crate) struct Relay {
    child: Child,
    stderr: BufReader<ChildStderr>,
    pub(crate) banner: String,
    pub(crate) address: SocketAddr,
}

impl Relay {
    /// Starts `relay run` on a free port and waits for what it prints.
    pub(crate) fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let arguments: Vec<_> = ["run", "-P", "0"].iter().chain(arguments).copied().collect();
        Self::spawn(&mut folder.relay(&arguments))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut banner = String::new();
        for line in stdout.lines() {
            let line = line.expect("UTF-8");
            banner.push_str(&line);
            banner.push('\n');
            if line.starts_with("  stored") {
                break;
            }
        }
        let address =
            banner.split_once(" listens on http://").and_then(|(_, rest)| rest.lines().next());
        let address = address.and_then(|address| address.parse().ok());
        match address {
            Some(address) => Self { child, stderr, banner, address },
            None => panic!("no address in {banner:?}; {:?}", Outcome::from(output(child, stderr))),
        }
    }

    /// Of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn dsn(&self) -> &str {
        let line = self.banner.lines().find(|line| line.starts_with("  DSN")).expect("a DSN");
        line.split_whitespace().nth(1).expect("a DSN").trim_end_matches(',')
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.exchange(&format!("GET {path} HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n"))
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, String) {
        self.exchange(&format!(
            "POST {path} HTTP/1.1\r\nHost: relay\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    fn exchange(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).expect("the relay listens");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let status =
            answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        (status, body.to_owned())
    }

    /// Reads the log until a line contains `text`.
    pub(crate) fn wait_for_log(&mut self, text: &str) -> String {
        let mut log = String::new();
        loop {
            let start = log.len();
            let length = self.stderr.read_line(&mut log).expect("UTF-8");
            assert_ne!(length, 0, "the log ended without {text:?}: {log}");
            if log.get(start..).is_some_and(|line| line.contains(text)) {
                return log;
            }
        }
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        let status = Command::new("/bin/sh").args(["-c", &command]).status();
        assert!(status.expect("a shell").success());
    }

    /// Waits for the end; gives the exit code and the rest of the log.
    pub(crate) fn outcome(mut self) -> Outcome {
        let mut log = String::new();
        self.stderr.read_to_string(&mut log).expect("UTF-8");
        let code = self.child.wait().expect("a child").code();
        assert_adds_up(&log);
        Outcome { code, stdout: self.banner.clone(), stderr: log }
    }
}

/// Whether the last line of a relay that ended in good order accounts for every item.
fn assert_adds_up(log: &str) {
    let Some((_, line)) = log.split_once("relay shutdown complete ") else { return };
    let figure = |name: &str| -> u64 {
        let mut figures = line.split_whitespace().filter_map(|figure| figure.split_once('='));
        let figure = figures.find(|(of, _)| *of == name);
        figure.and_then(|(_, figure)| figure.parse().ok()).expect("a figure")
    };
    let sum = figure("delivered") + figure("discarded") + figure("waiting");
    assert_eq!(figure("recovered") + figure("received") + figure("made"), sum, "{line}");
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn output(mut child: Child, mut stderr: BufReader<ChildStderr>) -> Output {
    let mut log = Vec::new();
    stderr.read_to_end(&mut log).expect("a log");
    Output { status: child.wait().expect("a child"), stdout: Vec::new(), stderr: log }
}

/// A server that answers one request with fixed bytes and hands the request over.
pub(crate) struct Server {
    address: SocketAddr,
    request: JoinHandle<Request>,
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Server {
    /// Answers with `answer`: status line, headers and body.
    pub(crate) fn answering(answer: impl Into<String>) -> Self {
        let answer = answer.into();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let request = std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            let mut stream = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert_ne!(stream.read_line(&mut head).expect("a header"), 0);
            }
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            let mut body = vec![0; length.unwrap_or(0)];
            stream.read_exact(&mut body).expect("the body");
            stream.get_mut().write_all(answer.as_bytes()).expect("an answer");
            Request { head, body }
        });
        Self { address, request }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn dsn(&self) -> String {
        format!("http://0123456789abcdef0123456789abcdef@{}/42", self.address)
    }

    pub(crate) fn request(self) -> Request {
        self.request.join().expect("a request")
    }
}

/// An answer with `status` and JSON.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
