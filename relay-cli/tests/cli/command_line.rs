use crate::support::{Folder, Outcome};

const VERSION: &str = concat!("relay ", env!("CARGO_PKG_VERSION"), "\n");

#[test]
fn ops_001_without_arguments_the_usage_is_printed_as_an_error() {
    let outcome = Folder::new().outcome(&[]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("Usage: relay"), "{outcome:?}");
}

#[test]
fn ops_002_every_command_knows_the_version() {
    let commands: [&[&str]; 8] = [
        &[],
        &["run"],
        &["config"],
        &["config", "show"],
        &["send"],
        &["healthcheck"],
        &["spool"],
        &["spool", "ls"],
    ];
    for command in commands {
        for flag in ["--version", "-V"] {
            let outcome = Folder::new().outcome(&[command, &[flag]].concat());
            assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), VERSION), "{command:?}");
        }
    }
}

#[test]
fn usage_errors_exit_with_2() {
    let cases: [&[&str]; 11] = [
        &["help"],
        &["config"],
        &["run", "--mode", "fast"],
        &["run", "--port", "65536"],
        &["run", "--log-level", "off"],
        // OPS-012
        &["run", "--upstream", "http://a/", "--upstream-dsn", "http://k@b/1"],
        // OPS-013
        &["run", "--processing", "--no-processing"],
        &["run", "--secret-key", "x"],
        &["send", "--dsn", "http://k@b/1"],
        &["spool"],
        &["spool", "export"],
    ];
    for arguments in cases {
        assert_eq!(Folder::new().outcome(arguments).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn completions_are_those_of_the_shell_that_is_asked_for_or_in_use() {
    let folder = Folder::new();
    let fish = folder.outcome(&["completions", "-f", "fish"]);
    assert_eq!(fish.code, Some(0));
    assert!(fish.stdout.contains("complete -c relay"), "{fish:?}");
    assert!(fish.stdout.contains("Look for damage in the file and in each record"), "{fish:?}");

    let zsh = Outcome::of(folder.relay(&["completions"]).env("SHELL", "/usr/bin/zsh"));
    assert!(zsh.stdout.starts_with("#compdef relay"), "{zsh:?}");
    let bash = folder.outcome(&["generate-completions"]);
    assert!(bash.stdout.contains("complete -F _relay"), "{bash:?}");
}

#[test]
fn completions_need_no_config() {
    let folder = Folder::with(".relay/config.yml", "not: [yaml");
    assert_eq!(folder.outcome(&["completions"]).code, Some(0));
}
