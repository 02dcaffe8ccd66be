//! The JSON form of conditions.

use serde::de::Error;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::compare::Comparison;
use super::{Condition, Test};

/// Why a JSON value is not a condition. An operator that nobody knows is not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionError {
    /// Not an object.
    #[error("a condition is an object")]
    NotAnObject,
    /// A key that the operator needs is missing.
    #[error("a condition lacks its key {0}")]
    Missing(&'static str),
    /// A key has a value of a type that the operator cannot use.
    #[error("the key {0} of a condition has a value of the wrong type")]
    WrongType(&'static str),
    /// More than [`Condition::MAX_DEPTH`] conditions within each other.
    #[error("conditions are nested too deeply")]
    TooDeep,
}

impl TryFrom<Value> for Condition {
    type Error = ConditionError;

    fn try_from(value: Value) -> Result<Self, ConditionError> {
        read(value, Self::MAX_DEPTH)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

fn read(value: Value, depth: usize) -> Result<Condition, ConditionError> {
    let depth = depth.checked_sub(1).ok_or(ConditionError::TooDeep)?;
    let Value::Object(mut keys) = value else { return Err(ConditionError::NotAnObject) };
    let op = text(&mut keys, "op")?;
    let test = match &*op {
        "eq" => Test::Equal {
            name: text(&mut keys, "name")?,
            ignore_case: ignores_case(&keys)?,
            value: take(&mut keys, "value")?,
        },
        "gt" => compared(&mut keys, Comparison::Greater)?,
        "gte" => compared(&mut keys, Comparison::GreaterOrEqual)?,
        "lt" => compared(&mut keys, Comparison::Less)?,
        "lte" => compared(&mut keys, Comparison::LessOrEqual)?,
        "glob" => Test::Glob {
            name: text(&mut keys, "name")?,
            globs: texts(&mut keys, "value")?.into_iter().collect(),
        },
        "cidr" => Test::Cidr {
            name: text(&mut keys, "name")?,
            networks: texts(&mut keys, "value")?
                .into_iter()
                .map(|network| network.parse().map_err(|()| network.into()))
                .collect(),
        },
        "release" => {
            let comparator = text(&mut keys, "comparator")?;
            match Comparison::named(&comparator) {
                Some(comparison) => Test::Release {
                    name: text(&mut keys, "name")?,
                    comparison,
                    value: text(&mut keys, "value")?,
                },
                // A comparator of the future is as good as an operator of the future.
                None => {
                    keys.insert("comparator".to_owned(), Value::String(comparator.into()));
                    unsupported(keys, op)
                }
            }
        }
        "and" => Test::And(list(&mut keys, depth)?),
        "or" => Test::Or(list(&mut keys, depth)?),
        "not" => Test::Not(inner(&mut keys, depth)?),
        "any" => Test::Any { name: text(&mut keys, "name")?, inner: inner(&mut keys, depth)? },
        "all" => Test::All { name: text(&mut keys, "name")?, inner: inner(&mut keys, depth)? },
        _ => unsupported(keys, op),
    };
    Ok(Condition(test))
}

fn compared(keys: &mut Map<String, Value>, comparison: Comparison) -> Result<Test, ConditionError> {
    Ok(Test::Compare { comparison, name: text(keys, "name")?, value: take(keys, "value")? })
}

fn unsupported(mut keys: Map<String, Value>, op: Box<str>) -> Test {
    keys.insert("op".to_owned(), Value::String(op.into()));
    Test::Unsupported(keys)
}

fn take(keys: &mut Map<String, Value>, key: &'static str) -> Result<Value, ConditionError> {
    keys.remove(key).ok_or(ConditionError::Missing(key))
}

fn text(keys: &mut Map<String, Value>, key: &'static str) -> Result<Box<str>, ConditionError> {
    match take(keys, key)? {
        Value::String(text) => Ok(text.into()),
        _ => Err(ConditionError::WrongType(key)),
    }
}

fn texts(keys: &mut Map<String, Value>, key: &'static str) -> Result<Vec<String>, ConditionError> {
    let Value::Array(values) = take(keys, key)? else {
        return Err(ConditionError::WrongType(key));
    };
    let text = |value| match value {
        Value::String(text) => Ok(text),
        _ => Err(ConditionError::WrongType(key)),
    };
    values.into_iter().map(text).collect()
}

fn list(keys: &mut Map<String, Value>, depth: usize) -> Result<Vec<Condition>, ConditionError> {
    match take(keys, "inner")? {
        Value::Array(inner) => inner.into_iter().map(|value| read(value, depth)).collect(),
        _ => Err(ConditionError::WrongType("inner")),
    }
}

fn inner(keys: &mut Map<String, Value>, depth: usize) -> Result<Box<Condition>, ConditionError> {
    read(take(keys, "inner")?, depth).map(Box::new)
}

fn ignores_case(keys: &Map<String, Value>) -> Result<bool, ConditionError> {
    let options = match keys.get("options") {
        None | Some(Value::Null) => return Ok(false),
        Some(Value::Object(options)) => options,
        Some(_) => return Err(ConditionError::WrongType("options")),
    };
    match options.get("ignoreCase") {
        None => Ok(false),
        Some(Value::Bool(ignore)) => Ok(*ignore),
        Some(_) => Err(ConditionError::WrongType("options")),
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut keys = serializer.serialize_map(None)?;
        if let Some(op) = self.op() {
            keys.serialize_entry("op", op)?;
        }
        match &self.0 {
            Test::Equal { name, value, ignore_case } => {
                keys.serialize_entry("name", name)?;
                keys.serialize_entry("value", value)?;
                if *ignore_case {
                    keys.serialize_entry("options", &IgnoreCase { ignore_case: true })?;
                }
            }
            Test::Compare { name, value, .. } => {
                keys.serialize_entry("name", name)?;
                keys.serialize_entry("value", value)?;
            }
            Test::Glob { name, globs } => {
                keys.serialize_entry("name", name)?;
                keys.serialize_entry("value", globs)?;
            }
            Test::Cidr { name, networks } => {
                keys.serialize_entry("name", name)?;
                let networks = networks.iter().map(|network| match network {
                    Ok(network) => network.as_str(),
                    Err(text) => text,
                });
                keys.serialize_entry("value", &networks.collect::<Vec<_>>())?;
            }
            Test::Release { name, comparison, value } => {
                keys.serialize_entry("name", name)?;
                keys.serialize_entry("comparator", comparison.name())?;
                keys.serialize_entry("value", value)?;
            }
            Test::And(inner) | Test::Or(inner) => keys.serialize_entry("inner", inner)?,
            Test::Not(inner) => keys.serialize_entry("inner", inner)?,
            Test::Any { name, inner } | Test::All { name, inner } => {
                keys.serialize_entry("name", name)?;
                keys.serialize_entry("inner", inner)?;
            }
            Test::Unsupported(all) => {
                for (key, value) in all {
                    keys.serialize_entry(key, value)?;
                }
            }
        }
        keys.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IgnoreCase {
    ignore_case: bool,
}

impl Condition {
    /// The operator; one that is not supported is among its keys.
    fn op(&self) -> Option<&'static str> {
        Some(match &self.0 {
            Test::Equal { .. } => "eq",
            Test::Compare { comparison, .. } => comparison.name(),
            Test::Glob { .. } => "glob",
            Test::Cidr { .. } => "cidr",
            Test::Release { .. } => "release",
            Test::And(_) => "and",
            Test::Or(_) => "or",
            Test::Not(_) => "not",
            Test::Any { .. } => "any",
            Test::All { .. } => "all",
            Test::Unsupported(_) => return None,
        })
    }
}
