//! Resource limits and identity: what the kernel enforces whatever the program does.

use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};

use super::Limits;

/// Open files: `FFmpeg` holds its input, one output and its libraries while they are loaded.
const MAX_OPEN_FILES: u64 = 64;
/// What libgcrypt, loaded with `FFmpeg`, locks at its start; without it every run prints a warning.
const LOCKED_MEMORY_BYTES: u64 = 64 * 1024;

/// Soft and hard limits are equal: at a soft CPU limit alone `FFmpeg` would finish its file and look fine,
/// at the hard one it is killed.
pub(super) fn apply(limits: &Limits) -> nix::Result<()> {
    for (resource, value) in [
        (Resource::RLIMIT_AS, limits.memory_bytes),
        (Resource::RLIMIT_CPU, limits.cpu_seconds),
        (Resource::RLIMIT_FSIZE, limits.file_bytes),
        (Resource::RLIMIT_NOFILE, MAX_OPEN_FILES),
        (Resource::RLIMIT_MEMLOCK, LOCKED_MEMORY_BYTES),
        (Resource::RLIMIT_CORE, 0),
    ] {
        setrlimit(resource, value, value)?;
    }
    Ok(())
}

/// Becomes that user and group, without any other group, and for good.
pub(super) fn become_user(id: u32, threads: u64) -> nix::Result<()> {
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    setrlimit(Resource::RLIMIT_NPROC, threads, threads)
}

/// `SCHED_IDLE`: a transcoding takes what the server, its database and the hashing of passwords leave of the processor.
pub(super) fn yield_to_others() -> Result<(), thread_priority::Error> {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let thread = thread_priority::thread_native_id();
    thread_priority::set_thread_priority_and_policy(thread, ThreadPriority::Min, policy)
}
