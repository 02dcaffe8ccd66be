//! The kill loop: a relay under load that is ended at any moment, in front of an upstream that flaps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::life::Lives;
use crate::traffic::{Book, Encoders, Quarry};
use crate::upstream::{Mood, Upstream};
use crate::verdict::{Verdict, drained};
use crate::{PATIENCE, seed, variable};

/// Who sends, at the same time.
const CLIENTS: usize = 8;

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Kill,
    Terminate,
}

struct Loop {
    seed: u64,
    ends: u64,
    signal: Signal,
    durability: &'static str,
    upstream_flaps: bool,
    /// At the end, without anything that arrives.
    patience: Duration,
}

impl Loop {
    /// Lets that many relays live and die, then one more in peace until nothing more comes.
    fn run(&self, name: &str) -> Verdict {
        let started = Instant::now();
        let quarry = Arc::new(Quarry::new(self.seed));
        let upstream = Upstream::start(&quarry, Dice::new(self.seed, 1));
        let mut lives = Lives::new(name, upstream.address, "", self.durability);
        let address = Arc::clone(&lives.address);
        let (book, next, calm) = (Book::default(), AtomicU64::new(0), AtomicBool::new(false));
        thread::scope(|threads| {
            for _ in 0..CLIENTS {
                threads.spawn(|| {
                    let (mut connection, mut encoders) = (None, Encoders::new());
                    while let Some(address) = address.turn() {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let envelope = quarry.envelope(number, &mut encoders);
                        book.send(number, &envelope, Instant::now(), &mut connection, address);
                    }
                });
            }
            if self.upstream_flaps {
                threads.spawn(|| self.flap(&upstream, &calm));
            }
            self.end_again_and_again(&mut lives, &book);
            address.end();
            calm.store(true, Ordering::Relaxed);
        });

        upstream.turn(Mood::Well);
        lives.start(0, 1);
        let drain = drained(&book, &upstream, self.patience);
        let words = lives.terminate();
        let verdict = Verdict::of(&book, &upstream);
        println!(
            "{} ends by {:?}, durability {}, seed {}, {:.0?} in all, {drain:.1?} to drain: {verdict:#?}\nthe last relay: {words:?}",
            self.ends,
            self.signal,
            self.durability,
            self.seed,
            started.elapsed(),
        );
        assert_eq!(words.discarded, 0, "{words:?}");
        verdict
    }

    fn end_again_and_again(&self, lives: &mut Lives, book: &Book) {
        let mut dice = Dice::new(self.seed, 2);
        for _ in 0..self.ends {
            let before = book.acknowledged();
            // The pauses are the schedule itself: nothing is waited for with them.
            match dice.within(0, 100) {
                // Perhaps before it listens, while it opens what the one before has left.
                0..10 if self.signal == Signal::Kill => {
                    lives.start(50, 1);
                    thread::sleep(Duration::from_micros(dice.within(0, 30_000)));
                }
                // Long enough for pauses of the relay to end.
                10..15 => {
                    lives.start(300, 1);
                    thread::sleep(Duration::from_millis(dice.within(500, 3_000)));
                }
                _ => {
                    let quota = dice.within(1, 200);
                    lives.start(quota + CLIENTS as u64, 1);
                    book.wait_for(before + quota, Duration::from_secs(5));
                    thread::sleep(Duration::from_micros(dice.within(0, 5_000)));
                }
            }
            match self.signal {
                Signal::Kill => drop(lives.kill()),
                Signal::Terminate => {
                    let words = lives.terminate();
                    assert_eq!(words.discarded, 0, "{words:?}");
                }
            }
        }
    }

    fn flap(&self, upstream: &Upstream, calm: &AtomicBool) {
        let mut dice = Dice::new(self.seed, 3);
        while !calm.load(Ordering::Relaxed) {
            let mood = match dice.within(0, 100) {
                0..40 => Mood::Well,
                40..55 => Mood::Refusing,
                55..70 => Mood::Slow,
                70..85 => Mood::Cutting,
                _ => Mood::Down,
            };
            upstream.turn(mood);
            // Sometimes long enough that a backlog gathers.
            let longest = if dice.within(0, 10) == 0 { 4_000 } else { 400 };
            thread::sleep(Duration::from_millis(dice.within(10, longest)));
        }
    }
}

#[test]
fn what_was_acknowledged_survives_kills_and_an_upstream_that_flaps() {
    let _together = crate::together();
    let kills = Loop {
        seed: seed(),
        ends: variable("RELAY_TEST_KILLS").unwrap_or(15),
        signal: Signal::Kill,
        durability: "disk",
        upstream_flaps: true,
        patience: PATIENCE,
    };
    let verdict = kills.run("kill");
    verdict.assert_honest();
    assert_eq!(verdict.lost, 0, "seed {}: {verdict:?}", kills.seed);
    assert!(verdict.refused.is_empty(), "there was room: {verdict:?}");
}

#[test]
fn after_stops_in_good_order_nothing_is_sent_again_that_the_upstream_is_known_to_have() {
    let _together = crate::together();
    for upstream_flaps in [false, true] {
        let stops = Loop {
            seed: seed(),
            ends: variable("RELAY_TEST_STOPS").unwrap_or(8),
            signal: Signal::Terminate,
            durability: "disk",
            upstream_flaps,
            patience: PATIENCE,
        };
        let verdict = stops.run("stop");
        verdict.assert_honest();
        let lost_or_again = (verdict.lost, verdict.again_after_end);
        assert_eq!(lost_or_again, (0, 0), "seed {}: {verdict:?}", stops.seed);
        assert!(upstream_flaps || verdict.again_answer_lost == 0, "{verdict:?}");
    }
}

/// The comparison can fail.
#[test]
fn what_was_acknowledged_in_memory_does_not_survive_kills() {
    let _together = crate::together();
    let kills = Loop {
        seed: seed(),
        ends: 10,
        signal: Signal::Kill,
        durability: "memory",
        upstream_flaps: true,
        patience: Duration::from_secs(1),
    };
    let verdict = kills.run("memory");
    verdict.assert_honest();
    assert!(verdict.lost > 0, "seed {}: {verdict:?}", kills.seed);
}
