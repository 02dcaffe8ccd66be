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
        let is_awaited = state.turn.appends.len() == state.wake_at;
        // Or else whoever is woken would run into the lock.
        drop(state);
        if is_awaited {
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
        let is_awaited = state.wake_for_note || state.turn.notes.len() == MOST_NOTES;
        state.wake_for_note = false;
        drop(state);
        if is_awaited {
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
    ///
    /// To wake the writer costs more than one more append in its commit. So in busy times neither the first append nor
    /// the first note does: it counts from the end of the turn before, and looks by itself.
    pub(crate) fn next(&self, window: Window, company: usize, rest: Option<Duration>) -> Turn {
        let mut state = self.state();
        let started = Instant::now();
        let rest_ends = rest.map(|rest| started + rest);
        let company_ends = (company >= 2).then(|| started + window.0);
        let mut notes_end = Some(started + NOTE_DELAY);
        loop {
            let State { turn, wake_at, wake_for_note } = &mut *state;
            let now = Instant::now();
            let company_ends = company_ends.filter(|end| now < *end);
            let is_complete = match company_ends {
                Some(_) => turn.appends.len() >= company,
                None => !turn.appends.is_empty(),
            };
            let rest_ends = rest_ends.filter(|_| turn.appends.is_empty());
            let is_over = |end: Option<Instant>| end.is_some_and(|end| now >= end);
            if turn.last
                || is_complete
                || !turn.asks.is_empty()
                || turn.notes.len() >= MOST_NOTES
                || !turn.notes.is_empty() && is_over(notes_end)
                || is_over(rest_ends)
            {
                break;
            }
            if !turn.notes.is_empty() {
                notes_end.get_or_insert(now + NOTE_DELAY);
            } else if is_over(notes_end) {
                notes_end = None;
            }
            *wake_at = if company_ends.is_some() { company } else { 1 };
            *wake_for_note = notes_end.is_none();
            let next_look = [company_ends, notes_end, rest_ends].into_iter().flatten().min();
            state = self.wait(state, next_look.map(|end| end.saturating_duration_since(now)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schedule;

    fn append() -> Append {
        Append::new(Vec::new(), |_| ())
    }

    fn note(id: u64) -> Note {
        Note::Reschedule(RecordId::new(id), Schedule::default())
    }

    const HOUR: Duration = Duration::from_secs(3600);

    /// What the writer is given by another thread, and that it is woken for it: nobody waits for an hour here.
    fn given(inbox: &Inbox, company: usize, give: impl FnOnce(&Inbox) + Send) -> Turn {
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| inbox.next(Window(HOUR), company, None));
            give(inbox);
            writer.join().expect("it does not panic")
        })
    }

    #[test]
    fn an_append_goes_at_once_or_with_the_company_of_the_last_turn() {
        let inbox = Inbox::default();
        let bring = |many: usize| {
            move |inbox: &Inbox| {
                for _ in 0..many {
                    assert!(inbox.append(append()).is_ok());
                }
            }
        };
        assert_eq!(given(&inbox, 0, bring(1)).appends.len(), 1);
        assert_eq!(given(&inbox, 1, bring(1)).appends.len(), 1);
        assert_eq!(given(&inbox, 3, bring(3)).appends.len(), 3);
        assert!(given(&inbox, 3, |inbox| inbox.close()).last);
    }

    #[test]
    fn company_that_does_not_come_is_waited_for_no_longer_than_the_window() {
        let inbox = Inbox::default();
        assert!(inbox.append(append()).is_ok());
        let turn = inbox.next(Window(Duration::from_millis(1)), 3, None);
        assert_eq!(turn.appends.len(), 1);
        // None came within the window: the next one finds a quiet inbox.
        let turn = std::thread::scope(|scope| {
            let writer = scope.spawn(|| inbox.next(Window(Duration::ZERO), 3, None));
            assert!(inbox.append(append()).is_ok());
            writer.join().expect("it does not panic")
        });
        assert_eq!(turn.appends.len(), 1);
    }

    #[test]
    fn notes_go_by_themselves_after_a_while_and_with_the_first_append_before() {
        let inbox = Inbox::default();
        assert_eq!(given(&inbox, 0, |inbox| inbox.note(note(1))).notes.len(), 1);
        let turn = given(&inbox, 2, |inbox| {
            inbox.note(note(2));
            assert!(inbox.append(append()).is_ok());
            assert!(inbox.append(append()).is_ok());
        });
        assert_eq!((turn.notes.len(), turn.appends.len()), (1, 2));
    }

    #[test]
    fn a_writer_without_anything_to_do_rests_and_no_longer() {
        let turn = Inbox::default().next(Window(HOUR), 0, Some(Duration::from_millis(1)));
        assert!(turn.appends.is_empty() && turn.notes.is_empty() && !turn.last);
    }
}
