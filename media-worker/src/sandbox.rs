//! The box around `FFmpeg`: what the launcher locks before it becomes `FFmpeg`, and what the worker locks
//! on itself.
//!
//! The launcher is a program of its own, started for every run: it has one thread, so it may allocate
//! between its start and `exec`, and the worker needs neither `unsafe` code nor a costly fork. Two
//! layers are mandatory, because either alone was shown to be passable: Landlock (files, TCP) and
//! seccomp (every other socket, processes, tracing). Namespaces and a user id for each slot are added
//! where the worker is privileged. The launcher fails closed: without the mandatory layers it exits
//! with [`EXIT_SANDBOX_UNAVAILABLE`] and `FFmpeg` is never started.

mod apply;
mod filesystem;
mod limits;
mod plan;
mod syscalls;

pub use apply::{SandboxError, become_program, leave_namespaces, lock_down, observe};
pub use filesystem::restrict as restrict_files;
pub use plan::{Limits, Plan};
pub use syscalls::{
    lock_worker, restrict as restrict_calls, restrict_and_tell as restrict_calls_and_tell,
};

/// Exit code of the launcher when the sandbox cannot be built.
pub const EXIT_SANDBOX_UNAVAILABLE: i32 = 125;
/// Exit code of the launcher when the program to run does not exist.
pub const EXIT_PROGRAM_MISSING: i32 = 127;
