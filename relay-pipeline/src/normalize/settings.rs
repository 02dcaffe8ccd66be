//! What projects can say about normalisation.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use relay_protocol::payload::NodeRef;
use relay_protocol::{Condition, Glob, PathPattern, SpanSubject, Subject};
use serde::{Deserialize, Deserializer};

/// The parts of a project's configuration, and of the global one, that normalisation follows.
///
/// Reads a project's configuration as Sentry writes it; what is not about normalisation is ignored, and so is
/// a rule that this version cannot read.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Settings {
    /// How transactions are renamed: `txNameRules`. The first rule that matches counts.
    #[serde(rename = "txNameRules", deserialize_with = "readable")]
    pub transaction_name_rules: Vec<TransactionNameRule>,
    /// How spans without an operation are called: `spanOpDefaults`, in the global configuration.
    pub span_op_defaults: SpanOpDefaults,
    /// Which measurements stay; all if this is missing. [`MeasurementSettings::limited_by`] brings that of a
    /// project and the global one together.
    pub measurements: Option<MeasurementSettings>,
    /// How transactions are rated.
    pub performance_score: PerformanceScore,
    /// How spans are summed up, by the name of the breakdown: `breakdownsV2`. If it is missing, breakdowns stay
    /// as they are sent.
    #[serde(rename = "breakdownsV2")]
    pub breakdowns: Option<BTreeMap<String, Breakdown>>,
    /// What models of AI cost: `aiModelMetadata`, in the global configuration.
    pub ai_model_metadata: AiModelMetadata,
    /// Whether spans of transactions get their exclusive times.
    #[serde(skip)]
    pub exclusive_times: bool,
}

/// A rule by which transactions are renamed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct TransactionNameRule {
    /// Which names are meant.
    pub pattern: PathPattern,
    /// Until when the rule is good.
    pub expiry: DateTime<Utc>,
    /// What is done with them.
    #[serde(default)]
    pub redaction: NameRedaction,
}

impl TransactionNameRule {
    /// The new name, if the rule matches and has not expired.
    pub(super) fn apply(&self, name: &str, now: DateTime<Utc>) -> Option<String> {
        match &self.redaction {
            NameRedaction::Replace { substitution } if self.expiry > now => {
                self.pattern.replace(name, substitution)
            }
            _ => None,
        }
    }
}

/// What is done with a part of a name that a `*` stands for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum NameRedaction {
    /// It is replaced.
    Replace {
        /// By this, `*` if nothing is said.
        #[serde(default = "star")]
        substitution: String,
    },
    /// A method that this version does not know does nothing.
    #[serde(other)]
    Unknown,
}

impl Default for NameRedaction {
    fn default() -> Self {
        Self::Replace { substitution: star() }
    }
}

fn star() -> String {
    "*".to_owned()
}

/// How spans without an operation are called.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SpanOpDefaults {
    /// The first rule whose condition holds for the span counts.
    #[serde(deserialize_with = "readable")]
    pub rules: Vec<SpanOpDefault>,
}

/// What spans of one kind are called.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct SpanOpDefault {
    /// Which spans are meant.
    pub condition: Condition,
    /// Their operation.
    pub value: String,
}

impl SpanOpDefaults {
    pub(super) fn op_of(&self, span: NodeRef<'_>) -> &str {
        let subject = SpanSubject::new(span);
        let rule = self.rules.iter().find(|rule| rule.condition.matches(&subject));
        rule.map_or("default", |rule| &rule.value)
    }
}

/// What models of AI cost.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AiModelMetadata {
    /// By the name of the model, in which `*` stands for anything. What cannot be read is left out.
    #[serde(deserialize_with = "readable_models")]
    pub models: Vec<(Glob, AiModel)>,
}

impl AiModelMetadata {
    /// The prices of a model: of the longest name that fits.
    pub(super) fn costs_of(&self, model: &str) -> Option<&AiCosts> {
        let fitting = self.models.iter().filter(|(name, _)| name.is_match(model));
        fitting.max_by_key(|(name, _)| name.as_str().len()).map(|(_, model)| &model.costs)
    }
}

/// What is known of a model.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AiModel {
    /// Its prices.
    pub costs: AiCosts,
}

/// The prices of a model, for each token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AiCosts {
    /// That goes in.
    pub input_per_token: f64,
    /// That comes out.
    pub output_per_token: f64,
    /// That it thinks; as one that comes out if this is 0.
    pub output_reasoning_per_token: f64,
    /// That goes in and was there already.
    pub input_cached_per_token: f64,
    /// That is kept for another time.
    pub input_cache_write_per_token: f64,
}

impl AiCosts {
    pub(super) fn reasoning_per_token(&self) -> f64 {
        match self.output_reasoning_per_token {
            0.0 => self.output_per_token,
            price => price,
        }
    }
}

/// Which measurements stay.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MeasurementSettings {
    /// Measurements that do not count as custom.
    #[serde(deserialize_with = "readable")]
    pub builtin_measurements: Vec<BuiltinMeasurement>,
    /// How many others one transaction may have; any number if this is missing.
    pub max_custom_measurements: Option<usize>,
}

impl MeasurementSettings {
    /// The settings that hold where both do: the builtin measurements of both, and the smaller number of others.
    #[must_use]
    pub fn limited_by(mut self, global: &Self) -> Self {
        for builtin in &global.builtin_measurements {
            if !self.builtin_measurements.contains(builtin) {
                self.builtin_measurements.push(builtin.clone());
            }
        }
        let maxima = [self.max_custom_measurements, global.max_custom_measurements];
        self.max_custom_measurements = maxima.into_iter().flatten().min();
        self
    }
}

/// A measurement that Sentry knows.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuiltinMeasurement {
    /// Its name.
    pub name: String,
    /// In another unit it is a custom one.
    pub unit: String,
    /// Whether it may be below zero.
    #[serde(default)]
    pub allow_negative: bool,
}

/// How transactions are rated.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PerformanceScore {
    /// The first profile whose condition holds for the transaction counts.
    #[serde(deserialize_with = "readable")]
    pub profiles: Vec<ScoreProfile>,
}

/// How transactions of one kind are rated.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoreProfile {
    /// What people call it.
    #[serde(default)]
    pub name: Option<String>,
    /// Which transactions are meant; all if this is missing.
    #[serde(default)]
    pub condition: Option<Condition>,
    /// Written into the event.
    #[serde(default)]
    pub version: Option<String>,
    /// What is rated.
    #[serde(default, deserialize_with = "readable")]
    pub score_components: Vec<ScoreComponent>,
}

impl ScoreProfile {
    pub(super) fn applies_to(&self, subject: &dyn Subject) -> bool {
        self.condition.as_ref().is_none_or(|condition| condition.matches(subject))
    }
}

/// A measurement that is rated.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoreComponent {
    /// Its name.
    pub measurement: String,
    /// How much it counts, beside the others.
    pub weight: f64,
    /// A value so good that one in ten is better.
    pub p10: f64,
    /// A value in the middle.
    pub p50: f64,
    /// Whether a transaction without it is rated.
    #[serde(default)]
    pub optional: bool,
}

/// How spans are summed up.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Breakdown {
    /// By the beginning of their operation.
    SpanOperations {
        /// These beginnings.
        #[serde(default)]
        matches: Vec<String>,
    },
    /// A way that this version does not know does nothing.
    #[serde(other)]
    Unknown,
}

impl Breakdown {
    pub(super) fn span_operations(&self) -> Option<&[String]> {
        match self {
            Self::SpanOperations { matches } => Some(matches),
            Self::Unknown => None,
        }
    }
}

/// The elements of a list that can be read.
fn readable_models<'de, D>(deserializer: D) -> Result<Vec<(Glob, AiModel)>, D::Error>
where
    D: Deserializer<'de>,
{
    let models = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
    let model = |(name, model): (String, _)| {
        Some((Glob::new(&name).ok()?, serde_json::from_value(model).ok()?))
    };
    Ok(models.into_iter().filter_map(model).collect())
}

fn readable<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let values = Vec::<serde_json::Value>::deserialize(deserializer)?;
    Ok(values.into_iter().filter_map(|value| serde_json::from_value(value).ok()).collect())
}
