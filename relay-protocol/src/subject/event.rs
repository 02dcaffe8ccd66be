use super::{at, duration, measurement, scalar, uuid};
use crate::payload::NodeRef;
use crate::{Field, Release, Subject};

/// An event or transaction, as conditions see it: `event.…`.
///
/// ```
/// use relay_protocol::payload::Payload;
/// use relay_protocol::{Condition, EventSubject};
///
/// let event = Payload::parse(br#"{"exception":{"values":[{"type":"KeyError"}]}}"#)?;
/// let condition: Condition = serde_json::from_str(
///     r#"{"op":"any","name":"event.exception.values","inner":{"op":"eq","name":"ty","value":"KeyError"}}"#,
/// )?;
/// assert!(condition.matches(&EventSubject::new(event.node(event.root()))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct EventSubject<'t>(NodeRef<'t>);

impl<'t> EventSubject<'t> {
    /// The event that stands there. It should have passed the schema check.
    pub fn new(event: NodeRef<'t>) -> Self {
        Self(event)
    }

    fn release_part(self, part: impl Fn(Release<'t>) -> Option<&'t str>) -> Option<Field<'t>> {
        let release = Release::parse(self.0.get("release")?.as_str()?).ok()?;
        part(release).map(Field::from)
    }

    fn tag(self, key: &str) -> Option<Field<'t>> {
        pair(self.0.get("tags")?, |name| name == key)
    }

    fn header(self, key: &str) -> Option<Field<'t>> {
        pair(self.0.path(&["request", "headers"])?, |name| name.eq_ignore_ascii_case(key))
    }

    fn context(self, name: &str) -> Option<Field<'t>> {
        let (context, key) = match name {
            "os" | "browser" | "runtime" => (name, name),
            _ => name.split_once('.').filter(|&(context, key)| is_addressable(context, key))?,
        };
        match (context, key) {
            ("device", "uuid") | ("profile", "profile_id") => {
                uuid(self.0.get("contexts")?.get(context)?, key)
            }
            _ => at(self.0, &["contexts", context, key]),
        }
    }
}

/// The fields of contexts that have a name.
fn is_addressable(context: &str, key: &str) -> bool {
    match context {
        "app" => matches!(key, "in_foreground" | "device_app_hash"),
        "browser" => matches!(key, "name" | "version"),
        "device" => matches!(
            key,
            "arch"
                | "battery_level"
                | "brand"
                | "charging"
                | "family"
                | "locale"
                | "model"
                | "name"
                | "online"
                | "orientation"
                | "screen_density"
                | "screen_dpi"
                | "screen_height_pixels"
                | "screen_width_pixels"
                | "simulator"
                | "uuid"
        ),
        "gpu" => matches!(key, "name" | "vendor_name"),
        "monitor" => matches!(key, "id" | "slug"),
        "os" => matches!(key, "build" | "kernel_version" | "name" | "rooted" | "version"),
        "profile" => key == "profile_id",
        "response" => key == "status_code",
        "runtime" => key == "name",
        "trace" => matches!(key, "op" | "status"),
        "unreal" => key == "crash_type",
        _ => false,
    }
}

/// The value of the first pair whose key is meant.
fn pair<'t>(list: NodeRef<'t>, is_key: impl Fn(&str) -> bool) -> Option<Field<'t>> {
    let found = list
        .children()
        .find(|pair| pair.children().next().and_then(NodeRef::as_str).is_some_and(&is_key));
    found?.element(1).and_then(scalar)
}

impl Subject for EventSubject<'_> {
    fn field(&self, name: &str) -> Option<Field<'_>> {
        let event = self.0;
        let name = name.strip_prefix("event.")?;
        match name {
            "level" | "release" | "dist" | "environment" | "transaction" | "logger" => {
                at(event, &[name])
            }
            "platform" => at(event, &[name]).or(Some(Field::from("other"))),
            "logentry.formatted"
            | "logentry.message"
            | "user.ip_address"
            | "user.name"
            | "user.geo.city"
            | "user.geo.country_code"
            | "user.geo.region"
            | "user.geo.subdivision"
            | "request.method"
            | "request.url"
            | "sdk.name"
            | "sdk.version" => {
                let mut keys = name.split('.');
                keys.try_fold(event, |node, key| node.get(key)).and_then(scalar)
            }
            "user.id" | "user.email" | "user.segment" => {
                let (_, key) = name.split_once('.')?;
                let text = event.path(&["user", key])?.as_str()?;
                (!text.is_empty()).then(|| Field::from(text))
            }
            "sentry_user" => at(event, &["user", name]),
            "transaction.source" => at(event, &["transaction_info", "source"]),
            "duration" => {
                let ty = event.get("type").and_then(NodeRef::as_str);
                (ty == Some("transaction")).then(|| duration(event)).flatten()
            }
            "release.build" => self.release_part(|release| release.build_hash()),
            "release.package" => self.release_part(|release| release.package()),
            "release.version.short" => {
                self.release_part(|release| release.version().map(|version| version.short()))
            }
            _ => {
                let (group, rest) = name.split_once('.')?;
                match group {
                    "contexts" => self.context(rest),
                    "tags" => self.tag(rest),
                    "measurements" => measurement(event, rest),
                    "breakdowns" => {
                        let (breakdown, name) = rest.split_once('.')?;
                        let name = name.strip_suffix(".value").unwrap_or(name);
                        at(event, &["breakdowns", breakdown, name, "value"])
                    }
                    "extra" => {
                        let extra = event.get("extra")?;
                        rest.split('.').try_fold(extra, |node, key| node.get(key)).and_then(scalar)
                    }
                    "request" => self.header(rest.strip_prefix("headers.")?),
                    _ => None,
                }
            }
        }
    }

    fn any(&self, name: &str, test: &mut dyn FnMut(&dyn Subject) -> bool) -> Option<bool> {
        if name != "event.exception.values" {
            return None;
        }
        let exceptions = self.0.path(&["exception", "values"])?;
        Some(exceptions.children().any(|exception| test(&Exception(exception))))
    }
}

struct Exception<'t>(NodeRef<'t>);

impl Subject for Exception<'_> {
    fn field(&self, name: &str) -> Option<Field<'_>> {
        match name {
            "ty" => at(self.0, &["type"]),
            "value" => at(self.0, &["value"]),
            _ => None,
        }
    }
}

/// A replay event, as conditions see it: some of the names of events.
#[derive(Clone, Copy, Debug)]
pub struct ReplaySubject<'t>(EventSubject<'t>);

impl<'t> ReplaySubject<'t> {
    /// The replay event that stands there.
    pub fn new(replay: NodeRef<'t>) -> Self {
        Self(EventSubject::new(replay))
    }
}

impl Subject for ReplaySubject<'_> {
    fn field(&self, name: &str) -> Option<Field<'_>> {
        let group = name.strip_prefix("event.")?.split('.').next()?;
        let has =
            ["release", "dist", "environment", "platform", "user", "request", "sdk", "contexts"];
        has.contains(&group).then(|| self.0.field(name)).flatten()
    }
}
