//! How a pattern is matched.

use memchr::memchr2_iter;

use super::pattern::{One, Part};

/// The cheapest way to match a pattern.
#[derive(Clone)]
pub(super) enum Matcher {
    Nothing,
    Everything,
    /// A run of ASCII, and whether any text may stand before and after it.
    Literal {
        literal: Box<[u8]>,
        before: bool,
        after: bool,
    },
    Sequence(Box<[Step]>),
    Automaton(Automaton),
}

impl Matcher {
    pub(super) fn new(parts: Vec<Part>) -> Self {
        match &parts[..] {
            [] => Self::Nothing,
            [Part::Run] => Self::Everything,
            _ => literal(&parts)
                .or_else(|| sequence(&parts).map(Self::Sequence))
                .unwrap_or_else(|| Self::Automaton(Automaton::new(parts))),
        }
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Literal { literal, before, after } => {
                contains(text.as_bytes(), literal, *before, *after)
            }
            Self::Sequence(steps) => is_sequence(steps, text),
            Self::Automaton(automaton) => automaton.is_match(text),
        }
    }
}

fn literal(parts: &[Part]) -> Option<Matcher> {
    let before = matches!(parts.first(), Some(Part::Run));
    let after = matches!(parts.last(), Some(Part::Run));
    let inner = parts.get(usize::from(before)..parts.len() - usize::from(after))?;
    let byte = |part: &Part| match part {
        Part::One(One::Char(c)) if c.is_ascii() => Some(*c as u8),
        _ => None,
    };
    let literal = inner.iter().map(byte).collect::<Option<Box<[u8]>>>()?;
    (!literal.is_empty()).then_some(Matcher::Literal { literal, before, after })
}

fn contains(text: &[u8], literal: &[u8], before: bool, after: bool) -> bool {
    let Some(last) = text.len().checked_sub(literal.len()) else { return false };
    match (before, after) {
        (false, false) => last == 0 && text.eq_ignore_ascii_case(literal),
        (false, true) => text[..literal.len()].eq_ignore_ascii_case(literal),
        (true, false) => text[last..].eq_ignore_ascii_case(literal),
        (true, true) => {
            let first = literal[0];
            memchr2_iter(first, first.to_ascii_uppercase(), &text[..=last])
                .any(|at| text[at..at + literal.len()].eq_ignore_ascii_case(literal))
        }
    }
}

/// An element of a pattern without alternatives.
#[derive(Clone)]
pub(super) enum Step {
    One(One),
    Run,
}

fn sequence(parts: &[Part]) -> Option<Box<[Step]>> {
    parts
        .iter()
        .map(|part| match part {
            Part::One(one) => Some(Step::One(one.clone())),
            Part::Run => Some(Step::Run),
            Part::Alternatives(_) => None,
        })
        .collect()
}

/// What stands between two runs is taken where it occurs first: a later place leaves less for the rest.
fn is_sequence(steps: &[Step], text: &str) -> bool {
    let mut step = 0;
    let mut rest = text.chars();
    // The run that was met last, and what it has not swallowed yet.
    let mut run: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        match steps.get(step) {
            Some(Step::Run) => {
                step += 1;
                if step == steps.len() {
                    return true;
                }
                run = Some((step, rest.clone()));
                continue;
            }
            Some(Step::One(one)) => match rest.next() {
                Some(c) if one.is_match(c) => {
                    step += 1;
                    continue;
                }
                Some(_) => {}
                None => return false,
            },
            None if rest.as_str().is_empty() => return true,
            None => {}
        }
        let Some((after, swallowing)) = &mut run else { return false };
        if swallowing.next().is_none() {
            return false;
        }
        step = *after;
        rest = swallowing.clone();
    }
}

/// A pattern with alternatives: all places in it that the text so far can lead to are followed at once.
#[derive(Clone)]
pub(super) struct Automaton {
    states: Box<[State]>,
}

#[derive(Clone)]
enum State {
    /// On to the next state with one character.
    One(One),
    /// Stays with any character; on to the next state without one.
    Run,
    /// On to any of these without a character.
    Fork(Box<[usize]>),
}

impl Automaton {
    fn new(parts: Vec<Part>) -> Self {
        let mut states = Vec::new();
        for part in parts {
            let Part::Alternatives(alternatives) = part else {
                states.push(State::simple(part));
                continue;
            };
            // Fork, then each alternative and a jump behind all of them.
            let fork = states.len();
            let sizes = alternatives.iter().map(|parts| parts.len() + 1);
            let end = fork + 1 + sizes.sum::<usize>();
            states.push(State::Fork(Box::default()));
            let mut starts = Vec::with_capacity(alternatives.len());
            for parts in alternatives {
                starts.push(states.len());
                states.extend(parts.into_iter().map(State::simple));
                states.push(State::Fork([end].into()));
            }
            states[fork] = State::Fork(starts.into());
        }
        Self { states: states.into() }
    }

    fn is_match(&self, text: &str) -> bool {
        let mut current = Places::new(self.states.len() + 1);
        let mut next = current.clone();
        self.enter(&mut current, 0);
        for c in text.chars() {
            if current.list.is_empty() {
                return false;
            }
            for index in 0..current.list.len() {
                let place = current.list[index];
                match self.states.get(place) {
                    Some(State::One(one)) if one.is_match(c) => self.enter(&mut next, place + 1),
                    Some(State::Run) => self.enter(&mut next, place),
                    _ => {}
                }
            }
            std::mem::swap(&mut current, &mut next);
            next.clear();
        }
        current.seen[self.states.len()]
    }

    /// Adds a place and all that are reached from there without a character.
    fn enter(&self, places: &mut Places, place: usize) {
        let first = places.list.len();
        places.add(place);
        let mut index = first;
        while let Some(&place) = places.list.get(index) {
            match self.states.get(place) {
                Some(State::Run) => places.add(place + 1),
                Some(State::Fork(targets)) => targets.iter().for_each(|&target| places.add(target)),
                Some(State::One(_)) | None => {}
            }
            index += 1;
        }
    }
}

impl State {
    fn simple(part: Part) -> Self {
        match part {
            Part::One(one) => Self::One(one),
            Part::Run => Self::Run,
            Part::Alternatives(_) => unreachable!("alternatives hold no alternatives"),
        }
    }
}

/// A set of places, in the order in which they were added.
#[derive(Clone)]
struct Places {
    list: Vec<usize>,
    seen: Vec<bool>,
}

impl Places {
    fn new(capacity: usize) -> Self {
        Self { list: Vec::with_capacity(capacity), seen: vec![false; capacity] }
    }

    fn add(&mut self, place: usize) {
        if !std::mem::replace(&mut self.seen[place], true) {
            self.list.push(place);
        }
    }

    fn clear(&mut self) {
        for place in self.list.drain(..) {
            self.seen[place] = false;
        }
    }
}
