//! A disk that takes nothing more, under the built binary: a file size limit stands for it.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Folder, Relay};

/// `relay run` in a process whose files cannot grow beyond a quarter of a megabyte.
fn start_limited(folder: &Folder) -> Relay {
    let relay = folder.relay(&["run", "-P", "0"]);
    let mut limited = Command::new("/bin/sh");
    // The signal that would come with the limit is ignored, so that writing fails as on a disk. Blocks of 512 bytes.
    limited.args(["-c", "trap '' XFSZ; ulimit -S -f 512; exec \"$0\" \"$@\""]);
    limited.arg(relay.get_program()).args(relay.get_args());
    limited.current_dir(folder.path("")).env_clear().env("RELAY_HOST", "127.0.0.1");
    Relay::spawn(&mut limited)
}

/// Sends an event with a body that does not compress, in a capturing relay's spool as it is.
fn send(relay: &Relay) -> u16 {
    let event = format!(r#"{{"message":"{}"}}"#, "x".repeat(10_000));
    relay.post("/api/1/store/?sentry_key=0123456789abcdef0123456789abcdef", &event).0
}

fn captured(relay: &Relay) -> usize {
    let (status, list) = relay.get("/api/relay/events/");
    assert_eq!(status, 200, "what is stored can be read: {list}");
    let list: Value = serde_json::from_str(&list).expect("JSON");
    list["events"].as_array().expect("a list").len()
}

#[test]
fn a_disk_that_is_full_turns_readiness_red_and_costs_nothing_that_was_accepted() {
    let folder = Folder::new();
    let relay = start_limited(&folder);
    let mut accepted = 0;
    let refused = loop {
        match send(&relay) {
            200 => accepted += 1,
            status => break status,
        }
        assert!(accepted < 100, "the limit is not felt");
    };
    assert_eq!(refused, 503);
    assert!(accepted > 0, "it worked before");
    let (status, ready) = relay.get("/api/relay/healthcheck/ready/");
    assert_eq!(status, 503);
    assert!(ready.starts_with(r#"{"is_healthy":false,"reasons":["#), "{ready}");
    assert!(ready.contains("the disk "), "{ready}");
    assert_eq!(relay.get("/api/relay/healthcheck/live/").0, 200);
    assert_eq!(captured(&relay), accepted);

    // The disk has room again.
    let pid = relay.id().to_string();
    let raised = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status();
    assert!(raised.expect("util-linux is there").success());
    let begun = Instant::now();
    while relay.get("/api/relay/healthcheck/ready/").0 != 200 {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not come back by itself");
        // It cannot be waited for, only asked for.
        thread::park_timeout(Duration::from_millis(20));
    }
    assert_eq!(send(&relay), 200);
    assert_eq!(captured(&relay), accepted + 1);

    relay.signal("KILL");
    drop(relay);
    let relay = Relay::start(&folder, &[]);
    assert_eq!(captured(&relay), accepted + 1);
}

#[test]
fn a_full_spool_that_gives_up_the_oldest_says_so() {
    let folder = Folder::with(
        ".relay/config.yml",
        "relay: {mode: proxy, upstream: 'http://127.0.0.1:1'}\n\
         spool: {max_disk_size: 4KiB, when_full: drop-oldest}\n",
    );
    let mut relay = Relay::start(&folder, &[]);
    for _ in 0..40 {
        assert_eq!(send(&relay), 200);
    }
    let log = relay.wait_for_log("the spool is full, discarded the oldest to make room");
    assert!(log.contains(" items="), "{log}");
    relay.signal("TERM");
    assert_eq!(relay.outcome().code, Some(0));
}
