//! One case from its setup to what the upstream saw.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use relay_server::Config;
use serde_json::Value;

use crate::case::{Case, Envelope, Forwarded, Item, Seen, Setup, Step};
use crate::check::{Mismatch, Names};
use crate::support::{self, Answer, Message, Relay, Reply, Upstream, fresh_id};

/// Runs a case with an upstream and a relay of its own: whatever arrives is because of it.
pub(crate) fn run(case: &Case) -> Result<(), Mismatch> {
    let event_id = uuid::Uuid::new_v4();
    let mut names = Names::new([
        ("K", fresh_id()),
        ("K2", fresh_id()),
        ("E", event_id.simple().to_string()),
        ("E-", event_id.to_string()),
        ("E2", fresh_id()),
        ("VERSION", env!("CARGO_PKG_VERSION").to_owned()),
    ]);
    let upstream = upstream(&case.setup, &names)?;
    names.insert("UPSTREAM", upstream.address().to_string());
    let relay = Relay::start(config(&case.setup, &upstream)?);

    let mut seen_before = 0;
    let mut envelopes_before = HashSet::new();
    for (index, step) in case.steps.iter().enumerate() {
        let in_step = |mismatch: Mismatch| format!("step {index}: {mismatch}");
        if holds_back(&case.setup) {
            // The first envelope stays in the queue, and nothing but the limit itself shows that the
            // relay has read the upstream's answer.
            let deadline = Instant::now() + support::PATIENCE;
            while let Err(mismatch) = answered(step, relay.address(), &mut names) {
                if Instant::now() > deadline {
                    return Err(in_step(mismatch));
                }
            }
            upstream.wait_for(1);
        } else {
            answered(step, relay.address(), &mut names).map_err(in_step)?;
            // With nothing left to forward, what the upstream has not seen will not come.
            relay.settle();
        }
        let requests = upstream.requests();
        // An envelope that was sent again counts once.
        let of_step: Vec<&Message> = requests[seen_before..]
            .iter()
            .filter(|request| {
                !support::is_envelope(request) || envelopes_before.insert(request.content())
            })
            .map(|request| &**request)
            .collect();
        seen_before = requests.len();
        seen(step.upstream.in_proxy_mode(), &of_step, &mut names).map_err(in_step)?;
    }
    relay.stop_now();
    Ok(())
}

/// Whether the upstream takes nothing before some time is over: the relay keeps the envelope then,
/// where the reference takes it for delivered (docs/decisions/0003-upstream-429.md).
fn holds_back(setup: &Setup) -> bool {
    let mut headers = setup.upstream_answers.iter().flat_map(|answer| &answer.headers);
    headers.any(|(name, value)| name == "Retry-After" && value.parse::<f64>().is_ok())
}

fn upstream(setup: &Setup, names: &Names) -> Result<Upstream, Mismatch> {
    let reply = |status, headers: &[(String, String)], body: Option<&Value>| {
        let mut reply = Reply::new(status);
        if let Some(body) = body {
            reply = reply.body(names.body(body)?);
        }
        for (name, value) in headers {
            reply = reply.header(name, &names.fill(value)?);
        }
        Ok::<_, Mismatch>(Answer::from(reply))
    };
    let mut rules = Vec::new();
    for rule in &setup.upstream_rules {
        let answer = match rule.delay_s {
            // All such cases are about an upstream that is slower than the relay is patient.
            Some(_) => Answer::Silence,
            None => reply(rule.status.unwrap_or(200), &rule.headers, rule.body.as_ref())?,
        };
        rules.push((rule.path.clone(), answer));
    }
    let answers: Result<Vec<_>, _> = setup
        .upstream_answers
        .iter()
        .map(|answer| reply(answer.status, &answer.headers, answer.body.as_ref()))
        .collect();
    let otherwise = support::in_order(answers?);
    let script = move |request: &Message| {
        let rule = rules.iter().find(|(path, _)| request.target().starts_with(path));
        rule.map_or_else(|| otherwise(request), |(_, answer)| answer.clone())
    };
    Ok(if setup.upstream_down { Upstream::down(script) } else { Upstream::scripted(script) })
}

fn config(setup: &Setup, upstream: &Upstream) -> Result<Config, Mismatch> {
    let mut config = support::proxy_config(upstream);
    if holds_back(setup) {
        // Nothing may be on its way beside the envelope that brings the limit.
        config.limits.max_concurrent_requests = 1;
    }
    if setup.upstream_rules.iter().any(|rule| rule.delay_s.is_some()) {
        config.http.timeout = Duration::from_millis(50);
    }
    for (section, settings) in setup.relay.as_object().into_iter().flatten() {
        for (key, value) in settings.as_object().into_iter().flatten() {
            let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
            match (section.as_str(), key.as_str(), value.as_bool(), size) {
                ("http", "forward", Some(flag), _) => config.http.forward = flag,
                ("routing", "accept_unknown_items", Some(flag), _) => {
                    config.accept_unknown_items = flag;
                }
                ("limits", "max_attachment_size", _, Some(size)) => {
                    config.limits.items.max_attachment_size = size;
                }
                ("limits", "max_attachments_size", _, Some(size)) => {
                    config.limits.items.max_attachments_size = size;
                }
                _ => return Err(format!("the setting {section}.{key}: {value} is not known")),
            }
        }
    }
    Ok(config)
}

/// Sends the request and holds the answer against what is expected.
fn answered(
    Step { request, expect, .. }: &Step,
    relay: SocketAddr,
    names: &mut Names,
) -> Result<(), Mismatch> {
    let mut sent = support::Request::new(&request.method, &names.fill(&request.path)?);
    for (name, value) in &request.headers {
        sent = sent.header(name, &names.fill(value)?);
    }
    if let Some(body) = &request.body {
        sent = sent.body(names.body(body)?);
    }
    if request.chunked {
        sent = sent.chunked();
    }
    let answer = sent.send(relay);

    if answer.status() != expect.status {
        return Err(format!("status {} {}, not {}", answer.status(), answer.text(), expect.status));
    }
    let always = [
        ("server".to_owned(), Value::from("sentry-relay/{{VERSION}}")),
        ("cross-origin-resource-policy".to_owned(), Value::from("cross-origin")),
    ];
    names.headers(&always.into(), &answer)?;
    names.headers(&expect.headers, &answer)?;
    if let Some(expected) = &expect.json {
        let actual = serde_json::from_slice(&answer.content())
            .map_err(|_| format!("{:?} is no JSON", answer.text()))?;
        names.exactly(expected, Some(&actual)).map_err(|mismatch| format!("body: {mismatch}"))?;
    }
    if let Some(expected) = &expect.body {
        names
            .content(expected, &answer.content())
            .map_err(|mismatch| format!("body: {mismatch}"))?;
    }
    Ok(())
}

/// Holds what arrived upstream against what is expected.
fn seen(expected: &Seen, requests: &[&Message], names: &mut Names) -> Result<(), Mismatch> {
    let (with_envelope, without): (Vec<&Message>, Vec<&Message>) =
        requests.iter().partition(|request| support::is_envelope(request));
    if let Some(expected) = &expected.envelopes {
        any_order(expected, with_envelope, names)?;
    }
    if let Some(expected) = &expected.requests {
        if expected.len() != without.len() {
            return Err(format!("{} requests upstream, not {}", without.len(), expected.len()));
        }
        for (expected, actual) in expected.iter().zip(without) {
            forwarded(expected, actual, names).map_err(|m| format!("upstream request: {m}"))?;
        }
    }
    Ok(())
}

fn any_order(
    expected: &[Envelope],
    mut actual: Vec<&Message>,
    names: &mut Names,
) -> Result<(), Mismatch> {
    if expected.len() != actual.len() {
        return Err(format!("{} envelopes upstream, not {}", actual.len(), expected.len()));
    }
    for expected in expected {
        let mut mismatches = Vec::new();
        let found = actual.iter().position(|actual| {
            // An attempt that fails must not leave its captures behind.
            let mut attempt = names.clone();
            match arrived(expected, actual, &mut attempt) {
                Ok(()) => {
                    *names = attempt;
                    true
                }
                Err(mismatch) => {
                    mismatches.push(mismatch);
                    false
                }
            }
        });
        match found {
            Some(index) => drop(actual.remove(index)),
            None => return Err(format!("no such envelope upstream: {mismatches:?}")),
        }
    }
    Ok(())
}

fn arrived(expected: &Envelope, request: &Message, names: &mut Names) -> Result<(), Mismatch> {
    if let Some(path) = &expected.path
        && names.fill(path)? != request.target()
    {
        return Err(format!("path {}, not {path}", request.target()));
    }
    names.headers(&expected.request_headers, request)?;
    let envelope = support::envelope(request);
    names
        .at_least(&expected.header, Some(&Value::Object(envelope.header)))
        .map_err(|mismatch| format!("envelope header: {mismatch}"))?;
    let Some(items) = &expected.items else { return Ok(()) };
    if items.len() != envelope.items.len() {
        return Err(format!("{} items, not {}", envelope.items.len(), items.len()));
    }
    for (index, (expected, actual)) in items.iter().zip(envelope.items).enumerate() {
        item(expected, actual, names).map_err(|mismatch| format!("item {index}: {mismatch}"))?;
    }
    Ok(())
}

fn item(expected: &Item, actual: support::Item, names: &mut Names) -> Result<(), Mismatch> {
    let header = Value::Object(actual.header);
    names.at_least(&expected.header, Some(&header))?;
    if let Some(expected) = &expected.header_exact {
        names.exactly(expected, Some(&header))?;
    }
    if let Some(expected) = &expected.payload {
        names.content(expected, &actual.payload)?;
    }
    if let Some(expected) = &expected.json {
        let json = serde_json::from_slice(&actual.payload).map_err(|_| "no JSON")?;
        names.at_least(expected, Some(&json))?;
    }
    Ok(())
}

fn forwarded(expected: &Forwarded, actual: &Message, names: &mut Names) -> Result<(), Mismatch> {
    let line = format!("{} {}", expected.method, names.fill(&expected.path)?);
    if line != format!("{} {}", actual.method(), actual.target()) {
        return Err(format!("{}, not {line}", actual.start_line));
    }
    names.headers(&expected.headers, actual)?;
    match &expected.body {
        Some(body) => names.content(body, &actual.body),
        None => Ok(()),
    }
}
