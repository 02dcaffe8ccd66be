//! Payloads made from the tables of the schema: mostly right, sometimes not, with keys that nobody knows.

use relay_protocol::schema::{
    AppContext, AppleImage, Attributes, BrowserContext, CloudResourceContext, CultureContext,
    Described, DeviceContext, FeedbackContext, FlagsContext, GpuContext, Interface, JvmImage,
    MemoryInfoContext, MonitorContext, NativeImage, OsContext, OtelContext, PairSyntax,
    ProfileContext, ProguardImage, ReplayContext, ResponseContext, RuntimeContext, Shape,
    SourceMapImage, SpringContext, TraceContext, UnityContext,
};
use serde_json::{Map, Value, json};

/// A xorshift generator, so that a seed is enough to see a payload again.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }
}

/// How large the parts become.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) text: u64,
    pub(crate) list: u64,
    pub(crate) depth: u32,
}

pub(crate) const SMALL: Size = Size { text: 12, list: 4, depth: 4 };
pub(crate) const LARGE: Size = Size { text: 12_000, list: 120, depth: 9 };

pub(crate) fn object(interface: &Interface, random: &mut Random, size: Size) -> Value {
    let mut object = Map::new();
    for field in interface.fields {
        if random.below(2) == 0 {
            continue;
        }
        let name = match random.below(8) {
            0 if !field.aliases.is_empty() => random.one_of(field.aliases),
            _ => field.name,
        };
        object.insert(name.to_owned(), value(&field.attributes, random, size));
    }
    if random.below(2) == 0 {
        object.insert(format!("unknown_{}", random.below(9)), anything(random, size, 0));
    }
    Value::Object(object)
}

fn value(attributes: &Attributes, random: &mut Random, size: Size) -> Value {
    if random.below(10) == 0 {
        return anything(random, Size { text: 12, list: 3, depth: 2 }, 0);
    }
    match attributes.shape {
        Shape::Object(interface) | Shape::LogEntry(interface) | Shape::Mechanism(interface) => {
            object(interface, random, size)
        }
        Shape::Values(list) if random.below(2) == 0 => value(list, random, size),
        Shape::Values(list) => json!({ "values": value(list, random, size) }),
        Shape::List(element) => {
            // Lists within lists stay short, or a payload grows without end.
            let inner = Size { list: size.list.min(3), ..size };
            (0..random.below(size.list)).map(|_| value(element, random, inner)).collect()
        }
        Shape::Map(entry) | Shape::Measurements(entry) => (0..random.below(size.list.min(20)))
            .map(|_| {
                (format!("k{}", random.below(99)), value(entry, random, Size { list: 3, ..size }))
            })
            .collect::<Map<_, _>>()
            .into(),
        Shape::Conventional => {
            let name = random.one_of(&["db.statement", "http.request.header.cookie", "mine"]);
            json!({ name: anything(random, Size { list: 3, ..size }, 0) })
        }
        Shape::Pairs(syntax, _) => pairs(syntax, random, size),
        Shape::Contexts => (0..random.below(6))
            .map(|_| {
                let inner = Size { list: size.list.min(8), ..size };
                let (name, mut context) = typed(CONTEXTS, random, inner);
                // The name of a context tells its type where it has none.
                if random.below(2) == 0 {
                    context.as_object_mut().and_then(|context| context.remove("type"));
                }
                let name = if random.below(4) == 0 { "mine" } else { name };
                (name.to_owned(), context)
            })
            .collect::<Map<_, _>>()
            .into(),
        Shape::Image => typed(IMAGES, random, size).1,
        Shape::Attributes => (0..random.below(5))
            .map(|_| {
                let name = random.one_of(&["a", "b", "db.statement", "http.request.header.cookie"]);
                (name.to_owned(), attribute(random, size))
            })
            .collect::<Map<_, _>>()
            .into(),
        Shape::Bool => (random.below(2) == 0).into(),
        Shape::Unsigned | Shape::Signed | Shape::ThreadId => number(random),
        Shape::Float | Shape::FiniteFloat if random.below(4) == 0 => number(random),
        Shape::Float | Shape::FiniteFloat => (random.below(1000) as f64 / 8.0).into(),
        Shape::Timestamp if random.below(2) == 0 => random.one_of(&TIMES).into(),
        Shape::Timestamp => (1_700_000_000 + random.below(1000)).into(),
        Shape::Level => random.one_of(&["error", "log", "warning", "warn"]).into(),
        Shape::EventType => random.one_of(&["error", "transaction", "x"]).into(),
        Shape::EventId | Shape::TraceId | Shape::Uuid | Shape::DebugId => random
            .one_of(&["67E55044-10B1-426F-9247-BB680E5FE0C8", "67e5504410b1426f9247bb680e5fe0c8"])
            .into(),
        Shape::SpanId => random.one_of(&["FA90FDEAD5F74053", "fa90fdead5f74053"]).into(),
        Shape::Status => random.one_of(&["ok", "failure", "OK"]).into(),
        Shape::Ip => random.one_of(&["192.0.2.1", "{{auto}}", "::1"]).into(),
        Shape::Address => random.one_of(&["0x00Ff", "17", "0x1"]).into(),
        Shape::LockType => 1.into(),
        Shape::Unit => random.one_of(&["ms", "Frames", "none"]).into(),
        Shape::String | Shape::Lenient | Shape::JsonText | Shape::Path | Shape::CodeId => {
            text(random, size)
        }
        _ => anything(random, size, 0),
    }
}

/// Times as SDKs write them, and some that nobody can read.
const TIMES: [&str; 9] = [
    "2024-01-02T03:04:05.25Z",
    "2024-01-02T03:04:05",
    "2024-01-02t03:04:05.1234567+0130",
    "1969-12-31T23:59:59.5-00:30",
    "2016-12-31T23:59:60Z",
    "2024-01-02 03:04:05",
    "2024-01-02",
    "1700000000",
    "",
];

/// Numbers of all kinds, each of them wrong somewhere.
fn number(random: &mut Random) -> Value {
    match random.below(8) {
        0 => u64::MAX.into(),
        1 => i64::MIN.into(),
        2 => (-(random.below(3) as i64)).into(),
        3 => (random.below(100) as f64 / 7.0).into(),
        4 => (-0.5).into(),
        5 => 1e300.into(),
        _ => random.below(100_000).into(),
    }
}

const CONTEXTS: &[(&str, &Interface)] = &[
    ("app", AppContext::INTERFACE),
    ("browser", BrowserContext::INTERFACE),
    ("cloudresource", CloudResourceContext::INTERFACE),
    ("culture", CultureContext::INTERFACE),
    ("device", DeviceContext::INTERFACE),
    ("feedback", FeedbackContext::INTERFACE),
    ("flags", FlagsContext::INTERFACE),
    ("gpu", GpuContext::INTERFACE),
    ("memory_info", MemoryInfoContext::INTERFACE),
    ("monitor", MonitorContext::INTERFACE),
    ("os", OsContext::INTERFACE),
    ("otel", OtelContext::INTERFACE),
    ("profile", ProfileContext::INTERFACE),
    ("replay", ReplayContext::INTERFACE),
    ("response", ResponseContext::INTERFACE),
    ("runtime", RuntimeContext::INTERFACE),
    ("spring", SpringContext::INTERFACE),
    ("trace", TraceContext::INTERFACE),
    ("unity", UnityContext::INTERFACE),
    // Of a type that nobody knows.
    ("mine", OsContext::INTERFACE),
];

const IMAGES: &[(&str, &Interface)] = &[
    ("apple", AppleImage::INTERFACE),
    ("elf", NativeImage::INTERFACE),
    ("pe_dotnet", NativeImage::INTERFACE),
    ("jvm", JvmImage::INTERFACE),
    ("proguard", ProguardImage::INTERFACE),
    ("sourcemap", SourceMapImage::INTERFACE),
    ("x", NativeImage::INTERFACE),
];

/// An object that mostly says by its `type` what it is.
fn typed<'t>(kinds: &[(&'t str, &Interface)], random: &mut Random, size: Size) -> (&'t str, Value) {
    let (name, interface) = kinds[random.below(kinds.len() as u64) as usize];
    let mut object = object(interface, random, size);
    if random.below(8) != 0 {
        object["type"] = name.into();
    }
    (name, object)
}

/// An attribute of a log or span, mostly of the type that it says.
fn attribute(random: &mut Random, size: Size) -> Value {
    let value = match random.below(6) {
        0 => json!({"type": "integer", "value": number(random)}),
        1 => json!({"type": "double", "value": number(random)}),
        2 => json!({"type": "boolean", "value": true}),
        3 => json!({"type": "array", "value": [text(random, size), null, "x"]}),
        4 => json!({"type": "array", "value": [1, text(random, size)]}),
        _ => json!({"type": "string", "value": text(random, size), "unit": "s"}),
    };
    match random.below(8) {
        0 => json!({"type": "string", "value": anything(random, SMALL, 0)}),
        1 => anything(random, SMALL, 0),
        _ => value,
    }
}

/// The payload as JSON text, with keys that come twice, numbers that are written in odd ways, and a `_meta`.
pub(crate) fn text_of(payload: &Value, random: &mut Random) -> String {
    let mut json = String::new();
    write(payload, random, &mut json);
    if let (Value::Object(_), Some(meta)) = (payload, meta(payload, random))
        && json.len() > 2
    {
        json.pop();
        json.push_str(&format!(r#","_meta":{meta}}}"#));
    }
    json
}

fn write(value: &Value, random: &mut Random, json: &mut String) {
    let mut separator = "";
    match value {
        Value::Array(list) => {
            json.push('[');
            for element in list {
                json.push_str(std::mem::replace(&mut separator, ","));
                write(element, random, json);
            }
            json.push(']');
        }
        Value::Object(object) => {
            json.push('{');
            for (key, value) in object {
                let key = Value::from(&**key);
                while random.below(16) == 0 {
                    json.push_str(std::mem::replace(&mut separator, ","));
                    let other = anything(random, Size { text: 5, list: 3, depth: 2 }, 0);
                    json.push_str(&format!("{key}:{other}"));
                }
                json.push_str(std::mem::replace(&mut separator, ","));
                json.push_str(&format!("{key}: "));
                write(value, random, json);
            }
            json.push('}');
        }
        Value::Number(number) if random.below(16) == 0 && !number.to_string().contains('e') => {
            json.push_str(&match number.to_string() {
                zero if zero == "0" => "-0".to_owned(),
                number if number.contains('.') => format!("{number}00"),
                number => format!("{number}e0"),
            });
        }
        other => json.push_str(&other.to_string()),
    }
}

/// Something that was done to a value somewhere in the payload; sometimes to one that is not there.
fn meta(payload: &Value, random: &mut Random) -> Option<Value> {
    let mut meta = match random.below(6) {
        0 => json!({"": {"rem": [["@x", "x"]]}}),
        1 => json!({"": {"err": ["invalid_data"], "val": {"a": [1]}, "mine": 1}}),
        2 => json!({"": {"len": 7, "rem": [["@x", "s", 0, 1], ["@x", "s", 9999, 1]]}}),
        _ => return None,
    };
    let mut path = Vec::new();
    let mut value = payload;
    while random.below(5) != 0 {
        value = match value {
            Value::Object(object) if !object.is_empty() => {
                let (key, value) = object.iter().nth(random.below(object.len() as u64) as usize)?;
                path.push(key.clone());
                value
            }
            Value::Array(list) if !list.is_empty() => {
                let index = random.below(list.len() as u64) as usize;
                path.push(index.to_string());
                &list[index]
            }
            _ => break,
        };
    }
    for key in path.into_iter().rev() {
        meta = json!({ key: meta });
    }
    Some(meta)
}

fn pairs(syntax: PairSyntax, random: &mut Random, size: Size) -> Value {
    match (random.below(3), syntax) {
        (0, PairSyntax::Query) => "?a=b&c=%20d&e".into(),
        (0, PairSyntax::Cookies) => "a=b; c=%20d".into(),
        (1, _) => json!({ "b c": random.below(9), "a": text(random, size) }),
        _ => (0..random.below(size.list))
            .map(|n| json!([format!("n{n}"), text(random, size)]))
            .collect(),
    }
}

fn text(random: &mut Random, size: Size) -> Value {
    let length = random.below(size.text) as usize;
    let word = random.one_of(&["x", "é", " ", "\"\\\n", "日本"]);
    word.repeat(length / word.len() + 1).into()
}

/// Anything at all, a few levels deep.
pub(crate) fn anything(random: &mut Random, size: Size, depth: u32) -> Value {
    match random.below(if depth < size.depth { 8 } else { 5 }) {
        0 => Value::Null,
        1 => (random.below(2) == 0).into(),
        2 => random.below(1_000_000).into(),
        3 => (-(random.below(1000) as f64) / 4.0).into(),
        4 => text(random, Size { text: size.text.min(2000), ..size }),
        5 => (0..random.below(size.list.min(12)))
            .map(|_| anything(random, size, depth + 1))
            .collect(),
        _ => (0..random.below(size.list.min(12)))
            .map(|n| (format!("k{n}"), anything(random, size, depth + 1)))
            .collect::<Map<_, _>>()
            .into(),
    }
}
