//! Admission: which items of an envelope may enter now.

use std::time::SystemTime;

use relay_envelope::{Envelope, Item, ItemType};
use relay_protocol::{DataCategory, DiscardReason, Quantities};
use relay_quotas::{RateLimit, RateLimits};

use crate::item::is_trace_attachment;
use crate::{enforced, needs_event, quantities};

/// An envelope split in two. Every item that came in is on exactly one side.
#[derive(Debug)]
#[must_use = "discarded items still owe an outcome"]
pub struct Admission {
    /// What may enter.
    pub admitted: Envelope,
    /// What may not.
    pub discarded: Vec<Discarded>,
    /// The limits that the sender is to be told of: those found for categories in the envelope. They may
    /// apply to items that are admitted all the same, as session aggregates are.
    pub limits: RateLimits,
}

/// An item that was turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discarded {
    /// What it counted.
    pub quantities: Quantities,
    /// Why.
    pub reason: DiscardReason,
}

impl Discarded {
    /// Accounts for `item`.
    pub fn new(item: &Item, reason: DiscardReason) -> Self {
        Self { quantities: quantities(item), reason }
    }
}

/// Keeps the items of `envelope` that no rate limit in `limits` holds back at `now`.
///
/// Reads a snapshot and writes nothing: counting against quotas is the caller's next step.
///
/// Source: `spec/ingest.md` 8.4.
pub fn admit(mut envelope: Envelope, limits: &RateLimits, now: SystemTime) -> Admission {
    let mut admission =
        Verdicts { limits, now, event: None, transaction: None, found: RateLimits::default() };
    if limits.is_empty() {
        return Admission { admitted: envelope, discarded: Vec::new(), limits: admission.found };
    }
    admission.look_at_event(envelope.items());

    let has_transaction = envelope.items().iter().any(|item| *item.ty() == ItemType::Transaction);
    let mut discarded = Vec::new();
    envelope.retain(|item| match admission.of(item, has_transaction) {
        None => true,
        Some(limit) => {
            discarded.push(Discarded::new(item, DiscardReason::RateLimited(limit.reason.clone())));
            false
        }
    });
    Admission { admitted: envelope, discarded, limits: admission.found }
}

struct Verdicts<'a> {
    limits: &'a RateLimits,
    now: SystemTime,
    /// The limit on the event that the envelope is about.
    event: Option<&'a RateLimit>,
    /// The same, if that event is a transaction.
    transaction: Option<&'a RateLimit>,
    found: RateLimits,
}

impl<'a> Verdicts<'a> {
    fn look_at_event(&mut self, items: &[Item]) {
        for item in items.iter().filter(|item| item.creates_event()) {
            let limit = match item.ty() {
                ItemType::Event | ItemType::UnrealReport | ItemType::Attachment => {
                    self.find(DataCategory::Error)
                }
                ItemType::Transaction => {
                    self.transaction = self.find(DataCategory::Transaction);
                    self.transaction
                }
                ItemType::Feedback => self.find(DataCategory::Feedback),
                _ => self.find(DataCategory::Security),
            };
            self.event = self.event.or(limit);
        }
    }

    /// The limit that turns `item` away.
    fn of(&mut self, item: &Item, has_transaction: bool) -> Option<&'a RateLimit> {
        if is_trace_attachment(item) {
            // Nobody is told of these: no SDK knows them by a category.
            return self.transaction.or(self.peek(DataCategory::Span)).or(self.attachment_limit());
        }
        if self.event.is_some() && needs_event(item) {
            return self.event;
        }
        match item.ty() {
            ItemType::Attachment if !item.creates_event() => self
                .find(DataCategory::Attachment)
                .or_else(|| self.find(DataCategory::AttachmentItem)),
            ItemType::Span => self.transaction.or_else(|| self.find(DataCategory::Span)),
            ItemType::UserReport => self.find(DataCategory::Feedback),
            ItemType::CheckIn => self.find(DataCategory::Monitor),
            ItemType::ReplayEvent | ItemType::ReplayRecording | ItemType::ReplayVideo => {
                self.find(DataCategory::Replay)
            }
            ItemType::Profile => {
                let transaction =
                    (!has_transaction).then(|| self.find(DataCategory::Transaction)).flatten();
                transaction.or_else(|| self.by_category(item))
            }
            ItemType::ProfileChunk
            | ItemType::Log
            | ItemType::TraceMetric
            | ItemType::Integration => self.by_category(item),
            ItemType::Session => self.find(DataCategory::Session),
            ItemType::Sessions => {
                // Aggregates are cheap and hold many sessions: kept, but the SDK learns of the limit.
                self.find(DataCategory::Session);
                None
            }
            ItemType::MetricBuckets => {
                self.find(DataCategory::MetricBucket);
                None
            }
            _ => None,
        }
    }

    fn by_category(&mut self, item: &Item) -> Option<&'a RateLimit> {
        enforced(&quantities(item)).iter().find_map(|category| self.find(category))
    }

    fn attachment_limit(&self) -> Option<&'a RateLimit> {
        self.peek(DataCategory::Attachment).or_else(|| self.peek(DataCategory::AttachmentItem))
    }

    fn find(&mut self, category: DataCategory) -> Option<&'a RateLimit> {
        let limit = self.peek(category)?;
        self.found.merge(self.limits.select(category.into(), self.now));
        Some(limit)
    }

    fn peek(&self, category: DataCategory) -> Option<&'a RateLimit> {
        self.limits.active(category, self.now)
    }
}
