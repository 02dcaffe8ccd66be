use std::collections::BTreeMap;

use crate::support::{Folder, Outcome};

/// `config show` as `section.name` and value.
fn shown(outcome: &Outcome) -> BTreeMap<String, String> {
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let mut section = "";
    let mut keys = BTreeMap::new();
    for line in outcome.stdout.lines() {
        match line.split_once(": ") {
            Some((name, value)) => {
                keys.insert(
                    format!("{section}.{}", name.trim()),
                    value.trim_matches('"').to_owned(),
                );
            }
            None => section = line.trim_end_matches(':'),
        }
    }
    keys
}

fn show(folder: &Folder) -> BTreeMap<String, String> {
    shown(&folder.outcome(&["config", "show"]))
}

#[test]
fn the_documented_keys_and_defaults_are_those_of_the_program() {
    let documentation = include_str!("../../../docs/configuration.md");
    let documented: BTreeMap<_, _> = documentation
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let key = cells.next()?.trim_end_matches('`').to_owned();
            let default = cells.next()?.trim_matches('`').to_owned();
            key.contains('.').then_some((key, default))
        })
        .collect();
    assert_eq!(documented, show(&Folder::new()));
}

#[test]
fn what_is_shown_is_a_config_that_shows_the_same() {
    let folder = Folder::with(
        ".relay/config.yml",
        "relay: {mode: proxy, upstream: 'http://sentry.test:8000', host: '::1'}\n\
         http: {host_header: 'sentry.test', encoding: br, ca_file: 'a b.pem'}\n\
         limits: {max_event_size: 2GB, keepalive_timeout: 0, idle_timeout: 7, max_connections: 9}\n",
    );
    let first = Outcome::of(folder.relay(&["config", "show"]).env_remove("RELAY_HOST"));
    let keys = shown(&first);
    for (key, value) in [
        ("relay.upstream", "http://sentry.test:8000/"),
        ("relay.host", "::1"),
        ("http.ca_file", "a b.pem"),
        ("limits.max_event_size", "2000MB"),
        ("limits.keepalive_timeout", "0"),
        ("limits.max_connections", "9"),
    ] {
        assert_eq!(keys.get(key).map(String::as_str), Some(value), "{key}");
    }
    folder.write(".relay/config.yml", &first.stdout);
    let second = Outcome::of(folder.relay(&["config", "show"]).env_remove("RELAY_HOST"));
    assert_eq!(first.stdout, second.stdout);
}

#[test]
fn settings_can_be_shown_as_the_program_holds_them() {
    let outcome = Folder::new().outcome(&["config", "show", "-f", "debug"]);
    assert!(outcome.stdout.starts_with("Settings {"), "{outcome:?}");
}

#[test]
fn ops_004_a_config_folder_without_a_file_is_an_error_if_it_was_asked_for() {
    let outcome = Folder::new().outcome(&["config", "show", "--config", "nowhere"]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.starts_with(
            "error: could not open config file (file nowhere/config.yml)\n  caused by: "
        ),
        "{outcome:?}"
    );
}

#[test]
fn ops_005_the_folder_of_semaphore_is_read_with_a_warning_where_there_is_no_other() {
    let folder = Folder::with(".semaphore/config.yml", "relay: {port: 4000}");
    let outcome = folder.outcome(&["config", "show"]);
    assert_eq!(shown(&outcome).get("relay.port").map(String::as_str), Some("4000"));
    assert!(
        outcome.stderr.starts_with("warning: reading the config folder .semaphore"),
        "{outcome:?}"
    );

    std::fs::create_dir(folder.path(".relay")).expect("a folder");
    assert_eq!(show(&folder).get("relay.port").map(String::as_str), Some("3000"));
}

#[test]
fn every_problem_of_a_config_is_named_with_file_line_and_key() {
    let folder = Folder::with(
        ".relay/config.yml",
        "relay:\n  port: high\nlimits:\n  max_event_size: 10foo\n  shutdown_timeout: ${NOT_THERE}\nhttp: 5\n",
    );
    for command in ["show", "check"] {
        let outcome = folder.outcome(&["config", command]);
        assert_eq!(outcome.code, Some(1));
        assert_eq!(
            outcome.stderr,
            "error: could not parse yaml config file (file .relay/config.yml)\n  \
             caused by: line 2: relay.port: expected a whole number, found a text\n  \
             caused by: line 4: limits.max_event_size: unknown unit \"foo\", expected B, kB, MB, GB, … or KiB, MiB, GiB, …\n  \
             caused by: line 5: limits.shutdown_timeout: the environment variable NOT_THERE is not set, or is not UTF-8\n  \
             caused by: line 6: http: expected keys below a section\n"
        );
    }
}

#[test]
fn what_is_not_yaml_is_named_with_file_and_line() {
    let deep = format!("a:\n{}1\n", "- ".repeat(100_000));
    for (text, cause) in [
        ("relay:\n  port: [1\n", "line 3: "),
        ("relay: {port: 1}\nrelay: {port: 2}\n", "line 2: duplicated key in mapping"),
        ("- relay\n", "line 1: expected sections such as `relay:`"),
        ("relay: {}\n---\nrelay: {}\n", "line 3: a second YAML document"),
        ("relay:\n  port: *other\n", "line 2: "),
        (&deep, "line 2: more than 64 lists and maps inside each other"),
    ] {
        let outcome = Folder::with(".relay/config.yml", text).outcome(&["config", "check"]);
        assert_eq!(outcome.code, Some(1));
        let expected = format!(
            "error: could not parse yaml config file (file .relay/config.yml)\n  caused by: {cause}"
        );
        assert!(outcome.stderr.starts_with(&expected), "{outcome:?}");
    }
}

#[test]
fn a_config_of_the_reference_loads_with_one_warning_that_names_what_has_no_effect() {
    let folder = Folder::with(
        ".relay/config.yml",
        "relay:\n  mode: proxy\n  instance: default\n  tls_port: null\n\
         spool:\n  envelopes: {path: /var/lib/relay/spool.db, max_disk_size: 2GB}\n\
         metrics: {statsd: '127.0.0.1:8126', default_tags: {}}\n\
         secondary_aggregators: []\nsentry: {enabled: false}\n7: seven\n",
    );
    let outcome = folder.outcome(&["config", "check"]);
    assert_eq!(outcome.code, Some(0));
    assert_eq!(
        outcome.stderr,
        "warning: these have no effect: relay.instance (line 3), spool.envelopes.path (line 6), metrics.statsd (line 7), sentry.enabled (line 9), \
         ? (line 10)\n"
    );
    assert_eq!(
        outcome.stdout,
        ".relay/config.yml: fine\n  mode: proxy, because .relay/config.yml says so\n"
    );
}

#[test]
fn an_empty_config_loads_and_leaves_the_defaults() {
    for text in ["", "# nothing\n", "relay:\n", "---\n", "limits: {}\nhttp: ~\n"] {
        let folder = Folder::with(".relay/config.yml", text);
        assert_eq!(show(&folder).get("relay.port").map(String::as_str), Some("3000"), "{text:?}");
    }
}

#[test]
fn a_whole_scalar_can_come_from_a_variable_or_a_file() {
    let folder = Folder::with(
        ".relay/config.yml",
        "relay: {port: \"${PORT}\", upstream: '${UPSTREAM}'}\n\
         http: {host_header: '${file:host}', forward: '${FORWARD}'}\n\
         limits: {max_event_size: '${SIZE}'}\n",
    );
    folder.write(".relay/host", "a.test");
    let mut command = folder.relay(&["config", "show"]);
    let variables =
        [("PORT", "4001"), ("UPSTREAM", "http://b.test"), ("FORWARD", "false"), ("SIZE", "3MiB")];
    let keys = shown(&Outcome::of(command.envs(variables)));
    for (key, value) in [
        ("relay.port", "4001"),
        ("relay.upstream", "http://b.test/"),
        ("http.host_header", "a.test"),
        ("http.forward", "false"),
        ("limits.max_event_size", "3MiB"),
    ] {
        assert_eq!(keys.get(key).map(String::as_str), Some(value), "{key}");
    }
}

#[test]
fn a_text_from_a_variable_that_looks_like_a_number_needs_quotes_of_its_own() {
    let folder = Folder::with(".relay/config.yml", "http: {host_header: '${NAME}'}");
    let show = |value| Outcome::of(folder.relay(&["config", "show"]).env("NAME", value));
    let bare = show("123");
    assert_eq!(bare.code, Some(1));
    assert!(bare.stderr.contains("line 1: http.host_header: expected a text"), "{bare:?}");
    assert_eq!(shown(&show("\"123\"")).get("http.host_header").map(String::as_str), Some("123"));
}

#[test]
fn text_around_a_reference_disables_it() {
    let folder = Folder::with(".relay/config.yml", "http: {ca_file: 'a/${NAME}'}");
    assert_eq!(show(&folder).get("http.ca_file").map(String::as_str), Some("a/${NAME}"));
}

#[test]
fn a_missing_variable_is_an_error_even_below_a_key_without_effect() {
    let folder = Folder::with(".relay/config.yml", "a:\n  b:\n    - '${NOT_THERE}'\n");
    let outcome = folder.outcome(&["config", "check"]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.contains("line 3: a.b: the environment variable NOT_THERE"),
        "{outcome:?}"
    );
}

#[test]
fn ops_010_a_variable_beats_the_file() {
    let folder = Folder::with(".relay/config.yml", "relay: {port: 4000}");
    let outcome = Outcome::of(folder.relay(&["config", "show"]).env("RELAY_PORT", "5000"));
    assert_eq!(shown(&outcome).get("relay.port").map(String::as_str), Some("5000"));
}

#[test]
fn a_global_flag_beats_a_variable() {
    let folder = Folder::new();
    let arguments = ["--log-level", "debug", "config", "show", "--log-format", "json"];
    let mut command = folder.relay(&arguments);
    let keys = shown(&Outcome::of(
        command.env("RELAY_LOG_LEVEL", "off").env("RELAY_LOG_FORMAT", "pretty"),
    ));
    assert_eq!(keys.get("logging.level").map(String::as_str), Some("debug"));
    assert_eq!(keys.get("logging.format").map(String::as_str), Some("json"));
}

#[test]
fn an_upstream_url_beats_a_dsn_beside_it_and_an_empty_variable_says_nothing() {
    let folder = Folder::new();
    let upstream = |url, dsn| {
        let mut command = folder.relay(&["config", "show"]);
        let outcome =
            Outcome::of(command.env("RELAY_UPSTREAM_URL", url).env("RELAY_UPSTREAM_DSN", dsn));
        shown(&outcome).remove("relay.upstream")
    };
    let dsn = "https://0123456789abcdef0123456789abcdef@b.test/prefix/1";
    assert_eq!(upstream("http://a.test", dsn).as_deref(), Some("http://a.test/"));
    assert_eq!(upstream("", dsn).as_deref(), Some("https://b.test/"));
}

#[test]
fn the_shutdown_timeout_has_a_variable_with_prefix_and_one_without() {
    let folder = Folder::new();
    let timeout = |variables: &[(&str, &str)]| {
        let mut command = folder.relay(&["config", "show"]);
        let outcome = Outcome::of(command.envs(variables.iter().copied()));
        shown(&outcome).remove("limits.shutdown_timeout")
    };
    assert_eq!(timeout(&[("SHUTDOWN_TIMEOUT", "7")]).as_deref(), Some("7"));
    assert_eq!(timeout(&[("SHUTDOWN_TIMEOUT", "soon")]).as_deref(), Some("10"));
    let both = [("SHUTDOWN_TIMEOUT", "7"), ("RELAY_SHUTDOWN_TIMEOUT", "8")];
    assert_eq!(timeout(&both).as_deref(), Some("8"));
}

#[test]
fn ops_014_a_variable_that_does_not_fit_names_its_field() {
    let folder = Folder::new();
    for (variable, value, field) in [
        ("RELAY_PROCESSING_ENABLED", "maybe", "processing.enabled"),
        ("RELAY_MODE", "fast", "relay.mode"),
        ("RELAY_PORT", "x", "relay.port"),
        ("RELAY_UPSTREAM_DSN", "x", "relay.upstream"),
        ("RELAY_LOG_LEVEL", "loud", "logging.level"),
    ] {
        let outcome = Outcome::of(folder.relay(&["config", "show"]).env(variable, value));
        assert_eq!(outcome.code, Some(1));
        let expected =
            format!("error: invalid config value (field {field})\n  caused by: {variable}");
        assert!(outcome.stderr.starts_with(&expected), "{outcome:?}");
    }
    for value in ["FALSE", "0", ""] {
        let outcome =
            Outcome::of(folder.relay(&["config", "check"]).env("RELAY_PROCESSING_ENABLED", value));
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
    }
}

#[test]
fn check_names_what_this_relay_cannot_do() {
    for (text, error) in [
        ("relay: {mode: managed}", "error: the mode managed is not available yet"),
        ("relay: {mode: static}", "error: the mode static is not available yet"),
        ("limits: {}", "error: the mode managed is not available yet"),
        (
            "relay: {mode: proxy}\nprocessing: {enabled: true}",
            "error: invalid config value (field processing.enabled)",
        ),
        (
            "relay: {mode: proxy}\nhttp: {ca_file: missing.pem}",
            "error: cannot read the certificate",
        ),
    ] {
        let outcome = Folder::with(".relay/config.yml", text).outcome(&["config", "check"]);
        assert_eq!(outcome.code, Some(1), "{text}");
        assert!(outcome.stderr.starts_with(error), "{outcome:?}");
    }
}

#[test]
fn ops_006_init_writes_a_relay_section_that_only_its_owner_reads() {
    let folder = Folder::new();
    let outcome = folder.outcome(&["config", "init", "--yes"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.starts_with("Initializing relay in /"), "{outcome:?}");
    assert!(outcome.stdout.ends_with("/.relay\nAll done!\n"), "{outcome:?}");

    let file = folder.path(".relay/config.yml");
    let text = std::fs::read_to_string(&file).expect("the new file");
    let (header, rest) = text.split_at(text.find("relay:\n").expect("a section"));
    assert_eq!(header.lines().filter(|line| line.starts_with("# ")).count(), 3, "{text}");
    // Another default in a container.
    assert_eq!(
        rest.replace("0.0.0.0", "127.0.0.1"),
        "relay:\n  mode: proxy\n  upstream: https://sentry.io/\n  host: 127.0.0.1\n  port: 3000\n"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).expect("the new file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(folder.outcome(&["config", "check"]).code, Some(0));
}

#[test]
fn ops_008_init_leaves_a_config_alone() {
    let text = "relay: {mode: proxy}";
    let folder = Folder::with("conf/config.yml", text);
    let outcome = folder.outcome(&["-c", "conf", "config", "init"]);
    assert_eq!(outcome.code, Some(0));
    assert!(outcome.stdout.ends_with("/conf\nNothing to do.\n"), "{outcome:?}");
    assert_eq!(std::fs::read_to_string(folder.path("conf/config.yml")).expect("the file"), text);
}

#[test]
fn init_without_a_terminal_says_what_to_do() {
    let folder = Folder::new();
    let outcome = folder.outcome(&["config", "init"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("--yes"), "{outcome:?}");
    assert!(!folder.path(".relay").exists());
}

#[test]
fn init_that_cannot_write_names_the_file() {
    let folder = Folder::with("conf", "a file where a folder belongs");
    let outcome = folder.outcome(&["-c", "conf", "config", "init", "-y"]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.starts_with("error: could not write config file (file conf/config.yml)"),
        "{outcome:?}"
    );
}

#[test]
fn the_spool_keys_of_the_reference_are_read_under_their_names() {
    let folder = Folder::with(
        ".relay/config.yml",
        "relay: {mode: proxy}\nspool: {envelopes: {max_disk_size: 1GiB, max_envelope_delay_secs: 60}}\n",
    );
    let shown = folder.outcome(&["config", "show"]);
    assert_eq!(shown.stderr, "");
    assert!(shown.stdout.contains("max_disk_size: 1024MiB\n"), "{}", shown.stdout);
    assert!(shown.stdout.contains("max_age: 60\n"), "{}", shown.stdout);
}

#[test]
fn the_spool_is_in_the_config_folder_unless_it_is_said_to_be_elsewhere() {
    let folder = Folder::with("etc/config.yml", "relay: {mode: proxy}\n");
    let shown = folder.outcome(&["-c", "etc", "config", "show"]);
    assert!(shown.stdout.contains("path: etc/spool\n"), "{}", shown.stdout);
    let mut elsewhere = folder.relay(&["-c", "etc", "config", "show"]);
    let shown = Outcome::of(elsewhere.env("RELAY_SPOOL_PATH", "/var/lib/relay"));
    assert!(shown.stdout.contains("path: /var/lib/relay\n"), "{}", shown.stdout);
}

const FAN_OUT: &str = "\
relay: {mode: proxy}
fan_out:
  http://a94ae32be2582e0bcb7b0ba0d8ba36f3@relay/1:
    - https://0123456789abcdef0123456789abcdef:secret@one.example/42
    - ${file:two}
  http://b94ae32be2582e0bcb7b0ba0d8ba36f3@relay/1: https://1123456789abcdef0123456789abcdef@three.example/3
";

#[test]
fn a_sender_has_one_target_or_several_and_shows_no_secret() {
    let folder = Folder::with(".relay/config.yml", FAN_OUT);
    folder.write(".relay/two", "https://2123456789abcdef0123456789abcdef@two.example/7");
    let shown = folder.outcome(&["config", "show"]);
    assert_eq!(shown.stderr, "");
    let fan_out = shown.stdout.split("fan_out:\n").nth(1).expect("a section of its own");
    assert_eq!(
        fan_out,
        "  \"http://a94ae32be2582e0bcb7b0ba0d8ba36f3:@relay/1\":\n\
         \x20   - \"https://0123456789abcdef0123456789abcdef:@one.example/42\"\n\
         \x20   - \"https://2123456789abcdef0123456789abcdef:@two.example/7\"\n\
         \x20 \"http://b94ae32be2582e0bcb7b0ba0d8ba36f3:@relay/1\":\n\
         \x20   - \"https://1123456789abcdef0123456789abcdef:@three.example/3\"\n"
    );
}

#[test]
fn what_is_wrong_with_a_fan_out_is_told_with_its_line() {
    for (section, message) in [
        ("[]", ""),
        ("x", "line 1: fan_out: expected DSNs, each with a list of DSNs"),
        (
            "{http://a94ae32be2582e0bcb7b0ba0d8ba36f3@r/1: []}",
            "line 1: fan_out: expected 1 to 16 target DSNs",
        ),
        (
            "{http://short@r/1: [https://0123456789abcdef0123456789abcdef@h/1]}",
            "line 1: fan_out: the public key of a DSN must be 32 hexadecimal digits",
        ),
        (
            "{http://a94ae32be2582e0bcb7b0ba0d8ba36f3@r/x: [https://0123456789abcdef0123456789abcdef@h/1]}",
            "line 1: fan_out: the project of a DSN must be a number",
        ),
        (
            "{http://a94ae32be2582e0bcb7b0ba0d8ba36f3@r/1: [7]}",
            "line 1: fan_out: expected a DSN, found the number 7",
        ),
        (
            "{http://a94ae32be2582e0bcb7b0ba0d8ba36f3@r/1: [https://0123456789abcdef0123456789abcdef@h/1, \
           https://0123456789abcdef0123456789abcdef:secret@h:443/1]}",
            "line 1: fan_out: a target DSN is named twice",
        ),
        (
            "{http://a94ae32be2582e0bcb7b0ba0d8ba36f3@r/1: https://0123456789abcdef0123456789abcdef@h/1, \
           https://a94ae32be2582e0bcb7b0ba0d8ba36f3@s/1: https://0123456789abcdef0123456789abcdef@h/1}",
            "line 1: fan_out: the sender is named twice",
        ),
    ] {
        let folder = Folder::with(
            ".relay/config.yml",
            &format!("fan_out: {section}\nrelay: {{mode: proxy}}\n"),
        );
        let checked = folder.outcome(&["config", "check"]);
        match message {
            "" => assert_eq!(checked.code, Some(0), "{}", checked.stderr),
            message => assert!(checked.stderr.contains(message), "{section}: {}", checked.stderr),
        }
    }
}
