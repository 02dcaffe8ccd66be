use std::borrow::Cow;
use std::fmt;
use std::net::{AddrParseError, IpAddr};

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use relay_dsn::{Dsn, ParseDsnError};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use crate::fields::Fields;
use crate::plain::Raw;
use crate::scalar::{Checked, Parsed, Scalar, checked};
use crate::trace::{Trace, TraceValue};
use crate::writer::ObjectWriter;

/// The first line of an envelope.
///
/// Everything is optional. What a server knows from the HTTP request it fills in before it sends the
/// envelope on, so that the next server need not have seen the request; what the header already says
/// has precedence over the request.
///
/// ```
/// use relay_envelope::EnvelopeHeader;
///
/// let mut header = EnvelopeHeader { client: Some("my-sdk/1.0".to_owned()), ..Default::default() };
/// header.set_sdk("my-sdk", "1.0");
/// assert_eq!(header.other.get("sdk"), Some(r#"{"name":"my-sdk","version":"1.0"}"#));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EnvelopeHeader {
    /// The id of the event this envelope is about; beats the id in the payload.
    pub event_id: Option<Uuid>,
    /// Who sends this, and to which project. Written without the secret key.
    pub dsn: Option<Dsn>,
    /// The `sentry_client`: name and version of the SDK as in the auth header.
    pub client: Option<String>,
    /// The protocol version; 7 if there is none.
    pub version: Option<u16>,
    /// The web origin of the request, as a normalised absolute URL.
    pub origin: Option<String>,
    /// The address the client was seen under.
    pub remote_addr: Option<IpAddr>,
    /// The chain of addresses as in `X-Forwarded-For`. Empty means none.
    pub forwarded_for: Option<String>,
    /// The `User-Agent` of the client.
    pub user_agent: Option<String>,
    /// The `Sec-CH-UA` headers of the client.
    pub client_hints: ClientHints,
    /// The key in use was flagged `no-cache`.
    pub no_cache: bool,
    /// The client's clock when it sent this.
    pub sent_at: Option<DateTime<Utc>>,
    /// The dynamic sampling context.
    pub trace: Option<Trace>,
    /// Features the project must have for this to be accepted. A name that is none becomes `Unknown`.
    ///
    /// # Deviation
    ///
    /// The reference knows a closed list of names. Here any name that starts with `organizations:`
    /// or `projects:` passes, lest a relay older than a feature should take it for a mistake.
    pub required_features: Vec<String>,
    /// All other keys. One that has a field of its own, or the value `null`, is not written.
    pub other: Fields,
}

/// What a browser says of itself in its `Sec-CH-UA` headers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientHints {
    /// `Sec-CH-UA`.
    pub sec_ch_ua: Option<String>,
    /// `Sec-CH-UA-Model`.
    pub sec_ch_ua_model: Option<String>,
    /// `Sec-CH-UA-Platform`.
    pub sec_ch_ua_platform: Option<String>,
    /// `Sec-CH-UA-Platform-Version`.
    pub sec_ch_ua_platform_version: Option<String>,
}

impl EnvelopeHeader {
    /// Finds the sender in the first line of `body`: the way to authenticate an envelope that comes
    /// without credentials in its request.
    ///
    /// Only the keys that describe the request are looked at; the rest is left to
    /// [`Envelope::decode`](crate::Envelope::decode). Reads at most `max_header_size` bytes.
    ///
    /// # Errors
    ///
    /// If the line (the whole body if it has no line feed) is not one JSON object with a `dsn`.
    ///
    /// ```
    /// use relay_envelope::EnvelopeHeader;
    ///
    /// let body = b"{\"dsn\":\"https://e12d836b15bb49d7bbf99e64295d995b@sentry.example/42\"}\n";
    /// let dsn = EnvelopeHeader::decode_sender(body, 1024)?;
    /// assert_eq!(dsn.project_id().value(), Some(42));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn decode_sender(body: &[u8], max_header_size: usize) -> Result<Dsn, serde_json::Error> {
        let body = body.get(..max_header_size).unwrap_or(body);
        let line = memchr::memchr(b'\n', body).and_then(|end| body.get(..end)).unwrap_or(body);
        serde_json::from_slice(line).map(|SenderLine(dsn)| dsn)
    }

    /// Names the SDK under the key `sdk`, which servers prefer to the `client`.
    pub fn set_sdk(&mut self, name: &str, version: &str) {
        self.other.insert("sdk", serde_json::json!({ "name": name, "version": version }));
    }

    /// The header as it goes over the wire: JSON on one line, without the line feed.
    pub fn to_json(&self) -> String {
        let mut json = Vec::with_capacity(256);
        self.write(&mut json);
        String::from_utf8(json).expect("JSON is UTF-8")
    }

    /// Appends the header as JSON on one line, without the line feed.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut object = ObjectWriter::new(out);
        if let Some(event_id) = &self.event_id {
            object.text("event_id", event_id.simple().encode_lower(&mut Uuid::encode_buffer()));
        }
        if let Some(dsn) = &self.dsn {
            object.display("dsn", &dsn.to_forwarded());
        }
        if let Some(client) = &self.client {
            object.text("client", client);
        }
        if let Some(version) = &self.version {
            object.value("version", version);
        }
        if let Some(origin) = &self.origin {
            object.text("origin", origin);
        }
        if let Some(remote_addr) = &self.remote_addr {
            object.display("remote_addr", remote_addr);
        }
        if let Some(forwarded_for) = self.forwarded_for.as_ref().filter(|chain| !chain.is_empty()) {
            object.text("forwarded_for", forwarded_for);
        }
        if let Some(user_agent) = &self.user_agent {
            object.text("user_agent", user_agent);
        }
        if self.client_hints != ClientHints::default() {
            object.value("client_hints", &self.client_hints);
        }
        if self.no_cache {
            object.raw("no_cache", "true");
        }
        if let Some(sent_at) = &self.sent_at {
            object.text("sent_at", &sent_at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        }
        if let Some(trace) = &self.trace {
            trace.write(&mut object);
        }
        if !self.required_features.is_empty() {
            object.value("required_features", &self.required_features);
        }
        for (key, json) in self.other.iter() {
            if Key::named(key) == Key::Other && json != "null" {
                object.raw(key, json);
            }
        }
        object.end();
    }
}

/// A first line, read as a whole into a header that says nothing yet.
///
/// In place, because a header is large and would be moved once for each layer of a reader.
pub(crate) struct HeaderLine<'a>(pub(crate) &'a mut EnvelopeHeader);

impl<'de> DeserializeSeed<'de> for HeaderLine<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeaderLine<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an envelope header")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        read(map, |_| true, self.0)
    }
}

/// The same as a value.
pub(crate) struct OwnedHeaderLine(pub(crate) EnvelopeHeader);

impl<'de> Deserialize<'de> for OwnedHeaderLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut header = EnvelopeHeader::default();
        HeaderLine(&mut header).deserialize(deserializer)?;
        Ok(Self(header))
    }
}

/// A first line, read for its sender alone.
struct SenderLine(Dsn);

impl<'de> Deserialize<'de> for SenderLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SenderVisitor;

        impl<'de> Visitor<'de> for SenderVisitor {
            type Value = SenderLine;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an envelope header")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SenderLine, A::Error> {
                let mut header = EnvelopeHeader::default();
                read(map, Key::is_of_request, &mut header)?;
                header.dsn.map(SenderLine).ok_or_else(|| de::Error::missing_field("dsn"))
            }
        }

        deserializer.deserialize_map(SenderVisitor)
    }
}

/// The keys with a field of their own, and all others.
#[derive(Clone, Copy, PartialEq)]
enum Key {
    EventId,
    Dsn,
    Client,
    Version,
    Origin,
    RemoteAddr,
    ForwardedFor,
    UserAgent,
    ClientHints,
    NoCache,
    SentAt,
    Trace,
    RequiredFeatures,
    Other,
}

impl Key {
    fn named(name: &str) -> Self {
        match name {
            "event_id" => Self::EventId,
            "dsn" => Self::Dsn,
            "client" => Self::Client,
            "version" => Self::Version,
            "origin" => Self::Origin,
            "remote_addr" => Self::RemoteAddr,
            "forwarded_for" => Self::ForwardedFor,
            "user_agent" => Self::UserAgent,
            "client_hints" => Self::ClientHints,
            "no_cache" => Self::NoCache,
            "sent_at" => Self::SentAt,
            "trace" => Self::Trace,
            "required_features" => Self::RequiredFeatures,
            _ => Self::Other,
        }
    }

    /// Whether this key describes the request, not the envelope.
    fn is_of_request(self) -> bool {
        !matches!(
            self,
            Self::EventId | Self::SentAt | Self::Trace | Self::RequiredFeatures | Self::Other
        )
    }
}

/// Reads those members of a header that are `wanted`.
fn read<'de, A: MapAccess<'de>>(
    mut map: A,
    wanted: fn(Key) -> bool,
    header: &mut EnvelopeHeader,
) -> Result<(), A::Error> {
    let mut late = LateFault(None);
    let mut seen = 0u32;
    while let Some(name) = map.next_key_seed(Parsed(Scalar::text))? {
        let key = Key::named(&name);
        if !wanted(key) {
            map.next_value::<Checked>()?;
            continue;
        }
        let bit = 1 << key as u32;
        if key != Key::Other && seen & bit != 0 {
            return Err(de::Error::custom(format_args!("duplicate field `{name}`")));
        }
        seen |= bit;
        match key {
            Key::EventId => header.event_id = map.next_value_seed(Parsed(event_id))?,
            Key::Dsn => late.set(&mut header.dsn, dsn(map.next_value()?)),
            Key::Client => late.set(&mut header.client, text_or_null(map.next_value()?)),
            Key::Version => late.set(&mut header.version, version(map.next_value()?)),
            Key::Origin => late.set(&mut header.origin, origin(map.next_value()?)),
            Key::RemoteAddr => late.set(&mut header.remote_addr, address(map.next_value()?)),
            Key::ForwardedFor => late.set(&mut header.forwarded_for, chain(map.next_value()?)),
            Key::UserAgent => late.set(&mut header.user_agent, text_or_null(map.next_value()?)),
            Key::ClientHints => header.client_hints = map.next_value()?,
            Key::NoCache => late.set(&mut header.no_cache, flag(map.next_value()?)),
            Key::SentAt => header.sent_at = map.next_value_seed(Parsed(sent_at))?,
            Key::Trace => TraceValue(header.trace) = map.next_value()?,
            Key::RequiredFeatures => {
                let names: Vec<String> = map.next_value()?;
                header.required_features = names.into_iter().map(feature).collect();
            }
            Key::Other => match unknown(map.next_value()?) {
                Ok(value) => header.other.insert_raw(&name, value),
                Err(text) => late.note(text),
            },
        }
    }
    match late.0 {
        None => Ok(()),
        Some(text) => Err(de::Error::custom(text)),
    }
}

/// The first fault that is told at the end of the object, which is where the reference tells those of
/// the keys that describe the request and of unknown ones.
struct LateFault(Option<String>);

impl LateFault {
    fn set<T>(&mut self, field: &mut T, value: Result<T, String>) {
        match value {
            Ok(value) => *field = value,
            Err(text) => self.note(text),
        }
    }

    fn note(&mut self, text: String) {
        self.0.get_or_insert(text);
    }
}

fn event_id(value: Scalar<'_>) -> Result<Option<Uuid>, String> {
    value.nullable(|value| {
        Uuid::try_parse(&value.text()?)
            .map_err(|_| "invalid value: string, expected an event identifier".to_owned())
    })
}

fn dsn(value: Scalar<'_>) -> Result<Option<Dsn>, String> {
    value.nullable(|value| {
        let dsn: Dsn = value.text()?.parse().map_err(|error: ParseDsnError| error.to_string())?;
        dsn.validate_for_server().map_err(|error| error.to_string())?;
        Ok(dsn)
    })
}

fn chain(value: Scalar<'_>) -> Result<Option<String>, String> {
    value.text().map(|text| Some(text.into_owned()).filter(|text| !text.is_empty()))
}

fn text_or_null(value: Scalar<'_>) -> Result<Option<String>, String> {
    value.nullable(|value| value.text().map(Cow::into_owned))
}

fn version(value: Scalar<'_>) -> Result<Option<u16>, String> {
    value.unsigned("u16").map(Some)
}

fn origin(value: Scalar<'_>) -> Result<Option<String>, String> {
    value.nullable(|value| {
        Url::parse(&value.text()?).map(String::from).map_err(|error| error.to_string())
    })
}

fn address(value: Scalar<'_>) -> Result<Option<IpAddr>, String> {
    value.nullable(|value| value.text()?.parse().map_err(|error: AddrParseError| error.to_string()))
}

fn flag(value: Scalar<'_>) -> Result<bool, String> {
    match value {
        Scalar::Bool(flag) => Ok(flag),
        other => Err(other.mismatch("a boolean")),
    }
}

fn sent_at(value: Scalar<'_>) -> Result<Option<DateTime<Utc>>, String> {
    const EXPECTED: &str = "an RFC 3339 formatted date and time string";
    value.nullable(|value| {
        let Scalar::Text(text) = value else { return Err(value.mismatch(EXPECTED)) };
        let time = DateTime::parse_from_rfc3339(&text).map_err(|error| error.to_string())?.to_utc();
        // An offset can carry the first and the last day out of the years that have four digits.
        if (0..=9999).contains(&time.year()) {
            Ok(time)
        } else {
            Err(format!("invalid value: string, expected {EXPECTED}"))
        }
    })
}

fn feature(name: String) -> String {
    if name.starts_with("organizations:") || name.starts_with("projects:") {
        name
    } else {
        "Unknown".to_owned()
    }
}

/// Reads the value of a key nobody here knows: anything but `null`.
fn unknown(value: Raw<'_>) -> Result<Raw<'_>, String> {
    match value.0 {
        "null" => Err(Scalar::Null.mismatch("any valid JSON value")),
        _ => checked(value),
    }
}
