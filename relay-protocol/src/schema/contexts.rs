//! What is known about the surroundings of an event (spec/schema.md 5).

mod application;
mod device;
mod platform;
mod trace;

pub use self::application::{
    AppContext, CultureContext, FeedbackContext, Flag, FlagsContext, MonitorContext,
    OtaUpdatesContext, OtelContext, PerformanceScoreContext, ProfileContext, ReplayContext,
    ReprocessingContext, ResponseContext, SpringContext,
};
pub use self::device::{DeviceContext, GpuContext};
pub use self::platform::{
    BrowserContext, ChromiumStabilityReportContext, CloudResourceContext, MemoryInfoContext,
    OsContext, RuntimeContext, ThreadPoolInfoContext, UnityContext,
};
pub use self::trace::TraceContext;

use super::interface::by_type;
use super::{Attributes, Map, Pii, Shape};
use crate::payload::NodeRef;

/// Contexts by name. The name becomes the `type` of a context that has none.
pub type Contexts = Map<Context>;

const LIMITS: Attributes =
    Attributes { max_depth: Some(7), max_bytes: Some(8192), ..Attributes::of(Shape::Any) };

by_type! {
    /// A context, told apart by `type`. Each has at most 8 KiB, seven levels deep.
    Context, TABLE, LIMITS; {
        /// The machine.
        Device(DeviceContext) = "device";
        /// The operating system.
        Os(OsContext) = "os";
        /// What runs the program.
        Runtime(RuntimeContext) = "runtime";
        /// The application.
        App(AppContext) = "app";
        /// The browser.
        Browser(BrowserContext) = "browser";
        /// The graphics card.
        Gpu(GpuContext) = "gpu";
        /// The trace.
        Trace(TraceContext) = "trace";
        /// The profile.
        Profile(ProfileContext) = "profile";
        /// The replay.
        Replay(ReplayContext) = "replay";
        /// Feature flags. At most 128 KiB.
        Flags(FlagsContext) = "flags" { max_bytes: Some(131_072) };
        /// What a user has to say.
        Feedback(FeedbackContext) = "feedback";
        /// Memory of a managed runtime.
        MemoryInfo(MemoryInfoContext) = "memory_info";
        /// A cron monitor.
        Monitor(MonitorContext) = "monitor" { pii: Pii::Maybe };
        /// Where a reprocessed event comes from.
        Reprocessing(ReprocessingContext) = "reprocessing";
        /// The HTTP response.
        Response(ResponseContext) = "response";
        /// OpenTelemetry.
        Otel(OtelContext) = "otel";
        /// The cloud.
        CloudResource(CloudResourceContext) = "cloudresource";
        /// Language and calendar.
        Culture(CultureContext) = "culture";
        /// The performance score.
        PerformanceScore(PerformanceScoreContext) = "performancescore";
        /// Spring.
        Spring(SpringContext) = "spring";
        /// The thread pool of .NET.
        ThreadPoolInfo(ThreadPoolInfoContext) = "threadpool_info";
        /// Expo updates.
        OtaUpdates(OtaUpdatesContext) = "otaupdates";
        /// The state of Chromium.
        ChromiumStabilityReport(ChromiumStabilityReportContext) = "chromiumstabilityreport";
        /// Unity.
        Unity(UnityContext) = "unity";
    }
}

/// What is said of a context of another type.
static OTHER: Attributes = <Context as super::Typed>::ATTRIBUTES;

impl super::Typed for Context {
    const ATTRIBUTES: Attributes = Attributes { pii: Pii::Yes, ..LIMITS };
}

/// Whether nothing is known of a context with these attributes.
pub(super) fn is_free(attributes: &Attributes) -> bool {
    std::ptr::eq(attributes, &OTHER)
}

/// What is said of a context, by its `type`, or by its name if it has none.
pub(super) fn attributes_of(context: NodeRef<'_>) -> &'static Attributes {
    let ty = context.get("type").and_then(NodeRef::as_str).filter(|ty| !ty.is_empty());
    let ty = ty.or(context.key()).unwrap_or_default();
    TABLE.iter().find(|(words, _)| words.contains(&ty)).map_or(&OTHER, |(_, attributes)| attributes)
}
