//! What payloads look like: one definition per interface, with two faces.
//!
//! **Typed.** Structs to build and read payloads with: every field is optional, unknown keys are kept in `other`.
//!
//! ```
//! use relay_protocol::schema::{Breadcrumb, Event, Frame, read};
//!
//! // `read` accepts whatever an SDK may send: here an old name, a list without `values`, a number for a text.
//! let event: Event = read(br#"{
//!     "message": "it failed",
//!     "exception": [{"type": "E", "stacktrace": {"frames": [{"function": "main", "lineno": "no number"}]}}],
//!     "user": {"id": 7, "plan": "free"}
//! }"#)?;
//! assert_eq!(event.logentry.unwrap().formatted.as_deref(), Some("it failed"));
//! assert_eq!(event.user.as_ref().unwrap().id.as_deref(), Some("7"));
//! assert_eq!(event.user.unwrap().other["plan"], "free");
//! let exception = &event.exception.unwrap().values[0];
//! let frame: &Frame = &exception.stacktrace.as_ref().unwrap().frames.as_ref().unwrap()[0];
//! assert_eq!((frame.function.as_deref(), frame.lineno), (Some("main"), None));
//! # Ok::<(), relay_protocol::schema::ReadError>(())
//! ```
//!
//! **Generic.** Each of them is [`Described`] by a table of [`Attributes`], by which walks over a
//! [`Payload`](crate::payload::Payload) know what a value is: [`check`] brings it into its first form, [`trim`] cuts
//! it to size, and scrubbing knows which values are personal.
//!
//! ```
//! use relay_protocol::payload::Payload;
//! use relay_protocol::schema::{Described, Event, Pii, User, check};
//!
//! let mut payload = Payload::parse(br#"{"level": "warn", "tags": {"a b": 1}, "sentry.interfaces.User": {"id": "7"}}"#)?;
//! let root = payload.root();
//! check(&mut payload, root, Event::INTERFACE);
//! assert_eq!(
//!     payload.to_json(),
//!     concat!(
//!         r#"{"level":null,"tags":[["a-b","1"]],"user":{"id": "7"},"#,
//!         r#""_meta":{"level":{"":{"err":[["invalid_data",{"reason":"invalid level"}]],"val":"warn"}}}}"#,
//!     ),
//! );
//! assert_eq!(User::INTERFACE.of_key("email").pii, Pii::Yes);
//! assert_eq!(User::INTERFACE.of_key("email").max_chars, Some(75));
//! # Ok::<(), relay_protocol::payload::ParsePayloadError>(())
//! ```
//!
//! [`Log`], [`SpanV2`] and [`TraceMetric`] are elements: many of them are the [`Items`] of one payload.
//!
//! Sessions, check-ins, user reports, metric buckets and reports of browsers are strict: a wrong type is an error.
//! They have the typed face only.

mod attribute_map;
mod attributes;
mod breadcrumb;
mod browser_report;
mod check;
mod check_in;
mod container;
mod contexts;
mod convention;
mod csp;
mod debug_meta;
mod event;
mod exception;
mod interface;
mod items;
mod log;
mod log_entry;
mod measurement;
mod metric_bucket;
mod profile;
mod replay;
mod request;
mod scalar;
mod sdk_info;
mod session;
mod span;
mod span_v2;
mod stacktrace;
mod template_info;
mod thread;
mod trace_attachment;
mod trace_metric;
mod transaction_info;
mod trim;
mod user;
mod user_report;

pub use self::attribute_map::{Attribute, AttributeMap};
pub use self::attributes::{Attributes, Characters, Field, Interface, PairSyntax, Pii, Shape};
pub use self::breadcrumb::Breadcrumb;
pub use self::browser_report::{BrowserReport, CspReport, NelBody, NelReport};
pub use self::check::{ReadError, check, check_attributes, read};
pub use self::check_in::{
    CheckIn, CheckInContexts, CheckInStatus, CheckInTrace, MonitorConfig, Schedule, ScheduleUnit,
};
pub use self::container::{List, Map, Pairs, Values};
pub use self::contexts::{
    AppContext, BrowserContext, ChromiumStabilityReportContext, CloudResourceContext, Context,
    Contexts, CultureContext, DeviceContext, FeedbackContext, Flag, FlagsContext, GpuContext,
    MemoryInfoContext, MonitorContext, OsContext, OtaUpdatesContext, OtelContext,
    PerformanceScoreContext, ProfileContext, ReplayContext, ReprocessingContext, ResponseContext,
    RuntimeContext, SpringContext, ThreadPoolInfoContext, TraceContext, UnityContext,
};
pub use self::convention::{Convention, Replacement};
pub use self::csp::Csp;
pub use self::debug_meta::{
    AppleImage, DebugImage, DebugMeta, JvmImage, NativeImage, ProguardImage, SourceMapImage,
    SystemSdkInfo,
};
pub use self::event::{Event, EventError, RelayInfo};
pub use self::exception::{
    CError, Exception, MachException, Mechanism, MechanismMeta, NsError, PosixSignal,
};
pub use self::interface::{Described, Other, Typed};
pub use self::items::{IngestSettings, Items};
pub use self::log::Log;
pub use self::log_entry::LogEntry;
pub use self::measurement::{Measurement, MetricUnit, ParseMetricUnitError};
pub use self::metric_bucket::{BucketMetadata, GaugeValue, MetricBucket, MetricValue};
pub use self::profile::{AttachmentRef, ProfileHeader};
pub use self::replay::Replay;
pub use self::request::Request;
pub use self::scalar::{Address, ParseAddressError, ParseTimestampError, ThreadId, Timestamp};
pub use self::sdk_info::{SdkInfo, SdkPackage, SdkSettings};
pub use self::session::{
    AbnormalMechanism, SessionAggregate, SessionAggregates, SessionAttributes, SessionStatus,
    SessionUpdate,
};
pub use self::span::{SentryTags, Span, SpanLink};
pub use self::span_v2::{SpanV2, SpanV2Link};
pub use self::stacktrace::{Frame, FrameData, LockReason, Stacktrace};
pub use self::template_info::TemplateInfo;
pub use self::thread::Thread;
pub use self::trace_attachment::TraceAttachmentMeta;
pub use self::trace_metric::TraceMetric;
pub use self::transaction_info::{TransactionInfo, TransactionNameChange};
pub use self::trim::trim;
pub use self::user::{Geo, User};
pub use self::user_report::UserReport;

use self::interface::interface;

/// What is said of values that may be anything.
pub(crate) static ANY: Attributes = Attributes::of(Shape::Any);
/// What is said of plain texts.
static TEXT: Attributes = Attributes::of(Shape::String);
