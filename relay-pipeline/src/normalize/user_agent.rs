//! What browser, device and system a request came from (spec/processing.md 3.14).

use relay_protocol::payload::{Kind, NodeRef, Payload};

use super::place::{is_missing, list, make_object, object, text};
use super::{UserAgent, UserAgents};

/// The longest user agent that is looked at, in bytes. Browsers need a quarter of it.
const MAX_USER_AGENT: usize = 2048;

/// Fills the contexts `browser`, `device` and `os` from the headers of the event's request: from client hints
/// where there are some, else from the user agent.
pub(super) fn normalize_user_agent(payload: &mut Payload<'_>, parser: Option<&dyn UserAgents>) {
    let root = payload.root();
    let is_javascript = text(payload, root, "platform") == Some("javascript");
    let os_key = if is_javascript { "os" } else { "client_os" };
    let lacks = |ty: &str| !has_context(payload, |key, of_type| key == ty || of_type == ty);
    let lacks_browser = lacks("browser");
    let lacks_device = lacks("device");
    let lacks_os = !has_context(payload, |key, _| key == os_key);
    if !lacks_browser && !lacks_device && !lacks_os {
        return;
    }
    let headers = Headers::new(payload);
    // Looked at only if some context needs it: this is the most expensive step of all.
    let mut parsed: Option<UserAgent> = None;
    let mut parse = || -> UserAgent {
        let user_agent = headers.user_agent.as_deref();
        let user_agent = user_agent.filter(|text| (1..=MAX_USER_AGENT).contains(&text.len()));
        parsed
            .get_or_insert_with(|| match (parser, user_agent) {
                (Some(parser), Some(text)) => parser.parse(text),
                _ => UserAgent::default(),
            })
            .clone()
    };

    if lacks_browser {
        let (name, version) = match headers.brand() {
            Some((name, version)) => (Some(name.to_owned()), Some(version.to_owned())),
            None => {
                let user_agent = parse();
                (user_agent.browser, user_agent.browser_version)
            }
        };
        if let Some(name) = known(name) {
            let name = if name == "Google Chrome" { "Chrome" } else { &name };
            fill(
                payload,
                "browser",
                "browser",
                &[("name", Some(name)), ("version", version.as_deref())],
            );
        }
    }
    if lacks_device {
        if let Some(model) = unquoted(&headers.model) {
            fill(payload, "device", "device", &[("model", Some(model))]);
        } else {
            let user_agent = parse();
            if let Some(family) = known(user_agent.device) {
                let fields = [
                    ("family", Some(&*family)),
                    ("model", user_agent.device_model.as_deref()),
                    ("brand", user_agent.device_brand.as_deref()),
                ];
                fill(payload, "device", "device", &fields);
            }
        }
    }
    if lacks_os {
        if let Some(name) = unquoted(&headers.platform) {
            let version = unquoted(&headers.platform_version);
            fill(payload, os_key, "os", &[("name", Some(name)), ("version", version)]);
        } else {
            let user_agent = parse();
            if let Some(name) = known(user_agent.os) {
                let version = user_agent.os_version.map(|version| at_least(&name, version));
                fill(
                    payload,
                    os_key,
                    "os",
                    &[("name", Some(&name)), ("version", version.as_deref())],
                );
            }
        }
    }
}

/// Browsers stopped to tell more than these.
fn at_least(name: &str, version: String) -> String {
    match (name, &*version) {
        ("Windows", "10") | ("Mac OS X", "10.15.7") => format!(">={version}"),
        _ => version,
    }
}

/// Parsers call `Other` what they do not know.
fn known(family: Option<String>) -> Option<String> {
    family.filter(|family| !family.is_empty() && family != "Other")
}

fn has_context(payload: &Payload<'_>, is_it: impl Fn(&str, &str) -> bool) -> bool {
    let Some(contexts) = object(payload, payload.root(), "contexts") else { return false };
    payload.node(contexts).children().filter(|context| context.kind() == Kind::Object).any(
        |context| {
            let ty = context.get("type").and_then(NodeRef::as_str).unwrap_or_default();
            is_it(context.key().unwrap_or_default(), ty)
        },
    )
}

fn fill(payload: &mut Payload<'_>, key: &str, ty: &str, fields: &[(&str, Option<&str>)]) {
    let Some(contexts) = make_object(payload, payload.root(), "contexts") else { return };
    let Some(context) = make_object(payload, contexts, key) else { return };
    for &(field, value) in fields {
        if let Some(value) = value.filter(|value| !value.is_empty())
            && is_missing(payload, context, field)
        {
            payload.insert(context, field, value);
        }
    }
    payload.insert(context, "type", ty);
}

/// The headers that tell of the browser.
#[derive(Default)]
struct Headers {
    user_agent: Option<String>,
    brands: Option<String>,
    model: Option<String>,
    platform: Option<String>,
    platform_version: Option<String>,
}

impl Headers {
    fn new(payload: &Payload<'_>) -> Self {
        let mut headers = Self::default();
        let Some(request) = object(payload, payload.root(), "request") else { return headers };
        let Some(pairs) = list(payload, request, "headers") else { return headers };
        for (name, value) in payload.node(pairs).children().filter_map(pair) {
            let slot = match name {
                name if name.eq_ignore_ascii_case("user-agent") => &mut headers.user_agent,
                name if name.eq_ignore_ascii_case("sec-ch-ua") => &mut headers.brands,
                name if name.eq_ignore_ascii_case("sec-ch-ua-model") => &mut headers.model,
                name if name.eq_ignore_ascii_case("sec-ch-ua-platform") => &mut headers.platform,
                name if name.eq_ignore_ascii_case("sec-ch-ua-platform-version") => {
                    &mut headers.platform_version
                }
                _ => continue,
            };
            slot.get_or_insert_with(|| value.to_owned());
        }
        headers
    }

    /// The first brand in `"Chromium";v="105", "Google Chrome";v="105"` that is no engine and no filler.
    fn brand(&self) -> Option<(&str, &str)> {
        let mut quoted = self.brands.as_deref()?.split('"').skip(1).step_by(2);
        while let (Some(brand), Some(version)) = (quoted.next(), quoted.next()) {
            let others = ["Brand", "Chromium", "Gecko", "WebKit"];
            if !others.iter().any(|other| brand.contains(other)) {
                return Some((brand, version));
            }
        }
        None
    }
}

fn pair<'t>(pair: NodeRef<'t>) -> Option<(&'t str, &'t str)> {
    let mut parts = pair.children();
    Some((parts.next()?.as_str()?, parts.next()?.as_str()?))
}

fn unquoted(header: &Option<String>) -> Option<&str> {
    let text = header.as_deref()?.trim().trim_matches('"').trim();
    (!text.is_empty()).then_some(text)
}
