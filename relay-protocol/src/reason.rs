use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

macro_rules! invalid_reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)+) => {
        /// Why data was not acceptable. A closed list: receivers know these words and no others.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum InvalidReason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl InvalidReason {
            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

invalid_reasons! {
    /// The same event came twice.
    Duplicate = "duplicate",
    /// The project id is missing or broken.
    ProjectId = "project_id",
    /// The protocol version of the request is not supported.
    AuthVersion = "auth_version",
    /// The name of the client is missing or refused.
    AuthClient = "auth_client",
    /// The request has no data.
    NoData = "no_data",
    /// The whole request, or what it expands to, is too large.
    RequestTooLarge = "request_too_large",
    /// The request itself, not its items, was over a limit.
    RateLimited = "rate_limited",
    /// The HTTP method is not allowed.
    DisallowedMethod = "disallowed_method",
    /// The content type is not allowed.
    ContentType = "content_type",
    /// The request speaks for more than one project.
    MultiProjectId = "multi_project_id",
    /// A crash report without a minidump.
    MissingMinidumpUpload = "missing_minidump_upload",
    /// The minidump is no minidump.
    InvalidMinidump = "invalid_minidump",
    /// A PlayStation crash report without a dump.
    MissingProsperodumpUpload = "missing_prosperodump_upload",
    /// The PlayStation dump cannot be read.
    InvalidProsperodump = "invalid_prosperodump",
    /// A browser report of no known type.
    SecurityReportType = "security_report_type",
    /// A browser report that cannot be read.
    SecurityReport = "security_report",
    /// The origin of the request is not allowed by the project.
    Cors = "cors",
    /// The Unreal report cannot be read.
    InvalidUnrealReport = "invalid_unreal_report",
    /// The Unreal report could not be taken apart.
    ProcessUnreal = "process_unreal",
    /// The signature of a relay does not fit.
    InvalidSignature = "invalid_signature",
    /// The project asks for a signature of a relay, and there is none.
    MissingSignature = "missing_signature",
    /// The payload could not be read.
    Payload = "payload",
    /// The body of the request is empty.
    EmptyBody = "empty_body",
    /// The body of the request cannot be decoded.
    InvalidBody = "invalid_body",
    /// The payload is not the JSON it should be.
    InvalidJson = "invalid_json",
    /// The multipart form cannot be read.
    InvalidMultipart = "invalid_multipart",
    /// The payload is not MessagePack.
    InvalidMsgpack = "invalid_msgpack",
    /// The payload is not the protocol buffer it should be.
    InvalidProto = "invalid_proto",
    /// The transaction lacks its times or its trace context.
    InvalidTransaction = "invalid_transaction",
    /// The body is not an envelope.
    InvalidEnvelope = "invalid_envelope",
    /// The compression of a payload is unknown or broken.
    InvalidCompression = "invalid_compression",
    /// The event id is missing or is none.
    InvalidEventId = "invalid_event_id",
    /// The envelope has items that only relays may send.
    InternalEnvelope = "internal_envelope",
    /// The relay had no room to keep the data.
    QueueFailed = "queue_failed",
    /// The data is from too far in the past or the future, or waited too long.
    Timestamp = "timestamp",
    /// The project is unknown, disabled, or its state could not be had.
    ProjectState = "project_state",
    /// The scrubbing rules of the project cannot be read.
    ProjectStatePii = "project_state_pii",
    /// The project could not be looked up in time.
    ProjectUnavailable = "project_unavailable",
    /// The envelope has an item twice that may be there once.
    DuplicateItem = "duplicate_item",
    /// The envelope has parts of an event and no event.
    NoEventPayload = "no_event_payload",
    /// A fault of the relay.
    Internal = "internal",
    /// The transaction to which the data belongs was sampled away.
    TransactionSampled = "transaction_sampled",
    /// The replay event is not valid.
    InvalidReplay = "invalid_replay",
    /// The replay event has no payload.
    InvalidReplayNoPayload = "invalid_replay_no_payload",
    /// The replay event could not be scrubbed.
    InvalidReplayPiiScrubberFailed = "invalid_replay_pii_scrubber_failed",
    /// The replay recording cannot be read.
    InvalidReplayRecording = "invalid_replay_recording",
    /// The replay video cannot be read.
    InvalidReplayVideo = "invalid_replay_video",
    /// The replay event came without its recording.
    InvalidReplayMissingRecording = "invalid_replay_missing_recording",
    /// The profile could not be written.
    ProfilingFailedSerialization = "profiling_failed_serialization",
    /// The profile is too large once expanded.
    ProfilingExceedSizeLimit = "profiling_exceed_size_limit",
    /// A value in the profile is not base64.
    ProfilingInvalidBase64Value = "profiling_invalid_base64_value",
    /// The profile is not the JSON it should be.
    ProfilingInvalidJson = "profiling_invalid_json",
    /// The sampled profile cannot be read.
    ProfilingInvalidSampledProfile = "profiling_invalid_sampled_profile",
    /// The profile describes its transaction wrongly.
    ProfilingInvalidTransactionMetadata = "profiling_invalid_transaction_metadata",
    /// The profile is of a type that is not known.
    ProfilingInvalidProfileType = "profiling_invalid_profile_type",
    /// The samples of the profile do not fit together.
    ProfilingMalformedSamples = "profiling_malformed_samples",
    /// The stacks of the profile do not fit together.
    ProfilingMalformedStacks = "profiling_malformed_stacks",
    /// The profile describes itself wrongly.
    ProfilingInvalidProfileMetadata = "profiling_invalid_profile_metadata",
    /// The profile belongs to no transaction.
    ProfilingNoTransactionAssociated = "profiling_no_transaction_associated",
    /// The profile has too few samples.
    ProfilingNotEnoughSamples = "profiling_not_enough_samples",
    /// Profiles of this platform are not supported.
    ProfilingPlatformNotSupported = "profiling_platform_not_supported",
    /// The envelope has more than one profile.
    ProfilingTooManyProfiles = "profiling_too_many_profiles",
    /// The profile covers too much time.
    ProfilingDurationIsTooLong = "profiling_duration_is_too_long",
    /// The profile covers no time.
    ProfilingDurationIsZero = "profiling_duration_is_zero",
    /// The profile was filtered.
    ProfilingFiltered = "profiling_filtered",
    /// The profile may not come without its transaction.
    ProfilingInvalidStandalone = "profiling_invalid_standalone",
    /// The log entry is not valid.
    InvalidLog = "invalid_log",
    /// The trace metric is not valid.
    InvalidTraceMetric = "invalid_trace_metric",
    /// The span is not valid.
    InvalidSpan = "invalid_span",
    /// The attachment of a span is not valid.
    InvalidSpanAttachment = "invalid_span_attachment",
    /// The attachment of a trace is not valid.
    InvalidTraceAttachment = "invalid_trace_attachment",
    /// The reference to an attachment is not valid.
    InvalidPlaceholderAttachment = "invalid_placeholder_attachment",
    /// The build id is not valid.
    InvalidBuildId = "invalid_build_id",
    /// The project does not have the feature that the data needs.
    FeatureDisabled = "feature_disabled",
    /// Transactions take no such attachment.
    TransactionAttachment = "transaction_attachment",
    /// The check-in is not valid.
    InvalidCheckIn = "invalid_check_in",
    /// The envelope needs a `trace` header and has none.
    MissingDsc = "missing_dsc",
    /// The `trace` header of the envelope is not valid.
    InvalidDsc = "invalid_dsc",
    /// The payload could not be handed to the store for large files.
    UploadFailed = "upload_failed",
    /// The payload is nested too deeply.
    NestingTooDeep = "nesting_too_deep",
    /// The upstream refused the data for good.
    ///
    /// # Deviation
    ///
    /// A word of this relay's own: the reference treats such data as delivered.
    UpstreamRefused = "upstream_refused",
}

/// Which inbound filter held an event back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FilterReason {
    /// The address of the client is on the project's list.
    IpAddress,
    /// The release is on the project's list.
    ReleaseVersion,
    /// The error message is on the project's list.
    ErrorMessage,
    /// The error comes from a browser extension.
    BrowserExtensions,
    /// The browser is too old.
    LegacyBrowsers,
    /// The event comes from a developer's machine.
    Localhost,
    /// The client is a crawler.
    WebCrawlers,
    /// The violation of a content security policy is not worth reporting.
    InvalidCsp,
    /// The name of the transaction is on the project's list.
    FilteredTransaction,
    /// The name of the metric is on the project's list.
    DeniedName,
    /// The namespace of the metric is switched off.
    DisabledNamespace,
    /// The issue to which the event belongs is to be discarded.
    Discarded,
    /// A filter that the project defines itself, by its id.
    Generic(Arc<str>),
}

impl FilterReason {
    /// The word on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::IpAddress => "ip-address",
            Self::ReleaseVersion => "release-version",
            Self::ErrorMessage => "error-message",
            Self::BrowserExtensions => "browser-extensions",
            Self::LegacyBrowsers => "legacy-browsers",
            Self::Localhost => "localhost",
            Self::WebCrawlers => "web-crawlers",
            Self::InvalidCsp => "invalid-csp",
            Self::FilteredTransaction => "filtered-transaction",
            Self::DeniedName => "denied-name",
            Self::DisabledNamespace => "disabled-namespace",
            Self::Discarded => "discarded",
            Self::Generic(id) => id,
        }
    }
}

/// The code by which a quota says why it limits, e.g. `key_quota`.
///
/// One to [`MAX_LEN`](Self::MAX_LEN) printable ASCII characters, neither `,` nor `:`, no space at
/// either end: so that it survives a rate-limit header and a client report unchanged. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReasonCode(Arc<str>);

impl ReasonCode {
    /// The longest code in bytes: receivers drop client reports with longer reasons.
    pub const MAX_LEN: usize = 200;

    /// The code that stands for a bare `Retry-After`.
    pub fn generic() -> Self {
        Self("generic".into())
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ReasonCode {
    type Err = ReasonCodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let printable = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b':');
        if (1..=Self::MAX_LEN).contains(&text.len())
            && text.bytes().all(printable)
            && text.trim_ascii().len() == text.len()
        {
            Ok(Self(text.into()))
        } else {
            Err(ReasonCodeError)
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The text cannot be a [`ReasonCode`]. The message does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a reason code: need 1 to {max} printable ASCII characters without comma or colon", max = ReasonCode::MAX_LEN)]
pub struct ReasonCodeError;
