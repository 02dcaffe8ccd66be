//! Logging: what goes to standard error, and how it looks.

use std::env;
use std::io::{IsTerminal, stderr};

use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::{LogFormat, Logging};

/// Everything from our own crates, the rest from `info` on; `logging.level` caps both.
const DEFAULT_DIRECTIVES: &str = "info,relay=trace";

/// Variables with directives such as `relay_server=debug,hyper=info`, the first that is set counts.
const VARIABLES: [&str; 2] = ["RELAY_LOG", "RUST_LOG"];

/// Logs from here on as `logging` says.
pub(crate) fn init(logging: &Logging) {
    let terminal = stderr().is_terminal();
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let lines =
        tracing_subscriber::fmt::layer().with_writer(stderr).with_ansi(terminal && !no_color);
    let lines = match logging.format {
        LogFormat::Pretty => lines.pretty().without_time().boxed(),
        LogFormat::Auto if terminal => lines.pretty().without_time().boxed(),
        LogFormat::Auto | LogFormat::Simplified => lines.boxed(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_file(true).with_line_number(true).boxed()
        }
    };
    let (directives, unreadable) = directives();
    // A second call, which there is none, would leave the first in force.
    let _ = tracing_subscriber::registry()
        .with(lines.with_filter(directives).with_filter(logging.level.0))
        .try_init();
    if let Some((variable, error)) = unreadable {
        tracing::warn!(%error, "cannot read the log directives of {variable}, using the default");
    }
}

type Unreadable = (&'static str, tracing_subscriber::filter::ParseError);

fn directives() -> (Targets, Option<Unreadable>) {
    let named = VARIABLES.into_iter().find_map(|variable| {
        let text = env::var(variable).ok().filter(|text| !text.is_empty())?;
        Some((variable, text))
    });
    let default = || DEFAULT_DIRECTIVES.parse().expect("directives that a test parses");
    match named {
        None => (default(), None),
        Some((variable, text)) => match text.parse() {
            Ok(directives) => (directives, None),
            Err(error) => (default(), Some((variable, error))),
        },
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn by_default_only_our_own_crates_may_say_more_than_info() {
        let targets: Targets = DEFAULT_DIRECTIVES.parse().expect("directives");
        assert!(targets.would_enable("relay_server::forward", &Level::TRACE));
        assert!(targets.would_enable("hyper", &Level::INFO));
        assert!(!targets.would_enable("hyper", &Level::DEBUG));
    }
}
