macro_rules! item_kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// The kinds of items that size limits tell apart.
        ///
        /// Not the same as the `type` of an item header: attachments are divided by their
        /// `attachment_type`, and some types go by an older name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ItemKind {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl ItemKind {
            /// The name in the answer to an item that is too large, e.g. `attachment:minidump`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The reason under which an item that is too large is discarded.
            pub(crate) const fn too_large(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!("too_large:", $name),)+
                }
            }
        }
    };
}

item_kinds! {
    /// `event`
    Event = "event",
    /// `transaction`
    Transaction = "transaction",
    /// `security`
    Security = "security",
    /// `attachment` of any type that has no kind of its own.
    Attachment = "attachment:attachment",
    /// `attachment` of type `event.minidump`
    Minidump = "attachment:minidump",
    /// `attachment` of type `event.applecrashreport`
    AppleCrashReport = "attachment:apple_crash_report",
    /// `attachment` of type `event.payload`
    EventPayload = "attachment:event_payload",
    /// `attachment` of type `event.breadcrumbs`
    Breadcrumbs = "attachment:breadcrumbs",
    /// `attachment` of type `playstation.prosperodump`
    Prosperodump = "attachment:prosperodump",
    /// `attachment` of type `nswitch.dying_message`; the doubled letter is on the wire.
    SwitchDyingMessage = "attachment:nnswitch_dying_message",
    /// `attachment` of type `unreal.context`
    UnrealContext = "attachment:unreal_context",
    /// `attachment` of type `unreal.logs`
    UnrealLogs = "attachment:unreal_logs",
    /// `attachment` of type `event.view_hierarchy`
    ViewHierarchy = "attachment:view_hierarchy",
    /// `form_data`
    FormData = "form_data",
    /// `raw_security`
    RawSecurity = "raw_security",
    /// `unreal_report`
    UnrealReport = "unreal_report",
    /// `user_report`
    UserReport = "user_report",
    /// `feedback`
    Feedback = "user_report_v2",
    /// `session`
    Session = "session",
    /// `sessions`
    Sessions = "sessions",
    /// `metric_buckets`
    MetricBuckets = "metric_buckets",
    /// `client_report`
    ClientReport = "client_report",
    /// `profile`
    Profile = "profile",
    /// `profile_chunk` and its old name `profile_chunk_ui`
    ProfileChunk = "profile_chunk",
    /// `replay_event`
    ReplayEvent = "replay_event",
    /// `replay_recording`
    ReplayRecording = "replay_recording",
    /// `replay_video`
    ReplayVideo = "replay_video",
    /// `check_in`
    CheckIn = "check_in",
    /// `log`
    Log = "log",
    /// `trace_metric`
    TraceMetric = "trace_metric",
    /// `span`
    Span = "span",
    /// `integration`
    Integration = "integration",
}

impl ItemKind {
    /// The kind of an item by its header, `None` for a `type`, or the `attachment_type` of an
    /// attachment, that is not known: such items have no size limit of their own.
    ///
    /// As in the reference, a known `attachment_type` decides even where the `type` is not
    /// `attachment`. So take the word from here, but the limit from the `type`.
    pub fn of(item_type: &str, attachment_type: Option<&str>) -> Option<Self> {
        match attachment_type {
            None => Self::of_type(item_type),
            Some(attachment_type) => {
                Self::of_attachment(attachment_type).or_else(|| match item_type {
                    "attachment" => None,
                    _ => Self::of_type(item_type),
                })
            }
        }
    }

    fn of_type(item_type: &str) -> Option<Self> {
        Some(match item_type {
            "event" => Self::Event,
            "transaction" => Self::Transaction,
            "security" => Self::Security,
            "attachment" => Self::Attachment,
            "form_data" => Self::FormData,
            "raw_security" => Self::RawSecurity,
            "unreal_report" => Self::UnrealReport,
            "user_report" => Self::UserReport,
            "feedback" => Self::Feedback,
            "session" => Self::Session,
            "sessions" => Self::Sessions,
            "metric_buckets" => Self::MetricBuckets,
            "client_report" => Self::ClientReport,
            "profile" => Self::Profile,
            "profile_chunk" | "profile_chunk_ui" => Self::ProfileChunk,
            "replay_event" => Self::ReplayEvent,
            "replay_recording" => Self::ReplayRecording,
            "replay_video" => Self::ReplayVideo,
            "check_in" => Self::CheckIn,
            "log" => Self::Log,
            "trace_metric" => Self::TraceMetric,
            "span" => Self::Span,
            "integration" => Self::Integration,
            _ => return None,
        })
    }

    fn of_attachment(attachment_type: &str) -> Option<Self> {
        Some(match attachment_type {
            "event.attachment" | "event.nv_gpudmp" | "event.nv_shader_debug" => Self::Attachment,
            "event.minidump" => Self::Minidump,
            "event.applecrashreport" => Self::AppleCrashReport,
            "event.payload" => Self::EventPayload,
            "event.breadcrumbs" => Self::Breadcrumbs,
            "playstation.prosperodump" => Self::Prosperodump,
            "nswitch.dying_message" => Self::SwitchDyingMessage,
            "unreal.context" => Self::UnrealContext,
            "unreal.logs" => Self::UnrealLogs,
            "event.view_hierarchy" => Self::ViewHierarchy,
            _ => return None,
        })
    }
}
