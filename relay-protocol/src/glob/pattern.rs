//! What a pattern says.

use super::GlobError;

/// One element of a pattern.
#[derive(Clone, Debug)]
pub(super) enum Part {
    One(One),
    /// `*`
    Run,
    /// `{a,b}`; the alternatives hold no alternatives.
    Alternatives(Vec<Vec<Part>>),
}

/// What matches exactly one character.
#[derive(Clone, Debug)]
pub(super) enum One {
    /// `?`
    Any,
    /// A character, folded.
    Char(char),
    Set {
        negated: bool,
        ranges: Box<[(char, char)]>,
    },
}

impl One {
    pub(super) fn is_match(&self, c: char) -> bool {
        match self {
            Self::Any => true,
            Self::Char(literal) => *literal == fold(c),
            Self::Set { negated, ranges } => {
                let (lower, upper) = (fold(c), unfold(c));
                let within = |c: char| ranges.iter().any(|&(low, high)| low <= c && c <= high);
                (within(c) || within(lower) || within(upper)) != *negated
            }
        }
    }
}

/// The lower-case form of a character, if it is one character and of ASCII only for ASCII.
///
/// Without the second condition the Kelvin sign would be a `k`, and a search for bytes would miss it.
pub(super) fn fold(c: char) -> char {
    if c.is_ascii() { c.to_ascii_lowercase() } else { single(c, c.to_lowercase()) }
}

fn unfold(c: char) -> char {
    if c.is_ascii() { c.to_ascii_uppercase() } else { single(c, c.to_uppercase()) }
}

fn single(original: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(c), None) if !c.is_ascii() => c,
        _ => original,
    }
}

pub(super) fn parse(pattern: &str) -> Result<Vec<Part>, GlobError> {
    let mut rest = pattern.chars();
    let mut parts = Vec::new();
    while let Some(c) = rest.next() {
        match c {
            '{' => parts.push(Part::Alternatives(alternatives(&mut rest)?)),
            _ => push(&mut parts, c, &mut rest)?,
        }
    }
    Ok(parts)
}

fn alternatives(rest: &mut std::str::Chars<'_>) -> Result<Vec<Vec<Part>>, GlobError> {
    let mut alternatives = Vec::new();
    let mut parts = Vec::new();
    loop {
        match rest.next().ok_or(GlobError::OpenAlternatives)? {
            '{' => return Err(GlobError::NestedAlternatives),
            ',' => alternatives.push(std::mem::take(&mut parts)),
            '}' => break,
            c => push(&mut parts, c, rest)?,
        }
    }
    alternatives.push(parts);
    Ok(alternatives)
}

/// Reads everything but braces.
fn push(parts: &mut Vec<Part>, c: char, rest: &mut std::str::Chars<'_>) -> Result<(), GlobError> {
    parts.push(match c {
        '*' if matches!(parts.last(), Some(Part::Run)) => return Ok(()),
        '*' => Part::Run,
        '?' => Part::One(One::Any),
        '[' => Part::One(set(rest)?),
        '\\' => Part::One(One::Char(fold(rest.next().ok_or(GlobError::Escape)?))),
        c => Part::One(One::Char(fold(c))),
    });
    Ok(())
}

fn set(rest: &mut std::str::Chars<'_>) -> Result<One, GlobError> {
    let negated = rest.as_str().starts_with('!');
    if negated {
        rest.next();
    }
    let mut ranges = Vec::new();
    loop {
        let low = match rest.next().ok_or(GlobError::OpenSet)? {
            ']' if ranges.is_empty() => return Err(GlobError::EmptySet),
            ']' => return Ok(One::Set { negated, ranges: ranges.into() }),
            '\\' => rest.next().ok_or(GlobError::OpenSet)?,
            c => c,
        };
        let mut ahead = rest.clone();
        // A dash that ends the set is a dash.
        let high = match (ahead.next(), ahead.next()) {
            (Some('-'), Some('\\')) => ahead.next().ok_or(GlobError::OpenSet)?,
            (Some('-'), Some(high)) if high != ']' => high,
            _ => {
                ranges.push((low, low));
                continue;
            }
        };
        if high < low {
            return Err(GlobError::Range);
        }
        ranges.push((low, high));
        *rest = ahead;
    }
}
