//! Text and what was redacted in it (spec/schema.md 1.5).

use std::borrow::Cow;

use super::meta::{Remark, RemarkKind};
use super::{NodeId, Payload};

/// A part of a text: as it came, or what a rule put there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunk<'t> {
    /// As it came.
    Text(Cow<'t, str>),
    /// What a rule put there.
    Redaction {
        /// The text that stands there now.
        text: Cow<'t, str>,
        /// The id of the rule.
        rule: Cow<'static, str>,
        /// What the rule did.
        kind: RemarkKind,
    },
}

impl<'t> Chunk<'t> {
    /// The text that stands there.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Redaction { text, .. } => text,
        }
    }

    /// Takes a text apart where its remarks say that a rule changed it. Ranges that do not fit the text, or lie before
    /// an earlier one, are left out.
    pub fn split(text: &'t str, remarks: &[Remark]) -> Vec<Self> {
        let mut ranged: Vec<_> =
            remarks.iter().filter_map(|remark| Some((remark.range?, remark))).collect();
        ranged.sort_by_key(|&(range, _)| range);
        let mut chunks = Vec::new();
        let mut at = 0;
        for ((start, end), remark) in ranged {
            let (Some(before), Some(redacted)) = (text.get(at..start), text.get(start..end)) else {
                continue;
            };
            if !before.is_empty() {
                chunks.push(Self::Text(before.into()));
            }
            let (rule, kind) = (remark.rule.clone(), remark.kind);
            chunks.push(Self::Redaction { text: redacted.into(), rule, kind });
            at = end;
        }
        if at < text.len() {
            chunks.push(Self::Text(text[at..].into()));
        }
        chunks
    }

    /// Puts a text together, and the remarks that say where in it rules made a change.
    pub fn join(chunks: &[Self]) -> (String, Vec<Remark>) {
        let mut joined = String::new();
        let mut remarks = Vec::new();
        for chunk in chunks {
            let start = joined.len();
            joined.push_str(chunk.text());
            if let Self::Redaction { rule, kind, .. } = chunk {
                let range = Some((start, joined.len()));
                remarks.push(Remark { rule: rule.clone(), kind: *kind, range });
            }
        }
        (joined, remarks)
    }
}

impl Payload<'_> {
    /// Replaces a string by the chunks that a function makes of its chunks. If that changes the text, ranges of
    /// remarks follow it, and the length before, in characters, is noted.
    pub fn edit_chunks(&mut self, id: NodeId, edit: impl FnOnce(Vec<Chunk<'_>>) -> Vec<Chunk<'_>>) {
        let node = self.node(id);
        let Some(text) = node.as_str() else { return };
        let remarks = node.meta().map_or(&[][..], |meta| &meta.remarks);
        let (joined, ranged) = Chunk::join(&edit(Chunk::split(text, remarks)));
        if joined == text {
            return;
        }
        let length = text.chars().count();
        self.set(id, &joined);
        let meta = self.meta_mut(id);
        meta.remarks.retain(|remark| remark.range.is_none());
        meta.remarks.extend(ranged);
        meta.set_original_length(length);
    }
}
