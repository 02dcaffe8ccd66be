//! The keys of `config.yml` that have an effect. A further key is a further line of [`KEYS`], and one
//! in `docs/configuration.md`, which a test compares with this table.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use relay_compression::ContentEncoding;

use self::Field::{
    AtLeastOne, Bytes, Count, Encoding, Flag, FlagOrName, Folder, Header, Limit, MayCount,
    MaySeconds, Name, Names, OffSeconds, Path, Room, Seconds,
};
use crate::byte_size::ByteSize;
use crate::settings::Settings;
use crate::value::Value;

/// A key and where its value lives.
pub(crate) struct Key {
    /// `section.name`
    pub(crate) path: &'static str,
    /// The environment variable that says the same.
    pub(crate) variable: Option<&'static str>,
    /// The name of the key of Sentry Relay that asks for the same.
    reference: Option<&'static str>,
    field: fn(&mut Settings) -> Field<'_>,
}

const fn key(path: &'static str, field: fn(&mut Settings) -> Field<'_>) -> Key {
    Key { path, variable: None, reference: None, field }
}

impl Key {
    const fn or(self, variable: &'static str) -> Self {
        Self { variable: Some(variable), ..self }
    }

    const fn once(self, reference: &'static str) -> Self {
        Self { reference: Some(reference), ..self }
    }
}

/// By section, in the order in which `config show` prints them.
pub(crate) static KEYS: &[Key] = &[
    key("relay.mode", |s| Name(&mut s.mode)).or("RELAY_MODE"),
    key("relay.upstream", |s| Name(&mut s.server.upstream)).or("RELAY_UPSTREAM_URL"),
    key("relay.host", |s| Name(&mut s.server.host)).or("RELAY_HOST"),
    key("relay.port", |s| Count(&mut s.server.port)).or("RELAY_PORT"),
    key("http.timeout", |s| Seconds(&mut s.server.http.timeout)),
    key("http.connection_timeout", |s| Seconds(&mut s.server.http.connection_timeout)),
    key("http.max_retry_interval", |s| Seconds(&mut s.server.http.max_retry_interval)),
    key("http.outage_grace_period", |s| Seconds(&mut s.server.http.outage_grace_period)),
    key("http.retry_delay", |s| Seconds(&mut s.server.http.retry_delay)),
    key("http.refusal_grace_period", |s| Seconds(&mut s.server.http.refusal_grace_period)),
    key("http.host_header", |s| Header(&mut s.server.http.host_header)),
    key("http.encoding", |s| Encoding(&mut s.server.http.encoding)),
    key("http.forward", |s| Flag(&mut s.server.http.forward)),
    key("http.ca_file", |s| Path(&mut s.server.http.ca_file)),
    key("limits.max_memory", |s| Room(&mut s.server.limits.max_memory)),
    key("limits.max_concurrent_requests", |s| {
        AtLeastOne(&mut s.server.limits.max_concurrent_requests)
    }),
    key("limits.max_connections", |s| Limit(&mut s.server.limits.max_connections)),
    key("limits.max_thread_count", |s| Limit(&mut s.server.limits.max_thread_count)),
    key("limits.tcp_listen_backlog", |s| Count(&mut s.server.limits.tcp_listen_backlog)),
    key("limits.header_timeout", |s| Seconds(&mut s.server.limits.header_timeout)),
    key("limits.body_timeout", |s| Seconds(&mut s.server.limits.body_timeout)),
    key("limits.idle_timeout", |s| MaySeconds(&mut s.server.limits.idle_timeout)),
    key("limits.keepalive_timeout", |s| OffSeconds(&mut s.server.limits.keepalive_timeout)),
    key("limits.shutdown_timeout", |s| Seconds(&mut s.server.limits.shutdown_timeout))
        .or("RELAY_SHUTDOWN_TIMEOUT"),
    key("limits.max_envelope_size", |s| Room(&mut s.server.limits.max_envelope_size)),
    key("limits.max_event_size", |s| Bytes(&mut s.server.limits.items.max_event_size)),
    key("limits.max_attachment_size", |s| Bytes(&mut s.server.limits.items.max_attachment_size)),
    key("limits.max_attachments_size", |s| Bytes(&mut s.server.limits.items.max_attachments_size)),
    key("limits.max_attachment_count", |s| Count(&mut s.server.limits.items.max_attachment_count)),
    key("limits.max_client_reports_size", |s| {
        Bytes(&mut s.server.limits.items.max_client_reports_size)
    }),
    key("limits.max_client_reports_count", |s| {
        Count(&mut s.server.limits.items.max_client_reports_count)
    }),
    key("limits.max_check_in_size", |s| Bytes(&mut s.server.limits.items.max_check_in_size)),
    key("limits.max_sessions_size", |s| Bytes(&mut s.server.limits.items.max_sessions_size)),
    key("limits.max_session_count", |s| Count(&mut s.server.limits.items.max_session_count)),
    key("limits.max_profile_size", |s| Bytes(&mut s.server.limits.items.max_profile_size)),
    key("limits.max_log_size", |s| Bytes(&mut s.server.limits.items.max_log_size)),
    key("limits.max_trace_metric_size", |s| {
        Bytes(&mut s.server.limits.items.max_trace_metric_size)
    }),
    key("limits.max_span_size", |s| Bytes(&mut s.server.limits.items.max_span_size)),
    key("limits.max_standalone_span_count", |s| {
        Count(&mut s.server.limits.items.max_standalone_span_count)
    }),
    key("limits.max_container_size", |s| Bytes(&mut s.server.limits.items.max_container_size)),
    key("limits.max_metric_buckets_size", |s| {
        Bytes(&mut s.server.limits.items.max_metric_buckets_size)
    }),
    key("limits.max_replay_compressed_size", |s| {
        Bytes(&mut s.server.limits.items.max_replay_compressed_size)
    }),
    key("limits.max_api_payload_size", |s| Bytes(&mut s.server.limits.max_api_payload_size)),
    key("limits.max_api_file_upload_size", |s| {
        Bytes(&mut s.server.limits.max_api_file_upload_size)
    }),
    key("limits.max_api_chunk_upload_size", |s| {
        Bytes(&mut s.server.limits.max_api_chunk_upload_size)
    }),
    key("limits.max_upload_size", |s| Bytes(&mut s.server.limits.max_upload_size)),
    key("upload.forward", |s| Flag(&mut s.server.upload.forward)),
    key("upload.max_concurrent_requests", |s| {
        AtLeastOne(&mut s.server.upload.max_concurrent_requests)
    }),
    key("upload.timeout", |s| Seconds(&mut s.server.upload.timeout)),
    key("tunnel.path", |s| Name(&mut s.server.tunnel.path)),
    key("tunnel.allow", |s| Names(&mut s.server.tunnel.allow)),
    key("forwarded.header", |s| Name(&mut s.server.forwarded.header)),
    key("forwarded.trusted_hops", |s| MayCount(&mut s.server.forwarded.trusted_hops)),
    key("forwarded.trusted_networks", |s| Names(&mut s.server.forwarded.trusted_networks)),
    key("spool.durability", |s| Name(&mut s.server.spool.durability)).or("RELAY_SPOOL_DURABILITY"),
    key("spool.path", |s| Folder(&mut s.server.spool.path)).or("RELAY_SPOOL_PATH"),
    key("spool.max_disk_size", |s| Room(&mut s.server.spool.max_disk_size))
        .once("spool.envelopes.max_disk_size"),
    key("spool.max_age", |s| Seconds(&mut s.server.spool.max_age))
        .once("spool.envelopes.max_envelope_delay_secs"),
    key("spool.when_full", |s| Name(&mut s.server.spool.when_full)),
    key("outcomes.emit_outcomes", |s| FlagOrName(&mut s.server.outcomes.emit)),
    key("aggregator.bucket_interval", |s| Seconds(&mut s.server.outcomes.bucket_interval)),
    key("aggregator.initial_delay", |s| Seconds(&mut s.server.outcomes.initial_delay)),
    key("capture.max_size", |s| Room(&mut s.server.capture.max_size)),
    key("logging.level", |s| Name(&mut s.logging.level)).or("RELAY_LOG_LEVEL"),
    key("logging.format", |s| Name(&mut s.logging.format)).or("RELAY_LOG_FORMAT"),
    key("routing.accept_unknown_items", |s| Flag(&mut s.server.accept_unknown_items)),
    key("processing.enabled", |s| Flag(&mut s.processing)).or("RELAY_PROCESSING_ENABLED"),
];

impl Key {
    /// The key called `path`, if it has an effect.
    pub(crate) fn find(path: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.path == path || key.reference == Some(path))
    }

    /// `(section, name)`
    pub(crate) fn parts(&self) -> (&'static str, &'static str) {
        self.path.split_once('.').expect("a path in the table has a section")
    }

    /// Puts `value` in force. Nothing (`null`) leaves the setting as it is.
    pub(crate) fn set(&self, settings: &mut Settings, value: &Value) -> Result<(), InvalidValue> {
        if *value == Value::Null {
            return Ok(());
        }
        (self.field)(settings).set(value)
    }

    /// The value in force, as YAML.
    pub(crate) fn show(&self, settings: &mut Settings) -> String {
        (self.field)(settings).show()
    }
}

/// Whether keys of the table are below `name`.
pub(crate) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.parts().0 == name)
}

/// The keys that `select` chooses with the values in force, as `config.yml`.
pub(crate) fn to_yaml(settings: &mut Settings, select: impl Fn(&Key) -> bool) -> String {
    let mut yaml = String::new();
    let mut section = "";
    for key in KEYS.iter().filter(|key| select(key)) {
        let (its_section, name) = key.parts();
        if section != its_section {
            section = its_section;
            yaml.push_str(&format!("{section}:\n"));
        }
        yaml.push_str(&format!("  {name}: {}\n", key.show(settings)));
    }
    yaml
}

/// The section `fan_out` in force, as `config.yml` has it; secrets are left out.
pub(crate) fn fan_out_to_yaml(settings: &Settings) -> String {
    let mut yaml = String::new();
    for (index, (from, route)) in settings.fan_out.iter().zip(&settings.server.fan_out).enumerate()
    {
        yaml.push_str(if index == 0 { "fan_out:\n" } else { "" });
        yaml.push_str(&format!("  {}:\n", yaml_text(&from.to_forwarded().to_string())));
        for to in route.to() {
            yaml.push_str(&format!("    - {}\n", yaml_text(&to.to_forwarded().to_string())));
        }
    }
    yaml
}

/// Why a value does not fit its key. A complete message, without the value's text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidValue(pub(crate) String);

impl InvalidValue {
    fn expected(what: &str, found: &Value) -> Self {
        Self(format!("expected {what}, found {found}"))
    }
}

/// A setting's place, by the grammar of its value.
enum Field<'a> {
    Flag(&'a mut bool),
    /// `true`, `false`, or a text.
    FlagOrName(&'a mut dyn Text),
    Count(&'a mut dyn Number),
    AtLeastOne(&'a mut usize),
    /// A number, or none.
    MayCount(&'a mut Option<usize>),
    /// A bound of at least one, or none.
    Limit(&'a mut Option<usize>),
    Bytes(&'a mut usize),
    /// A size of something that must hold anything at all.
    Room(&'a mut usize),
    Seconds(&'a mut Duration),
    /// `null` shows that there is no such time.
    MaySeconds(&'a mut Option<Duration>),
    /// Zero means that there is no such time.
    OffSeconds(&'a mut Option<Duration>),
    /// A text with a type of its own.
    Name(&'a mut dyn Text),
    /// A list of them.
    Names(&'a mut dyn Texts),
    Encoding(&'a mut ContentEncoding),
    Header(&'a mut Option<String>),
    Path(&'a mut Option<PathBuf>),
    Folder(&'a mut PathBuf),
}

impl Field<'_> {
    fn set(self, value: &Value) -> Result<(), InvalidValue> {
        match self {
            Flag(flag) => match value {
                Value::Bool(value) => *flag = *value,
                other => return Err(InvalidValue::expected("true or false", other)),
            },
            FlagOrName(name) => match value {
                Value::Bool(flag) => name.set(&flag.to_string())?,
                Value::Text(text) => name.set(text)?,
                other => return Err(InvalidValue::expected("true, false or a text", other)),
            },
            Count(count) => count.set(integer(value)?)?,
            AtLeastOne(count) => *count = at_least_one(value)?,
            MayCount(count) => {
                let mut number = 0;
                Number::set(&mut number, integer(value)?)?;
                *count = Some(number);
            }
            Limit(limit) => *limit = Some(at_least_one(value)?),
            Bytes(size) => *size = byte_size(value)?,
            Room(size) => match byte_size(value)? {
                0 => return Err(InvalidValue("must not be 0: nothing would fit".to_owned())),
                bytes => *size = bytes,
            },
            Seconds(time) => *time = seconds(value)?,
            MaySeconds(time) | OffSeconds(time) => {
                *time = Some(seconds(value)?).filter(|time| !time.is_zero());
            }
            Name(name) => name.set(text(value)?)?,
            Names(names) => match value {
                Value::List(values) => {
                    names.set(&values.iter().map(text).collect::<Result<Vec<_>, _>>()?)?;
                }
                other => return Err(InvalidValue::expected("a list", other)),
            },
            Encoding(encoding) => {
                *encoding = text(value)?.parse().map_err(|_| {
                    InvalidValue("expected identity, deflate, gzip, br or zstd".to_owned())
                })?;
            }
            Header(header) => {
                let text = text(value)?;
                let host = |byte: u8| byte.is_ascii_graphic() && !b"/@?#".contains(&byte);
                if text.is_empty() || !text.bytes().all(host) {
                    return Err(InvalidValue(
                        "expected a host name with or without a port".to_owned(),
                    ));
                }
                *header = Some(text.to_owned());
            }
            Path(path) => *path = Some(text(value)?.into()),
            Folder(path) => match text(value)? {
                "" => return Err(InvalidValue("expected a folder, found nothing".to_owned())),
                text => *path = text.into(),
            },
        }
        Ok(())
    }

    fn show(self) -> String {
        match self {
            Flag(flag) => flag.to_string(),
            // Bare: a flag is no text, and a text that is none needs no quotes.
            FlagOrName(name) => name.show(),
            Count(count) => count.show(),
            AtLeastOne(count) => count.to_string(),
            MayCount(count) | Limit(count) => count.map_or_else(null, |count| count.to_string()),
            Bytes(size) | Room(size) => ByteSize(*size).to_string(),
            Seconds(time) => time.as_secs().to_string(),
            MaySeconds(time) => time.map_or_else(null, |time| time.as_secs().to_string()),
            OffSeconds(time) => time.unwrap_or_default().as_secs().to_string(),
            Name(name) => yaml_text(&name.show()),
            Names(names) => {
                let names: Vec<String> = names.show().iter().map(|name| yaml_text(name)).collect();
                format!("[{}]", names.join(", "))
            }
            Encoding(encoding) => encoding.as_str().to_owned(),
            Header(header) => header.as_deref().map_or_else(null, yaml_text),
            Path(path) => {
                path.as_ref().map_or_else(null, |path| yaml_text(&path.to_string_lossy()))
            }
            Folder(path) => yaml_text(&path.to_string_lossy()),
        }
    }
}

fn null() -> String {
    "null".to_owned()
}

/// A text that no YAML reader takes for anything else: bare where that is plain to see, else quoted as
/// in JSON.
fn yaml_text(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    let url = text.starts_with("http") && !text.ends_with(':');
    let bare = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        && text.bytes().all(|byte| plain(byte) || url && byte == b':')
        && matches!(saphyr::Scalar::parse_from_cow(text.into()), saphyr::Scalar::String(_));
    if bare { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// The numbers a [`Field::Count`] can hold.
trait Number {
    fn set(&mut self, value: u64) -> Result<(), InvalidValue>;
    fn show(&self) -> String;
}

impl<T: TryFrom<u64> + Display> Number for T {
    fn set(&mut self, value: u64) -> Result<(), InvalidValue> {
        *self = value
            .try_into()
            .map_err(|_| InvalidValue(format!("the number {value} is too large")))?;
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// The texts a [`Field::Name`] can hold.
trait Text {
    fn set(&mut self, text: &str) -> Result<(), InvalidValue>;
    fn show(&self) -> String;
}

impl<T: FromStr<Err: Display> + Display> Text for T {
    fn set(&mut self, text: &str) -> Result<(), InvalidValue> {
        *self = text.parse().map_err(|error: T::Err| InvalidValue(error.to_string()))?;
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// The lists a [`Field::Names`] can hold.
trait Texts {
    fn set(&mut self, texts: &[&str]) -> Result<(), InvalidValue>;
    fn show(&self) -> Vec<String>;
}

/// Whoever names more has made a mistake.
const MAX_TEXTS: usize = 1000;

impl<T: FromStr<Err: Display> + Display> Texts for Vec<T> {
    fn set(&mut self, texts: &[&str]) -> Result<(), InvalidValue> {
        if texts.len() > MAX_TEXTS {
            return Err(InvalidValue(format!("a list has at most {MAX_TEXTS} elements")));
        }
        let element = |(index, text): (usize, &&str)| {
            text.parse()
                .map_err(|error: T::Err| InvalidValue(format!("element {}: {error}", index + 1)))
        };
        *self = texts.iter().enumerate().map(element).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn show(&self) -> Vec<String> {
        self.iter().map(ToString::to_string).collect()
    }
}

fn integer(value: &Value) -> Result<u64, InvalidValue> {
    match value {
        Value::Integer(integer) => Ok(*integer),
        other => Err(InvalidValue::expected("a whole number", other)),
    }
}

fn at_least_one(value: &Value) -> Result<usize, InvalidValue> {
    let mut count = 0;
    Number::set(&mut count, integer(value)?)?;
    if count == 0 { Err(InvalidValue("must be at least 1".to_owned())) } else { Ok(count) }
}

fn text(value: &Value) -> Result<&str, InvalidValue> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(InvalidValue::expected("a text", other)),
    }
}

/// Seconds. More than 136 years would overflow the clocks of some systems.
fn seconds(value: &Value) -> Result<Duration, InvalidValue> {
    match value {
        Value::Integer(seconds) => match u32::try_from(*seconds) {
            Ok(seconds) => Ok(Duration::from_secs(seconds.into())),
            Err(_) => Err(InvalidValue(format!("{seconds} seconds are too many"))),
        },
        other => Err(InvalidValue::expected("a whole number of seconds", other)),
    }
}

fn byte_size(value: &Value) -> Result<usize, InvalidValue> {
    match value {
        // As in the reference: above 4 GiB, a size needs quotes or a unit.
        Value::Integer(bytes) => u32::try_from(*bytes)
            .ok()
            .and_then(|bytes| usize::try_from(bytes).ok())
            .ok_or_else(|| InvalidValue(format!("{bytes} bytes need a unit, as in 10GiB"))),
        Value::Text(text) => match text.parse() {
            Ok(ByteSize(bytes)) => Ok(bytes),
            Err(error) => Err(InvalidValue(error.to_string())),
        },
        other => Err(InvalidValue::expected("a byte size", other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(path: &str, value: Value) -> Result<String, InvalidValue> {
        let mut settings = Settings::default();
        let key = Key::find(path).expect("the key exists");
        key.set(&mut settings, &value)?;
        Ok(key.show(&mut settings))
    }

    #[test]
    fn every_key_is_in_the_table_once_and_has_a_section() {
        for (index, key) in KEYS.iter().enumerate() {
            assert_eq!(key.path.split('.').count(), 2, "{}", key.path);
            assert!(KEYS[..index].iter().all(|other| other.path != key.path), "{}", key.path);
        }
    }

    #[test]
    fn what_a_key_shows_it_also_reads() {
        let mut settings = Settings::default();
        for key in KEYS {
            let shown = key.show(&mut settings);
            let scalar = saphyr::Scalar::parse_from_cow(shown.trim_matches('"').into());
            let value = match shown.as_str() {
                "[]" => Value::List(Vec::new()),
                _ => Value::from_file(&scalar, ".".as_ref()).expect("no reference"),
            };
            assert_eq!(key.set(&mut settings, &value), Ok(()), "{}", key.path);
            assert_eq!(key.show(&mut settings), shown, "{}", key.path);
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named_with_the_type_that_was_expected() {
        let text = || Value::Text("secret".into());
        for (path, value, message) in [
            ("relay.port", text(), "expected a whole number, found a text"),
            ("relay.port", Value::Integer(65536), "the number 65536 is too large"),
            ("relay.host", text(), "invalid IP address syntax"),
            ("relay.host", Value::Integer(1), "expected a text, found the number 1"),
            ("spool.max_disk_size", Value::Integer(0), "must not be 0: nothing would fit"),
            ("capture.max_size", Value::Text("0MiB".into()), "must not be 0: nothing would fit"),
            ("relay.mode", text(), "expected capture, proxy, static or managed"),
            ("relay.upstream", text(), "invalid upstream URL: bad URL format"),
            (
                "http.timeout",
                Value::Number("1.5".into()),
                "expected a whole number of seconds, found the number 1.5",
            ),
            ("http.timeout", Value::Integer(1 << 32), "4294967296 seconds are too many"),
            ("http.encoding", text(), "expected identity, deflate, gzip, br or zstd"),
            ("http.forward", Value::Nested, "expected true or false, found a list or a map"),
            (
                "http.host_header",
                Value::Text("a\nb".into()),
                "expected a host name with or without a port",
            ),
            (
                "limits.max_event_size",
                Value::Integer(1 << 32),
                "4294967296 bytes need a unit, as in 10GiB",
            ),
            ("limits.max_connections", Value::Integer(0), "must be at least 1"),
            ("outcomes.emit_outcomes", text(), "expected true, false or as_client_reports"),
            (
                "outcomes.emit_outcomes",
                Value::Integer(1),
                "expected true, false or a text, found the number 1",
            ),
            (
                "logging.level",
                Value::Text(String::new()),
                "expected off, error, warn, info, debug or trace",
            ),
        ] {
            assert_eq!(set(path, value), Err(InvalidValue(message.into())), "{path}");
        }
    }

    #[test]
    fn a_byte_size_above_u32_passes_with_quotes_or_a_unit() {
        assert_eq!(
            set("limits.max_event_size", Value::Text("4294967296".into())).as_deref(),
            Ok("4096MiB")
        );
        assert_eq!(
            set("limits.max_event_size", Value::Text("4GiB".into())).as_deref(),
            Ok("4096MiB")
        );
        assert_eq!(set("limits.max_event_size", Value::Integer(1 << 20)).as_deref(), Ok("1MiB"));
    }

    #[test]
    fn a_setting_may_be_a_flag_or_a_text() {
        for value in [Value::Bool(true), Value::Text("true".into())] {
            assert_eq!(set("outcomes.emit_outcomes", value).as_deref(), Ok("true"));
        }
        let name = Value::Text("as_client_reports".into());
        assert_eq!(set("outcomes.emit_outcomes", name).as_deref(), Ok("as_client_reports"));
    }

    #[test]
    fn zero_turns_timeouts_off_that_can_be_off() {
        assert_eq!(set("limits.keepalive_timeout", Value::Integer(0)).as_deref(), Ok("0"));
        assert_eq!(set("limits.idle_timeout", Value::Integer(0)).as_deref(), Ok("null"));
    }

    #[test]
    fn a_text_that_could_be_mistaken_is_shown_in_quotes() {
        for (text, shown) in [
            ("https://sentry.io/", "https://sentry.io/"),
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "\"::1\""),
            ("10:30", "\"10:30\""),
            ("1.5", "\"1.5\""),
            ("true", "\"true\""),
            ("", "\"\""),
            ("a: b", "\"a: b\""),
            ("a:", "\"a:\""),
        ] {
            assert_eq!(yaml_text(text), shown);
        }
    }
}
