//! Envelopes named after the traffic they stand for.
//!
//! Contexts, modules and SDK data are those that the Python SDK really sent (`fixtures/sdk`); what has
//! to come in numbers (frames, breadcrumbs, spans, logs) is made up after their pattern. Each envelope
//! depends on its `variant` alone, so that a run can be repeated and bodies can be rotated.

use bytes::Bytes;
use serde_json::{Value, json};

/// An event of the Python SDK, with its attachments.
const ERROR: &[u8] = include_bytes!("../../fixtures/sdk/python-identity/001.body");
/// A transaction of the Python SDK.
const TRANSACTION: &[u8] = include_bytes!("../../fixtures/sdk/python-identity/003.body");
/// A container of logs of the Python SDK.
const LOGS: &[u8] = include_bytes!("../../fixtures/sdk/python-identity/009.body");

/// Makes the envelope of a shape; each seed gives another body of the same kind.
pub type MakeEnvelope = fn(u32) -> Bytes;

/// All shapes by name.
pub const ENVELOPES: [(&str, MakeEnvelope); 7] = [
    ("error_3k", error_3k),
    ("error_60k", error_60k),
    ("error_with_session", error_with_session),
    ("transaction_80k", transaction_80k),
    ("session_update", session_update),
    ("logs_40k", logs_40k),
    ("error_with_1mb_attachment", error_with_1mb_attachment),
];

/// An error as a small service sends it: three frames, no breadcrumbs.
pub fn error_3k(variant: u32) -> Bytes {
    let mut random = Random::new(variant);
    let event = small_error(&mut random);
    Writer::new(&mut random).json("event", &event).finish()
}

/// An error with 40 frames, their source and variables, and with 40 breadcrumbs.
pub fn error_60k(variant: u32) -> Bytes {
    let mut random = Random::new(variant);
    let event = error(&mut random, 40, 40);
    Writer::new(&mut random).json("event", &event).finish()
}

/// Three items: a small error, a log file and the session it ends.
pub fn error_with_session(variant: u32) -> Bytes {
    let mut random = Random::new(variant);
    let event = small_error(&mut random);
    let log = log_file(&mut random, 1_000);
    let session = session(&mut random);
    Writer::new(&mut random)
        .json("event", &event)
        .attachment("server.log", &log)
        .json("session", &session)
        .finish()
}

/// A transaction with 100 spans.
pub fn transaction_80k(variant: u32) -> Bytes {
    let mut random = Random::new(variant);
    let mut transaction = fixture(TRANSACTION);
    transaction["event_id"] = random.hex(32).into();
    let trace_id = random.hex(32);
    transaction["contexts"]["trace"]["trace_id"] = trace_id.as_str().into();
    let mut clock = Clock(random.below(40_000_000));
    transaction["start_timestamp"] = clock.time().into();
    transaction["spans"] = (0..100).map(|_| span(&mut random, &trace_id, &mut clock)).collect();
    transaction["timestamp"] = clock.time().into();
    Writer::new(&mut random).json("transaction", &transaction).finish()
}

/// The update of one session.
pub fn session_update(variant: u32) -> Bytes {
    let mut random = Random::new(variant);
    let session = session(&mut random);
    Writer::new(&mut random).json("session", &session).finish()
}

/// A container of 100 logs.
pub fn logs_40k(variant: u32) -> Bytes {
    let mut random = Random::new(variant);
    let template = fixture(LOGS);
    let logs = template["items"].as_array().expect("the container has items");
    let items: Vec<Value> = (0..100).map(|i| log(&mut random, &logs[i % logs.len()])).collect();
    let payload = json!({ "version": 2, "items": items }).to_string();
    Writer::new(&mut random)
        .item(
            r#""type":"log","content_type":"application/vnd.sentry.items.log+json","item_count":100"#,
            payload.as_bytes(),
        )
        .finish()
}

/// A small error and a log file of 1 MB.
pub fn error_with_1mb_attachment(variant: u32) -> Bytes {
    let mut random = Random::new(variant);
    let event = small_error(&mut random);
    let log = log_file(&mut random, 1_000_000);
    Writer::new(&mut random).json("event", &event).attachment("server.log", &log).finish()
}

fn small_error(random: &mut Random) -> Value {
    let mut event = error(random, 3, 0);
    for key in ["breadcrumbs", "modules", "extra"] {
        event.as_object_mut().expect("an event is an object").remove(key);
    }
    for frame in frames(&mut event) {
        let frame = frame.as_object_mut().expect("a frame is an object");
        for key in ["pre_context", "post_context", "vars"] {
            frame.remove(key);
        }
    }
    event["contexts"]["state"] = variables(random, 16);
    event
}

fn error(random: &mut Random, frames: usize, breadcrumbs: usize) -> Value {
    let mut event = fixture(ERROR);
    let kind = format!("{}Error", random.word());
    event["event_id"] = random.hex(32).into();
    event["timestamp"] = random.time().into();
    event["contexts"]["trace"]["trace_id"] = random.hex(32).into();
    event["user"]["id"] = random.below(1_000_000).to_string().into();
    event["user"]["email"] = format!("{}@{}.example", random.word(), random.word()).into();
    event["exception"]["values"] = json!([{
        "type": kind,
        "module": format!("shop.{}", random.word()),
        "value": random.sentence(9),
        "mechanism": { "type": "generic", "handled": false },
        "stacktrace": { "frames": (0..frames).map(|_| frame(random)).collect::<Vec<_>>() },
    }]);
    event["breadcrumbs"]["values"] = (0..breadcrumbs).map(|_| breadcrumb(random)).collect();
    event
}

fn frames(event: &mut Value) -> &mut [Value] {
    event["exception"]["values"][0]["stacktrace"]["frames"]
        .as_array_mut()
        .expect("an error has frames")
}

fn frame(random: &mut Random) -> Value {
    let path = format!("shop/{}/{}.py", random.word(), random.word());
    json!({
        "abs_path": format!("/srv/app/{path}"),
        "filename": path,
        "module": format!("shop.{}.{}", random.word(), random.word()),
        "function": format!("{}_{}", random.word(), random.word()),
        "lineno": random.below(900),
        "pre_context": lines(random, 5),
        "context_line": source_line(random),
        "post_context": lines(random, 5),
        "vars": variables(random, 11),
        "in_app": random.below(3) > 0,
    })
}

fn lines(random: &mut Random, count: usize) -> Vec<String> {
    (0..count).map(|_| source_line(random)).collect()
}

fn source_line(random: &mut Random) -> String {
    let indent = " ".repeat(4 + 4 * random.below(3) as usize);
    let (a, b, c) = (random.word(), random.word(), random.word());
    match random.below(5) {
        0 => format!("{indent}{a} = self.{b}.{c}({}, {a}=None)", random.below(5000)),
        1 => format!("{indent}if {a}.{b} is not None and {c} > {}:", random.below(100)),
        2 => format!("{indent}return {a}[\"{b}\"] or {{\"{c}\": {}}}", random.below(10)),
        3 => format!("{indent}log.info(\"{a} %s {b}\", {c})  # {}", random.sentence(3)),
        _ => String::new(),
    }
}

fn variables(random: &mut Random, count: usize) -> Value {
    let member = |random: &mut Random| {
        let value = match random.below(4) {
            0 => random.below(1_000_000).to_string(),
            1 => format!("'{}'", random.sentence(4)),
            2 => format!("<{}.{} object at 0x7f{}>", random.word(), random.word(), random.hex(10)),
            _ => format!("'{}'", random.hex(24)),
        };
        (format!("{}_{}", random.word(), random.word()), Value::from(value))
    };
    (0..count).map(|_| member(random)).collect()
}

fn breadcrumb(random: &mut Random) -> Value {
    let time = random.time();
    match random.below(3) {
        0 => json!({
            "type": "http", "category": "httplib", "level": "info", "timestamp": time,
            "data": {
                "url": format!("https://{}.example/v1/{}/{}", random.word(), random.word(), random.below(99_999)),
                "method": "GET", "status_code": 200 + random.below(300), "reason": "OK",
            },
        }),
        1 => json!({
            "type": "default", "category": "query", "timestamp": time,
            "message": format!("SELECT {}, {} FROM {} WHERE id = %s", random.word(), random.word(), random.word()),
        }),
        _ => json!({
            "type": "log", "category": format!("shop.{}", random.word()), "level": "warning",
            "message": random.sentence(8), "timestamp": time,
        }),
    }
}

fn span(random: &mut Random, trace_id: &str, clock: &mut Clock) -> Value {
    let start = clock.time();
    clock.0 += random.below(200_000);
    let (op, description) = match random.below(3) {
        0 => (
            "db.sql.query",
            format!(
                "SELECT {a}.id, {a}.{}, {a}.{} FROM {a} JOIN {} USING (id) WHERE {a}.{} = %s ORDER BY {}",
                random.word(),
                random.word(),
                random.word(),
                random.word(),
                random.word(),
                a = random.word(),
            ),
        ),
        1 => ("http.client", format!("GET https://{}.example/v1/{}", random.word(), random.word())),
        _ => ("function", format!("shop.{}.{}", random.word(), random.sentence(6))),
    };
    json!({
        "trace_id": trace_id,
        "span_id": random.hex(16),
        "parent_span_id": random.hex(16),
        "same_process_as_parent": true,
        "op": op,
        "description": description,
        "start_timestamp": start,
        "timestamp": clock.time(),
        "status": "ok",
        "origin": "auto.db.sqlalchemy",
        "data": {
            "thread.id": "140429614300032",
            "thread.name": format!("worker-{}", random.below(16)),
            "db.system": "postgresql",
            "db.name": random.word(),
            "server.address": format!("{}.internal.example", random.word()),
            "code.filepath": format!("shop/{}/{}.py", random.word(), random.word()),
            "code.lineno": random.below(900),
            "code.function": format!("{}_{}", random.word(), random.word()),
            "code.namespace": format!("shop.{}.{}", random.word(), random.word()),
            "db.query.summary": random.sentence(4),
            "cache.key": random.hex(24),
        },
        "tags": { "shard": random.below(64).to_string(), "cache": random.word() },
    })
}

fn session(random: &mut Random) -> Value {
    json!({
        "sid": format!("{}-{}-4{}-a{}-{}", random.hex(8), random.hex(4), random.hex(3), random.hex(3), random.hex(12)),
        "did": random.below(1_000_000).to_string(),
        "init": true,
        "started": random.time(),
        "timestamp": random.time(),
        "status": "exited",
        "errors": random.below(3),
        "attrs": { "release": "shop@2.14.0+build.77", "environment": "staging", "ip_address": "203.0.113.7" },
    })
}

fn log(random: &mut Random, template: &Value) -> Value {
    let text = |value: String| json!({ "value": value, "type": "string" });
    json!({
        "timestamp": 1_795_312_202.0 + random.below(1_000_000_000) as f64 / 1e6,
        "level": template["level"],
        "body": random.sentence(8),
        "trace_id": random.hex(32),
        "severity_number": 13,
        "attributes": {
            "logger.name": text(format!("shop.{}", random.word())),
            "code.line.number": { "value": random.below(900), "type": "integer" },
            "user.id": text(random.below(1_000_000).to_string()),
            "sentry.environment": template["attributes"]["sentry.environment"],
        },
    })
}

fn log_file(random: &mut Random, size: usize) -> Vec<u8> {
    let mut text = String::with_capacity(size + 200);
    while text.len() < size {
        text += &format!(
            "{} INFO  [worker-{}] {} {}={} took {} ms\n",
            random.time(),
            random.below(16),
            random.sentence(5),
            random.word(),
            random.hex(12),
            random.below(2_000)
        );
    }
    text.truncate(size);
    text.into_bytes()
}

/// The payload of the first item of a fixture.
fn fixture(body: &[u8]) -> Value {
    let payload = body.split(|&byte| byte == b'\n').nth(2).expect("a fixture has an item");
    serde_json::from_slice(payload).expect("its payload is JSON")
}

/// Writes an envelope the way the Python SDK does.
struct Writer(Vec<u8>);

impl Writer {
    fn new(random: &mut Random) -> Self {
        let header = format!(
            r#"{{"event_id":"{}","sent_at":"{}","trace":{{"trace_id":"{}","environment":"staging","release":"shop@2.14.0+build.77","public_key":"a94ae32be2582e0bcb7b0ba0d8ba36f3","sample_rate":"1.0"}}}}"#,
            random.hex(32),
            random.time(),
            random.hex(32)
        );
        Self(format!("{header}\n").into_bytes())
    }

    fn json(self, ty: &str, payload: &Value) -> Self {
        let header = format!(r#""type":"{ty}","content_type":"application/json""#);
        self.item(&header, payload.to_string().as_bytes())
    }

    fn attachment(self, filename: &str, payload: &[u8]) -> Self {
        let header = format!(
            r#""type":"attachment","filename":"{filename}","attachment_type":"event.attachment","content_type":"text/plain""#
        );
        self.item(&header, payload)
    }

    fn item(mut self, header: &str, payload: &[u8]) -> Self {
        self.0.extend_from_slice(format!("{{{header},\"length\":{}}}\n", payload.len()).as_bytes());
        self.0.extend_from_slice(payload);
        self.0.push(b'\n');
        self
    }

    fn finish(self) -> Bytes {
        self.0.into()
    }
}

/// Microseconds since some minute of 2026.
struct Clock(u64);

impl Clock {
    fn time(&self) -> String {
        format!("2026-11-22T01:50:{:02}.{:06}Z", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// A xorshift generator: enough to vary text, and the same on every machine.
struct Random(u64);

impl Random {
    fn new(variant: u32) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ (u64::from(variant) << 20))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 33) % bound
    }

    fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from(b"0123456789abcdef"[self.below(16) as usize])).collect()
    }

    fn time(&mut self) -> String {
        format!(
            "2026-11-22T{:02}:{:02}:{:02}.{:06}Z",
            self.below(24),
            self.below(60),
            self.below(60),
            self.below(1_000_000)
        )
    }

    fn word(&mut self) -> &'static str {
        const WORDS: [&str; 64] = [
            "account",
            "address",
            "amount",
            "basket",
            "batch",
            "billing",
            "cache",
            "carrier",
            "cart",
            "catalog",
            "checkout",
            "client",
            "config",
            "connection",
            "coupon",
            "currency",
            "customer",
            "delivery",
            "discount",
            "document",
            "email",
            "entry",
            "expiry",
            "gateway",
            "handler",
            "height",
            "inventory",
            "invoice",
            "item",
            "ledger",
            "limit",
            "locale",
            "message",
            "order",
            "package",
            "payment",
            "permission",
            "picture",
            "price",
            "product",
            "profile",
            "queue",
            "receipt",
            "refund",
            "region",
            "request",
            "response",
            "retry",
            "review",
            "schedule",
            "search",
            "session",
            "shipment",
            "signature",
            "stock",
            "supplier",
            "ticket",
            "timeout",
            "token",
            "total",
            "transfer",
            "user",
            "voucher",
            "warehouse",
        ];
        WORDS[self.below(64) as usize]
    }

    fn sentence(&mut self, words: usize) -> String {
        (0..words).map(|_| self.word()).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_decodes_and_has_about_the_size_in_its_name() {
        for (shape, size) in [
            ("error_3k", 3_000),
            ("error_60k", 60_000),
            ("error_with_session", 4_500),
            ("transaction_80k", 80_000),
            ("session_update", 610),
            ("logs_40k", 40_000),
            ("error_with_1mb_attachment", 1_003_000),
        ] {
            let (_, make) = ENVELOPES.iter().find(|(name, _)| *name == shape).expect(shape);
            for variant in 0..4 {
                let body = make(variant);
                assert!(body.len().abs_diff(size) < size / 12, "{shape}: {}", body.len());
                let envelope = relay_envelope::Envelope::decode(body, &Default::default());
                assert!(envelope.is_ok_and(|envelope| !envelope.items().is_empty()), "{shape}");
            }
            assert_ne!(make(0), make(1));
            assert_eq!(make(1), make(1));
        }
    }
}
