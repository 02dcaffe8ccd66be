//! `relay config init`, `show` and `check`

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::args::{ConfigCommand, GlobalArgs, ShowFormat};
use crate::failure::Failure;
use crate::keys::{self, Key};
use crate::load::{self, DEFAULT_FOLDER};
use crate::raw_config::FILE_NAME;
use crate::settings::{Mode, Settings};
use crate::value::Value;

pub(crate) fn config(command: &ConfigCommand, global: &GlobalArgs) -> Result<(), Failure> {
    match command {
        ConfigCommand::Init { yes } => init(global, *yes),
        ConfigCommand::Show { format } => show(global, *format),
        ConfigCommand::Check => check(global),
    }
}

fn show(global: &GlobalArgs, format: ShowFormat) -> Result<(), Failure> {
    let loaded = load::load(&global.overrides())?;
    warn(&loaded.warnings);
    let mut settings = loaded.settings;
    let text = match format {
        ShowFormat::Yaml => {
            keys::to_yaml(&mut settings, |_| true) + &keys::fan_out_to_yaml(&settings)
        }
        ShowFormat::Debug => format!("{settings:#?}\n"),
    };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

fn check(global: &GlobalArgs) -> Result<(), Failure> {
    let loaded = load::load(&global.overrides())?;
    warn(&loaded.warnings);
    let config = loaded.server_config()?;
    // Reads the certificate authorities.
    relay_server::HttpClient::new(&config.http)?;
    let what = match &loaded.folder {
        Some(folder) => folder.join(FILE_NAME).display().to_string(),
        None => "no config file, the defaults".to_owned(),
    };
    let (mode, reason) = (loaded.settings.mode, loaded.mode_reason);
    Ok(writeln!(io::stdout(), "{what}: fine\n  mode: {mode}, because {reason}")?)
}

/// Warnings of commands that do not log.
fn warn(warnings: &[String]) {
    for warning in warnings {
        let _ = writeln!(io::stderr(), "warning: {warning}");
    }
}

fn init(global: &GlobalArgs, yes: bool) -> Result<(), Failure> {
    let folder = global.config.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FOLDER));
    let file = folder.join(FILE_NAME);
    let mut stdout = io::stdout();
    writeln!(stdout, "Initializing relay in {}", std::path::absolute(&folder)?.display())?;

    let written = if file.exists() {
        false
    } else {
        let mut settings = Settings::default();
        settings.set_mode(DEFAULT_MODE);
        if !yes {
            if !io::stdin().is_terminal() {
                return Err(Failure::new("there is no terminal to ask on")
                    .caused_by("config init --yes asks nothing and takes the defaults"));
            }
            let mut dialog = Dialog { input: io::stdin().lock(), output: io::stdout() };
            if dialog.run(&mut settings)? == Answer::Abort {
                return Ok(());
            }
        }
        write_config(&folder, &file, &mut settings)?;
        true
    };

    let mut overrides = global.overrides();
    overrides.folder = Some(folder);
    load::load(&overrides)?;
    writeln!(stdout, "{}", if written { "All done!" } else { "Nothing to do." })?;
    Ok(())
}

/// Who makes a config file wants to send somewhere; keeping everything here needs none.
const DEFAULT_MODE: Mode = Mode::Served(relay_server::config::Mode::Proxy);

const HEADER: &str = "\
# Configuration of relay. All keys, their defaults and effects:
# https://github.com/relay-rs/relay/blob/main/docs/configuration.md
# `relay config check` tells whether this file is fine, `relay config show` what is in force.
";

fn write_config(folder: &Path, file: &Path, settings: &mut Settings) -> Result<(), Failure> {
    let text = format!("{HEADER}{}", keys::to_yaml(settings, |key| key.parts().0 == "relay"));
    let failed = |error| {
        Failure::new(format!("could not write config file (file {})", file.display()))
            .caused_by(error)
    };
    fs::create_dir_all(folder).map_err(failed)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)
}

/// Questions and answers of `config init`.
struct Dialog<I, O> {
    input: I,
    output: O,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Write,
    Abort,
}

impl<I: BufRead, O: Write> Dialog<I, O> {
    fn run(&mut self, settings: &mut Settings) -> io::Result<Answer> {
        let choices = ["create default config", "create custom config", "abort"];
        match self.choose("There is no config file. What now?", &choices)? {
            0 => return Ok(Answer::Write),
            1 => {}
            _ => return Ok(Answer::Abort),
        }
        let modes = [
            (relay_server::config::Mode::Proxy, "proxy, send everything on to an upstream"),
            (relay_server::config::Mode::Capture, "capture, keep everything here"),
        ];
        let chosen = self.choose("How should this relay work?", &modes.map(|(_, label)| label))?;
        let mode = modes.get(chosen).map_or(DEFAULT_MODE, |(mode, _)| Mode::Served(*mode));
        settings.set_mode(mode);
        if mode == DEFAULT_MODE {
            self.ask("upstream", "relay.upstream", settings)?;
        }
        self.ask("listen interface", "relay.host", settings)?;
        self.ask("listen port", "relay.port", settings)?;
        Ok(Answer::Write)
    }

    /// The index of the choice that was made.
    fn choose(&mut self, question: &str, choices: &[&str]) -> io::Result<usize> {
        writeln!(self.output, "{question}")?;
        for (number, choice) in (1..).zip(choices) {
            writeln!(self.output, "  {number}) {choice}")?;
        }
        loop {
            write!(self.output, "choice [1]: ")?;
            match self.line()?.as_str() {
                "" => return Ok(0),
                text => match text.parse::<usize>() {
                    Ok(number) if (1..=choices.len()).contains(&number) => return Ok(number - 1),
                    _ => writeln!(self.output, "  invalid input: not a number of the list")?,
                },
            }
        }
    }

    /// Asks for the value of a key until one fits; an empty line keeps what is there.
    fn ask(&mut self, question: &str, path: &str, settings: &mut Settings) -> io::Result<()> {
        let key = Key::find(path).expect("a key of the table");
        loop {
            write!(self.output, "{question} [{}]: ", key.show(settings).trim_matches('"'))?;
            let text = self.line()?;
            if text.is_empty() {
                return Ok(());
            }
            match key.set(settings, &Value::from_outside(&text)) {
                Ok(()) => return Ok(()),
                Err(error) => writeln!(self.output, "  invalid input: {}", error.0)?,
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        self.output.flush()?;
        let mut line = String::new();
        match self.input.read_line(&mut line)? {
            0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the input ended before an answer",
            )),
            _ => Ok(line.trim().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog(input: &str) -> (io::Result<Answer>, Settings, String) {
        let mut settings = Settings::default();
        let mut dialog = Dialog { input: input.as_bytes(), output: Vec::new() };
        let answer = dialog.run(&mut settings);
        (answer, settings, String::from_utf8(dialog.output).expect("UTF-8"))
    }

    #[test]
    fn ops_007_choosing_abort_ends_the_questions() {
        assert_eq!(dialog("3\n").0.expect("an answer"), Answer::Abort);
    }

    #[test]
    fn an_empty_line_takes_the_first_choice() {
        assert_eq!(dialog("\n").0.expect("an answer"), Answer::Write);
    }

    #[test]
    fn a_custom_config_asks_for_mode_upstream_interface_and_port() {
        let (answer, settings, _) = dialog("2\n1\nhttp://sentry.test/\n0.0.0.0\n4000\n");
        assert_eq!(answer.expect("an answer"), Answer::Write);
        assert_eq!(settings.mode, DEFAULT_MODE);
        assert_eq!(settings.server.upstream.as_str(), "http://sentry.test/");
        assert_eq!(settings.server.host.to_string(), "0.0.0.0");
        assert_eq!(settings.server.port, 4000);
    }

    #[test]
    fn bad_input_is_named_and_asked_for_again() {
        let (answer, settings, output) = dialog("7\n2\n2\n\nx\n70000\n5000\n");
        assert_eq!(answer.expect("an answer"), Answer::Write);
        assert_eq!(settings.mode, Mode::Served(relay_server::config::Mode::Capture));
        assert_eq!(settings.server.port, 5000);
        assert_eq!(output.matches("  invalid input: ").count(), 3, "{output}");
    }

    #[test]
    fn input_that_ends_early_is_an_error() {
        assert!(dialog("2\n").0.is_err());
    }
}
