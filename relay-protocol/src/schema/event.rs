//! The event (spec/schema.md 3).

use serde_json::Value;

use super::{
    Attributes, Breadcrumb, Characters, Contexts, Csp, DebugMeta, Exception, List, LogEntry, Map,
    Pairs, Pii, Request, SdkInfo, Shape, Span, Stacktrace, TemplateInfo, Thread, Timestamp,
    TransactionInfo, User, Values, container, interface, measurement,
};
use crate::{EventId, EventType, Level};

interface! {
    /// An error, a transaction, a message, a security report or a piece of feedback: the payload of items `event`,
    /// `transaction` and `feedback`.
    ///
    /// Values that a relay writes are marked "set by relays".
    ///
    /// ```
    /// use relay_protocol::Level;
    /// use relay_protocol::schema::{Event, Exception, User};
    ///
    /// let event = Event {
    ///     level: Some(Level::Error),
    ///     exception: Some(vec![Exception::new("ValueError", "boom")].into()),
    ///     user: Some(User { id: Some("7".to_owned()), ..User::default() }),
    ///     ..Event::default()
    /// };
    /// assert_eq!(
    ///     serde_json::to_string(&event)?,
    ///     r#"{"level":"error","user":{"id":"7"},"exception":{"values":[{"type":"ValueError","value":"boom"}]}}"#,
    /// );
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    Event = "event", other: Yes {
        /// The id. That of the envelope wins.
        event_id: EventId = "event_id" { pii: Pii::No };
        /// How severe it is. `error` by default, `info` for transactions.
        level: Level = "level" { pii: Pii::No };
        /// The version of the protocol. Set by relays.
        version: String = "version" { pii: Pii::No };
        /// What kind of event it is. Derived by relays, but for transactions and feedback.
        ty: EventType = "type" { pii: Pii::No };
        /// What groups events instead of the usual rules.
        fingerprint: List<String> = "fingerprint" { shape: Shape::Fingerprint, pii: Pii::No };
        /// Where it happened, as a short text. At most 200 characters.
        culprit: String = "culprit" { max_chars: Some(200), pii: Pii::Maybe };
        /// What the application was doing: the name of the transaction. At most 200 characters.
        transaction: String = "transaction" { max_chars: Some(200), trim_whitespace: true, pii: Pii::No };
        /// How the name of the transaction came about.
        transaction_info: TransactionInfo = "transaction_info" { pii: Pii::No };
        /// How long it took, in an unknown unit. Less than 2,147,483,647.
        time_spent: u64 = "time_spent" { pii: Pii::No };
        /// The message.
        logentry: LogEntry = "logentry" | "sentry.interfaces.Message" | "message" {
            shape: Shape::LogEntry(<LogEntry as super::Described>::INTERFACE), skip_empty: true
        };
        /// The name of the logger. At most 64 characters, on one line.
        logger: String = "logger" {
            max_chars: Some(64), characters: Characters::Without("\r\n"), pii: Pii::No
        };
        /// Installed packages and their versions.
        modules: Map<String> = "modules" {
            max_depth: Some(7), max_bytes: Some(8192), skip_empty: true, pii: Pii::No
        };
        /// The kind of runtime; see [`Platform`](crate::Platform).
        platform: String = "platform" { pii: Pii::No };
        /// When it happened; of a transaction, when it ended. The time of receipt by default.
        timestamp: Timestamp = "timestamp" { pii: Pii::No };
        /// When the transaction began.
        start_timestamp: Timestamp = "start_timestamp" { pii: Pii::No };
        /// When it arrived. Set by relays.
        received: Timestamp = "received" { pii: Pii::No };
        /// The host. At most 276 characters. Becomes a tag.
        server_name: String = "server_name" { max_chars: Some(256), allowance: 20, pii: Pii::Yes };
        /// The release; see [`Release`](crate::Release). At most 200 characters.
        release: String = "release" {
            shape: Shape::Lenient, max_chars: Some(200), trim_whitespace: true, nonempty: true, pii: Pii::No
        };
        /// The distribution of the release; see [`Dist`](crate::Dist). At most 64 characters.
        dist: String = "dist" {
            characters: Characters::Alphanumeric("_.-"), trim_whitespace: true, nonempty: true, pii: Pii::No
        };
        /// The environment; see [`Environment`](crate::Environment). At most 64 characters.
        environment: String = "environment" {
            max_chars: Some(64), trim_whitespace: true, nonempty: true, pii: Pii::No
        };
        /// The site. At most 276 characters. Becomes a tag.
        site: String = "site" { max_chars: Some(256), allowance: 20, pii: Pii::No };
        /// Who had the problem.
        user: User = "user" | "sentry.interfaces.User" { skip_empty: true };
        /// The HTTP request that was being answered.
        request: Request = "request" | "sentry.interfaces.Http" { skip_empty: true };
        /// What is known about the surroundings, by name.
        contexts: Contexts = "contexts" | "sentry.interfaces.Contexts" { shape: Shape::Contexts };
        /// What happened before, oldest first.
        breadcrumbs: Values<Breadcrumb> = "breadcrumbs" | "sentry.interfaces.Breadcrumbs" { skip_empty: true };
        /// The exceptions, the one that was raised last at the end.
        exception: Values<Exception> = "exception" | "sentry.interfaces.Exception" { skip_empty: true };
        /// A stack without exception. Old.
        stacktrace: Stacktrace = "stacktrace" | "sentry.interfaces.Stacktrace" { skip_empty: true };
        /// Where a template failed.
        template: TemplateInfo = "template" | "sentry.interfaces.Template";
        /// The threads that were running.
        threads: Values<Thread> = "threads" { skip_empty: true };
        /// Names and values to search by. Both at most 200 characters; names have ASCII letters, digits and `_.:-`.
        tags: Pairs = "tags" { shape: container::TAGS.shape, skip_empty: true, pii: Pii::Maybe };
        /// Anything else. At most 256 KiB, each value 16 KiB, seven levels deep.
        extra: Map<Value> = "extra" {
            shape: Shape::Map(&EXTRA), max_depth: Some(7), max_bytes: Some(262_144),
            skip_empty: true, pii: Pii::Yes
        };
        /// The programs in memory.
        debug_meta: DebugMeta = "debug_meta" { skip_empty: true };
        /// The SDK.
        sdk: SdkInfo = "sdk" { skip_empty: true };
        /// The relays it went through. Set by relays.
        ingest_path: List<RelayInfo> = "ingest_path" {
            max_depth: Some(5), max_bytes: Some(2048), pii: Pii::No
        };
        /// What was wrong with it. Set by the last relay.
        errors: List<EventError> = "errors";
        /// The id of the project key. Set by relays.
        key_id: String = "key_id" { pii: Pii::No };
        /// The id of the project. Set by relays.
        project: u64 = "project" { pii: Pii::No };
        /// How events are grouped. Set by relays.
        grouping_config: Map<Value> = "grouping_config" { pii: Pii::No };
        /// What groups events, as a checksum. Old. At most 128 characters.
        checksum: String = "checksum" { max_chars: Some(128), pii: Pii::No };
        /// A violation of a Content Security Policy.
        csp: Csp = "csp" | "sentry.interfaces.Csp" { pii: Pii::Yes };
        /// The parts of a transaction. At most 800 KiB.
        spans: List<Span> = "spans" { shape: Shape::List(&SPAN), max_bytes: Some(819_200) };
        /// Numbers by name. Transactions only.
        measurements: Map<super::Measurement> = "measurements" {
            shape: measurement::MEASUREMENTS.shape, pii: Pii::No
        };
        /// Times by operation. Set by relays.
        breakdowns: Map<Map<super::Measurement>> = "breakdowns" { pii: Pii::No };
        /// How fetching sources went.
        scraping_attempts: Value = "scraping_attempts" { pii: Pii::No };
    }
}

static EXTRA: Attributes =
    Attributes { max_depth: Some(7), max_bytes: Some(16_384), ..Attributes::of(Shape::Any) };

static SPAN: Attributes = Attributes { trim: false, ..<Span as super::Typed>::ATTRIBUTES };

interface! {
    /// A relay that an event went through.
    RelayInfo = "relayinfo", other: Inherit {
        /// Its version.
        version: String = "version";
        /// Its public key.
        public_key: String = "public_key";
    }
}

interface! {
    /// Something that was wrong with an event.
    EventError = "eventerror", other: Inherit {
        /// The kind of error.
        ty: String = "type" { required: true };
        /// The path of the value.
        name: String = "name";
        /// The value.
        value: Value = "value";
    }
}
