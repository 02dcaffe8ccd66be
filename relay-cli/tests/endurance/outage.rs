//! The outage: one of two targets is away for long while traffic goes on at a fixed rate, and the relay is killed and
//! restarted in the middle.

use std::fmt;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::life::{Address, Lives};
use crate::traffic::{Answer, Book, Encoders, KEY, Quarry};
use crate::upstream::{End, Mood, Upstream};
use crate::verdict::{Verdict, drained};
use crate::{PATIENCE, seed, variable};

/// Enough that the fixed rate holds while some of them wait for an answer.
const SENDERS: usize = 32;

/// `limits.max_memory`, and what may come on top.
pub(crate) const MEMORY: u64 = (64 << 20) + 30_000_000;

#[test]
fn an_outage_loses_nothing_costs_no_memory_and_leaves_another_target_alone() {
    let _together = crate::together();
    outage("away", Mood::Down);
}

#[test]
fn a_target_that_answers_and_takes_nothing_is_no_worse_than_one_that_is_away() {
    let _together = crate::together();
    outage("refusing", Mood::Refusing);
}

fn outage(name: &str, mood: Mood) {
    let seed = seed();
    let away = Duration::from_secs(variable("RELAY_TEST_OUTAGE").unwrap_or(8));
    let rate = variable("RELAY_TEST_RATE").unwrap_or(150);
    let longest_pause = if away > Duration::from_secs(60) { 60 } else { 1 };

    let quarry = Arc::new(Quarry::new(seed));
    let live = Upstream::start(&quarry, Dice::new(seed, 1));
    let dead = Upstream::start(&quarry, Dice::new(seed, 2));
    let config = format!(
        "spool: {{max_disk_size: 8GiB}}\n\
         fan_out: {{'http://{KEY}@relay/42': ['http://{KEY}@{}/42', 'http://{KEY}@{}/42']}}",
        live.address, dead.address
    );
    let mut lives = Lives::new(name, live.address, &config, "disk");
    lives.start(u64::MAX, longest_pause);
    lives.address.wait();

    let (book, next, over) = (Book::default(), AtomicU64::new(0), AtomicBool::new(false));
    let pid = AtomicU64::new(lives.pid().into());
    let (peak, peak_before) = (AtomicU64::new(0), AtomicU64::new(0));
    let address = Arc::clone(&lives.address);
    let began = Instant::now();
    let mut report = thread::scope(|threads| {
        for _ in 0..SENDERS {
            threads.spawn(|| {
                let number = || next.fetch_add(1, Ordering::Relaxed);
                keep_sending(&book, &quarry, &address, number, (began, rate), &over);
            });
        }
        threads.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                if let Some(resident) = resident(pid.load(Ordering::Relaxed)) {
                    peak.fetch_max(resident, Ordering::Relaxed);
                }
                thread::sleep(Duration::from_millis(100));
            }
        });

        // The pauses are the schedule itself: nothing is waited for with them.
        thread::sleep(away / 8);
        peak_before.store(peak.load(Ordering::Relaxed), Ordering::Relaxed);
        let outage_began = Instant::now();
        dead.turn(mood);
        thread::sleep(away / 3);
        lives.kill();
        let killed = Instant::now();
        lives.start(u64::MAX, longest_pause);
        lives.address.wait();
        let start_after_kill = killed.elapsed();
        pid.store(lives.pid().into(), Ordering::Relaxed);
        thread::sleep(away / 3);
        let asked = Instant::now();
        lives.terminate();
        let stop = asked.elapsed();
        let started = Instant::now();
        lives.start(u64::MAX, longest_pause);
        lives.address.wait();
        let start_after_stop = started.elapsed();
        pid.store(lives.pid().into(), Ordering::Relaxed);
        thread::sleep((outage_began + away).saturating_duration_since(Instant::now()));

        let taken_before = dead.arrivals().taken;
        let outage_ended = Instant::now();
        dead.turn(Mood::Well);
        let backlog = book.acknowledged() - taken_before;
        while dead.arrivals().taken == taken_before && outage_ended.elapsed() < 2 * PATIENCE {
            dead.wait(Duration::from_millis(10));
        }
        let first_answer = outage_ended.elapsed();
        // The traffic goes on meanwhile.
        let drain = drained(&book, &dead, 2 * PATIENCE);
        let drained_meanwhile = dead.arrivals().taken - taken_before;
        over.store(true, Ordering::Relaxed);
        Report {
            outage: (outage_began, outage_ended),
            backlog,
            start_after_kill,
            start_after_stop,
            stop,
            first_answer,
            drain,
            recovery: drained_meanwhile as f64 / drain.as_secs_f64(),
            ..Report::default()
        }
    });
    let over = drained(&book, &live, PATIENCE).max(drained(&book, &dead, PATIENCE));
    report.peak = peak.into_inner();
    report.peak_before = peak_before.into_inner();
    report.acknowledge =
        [report.latencies(&book, None, false), report.latencies(&book, None, true)];
    report.live =
        [report.latencies(&book, Some(&live), false), report.latencies(&book, Some(&live), true)];
    let words = lives.terminate();
    let verdicts = [Verdict::of(&book, &live), Verdict::of(&book, &dead)];
    println!("{mood:?}, seed {seed}, for {away:?} at {rate}/s, {over:.1?} at the end: {report}");
    println!("live, dead: {verdicts:#?}\nthe last relay: {words:?}");

    for verdict in &verdicts {
        verdict.assert_honest();
        assert_eq!(verdict.lost, 0, "seed {seed}: {verdict:?}");
        assert!(verdict.refused.is_empty(), "the disk has room: {verdict:?}");
    }
    assert_eq!((words.discarded, words.waiting), (0, 0), "{words:?}");
    assert!(report.peak <= MEMORY, "{report}");
}

/// Sends at a fixed rate, all senders together, whether or not the relay keeps up.
fn keep_sending(
    book: &Book,
    quarry: &Quarry,
    address: &Address,
    number: impl Fn() -> u64,
    (began, rate): (Instant, u64),
    over: &AtomicBool,
) {
    let (mut connection, mut encoders) = (None, Encoders::new());
    while !over.load(Ordering::Relaxed) {
        let number = number();
        let envelope = quarry.envelope(number, &mut encoders);
        let at = began + Duration::from_secs_f64(number as f64 / rate as f64);
        thread::sleep(at.saturating_duration_since(Instant::now()));
        if let Some(address) = address.now() {
            book.send(number, &envelope, at, &mut connection, address);
        }
    }
}

/// Resident memory of the process in bytes.
pub(crate) fn resident(pid: u64) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

struct Report {
    outage: (Instant, Instant),
    /// Envelopes that waited when it was over.
    backlog: u64,
    start_after_kill: Duration,
    start_after_stop: Duration,
    stop: Duration,
    /// From the moment at which the target was well again.
    first_answer: Duration,
    drain: Duration,
    /// Envelopes per second while draining, those that came meanwhile included.
    recovery: f64,
    peak_before: u64,
    peak: u64,
    /// Until the answer, before and during the outage.
    acknowledge: [Latencies; 2],
    /// Until the arrival at the live target, before and during.
    live: [Latencies; 2],
}

impl Default for Report {
    fn default() -> Self {
        let now = Instant::now();
        let none = Duration::ZERO;
        Self {
            outage: (now, now),
            backlog: 0,
            start_after_kill: none,
            start_after_stop: none,
            stop: none,
            first_answer: none,
            drain: none,
            recovery: 0.0,
            peak_before: 0,
            peak: 0,
            acknowledge: Default::default(),
            live: Default::default(),
        }
    }
}

impl Report {
    /// Of what was sent before or during the outage and acknowledged.
    fn latencies(&self, book: &Book, until: Option<&Upstream>, during: bool) -> Latencies {
        let (began, ended) = self.outage;
        let sent = book.sent();
        let arrivals = until.map(Upstream::arrivals);
        let of_phase = sent.iter().filter(|(_, sent)| {
            sent.answer == Answer::Acknowledged
                && if during { sent.at >= began && sent.at < ended } else { sent.at < began }
        });
        let latencies = of_phase.filter_map(|(number, sent)| match &arrivals {
            None => Some(sent.latency),
            Some(arrivals) => {
                let receipts = arrivals.receipts.get(number)?;
                let taken = receipts.iter().find(|receipt| receipt.end == End::Taken)?;
                Some(taken.at.saturating_duration_since(sent.at))
            }
        });
        let mut latencies: Vec<_> = latencies.collect();
        latencies.sort_unstable();
        Latencies(latencies)
    }
}

/// In ascending order.
#[derive(Default)]
struct Latencies(Vec<Duration>);

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |share: f64| {
            let rank = (self.0.len().saturating_sub(1) as f64 * share).round() as usize;
            self.0.get(rank).copied().unwrap_or_default()
        };
        write!(f, "p50 {:.1?}, p99 {:.1?}, worst {:.1?}", at(0.5), at(0.99), at(1.0))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        writeln!(f, "{} envelopes waited when the target was well again", self.backlog)?;
        writeln!(
            f,
            "first answer after {:.1?}, all of them delivered {:.1?} later",
            self.first_answer, self.drain
        )?;
        writeln!(f, "{:.0} envelopes/s meanwhile", self.recovery)?;
        writeln!(f, "SIGKILL to listening again {:.1?}", self.start_after_kill)?;
        writeln!(
            f,
            "SIGTERM to exit {:.1?}, start to listening {:.1?}",
            self.stop, self.start_after_stop
        )?;
        writeln!(
            f,
            "resident at most {:.1} MB before, {:.1} MB in all",
            megabytes(self.peak_before),
            megabytes(self.peak)
        )?;
        writeln!(f, "200 before: {}; during: {}", self.acknowledge[0], self.acknowledge[1])?;
        write!(f, "live target before: {}; during: {}", self.live[0], self.live[1])
    }
}
