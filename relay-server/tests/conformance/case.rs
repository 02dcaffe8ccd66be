//! The format of `fixtures/ingest-cases.json`, whose first element explains it.
//!
//! Only what the cases of proxy mode use; an unknown key is an error, so that nothing is left
//! unchecked in silence.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// What every element says about itself, whatever it takes to run it.
#[derive(Debug, Deserialize)]
pub(crate) struct Title {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) mode: Mode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Proxy,
    Managed,
    Any,
}

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) setup: Setup,
    pub(crate) steps: Vec<Step>,
}

impl Case {
    /// A case is its own only step, unless it has `steps`.
    pub(crate) fn of(mut case: Value) -> serde_json::Result<Self> {
        let setup = Option::deserialize(case["setup"].take())?.unwrap_or_default();
        let steps = match case["steps"].take() {
            Value::Null => vec![Step::deserialize(case)?],
            steps => Vec::deserialize(steps)?,
        };
        Ok(Self { setup, steps })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setup {
    /// Settings as `config.yml` spells them.
    #[serde(default)]
    pub(crate) relay: Value,
    #[serde(default)]
    pub(crate) upstream_answers: Vec<Reply>,
    #[serde(default)]
    pub(crate) upstream_rules: Vec<Rule>,
    #[serde(default)]
    pub(crate) upstream_down: bool,
    /// The project config: proxy mode has none.
    #[serde(default, rename = "project")]
    _project: Value,
}

/// An answer of the upstream to an envelope.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Value>,
}

/// An answer of the upstream to whatever path starts so.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) path: String,
    pub(crate) status: Option<u16>,
    #[serde(default)]
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Value>,
    pub(crate) delay_s: Option<f64>,
}

/// A request and what must come of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Step {
    pub(crate) request: Request,
    pub(crate) expect: Expect,
    #[serde(default)]
    pub(crate) upstream: Seen,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Value>,
    #[serde(default)]
    pub(crate) chunked: bool,
    /// The patience of the client; the runner has the same for all.
    #[serde(default, rename = "timeout_s")]
    _timeout: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Value>,
    pub(crate) json: Option<Value>,
    pub(crate) body: Option<Value>,
}

/// What the upstream saw; the variant for proxy mode, where there is one, replaces the rest.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seen {
    pub(crate) envelopes: Option<Vec<Envelope>>,
    pub(crate) requests: Option<Vec<Forwarded>>,
    proxy: Option<Box<Seen>>,
    #[serde(default, rename = "managed")]
    _managed: Value,
}

impl Seen {
    pub(crate) fn in_proxy_mode(&self) -> &Self {
        self.proxy.as_deref().unwrap_or(self)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Envelope {
    #[serde(default = "empty")]
    pub(crate) header: Value,
    pub(crate) items: Option<Vec<Item>>,
    pub(crate) path: Option<String>,
    #[serde(default)]
    pub(crate) request_headers: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Item {
    #[serde(default = "empty")]
    pub(crate) header: Value,
    pub(crate) header_exact: Option<Value>,
    pub(crate) payload: Option<Value>,
    pub(crate) json: Option<Value>,
}

/// A request that carries no envelope.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Forwarded {
    pub(crate) method: String,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Value>,
    pub(crate) body: Option<Value>,
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}
