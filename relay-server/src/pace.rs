//! Pace: how many envelopes may be on their way to the upstream, and when the next may start.
//!
//! Pure bookkeeping: `now` and randomness are passed in.

use std::time::{Duration, Instant};

/// One upstream's mood.
///
/// A network failure closes the window to one envelope and pauses with growing, jittered delays; every
/// answer doubles the window again, so that a recovering upstream is not met by the whole backlog.
#[derive(Debug)]
pub(crate) struct Pace {
    settings: PaceSettings,
    window: usize,
    in_flight: usize,
    /// Failed rounds in a row; one round is one pause, however many envelopes failed in it.
    failures: u32,
    failing_since: Option<Instant>,
    outage: bool,
    resume_at: Option<Instant>,
}

/// What the pace is set to (`http.*`, `limits.max_concurrent_requests`).
#[derive(Debug, Clone)]
pub(crate) struct PaceSettings {
    pub(crate) max_in_flight: usize,
    pub(crate) retry_delay: Duration,
    pub(crate) max_retry_interval: Duration,
    pub(crate) outage_grace_period: Duration,
}

/// A change in the upstream's state that an operator wants to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Network failures have gone on for the grace period.
    OutageBegan,
    /// The first answer after that.
    OutageEnded,
}

impl Pace {
    pub(crate) fn new(settings: PaceSettings) -> Self {
        let window = settings.max_in_flight.max(1);
        Self {
            settings,
            window,
            in_flight: 0,
            failures: 0,
            failing_since: None,
            outage: false,
            resume_at: None,
        }
    }

    /// Asks to send one more envelope at `now`. Who may owes an [`answered`](Self::answered), a
    /// [`failed`](Self::failed) or an [`unused`](Self::unused).
    pub(crate) fn start(&mut self, now: Instant) -> bool {
        let may = self.has_room(now);
        self.in_flight += usize::from(may);
        may
    }

    /// Whether [`start`](Self::start) would say yes.
    pub(crate) fn has_room(&self, now: Instant) -> bool {
        !self.is_full() && self.resume_at.is_none_or(|at| at <= now)
    }

    /// Whether as many are on their way as may be.
    pub(crate) fn is_full(&self) -> bool {
        self.room() == 0
    }

    /// How many more may be on their way.
    pub(crate) fn room(&self) -> usize {
        self.window.saturating_sub(self.in_flight)
    }

    /// The end of the pause, if there is one.
    pub(crate) fn resume_at(&self) -> Option<Instant> {
        self.resume_at
    }

    /// Ends the pause.
    pub(crate) fn resume(&mut self) {
        self.resume_at = None;
    }

    /// The permission was not used after all.
    pub(crate) fn unused(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The upstream answered, whatever it said.
    pub(crate) fn answered(&mut self) -> Option<Change> {
        self.unused();
        self.window = (self.window * 2).min(self.settings.max_in_flight.max(1));
        self.resume_at = None;
        self.failures = 0;
        self.failing_since = None;
        std::mem::take(&mut self.outage).then_some(Change::OutageEnded)
    }

    /// No answer, or one that says as much (502, 503, 504). `jitter` is in 0..1.
    ///
    /// `started` is when that attempt began: those that were under way when the pause began say nothing new.
    pub(crate) fn failed(&mut self, started: Instant, now: Instant, jitter: f64) -> Option<Change> {
        self.unused();
        self.window = 1;
        if self.resume_at.is_some_and(|at| started < at) {
            return None;
        }
        let pause = backoff(&self.settings, self.failures, jitter);
        self.failures = self.failures.saturating_add(1);
        self.resume_at = Some(now + pause);

        let since = *self.failing_since.get_or_insert(started);
        let grace = self.settings.outage_grace_period;
        if self.outage || now.saturating_duration_since(since) < grace {
            return None;
        }
        self.outage = true;
        Some(Change::OutageBegan)
    }
}

/// The pause after `failures` failures before this one: doubling from `retry_delay` up to
/// `max_retry_interval`, of which the last quarter is left to chance so that relays do not march in step.
pub(crate) fn backoff(settings: &PaceSettings, failures: u32, jitter: f64) -> Duration {
    let doubled = settings.retry_delay.saturating_mul(1_u32 << failures.min(16));
    doubled.min(settings.max_retry_interval).mul_f64(0.75 + 0.25 * jitter.clamp(0.0, 1.0))
}

/// How long an envelope stands back that has failed `attempts` times: twice as long as the upstream is let alone, so that
/// others get their turn, but no longer than `max_retry_interval`.
pub(crate) fn stand_back(settings: &PaceSettings, attempts: u32, jitter: f64) -> Duration {
    (2 * backoff(settings, attempts, jitter)).min(settings.max_retry_interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> PaceSettings {
        PaceSettings {
            max_in_flight: 8,
            retry_delay: Duration::from_secs(1),
            max_retry_interval: Duration::from_secs(60),
            outage_grace_period: Duration::from_secs(10),
        }
    }

    #[test]
    fn a_failure_pauses_and_lets_one_envelope_probe() {
        let (mut pace, t0) = (Pace::new(settings()), Instant::now());
        assert!(pace.start(t0));
        pace.failed(t0, t0, 1.0);
        let resume = t0 + Duration::from_secs(1);
        assert!(!pace.start(t0));
        assert_eq!(pace.resume_at(), Some(resume));
        assert!(pace.start(resume));
        assert!(!pace.start(resume));
    }

    #[test]
    fn envelopes_that_fail_together_count_as_one_failure() {
        let (mut pace, t0) = (Pace::new(settings()), Instant::now());
        for _ in 0..5 {
            assert!(pace.start(t0));
        }
        for _ in 0..5 {
            pace.failed(t0, t0, 1.0);
        }
        assert!(pace.start(t0 + Duration::from_secs(1)));
    }

    #[test]
    fn answers_reopen_the_window_step_by_step() {
        let (mut pace, t0) = (Pace::new(settings()), Instant::now());
        assert!(pace.start(t0));
        pace.failed(t0, t0, 1.0);
        let t1 = t0 + Duration::from_secs(1);
        assert!(pace.start(t1));
        pace.answered();
        assert!(pace.start(t1));
        assert!(pace.start(t1));
        assert!(!pace.start(t1));
    }

    #[test]
    fn an_outage_is_told_once_when_it_begins_and_once_when_it_ends() {
        let (mut pace, t0) = (Pace::new(settings()), Instant::now());
        let mut now = t0;
        let mut told = Vec::new();
        for _ in 0..8 {
            now = pace.resume_at().unwrap_or(now);
            assert!(pace.start(now));
            told.extend(pace.failed(now, now, 1.0));
        }
        assert_eq!(told, [Change::OutageBegan]);
        now += Duration::from_secs(60);
        assert!(pace.start(now));
        assert_eq!(pace.answered(), Some(Change::OutageEnded));
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses: Vec<u64> = (0..8).map(|n| backoff(&settings(), n, 1.0).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff(&settings(), 0, 0.0), Duration::from_millis(750));
        assert_eq!(backoff(&settings(), u32::MAX, 1.0), Duration::from_secs(60));
    }

    #[test]
    fn who_stands_back_lets_the_upstream_answer_others_and_waits_no_longer_than_the_settings_say() {
        for attempts in [0, 1, 4, 5, 6, 40] {
            for (ours, the_upstreams) in [(0.0, 1.0), (1.0, 0.0), (0.5, 0.5)] {
                let pause = stand_back(&settings(), attempts, ours);
                assert!(pause >= backoff(&settings(), attempts, the_upstreams), "{attempts}");
                assert!(pause <= settings().max_retry_interval, "{attempts}");
            }
        }
    }
}
