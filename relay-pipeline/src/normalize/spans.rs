//! What the times of spans add up to (processing.md 3.17, 3.23).

use std::collections::{BTreeMap, HashMap};

use relay_protocol::payload::{NodeId, Payload, Value};

use super::measurements::put;
use super::place::{is_missing, list, make_object, number, objects, put_number, remove, text};
use super::settings::Settings;
use super::transaction::trace_context;

/// A half-open range of microseconds.
type Interval = (i64, i64);

fn interval(payload: &Payload<'_>, node: NodeId) -> Option<Interval> {
    let micros = |key| Some((number(payload, node, key)? * 1e6).round() as i64);
    let (start, end) = (micros("start_timestamp")?, micros("timestamp")?);
    (start <= end).then_some((start, end))
}

/// How long the intervals last together. Sorts them.
fn union(intervals: &mut [Interval]) -> i64 {
    intervals.sort_unstable();
    let (mut total, mut reached) = (0_i64, i64::MIN);
    for &(start, end) in &*intervals {
        let start = start.max(reached);
        if end > start {
            total = total.saturating_add(end.saturating_sub(start));
            reached = end;
        }
    }
    total
}

fn milliseconds(micros: i64) -> f64 {
    micros as f64 / 1000.0
}

/// The spans, unless trimming cut some off: then sums over all of them are made already.
fn whole_spans(payload: &Payload<'_>, root: NodeId) -> Option<NodeId> {
    list(payload, root, "spans").filter(|&spans| {
        payload.node(spans).meta().is_none_or(|meta| meta.original_length.is_none())
    })
}

/// Says of every span how long it was busy itself, not waiting for its children.
pub(super) fn set_exclusive_times(payload: &mut Payload<'_>) {
    let root = payload.root();
    let Some(spans) = whole_spans(payload, root) else { return };
    let spans: Vec<(NodeId, Interval)> = objects(payload, spans)
        .into_iter()
        .filter_map(|span| Some((span, interval(payload, span)?)))
        .collect();
    let mut children: HashMap<&str, Vec<Interval>> = HashMap::new();
    for &(span, interval) in &spans {
        if let Some(parent) = text(payload, span, "parent_span_id") {
            children.entry(parent).or_default().push(interval);
        }
    }
    let mut exclusive = |id: Option<&str>, (start, end): Interval| {
        // Spans may share an id by mistake, so that the children are needed again.
        let inner = id.and_then(|id| children.get_mut(id)).map_or(0, |children| {
            let mut inner: Vec<Interval> = children
                .iter()
                .map(|&(from, to)| (from.clamp(start, end), to.clamp(start, end)))
                .collect();
            union(&mut inner)
        });
        milliseconds(end.saturating_sub(start).saturating_sub(inner))
    };
    let mut times = Vec::with_capacity(spans.len() + 1);
    if let Some(trace) = trace_context(payload)
        && is_missing(payload, trace, "exclusive_time")
        && let Some(whole) = interval(payload, root)
    {
        times.push((trace, exclusive(text(payload, trace, "span_id"), whole)));
    }
    for &(span, interval) in &spans {
        times.push((span, exclusive(text(payload, span, "span_id"), interval)));
    }
    for (node, time) in times {
        put_number(payload, node, "exclusive_time", time);
    }
}

/// Sums up the spans by their operations, as the project wants it.
pub(super) fn set_breakdowns(payload: &mut Payload<'_>, settings: &Settings) {
    let Some(rules) = settings.breakdowns.as_ref().filter(|rules| !rules.is_empty()) else {
        return;
    };
    let root = payload.root();
    let Some(spans) = whole_spans(payload, root) else { return };
    let spans: Vec<(NodeId, Interval)> = objects(payload, spans)
        .into_iter()
        .filter_map(|span| Some((span, interval(payload, span)?)))
        .collect();
    if spans.is_empty() {
        return;
    }
    let mut results = Vec::new();
    for (name, rule) in rules {
        let Some(prefixes) = rule.span_operations() else { continue };
        let mut matched: BTreeMap<&str, Vec<Interval>> = BTreeMap::new();
        let mut others: BTreeMap<&str, Vec<Interval>> = BTreeMap::new();
        for &(span, interval) in &spans {
            let Some(op) = text(payload, span, "op") else { continue };
            match prefixes.iter().find(|prefix| op.starts_with(prefix.as_str())) {
                Some(prefix) => matched.entry(prefix).or_default().push(interval),
                None => others.entry(op).or_default().push(interval),
            }
        }
        let mut measurements = Vec::new();
        let mut total = 0_i64;
        for (prefix, mut intervals) in matched {
            let time = union(&mut intervals);
            total = total.saturating_add(time);
            measurements.push((format!("ops.{prefix}"), milliseconds(time)));
        }
        for mut intervals in others.into_values() {
            total = total.saturating_add(union(&mut intervals));
        }
        measurements.push(("total.time".to_owned(), milliseconds(total)));
        results.push((name, measurements));
    }
    let Some(breakdowns) = make_object(payload, root, "breakdowns") else { return };
    let names: Vec<String> =
        payload.node(breakdowns).children().filter_map(|it| it.key().map(str::to_owned)).collect();
    for name in names.iter().filter(|name| !rules.contains_key(*name)) {
        remove(payload, breakdowns, name);
    }
    for (name, measurements) in results {
        let breakdown = payload.insert(breakdowns, name, Value::Object);
        for (key, time) in measurements {
            put(payload, breakdown, &key, time, "millisecond");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::union;

    #[test]
    fn intervals_that_overlap_count_once() {
        assert_eq!(union(&mut [(5, 8), (0, 3), (2, 4), (6, 7), (9, 9)]), 7);
        assert_eq!(union(&mut []), 0);
        assert_eq!(union(&mut [(i64::MIN, i64::MAX), (i64::MIN, 0)]), i64::MAX);
    }
}
