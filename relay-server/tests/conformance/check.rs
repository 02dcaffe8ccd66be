//! Placeholders, bodies and matchers of the case format.

use std::collections::BTreeMap;
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value};

use crate::support::{Message, encode_with};

/// Why an expectation does not hold.
pub(crate) type Mismatch = String;

/// What the placeholders of one case stand for.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    values: BTreeMap<String, String>,
    now: DateTime<Utc>,
}

impl Names {
    pub(crate) fn new(values: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { values, now: Utc::now() }
    }

    /// Gives a placeholder its value.
    pub(crate) fn insert(&mut self, name: &str, value: String) {
        self.values.insert(name.to_owned(), value);
    }

    /// Replaces every `{{NAME}}`. Names in lower case are none: `{{auto}}` is protocol.
    pub(crate) fn fill(&self, text: &str) -> Result<String, Mismatch> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").ok_or("a placeholder without end")?;
            filled.push_str(before);
            if name.starts_with(|first: char| first.is_ascii_lowercase()) {
                filled.push_str(&format!("{{{{{name}}}}}"));
            } else {
                filled.push_str(&self.value(name).ok_or_else(|| format!("nothing for {name}"))?);
            }
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn value(&self, name: &str) -> Option<String> {
        if let Some(value) = self.values.get(name) {
            return Some(value.clone());
        }
        if let Some(text) = name.strip_prefix("B64(").and_then(|text| text.strip_suffix(')')) {
            return Some(BASE64.encode(text.replace("<K>", self.values.get("K")?)));
        }
        if let Some(offset) = name.strip_prefix("ISO") {
            return Some(self.moment(offset)?.to_rfc3339_opts(SecondsFormat::Secs, true));
        }
        Some(self.moment(name.strip_prefix("TS")?)?.timestamp().to_string())
    }

    fn moment(&self, offset: &str) -> Option<DateTime<Utc>> {
        let seconds = if offset.is_empty() { 0 } else { offset.parse().ok()? };
        self.now.checked_add_signed(TimeDelta::try_seconds(seconds)?)
    }

    /// The bytes of a body as the cases spell it.
    pub(crate) fn body(&self, spec: &Value) -> Result<Vec<u8>, Mismatch> {
        let mut bytes = Vec::new();
        self.write_body(spec, &mut bytes).map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    fn write_body(&self, spec: &Value, out: &mut dyn Write) -> io::Result<()> {
        let Value::Object(form) = spec else {
            return match spec {
                Value::String(text) => {
                    out.write_all(self.fill(text).map_err(io::Error::other)?.as_bytes())
                }
                Value::Array(parts) => parts.iter().try_for_each(|part| self.write_body(part, out)),
                _ => Err(io::Error::other("a body that is neither text, list nor form")),
            };
        };
        if let (Some(body), Some(times)) = (form.get("repeat"), form.get("times")) {
            return self.write_repeated(body, times.as_u64().unwrap_or_default(), out);
        }
        let (name, body) = form.iter().next().ok_or_else(|| io::Error::other("an empty form"))?;
        match name.as_str() {
            "base64" => {
                let text = body.as_str().unwrap_or_default();
                out.write_all(&BASE64.decode(text).map_err(io::Error::other)?)
            }
            "b64" => {
                let mut plain = Vec::new();
                self.write_body(body, &mut plain)?;
                out.write_all(BASE64.encode(plain).as_bytes())
            }
            "zlib" => out.write_all(&encode_with("deflate", |out| self.write_body(body, out))?),
            encoding => out.write_all(&encode_with(encoding, |out| self.write_body(body, out))?),
        }
    }

    /// In blocks: the bombs repeat one byte 300 million times.
    fn write_repeated(&self, body: &Value, times: u64, out: &mut dyn Write) -> io::Result<()> {
        let mut once = Vec::new();
        self.write_body(body, &mut once)?;
        let per_block = (65_536 / once.len().max(1)).max(1);
        let block = once.repeat(per_block);
        let per_block = per_block as u64;
        (0..times / per_block).try_for_each(|_| out.write_all(&block))?;
        (0..times % per_block).try_for_each(|_| out.write_all(&once))
    }

    /// Whether `actual` is the value described; objects have no other keys.
    pub(crate) fn exactly(
        &mut self,
        expected: &Value,
        actual: Option<&Value>,
    ) -> Result<(), Mismatch> {
        self.compare(expected, actual, Keys::Exact)
    }

    /// Whether `actual` is the value described; objects may have further keys.
    pub(crate) fn at_least(
        &mut self,
        expected: &Value,
        actual: Option<&Value>,
    ) -> Result<(), Mismatch> {
        self.compare(expected, actual, Keys::Subset)
    }

    fn compare(
        &mut self,
        expected: &Value,
        actual: Option<&Value>,
        keys: Keys,
    ) -> Result<(), Mismatch> {
        if let Some(matcher) = matcher(expected) {
            return self.apply(matcher, actual);
        }
        let actual = actual.ok_or_else(|| format!("absent, not {expected}"))?;
        match (expected, actual) {
            (Value::String(text), Value::String(actual)) if self.fill(text)? == *actual => Ok(()),
            (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
                let mut pairs = expected.iter().zip(actual);
                pairs.try_for_each(|(expected, actual)| self.compare(expected, Some(actual), keys))
            }
            (Value::Object(expected), Value::Object(actual)) => {
                for (key, expected) in expected {
                    self.compare(expected, actual.get(key), keys)
                        .map_err(|mismatch| format!("{key}: {mismatch}"))?;
                }
                match actual.keys().find(|&key| !expected.contains_key(key)) {
                    Some(key) if keys == Keys::Exact => Err(format!("{key}: unexpected")),
                    _ => Ok(()),
                }
            }
            _ if expected == actual => Ok(()),
            _ => Err(format!("{actual}, not {expected}")),
        }
    }

    fn apply(
        &mut self,
        matcher: &Map<String, Value>,
        actual: Option<&Value>,
    ) -> Result<(), Mismatch> {
        for (name, argument) in matcher {
            let holds = match (name.as_str(), argument, actual) {
                ("$absent", _, actual) => actual.is_none(),
                ("$any", _, actual) => actual.is_some(),
                ("$len", length, Some(Value::Array(list))) => *length == list.len(),
                ("$re", Value::String(pattern), Some(Value::String(text))) => {
                    self.is_match(pattern, text)?
                }
                ("$as", Value::String(name), Some(Value::String(text))) => {
                    self.values.insert(name.clone(), text.clone());
                    true
                }
                ("$len" | "$re" | "$as", ..) => false,
                _ => return Err(format!("the matcher {name} is not known")),
            };
            if !holds {
                return Err(match actual {
                    Some(actual) => format!("{actual} is not {name} {argument}"),
                    None => format!("absent, not {name} {argument}"),
                });
            }
        }
        Ok(())
    }

    fn is_match(&self, pattern: &str, text: &str) -> Result<bool, Mismatch> {
        let pattern = format!(r"(?s)\A(?:{})\z", self.fill(pattern)?);
        let pattern = regex_lite::Regex::new(&pattern).map_err(|error| error.to_string())?;
        Ok(pattern.is_match(text))
    }

    /// Whether the lines of each named header are those described: null none, a text one such
    /// line, a list all of them, a matcher the first.
    pub(crate) fn headers(
        &mut self,
        expected: &BTreeMap<String, Value>,
        message: &Message,
    ) -> Result<(), Mismatch> {
        for (name, expected) in expected {
            let lines: Vec<Value> = message.header_lines(name).map(Value::from).collect();
            let result = match expected {
                Value::Null if lines.is_empty() => Ok(()),
                Value::Null => Err(format!("{lines:?}, not absent")),
                Value::Array(_) => self.exactly(expected, Some(&Value::from(lines))),
                Value::String(_) => {
                    let expected = Value::from(vec![expected.clone()]);
                    self.exactly(&expected, Some(&Value::from(lines)))
                }
                _ => self.exactly(expected, lines.first()),
            };
            result.map_err(|mismatch| format!("header {name}: {mismatch}"))?;
        }
        Ok(())
    }

    /// Whether these are the bytes described, or the text.
    pub(crate) fn content(&mut self, expected: &Value, actual: &[u8]) -> Result<(), Mismatch> {
        if let Some(matcher) = matcher(expected) {
            let text = Value::from(String::from_utf8_lossy(actual));
            return self.apply(matcher, Some(&text));
        }
        let expected = self.body(expected)?;
        if expected == actual {
            return Ok(());
        }
        let [expected, actual] = [&expected, actual].map(|bytes| {
            let start = &bytes[..bytes.len().min(300)];
            format!("{} bytes {:?}", bytes.len(), String::from_utf8_lossy(start))
        });
        Err(format!("{actual}, not {expected}"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    Exact,
    Subset,
}

fn matcher(expected: &Value) -> Option<&Map<String, Value>> {
    expected.as_object().filter(|object| object.keys().any(|key| key.starts_with('$')))
}
