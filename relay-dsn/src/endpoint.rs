//! The endpoints of a project.

use std::fmt::Write;

use crate::Dsn;
use crate::parse::is_unreserved;

/// A kind of OpenTelemetry data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// Log records.
    Logs,
    /// Spans.
    Traces,
}

/// # URLs
///
/// `{origin}{path prefix}api/{project id}/…`. The endpoints that have no public key in their URL want it in an auth
/// header or query. Arguments are percent-encoded: they may be any text, except that no segment of a path can be `.` or
/// `..`.
impl Dsn {
    /// Where envelopes go: what today's SDKs send.
    pub fn envelope_url(&self) -> String {
        self.url("envelope/")
    }

    /// Where single events go, the way old SDKs send them.
    pub fn store_url(&self) -> String {
        self.url("store/")
    }

    /// What a page's `Content-Security-Policy` names as the place for violation reports.
    ///
    /// ```
    /// use relay_dsn::Dsn;
    ///
    /// let dsn: Dsn = "https://key@sentry.example/42".parse()?;
    /// assert_eq!(
    ///     dsn.security_url(Some("production"), Some("shop@1.0")),
    ///     "https://sentry.example/api/42/security/?sentry_key=key&sentry_environment=production&sentry_release=shop%401.0",
    /// );
    /// # Ok::<(), relay_dsn::ParseDsnError>(())
    /// ```
    pub fn security_url(&self, environment: Option<&str>, release: Option<&str>) -> String {
        let mut url = self.url_with_key("security/");
        for (name, value) in [("sentry_environment", environment), ("sentry_release", release)] {
            if let Some(value) = value {
                url.extend(["&", name, "="]);
                push_encoded(&mut url, value);
            }
        }
        url
    }

    /// Where crash handlers post minidumps.
    pub fn minidump_url(&self) -> String {
        self.url_with_key("minidump/")
    }

    /// What the crash reporter of Unreal Engine is configured with.
    pub fn unreal_url(&self) -> String {
        let mut url = self.url("unreal/");
        push_encoded(&mut url, self.public_key());
        url.push('/');
        url
    }

    /// Where attachments go that follow the event with this id.
    pub fn attachments_url(&self, event_id: &str) -> String {
        let mut url = self.url("events/");
        push_encoded(&mut url, event_id);
        url.push_str("/attachments/");
        url
    }

    /// Where a job of the monitor `slug` reports: `?status=ok` and the like follow.
    pub fn cron_url(&self, slug: &str) -> String {
        let mut url = self.url("cron/");
        for segment in [slug, self.public_key()] {
            push_encoded(&mut url, segment);
            url.push('/');
        }
        url
    }

    /// Where browsers send Network Error Logging reports.
    pub fn nel_url(&self) -> String {
        self.url_with_key("nel/")
    }

    /// Where OpenTelemetry exporters send data of one kind.
    pub fn otlp_url(&self, signal: Signal) -> String {
        self.url(match signal {
            Signal::Logs => "integration/otlp/v1/logs",
            Signal::Traces => "integration/otlp/v1/traces",
        })
    }

    /// What a Vercel log drain is configured with.
    pub fn vercel_logs_url(&self) -> String {
        self.url("integration/vercel/logs")
    }

    /// Where a resumable upload (TUS) starts; the answer's `Location` says where it goes on.
    pub fn upload_url(&self) -> String {
        self.url("upload/")
    }

    fn url(&self, endpoint: &str) -> String {
        let (scheme, authority) = (self.scheme, self.authority());
        let (prefix, project_id) = (self.path_prefix(), &self.project_id);
        format!("{scheme}://{authority}{prefix}api/{project_id}/{endpoint}")
    }

    fn url_with_key(&self, endpoint: &str) -> String {
        let mut url = self.url(endpoint);
        url.push_str("?sentry_key=");
        push_encoded(&mut url, self.public_key());
        url
    }
}

/// Percent-encodes whatever is not plain text in both a path segment and a query.
fn push_encoded(url: &mut String, text: &str) {
    for byte in text.bytes() {
        if is_unreserved(byte) {
            url.push(char::from(byte));
        } else {
            write!(url, "%{byte:02X}").expect("a String takes all");
        }
    }
}
