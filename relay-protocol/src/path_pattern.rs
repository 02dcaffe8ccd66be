use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A pattern for transaction names that look like paths, as the rules `txNameRules` of a project use it
/// (spec/processing.md 3.7.2).
///
/// `*` stands for one character or more without a slash, and is what gets replaced; `**` stands for anything.
/// Everything else stands for itself, in this case. A name is matched with a `/` behind it.
///
/// ```
/// use relay_protocol::PathPattern;
///
/// let pattern = PathPattern::new("/users/*/posts/**");
/// assert_eq!(pattern.replace("/users/ann/posts/1", "*").as_deref(), Some("/users/*/posts/1"));
/// assert_eq!(pattern.replace("/teams/ann", "*"), None);
/// ```
#[derive(Clone)]
pub struct PathPattern {
    pattern: Box<str>,
    steps: Box<[Step]>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Literal(Box<str>),
    /// `*`
    Segment,
    /// `**`
    Anything,
}

impl PathPattern {
    /// The longest name that is looked at, in bytes; longer ones match nothing. Names are cut to 200
    /// characters anyway.
    pub const MAX_NAME: usize = 2048;

    /// The longest pattern that is compiled, in bytes; longer ones match nothing.
    pub const MAX_PATTERN: usize = 1024;

    /// Compiles a pattern. Every text is one.
    pub fn new(pattern: &str) -> Self {
        let mut steps = Vec::new();
        let mut rest = pattern;
        while !rest.is_empty() && pattern.len() <= Self::MAX_PATTERN {
            let stars = rest.len() - rest.trim_start_matches('*').len();
            let (step, length) = match stars {
                0 => {
                    let length = rest.find('*').unwrap_or(rest.len());
                    (Step::Literal(rest[..length].into()), length)
                }
                1 => (Step::Segment, 1),
                stars => (Step::Anything, stars),
            };
            steps.push(step);
            rest = &rest[length..];
        }
        Self { pattern: pattern.into(), steps: steps.into() }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// Whether the pattern matches all of `name`.
    pub fn is_match(&self, name: &str) -> bool {
        self.segments(name).is_some()
    }

    /// The name with `substitution` for whatever a `*` of the pattern stands for; `None` if the pattern
    /// does not match all of it.
    pub fn replace(&self, name: &str, substitution: &str) -> Option<String> {
        let mut replaced = String::with_capacity(name.len());
        let mut copied = 0;
        for (start, end) in self.segments(name)? {
            replaced.push_str(&name[copied..start]);
            replaced.push_str(substitution);
            copied = end;
        }
        replaced.push_str(&name[copied..]);
        Some(replaced)
    }

    /// Where in `name` the segments are for which each `*` stands; `*` and `**` take as little as they can.
    fn segments(&self, name: &str) -> Option<Vec<(usize, usize)>> {
        if name.len() > Self::MAX_NAME || self.steps.is_empty() {
            return None;
        }
        // Most patterns fail here.
        if let Step::Literal(literal) = &self.steps[0]
            && !name.starts_with(literal.trim_end_matches('/'))
        {
            return None;
        }
        let slashed = if name.ends_with('/') { None } else { Some(format!("{name}/")) };
        let text = slashed.as_deref().unwrap_or(name);
        let reach = self.reach(text);
        let mut segments = Vec::new();
        let mut at = 0;
        for (index, step) in self.steps.iter().enumerate() {
            if !reach[index][at] {
                return None;
            }
            match step {
                Step::Literal(literal) => at += literal.len(),
                Step::Anything => at += first(&reach[index + 1][at..])?,
                Step::Segment => {
                    let end = at + 1 + first(&reach[index + 1][at + 1..])?;
                    segments.push((at, end));
                    at = end;
                }
            }
        }
        Some(segments)
    }

    /// For each step and each place of the text: whether the steps from there on match the text from there
    /// on. One row more than there are steps, the last for the end of the text.
    fn reach(&self, text: &str) -> Vec<Vec<bool>> {
        let mut rows = Vec::with_capacity(self.steps.len() + 1);
        let mut next = vec![false; text.len() + 1];
        next[text.len()] = true;
        for step in self.steps.iter().rev() {
            let mut row = vec![false; text.len() + 1];
            let mut reached = false;
            for at in (0..=text.len()).rev() {
                reached = match step {
                    Step::Literal(literal) => {
                        next.get(at + literal.len()) == Some(&true)
                            && text.as_bytes()[at..].starts_with(literal.as_bytes())
                    }
                    Step::Anything => reached || next[at],
                    Step::Segment => match text.as_bytes().get(at) {
                        None | Some(b'/') => false,
                        Some(_) => reached || next[at + 1],
                    },
                };
                row[at] = reached && text.is_char_boundary(at);
            }
            rows.push(next);
            next = row;
        }
        rows.push(next);
        rows.reverse();
        rows
    }
}

fn first(reached: &[bool]) -> Option<usize> {
    reached.iter().position(|&reached| reached)
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PathPattern").field(&self.pattern).finish()
    }
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for PathPattern {}

impl Serialize for PathPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.pattern)
    }
}

impl<'de> Deserialize<'de> for PathPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|pattern| Self::new(&pattern))
    }
}
