//! The allocator: memory that was freed goes back to the system.
//!
//! glibc asks the system for each large piece and gives it back when it is freed; but with each it frees it takes larger ones
//! for ordinary, up to 32 MiB, and from then on keeps twice as much for each thread. Under a few large bodies at once the
//! process would take far more than the byte budget that bounds what is in use. Fixed thresholds end that. They can be
//! set by a function that is not safe to call, or by the environment, which is read before `main`: so the process begins
//! anew, once, in its own place, which takes about a millisecond.

/// Begins anew with thresholds set, unless somebody has set one already. Returns if that cannot be done; then only more
/// memory may be taken.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn bound() {
    use std::os::unix::process::CommandExt as _;

    /// The pieces that the system is asked for, and how much an arena keeps free at its end; in bytes.
    const THRESHOLDS: [(&str, &str); 2] =
        [("MALLOC_MMAP_THRESHOLD_", "1048576"), ("MALLOC_TRIM_THRESHOLD_", "2097152")];
    if THRESHOLDS.iter().any(|(name, _)| std::env::var_os(name).is_some()) {
        return;
    }
    let mut arguments = std::env::args_os();
    let (Ok(binary), Some(name)) = (std::env::current_exe(), arguments.next()) else { return };
    let error =
        std::process::Command::new(binary).arg0(name).args(arguments).envs(THRESHOLDS).exec();
    tracing::debug!(%error, "the allocator keeps its own thresholds");
}

/// Other allocators have no such habit.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn bound() {}
