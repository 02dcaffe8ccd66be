//! What browsers report by themselves (spec/schema.md 8). Strict: a wrong type is an error.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{Csp, Other};

/// A violation of a Content Security Policy, as browsers report it, under old and new names.
///
/// ```
/// use relay_protocol::schema::CspReport;
///
/// let report: CspReport = serde_json::from_str(
///     r#"{"document-uri":"https://shop.example/","violated-directive":"img-src 'self'","status-code":"200"}"#,
/// )?;
/// assert_eq!(report.directive(), Some("img-src"));
/// assert_eq!(report.blocked_uri, "self");
/// assert_eq!(report.status_code, Some(200));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CspReport {
    /// The directive that was violated.
    #[serde(default, alias = "effective-directive", alias = "effectiveDirective")]
    pub effective_directive: Option<String>,
    /// What was not loaded.
    #[serde(default = "own", alias = "blocked-uri", alias = "blockedURL")]
    pub blocked_uri: String,
    /// The page.
    #[serde(default, alias = "document-uri", alias = "documentURL")]
    pub document_uri: Option<String>,
    /// The policy.
    #[serde(default, alias = "original-policy", alias = "originalPolicy")]
    pub original_policy: Option<String>,
    /// Where the page was linked from.
    #[serde(default)]
    pub referrer: Option<String>,
    /// The status of the page.
    #[serde(default, alias = "status-code", alias = "statusCode", deserialize_with = "number")]
    pub status_code: Option<u64>,
    /// The directive with its sources.
    #[serde(default, alias = "violated-directive", alias = "violatedDirective")]
    pub violated_directive: String,
    /// The script that did it.
    #[serde(default, alias = "source-file", alias = "sourceFile")]
    pub source_file: Option<String>,
    /// Where in that script, from 1.
    #[serde(default, alias = "line-number", alias = "lineNumber", deserialize_with = "number")]
    pub line_number: Option<u64>,
    /// Where in that line, from 1.
    #[serde(default, alias = "column-number", alias = "columnNumber", deserialize_with = "number")]
    pub column_number: Option<u64>,
    /// The first characters of the script.
    #[serde(default, alias = "script-sample", alias = "scriptSample", alias = "sample")]
    pub script_sample: Option<String>,
    /// `enforce` or `report`.
    #[serde(default)]
    pub disposition: Option<String>,
}

/// The directives that there are.
const DIRECTIVES: [&str; 32] = [
    "base-uri",
    "child-src",
    "connect-src",
    "default-src",
    "fenced-frame-src",
    "font-src",
    "form-action",
    "frame-ancestors",
    "frame-src",
    "img-src",
    "manifest-src",
    "media-src",
    "object-src",
    "plugin-types",
    "prefetch-src",
    "referrer",
    "script-src",
    "script-src-attr",
    "script-src-elem",
    "style-src",
    "style-src-elem",
    "style-src-attr",
    "upgrade-insecure-requests",
    "worker-src",
    "sandbox",
    "navigate-to",
    "report-uri",
    "report-to",
    "block-all-mixed-content",
    "require-sri-for",
    "require-trusted-types-for",
    "trusted-types",
];

impl CspReport {
    /// The directive that was violated: the first word of what the browser says is in effect, or else of what it says
    /// was violated. Without a known directive the report is invalid.
    pub fn directive(&self) -> Option<&str> {
        let known = |text: &'_ str| {
            let word = text.split_ascii_whitespace().next()?;
            DIRECTIVES.iter().copied().find(|&directive| directive == word)
        };
        self.effective_directive
            .as_deref()
            .and_then(known)
            .or_else(|| known(&self.violated_directive))
    }
}

/// The report as an event has it. A directive that is not known is left out.
impl From<CspReport> for Csp {
    fn from(report: CspReport) -> Self {
        Self {
            effective_directive: report.directive().map(str::to_owned),
            blocked_uri: Some(report.blocked_uri),
            document_uri: report.document_uri,
            original_policy: report.original_policy,
            referrer: report.referrer,
            status_code: report.status_code,
            violated_directive: Some(report.violated_directive),
            source_file: report.source_file,
            line_number: report.line_number,
            column_number: report.column_number,
            script_sample: report.script_sample,
            disposition: report.disposition,
            other: Other::new(),
        }
    }
}

fn own() -> String {
    "self".to_owned()
}

/// A number, or digits.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::Number(number) => match number.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(D::Error::custom("expected a whole number")),
        },
        Value::String(digits) => digits.parse().map(Some).map_err(D::Error::custom),
        _ => Err(D::Error::custom("expected a number or digits")),
    }
}

/// What a browser sends to a report endpoint.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BrowserReport {
    /// A violation of a Content Security Policy: `{"csp-report": …}`, or of the type `csp-violation`.
    Csp(Box<CspReport>),
    /// A failed request: of the type `network-error`.
    Nel(Box<NelReport>),
    /// Of another type.
    Other(String),
}

impl<'de> Deserialize<'de> for BrowserReport {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut report = Other::deserialize(deserializer)?;
        if let Some(csp) = report.remove("csp-report") {
            return CspReport::deserialize(csp)
                .map(Box::new)
                .map(Self::Csp)
                .map_err(D::Error::custom);
        }
        let ty = report.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        match &*ty {
            "" => Err(D::Error::missing_field("type")),
            "csp-violation" => {
                let body = report.remove("body").unwrap_or_default();
                CspReport::deserialize(body).map(Box::new).map(Self::Csp).map_err(D::Error::custom)
            }
            "network-error" => {
                let report = Value::Object(report.into_iter().collect());
                NelReport::deserialize(report)
                    .map(Box::new)
                    .map(Self::Nel)
                    .map_err(D::Error::custom)
            }
            _ => Ok(Self::Other(ty)),
        }
    }
}

/// A request that failed, as browsers report it (Network Error Logging). Relays make a [`Log`](super::Log) of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NelReport {
    /// How long ago it failed, in milliseconds.
    #[serde(default)]
    pub age: Option<i64>,
    /// What failed.
    pub body: NelBody,
    /// The URL that was requested.
    #[serde(default)]
    pub url: Option<String>,
    /// The browser.
    #[serde(default)]
    pub user_agent: Option<String>,
    /// Keys that are not known here, as they came.
    #[serde(flatten)]
    pub other: Other,
}

/// What failed of a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NelBody {
    /// How long it took, in milliseconds.
    pub elapsed_time: Option<u64>,
    /// The method.
    pub method: Option<String>,
    /// `dns`, `connection` or `application`.
    pub phase: Option<String>,
    /// The protocol, such as `h2`.
    pub protocol: Option<String>,
    /// Where the page was linked from.
    pub referrer: Option<String>,
    /// Which share of failures is reported, from 0 to 1.
    pub sampling_fraction: Option<f64>,
    /// The address of the server.
    pub server_ip: Option<String>,
    /// The status of the response, 0 if there was none.
    pub status_code: Option<u64>,
    /// What went wrong, such as `dns.name_not_resolved`.
    #[serde(rename = "type")]
    pub ty: Option<String>,
    /// Keys that are not known here, as they came.
    #[serde(flatten)]
    pub other: Other,
}
