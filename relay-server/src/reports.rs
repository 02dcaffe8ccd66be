//! Client reports: the upstream is told what was discarded here, how much of it and why.
//!
//! What is discarded is added up by recipient, time, reason and category. Some time after the first of it, and when the
//! relay stops, envelopes are made of it, which wait, travel and are settled like any other.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use relay_compression::ContentEncoding;
use relay_dsn::{Dsn, ProjectKey};
use relay_envelope::{Envelope, Item, ItemType};
use relay_protocol::{ClientReport, DataCategory, DiscardReason, DiscardedEvent};
use relay_spool::{Appended, NewRecord, SpoolError};
use tokio::sync::{Notify, oneshot};

use crate::config::{EmitOutcomes, Outcomes};
use crate::endpoint::OWN_CLIENT;
use crate::ingest::sender_headers;
use crate::ledger::Loss;
use crate::record::{Items, Record};
use crate::relay::Relay;
use crate::reply::SERVER_NAME;
use crate::storing::{Prepared, to_spool};

/// A project at a target: where items go, and so who is to be told what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Recipient {
    pub(crate) upstream: usize,
    pub(crate) lane: usize,
    pub(crate) key: ProjectKey,
    pub(crate) project: u64,
}

/// Lines kept at most, about 100 bytes each: in mode `proxy` it is the clients who choose keys and projects.
const MAX_LINES: usize = 10_000;

/// Lines in one envelope at most: so that no receiver finds it too large, whatever the reasons are, nor too many items
/// in it, whatever the times.
const MAX_LINES_TOGETHER: usize = 100;

/// What could not be stored, perhaps for hours, is told by the hour: so many lines less.
const COARSE: u64 = 3600;

/// Reports made, and stored, at once.
const PIECE: usize = 64;

/// Between two tries to store, if `aggregator.initial_delay` is not more.
const PAUSE: Duration = Duration::from_secs(1);

/// What was discarded and is not told yet.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    settings: Outcomes,
    lines: Mutex<HashMap<Line, u64>>,
    /// Told of the first line.
    begun: Notify,
    unreported: AtomicU64,
}

/// What is counted by itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Line {
    recipient: Recipient,
    /// When it was discarded: the begin of that time, in seconds since 1970.
    time: u64,
    loss: Loss,
    category: DataCategory,
}

/// What one envelope tells, by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    recipient: Recipient,
    lines: Vec<(Line, u64)>,
}

impl Reports {
    pub(crate) fn new(settings: &Outcomes) -> Self {
        Self { settings: settings.clone(), ..Self::default() }
    }

    /// The recipient is to be told that these items were lost at `now`.
    pub(crate) fn tell(&self, recipient: Recipient, items: &Items, loss: &Loss, now: SystemTime) {
        if self.settings.emit == EmitOutcomes::Nothing {
            return;
        }
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let time = since - since % self.settings.bucket_interval.as_secs().max(1);
        let lines = items.quantities().map(|(category, quantity)| {
            (Line { recipient, time, loss: loss.clone(), category }, quantity)
        });
        self.add(lines);
    }

    fn add(&self, new: impl IntoIterator<Item = (Line, u64)>) {
        let mut lines = self.lines();
        let was_empty = lines.is_empty();
        for (line, quantity) in new.into_iter().filter(|(_, quantity)| *quantity > 0) {
            if let Some(sum) = lines.get_mut(&line) {
                *sum = sum.saturating_add(quantity);
            } else if lines.len() < MAX_LINES {
                lines.insert(line, quantity);
            } else {
                self.unreported.fetch_add(1, Ordering::Relaxed);
            }
        }
        if was_empty && !lines.is_empty() {
            self.begun.notify_one();
        }
    }

    /// How often something was discarded for which there was no line.
    pub(crate) fn unreported(&self) -> u64 {
        self.unreported.load(Ordering::Relaxed)
    }

    /// All that is to be told.
    fn take(&self) -> Vec<Report> {
        let mut by_recipient = HashMap::<_, Vec<_>>::new();
        for (line, quantity) in std::mem::take(&mut *self.lines()) {
            by_recipient.entry(line.recipient).or_default().push((line, quantity));
        }
        let reports = by_recipient.into_iter().flat_map(|(recipient, mut lines)| {
            lines.sort_by_key(|(line, _)| (line.time, line.category.id()));
            let parts = lines.chunks(MAX_LINES_TOGETHER).map(<[_]>::to_vec);
            parts.map(|lines| Report { recipient, lines }).collect::<Vec<_>>()
        });
        reports.collect()
    }

    /// This cannot be told now.
    fn put_back(&self, report: Report) {
        let coarse = |line: Line| Line { time: line.time - line.time % COARSE, ..line };
        self.add(report.lines.into_iter().map(|(line, quantity)| (coarse(line), quantity)));
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<Line, u64>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Report {
    /// A payload for each time.
    fn payloads(&self) -> impl Iterator<Item = ClientReport> + '_ {
        self.lines.chunk_by(|one, other| one.0.time == other.0.time).map(|lines| {
            let time = lines.first().map_or(0, |(line, _)| line.time);
            let mut report = ClientReport {
                timestamp: UNIX_EPOCH.checked_add(Duration::from_secs(time)),
                ..ClientReport::default()
            };
            for (Line { loss, category, .. }, quantity) in lines {
                let (list, reason) = match loss {
                    Loss::Policy(reason @ DiscardReason::RateLimited(_)) => {
                        (&mut report.rate_limited_events, reason.as_str().to_owned())
                    }
                    Loss::Policy(reason @ DiscardReason::Filtered(_)) => {
                        (&mut report.filtered_events, reason.as_str().to_owned())
                    }
                    loss => (&mut report.discarded_events, loss.to_string()),
                };
                list.push(DiscardedEvent { reason, category: *category, quantity: *quantity });
            }
            report
        })
    }

    /// The envelope, as `spec/ingest.md` 10.2 has it.
    fn envelope(&self, dsn: Dsn, now: SystemTime) -> Envelope {
        let mut envelope = Envelope::new();
        let header = envelope.header_mut();
        header.dsn = Some(dsn);
        header.client = Some(OWN_CLIENT.to_owned());
        header.version = Some(7);
        header.user_agent = Some(SERVER_NAME.to_owned());
        header.sent_at = Some(DateTime::<Utc>::from(now));
        for payload in self.payloads() {
            let payload = serde_json::to_vec(&payload).expect("texts and numbers serialise");
            let mut item = Item::new(ItemType::ClientReport, payload);
            item.set_content_type("application/json");
            envelope.push(item);
        }
        envelope
    }
}

/// Sends reports as long as the relay runs.
pub(crate) async fn run(relay: &Arc<Relay>) -> Infallible {
    let reports = &relay.ledger.reports;
    let mut told_of = 0;
    loop {
        reports.begun.notified().await;
        tokio::time::sleep(reports.settings.initial_delay).await;
        if !send(relay).await {
            tokio::time::sleep(PAUSE).await;
        }
        let unreported = reports.unreported();
        if unreported > told_of {
            tracing::warn!(
                unreported,
                "more is discarded for more projects and reasons than client reports are kept for"
            );
            told_of = unreported;
        }
    }
}

/// Puts reports of all that was discarded among the envelopes that wait. Whether there was room for all; those for which
/// there was none are kept for the next time.
pub(crate) async fn send(relay: &Arc<Relay>) -> bool {
    let mut unsent = Unsent { relay, reports: relay.ledger.reports.take() };
    let mut is_all = true;
    while let Some(mut prepared) = unsent.next() {
        is_all &= match &relay.spool {
            None => push(relay, prepared),
            Some(spool) => {
                let (tell, told) = oneshot::channel();
                let new = to_records(&mut prepared);
                let relay = Arc::clone(relay);
                spool.append(new, move |appended| {
                    // Nobody waits for it where the relay has stopped meanwhile.
                    let _ = tell.send(enqueue(&relay, prepared, appended));
                });
                told.await.unwrap_or(false)
            }
        };
    }
    relay.upstreams().iter().for_each(|upstream| upstream.queue.look_after());
    is_all
}

/// At the end, on a thread that may wait: leaves what is not told to the next relay, where it will find it.
pub(crate) fn leave(relay: &Arc<Relay>) {
    let Some(spool) = &relay.spool else { return };
    let mut unsent = Unsent { relay, reports: relay.ledger.reports.take() };
    while let Some(mut prepared) = unsent.next() {
        let new = to_records(&mut prepared);
        let appended = relay_spool::blocking(|reply| spool.append(new, reply));
        enqueue(relay, prepared, appended);
    }
}

/// Reports on their way to where they wait. Dropped on the way, as happens when the relay stops, they are kept.
struct Unsent<'a> {
    relay: &'a Relay,
    reports: Vec<Report>,
}

impl Unsent<'_> {
    /// The next of them, with the records to store.
    fn next(&mut self) -> Option<Vec<(Report, Prepared)>> {
        if self.reports.is_empty() {
            return None;
        }
        let now = SystemTime::now();
        let next = self.reports.drain(self.reports.len().saturating_sub(PIECE)..);
        let next = next.filter_map(|report| match prepare(self.relay, &report, now) {
            Some(prepared) => Some((report, prepared)),
            None => {
                self.relay.ledger.reports.put_back(report);
                None
            }
        });
        Some(next.collect())
    }
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        self.reports.drain(..).for_each(|report| self.relay.ledger.reports.put_back(report));
    }
}

/// `None` if it has to wait in memory, and there is no room.
fn prepare(relay: &Relay, report: &Report, now: SystemTime) -> Option<Prepared> {
    let Recipient { upstream, lane, key, project } = report.recipient;
    let target = relay.upstreams().get(upstream)?.targets.get(lane)?;
    let envelope = report.envelope(target.address.dsn(key, project), now);
    let items = Items::of(envelope.items());
    let headers = sender_headers(envelope.header(), key);
    let mut record = Record::new(lane, (key, project), now, items, headers, relay.budget.take(0));
    // Sent in the encoding that the upstream reads by then; so little is not worth a second way there.
    record.set_body(envelope.encode(), ContentEncoding::Identity);
    let occupied = record.occupied() + record.stored_size;
    match relay.spool {
        Some(_) => record.memory.insist(occupied),
        None => record.memory.grow(occupied).ok()?,
    }
    Some(Prepared { target: Arc::clone(target), record: Box::new(record), event_id: None })
}

fn to_records(prepared: &mut [(Report, Prepared)]) -> Vec<NewRecord> {
    prepared.iter_mut().filter_map(|(_, prepared)| to_spool(prepared)).collect()
}

/// Puts what was stored into its queues; runs on the thread of the spool, in the order of the commits.
fn enqueue(
    relay: &Relay,
    prepared: Vec<(Report, Prepared)>,
    appended: Result<Appended, SpoolError>,
) -> bool {
    let appended = appended.unwrap_or_default();
    relay.given_up(&appended.dropped, &Loss::SpoolFull);
    let ids = appended.stored.into_iter().chain(std::iter::repeat(None));
    let mut is_all = true;
    for ((report, Prepared { target, mut record, .. }), id) in prepared.into_iter().zip(ids) {
        match id {
            Some(id) => {
                record.id = id;
                relay.ledger.made(record.item_count());
                relay.upstream(&target).queue.stored(record);
            }
            None => {
                relay.ledger.reports.put_back(report);
                is_all = false;
            }
        }
    }
    is_all
}

fn push(relay: &Relay, prepared: Vec<(Report, Prepared)>) -> bool {
    for (_, Prepared { target, record, .. }) in prepared {
        relay.ledger.made(record.item_count());
        relay.upstream(&target).queue.add(record);
    }
    true
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use http::StatusCode;
    use proptest::prelude::*;
    use relay_protocol::{CountedItem, FilterReason, ItemKind, Quantities};

    use super::*;

    fn recipient(project: u64) -> Recipient {
        let key = "a94ae32be2582e0bcb7b0ba0d8ba36f3".parse().expect("a key");
        Recipient { upstream: 0, lane: 0, key, project }
    }

    fn quantities(item_type: &str, bytes: u64) -> Quantities {
        CountedItem { item_type, bytes, ..CountedItem::default() }.quantities()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn limited(code: Option<&str>) -> Loss {
        let code = code.map(|code| code.parse().expect("a code"));
        Loss::Policy(DiscardReason::RateLimited(code))
    }

    /// The payloads for one recipient, as JSON.
    fn payloads(reports: &Reports) -> Vec<String> {
        let taken = reports.take();
        let payloads = taken.iter().flat_map(Report::payloads);
        payloads.map(|payload| serde_json::to_string(&payload).expect("JSON")).collect()
    }

    // OPS-093 (the filter itself is not there yet), `spec/ingest.md` 10.2
    #[test]
    fn each_kind_of_loss_goes_to_its_list() {
        let reports = Reports::default();
        let error = Items::counted([quantities("event", 10)]);
        for loss in [
            limited(Some("quota")),
            limited(None),
            Loss::Policy(DiscardReason::Filtered(FilterReason::Localhost)),
            Loss::Policy(DiscardReason::TooLarge(ItemKind::Event)),
            Loss::Refused(StatusCode::BAD_REQUEST),
        ] {
            reports.tell(recipient(1), &error, &loss, at(1_800_000_009));
        }
        let told = payloads(&reports);
        let [told] = &told[..] else { panic!("{told:?}") };
        let told: ClientReport = serde_json::from_str(told).expect("a report");
        let reasons = |list: &[DiscardedEvent]| {
            let reasons =
                list.iter().map(|line| (line.reason.clone(), line.category, line.quantity));
            let mut reasons: Vec<_> = reasons.collect();
            reasons.sort_by(|one, other| one.0.cmp(&other.0));
            reasons
        };
        let line = |reason: &str| (reason.to_owned(), DataCategory::Error, 1);
        assert_eq!(told.timestamp, Some(at(1_800_000_000)));
        assert_eq!(reasons(&told.rate_limited_events), [line(""), line("quota")]);
        assert_eq!(reasons(&told.filtered_events), [line("localhost")]);
        let discarded = [line("too_large:event"), line("upstream_refused:400")];
        assert_eq!(reasons(&told.discarded_events), discarded);
    }

    #[test]
    fn ten_seconds_are_one_payload_and_one_line_for_each_reason_and_category() {
        let reports = Reports::default();
        let attachments = Items::counted([5, 7].map(|bytes| quantities("attachment", bytes)));
        for second in [1_800_000_000, 1_800_000_009, 1_800_000_010] {
            reports.tell(recipient(1), &attachments, &Loss::QueueFull, at(second));
        }
        let line = |category, quantity| {
            format!(r#"{{"reason":"queue_full","category":"{category}","quantity":{quantity}}}"#)
        };
        let payload = |time, times| {
            let lines = [line("attachment", 12 * times), line("attachment_item", 2 * times)];
            format!(r#"{{"timestamp":{time},"discarded_events":[{}]}}"#, lines.join(","))
        };
        let expected = [payload(1_800_000_000, 2), payload(1_800_000_010, 1)];
        assert_eq!(payloads(&reports), expected);
        assert_eq!(payloads(&reports), [""; 0], "told once");
    }

    #[test]
    fn what_could_not_be_told_is_told_by_the_hour() {
        let reports = Reports::default();
        let error = Items::counted([quantities("event", 10)]);
        for second in [1_800_000_000, 1_800_000_010, 1_800_003_590] {
            reports.tell(recipient(1), &error, &Loss::QueueFull, at(second));
        }
        reports.take().into_iter().for_each(|report| reports.put_back(report));
        let line = r#"{"reason":"queue_full","category":"error","quantity":3}"#;
        let expected = format!(r#"{{"timestamp":1800000000,"discarded_events":[{line}]}}"#);
        assert_eq!(payloads(&reports), [expected]);
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_exceeds_it_is_counted() {
        let reports = Reports::default();
        let error = Items::counted([quantities("event", 10)]);
        for project in 0..MAX_LINES as u64 + 5 {
            reports.tell(recipient(project), &error, &Loss::QueueFull, at(0));
        }
        reports.tell(recipient(0), &error, &Loss::QueueFull, at(0));
        assert_eq!(reports.unreported(), 5, "that there is a line already makes the difference");
        assert_eq!(reports.lines().len(), MAX_LINES);
        assert_eq!(reports.take().len(), MAX_LINES, "a recipient each");
    }

    #[test]
    fn an_envelope_is_small_enough_for_any_receiver() {
        let reports = Reports::default();
        let items = Items::counted([quantities("transaction", 10), quantities("log", 10)]);
        // Characters that JSON takes two for.
        let code = "\\".repeat(200);
        for second in 0..1000 {
            reports.tell(recipient(1), &items, &limited(Some(&code)), at(second));
        }
        let limits = relay_pipeline::ItemLimits::default();
        let dsn: Dsn =
            "https://a94ae32be2582e0bcb7b0ba0d8ba36f3@sentry.example/1".parse().expect("a DSN");
        let mut lines = 0;
        for report in reports.take() {
            lines += report.lines.len();
            let envelope = report.envelope(dsn.clone(), at(1000));
            relay_pipeline::check_sizes(&envelope, &limits).expect("not too large");
        }
        assert_eq!(lines, 600);
    }

    #[test]
    fn where_nobody_is_to_be_told_nothing_is_kept() {
        let settings = Outcomes { emit: EmitOutcomes::Nothing, ..Outcomes::default() };
        let reports = Reports::new(&settings);
        let error = Items::counted([quantities("event", 10)]);
        reports.tell(recipient(1), &error, &Loss::QueueFull, at(0));
        assert!(reports.lines().is_empty());
    }

    fn losses() -> impl Strategy<Value = Loss> {
        prop_oneof![
            Just(Loss::QueueFull),
            Just(Loss::UnknownType),
            Just(limited(None)),
            Just(limited(Some("quota"))),
            Just(Loss::Policy(DiscardReason::Filtered(FilterReason::LegacyBrowsers))),
            (400..402_u16).prop_map(|status| {
                Loss::Refused(StatusCode::from_u16(status).expect("a status"))
            }),
        ]
    }

    fn items() -> impl Strategy<Value = Items> {
        let types = ["event", "transaction", "attachment", "log", "session", "client_report", "x"];
        let item = (proptest::sample::select(types.to_vec()), 0..1000_u64);
        proptest::collection::vec(item, 0..4).prop_map(|items| {
            Items::counted(items.into_iter().map(|(ty, bytes)| quantities(ty, bytes)))
        })
    }

    proptest! {
        #[test]
        fn what_is_told_is_what_was_discarded(
            told in proptest::collection::vec((0..3_u64, items(), losses(), 0..50_u64, any::<bool>()), 0..60),
        ) {
            let reports = Reports::default();
            let mut expected = BTreeMap::<(u64, String, i8), u64>::new();
            for (project, items, loss, second, comes_back) in &told {
                reports.tell(recipient(*project), items, loss, at(*second));
                for (category, quantity) in items.quantities() {
                    let reason = match loss {
                        Loss::Policy(reason) => reason.as_str().to_owned(),
                        loss => loss.to_string(),
                    };
                    *expected.entry((*project, reason, category.id())).or_default() += quantity;
                }
                if *comes_back {
                    reports.take().into_iter().for_each(|report| reports.put_back(report));
                }
            }
            let mut seen = BTreeMap::<(u64, String, i8), u64>::new();
            for report in reports.take() {
                for payload in report.payloads() {
                    let lists = [
                        payload.discarded_events,
                        payload.rate_limited_events,
                        payload.filtered_events,
                    ];
                    for line in lists.into_iter().flatten() {
                        let key = (report.recipient.project, line.reason, line.category.id());
                        *seen.entry(key).or_default() += line.quantity;
                    }
                }
            }
            expected.retain(|_, quantity| *quantity > 0);
            prop_assert_eq!(seen, expected);
        }
    }
}
