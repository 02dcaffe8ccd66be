//! Threads (spec/schema.md 4.8).

use super::{LockReason, Map, Pii, Stacktrace, ThreadId, interface};

interface! {
    /// A thread that was running.
    Thread = "thread", other: Inherit {
        /// What it goes by. At most 256 characters.
        id: ThreadId = "id" { max_chars: Some(256), allowance: 20, pii: Pii::No };
        /// Its name. At most 1,024 characters.
        name: String = "name" { max_chars: Some(1024), allowance: 100, pii: Pii::No };
        /// What it was doing.
        stacktrace: Stacktrace = "stacktrace" { skip_empty: true };
        /// The same before it was symbolicated.
        raw_stacktrace: Stacktrace = "raw_stacktrace" { skip_empty: true };
        /// Whether it crashed.
        crashed: bool = "crashed" { pii: Pii::No };
        /// Whether it made the event.
        current: bool = "current" { pii: Pii::No };
        /// Whether it is the main thread.
        main: bool = "main" { pii: Pii::No };
        /// Its state, in the words of the platform.
        state: String = "state" { pii: Pii::No };
        /// The locks it holds, by address.
        held_locks: Map<LockReason> = "held_locks" { pii: Pii::No };
    }
}
