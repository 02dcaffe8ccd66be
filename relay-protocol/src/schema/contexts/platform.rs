use serde_json::Value;

use crate::schema::{List, Pii, Shape, interface};

interface! {
    /// An operating system.
    OsContext = "oscontext", other: Maybe {
        /// `os`
        ty: String = "type" { pii: Pii::No };
        /// Name and version. Set by relays.
        os: String = "os" { pii: Pii::No };
        /// Its name.
        name: String = "name" { pii: Pii::No };
        /// Its version.
        version: String = "version" { pii: Pii::No };
        /// Its build.
        build: String = "build" { shape: Shape::Lenient, pii: Pii::Maybe };
        /// The version of its kernel.
        kernel_version: String = "kernel_version" { pii: Pii::Maybe };
        /// Whether somebody broke out of its restrictions.
        rooted: bool = "rooted" { pii: Pii::No };
        /// The distribution.
        distribution_name: String = "distribution_name" { pii: Pii::Maybe };
        /// The version of the distribution.
        distribution_version: String = "distribution_version" { pii: Pii::Maybe };
        /// The distribution, for people.
        distribution_pretty_name: String = "distribution_pretty_name" { pii: Pii::Maybe };
        /// A text that relays take name and version from.
        raw_description: String = "raw_description" { pii: Pii::Maybe };
    }
}

interface! {
    /// What runs a program, such as an interpreter.
    RuntimeContext = "runtimecontext", other: Maybe {
        /// `runtime`
        ty: String = "type" { pii: Pii::No };
        /// Name and version. Set by relays.
        runtime: String = "runtime" { pii: Pii::No };
        /// Its name.
        name: String = "name" { pii: Pii::No };
        /// Its version.
        version: String = "version" { pii: Pii::No };
        /// Its build.
        build: String = "build" { shape: Shape::Lenient, pii: Pii::Maybe };
        /// A text that relays take name and version from.
        raw_description: String = "raw_description" { pii: Pii::Maybe };
    }
}

interface! {
    /// A browser.
    BrowserContext = "browsercontext", other: Maybe {
        /// `browser`
        ty: String = "type" { pii: Pii::No };
        /// Name and version. Set by relays.
        browser: String = "browser" { pii: Pii::No };
        /// Its name.
        name: String = "name" { pii: Pii::No };
        /// Its version.
        version: String = "version" { pii: Pii::No };
    }
}

interface! {
    /// Where in a cloud a program runs.
    CloudResourceContext = "cloudresourcecontext", other: Maybe {
        /// `cloudresource`
        ty: String = "type" { pii: Pii::No };
        /// The account.
        cloud_account_id: String = "cloud.account.id" { pii: Pii::Maybe };
        /// The provider.
        cloud_provider: String = "cloud.provider" { pii: Pii::No };
        /// The platform.
        cloud_platform: String = "cloud.platform" { pii: Pii::No };
        /// The region.
        cloud_region: String = "cloud.region" { pii: Pii::No };
        /// The zone.
        cloud_availability_zone: String = "cloud.availability_zone" { pii: Pii::No };
        /// The id of the host.
        host_id: String = "host.id" { pii: Pii::Maybe };
        /// The kind of host.
        host_type: String = "host.type" { pii: Pii::No };
    }
}

interface! {
    /// The memory of a managed runtime.
    MemoryInfoContext = "memoryinfocontext", other: Maybe {
        /// `memory_info`
        ty: String = "type" { pii: Pii::No };
        /// Bytes allocated so far.
        allocated_bytes: u64 = "allocated_bytes" { pii: Pii::No };
        /// Whether the last collection compacted.
        compacted: bool = "compacted" { pii: Pii::No };
        /// Whether it was concurrent.
        concurrent: bool = "concurrent" { pii: Pii::No };
        /// Objects that wait to be finalised.
        finalization_pending_count: u64 = "finalization_pending_count" { pii: Pii::No };
        /// Bytes in gaps.
        fragmented_bytes: u64 = "fragmented_bytes" { pii: Pii::No };
        /// Size of the heap, in bytes.
        heap_size_bytes: u64 = "heap_size_bytes" { pii: Pii::No };
        /// Where much memory begins, in bytes.
        high_memory_load_threshold_bytes: u64 = "high_memory_load_threshold_bytes" { pii: Pii::No };
        /// The number of the collection.
        index: u64 = "index" { pii: Pii::No };
        /// Memory in use, in bytes.
        memory_load_bytes: u64 = "memory_load_bytes" { pii: Pii::No };
        /// How long collections paused the program, in milliseconds.
        pause_durations: List<u64> = "pause_durations" { pii: Pii::No };
        /// Which share of the time was pause, in percent.
        pause_time_percentage: f64 = "pause_time_percentage" { pii: Pii::No };
        /// Objects that cannot move.
        pinned_objects_count: u64 = "pinned_objects_count" { pii: Pii::No };
        /// Bytes that survived.
        promoted_bytes: u64 = "promoted_bytes" { pii: Pii::No };
        /// Bytes allocated in all.
        total_allocated_bytes: u64 = "total_allocated_bytes" { pii: Pii::No };
        /// Memory there is, in bytes.
        total_available_memory_bytes: u64 = "total_available_memory_bytes" { pii: Pii::No };
        /// Memory committed, in bytes.
        total_committed_bytes: u64 = "total_committed_bytes" { pii: Pii::No };
    }
}

interface! {
    /// The thread pool of .NET.
    ThreadPoolInfoContext = "threadpoolinfocontext", other: Maybe {
        /// `threadpool_info`
        ty: String = "type" { pii: Pii::No };
        /// Available worker threads.
        available_worker_threads: u64 = "available_worker_threads" { pii: Pii::No };
        /// Available completion port threads.
        available_completion_port_threads: u64 = "available_completion_port_threads" { pii: Pii::No };
        /// Most worker threads.
        max_worker_threads: u64 = "max_worker_threads" { pii: Pii::No };
        /// Most completion port threads.
        max_completion_port_threads: u64 = "max_completion_port_threads" { pii: Pii::No };
        /// Fewest worker threads.
        min_worker_threads: u64 = "min_worker_threads" { pii: Pii::No };
        /// Fewest completion port threads.
        min_completion_port_threads: u64 = "min_completion_port_threads" { pii: Pii::No };
    }
}

interface! {
    /// The state of Chromium when it crashed.
    ChromiumStabilityReportContext = "stabilityreportcontext", other: Maybe {
        /// `chromiumstabilityreport`
        ty: String = "type" { pii: Pii::No };
        /// Its processes.
        process_states: Value = "process_states" { pii: Pii::No };
        /// The memory of the machine.
        system_memory_state: Value = "system_memory_state" { pii: Pii::No };
    }
}

interface! {
    /// The Unity engine.
    UnityContext = "unitycontext", other: Maybe {
        /// `unity`
        ty: String = "type" { pii: Pii::No };
        /// How textures can be copied.
        copy_texture_support: String = "copy_texture_support" { pii: Pii::No };
        /// The version of the editor.
        editor_version: String = "editor_version" { pii: Pii::No };
        /// How the application was installed.
        install_mode: String = "install_mode" { pii: Pii::No };
        /// Which threads draw.
        rendering_threading_mode: String = "rendering_threading_mode" { pii: Pii::No };
        /// How many frames per second are wanted.
        target_frame_rate: String = "target_frame_rate" { pii: Pii::No };
    }
}
