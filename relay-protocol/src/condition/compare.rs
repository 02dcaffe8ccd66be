use std::cmp::Ordering;
use std::net::IpAddr;

use serde_json::Value;
use uuid::Uuid;

use super::Field;
use super::network::Network;
use crate::{Release, SpanId, Version};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Comparison {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Comparison {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "eq" => Some(Self::Equal),
            "gt" => Some(Self::Greater),
            "gte" => Some(Self::GreaterOrEqual),
            "lt" => Some(Self::Less),
            "lte" => Some(Self::LessOrEqual),
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Equal => "eq",
            Self::Greater => "gt",
            Self::GreaterOrEqual => "gte",
            Self::Less => "lt",
            Self::LessOrEqual => "lte",
        }
    }

    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
        }
    }
}

pub(super) fn equals(field: Option<Field<'_>>, value: &Value, ignore_case: bool) -> bool {
    let Some(field) = field else { return value.is_null() };
    match (&field, value) {
        (Field::Bool(field), Value::Bool(value)) => field == value,
        (_, Value::String(value)) => spells(&field, value, ignore_case),
        (_, Value::Array(values)) => {
            values.iter().filter_map(Value::as_str).any(|value| spells(&field, value, ignore_case))
        }
        _ => false,
    }
}

fn spells(field: &Field<'_>, value: &str, ignore_case: bool) -> bool {
    match field {
        Field::Text(text) if ignore_case => same_letters(text, value),
        Field::Text(text) => text == value,
        Field::Uuid(uuid) => Uuid::try_parse(value).as_ref() == Ok(uuid),
        Field::SpanId(id) => value.parse::<SpanId>().as_ref() == Ok(id),
        Field::Ip(address) => value.parse::<IpAddr>().as_ref() == Ok(address),
        Field::Bool(_) | Field::Number(_) => false,
    }
}

fn same_letters(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    a.chars().flat_map(char::to_lowercase).eq(b.chars().flat_map(char::to_lowercase))
}

pub(super) fn compare(field: &Field<'_>, comparison: Comparison, value: &Value) -> bool {
    let ordering = match (field, value) {
        (Field::Text(field), Value::String(value)) => Some((**field).cmp(value)),
        (Field::Number(field), Value::Number(value)) => {
            value.as_f64().and_then(|value| field.partial_cmp(&value))
        }
        _ => None,
    };
    ordering.is_some_and(|ordering| comparison.holds(ordering))
}

pub(super) fn in_networks(field: &Field<'_>, networks: &[Result<Network, Box<str>>]) -> bool {
    let address = match field {
        Field::Ip(address) => Some(*address),
        Field::Text(text) => text.parse().ok(),
        _ => None,
    };
    address.is_some_and(|address| networks.iter().flatten().any(|it| it.contains(address)))
}

/// A value without a package is about every package. A version that is no version compares with nothing.
pub(super) fn release_compares(field: &Field<'_>, comparison: Comparison, value: &str) -> bool {
    let Field::Text(text) = field else { return false };
    let Ok(release) = Release::parse(text) else { return false };
    let expected = match Release::parse(value) {
        Ok(expected) if expected.package().is_some() => {
            if expected.package() != release.package() {
                return false;
            }
            expected.version()
        }
        _ => Version::parse(value),
    };
    match (release.version(), expected) {
        (Some(version), Some(expected)) => comparison.holds(version.cmp(&expected)),
        _ => false,
    }
}
