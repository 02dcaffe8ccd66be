use crate::support::{Folder, Outcome, Relay, Server, answer};

#[test]
fn the_first_start_captures_and_prints_all_that_is_needed() {
    let folder = Folder::new();
    let relay = Relay::start(&folder, &[]);
    let address = relay.address;
    assert_ne!(address.port(), 0);
    assert_eq!(relay.dsn(), format!("http://0123456789abcdef0123456789abcdef@{address}/1"));
    assert!(
        relay.banner.contains(
            "mode    capture, because there is neither a config file nor an upstream: \
             nothing is sent anywhere"
        ),
        "{}",
        relay.banner
    );
    assert!(
        relay.banner.contains("stored  in .relay/spool, 64MiB at most, the oldest going first"),
        "{}",
        relay.banner
    );
    assert_eq!(relay.get("/api/relay/events/").0, 200);
}

#[test]
fn an_upstream_makes_it_a_proxy() {
    let folder = Folder::new();
    let relay = Relay::start(&folder, &["-u", "http://sentry.test/"]);
    assert!(
        relay.banner.contains(
            "proxy, because --upstream names an upstream: everything is sent on to http://sentry.test/"
        ),
        "{}",
        relay.banner
    );
}

#[test]
fn ops_011_a_dsn_flag_beats_an_upstream_variable() {
    let folder = Folder::new();
    let dsn = "http://0123456789abcdef0123456789abcdef@b/1";
    let mut command = folder.relay(&["run", "-P", "0", "--upstream-dsn", dsn]);
    let relay = Relay::spawn(command.env("RELAY_UPSTREAM_URL", "http://a/"));
    assert!(
        relay
            .banner
            .contains("--upstream-dsn names an upstream: everything is sent on to http://b/\n"),
        "{}",
        relay.banner
    );
}

#[test]
fn ops_003_a_start_without_config_folder_says_so() {
    let folder = Folder::new();
    let mut relay = Relay::spawn(folder.relay(&["run", "-P", "0"]).env("RELAY_MODE", "proxy"));
    let log = relay.wait_for_log("log level: info");
    assert!(log.contains("launching relay without config folder"), "{log}");
    assert!(log.contains("relay mode: proxy, because RELAY_MODE says so"), "{log}");
}

#[test]
fn ops_010_a_flag_beats_a_variable_and_the_file() {
    let folder =
        Folder::with(".relay/config.yml", "relay: {mode: capture, port: 1, host: 127.0.0.9}");
    let mut command = folder.relay(&["run", "--port", "0", "--host", "127.0.0.1"]);
    let relay = Relay::spawn(command.env("RELAY_PORT", "2").env("RELAY_HOST", "127.0.0.8"));
    assert_eq!(relay.address.ip().to_string(), "127.0.0.1");
    assert!(relay.address.port() > 2);
}

#[test]
fn a_mode_that_is_not_available_is_refused_with_what_to_do() {
    let folder = Folder::with("conf/config.yml", "relay: {upstream: 'http://sentry.test'}");
    let outcome = folder.outcome(&["run", "-c", "conf", "--log-level", "error"]);
    assert_eq!(outcome.code, Some(1));
    assert_eq!(
        outcome.stderr,
        "error: the mode managed is not available yet: set relay.mode, RELAY_MODE or --mode to proxy, \
         which sends everything on to the upstream, or to capture, which keeps it here\n  \
         caused by: the mode is managed because conf/config.yml names no other\n"
    );
}

#[test]
fn flags_and_variables_without_effect_are_named_in_one_warning() {
    let folder = Folder::new();
    let mut command =
        folder.relay(&["run", "-P", "0", "--redis-url", "redis://x", "-s", "a", "-p", "b"]);
    let mut relay = Relay::spawn(command.env("RELAY_ID", "c"));
    let log = relay.wait_for_log("have no effect: ");
    assert!(
        log.ends_with("these have no effect: RELAY_ID, --secret-key, --public-key, --redis-url\n"),
        "{log}"
    );
}

#[test]
fn processing_is_refused() {
    let outcome = Folder::new().outcome(&["run", "--processing"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("error: invalid config value (field processing.enabled)"));
}

#[test]
fn an_address_in_use_is_an_error() {
    let folder = Folder::new();
    let relay = Relay::start(&folder, &[]);
    let port = relay.address.port().to_string();
    let outcome = folder.outcome(&["run", "-P", &port, "--log-level", "error"]);
    assert_eq!(outcome.code, Some(1));
    let expected = format!("error: cannot listen on {}\n  caused by: ", relay.address);
    assert!(outcome.stderr.starts_with(&expected), "{outcome:?}");
}

#[test]
fn the_log_can_be_one_json_object_per_line() {
    let folder = Folder::new();
    let mut relay = Relay::start(&folder, &["--log-format", "json"]);
    let log = relay.wait_for_log("log level");
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(line.get("level").and_then(|level| level.as_str()), Some("INFO"));
        assert!(line.get("message").is_some() && line.get("timestamp").is_some(), "{line}");
    }
}

#[test]
fn the_healthcheck_fails_until_a_relay_answers() {
    let folder = Folder::new();
    let relay = Relay::start(&folder, &[]);
    let address = relay.address.to_string();
    for mode in ["live", "ready"] {
        let outcome = folder.outcome(&["healthcheck", "--addr", &address, "--mode", mode]);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
    }
    let mut by_config = folder.relay(&["healthcheck"]);
    by_config.env("RELAY_PORT", relay.address.port().to_string());
    assert_eq!(Outcome::of(&mut by_config).code, Some(0));

    drop(relay);
    let outcome = folder.outcome(&["healthcheck", "--addr", &address]);
    assert_eq!(outcome.code, Some(1));
    let expected = format!("error: the relay at {address} is unhealthy\n  caused by: ");
    assert!(outcome.stderr.starts_with(&expected), "{outcome:?}");
}

#[test]
fn the_healthcheck_tells_the_status_of_a_relay_that_is_not_well() {
    let server = Server::answering(answer("503 Service Unavailable", "", "{\"is_healthy\":false}"));
    let address = server.address().to_string();
    let outcome = Folder::new().outcome(&["healthcheck", "--addr", &address]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.ends_with("caused by: it answers with status 503\n"), "{outcome:?}");
    assert!(server.request().head.starts_with("GET /api/relay/healthcheck/live/ HTTP/1.1\r\n"));
}

#[cfg(unix)]
mod signals {
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;

    #[test]
    fn each_signal_that_stops_a_relay_ends_it_with_success() {
        for (signal, how) in [
            ("TERM", "shutting down, another signal ends the wait"),
            ("INT", "shutting down, at once"),
            ("QUIT", "shutting down, at once"),
        ] {
            let folder = Folder::new();
            let relay = Relay::start(&folder, &[]);
            relay.signal(signal);
            let outcome = relay.outcome();
            assert_eq!(outcome.code, Some(0), "{signal}: {outcome:?}");
            assert!(outcome.stderr.contains(how), "{signal}: {outcome:?}");
            assert!(outcome.stderr.contains("relay shutdown complete"), "{signal}: {outcome:?}");
        }
    }

    #[test]
    fn sigusr1_does_not_stop_a_relay() {
        let folder = Folder::new();
        let relay = Relay::start(&folder, &[]);
        relay.signal("USR1");
        relay.signal("TERM");
        assert_eq!(relay.outcome().code, Some(0));
    }

    #[test]
    fn an_upstream_that_hangs_delays_the_end_no_longer_than_the_time_out_and_costs_nothing() {
        // Takes connections into its backlog and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let silent = format!("http://{}", silent.local_addr().expect("an address"));
        let folder = Folder::with("conf/config.yml", "http: {timeout: 3600}\nrelay: {mode: proxy}");
        let run = ["-c", "conf", "--shutdown-timeout", "1", "-u"];
        let relay = Relay::start(&folder, &[&run[..], &[&silent]].concat());
        let dsn = format!("http://0123456789abcdef0123456789abcdef@{}/1", relay.address);
        for message in ["one", "two", "three"] {
            assert_eq!(folder.outcome(&["send", "--dsn", &dsn, "-m", message]).code, Some(0));
        }
        let begun = Instant::now();
        relay.signal("TERM");
        let outcome = relay.outcome();
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert!(outcome.stderr.contains("relay shutdown complete"), "{outcome:?}");
        assert!(outcome.stderr.contains("waiting=3"), "{outcome:?}");
        let took = begun.elapsed();
        assert!((1..30).contains(&took.as_secs()), "{took:?}");

        // Another relay stands for an upstream that is well.
        let elsewhere = Folder::new();
        let upstream = Relay::start(&elsewhere, &[]);
        let address = format!("http://{}", upstream.address);
        let relay = Relay::start(&folder, &[&run[..], &[&address]].concat());
        for after in 0..3 {
            let next = format!("/api/relay/events/?wait=60&after={after}");
            let (status, list) = upstream.get(&next);
            assert!(status == 200 && list.contains("\"number\""), "{list}");
        }
        relay.signal("TERM");
        assert_eq!(relay.outcome().code, Some(0));
        let (_, list) = upstream.get("/api/relay/events/");
        for message in ["one", "two", "three"] {
            let text = format!(r#""message":"{message}""#);
            assert_eq!(list.matches(&text).count(), 1, "{list}");
        }
    }

    #[test]
    fn a_second_signal_ends_the_wait_for_an_upstream_that_does_not_answer() {
        // Takes connections into its backlog and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let upstream = format!("http://{}", silent.local_addr().expect("an address"));
        let folder = Folder::with("conf/config.yml", "http: {timeout: 3600}\nrelay: {mode: proxy}");
        let mut relay =
            Relay::start(&folder, &["-c", "conf", "-u", &upstream, "--shutdown-timeout", "3600"]);
        let dsn = format!("http://0123456789abcdef0123456789abcdef@{}/1", relay.address);
        assert_eq!(folder.outcome(&["send", "--dsn", &dsn, "-m", "stuck"]).code, Some(0));

        relay.signal("TERM");
        relay.wait_for_log("shutting down");
        relay.signal("TERM");
        let outcome = relay.outcome();
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert!(outcome.stderr.contains("relay shutdown complete"), "{outcome:?}");
    }
}

#[test]
fn what_was_captured_is_there_after_a_restart_and_needs_no_config_folder() {
    let folder = Folder::new();
    let mut relay = Relay::start(&folder, &[]);
    let sent = folder.outcome(&["send", "--dsn", relay.dsn(), "-m", "kept"]);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    relay.signal("TERM");
    relay.wait_for_log("relay shutdown complete");
    assert_eq!(relay.outcome().code, Some(0));

    let relay = Relay::start(&folder, &[]);
    assert!(relay.banner.contains("capture, because there is neither"), "{}", relay.banner);
    let (status, list) = relay.get("/api/relay/events/");
    assert_eq!(status, 200);
    assert!(list.contains(r#""message":"kept""#), "{list}");
}

#[test]
fn what_waits_for_a_target_that_is_configured_no_more_is_told_at_the_start() {
    let folder = Folder::new();
    let relay = Relay::start(&folder, &[]);
    let sent = folder.outcome(&["send", "--dsn", relay.dsn(), "-m", "kept"]);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    relay.signal("TERM");
    assert_eq!(relay.outcome().code, Some(0));

    let mut relay = Relay::start(&folder, &["--upstream", "http://127.0.0.1:1"]);
    let log = relay.wait_for_log("that the configuration does not name");
    let line = log.lines().last().expect("a line");
    assert!(line.contains("name=\"capture\" records=1 items=1"), "{line}");
}

#[test]
fn a_second_relay_on_the_same_spool_says_so_and_exits() {
    let folder = Folder::new();
    let first = Relay::start(&folder, &[]);
    let second = folder.outcome(&["run", "-P", "0"]);
    assert_eq!(second.code, Some(1));
    let expected =
        format!("error: the spool folder .relay/spool is in use by process {}\n", first.id());
    assert!(second.stderr.ends_with(&expected), "{}", second.stderr);
}

#[test]
fn a_spool_folder_that_cannot_be_made_is_named_with_what_could_be_done() {
    let folder = Folder::with("file", "");
    let mut command = folder.relay(&["run", "-P", "0"]);
    let failed = Outcome::of(command.env("RELAY_SPOOL_PATH", "file/spool"));
    assert_eq!(failed.code, Some(1));
    assert!(
        failed.stderr.contains("error: cannot use the spool folder file/spool"),
        "{}",
        failed.stderr
    );
    assert!(
        failed.stderr.contains("set spool.path to a folder that can be written"),
        "{}",
        failed.stderr
    );
    let mut command = folder.relay(&["run", "-P", "0"]);
    let failed = Outcome::of(command.env("RELAY_SPOOL_PATH", "file"));
    let expected =
        "error: cannot use the spool folder file\n  caused by: there is a file of that name\n";
    assert!(failed.stderr.contains(expected), "{}", failed.stderr);
}
