//! Values without parts.

use std::net::IpAddr;

use uuid::Uuid;

use super::Check;
use crate::payload::{Kind, MetaError, NodeId, NodeRef, Value};
use crate::schema::{Address, MetricUnit, Shape, Timestamp};
use crate::{EventType, Level, SpanId, SpanStatus};

impl Check<'_, '_> {
    pub(super) fn scalar(&mut self, id: NodeId, shape: Shape) {
        let kind = self.kind(id);
        match (shape, kind) {
            (_, Kind::Null) => {}
            (Shape::String | Shape::Path, Kind::String) => {}
            (Shape::String | Shape::Path, _) => self.reject(id, "a string"),
            (Shape::Lenient | Shape::JsonText, Kind::String) => {}
            (Shape::Lenient, _) => self.lenient(id),
            (Shape::JsonText, _) => {
                let json = self.node(id).to_compact_json();
                self.payload.set(id, &json);
            }
            (Shape::Bool, Kind::Bool) => {}
            (Shape::Bool, _) => self.reject(id, "a boolean"),
            (Shape::Unsigned, _) => self.unsigned(id),
            (Shape::Signed, _) => self.signed(id),
            (Shape::Float, Kind::Number) => self.float(id, "a floating point number"),
            (Shape::Float, _) => self.reject(id, "a floating point number"),
            (Shape::FiniteFloat, Kind::Number) => self.float(id, "a finite floating point number"),
            (Shape::FiniteFloat, _) => self.reject(id, "a finite floating point number"),
            (Shape::Timestamp, _) => self.timestamp(id),
            (Shape::Level, _) => self.level(id),
            (Shape::Status, _) => self.status(id),
            (Shape::ThreadId, Kind::String) => {}
            (Shape::ThreadId, _) => {
                if self.node(id).as_u64().is_none() {
                    self.reject(id, "a thread id");
                }
            }
            (Shape::Address, _) => self.address(id),
            (Shape::LockType, _) => {
                if !matches!(self.node(id).as_u64(), Some(1 | 2 | 4 | 8)) {
                    self.reject(id, "lock reason type");
                }
            }
            (_, Kind::String) => self.text(id, shape),
            _ => self.reject(id, "a string"),
        }
    }

    /// Texts that follow a grammar. They are written in one way only.
    fn text(&mut self, id: NodeId, shape: Shape) {
        let text = self.payload.str(id).unwrap_or_default();
        let canonical = match shape {
            Shape::EventType => {
                text.parse::<EventType>().map(|ty| ty.as_str().to_owned()).map_err(|_| None)
            }
            Shape::EventId if is_hex(text, 32) => return,
            Shape::EventId => Uuid::try_parse(text)
                .map(|id| id.as_simple().to_string())
                .map_err(|error| Some(error.to_string())),
            Shape::Uuid => Uuid::try_parse(text)
                .map(|id| id.as_hyphenated().to_string())
                .map_err(|error| Some(error.to_string())),
            Shape::TraceId if is_hex(text, 32) => return,
            Shape::TraceId => Uuid::try_parse(text)
                .map(|id| id.as_simple().to_string())
                .map_err(|_| Some("not a valid trace id".to_owned())),
            Shape::SpanId if is_hex(text, 16) && text != "0000000000000000" => return,
            Shape::SpanId => text
                .parse::<SpanId>()
                .map(|id| id.to_string())
                .map_err(|_| Some("not a valid span id".to_owned())),
            Shape::Ip if text == "{{auto}}" || text.parse::<IpAddr>().is_ok() => return,
            Shape::Ip => Err(Some("expected an ip address".to_owned())),
            Shape::DebugId => debug_id(text).ok_or(Some("invalid debug identifier".to_owned())),
            Shape::CodeId if text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Ok(text.to_ascii_lowercase())
            }
            Shape::CodeId => Err(Some("invalid code identifier".to_owned())),
            Shape::Unit => text
                .parse::<MetricUnit>()
                .map(|unit| unit.as_str().to_owned())
                .map_err(|error| Some(error.to_string())),
            _ => return,
        };
        match canonical {
            Ok(canonical) if canonical == text => {}
            Ok(canonical) => self.payload.set(id, &canonical),
            Err(Some(reason)) => self.payload.reject(id, MetaError::invalid(&reason)),
            Err(None) => self.reject_without_reason(id),
        }
    }

    fn lenient(&mut self, id: NodeId) {
        match lenient(self.node(id)) {
            Some(text) => self.payload.set(id, &text),
            None => self.reject(id, "a primitive value"),
        }
    }

    fn unsigned(&mut self, id: NodeId) {
        let node = self.node(id);
        if node.as_u64().is_some() {
            return;
        }
        match node.as_f64() {
            // 2^64, the first double that does not fit.
            Some(float) if float > -1.0 && float < 18_446_744_073_709_551_616.0 => {
                self.payload.set(id, float.trunc() as u64);
            }
            _ => self.reject(id, "an unsigned integer"),
        }
    }

    fn signed(&mut self, id: NodeId) {
        let node = self.node(id);
        // `-0` is a float to many readers.
        if node.as_i64().is_some() && node.number() != Some("-0") {
            return;
        }
        match node.as_f64() {
            // -2^63 and 2^63
            Some(float)
                if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float) =>
            {
                self.payload.set(id, float.trunc() as i64);
            }
            _ => self.reject(id, "a signed integer"),
        }
    }

    /// Numbers of this kind always have a decimal point or an exponent.
    fn float(&mut self, id: NodeId, expectation: &str) {
        let node = self.node(id);
        if node.as_f64().is_none_or(|float| !float.is_finite()) {
            return self.reject(id, expectation);
        }
        let number = node.number().unwrap_or_default();
        if is_whole(number) {
            let number = format!("{number}.0");
            self.payload.set(id, Value::Number(&number));
        }
    }

    fn timestamp(&mut self, id: NodeId) {
        let node = self.node(id);
        if let Some(text) = node.as_str() {
            match text.parse::<Timestamp>() {
                Ok(timestamp) => self.set_timestamp(id, timestamp),
                Err(error) => self.payload.reject(id, MetaError::invalid(&error.to_string())),
            }
            return;
        }
        let Some(seconds) = node.as_f64() else {
            return self.reject(id, "a timestamp");
        };
        let Some(timestamp) = Timestamp::from_seconds(seconds) else {
            if seconds.is_finite() {
                self.set(id, Value::Float(seconds));
            }
            return self.payload.reject(id, MetaError::invalid("timestamp out of range"));
        };
        let number = node.number().unwrap_or_default();
        let micros = number.split_once('.').is_some_and(|(whole, fraction)| {
            is_whole(whole)
                && fraction.len() <= 6
                && fraction.bytes().all(|byte| byte.is_ascii_digit())
        });
        if !micros {
            self.set_timestamp(id, timestamp);
        }
    }

    fn set_timestamp(&mut self, id: NodeId, timestamp: Timestamp) {
        self.payload.set(id, Value::Number(&timestamp.to_string()));
    }

    fn level(&mut self, id: NodeId) {
        let node = self.node(id);
        let level = match node.kind() {
            Kind::Number => node
                .as_f64()
                .and_then(|number| {
                    // Only whole numbers stand for levels.
                    (number.fract() == 0.0 && number >= 0.0).then_some(number as u64)
                })
                .and_then(Level::from_number),
            Kind::String => {
                let text = node.as_str().unwrap_or_default();
                match text.parse::<Level>() {
                    Ok(level) if level.as_str() == text => return,
                    Ok(level) => Some(level),
                    Err(_) => return self.payload.reject(id, MetaError::invalid("invalid level")),
                }
            }
            _ => return self.reject(id, "a level"),
        };
        match level {
            Some(level) => self.payload.set(id, level.as_str()),
            None => self.reject_without_reason(id),
        }
    }

    fn status(&mut self, id: NodeId) {
        let node = self.node(id);
        let status = match node.as_str() {
            Some(text) => text.parse::<SpanStatus>().ok(),
            None => node.as_u64().and_then(SpanStatus::from_number),
        };
        match status {
            Some(status) if node.as_str() == Some(status.as_str()) => {}
            Some(status) => self.payload.set(id, status.as_str()),
            None => self.reject(id, "a trace status"),
        }
    }

    fn address(&mut self, id: NodeId) {
        let node = self.node(id);
        let address = match node.as_str() {
            Some(text) if is_address(text) => return,
            Some(text) => text.parse::<Address>(),
            None => match node.as_u64() {
                Some(number) => Ok(Address(number)),
                None => return self.reject(id, "an address"),
            },
        };
        match address {
            Ok(address) => self.payload.set(id, &address.to_string()),
            Err(error) => self.payload.reject(id, MetaError::invalid(&error.to_string())),
        }
    }
}

/// The text of a boolean or number where a text is expected.
pub(super) fn lenient(node: NodeRef<'_>) -> Option<String> {
    match node.kind() {
        Kind::Bool if node.as_bool() == Some(true) => Some("True".to_owned()),
        Kind::Bool => Some("False".to_owned()),
        Kind::Number => {
            let number = node.number().unwrap_or_default();
            match node.as_f64() {
                _ if is_whole(number) => Some(number.to_owned()),
                // Beyond 2^53 a double no longer tells whole numbers apart.
                Some(float) if float.abs() < 9_007_199_254_740_992.0 => {
                    Some((float.trunc() as i64).to_string())
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && is_lower_hex(text)
}

/// Whether an address is written as it will be.
fn is_address(text: &str) -> bool {
    text.strip_prefix("0x").is_some_and(|digits| {
        (1..=16).contains(&digits.len())
            && is_lower_hex(digits)
            && (digits.len() == 1 || !digits.starts_with('0'))
    })
}

fn is_whole(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A UUID, compact or with hyphens, with the age behind it: after a hyphen, or, if compact, right away.
fn debug_id(text: &str) -> Option<String> {
    let compact = text.get(..32).filter(|start| start.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let (uuid, age) = match compact {
        Some(uuid) => (uuid, &text[32..]),
        None => (text.get(..36)?, text.get(36..)?),
    };
    let uuid = Uuid::try_parse(uuid).ok()?;
    let age = match age.strip_prefix('-').unwrap_or(age) {
        "" if age.is_empty() => 0,
        age if age.len() <= 8 && age.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u32::from_str_radix(age, 16).ok()?
        }
        _ => return None,
    };
    let uuid = uuid.as_hyphenated();
    Some(if age == 0 { uuid.to_string() } else { format!("{uuid}-{age:x}") })
}
