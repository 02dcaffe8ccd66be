//! What is left to chance: the settings, what is sent, what the upstreams say to it.

use std::path::Path;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use relay_server::Config;
use relay_server::config::{Durability, FanOut, WhenFull};

use crate::support::{Answer, Reply, Request, Upstream, fresh_id, proxy_config};

/// All that is left to chance.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) accept_unknown: bool,
    /// Whether the upstreams take foreign bodies in envelopes.
    pub(super) trusts: bool,
    pub(super) storage: Storage,
    pub(super) fan: Fan,
    /// The limits that the upstreams told of before the first request.
    pub(super) taught: Option<Vec<&'static str>>,
    /// What each of the two upstreams says, and says to all that comes after.
    pub(super) script: [(Vec<Say>, Say); 2],
    pub(super) requests: Vec<Sent>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Storage {
    Memory,
    Disk,
    Tight(usize, WhenFull),
}

/// Where the envelopes of the first of two keys go; those of the second go to the first upstream as they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fan {
    Nowhere,
    TwoUpstreams,
    TwoProjectsOfOne,
}

/// An answer of an upstream to an envelope.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Say {
    Status(u16),
    /// 429, and that these categories are limited; all, if none is named.
    Limited(Vec<&'static str>),
    /// 429, and to come back in an hour.
    HoldOff,
    Reset,
    Silence,
    /// 400, for a foreign body in an envelope.
    Distrust,
}

/// One request with an envelope.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) key: usize,
    /// One of few, so that some come twice.
    pub(super) event_id: Option<u8>,
    pub(super) items: Vec<Piece>,
    pub(super) damage: Option<Damage>,
    pub(super) encoding: Option<&'static str>,
    pub(super) chunked: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) kind: Kind,
    pub(super) size: usize,
    pub(super) fill: u8,
    pub(super) has_length: bool,
}

/// Makes the whole envelope one that nobody reads.
#[derive(Debug, Clone, Copy)]
pub(super) enum Damage {
    HeaderIsNoObject,
    LengthIsNoNumber,
    LengthBeyondTheEnd,
    ItemWithoutType,
    InternalItem,
}

/// A type, what else its header says, and the categories that the item counts as.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub(super) ty: &'static str,
    pub(super) fields: &'static str,
    pub(super) categories: &'static [&'static str],
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

/// Bodies of foreign protocols, which come alone; the field is where to.
const FOREIGN: [Kind; 2] = [
    kind("integration", "integration/otlp/v1/traces", &["span"]),
    kind("integration", "integration/otlp/v1/logs", &["log_item", "log_byte"]),
];

impl Kind {
    pub(super) fn is_foreign(self) -> bool {
        self.ty == "integration"
    }

    pub(super) fn is_unknown(self) -> bool {
        ["statsd", "nel", "thing of tomorrow"].contains(&self.ty)
            || self.fields == UNKNOWN_FILE.fields
    }

    /// A limit on these is not told to anybody.
    pub(super) fn is_dropped_without_a_word(self) -> bool {
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

/// Half of the sizes are over the limit of [`Scene::config`].
fn foreign_requests() -> impl Strategy<Value = Sent> {
    let piece = (select(&FOREIGN[..]), 0..600_usize);
    let piece = piece.prop_map(|(kind, size)| Piece { kind, size, fill: b'\0', has_length: true });
    (0..2_usize, piece, any::<bool>()).prop_map(|(key, piece, chunked)| Sent {
        key,
        event_id: None,
        items: vec![piece],
        damage: None,
        encoding: None,
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

pub(super) fn answers() -> impl Strategy<Value = Say> {
    prop_oneof![
        16 => Just(Say::Status(200)),
        12 => select(vec![202, 400, 403, 408, 413, 415, 422, 429, 500, 503]).prop_map(Say::Status),
        6 => limits().prop_map(Say::Limited),
        2 => Just(Say::HoldOff),
        2 => Just(Say::Reset),
        1 => Just(Say::Silence),
    ]
}

pub(super) fn scenes() -> impl Strategy<Value = Scene> {
    let storage = prop_oneof![
        2 => Just(Storage::Memory),
        3 => Just(Storage::Disk),
        1 => TIGHT.prop_map(|size| Storage::Tight(size, WhenFull::Reject)),
        1 => TIGHT.prop_map(|size| Storage::Tight(size, WhenFull::DropOldest)),
    ];
    let finally = vec![Say::Status(200), Say::Status(200), Say::HoldOff, Say::Status(503)];
    let script = || (vec(answers(), 0..6), select(finally.clone()));
    let requests = prop_oneof![8 => requests(), 1 => foreign_requests()];
    (
        any::<[bool; 2]>(),
        storage,
        select(vec![Fan::Nowhere, Fan::TwoUpstreams, Fan::TwoProjectsOfOne]),
        proptest::option::weighted(0.4, limits()),
        [script(), script()],
        vec(requests, 1..8),
    )
        .prop_map(|([accept_unknown, trusts], storage, fan, taught, mut script, requests)| {
            if storage == Storage::Memory {
                // An upstream that stays away would be asked until the time to shut down is over.
                script.iter_mut().for_each(|(_, finally)| {
                    if *finally == Say::Status(503) {
                        *finally = Say::HoldOff;
                    }
                });
            }
            Scene { accept_unknown, trusts, storage, fan, taught, script, requests }
        })
}

/// The mark of the items that only bring an upstream to tell of limits.
pub(super) const TEACHER: &str = "teacher";

pub(super) const TEACHER_KIND: Kind = kind("client_report", "", &[]);

/// The projects that envelopes are for: of the second key, and of the first at its two targets.
const AS_SENT: u64 = 42;
const FANNED: [u64; 2] = [7, 8];

impl Scene {
    pub(super) fn config(
        &self,
        upstreams: &[Upstream; 2],
        keys: &[String; 2],
        folder: &Path,
    ) -> Config {
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
    pub(super) fn projects(&self, key: usize) -> &'static [u64] {
        match (key, self.fan) {
            (0, Fan::TwoUpstreams | Fan::TwoProjectsOfOne) => &FANNED,
            _ => &[AS_SENT],
        }
    }

    /// Whether somebody does not answer in time: then an envelope may have been taken and be sent again.
    pub(super) fn is_silent(&self) -> bool {
        self.script.iter().any(|(answers, _)| answers.contains(&Say::Silence))
    }

    pub(super) fn drops(&self, piece: &Piece) -> bool {
        !self.accept_unknown && piece.kind.is_unknown()
    }
}

impl Say {
    pub(super) fn answer(&self) -> Answer {
        match self {
            Self::Status(status) => Reply::new(*status).into(),
            Self::Limited(categories) => {
                let limits = format!("3600:{}:key:quota", categories.join(";"));
                Reply::new(429).header("X-Sentry-Rate-Limits", &limits).into()
            }
            Self::HoldOff => Reply::new(429).header("Retry-After", "3600").into(),
            Self::Reset => Answer::Reset,
            Self::Silence => Answer::Silence,
            Self::Distrust => {
                Reply::new(400).body("{\"detail\":\"envelope contains internal items\"}").into()
            }
        }
    }
}

impl Piece {
    pub(super) fn payload(&self, mark: &str) -> Vec<u8> {
        // Without a length the payload ends at the first line feed.
        let fill = if self.fill == b'\n' && !self.has_length { b' ' } else { self.fill };
        // Without a header of its own, it has the mark at its start.
        let mut payload =
            if self.kind.is_foreign() { format!("{mark}\n") } else { String::new() }.into_bytes();
        payload.resize(payload.len() + self.size, fill);
        payload
    }

    pub(super) fn write(&self, mark: &str, length: Option<&str>, out: &mut Vec<u8>) {
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
        out.extend_from_slice(&self.payload(mark));
        out.push(b'\n');
    }
}

impl Sent {
    pub(super) fn request(&self, key: &str, index: usize) -> Request {
        let request = match &self.items[..] {
            [piece] if piece.kind.is_foreign() => {
                Request::new("POST", &format!("/api/{AS_SENT}/{}", piece.kind.fields))
                    .auth(key)
                    .header("Content-Type", "application/json")
                    .body(piece.payload(&mark(index, 0)))
            }
            _ => Request::envelope(key, self.envelope(index)),
        };
        let request = match self.encoding {
            Some(encoding) => request.encoded(encoding),
            None => request,
        };
        if self.chunked { request.chunked() } else { request }
    }

    fn envelope(&self, index: usize) -> Vec<u8> {
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
        body
    }
}

pub(super) fn mark(request: usize, item: usize) -> String {
    format!("{request}.{item}")
}
