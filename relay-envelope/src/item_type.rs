use std::fmt;

/// Declares an enum of wire names that ends in `Other`.
macro_rules! wire_names {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)*
            /// A name that is not known here, or not yet.
            Other(String),
        }

        impl $name {
            /// The name as it stands on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(name) => name,
                }
            }

            fn known(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

wire_names! {
    /// What an item is, by the `type` in its header.
    ///
    /// Convert from text with `From`, which also knows the aliases: the name in `Other` is never that
    /// of another variant then.
    ///
    /// ```
    /// use relay_envelope::ItemType;
    ///
    /// assert_eq!(ItemType::from("check_in"), ItemType::CheckIn);
    /// assert_eq!(ItemType::from("statsd").as_str(), "statsd");
    /// ```
    pub enum ItemType {
        /// An error or message, as JSON.
        Event = "event",
        /// A transaction with its spans, as JSON.
        Transaction = "transaction",
        /// A security report in the form of an event.
        Security = "security",
        /// A security report as the browser wrote it.
        RawSecurity = "raw_security",
        /// A crash of the Unreal Engine: a compressed archive.
        UnrealReport = "unreal_report",
        /// Feedback of a user, in the form of an event.
        Feedback = "feedback",
        /// Any bytes; see [`AttachmentType`].
        Attachment = "attachment",
        /// Fields of a multipart form.
        FormData = "form_data",
        /// Feedback of a user in its old form.
        UserReport = "user_report",
        /// A session, or news of one.
        Session = "session",
        /// Counts of sessions.
        Sessions = "sessions",
        /// What an SDK discarded.
        ClientReport = "client_report",
        /// A sign of life of a scheduled job.
        CheckIn = "check_in",
        /// A profile of a transaction.
        Profile = "profile",
        /// A piece of a continuous profile. `profile_chunk_ui` is an alias and written as this.
        ProfileChunk = "profile_chunk",
        /// What a segment of a session replay is about.
        ReplayEvent = "replay_event",
        /// A segment of a session replay.
        ReplayRecording = "replay_recording",
        /// A segment of a session replay as a video.
        ReplayVideo = "replay_video",
        /// A container of logs.
        Log = "log",
        /// A container of metrics.
        TraceMetric = "trace_metric",
        /// A container of spans, or a single one.
        Span = "span",
        /// Aggregated metrics.
        MetricBuckets = "metric_buckets",
        /// A body of a foreign protocol. Only made by servers, never accepted from outside.
        Integration = "integration",
    }
}

/// Another name of [`ItemType::ProfileChunk`].
const PROFILE_CHUNK_ALIAS: &str = "profile_chunk_ui";

impl From<&str> for ItemType {
    fn from(name: &str) -> Self {
        match name {
            PROFILE_CHUNK_ALIAS => Self::ProfileChunk,
            name => Self::known(name).unwrap_or_else(|| Self::Other(name.to_owned())),
        }
    }
}

wire_names! {
    /// What an attachment is, by the `attachment_type` in its header.
    pub enum AttachmentType {
        /// A file; what an attachment is when it does not say.
        Attachment = "event.attachment",
        /// A minidump.
        Minidump = "event.minidump",
        /// A crash report of Apple's.
        AppleCrashReport = "event.applecrashreport",
        /// The event that goes with a crash, as MessagePack.
        EventPayload = "event.payload",
        /// Breadcrumbs that go with a crash, as MessagePack.
        Breadcrumbs = "event.breadcrumbs",
        /// A crash dump of a PlayStation.
        Prosperodump = "playstation.prosperodump",
        /// A crash dump of a GPU.
        NvGpuDump = "event.nv_gpudmp",
        /// Debug information for such a dump.
        NvShaderDebug = "event.nv_shader_debug",
        /// A crash of a Nintendo Switch.
        NintendoSwitchDyingMessage = "nswitch.dying_message",
        /// The elements on the screen, as JSON.
        ViewHierarchy = "event.view_hierarchy",
        /// The context of an Unreal Engine crash.
        UnrealContext = "unreal.context",
        /// The logs of an Unreal Engine crash.
        UnrealLogs = "unreal.logs",
    }
}

impl From<&str> for AttachmentType {
    fn from(name: &str) -> Self {
        Self::known(name).unwrap_or_else(|| Self::Other(name.to_owned()))
    }
}

impl AttachmentType {
    /// Whether such an attachment makes an event of an envelope that holds none otherwise.
    pub fn creates_event(&self) -> bool {
        matches!(
            self,
            Self::Minidump
                | Self::AppleCrashReport
                | Self::EventPayload
                | Self::Breadcrumbs
                | Self::Prosperodump
                | Self::NvGpuDump
                | Self::NintendoSwitchDyingMessage
        )
    }
}
