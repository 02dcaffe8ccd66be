//! Nothing is lost: whatever is sent and whatever the upstream says to it, every item is in one place, and the figures say
//! which. Each item has a mark of its own in its header, by which it is found again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use relay_server::config::{Durability, FanOut, WhenFull};
use relay_server::{Config, Stats};
use relay_spool::{RecordId, View};

use crate::support::{
    Answer, Envelope, Item, Relay, Reply, Request, Upstream, decode, envelope, fresh_id,
    proxy_config,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_item_is_delivered_or_waits_or_was_discarded_for_a_reason(scene in scenes()) {
        let seen = play(&scene)?;
        seen.check_answers(&scene)?;
        seen.check_places(&scene)?;
        seen.check_figures(&scene)?;
    }
}

/// All that is left to chance.
#[derive(Debug, Clone)]
struct Scene {
    accept_unknown: bool,
    storage: Storage,
    fan: Fan,
    /// The limits that the upstreams told of before the first request.
    taught: Option<Vec<&'static str>>,
    /// What each of the two upstreams says, and says to all that comes after.
    script: [(Vec<Say>, Say); 2],
    requests: Vec<Sent>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Storage {
    Memory,
    Disk,
    Tight(usize, WhenFull),
}

/// Where the envelopes of the first of two keys go; those of the second go to the first upstream as they are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fan {
    Nowhere,
    TwoUpstreams,
    TwoProjectsOfOne,
}

/// An answer of an upstream to an envelope.
#[derive(Debug, Clone, PartialEq)]
enum Say {
    Status(u16),
    /// 429, and that these categories are limited; all, if none is named.
    Limited(Vec<&'static str>),
    /// 429, and to come back in an hour.
    HoldOff,
    Reset,
    Silence,
}

/// One request with an envelope.
#[derive(Debug, Clone)]
struct Sent {
    key: usize,
    /// One of few, so that some come twice.
    event_id: Option<u8>,
    items: Vec<Piece>,
    damage: Option<Damage>,
    encoding: Option<&'static str>,
    chunked: bool,
}

#[derive(Debug, Clone)]
struct Piece {
    kind: Kind,
    size: usize,
    fill: u8,
    has_length: bool,
}

/// Makes the whole envelope one that nobody reads.
#[derive(Debug, Clone, Copy)]
enum Damage {
    HeaderIsNoObject,
    LengthIsNoNumber,
    LengthBeyondTheEnd,
    ItemWithoutType,
    InternalItem,
}

/// A type, what else its header says, and the categories that the item counts as.
#[derive(Debug, Clone, Copy)]
struct Kind {
    ty: &'static str,
    fields: &'static str,
    categories: &'static [&'static str],
}

const fn kind(ty: &'static str, fields: &'static str, categories: &'static [&'static str]) -> Kind {
    Kind { ty, fields, categories }
}

const FILE: &[&str] = &["attachment", "attachment_item"];

#[rustfmt::skip]
const KINDS: [Kind; 36] = [
    kind("event", "", &["error"]),
    kind("transaction", r#""span_count":3"#, &["transaction", "span"]),
    kind("security", "", &["security"]),
    kind("raw_security", "", &["security"]),
    kind("unreal_report", "", &["error"]),
    kind("feedback", "", &["feedback"]),
    kind("attachment", "", FILE),
    kind("attachment", r#""attachment_type":"event.attachment","filename":"a.txt""#, FILE),
    kind("attachment", r#""attachment_type":"event.minidump""#, FILE),
    kind("attachment", r#""attachment_type":"event.applecrashreport""#, FILE),
    kind("attachment", r#""attachment_type":"event.view_hierarchy""#, FILE),
    kind("attachment", r#""attachment_type":"unreal.context""#, FILE),
    kind("attachment", r#""content_type":"application/vnd.sentry.trace-attachment","meta_length":0"#, FILE),
    kind("attachment", r#""span_id":"a1b2c3d4e5f6a7b8""#, FILE),
    kind("attachment", r#""content_type":"application/vnd.sentry.attachment-ref+json","attachment_length":9000"#, FILE),
    UNKNOWN_FILE,
    kind("form_data", "", &[]),
    kind("user_report", "", &["feedback"]),
    kind("session", "", &["session"]),
    kind("sessions", "", &["session"]),
    kind("client_report", "", &[]),
    kind("check_in", "", &["monitor"]),
    kind("profile", "", &["profile"]),
    kind("profile", r#""platform":"cocoa""#, &["profile", "profile_ui"]),
    kind("profile_chunk", r#""platform":"python""#, &["profile_chunk"]),
    kind("replay_event", "", &["replay"]),
    kind("replay_recording", "", &["replay"]),
    kind("replay_video", "", &["replay"]),
    kind("log", r#""item_count":3,"content_type":"application/vnd.sentry.items.log+json""#, &["log_item", "log_byte"]),
    kind("trace_metric", r#""item_count":2,"content_type":"application/vnd.sentry.items.trace-metric+json""#,
         &["trace_metric", "trace_metric_byte"]),
    kind("span", r#""item_count":2,"content_type":"application/vnd.sentry.items.span.v2+json""#, &["span"]),
    kind("span", "", &["span"]),
    kind("metric_buckets", "", &[]),
    kind("statsd", "", &[]),
    kind("nel", "", &[]),
    kind("thing of tomorrow", r#""with":{"a":[1,2]}"#, &[]),
];

const UNKNOWN_FILE: Kind = kind("attachment", r#""attachment_type":"file.of.tomorrow""#, FILE);

impl Kind {
    fn is_unknown(self) -> bool {
        ["statsd", "nel", "thing of tomorrow"].contains(&self.ty)
            || self.fields == UNKNOWN_FILE.fields
    }

    /// A limit on these is not told to anybody.
    fn is_dropped_without_a_word(self) -> bool {
        self.fields.contains("trace-attachment") || self.fields.contains("span_id")
    }
}

/// Bytes of a spool in which little has room, of which each of three targets has its share.
const TIGHT: std::ops::Range<usize> = 2400..6000;

/// Sizes around the limits of [`Scene::config`] now and then.
fn pieces() -> impl Strategy<Value = Piece> {
    let size = prop_oneof![
        16 => 0..60_usize,
        1 => 95..105_usize,
        1 => 195..205_usize,
        1 => 295..305_usize,
        1 => 500..1500_usize,
    ];
    let pieces = (select(&KINDS[..]), size, select(&b"a\0\n\xff"[..]), prop::bool::weighted(0.8));
    pieces.prop_map(|(kind, size, fill, has_length)| Piece { kind, size, fill, has_length })
}

fn damages() -> impl Strategy<Value = Damage> {
    select(vec![
        Damage::HeaderIsNoObject,
        Damage::LengthIsNoNumber,
        Damage::LengthBeyondTheEnd,
        Damage::ItemWithoutType,
        Damage::InternalItem,
    ])
}

fn requests() -> impl Strategy<Value = Sent> {
    let encoding = select(vec![None, Some("gzip"), Some("deflate"), Some("br"), Some("zstd")]);
    (
        0..2_usize,
        proptest::option::of(0..3_u8),
        vec(pieces(), 0..6),
        proptest::option::weighted(0.1, damages()),
        encoding,
        any::<bool>(),
    )
        .prop_map(|(key, event_id, items, damage, encoding, chunked)| Sent {
            key,
            event_id,
            items,
            damage,
            encoding,
            chunked,
        })
}

fn limits() -> impl Strategy<Value = Vec<&'static str>> {
    let categories = vec![
        "error",
        "transaction",
        "security",
        "attachment",
        "session",
        "feedback",
        "monitor",
        "profile",
        "replay",
        "log_item",
        "trace_metric",
        "span",
    ];
    subsequence(categories, 0..4)
}

fn answers() -> impl Strategy<Value = Say> {
    prop_oneof![
        16 => Just(Say::Status(200)),
        12 => select(vec![202, 400, 403, 408, 413, 415, 422, 429, 500, 503]).prop_map(Say::Status),
        6 => limits().prop_map(Say::Limited),
        2 => Just(Say::HoldOff),
        2 => Just(Say::Reset),
        1 => Just(Say::Silence),
    ]
}

fn scenes() -> impl Strategy<Value = Scene> {
    let storage = prop_oneof![
        2 => Just(Storage::Memory),
        3 => Just(Storage::Disk),
        1 => TIGHT.prop_map(|size| Storage::Tight(size, WhenFull::Reject)),
        1 => TIGHT.prop_map(|size| Storage::Tight(size, WhenFull::DropOldest)),
    ];
    let finally = vec![Say::Status(200), Say::Status(200), Say::HoldOff, Say::Status(503)];
    let script = || (vec(answers(), 0..6), select(finally.clone()));
    (
        any::<bool>(),
        storage,
        select(vec![Fan::Nowhere, Fan::TwoUpstreams, Fan::TwoProjectsOfOne]),
        proptest::option::weighted(0.4, limits()),
        [script(), script()],
        vec(requests(), 1..8),
    )
        .prop_map(|(accept_unknown, storage, fan, taught, mut script, requests)| {
            if storage == Storage::Memory {
                // An upstream that stays away would be asked until the time to shut down is over.
                script.iter_mut().for_each(|(_, finally)| {
                    if *finally == Say::Status(503) {
                        *finally = Say::HoldOff;
                    }
                });
            }
            Scene { accept_unknown, storage, fan, taught, script, requests }
        })
}

/// The projects that envelopes are for: of the second key, and of the first at its two targets.
const AS_SENT: u64 = 42;
const FANNED: [u64; 2] = [7, 8];

impl Scene {
    fn config(&self, upstreams: &[Upstream; 2], keys: &[String; 2], folder: &Path) -> Config {
        let mut config = proxy_config(&upstreams[0]);
        config.accept_unknown_items = self.accept_unknown;
        config.spool.path = folder.join("spool");
        match self.storage {
            Storage::Memory => config.spool.durability = Durability::Memory,
            Storage::Disk => {}
            Storage::Tight(size, when_full) => {
                config.spool.max_disk_size = size;
                config.spool.when_full = when_full;
            }
        }
        config.http.timeout = Duration::from_millis(if self.is_silent() { 200 } else { 60_000 });
        config.limits.max_envelope_size = 4000;
        let items = &mut config.limits.items;
        items.max_event_size = 300;
        items.max_attachment_size = 500;
        items.max_attachments_size = 600;
        items.max_attachment_count = 3;
        items.max_client_reports_size = 200;
        items.max_client_reports_count = 2;
        items.max_check_in_size = 200;
        items.max_sessions_size = 300;
        items.max_session_count = 2;
        items.max_profile_size = 300;
        items.max_log_size = 100;
        items.max_trace_metric_size = 100;
        items.max_span_size = 100;
        items.max_standalone_span_count = 2;
        items.max_container_size = 300;
        items.max_metric_buckets_size = 200;
        items.max_replay_compressed_size = 300;
        let [first, second] = upstreams.each_ref().map(Upstream::address);
        let second = match self.fan {
            Fan::Nowhere => return config,
            Fan::TwoUpstreams => second,
            Fan::TwoProjectsOfOne => first,
        };
        let dsn = |key: &str, host: String, project: u64| {
            format!("http://{key}@{host}/{project}").parse().expect("a DSN")
        };
        let from = dsn(&keys[0], "relay.example".to_owned(), AS_SENT);
        let to = [(first, FANNED[0]), (second, FANNED[1])]
            .map(|(host, project)| dsn(&fresh_id(), host.to_string(), project));
        config.fan_out = vec![FanOut::new(&from, to.into()).expect("a route")];
        config
    }

    /// Where copies of an envelope with this key go.
    fn projects(&self, key: usize) -> &'static [u64] {
        match (key, self.fan) {
            (0, Fan::TwoUpstreams | Fan::TwoProjectsOfOne) => &FANNED,
            _ => &[AS_SENT],
        }
    }

    /// Whether somebody does not answer in time: then an envelope may have been taken and be sent again.
    fn is_silent(&self) -> bool {
        self.script.iter().any(|(answers, _)| answers.contains(&Say::Silence))
    }

    fn drops(&self, piece: &Piece) -> bool {
        !self.accept_unknown && piece.kind.is_unknown()
    }
}

impl Say {
    fn answer(&self) -> Answer {
        match self {
            Self::Status(status) => Reply::new(*status).into(),
            Self::Limited(categories) => {
                let limits = format!("3600:{}:key:quota", categories.join(";"));
                Reply::new(429).header("X-Sentry-Rate-Limits", &limits).into()
            }
            Self::HoldOff => Reply::new(429).header("Retry-After", "3600").into(),
            Self::Reset => Answer::Reset,
            Self::Silence => Answer::Silence,
        }
    }

    /// What became of an item in an envelope that was answered so, if that was the end of it.
    fn place(&self, categories: &[&str], was_plain: bool) -> Option<Place> {
        match self {
            Self::Status(200 | 202) => Some(Place::Delivered),
            Self::Status(415) if !was_plain => None,
            Self::Status(status @ (400 | 413 | 415 | 422)) => {
                Some(Place::Discarded(format!("upstream_refused:{status}")))
            }
            Self::Limited(limited) => {
                // A limit on transactions is one on their spans.
                let is_limited = |category: &&str| {
                    limited.is_empty()
                        || limited.contains(category)
                        || *category == "span" && limited.contains(&"transaction")
                };
                Some(if categories.iter().any(is_limited) {
                    Place::Discarded("upstream_rate_limited".to_owned())
                } else {
                    Place::Delivered
                })
            }
            _ => None,
        }
    }
}

impl Piece {
    fn payload(&self) -> Vec<u8> {
        // Without a length the payload ends at the first line feed.
        let fill = if self.fill == b'\n' && !self.has_length { b' ' } else { self.fill };
        std::vec::from_elem(fill, self.size)
    }

    fn write(&self, mark: &str, length: Option<&str>, out: &mut Vec<u8>) {
        let mut fields = vec![format!("\"type\":\"{}\",\"mark\":\"{mark}\"", self.kind.ty)];
        if !self.kind.fields.is_empty() {
            fields.push(self.kind.fields.to_owned());
        }
        match length {
            Some(length) => fields.push(format!("\"length\":{length}")),
            None if self.has_length => fields.push(format!("\"length\":{}", self.size)),
            None => {}
        }
        out.extend_from_slice(format!("{{{}}}\n", fields.join(",")).as_bytes());
        out.extend_from_slice(&self.payload());
        out.push(b'\n');
    }
}

impl Sent {
    fn request(&self, key: &str, index: usize) -> Request {
        let mut body = match (self.damage, self.event_id) {
            (Some(Damage::HeaderIsNoObject), _) => b"[]\n".to_vec(),
            (_, Some(id)) => {
                format!("{{\"event_id\":\"{:032x}\"}}\n", u128::from(id) + 1).into_bytes()
            }
            (_, None) => b"{}\n".to_vec(),
        };
        for (number, piece) in self.items.iter().enumerate() {
            piece.write(&mark(index, number), None, &mut body);
        }
        let last = Piece { kind: KINDS[0], size: 3, fill: b'a', has_length: true };
        match self.damage {
            None | Some(Damage::HeaderIsNoObject) => {}
            Some(Damage::LengthIsNoNumber) => last.write("none", Some("\"3\""), &mut body),
            Some(Damage::LengthBeyondTheEnd) => last.write("none", Some("5"), &mut body),
            Some(Damage::ItemWithoutType) => body.extend_from_slice(b"{\"length\":0}\n\n"),
            Some(Damage::InternalItem) => {
                body.extend_from_slice(b"{\"type\":\"integration\"}\n{}\n")
            }
        }
        let mut request = Request::envelope(key, body);
        if let Some(encoding) = self.encoding {
            request = request.encoded(encoding);
        }
        if self.chunked { request.chunked() } else { request }
    }
}

fn mark(request: usize, item: usize) -> String {
    format!("{request}.{item}")
}

/// The mark of the items that only bring an upstream to tell of limits.
const TEACHER: &str = "teacher";

const TEACHER_KIND: Kind = kind("client_report", "", &[]);

/// An envelope that arrived upstream, and the answer to it.
struct Arrival {
    project: u64,
    envelope: Envelope,
    was_plain: bool,
    said: Say,
}

/// Where an item ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Delivered,
    Waiting,
    /// By the upstream's word.
    Discarded(String),
}

/// What could be seen of it all from outside.
struct Seen {
    /// Status and text of each request.
    answers: Vec<(u16, String)>,
    arrivals: Vec<Arrival>,
    /// What the relay left on the disk.
    waiting: Vec<(u64, Envelope)>,
    stats: Stats,
}

fn play(scene: &Scene) -> Result<Seen, TestCaseError> {
    let folder = tempfile::tempdir().expect("a folder");
    let arrivals = Arc::<Mutex<Vec<Arrival>>>::default();
    let upstreams = scene.script.each_ref().map(|script| upstream(scene, script, &arrivals));
    let keys = [fresh_id(), fresh_id()];
    let relay = Relay::start(scene.config(&upstreams, &keys, folder.path()));
    if scene.taught.is_some() {
        for key in &keys {
            let mut body = b"{}\n".to_vec();
            let teacher = Piece { kind: TEACHER_KIND, size: 2, fill: b'a', has_length: true };
            teacher.write(TEACHER, None, &mut body);
            prop_assert_eq!(Request::envelope(key, body).send(relay.address()).status(), 200);
            relay.settle();
        }
    }
    let answers = scene.requests.iter().enumerate().map(|(index, sent)| {
        let answer = sent.request(&keys[sent.key], index).send(relay.address());
        (answer.status(), answer.text())
    });
    let answers = answers.collect();
    // Which sends what may be sent at once.
    let stats = relay.stop();
    let waiting = match scene.storage {
        Storage::Memory => Vec::new(),
        Storage::Disk | Storage::Tight(..) => left_on_disk(&folder.path().join("spool")),
    };
    let arrivals = std::mem::take(&mut *arrivals.lock().expect("no panic with the lock"));
    Ok(Seen { answers, arrivals, waiting, stats })
}

fn upstream(
    scene: &Scene,
    (answers, finally): &(Vec<Say>, Say),
    arrivals: &Arc<Mutex<Vec<Arrival>>>,
) -> Upstream {
    let answers = Mutex::new(answers.clone().into_iter());
    let (finally, taught) = (finally.clone(), scene.taught.clone().unwrap_or_default());
    let arrivals = Arc::clone(arrivals);
    Upstream::scripted(move |request| {
        let envelope = envelope(request);
        let said = if envelope.items.iter().any(|item| item.text("mark") == TEACHER) {
            Say::Limited(taught.clone())
        } else {
            let next = answers.lock().expect("no panic with the lock").next();
            next.unwrap_or_else(|| finally.clone())
        };
        let answer = said.answer();
        let project = request.target().split('/').nth(2).and_then(|project| project.parse().ok());
        arrivals.lock().expect("no panic with the lock").push(Arrival {
            project: project.expect("a path with a project"),
            envelope,
            was_plain: request.header("content-encoding").is_none(),
            said,
        });
        answer
    })
}

fn left_on_disk(spool: &Path) -> Vec<(u64, Envelope)> {
    let view = View::open(spool).expect("a spool");
    let records = view.list(RecordId::default(), 1000).expect("readable");
    let envelopes = records.into_iter().map(|record| {
        let body = view.body(record.id).expect("readable").expect("it was listed");
        let plain = decode(&record.meta.encoding, &body).expect("as it says");
        (record.meta.project, Envelope::parse(&plain).expect("a canonical envelope"))
    });
    envelopes.collect()
}

impl Seen {
    /// Requests, items and projects of all copies of items that were read.
    fn copies<'a>(
        &'a self,
        scene: &'a Scene,
    ) -> impl Iterator<Item = (usize, &'a Piece, (String, u64))> {
        let read = scene.requests.iter().enumerate().filter(|(index, _)| self.was_read(*index));
        read.flat_map(move |(index, sent)| {
            let pieces = sent.items.iter().enumerate();
            pieces.flat_map(move |(number, piece)| {
                let projects = scene.projects(sent.key).iter();
                projects.map(move |project| (index, piece, (mark(index, number), *project)))
            })
        })
    }

    /// Whether the request was one with an envelope that is short enough.
    fn was_read(&self, request: usize) -> bool {
        let (status, text) = &self.answers[request];
        match status {
            400 => false,
            413 => text.starts_with("{\"detail\""),
            _ => true,
        }
    }

    fn check_answers(&self, scene: &Scene) -> Result<(), TestCaseError> {
        for (sent, (status, text)) in scene.requests.iter().zip(&self.answers) {
            let expected: &[u16] = match (sent.damage, scene.storage) {
                (Some(_), _) => &[400, 413],
                (None, Storage::Tight(..)) => &[200, 413, 429, 503],
                (None, _) => &[200, 413, 429],
            };
            prop_assert!(expected.contains(status), "{} {}", status, text);
        }
        Ok(())
    }

    /// Where each copy of an item was seen, by mark and project. Wherever it was, it was as it had been sent.
    fn places(&self, scene: &Scene) -> Result<BTreeMap<(String, u64), Vec<Place>>, TestCaseError> {
        let mut places = BTreeMap::<_, Vec<Place>>::new();
        let copies: BTreeMap<_, _> =
            self.copies(scene).map(|(_, piece, copy)| (copy, piece)).collect();
        let mut saw = |project: u64, item: &Item, place: &dyn Fn(&Kind) -> Option<Place>| {
            let mark = item.text("mark").to_owned();
            if mark.is_empty() {
                // The relay's own.
                return Ok(());
            }
            let copy = (mark, project);
            let kind = if copy.0 == TEACHER {
                TEACHER_KIND
            } else {
                let piece = copies.get(&copy);
                prop_assert!(piece.is_some(), "nobody sent {:?}", copy);
                let piece = piece.expect("looked at above");
                prop_assert_eq!(item.text("type"), piece.kind.ty);
                prop_assert_eq!(&item.payload, &piece.payload(), "{:?}", copy);
                piece.kind
            };
            places.entry(copy).or_default().extend(place(&kind));
            Ok(())
        };
        for arrival in &self.arrivals {
            for item in &arrival.envelope.items {
                let place = |kind: &Kind| arrival.said.place(kind.categories, arrival.was_plain);
                saw(arrival.project, item, &place)?;
            }
        }
        for (project, envelope) in &self.waiting {
            for item in &envelope.items {
                saw(*project, item, &|_| Some(Place::Waiting))?;
            }
        }
        Ok(places)
    }

    fn check_places(&self, scene: &Scene) -> Result<(), TestCaseError> {
        let places = self.places(scene)?;
        for (index, piece, copy) in self.copies(scene) {
            let places = places.get(&copy).map(Vec::as_slice).unwrap_or_default();
            let is_kept = self.answers[index].0 == 200
                && !scene.drops(piece)
                && !piece.kind.is_dropped_without_a_word()
                // With several targets, the sender is told of limits that hold for all of them.
                && scene.projects(scene.requests[index].key).len() == 1
                && matches!(scene.storage, Storage::Disk | Storage::Tight(_, WhenFull::Reject));
            if is_kept {
                prop_assert!(!places.is_empty(), "{:?} was accepted and is nowhere", copy);
            }
            if scene.drops(piece) || [413, 503].contains(&self.answers[index].0) {
                prop_assert!(places.is_empty(), "{:?} was not accepted, but is {:?}", copy, places);
            }
            if !scene.is_silent() {
                prop_assert!(places.len() <= 1, "{:?} is in several places: {:?}", copy, places);
            }
        }
        Ok(())
    }

    fn check_figures(&self, scene: &Scene) -> Result<(), TestCaseError> {
        let Stats { received, delivered, waiting, discarded, .. } = &self.stats;
        let places = self.places(scene)?;
        let teachers = match scene.taught {
            Some(_) => scene.projects(0).len() + scene.projects(1).len(),
            None => 0,
        };
        prop_assert_eq!(*received, (self.copies(scene).count() + teachers) as u64);

        // What was seen nowhere has been discarded here.
        let copies = self.copies(scene).map(|(index, piece, copy)| {
            let is_seen = places.get(&copy).is_some_and(|places| !places.is_empty());
            (index, piece, is_seen)
        });
        let missing: Vec<_> = copies.filter(|(.., is_seen)| !is_seen).collect();
        let sum = |is_meant: &dyn Fn(&str) -> bool| -> u64 {
            discarded.iter().filter(|(reason, _)| is_meant(reason)).map(|(_, items)| items).sum()
        };
        let upstream = |reason: &str| reason.starts_with("upstream_");
        let here = sum(&|reason| !upstream(reason));
        if scene.is_silent() {
            // What was taken, but too late, may have been discarded here meanwhile.
            prop_assert!(here >= missing.len() as u64, "{:?}", discarded);
        } else {
            prop_assert_eq!(here, missing.len() as u64, "{:?}", discarded);
        }
        let unknown = missing.iter().filter(|(_, piece, _)| scene.drops(piece)).count() as u64;
        prop_assert_eq!(sum(&|reason| reason == "unknown_type"), unknown);
        self.check_reasons(scene, &missing)?;

        let ended =
            |end: &Place| places.values().flatten().filter(|place| *place == end).count() as u64;
        prop_assert_eq!(*waiting, ended(&Place::Waiting));
        if !scene.is_silent() {
            prop_assert_eq!(*delivered, ended(&Place::Delivered));
            let reasons: BTreeSet<&String> =
                discarded.keys().filter(|reason| upstream(reason)).collect();
            let said = places.values().flatten().filter_map(|place| match place {
                Place::Discarded(reason) => Some(reason),
                _ => None,
            });
            prop_assert_eq!(&reasons, &said.collect::<BTreeSet<_>>());
            for reason in reasons {
                prop_assert_eq!(
                    discarded[reason],
                    ended(&Place::Discarded(reason.clone())),
                    "{}",
                    reason
                );
            }
        }
        Ok(())
    }

    /// What is discarded here is so for a reason there was.
    fn check_reasons(
        &self,
        scene: &Scene,
        missing: &[(usize, &Piece, bool)],
    ) -> Result<(), TestCaseError> {
        let with_status = |status: u16| {
            let known = missing.iter().filter(|(_, piece, _)| !scene.drops(piece));
            known.filter(|(index, ..)| self.answers[*index].0 == status).count() as u64
        };
        let limits_are_known = self
            .arrivals
            .iter()
            .any(|arrival| matches!(arrival.said, Say::Limited(_) | Say::HoldOff));
        for (reason, items) in &self.stats.discarded {
            let may_be = match reason.as_str() {
                "unknown_type" => !scene.accept_unknown,
                "queue_full" => {
                    // One that would not even fit into an empty spool is refused with 413; one that found room for
                    // one of its targets, not at all.
                    matches!(scene.storage, Storage::Tight(..))
                        && (scene.fan != Fan::Nowhere
                            || *items <= with_status(503) + with_status(413))
                }
                "spool_full" => matches!(scene.storage, Storage::Tight(_, WhenFull::DropOldest)),
                "shutdown" => scene.storage == Storage::Memory,
                reason if reason.starts_with("rate_limited") => limits_are_known,
                reason => match reason.strip_prefix("too_large:") {
                    Some(kind) => {
                        let named = format!("for type '{kind}'");
                        let refused = missing.iter().filter(|(index, piece, _)| {
                            let (status, text) = &self.answers[*index];
                            *status == 413 && text.contains(&named) && !scene.drops(piece)
                        });
                        let refused = refused.count() as u64;
                        *items == refused || limits_are_known && *items < refused
                    }
                    None => reason.starts_with("upstream_"),
                },
            };
            prop_assert!(may_be, "{} items for {}: {:?}", items, reason, self.stats.discarded);
        }
        Ok(())
    }
}
