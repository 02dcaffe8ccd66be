//! Nothing is lost: whatever is sent and whatever the upstream says to it, every item is in one place, and the figures say
//! which. Each item has a mark of its own in its header, by which it is found again.

mod scene;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use relay_server::Stats;
use relay_server::config::{EmitOutcomes, WhenFull};
use relay_spool::{RecordId, View};

use self::scene::{Fan, Kind, Piece, Say, Scene, Storage, TEACHER, TEACHER_KIND, mark, scenes};
use crate::support::{
    Envelope, Item, Message, Relay, Request, Upstream, decode, envelope, fresh_id, is_envelope,
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

impl Place {
    /// Where an item ended in an envelope that was answered so, if that was the end of it.
    fn after(said: &Say, categories: &[&str], was_plain: bool) -> Option<Self> {
        match said {
            Say::Status(200 | 202) => Some(Self::Delivered),
            Say::Status(415) if !was_plain => None,
            Say::Status(status @ (400 | 413 | 415 | 422)) => {
                Some(Self::Discarded(format!("upstream_refused:{status}")))
            }
            Say::Limited(limited) => {
                // A limit on transactions is one on their spans.
                let is_limited = |category: &&str| {
                    limited.is_empty()
                        || limited.contains(category)
                        || *category == "span" && limited.contains(&"transaction")
                };
                Some(if categories.iter().any(is_limited) {
                    Self::Discarded("upstream_rate_limited".to_owned())
                } else {
                    Self::Delivered
                })
            }
            _ => None,
        }
    }
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
    let mut config = scene.config(&upstreams, &keys, folder.path());
    // Every envelope that arrives is one that was sent; what the relay tells of its losses has tests of its own.
    config.outcomes.emit = EmitOutcomes::Nothing;
    let relay = Relay::start(config);
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
    let trusts = scene.trusts;
    let arrivals = Arc::clone(arrivals);
    Upstream::scripted(move |request| {
        let has = |ty: &str| is_envelope(request) && envelope(request).types().contains(&ty);
        let envelope = arrived(request);
        let said = if envelope.items.iter().any(|item| item.text("mark") == TEACHER) {
            Say::Limited(taught.clone())
        } else if !trusts && has("integration") {
            Say::Distrust
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

/// An envelope; a foreign body that comes without is put into one.
fn arrived(request: &Message) -> Envelope {
    if is_envelope(request) {
        return envelope(request);
    }
    let header = [("type".to_owned(), "integration".into())].into_iter().collect();
    let item = Item { header, payload: request.content() };
    Envelope { header: Default::default(), items: vec![item] }
}

/// Which item it is; none of ours, if that is empty.
fn mark_of(item: &Item) -> String {
    if item.text("type") != "integration" {
        return item.text("mark").to_owned();
    }
    let line = item.payload.split(|byte| *byte == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(line).into_owned()
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
            let mark = mark_of(item);
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
                prop_assert_eq!(&item.payload, &piece.payload(&copy.0), "{:?}", copy);
                piece.kind
            };
            places.entry(copy).or_default().extend(place(&kind));
            Ok(())
        };
        for arrival in &self.arrivals {
            for item in &arrival.envelope.items {
                let place =
                    |kind: &Kind| Place::after(&arrival.said, kind.categories, arrival.was_plain);
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
