use serde_json::Value;

use crate::EventId;
use crate::schema::{Characters, List, Map, Pairs, Pii, Shape, container, interface};

interface! {
    /// An application.
    AppContext = "appcontext", other: Maybe {
        /// `app`
        ty: String = "type" { pii: Pii::No };
        /// When it was started.
        app_start_time: String = "app_start_time" { pii: Pii::Maybe };
        /// An id of this application on this device.
        device_app_hash: String = "device_app_hash" { pii: Pii::Maybe };
        /// How it was built, such as `testflight`.
        build_type: String = "build_type" { pii: Pii::No };
        /// Its identifier, such as `com.example.shop`.
        app_identifier: String = "app_identifier" { pii: Pii::No };
        /// Its name.
        app_name: String = "app_name" { pii: Pii::No };
        /// Its version.
        app_version: String = "app_version" { pii: Pii::No };
        /// Its build.
        app_build: String = "app_build" { shape: Shape::Lenient, pii: Pii::No };
        /// Its memory, in bytes.
        app_memory: u64 = "app_memory" { pii: Pii::No };
        /// Whether it was in front.
        in_foreground: bool = "in_foreground" { pii: Pii::No };
        /// The views that were visible.
        view_names: List<String> = "view_names" { pii: Pii::No };
    }
}

interface! {
    /// The profile that goes with an event.
    ProfileContext = "profilecontext", other: Maybe {
        /// `profile`
        ty: String = "type" { pii: Pii::No };
        /// The profile of a transaction.
        profile_id: EventId = "profile_id" { pii: Pii::No };
        /// The profiler that runs on.
        profiler_id: EventId = "profiler_id" { pii: Pii::No };
    }
}

interface! {
    /// The replay that an event is part of.
    ReplayContext = "replaycontext", other: Maybe {
        /// `replay`
        ty: String = "type" { pii: Pii::No };
        /// Its id.
        replay_id: EventId = "replay_id" { pii: Pii::No };
    }
}

interface! {
    /// The feature flags that were looked up, oldest first.
    FlagsContext = "flagscontext", other: Maybe {
        /// `flags`
        ty: String = "type" { pii: Pii::No };
        /// The flags.
        values: List<Flag> = "values";
    }
}

interface! {
    /// A feature flag.
    Flag = "flagscontextitem", other: Maybe {
        /// Its name. At most 200 characters: ASCII letters, digits and `_.:-`.
        flag: String = "flag" { max_chars: Some(200), characters: Characters::Alphanumeric("_.:-") };
        /// What it was. A text has at most 200 characters.
        result: Value = "result" { max_chars: Some(200) };
    }
}

interface! {
    /// What a user has to say.
    FeedbackContext = "userreportv2context", other: Maybe {
        /// `feedback`
        ty: String = "type" { pii: Pii::No };
        /// The text.
        message: String = "message" { pii: Pii::Maybe };
        /// How to answer.
        contact_email: String = "contact_email" { pii: Pii::No };
    }
}

interface! {
    /// The cron monitor that was running. Any keys.
    MonitorContext = "monitorcontext", other: Maybe {
        /// `monitor`
        ty: String = "type" { pii: Pii::No };
    }
}

interface! {
    /// Where a reprocessed event comes from. Removed by relays.
    ReprocessingContext = "reprocessingcontext", other: Maybe {
        /// `reprocessing`
        ty: String = "type" { pii: Pii::No };
        /// The issue it was in.
        original_issue_id: u64 = "original_issue_id" { pii: Pii::No };
        /// Its hash.
        original_primary_hash: String = "original_primary_hash" { pii: Pii::No };
    }
}

interface! {
    /// The HTTP response.
    ResponseContext = "responsecontext", other: Maybe {
        /// `response`
        ty: String = "type" { pii: Pii::No };
        /// As in requests. At most 2 KiB.
        cookies: Pairs = "cookies" {
            shape: container::COOKIES.shape, max_depth: Some(5), max_bytes: Some(2048), pii: Pii::Yes
        };
        /// As in requests. At most 8 KiB.
        headers: Pairs = "headers" {
            shape: container::HEADERS.shape, max_depth: Some(7), max_bytes: Some(8192), pii: Pii::Yes
        };
        /// The status.
        status_code: u64 = "status_code" { pii: Pii::No };
        /// How long the body was, in bytes.
        body_size: u64 = "body_size" { pii: Pii::No };
        /// The body, as JSON where it is some. At most 8 KiB, seven levels deep.
        data: Value = "data" { max_depth: Some(7), max_bytes: Some(8192), pii: Pii::Yes };
        /// What the body is. Set by relays.
        inferred_content_type: String = "inferred_content_type" { pii: Pii::No };
    }
}

interface! {
    /// What OpenTelemetry says.
    OtelContext = "otelcontext", other: Maybe {
        /// `otel`
        ty: String = "type" { pii: Pii::No };
        /// Attributes of the span. At most 8 KiB, seven levels deep.
        attributes: Map<Value> = "attributes" {
            max_depth: Some(7), max_bytes: Some(8192), pii: Pii::Maybe
        };
        /// Attributes of the resource. At most 8 KiB, seven levels deep.
        resource: Map<Value> = "resource" {
            max_depth: Some(7), max_bytes: Some(8192), pii: Pii::Maybe
        };
    }
}

interface! {
    /// Language and calendar.
    CultureContext = "culturecontext", other: Maybe {
        /// `culture`
        ty: String = "type" { pii: Pii::No };
        /// The calendar.
        calendar: String = "calendar" { pii: Pii::Maybe };
        /// The name of the language.
        display_name: String = "display_name" { pii: Pii::Maybe };
        /// The language, such as `de-AT`.
        locale: String = "locale" { pii: Pii::Maybe };
        /// Whether the clock has 24 hours.
        is_24_hour_format: bool = "is_24_hour_format" { pii: Pii::Maybe };
        /// The time zone.
        timezone: String = "timezone" { pii: Pii::Maybe };
    }
}

interface! {
    /// How the performance score was computed. Set by relays.
    PerformanceScoreContext = "performancescorecontext", other: Maybe {
        /// `performancescore`
        ty: String = "type" { pii: Pii::No };
        /// The version of its profile.
        score_profile_version: String = "score_profile_version" { pii: Pii::No };
    }
}

interface! {
    /// Spring.
    SpringContext = "springcontext", other: Maybe {
        /// `spring`
        ty: String = "type" { pii: Pii::No };
        /// The active profiles.
        active_profiles: List<String> = "active_profiles" { pii: Pii::No };
    }
}

interface! {
    /// Expo updates.
    OtaUpdatesContext = "otaupdatescontext", other: Maybe {
        /// `otaupdates`
        ty: String = "type" { pii: Pii::No };
        /// The channel.
        channel: String = "channel" { pii: Pii::No };
        /// The version of the runtime.
        runtime_version: String = "runtime_version" { pii: Pii::No };
        /// The update.
        update_id: String = "update_id" { pii: Pii::No };
    }
}
