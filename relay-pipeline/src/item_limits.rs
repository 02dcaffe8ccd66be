//! Item limits: how large and how many the items of one envelope may be.

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
    /// A container of logs, metrics or spans.
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
