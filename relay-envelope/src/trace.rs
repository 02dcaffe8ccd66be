use std::fmt;

use relay_dsn::{ParseProjectKeyError, ProjectKey};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use uuid::Uuid;

use crate::fields::Fields;
use crate::plain::Raw;
use crate::scalar::{Parsed, Scalar, checked};
use crate::writer::ObjectWriter;

/// The `trace` header: a sampling context, or something else in its place.
#[derive(Debug, Clone, PartialEq)]
pub enum Trace {
    /// A usable context.
    Valid(Box<SamplingContext>),
    /// Anything else. Does not fail the envelope and is written as `null`, which in turn reads as no
    /// trace at all.
    Invalid,
}

impl Trace {
    /// The context, if it is usable.
    pub fn context(&self) -> Option<&SamplingContext> {
        match self {
            Self::Valid(context) => Some(context),
            Self::Invalid => None,
        }
    }
}

impl From<SamplingContext> for Trace {
    fn from(context: SamplingContext) -> Self {
        Self::Valid(Box::new(context))
    }
}

/// The dynamic sampling context: what the head of a trace decided, and all that a server needs to
/// decide alike for every part of it.
///
/// ```
/// use relay_envelope::{Envelope, SamplingContext};
///
/// let key = "e12d836b15bb49d7bbf99e64295d995b".parse()?;
/// let mut context = SamplingContext::new(uuid::Uuid::new_v4(), key);
/// context.sample_rate = Some(0.25);
/// context.sampled = Some(true);
///
/// let mut envelope = Envelope::new();
/// envelope.header_mut().trace = Some(context.into());
/// # Ok::<(), relay_dsn::ParseProjectKeyError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingContext {
    /// The trace, written as 32 hex digits.
    pub trace_id: Uuid,
    /// The project in which the trace began; its sampling rules apply.
    pub public_key: ProjectKey,
    /// Release of the application in which the trace began.
    pub release: Option<String>,
    /// Environment of that application.
    pub environment: Option<String>,
    /// Name of the transaction with which the trace began.
    pub transaction: Option<String>,
    /// The rate at which the SDK sampled, from 0. Written as a string; not written if not finite.
    pub sample_rate: Option<f64>,
    /// Whether the SDK kept the trace.
    pub sampled: Option<bool>,
    /// The replay in which the trace began.
    pub replay_id: Option<Uuid>,
    /// The user on whose behalf. Empty means none.
    pub user_id: Option<String>,
    /// The user's segment. Empty means none.
    pub user_segment: Option<String>,
    /// All other keys, such as `sample_rand` and `org_id`.
    pub other: Fields,
}

impl SamplingContext {
    /// A context with nothing but what is required.
    pub fn new(trace_id: Uuid, public_key: ProjectKey) -> Self {
        Self {
            trace_id,
            public_key,
            release: None,
            environment: None,
            transaction: None,
            sample_rate: None,
            sampled: None,
            replay_id: None,
            user_id: None,
            user_segment: None,
            other: Fields::default(),
        }
    }
}

impl Trace {
    pub(crate) fn write(&self, header: &mut ObjectWriter<'_>) {
        match self {
            Self::Valid(context) => context.write(header.nested("trace")),
            Self::Invalid => header.raw("trace", "null"),
        }
    }
}

impl SamplingContext {
    fn write(&self, mut object: ObjectWriter<'_>) {
        object.text("trace_id", self.trace_id.simple().encode_lower(&mut Uuid::encode_buffer()));
        object.text("public_key", self.public_key.as_str());
        for (key, text) in [
            ("release", &self.release),
            ("environment", &self.environment),
            ("transaction", &self.transaction),
        ] {
            match text {
                Some(text) => object.text(key, text),
                None => object.raw(key, "null"),
            }
        }
        if let Some(rate) = self.sample_rate.filter(|&rate| is_rate(rate)) {
            object.display("sample_rate", &format_args!("{rate:?}"));
        }
        if let Some(sampled) = self.sampled {
            object.raw("sampled", if sampled { "true" } else { "false" });
        }
        match &self.replay_id {
            Some(id) => {
                object.text("replay_id", id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
            }
            None => object.raw("replay_id", "null"),
        }
        for (key, text) in [("user_id", &self.user_id), ("user_segment", &self.user_segment)] {
            if let Some(text) = text.as_ref().filter(|text| !text.is_empty()) {
                object.text(key, text);
            }
        }
        for (key, json) in self.other.iter().filter(|(key, _)| Key::named(key) == Key::Other) {
            object.raw(key, json);
        }
        object.end();
    }
}

#[derive(PartialEq)]
enum Key {
    TraceId,
    Project,
    Release,
    Environment,
    Transaction,
    SampleRate,
    Sampled,
    ReplayId,
    UserId,
    UserSegment,
    User,
    Other,
}

impl Key {
    fn named(name: &str) -> Self {
        match name {
            "trace_id" => Self::TraceId,
            "public_key" => Self::Project,
            "release" => Self::Release,
            "environment" => Self::Environment,
            "transaction" | "segment_name" => Self::Transaction,
            "sample_rate" => Self::SampleRate,
            "sampled" => Self::Sampled,
            "replay_id" => Self::ReplayId,
            "user_id" => Self::UserId,
            "user_segment" => Self::UserSegment,
            "user" => Self::User,
            _ => Self::Other,
        }
    }
}

/// How old SDKs say `user_id` and `user_segment`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    id: Option<String>,
    segment: Option<String>,
}

/// The value of a `trace` header; `null` is none.
pub(crate) struct TraceValue(pub(crate) Option<Trace>);

impl<'de> Deserialize<'de> for TraceValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TraceVisitor;

        impl<'de> Visitor<'de> for TraceVisitor {
            type Value = TraceValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a dynamic sampling context")
            }

            // The plain reader comes here directly: what fails is read again by the other one.
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TraceValue, A::Error> {
                read(map).map(|context| TraceValue(Some(context.into())))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                json: D,
            ) -> Result<TraceValue, D::Error> {
                let Raw(json) = Raw::deserialize(json)?;
                if json == "null" {
                    return Ok(TraceValue(None));
                }
                let trace = serde_json::Deserializer::from_str(json).deserialize_map(Self);
                Ok(trace.unwrap_or(TraceValue(Some(Trace::Invalid))))
            }
        }

        deserializer.deserialize_newtype_struct("Trace", TraceVisitor)
    }
}

fn read<'de, A: MapAccess<'de>>(mut map: A) -> Result<SamplingContext, A::Error> {
    let mut trace_id = None;
    let mut public_key = None;
    let mut release = None;
    let mut environment = None;
    let mut transaction = None;
    let mut rate = None;
    let mut sampled = None;
    let mut replay_id = None;
    let mut user_id = None;
    let mut user_segment = None;
    let mut user = None;
    let mut other = Fields::default();
    while let Some(name) = map.next_key_seed(Parsed(Scalar::text))? {
        match Key::named(&name) {
            Key::TraceId => trace_id = map.next_value_seed(Parsed(uuid))?,
            Key::Project => public_key = map.next_value_seed(Parsed(project_key))?,
            Key::Release => release = map.next_value()?,
            Key::Environment => environment = map.next_value()?,
            Key::Transaction => transaction = map.next_value()?,
            Key::SampleRate => rate = map.next_value_seed(Parsed(sample_rate))?,
            Key::Sampled => sampled = map.next_value_seed(Parsed(decision))?,
            Key::ReplayId => replay_id = map.next_value_seed(Parsed(uuid))?,
            Key::UserId => user_id = map.next_value::<Option<String>>()?,
            Key::UserSegment => user_segment = map.next_value::<Option<String>>()?,
            Key::User => user = map.next_value::<Option<User>>()?,
            Key::Other => {
                let value = checked(map.next_value()?).map_err(de::Error::custom)?;
                other.insert_raw(&name, value);
            }
        }
    }
    if let (None, None, Some(user)) = (&user_id, &user_segment, user) {
        user_id = user.id;
        user_segment = user.segment;
    }
    Ok(SamplingContext {
        trace_id: trace_id.ok_or_else(|| de::Error::missing_field("trace_id"))?,
        public_key: public_key.ok_or_else(|| de::Error::missing_field("public_key"))?,
        release,
        environment,
        transaction,
        sample_rate: rate,
        sampled,
        replay_id,
        user_id: user_id.filter(|text| !text.is_empty()),
        user_segment: user_segment.filter(|text| !text.is_empty()),
        other,
    })
}

fn uuid(value: Scalar<'_>) -> Result<Option<Uuid>, String> {
    value.nullable(|value| Uuid::try_parse(&value.text()?).map_err(|error| error.to_string()))
}

fn project_key(value: Scalar<'_>) -> Result<Option<ProjectKey>, String> {
    value.text()?.parse().map(Some).map_err(|error: ParseProjectKeyError| error.to_string())
}

fn sample_rate(value: Scalar<'_>) -> Result<Option<f64>, String> {
    let rate = match &value {
        Scalar::Null => return Ok(None),
        Scalar::Unsigned(number) => Some(*number as f64),
        Scalar::Float(number) => Some(*number),
        Scalar::Text(text) => text.parse().ok(),
        _ => None,
    };
    match rate.filter(|&rate| is_rate(rate)) {
        Some(rate) => Ok(Some(rate)),
        None => Err(value.mismatch("a sample rate")),
    }
}

fn is_rate(rate: f64) -> bool {
    rate.is_finite() && rate >= 0.0
}

fn decision(value: Scalar<'_>) -> Result<Option<bool>, String> {
    match value {
        Scalar::Bool(sampled) => Ok(Some(sampled)),
        Scalar::Text(text) => Ok(text.parse().ok()),
        Scalar::Null => Ok(None),
        other => Err(other.mismatch("a boolean")),
    }
}
