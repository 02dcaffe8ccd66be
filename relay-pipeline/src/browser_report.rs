//! What browsers report by themselves, as the events and logs that Sentry keeps (spec/schema.md 8).

use relay_protocol::schema::{
    Attribute, BrowserReport, Csp, CspReport, Event, Log, LogEntry, NelReport, Pairs, Request,
    Timestamp,
};
use relay_protocol::{DiscardReason, EventType, FilterReason, InvalidReason, TraceId};
use url::Url;

/// What the upload of a report tells beside the report.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportContext<'a> {
    /// `sentry_release` of the URL.
    pub release: Option<&'a str>,
    /// `sentry_environment` of the URL.
    pub environment: Option<&'a str>,
    /// The `Origin` of the request.
    pub origin: Option<&'a str>,
}

/// Makes an event of a security report: of a violation of a Content Security Policy.
///
/// ```
/// use relay_pipeline::{ReportContext, security_event};
///
/// let report = br#"{"csp-report":{
///     "document-uri":"https://shop.example/","blocked-uri":"https://ads.example/x.js","violated-directive":"script-src 'self'"
/// }}"#;
/// let event = security_event(report, &ReportContext { release: Some("1.0"), ..ReportContext::default() })?;
/// assert_eq!(event.logentry.unwrap().formatted.as_deref(), Some("Blocked 'script' from 'ads.example'"));
/// assert_eq!(event.tags.unwrap().value_of("blocked-host"), Some("ads.example"));
/// # Ok::<(), relay_protocol::DiscardReason>(())
/// ```
///
/// # Errors
///
/// `security_report` for what is no report or names no directive, `security_report_type` for one without a type,
/// and the filter `invalid-csp` for one of another type.
pub fn security_event(report: &[u8], context: &ReportContext<'_>) -> Result<Event, DiscardReason> {
    let invalid = |reason| Err(DiscardReason::Invalid(reason));
    let broken = DiscardReason::Invalid(InvalidReason::SecurityReport);
    let has_type = |report: &serde_json::Value| {
        report.get("csp-report").is_some() || report.get("type").is_some_and(|ty| ty.is_string())
    };
    let json: serde_json::Value = serde_json::from_slice(report).map_err(|_| broken.clone())?;
    if !json.is_object() {
        return Err(broken);
    }
    if !has_type(&json) {
        return invalid(InvalidReason::SecurityReportType);
    }
    match serde_json::from_value(json) {
        Ok(BrowserReport::Csp(report)) => csp_event(*report, context).ok_or(broken),
        Ok(_) => Err(DiscardReason::Filtered(FilterReason::InvalidCsp)),
        Err(_) => Err(broken),
    }
}

/// `None` if nobody knows the directive.
fn csp_event(report: CspReport, context: &ReportContext<'_>) -> Option<Event> {
    let directive = report.directive()?.to_owned();
    let document = report.document_uri.as_deref().and_then(|uri| Url::parse(uri).ok());
    let blocked = Url::parse(&report.blocked_uri).ok();
    let blocked_host = blocked
        .as_ref()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .and_then(Url::host_str)
        .map(str::to_owned);

    let mut tags = vec![
        ("effective-directive", directive.clone()),
        ("blocked-uri", without_secrets(&report.blocked_uri)),
    ];
    if let Some(host) = &blocked_host {
        tags.push(("blocked-host", host.clone()));
    }
    let mut headers = Vec::new();
    if let Some(referrer) = report.referrer.as_deref().filter(|referrer| !referrer.is_empty()) {
        headers.push(("Referer", referrer));
    }
    headers.extend(context.origin.map(|origin| ("Origin", origin)));
    let request = Request {
        url: report.document_uri.clone(),
        headers: (!headers.is_empty()).then(|| headers.into_iter().collect()),
        ..Request::default()
    };
    let message = message(&directive, &report, blocked_host.as_deref());
    Some(Event {
        ty: Some(EventType::Csp),
        logentry: Some(LogEntry::from(&*message)),
        culprit: Some(culprit(&report.violated_directive, document.as_ref())),
        release: context.release.map(str::to_owned),
        environment: context.environment.map(str::to_owned),
        tags: Some(tags.into_iter().collect::<Pairs>()),
        request: Some(request),
        csp: Some(Csp::from(report)),
        ..Event::default()
    })
}

/// Payment pages have in their queries what nobody should read.
fn without_secrets(uri: &str) -> String {
    let end = match uri.starts_with("https://api.stripe.com/") {
        true => uri.find(['?', '#']).unwrap_or(uri.len()),
        false => uri.len(),
    };
    uri.get(..end).unwrap_or(uri).to_owned()
}

/// Whether what was blocked is part of the page itself.
fn is_local(uri: &str) -> bool {
    matches!(uri, "" | "self" | "'self'")
}

/// A sentence for people.
fn message(directive: &str, report: &CspReport, host: Option<&str>) -> String {
    let thing = match directive {
        "img-src" => "image",
        "form-action" => "action to",
        other => other.strip_suffix("-src").unwrap_or(other),
    };
    if !is_local(&report.blocked_uri) {
        return format!("Blocked '{thing}' from '{}'", host.unwrap_or(&report.blocked_uri));
    }
    if !directive.starts_with("script-src") {
        return format!("Blocked inline '{thing}'");
    }
    let allows = |word| report.violated_directive.contains(word);
    match (allows("'unsafe-inline'"), allows("'unsafe-eval'")) {
        (true, false) => "Blocked unsafe inline 'script'".to_owned(),
        (false, true) => "Blocked unsafe eval() 'script'".to_owned(),
        _ => "Blocked unsafe (eval() or inline) 'script'".to_owned(),
    }
}

/// The directive with its sources, in which the page's own host is called `'self'`.
fn culprit(violated: &str, document: Option<&Url>) -> String {
    let mut words = violated.split_ascii_whitespace();
    let directive = words.next().unwrap_or_default().to_owned();
    let own = document.and_then(Url::host_str);
    words.fold(directive, |mut culprit, source| {
        let host = source.split_once("://").map_or(source, |(_, rest)| rest);
        let host = host.split(['/', ':']).next().unwrap_or_default();
        culprit.push(' ');
        culprit.push_str(if own == Some(host) { "'self'" } else { source });
        culprit
    })
}

/// Makes a log of a failed request that a browser reports (Network Error Logging).
///
/// It happened `age` before `received`; a report has no trace of its own, so that one must be given.
pub fn network_error_log(report: NelReport, received: Timestamp, trace_id: TraceId) -> Log {
    let NelReport { age, body, url, user_agent, other: _ } = report;
    let age = age.unwrap_or_default().max(0).saturating_mul(1000);
    let happened = Timestamp::from_micros(received.micros().saturating_sub(age));
    let what = body.ty.clone().unwrap_or_else(|| "unknown".to_owned());
    let host = url.as_deref().and_then(|url| Url::parse(url).ok());
    let host = host.as_ref().and_then(Url::host_str).map(str::to_owned);
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let texts = [
        ("browser.report.type", Some("network-error".to_owned())),
        ("http.request.method", body.method),
        ("nel.phase", body.phase),
        ("nel.referrer", body.referrer),
        ("nel.type", body.ty),
        ("network.protocol.name", body.protocol),
        ("server.address", body.server_ip.filter(|address| !address.is_empty()).or(host)),
        ("url.full", url),
        ("user_agent.original", user_agent),
    ];
    let numbers = [
        ("nel.elapsed_time", body.elapsed_time.map(number)),
        ("http.response.status_code", body.status_code.map(number)),
    ];
    let texts = texts.into_iter().filter_map(|(name, text)| {
        let text = text.filter(|text| !text.is_empty())?;
        Some((name, Attribute::from(&*text)))
    });
    let numbers =
        numbers.into_iter().filter_map(|(name, number)| Some((name, Attribute::from(number?))));
    let fraction =
        body.sampling_fraction.map(|share| ("nel.sampling_fraction", Attribute::from(share)));
    let attributes = texts.chain(numbers).chain(fraction);
    Log {
        timestamp: Some(happened.unwrap_or(received)),
        trace_id: Some(trace_id),
        level: Some(if what == "ok" { "info" } else { "warn" }.to_owned()),
        body: Some(what),
        attributes: Some(
            attributes.map(|(name, attribute)| (name.to_owned(), attribute)).collect(),
        ),
        ..Log::default()
    }
}
