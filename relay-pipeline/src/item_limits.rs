//! Item limits: how large and how many the items of one envelope may be.

use relay_envelope::{AttachmentType, Envelope, Item, ItemType};
use relay_protocol::{DataCategory, ItemKind};

use crate::item::is_span_container;
use crate::quantities;

/// Sizes and counts per envelope (`limits.*` of `config.yml`); sizes in bytes, the limit itself passes.
///
/// Source: `spec/ingest.md` 7.1 and 7.2, with the defaults of the reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemLimits {
    /// Event, transaction, security report, feedback, replay event or form data: one per envelope.
    pub max_event_size: usize,
    /// One attachment, unreal report or user report.
    pub max_attachment_size: usize,
    /// All of those together.
    pub max_attachments_size: usize,
    /// How many of those.
    pub max_attachment_count: usize,
    /// All client reports together.
    pub max_client_reports_size: usize,
    /// How many client reports.
    pub max_client_reports_count: usize,
    /// The check-in.
    pub max_check_in_size: usize,
    /// All session updates and aggregates together.
    pub max_sessions_size: usize,
    /// How many of those.
    pub max_session_count: usize,
    /// The profile or profile chunk.
    pub max_profile_size: usize,
    /// The average log of a container.
    pub max_log_size: usize,
    /// The average metric of a container.
    pub max_trace_metric_size: usize,
    /// The average span of a container; each span outside of one.
    pub max_span_size: usize,
    /// How many spans outside of a container.
    pub max_standalone_span_count: usize,
    /// A container of logs, metrics or spans; a body of logs or spans of a foreign protocol.
    pub max_container_size: usize,
    /// The metric buckets.
    pub max_metric_buckets_size: usize,
    /// A replay recording or replay video.
    pub max_replay_compressed_size: usize,
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

impl Default for ItemLimits {
    fn default() -> Self {
        Self {
            max_event_size: MIB,
            max_attachment_size: 200 * MIB,
            max_attachments_size: 200 * MIB,
            max_attachment_count: 30,
            max_client_reports_size: 100 * KIB,
            max_client_reports_count: 100,
            max_check_in_size: 100 * KIB,
            max_sessions_size: 10 * MIB,
            max_session_count: 100,
            max_profile_size: 50 * MIB,
            max_log_size: 2 * MIB,
            max_trace_metric_size: MIB,
            max_span_size: 10 * MIB,
            max_standalone_span_count: 25,
            max_container_size: 12 * MIB,
            max_metric_buckets_size: MIB,
            max_replay_compressed_size: 10 * MIB,
        }
    }
}

/// An item is too large, or one too many; the whole envelope is refused for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "envelope exceeded size limits for type '{}' \
     (https://develop.sentry.dev/sdk/envelopes/#size-limits)",
    kind.name()
)]
pub struct ItemTooLarge {
    /// The kind of the first item that broke a limit.
    pub kind: ItemKind,
}

/// Checks sizes and counts of the items of `envelope`, in the order of the items.
///
/// Items of unknown type, and attachments of unknown type, are not limited here; the size of the envelope
/// bounds them.
///
/// # Errors
///
/// The first item that is too large, one too many, or brings its group over the total.
pub fn check_sizes(envelope: &Envelope, limits: &ItemLimits) -> Result<(), ItemTooLarge> {
    let mut tallies = [Tally::default(); Group::COUNT];
    for item in envelope.items() {
        let Some(rule) = Rule::of(item, limits) else { continue };
        let tally = &mut tallies[rule.group as usize];
        tally.count += 1;
        tally.bytes = tally.bytes.saturating_add(item.payload().len());
        if rule.size > rule.max_size || tally.count > rule.max_count || tally.bytes > rule.max_total
        {
            let attachment_type = item.attachment_type();
            let kind = ItemKind::of(
                item.ty().as_str(),
                attachment_type.as_ref().map(AttachmentType::as_str),
            );
            return Err(ItemTooLarge { kind: kind.unwrap_or(ItemKind::Attachment) });
        }
    }
    Ok(())
}

/// Items that share one budget.
#[derive(Debug, Clone, Copy)]
enum Group {
    Event,
    Attachment,
    Session,
    Profile,
    ReplayRecording,
    ReplayVideo,
    ClientReport,
    CheckIn,
    MetricBuckets,
    Log,
    TraceMetric,
    SpanContainer,
    Span,
    IntegrationLogs,
    IntegrationSpans,
}

impl Group {
    const COUNT: usize = Self::IntegrationSpans as usize + 1;
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    count: usize,
    bytes: usize,
}

/// The limits of one item and of its group.
struct Rule {
    group: Group,
    size: usize,
    max_size: usize,
    max_count: usize,
    max_total: usize,
}

impl Rule {
    fn of(item: &Item, limits: &ItemLimits) -> Option<Self> {
        let size = item.payload().len();
        let single = |group, max| Self { group, size, max_size: max, max_count: 1, max_total: max };
        // A container counts by its average element.
        let container = |group, max_size| Self {
            group,
            size: size / item.item_count().map_or(1, |count| count.max(1) as usize),
            max_size,
            max_count: 1,
            max_total: limits.max_container_size,
        };
        Some(match item.ty() {
            ItemType::Event
            | ItemType::Transaction
            | ItemType::Security
            | ItemType::RawSecurity
            | ItemType::ReplayEvent
            | ItemType::Feedback
            | ItemType::FormData => single(Group::Event, limits.max_event_size),
            ItemType::Attachment
                if matches!(item.attachment_type(), Some(AttachmentType::Other(_))) =>
            {
                return None;
            }
            ItemType::Attachment | ItemType::UnrealReport | ItemType::UserReport => Self {
                group: Group::Attachment,
                size,
                max_size: limits.max_attachment_size,
                max_count: limits.max_attachment_count,
                max_total: limits.max_attachments_size,
            },
            ItemType::Session | ItemType::Sessions => Self {
                group: Group::Session,
                size,
                max_size: limits.max_sessions_size,
                max_count: limits.max_session_count,
                max_total: limits.max_sessions_size,
            },
            ItemType::Profile | ItemType::ProfileChunk => {
                single(Group::Profile, limits.max_profile_size)
            }
            ItemType::ReplayRecording => {
                single(Group::ReplayRecording, limits.max_replay_compressed_size)
            }
            ItemType::ReplayVideo => single(Group::ReplayVideo, limits.max_replay_compressed_size),
            ItemType::ClientReport => Self {
                group: Group::ClientReport,
                size,
                max_size: limits.max_client_reports_size,
                max_count: limits.max_client_reports_count,
                max_total: limits.max_client_reports_size,
            },
            ItemType::CheckIn => single(Group::CheckIn, limits.max_check_in_size),
            ItemType::MetricBuckets => single(Group::MetricBuckets, limits.max_metric_buckets_size),
            ItemType::Log => container(Group::Log, limits.max_log_size),
            ItemType::TraceMetric => container(Group::TraceMetric, limits.max_trace_metric_size),
            ItemType::Span if is_span_container(item) => {
                container(Group::SpanContainer, limits.max_span_size)
            }
            ItemType::Span => Self {
                group: Group::Span,
                size,
                max_size: limits.max_span_size,
                max_count: limits.max_standalone_span_count,
                max_total: limits.max_container_size,
            },
            ItemType::Integration => {
                let categories = quantities(item).categories();
                let group = if categories.contains(DataCategory::LogItem) {
                    Group::IntegrationLogs
                } else if categories.contains(DataCategory::Span) {
                    Group::IntegrationSpans
                } else {
                    return None;
                };
                single(group, limits.max_container_size)
            }
            _ => return None,
        })
    }
}
