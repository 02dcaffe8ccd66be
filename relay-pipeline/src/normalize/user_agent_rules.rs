use std::fmt;

use serde::Deserialize;

use super::{UserAgent, UserAgents};

/// What user agents are, by rules in the format of the uap project (`regexes.yaml`), which Sentry uses as well.
/// Feature `user-agent`.
///
/// Reads such a file by way of serde, from YAML, JSON or what it was turned into. A match takes time linear in the
/// text; most rules are cleared by one search for literals.
#[derive(Deserialize)]
#[serde(try_from = "ua_parser::Regexes<'static>")]
pub struct UserAgentRules(ua_parser::Extractor<'static>);

impl fmt::Debug for UserAgentRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserAgentRules(..)")
    }
}

/// A rule is not a regular expression, or asks for a group that it does not have.
#[derive(Debug, thiserror::Error)]
#[error("not rules for user agents")]
pub struct UserAgentRulesError(#[source] ua_parser::Error);

impl TryFrom<ua_parser::Regexes<'static>> for UserAgentRules {
    type Error = UserAgentRulesError;

    fn try_from(rules: ua_parser::Regexes<'static>) -> Result<Self, UserAgentRulesError> {
        rules.try_into().map(Self).map_err(UserAgentRulesError)
    }
}

impl UserAgents for UserAgentRules {
    fn parse(&self, user_agent: &str) -> UserAgent {
        let (browser, os, device) = self.0.extract(user_agent);
        let mut parsed = UserAgent::default();
        if let Some(browser) = browser {
            parsed.browser_version = version([browser.major, browser.minor, browser.patch]);
            parsed.browser = Some(browser.family.into_owned());
        }
        if let Some(os) = os {
            let numbers = [&os.major, &os.minor, &os.patch];
            parsed.os_version = version(numbers.map(Option::as_deref));
            parsed.os = Some(os.os.into_owned());
        }
        if let Some(device) = device {
            parsed.device = Some(device.device.into_owned());
            parsed.device_model = device.model.map(Into::into);
            parsed.device_brand = device.brand.map(Into::into);
        }
        parsed
    }
}

/// `major[.minor[.patch]]`
fn version(numbers: [Option<&str>; 3]) -> Option<String> {
    let present: Vec<&str> =
        numbers.into_iter().map_while(|number| number.filter(|it| !it.is_empty())).collect();
    (!present.is_empty()).then(|| present.join("."))
}
