//! Metrics that were put together (spec/schema.md 14). Strict: a wrong type is an error.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The metrics of one name and some seconds: an element of the payload of an item `metric_buckets`. Comes from relays.
///
/// ```
/// use relay_protocol::schema::{MetricBucket, MetricValue};
///
/// let bucket: MetricBucket = serde_json::from_str(
///     r#"{"timestamp":1615889440,"width":10,"name":"d:custom/duration@millisecond","type":"d","value":[36.0,49.0]}"#,
/// )?;
/// assert_eq!(bucket.value, MetricValue::Distribution(vec![36.0, 49.0]));
/// assert_eq!(bucket.namespace(), Some("custom"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricBucket {
    /// When the bucket begins, in seconds since 1970.
    pub timestamp: u64,
    /// How long it is, in seconds. SDKs may say 0.
    #[serde(default)]
    pub width: u64,
    /// `t:namespace/name@unit`, at most 200 characters; `t` is the type.
    pub name: String,
    /// What was measured.
    #[serde(flatten)]
    pub value: MetricValue,
    /// Names and values; at most 200 characters each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BucketMetadata>,
}

impl MetricBucket {
    /// The namespace in the name.
    pub fn namespace(&self) -> Option<&str> {
        let (_, rest) = self.name.split_once(':')?;
        rest.split_once('/').map(|(namespace, _)| namespace)
    }
}

/// What was measured in a bucket; `type` and `value` on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value")]
pub enum MetricValue {
    /// A sum.
    #[serde(rename = "c")]
    Counter(f64),
    /// Every single value.
    #[serde(rename = "d")]
    Distribution(Vec<f64>),
    /// Distinct values, by the 32-bit FNV-1 hash of their text.
    #[serde(rename = "s")]
    Set(BTreeSet<u32>),
    /// A level.
    #[serde(rename = "g")]
    Gauge(GaugeValue),
}

/// What is kept of a level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GaugeValue {
    /// The last value.
    pub last: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
    /// All of them together.
    pub sum: f64,
    /// How many there were.
    pub count: u64,
}

/// Where a bucket comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketMetadata {
    /// How many buckets went into it.
    #[serde(default)]
    pub merges: u32,
    /// When the first of them arrived, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<u64>,
}
