//! The inbox of the writer: what it is to do, gathered so that one commit serves many.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::spool::{Append, Ask, Note};
use crate::{RecordId, SpoolError};

/// What the writer does in one turn.
#[derive(Default)]
pub(crate) struct Turn {
    pub(crate) appends: Vec<Append>,
    /// Changes that nobody waits for: they ride along.
    pub(crate) notes: Vec<Note>,
    pub(crate) asks: Vec<Ask>,
    /// Nothing comes after this turn.
    pub(crate) last: bool,
}

/// The inbox is closed; what was brought comes back.
pub(crate) struct Closed<T>(pub(crate) T);

/// How long appends wait for company, see [`Inbox::next`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window(pub(crate) Duration);

/// Notes are committed this much later, if nothing else is.
const NOTE_DELAY: Duration = Duration::from_millis(50);

/// Nobody waits for notes, but they occupy memory.
const MOST_NOTES: usize = 1024;

#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    /// Told when what the writer waits for is there.
    filled: Condvar,
}

#[derive(Default)]
struct State {
    turn: Turn,
    /// So many appends end the wait.
    wake_at: usize,
    /// Whether the first note ends the wait.
    wake_for_note: bool,
}

impl Inbox {
    pub(crate) fn append(&self, append: Append) -> Result<(), Closed<Append>> {
        let mut state = self.state();
        if state.turn.last {
            return Err(Closed(append));
        }
        state.turn.appends.push(append);
        if state.turn.appends.len() == state.wake_at {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// A note that comes too late is forgotten: the record is still there at the next start.
    pub(crate) fn note(&self, note: Note) {
        let mut state = self.state();
        if state.turn.last {
            return;
        }
        state.turn.notes.push(note);
        if state.wake_for_note || state.turn.notes.len() == MOST_NOTES {
            self.filled.notify_one();
        }
    }

    /// The records that the notes here want removed.
    pub(crate) fn removals(&self) -> HashSet<RecordId> {
        self.state().turn.notes.iter().filter_map(Note::removes).collect()
    }

    pub(crate) fn ask(&self, ask: Ask) -> Result<(), Closed<Ask>> {
        let mut state = self.state();
        if state.turn.last {
            return Err(Closed(ask));
        }
        state.turn.asks.push(ask);
        self.filled.notify_one();
        Ok(())
    }

    /// Takes nothing more.
    pub(crate) fn close(&self) {
        self.state().turn.last = true;
        self.filled.notify_one();
    }

    /// Tells everybody who still waits that nothing will come.
    pub(crate) fn abandon(&self) {
        self.close();
        let Turn { appends, asks, .. } = std::mem::take(&mut self.state().turn);
        self.close();
        for append in appends {
            append.answer(Err(SpoolError::Closed));
        }
        for ask in asks {
            ask(None);
        }
    }

    /// Waits for something to do, or until `rest` is over. `company` appends were in the turn before: where there was
    /// more than one, as many are worth waiting for, but not longer than `window`.
    pub(crate) fn next(&self, window: Window, company: usize, rest: Option<Duration>) -> Turn {
        let mut state = self.state();
        let rest_ends = rest.map(|rest| Instant::now() + rest);
        let mut window_ends = None;
        let mut notes_end = None;
        loop {
            let State { turn, wake_at, wake_for_note } = &mut *state;
            let now = Instant::now();
            if turn.last || !turn.asks.is_empty() || turn.notes.len() >= MOST_NOTES {
                break;
            }
            if turn.appends.is_empty() && rest_ends.is_some_and(|end| now >= end) {
                break;
            }
            if !turn.appends.is_empty() {
                let end = *window_ends.get_or_insert(now + window.0);
                if company < 2 || turn.appends.len() >= company || now >= end {
                    break;
                }
                *wake_at = company;
                *wake_for_note = false;
                state = self.wait(state, Some(end - now));
                continue;
            }
            *wake_at = 1;
            let wait = if turn.notes.is_empty() {
                *wake_for_note = true;
                rest_ends.map(|end| end - now)
            } else {
                *wake_for_note = false;
                let end = *notes_end.get_or_insert(now + NOTE_DELAY);
                if now >= end {
                    break;
                }
                Some(rest_ends.map_or(end, |rest| rest.min(end)) - now)
            };
            state = self.wait(state, wait);
        }
        // While the writer works nobody needs to wake it.
        state.wake_at = 0;
        state.wake_for_note = false;
        let last = state.turn.last;
        std::mem::replace(&mut state.turn, Turn { last, ..Turn::default() })
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        time: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        match time {
            None => self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(time) => {
                let (state, _) =
                    self.filled.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner);
                state
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
