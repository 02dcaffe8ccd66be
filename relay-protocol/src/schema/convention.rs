//! What the public conventions say of attributes by their names (spec/schema.md 7, 13.2).
//!
//! The table is data of the package `@sentry/conventions`, see `docs/decisions/0012-attribute-conventions.md`.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Pii;

/// What is known of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convention {
    /// Whether a scrubber may look at its value.
    pub pii: Pii,
    /// What it is called by now, if its name is an old one.
    pub replacement: Option<Replacement>,
}

/// The present name of an attribute with an old one, and what is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// The value moves to this name.
    Moves(&'static str),
    /// The value stands under this name as well, and under the old one for those who look there.
    Copies(&'static str),
}

impl Replacement {
    /// The present name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Moves(name) | Self::Copies(name) => name,
        }
    }
}

impl Convention {
    /// What is known of attributes called `name`; of one that nobody knows, that it may be personal.
    ///
    /// ```
    /// use relay_protocol::schema::{Convention, Pii, Replacement};
    ///
    /// let statement = Convention::of("db.statement");
    /// assert_eq!(statement.replacement, Some(Replacement::Moves("db.query.text")));
    /// assert_eq!(Convention::of("http.request.header.cookie").pii, Pii::Yes);
    /// assert_eq!(Convention::of("mine"), Convention { pii: Pii::Yes, replacement: None });
    /// ```
    pub fn of(name: &str) -> Self {
        let known = TABLE.by_name.get(name).copied();
        known.or_else(|| TABLE.of_pattern(name)).unwrap_or(UNKNOWN)
    }
}

const UNKNOWN: Convention = Convention { pii: Pii::Yes, replacement: None };

/// Lines of name, level, action and replacement.
const DATA: &str = include_str!("../../data/attributes.tsv");

/// In the place of a part of a name that is free.
const FREE: &str = "<key>";

struct Table {
    by_name: HashMap<&'static str, Convention>,
    /// Names with a free part, as what comes before and behind it.
    patterns: Vec<(&'static str, &'static str, Convention)>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table { by_name: HashMap::new(), patterns: Vec::new() };
    for line in DATA.lines() {
        let mut columns = line.split('\t');
        let mut next = || columns.next().unwrap_or_default();
        let (name, pii, action, replacement) = (next(), next(), next(), next());
        let pii = match pii {
            "manual" => Pii::Maybe,
            "never" => Pii::No,
            _ => Pii::Yes,
        };
        // What a free part becomes in the new name, nobody says.
        let action = if name.contains(FREE) { "" } else { action };
        let replacement = match action {
            "normalize" => Some(Replacement::Moves(replacement)),
            "backfill" => Some(Replacement::Copies(replacement)),
            _ => None,
        };
        let convention = Convention { pii, replacement };
        match name.split_once(FREE) {
            Some((before, behind)) => table.patterns.push((before, behind, convention)),
            None => {
                table.by_name.insert(name, convention);
            }
        }
    }
    table
});

impl Table {
    fn of_pattern(&self, name: &str) -> Option<Convention> {
        let fits = |(before, behind, _): &&(&str, &str, Convention)| {
            name.len() > before.len() + behind.len()
                && name.starts_with(before)
                && name.ends_with(behind)
        };
        // The longest says most.
        let longest = self.patterns.iter().filter(fits).max_by_key(|(a, b, _)| a.len() + b.len());
        longest.map(|(.., convention)| *convention)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole_and_leads_to_names_that_stay() {
        assert!(TABLE.by_name.len() > 900 && TABLE.patterns.len() > 30);
        for line in DATA.lines() {
            let columns: Vec<&str> = line.split('\t').collect();
            assert!(matches!(columns.len(), 2 | 4), "{line}");
            assert!(matches!(columns[1], "auto" | "manual" | "never"), "{line}");
            assert!(matches!(columns.get(2), None | Some(&"backfill" | &"normalize")), "{line}");
        }
        for (name, convention) in &TABLE.by_name {
            let Some(replacement) = convention.replacement else { continue };
            let next = Convention::of(replacement.name()).replacement;
            assert_eq!(next, None, "{name} leads to {}, which leads on", replacement.name());
        }
    }

    #[test]
    fn a_free_part_may_be_anything_but_nothing() {
        let known = Convention::of("mcp.tool.result.x.y.data_size");
        assert_eq!(known, Convention::of("mcp.tool.result.<key>.data_size"));
        assert_eq!(Convention::of("http.request.header."), UNKNOWN);
    }
}
