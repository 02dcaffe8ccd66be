//! Exceptions and how they were caught (spec/schema.md 4.2).

use serde_json::Value;

use super::{Characters, Described, Map, Pii, Shape, Stacktrace, ThreadId, interface};

interface! {
    /// One exception, or whatever a language calls it.
    Exception = "exception", other: No {
        /// Its type. At most 256 characters.
        ty: String = "type" { max_chars: Some(256), allowance: 20, pii: Pii::No };
        /// What it says. At most 8,192 characters.
        value: String = "value" {
            shape: Shape::JsonText, max_chars: Some(8192), allowance: 200, pii: Pii::Yes
        };
        /// The module its type is from. At most 256 characters.
        module: String = "module" { max_chars: Some(256), allowance: 20, pii: Pii::No };
        /// Where it was raised.
        stacktrace: Stacktrace = "stacktrace" | "sentry.interfaces.Stacktrace" { skip_empty: true };
        /// The same before it was symbolicated.
        raw_stacktrace: Stacktrace = "raw_stacktrace" { skip_empty: true };
        /// The thread that raised it.
        thread_id: ThreadId = "thread_id" { max_chars: Some(128), pii: Pii::No };
        /// How it was caught.
        mechanism: Mechanism = "mechanism" {
            shape: Shape::Mechanism(<Mechanism as Described>::INTERFACE)
        };
    }
}

impl Exception {
    /// An exception of a type that says something.
    pub fn new(ty: impl Into<String>, value: impl Into<String>) -> Self {
        Self { ty: Some(ty.into()), value: Some(value.into()), ..Self::default() }
    }
}

interface! {
    /// How an exception was caught.
    Mechanism = "exception mechanism", other: No {
        /// What caught it, such as `generic` or `excepthook`. At most 128 characters.
        ty: String = "type" { max_chars: Some(128), required: true, nonempty: true, pii: Pii::No };
        /// The same for people. At most 8,192 characters.
        description: String = "description" { max_chars: Some(8192), allowance: 200, pii: Pii::Yes };
        /// Where to read on: an `http` or `https` URL. At most 256 characters.
        help_link: String = "help_link" {
            max_chars: Some(256), allowance: 40, nonempty: true, pii: Pii::No
        };
        /// Whether the application dealt with it.
        handled: bool = "handled" { pii: Pii::No };
        /// Whether the exception only carries a message.
        synthetic: bool = "synthetic" { pii: Pii::No };
        /// The number of the exception within its event.
        exception_id: u64 = "exception_id" { pii: Pii::No };
        /// The number of the exception that this one belongs to.
        parent_id: u64 = "parent_id" { pii: Pii::No };
        /// Whether this is a group of exceptions.
        is_exception_group: bool = "is_exception_group" { pii: Pii::No };
        /// By which attribute the parent refers to it. At most 128 characters, no blanks.
        source: String = "source" {
            max_chars: Some(128), nonempty: true, characters: Characters::Without(" \t\r\n"), pii: Pii::No
        };
        /// Anything else about it. At most 2 KiB, five levels deep.
        data: Map<Value> = "data" {
            max_depth: Some(5), max_bytes: Some(2048), skip_empty: true, pii: Pii::Yes
        };
        /// What the operating system says.
        meta: MechanismMeta = "meta" { skip_empty: true, pii: Pii::No };
    }
}

interface! {
    /// What an operating system says about an exception.
    MechanismMeta = "mechanismmeta", other: Inherit {
        /// The value of `errno`.
        errno: CError = "errno";
        /// The signal.
        signal: PosixSignal = "signal";
        /// The Mach exception.
        mach_exception: MachException = "mach_exception";
        /// The `NSError`.
        ns_error: NsError = "ns_error";
    }
}

interface! {
    /// An error of the C library.
    CError = "cerror", other: Inherit {
        /// Its number.
        number: i64 = "number";
        /// Its name, such as `ENOENT`.
        name: String = "name";
    }
}

interface! {
    /// A POSIX signal.
    PosixSignal = "posixsignal", other: Inherit {
        /// Its number.
        number: i64 = "number";
        /// Its code.
        code: i64 = "code";
        /// Its name, such as `SIGSEGV`.
        name: String = "name";
        /// The name of its code, such as `SEGV_MAPERR`.
        code_name: String = "code_name";
    }
}

interface! {
    /// A Mach exception.
    MachException = "machexception", other: Inherit {
        /// Its number.
        exception: i64 = "exception";
        /// Its code.
        code: u64 = "code";
        /// Its subcode.
        subcode: u64 = "subcode";
        /// Its name, such as `EXC_BAD_ACCESS`.
        name: String = "name";
    }
}

interface! {
    /// An `NSError` of Apple's frameworks.
    NsError = "nserror", other: Inherit {
        /// Its code.
        code: i64 = "code";
        /// Its domain.
        domain: String = "domain";
    }
}
