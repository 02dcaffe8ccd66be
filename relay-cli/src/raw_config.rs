//! `config.yml`: from its text to [`Settings`].

use std::fmt;
use std::path::{Path, PathBuf};

use relay_dsn::Dsn;
use relay_server::config::FanOut;
use saphyr::{AnnotatedMapping, LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use saphyr_parser::{Event, Parser};

use crate::failure::Failure;
use crate::keys::{self, Key};
use crate::settings::Settings;
use crate::value::{Value, read_text};

/// The file's name in the config folder.
pub(crate) const FILE_NAME: &str = "config.yml";

/// The section that has no keys of its own: senders and their targets.
const FAN_OUT: &str = "fan_out";

/// Lists and maps inside each other. The deepest key of the reference is at 8.
const MAX_DEPTH: usize = 64;

/// What a config file says beside the settings.
#[derive(Debug, Default)]
pub(crate) struct RawConfig {
    /// The keys that took effect.
    pub(crate) keys: Vec<&'static str>,
    /// The keys that have none, with their values left out.
    pub(crate) ignored: Vec<IgnoredKey>,
}

/// A key of the file without effect: one of the reference's, or a mistake.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IgnoredKey {
    path: String,
    line: usize,
}

impl fmt::Display for IgnoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {})", self.path, self.line)
    }
}

/// Why a config file does not count.
#[derive(Debug)]
pub(crate) enum ConfigFileError {
    /// It cannot be read.
    Open(PathBuf, std::io::Error),
    /// All that is wrong with its text.
    Parse(PathBuf, Vec<Problem>),
}

impl From<ConfigFileError> for Failure {
    fn from(error: ConfigFileError) -> Self {
        match error {
            ConfigFileError::Open(path, error) => {
                Self::new(format!("could not open config file (file {})", path.display()))
                    .caused_by(error)
            }
            ConfigFileError::Parse(path, problems) => {
                let failure = Self::new(format!(
                    "could not parse yaml config file (file {})",
                    path.display()
                ));
                problems.iter().fold(failure, Self::caused_by)
            }
        }
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    line: usize,
    /// `section.name`; empty if it is not about a key.
    key: String,
    message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { line, key, message } if key.is_empty() => write!(f, "line {line}: {message}"),
            Self { line, key, message } => write!(f, "line {line}: {key}: {message}"),
        }
    }
}

impl RawConfig {
    /// Reads `config.yml` of `folder` into `settings`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is not YAML, or has a value that does not fit its key; then all such
    /// values are named and `settings` is half written.
    pub(crate) fn load(folder: &Path, settings: &mut Settings) -> Result<Self, ConfigFileError> {
        let path = folder.join(FILE_NAME);
        let text = match read_text(&path) {
            Ok(text) => text,
            Err(error) => return Err(ConfigFileError::Open(path, error)),
        };
        Self::parse(&text, folder, settings)
            .map_err(|problems| ConfigFileError::Parse(path, problems))
    }

    fn parse(text: &str, folder: &Path, settings: &mut Settings) -> Result<Self, Vec<Problem>> {
        if let Some(line) = too_deep(text) {
            let message = format!("more than {MAX_DEPTH} lists and maps inside each other");
            return Err(vec![Problem { line, key: String::new(), message }]);
        }
        let documents = MarkedYaml::load_from_str(text).map_err(|error| {
            let message = error.info().to_owned();
            vec![Problem { line: error.marker().line(), key: String::new(), message }]
        })?;
        let mut reader = Reader { folder, settings, config: Self::default(), problems: Vec::new() };
        match documents.as_slice() {
            [] => {}
            [document] => reader.document(document),
            [_, second, ..] => reader.problem(second, "", "a second YAML document"),
        }
        match reader.problems.is_empty() {
            true => Ok(reader.config),
            false => Err(reader.problems),
        }
    }
}

/// The line on which `text` gets too deep. The tree and all that walks it are recursive.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    Parser::new_from_str(text).map_while(Result::ok).find_map(|(event, span)| {
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth > MAX_DEPTH).then(|| span.start.line())
    })
}

/// Walks the tree of the file.
struct Reader<'a> {
    folder: &'a Path,
    settings: &'a mut Settings,
    config: RawConfig,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn document(&mut self, document: &MarkedYaml<'_>) {
        match &document.data {
            YamlData::Mapping(sections) => self.mapping("", sections),
            _ if is_empty(document) => {}
            _ => self.problem(document, "", "expected sections such as `relay:`"),
        }
    }

    fn mapping(&mut self, parent: &str, mapping: &AnnotatedMapping<'_, MarkedYaml<'_>>) {
        for (key, value) in mapping {
            // A key that is no text is none of ours, whatever it says.
            let name = key.data.as_str().unwrap_or("?");
            match parent {
                "" => self.entry(name, key, value),
                _ => self.entry(&format!("{parent}.{name}"), key, value),
            }
        }
    }

    fn entry(&mut self, path: &str, key: &MarkedYaml<'_>, value: &MarkedYaml<'_>) {
        if let Some(known) = Key::find(path) {
            return self.setting(known, value);
        }
        if path == FAN_OUT && !is_empty(value) {
            return self.fan_out(value);
        }
        match &value.data {
            YamlData::Mapping(entries) if !entries.is_empty() => self.mapping(path, entries),
            // Nothing is asked for.
            _ if is_empty(value) => {}
            _ if keys::is_section(path) => {
                self.problem(value, path, "expected keys below a section")
            }
            _ => {
                self.check_references(path, value);
                let line = key.span.start.line();
                self.config.ignored.push(IgnoredKey { path: path.to_owned(), line });
            }
        }
    }

    fn setting(&mut self, key: &'static Key, node: &MarkedYaml<'_>) {
        let Some(value) = self.value(key.path, node) else { return };
        match key.set(self.settings, &value) {
            Ok(()) if value != Value::Null => self.config.keys.push(key.path),
            Ok(()) => {}
            Err(error) => self.problem(node, key.path, error.0),
        }
    }

    /// A value, or a list of values; `None` if it cannot be had, of which has been told.
    fn value(&mut self, path: &str, node: &MarkedYaml<'_>) -> Option<Value> {
        match &node.data {
            YamlData::Value(scalar) => Value::from_file(scalar, self.folder)
                .map_err(|error| self.problem(node, path, error))
                .ok(),
            YamlData::BadValue => {
                self.problem(node, path, "the tag does not fit the value");
                None
            }
            YamlData::Sequence(nodes)
                if nodes.iter().all(|node| matches!(node.data, YamlData::Value(_))) =>
            {
                nodes
                    .iter()
                    .map(|node| self.value(path, node))
                    .collect::<Option<_>>()
                    .map(Value::List)
            }
            _ => Some(Value::Nested),
        }
    }

    /// Senders and their targets: DSN → DSN, or a list of them.
    fn fan_out(&mut self, node: &MarkedYaml<'_>) {
        let YamlData::Mapping(routes) = &node.data else {
            return self.problem(node, FAN_OUT, "expected DSNs, each with a list of DSNs");
        };
        for (from, to) in routes {
            let targets = match &to.data {
                YamlData::Sequence(targets) => targets.iter().collect(),
                _ => vec![to],
            };
            let from_dsn = self.dsn(from);
            let targets: Vec<Option<Dsn>> =
                targets.into_iter().map(|target| self.dsn(target)).collect();
            // What is no DSN has been told of.
            let (Some(from_dsn), Some(targets)) = (from_dsn, targets.into_iter().collect()) else {
                continue;
            };
            match FanOut::new(&from_dsn, targets) {
                Ok(route) => {
                    let known = &mut self.settings.server.fan_out;
                    if known.iter().any(|other| other.from() == route.from()) {
                        self.problem(from, FAN_OUT, "the sender is named twice");
                        continue;
                    }
                    known.push(route);
                    self.settings.fan_out.push(from_dsn);
                }
                Err(error) => self.problem(from, FAN_OUT, error),
            }
        }
    }

    fn dsn(&mut self, node: &MarkedYaml<'_>) -> Option<Dsn> {
        let value = match &node.data {
            YamlData::Value(scalar) => Value::from_file(scalar, self.folder),
            _ => Ok(Value::Nested),
        };
        let dsn = match value {
            Ok(Value::Text(text)) => text.parse::<Dsn>().map_err(|error| error.to_string()),
            Ok(other) => Err(format!("expected a DSN, found {other}")),
            Err(error) => Err(error.to_string()),
        };
        dsn.map_err(|message| self.problem(node, FAN_OUT, message)).ok()
    }

    /// A missing variable or file is an error wherever it is named: an operator who names one
    /// counts on it.
    fn check_references(&mut self, path: &str, node: &MarkedYaml<'_>) {
        match &node.data {
            YamlData::Value(scalar) => {
                if let Err(error) = Value::from_file(scalar, self.folder) {
                    self.problem(node, path, error);
                }
            }
            YamlData::Sequence(nodes) => {
                nodes.iter().for_each(|node| self.check_references(path, node))
            }
            YamlData::Mapping(entries) => {
                entries.values().for_each(|node| self.check_references(path, node));
            }
            YamlData::Tagged(_, node) => self.check_references(path, node),
            YamlData::Alias(_) | YamlData::BadValue | YamlData::Representation(..) => {}
        }
    }

    fn problem(&mut self, node: &MarkedYaml<'_>, key: &str, message: impl fmt::Display) {
        let line = node.span.start.line();
        self.problems.push(Problem { line, key: key.to_owned(), message: message.to_string() });
    }
}

/// Whether a node is there in name only.
fn is_empty(node: &MarkedYaml<'_>) -> bool {
    match &node.data {
        YamlData::Value(scalar) => *scalar == Scalar::Null,
        YamlData::Sequence(nodes) => nodes.is_empty(),
        YamlData::Mapping(entries) => entries.is_empty(),
        // What an empty document is made of.
        YamlData::BadValue => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Settings, Vec<Problem>> {
        let mut settings = Settings::default();
        RawConfig::parse(text, "nowhere".as_ref(), &mut settings).map(|_| settings)
    }

    #[test]
    fn anchors_can_be_used() {
        let settings = parse("base: &port 4000\nrelay: {port: *port}").expect("a config");
        assert_eq!(settings.server.port, 4000);
    }

    #[test]
    fn anchors_cannot_be_used_to_grow_without_bounds() {
        let mut text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
        for level in 1..30 {
            let alias = format!("*a{}, ", level - 1);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", alias.repeat(8)));
        }
        assert!(parse(&text).is_err());
    }

    #[test]
    fn a_tag_types_a_value() {
        assert_eq!(
            parse("relay: {port: !!int '80'}").map_err(|problems| problems.len()).err(),
            Some(1)
        );
        assert_eq!(parse("relay: {port: !!int 80}").expect("a config").server.port, 80);
        let problems = parse("relay: {port: !!int x}").expect_err("a problem");
        let expected = "line 1: relay.port: the tag does not fit the value";
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn lists_are_read_element_by_element() {
        let text = "tunnel: {allow: [o1.example/42, 'localhost:9000/*']}\n\
                    forwarded: {trusted_networks: [10.0.0.0/8, 'fd00::/8'], trusted_hops: 0}";
        let settings = parse(text).expect("a config");
        let allowed: Vec<_> =
            settings.server.tunnel.allow.iter().map(ToString::to_string).collect();
        assert_eq!(allowed, ["o1.example/42", "localhost:9000/*"]);
        assert_eq!(settings.server.forwarded.trusted_networks.len(), 2);
        assert_eq!(settings.server.forwarded.trusted_hops, Some(0));
        for (text, problem) in [
            (
                "tunnel: {allow: o1.example/42}",
                "line 1: tunnel.allow: expected a list, found a text",
            ),
            (
                "tunnel: {allow: [[]]}",
                "line 1: tunnel.allow: expected a list, found a list or a map",
            ),
            ("tunnel: {allow: [1]}", "line 1: tunnel.allow: expected a text, found the number 1"),
            (
                "tunnel: {allow: [a.b/1, 'https://a.b/1']}",
                "line 1: tunnel.allow: element 2: expected a host and a project, as in o1.ingest.sentry.io/42 or \
                 sentry.example:9000/*",
            ),
            (
                "tunnel: {path: /api/1/envelope/}",
                "line 1: tunnel.path: expected a path such as /tunnel, outside of /api/, or nothing",
            ),
            ("relay: {port: [1]}", "line 1: relay.port: expected a whole number, found a list"),
        ] {
            let problems = parse(text).expect_err(text);
            assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [problem]);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_panic(text in "\\PC*|([a-c{}\\[\\]:,*&!#|>'\"$ \\n-]|relay: |port: ){0,80}") {
            let _ = parse(&text);
        }
    }
}
