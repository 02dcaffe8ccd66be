//! Payloads made from the tables of the schema: mostly right, sometimes not, with keys that nobody knows.

use relay_protocol::schema::{Attributes, Interface, PairSyntax, Shape};
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
                let name = random.one_of(&["device", "os", "trace", "flags", "response", "mine"]);
                (name.to_owned(), anything(random, Size { list: 8, ..size }, 0))
            })
            .collect::<Map<_, _>>()
            .into(),
        Shape::Image => {
            json!({ "type": random.one_of(&["elf", "proguard", "x"]), "name": "n", "image_addr": 16 })
        }
        Shape::Attributes => {
            json!({ "a": { "type": "integer", "value": random.below(9) }, "b": { "type": "x" } })
        }
        Shape::Bool => (random.below(2) == 0).into(),
        Shape::Unsigned | Shape::Signed | Shape::ThreadId => random.below(100_000).into(),
        Shape::Float | Shape::FiniteFloat => (random.below(1000) as f64 / 8.0).into(),
        Shape::Timestamp if random.below(2) == 0 => "2024-01-02T03:04:05.25Z".into(),
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
