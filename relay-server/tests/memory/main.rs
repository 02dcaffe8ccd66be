//! Resident memory under bombs and large dumps: in a process of its own, one test at a time, so that nothing else is
//! measured.
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::sync::{Mutex, PoisonError};

use crate::support::{Client, Relay, Request, Upstream, encode_with, fresh_id, proxy_config};

/// Held by the test that measures.
static ALONE: Mutex<()> = Mutex::new(());

const MIB: usize = 1024 * 1024;

/// Above the ceiling: the state of codecs, socket buffers, and the copies of the client in this process.
const SLACK: usize = 4 * MIB;

/// A figure of this process in `/proc/self/status`, in bytes.
fn memory(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find(|line| line.starts_with(name)).expect("a known name");
    let kib = line.split_whitespace().nth(1).and_then(|figure| figure.parse::<usize>().ok());
    kib.expect("a number of KiB") * 1024
}

#[test]
fn a_bomb_in_any_encoding_takes_little_more_than_the_memory_it_is_allowed() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    // The system's allocator keeps for each thread what that thread has freed, and a bomb goes to the
    // next thread each time.
    config.limits.max_thread_count = Some(1);
    let ceiling = config.limits.max_memory;
    let relay = Relay::start(config);
    let bombs: Vec<(&str, Request)> = ["gzip", "deflate", "br", "zstd"]
        .into_iter()
        .map(|encoding| {
            let zeros = vec![0; MIB];
            let bomb =
                encode_with(encoding, |out| (0..256).try_for_each(|_| out.write_all(&zeros)));
            let bomb = bomb.expect("memory takes everything");
            assert!(bomb.len() < MIB, "{} bytes of {encoding}", bomb.len());
            (encoding, Request::envelope(&fresh_id(), bomb).header("Content-Encoding", encoding))
        })
        .collect();
    assert_eq!(Request::store(&fresh_id(), "{}").send(relay.address()).status(), 200);
    relay.settle();

    let before = memory("VmRSS");
    // Makes the kernel forget the peak so far.
    fs::write("/proc/self/clear_refs", "5").expect("a process may reset its own peak");
    for (encoding, bomb) in &bombs {
        assert_eq!(bomb.send(relay.address()).status(), 413);
        let grown = memory("VmHWM").saturating_sub(before);
        assert!(grown < ceiling + SLACK, "{} KiB after {encoding}", grown / 1024);
    }
}

#[test]
fn a_large_dump_in_a_form_inside_a_form_is_not_copied_around() {
    const DUMP: usize = 48 * MIB;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    config.limits.max_thread_count = Some(1);
    let ceiling = config.limits.max_memory;
    let relay = Relay::start(config);
    let head = |boundary: &str| {
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"upload_file_minidump\"; \
             filename=\"a.dmp\"\r\n\r\n"
        )
    };
    let head = [head("outer"), head("inner"), "MDMP".to_owned()].concat();
    let tail = "\r\n--inner--\r\n\r\n--outer--\r\n";
    let request = Request::new("POST", "/api/42/minidump/")
        .auth(&fresh_id())
        .header("Content-Type", "multipart/form-data; boundary=outer")
        .header("Content-Length", &(head.len() + DUMP + tail.len()).to_string());
    assert_eq!(Request::store(&fresh_id(), "{}").send(relay.address()).status(), 200);
    relay.settle();

    let before = memory("VmRSS");
    fs::write("/proc/self/clear_refs", "5").expect("a process may reset its own peak");
    let mut client = Client::connect(relay.address());
    client.write(&request.head_bytes()).expect("the relay reads");
    client.write(head.as_bytes()).expect("the relay reads");
    for _ in 0..DUMP / MIB {
        client.write(&[7; MIB]).expect("the relay reads");
    }
    client.write(tail.as_bytes()).expect("the relay reads");
    assert_eq!(client.answer("POST").expect("an answer").status(), 200);
    assert_eq!(relay.settle().delivered, 2);
    let grown = memory("VmHWM").saturating_sub(before);
    assert!(grown < ceiling + SLACK, "{} KiB", grown / 1024);
}
