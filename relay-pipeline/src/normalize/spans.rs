//! What the times of spans add up to (spec/processing.md 3.17, 3.23).

use std::collections::{BTreeMap, HashMap};

use relay_protocol::payload::{NodeId, NodeRef, Payload, Value};

use super::measurements::put;
use super::place::{is_missing, list, make_object, number, objects, put_number, text};
use super::settings::Settings;
use super::transaction::trace_context;

/// A half-open range of microseconds.
type Interval = (i64, i64);

fn interval(payload: &Payload<'_>, node: NodeId) -> Option<Interval> {
    let micros = |key| Some((number(payload, node, key)? * 1e6).round() as i64);
    let (start, end) = (micros("start_timestamp")?, micros("timestamp")?);
    (start <= end).then_some((start, end))
}

/// Intervals that neither overlap nor touch, in order, and how long those before each of them last together.
struct Union(Vec<(Interval, i64)>);

impl Union {
    fn new(mut intervals: Vec<Interval>) -> Self {
        intervals.sort_unstable();
        let mut union: Vec<(Interval, i64)> = Vec::new();
        for (start, end) in intervals {
            match union.last_mut() {
                Some(((_, reached), _)) if start <= *reached => *reached = end.max(*reached),
                Some(&mut ((from, to), before)) => {
                    let before = before.saturating_add(to.saturating_sub(from));
                    union.push(((start, end), before));
                }
                None => union.push(((start, end), 0)),
            }
        }
        Self(union)
    }

    /// How long all of it lasts.
    fn length(&self) -> i64 {
        self.until(i64::MAX)
    }

    /// How long that part of it lasts that lies within an interval.
    fn within(&self, (start, end): Interval) -> i64 {
        self.until(end).saturating_sub(self.until(start))
    }

    /// How long the part before a moment lasts.
    fn until(&self, moment: i64) -> i64 {
        let next = self.0.partition_point(|&((start, _), _)| start < moment);
        next.checked_sub(1)
            .and_then(|last| self.0.get(last))
            .map_or(0, |&((start, end), before)| {
                before.saturating_add(end.min(moment).saturating_sub(start))
            })
    }
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
    let children: HashMap<&str, Union> =
        children.into_iter().map(|(parent, intervals)| (parent, Union::new(intervals))).collect();
    let exclusive = |id: Option<&str>, interval: Interval| {
        let inner = id.and_then(|id| children.get(id)).map_or(0, |union| union.within(interval));
        milliseconds(interval.1.saturating_sub(interval.0).saturating_sub(inner))
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
        for (prefix, intervals) in matched {
            let time = Union::new(intervals).length();
            total = total.saturating_add(time);
            measurements.push((format!("ops.{prefix}"), milliseconds(time)));
        }
        for intervals in others.into_values() {
            total = total.saturating_add(Union::new(intervals).length());
        }
        measurements.push(("total.time".to_owned(), milliseconds(total)));
        results.push((name, measurements));
    }
    let Some(breakdowns) = make_object(payload, root, "breakdowns") else { return };
    let is_old = |it: &NodeRef<'_>| it.key().is_none_or(|name| !rules.contains_key(name));
    let old: Vec<NodeId> =
        payload.node(breakdowns).children().filter(is_old).map(NodeRef::id).collect();
    for breakdown in old {
        payload.remove(breakdown);
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
    use super::Union;

    #[test]
    fn intervals_that_overlap_count_once() {
        let union = Union::new(vec![(5, 8), (0, 3), (2, 4), (6, 7), (9, 9)]);
        assert_eq!(union.length(), 7);
        assert_eq!(union.within((1, 6)), 4);
        assert_eq!(union.within((4, 5)), 0);
        assert_eq!(union.within((-5, 100)), 7);
        assert_eq!(Union::new(vec![]).length(), 0);
        assert_eq!(Union::new(vec![(i64::MIN, i64::MAX), (i64::MIN, 0)]).length(), i64::MAX);
    }
}
