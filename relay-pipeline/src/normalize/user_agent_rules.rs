use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;

use super::{UserAgent, UserAgents};

/// What user agents are, by rules in the format of the uap project (`regexes.yaml`), which Sentry uses as well.
/// Feature `user-agent`.
///
/// [`bundled`](Self::bundled) are those of the project's release 0.18.0; newer ones are read by way of serde, from YAML,
/// JSON or what they were turned into. A match takes time linear in the text; most rules are cleared by one search for
/// literals.
///
/// ```
/// use relay_pipeline::normalize::{UserAgentRules, UserAgents};
///
/// let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// let known = UserAgentRules::bundled().parse(firefox);
/// assert_eq!(known.browser.as_deref(), Some("Firefox"));
/// assert_eq!(known.browser_version.as_deref(), Some("140.0"));
/// ```
#[derive(Deserialize)]
#[serde(try_from = "ua_parser::Regexes<'static>")]
pub struct UserAgentRules(ua_parser::Extractor<'static>);

impl fmt::Debug for UserAgentRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserAgentRules(..)")
    }
}

/// `regexes.yaml` as JSON, a rule on each line.
const BUNDLED: &str = include_str!("../../data/user-agents.json");

impl UserAgentRules {
    /// The rules that come with this crate. Compiled when first asked for, which takes some time, and kept.
    pub fn bundled() -> &'static Self {
        static RULES: LazyLock<UserAgentRules> =
            LazyLock::new(|| serde_json::from_str(BUNDLED).expect("a test reads them too"));
        &RULES
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_browsers_systems_and_devices_say_of_themselves_is_known() {
        let cases = [
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/17.4 Mobile/15E148 Safari/604.1",
                "Mobile Safari 17.4; iOS 17.4; iPhone iPhone Apple",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/120.0.0.0 Safari/537.36 Edg/120.0.2210.91",
                "Edge 120.0.2210; Windows 10; Other - -",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/121.0.6167.101 Mobile Safari/537.36",
                "Chrome Mobile 121.0.6167; Android 14; Pixel 8 Pixel 8 Google",
            ),
            ("curl/8.5.0", "curl 8.5.0; Other -; Other - -"),
            ("\u{0}{{{", "Other -; Other -; Other - -"),
        ];
        for (text, expected) in cases {
            let known = UserAgentRules::bundled().parse(text);
            let or = |text: &Option<String>, none: &str| text.clone().unwrap_or(none.to_owned());
            let told = format!(
                "{} {}; {} {}; {} {} {}",
                or(&known.browser, "Other"),
                or(&known.browser_version, "-"),
                or(&known.os, "Other"),
                or(&known.os_version, "-"),
                or(&known.device, "Other"),
                or(&known.device_model, "-"),
                or(&known.device_brand, "-"),
            );
            assert_eq!(told, expected, "{text}");
        }
    }
}
