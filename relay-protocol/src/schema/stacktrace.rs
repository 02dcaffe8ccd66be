//! Stacks, frames and locks (spec/schema.md 4.7).

use serde_json::Value;

use super::{Address, List, Map, Pii, Shape, ThreadId, interface};

interface! {
    /// A stack of calls.
    Stacktrace = "rawstacktrace", other: Inherit {
        /// The calls, oldest first. At most 250; of more than 50, some lose variables and sources.
        frames: List<Frame> = "frames" { required: true, nonempty: true };
        /// Registers of the processor by name.
        registers: Map<Address> = "registers";
        /// Whether addresses are those of calls or behind them: `auto`, `all_but_first`, `all`, `none`.
        instruction_addr_adjustment: String = "instruction_addr_adjustment";
        /// The language. At most 128 characters.
        lang: String = "lang" { max_chars: Some(128) };
        /// Whether it was taken while the thread was running.
        snapshot: bool = "snapshot";
    }
}

interface! {
    /// A call on a stack.
    Frame = "frame", other: No {
        /// The function. At most 512 characters.
        function: String = "function" { max_chars: Some(512), allowance: 20, pii: Pii::No };
        /// Its name before it was shortened or demangled. At most 512 characters.
        raw_function: String = "raw_function" { max_chars: Some(512), allowance: 20, pii: Pii::No };
        /// The symbol of the linker. At most 512 characters.
        symbol: String = "symbol" { max_chars: Some(512), pii: Pii::No };
        /// The module, in the words of the platform.
        module: String = "module" { pii: Pii::Maybe };
        /// The package, or the library that has the code.
        package: String = "package" { pii: Pii::No };
        /// The source file, relative to something. At most 256 characters.
        filename: String = "filename" {
            shape: Shape::Path, max_chars: Some(256), allowance: 40, pii: Pii::Maybe
        };
        /// The source file. At most 256 characters.
        abs_path: String = "abs_path" {
            shape: Shape::Path, max_chars: Some(256), allowance: 40, pii: Pii::Maybe
        };
        /// The revision of the file.
        file_revision: String = "file_revision" { pii: Pii::Maybe };
        /// The line, from 1.
        lineno: u64 = "lineno" { pii: Pii::No };
        /// The column, from 1.
        colno: u64 = "colno" { pii: Pii::No };
        /// How often a profiler saw it.
        sample_count: u64 = "sample_count" { pii: Pii::No };
        /// The position of the caller in a profile.
        parent_index: i64 = "parent_index" { pii: Pii::No };
        /// The platform, where it differs from that of the event.
        platform: String = "platform" { pii: Pii::No };
        /// What addresses are relative to.
        addr_mode: String = "addr_mode" { pii: Pii::No };
        /// The lines before.
        pre_context: List<String> = "pre_context" { pii: Pii::No };
        /// The line.
        context_line: String = "context_line" { pii: Pii::No };
        /// The lines behind.
        post_context: List<String> = "post_context" { pii: Pii::No };
        /// Whether it is the application's own code.
        in_app: bool = "in_app" { pii: Pii::No };
        /// Local variables by name. At most 2 KiB, five levels deep.
        vars: Map<Value> = "vars" {
            shape: Shape::Variables, max_depth: Some(5), max_bytes: Some(2048), pii: Pii::Yes
        };
        /// What symbolication found out.
        data: FrameData = "data" { pii: Pii::No };
        /// Where the library begins.
        image_addr: Address = "image_addr" { pii: Pii::No };
        /// Where the instruction is.
        instruction_addr: Address = "instruction_addr" { pii: Pii::No };
        /// Where the function begins.
        symbol_addr: Address = "symbol_addr" { pii: Pii::No };
        /// The number of the function, in WebAssembly.
        function_id: Address = "function_id" { pii: Pii::No };
        /// How sure the unwinder is. At most 128 characters.
        trust: String = "trust" { max_chars: Some(128), pii: Pii::No };
        /// The language. At most 128 characters.
        lang: String = "lang" { max_chars: Some(128), pii: Pii::No };
        /// Whether a new stack begins here.
        stack_start: bool = "stack_start" { pii: Pii::No };
        /// The lock that the thread waits for or holds.
        lock: LockReason = "lock" { pii: Pii::No };
    }
}

interface! {
    /// What symbolication found out about a frame.
    FrameData = "framedata", other: Inherit {
        /// The source map.
        sourcemap: String = "sourcemap";
        /// The function before the source map was applied.
        orig_function: String = "orig_function";
        /// The file before.
        orig_filename: String = "orig_filename";
        /// The line before.
        orig_lineno: u64 = "orig_lineno";
        /// The column before.
        orig_colno: u64 = "orig_colno";
        /// Whether it was the application's own code before: 1, 0, or -1 if that was not known.
        orig_in_app: i64 = "orig_in_app";
    }
}

interface! {
    /// What a thread does with a lock.
    LockReason = "lockreason", other: Inherit {
        /// 1 holds it, 2 waits for it, 4 sleeps, 8 is blocked.
        ty: u64 = "type" { shape: Shape::LockType, required: true };
        /// The address of the lock.
        address: String = "address";
        /// The package of its class.
        package_name: String = "package_name";
        /// Its class.
        class_name: String = "class_name";
        /// The thread that holds it.
        thread_id: ThreadId = "thread_id";
    }
}
