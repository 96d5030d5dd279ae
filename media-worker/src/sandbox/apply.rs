//! Puts the layers on in the one order that works, and looks whether they hold.

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::UdpSocket;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::{set_no_new_privs, set_pdeathsig};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, getppid};

use super::{Plan, filesystem, limits, syscalls};
use crate::api::Sandbox;

#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("the parent process is gone")]
    Orphaned,
    #[error("a system call failed: {0}")]
    System(#[from] nix::Error),
    #[error("Landlock is not available: {0}")]
    Landlock(#[from] landlock::RulesetError),
    #[error("seccomp is not available: {0}")]
    Seccomp(#[from] seccompiler::Error),
}

/// Locks this process for good. On return it can read the system's libraries, read and write the job
/// folder, execute the plan's programs, and nothing else.
pub fn lock_down(plan: &Plan) -> Result<Sandbox, SandboxError> {
    chdir(&plan.dir)?;
    umask(Mode::from_bits_truncate(0o027));
    // A bonus where the worker is privileged; the other layers are complete without it.
    let netns = leave_namespaces().is_ok();
    if plan.yielding {
        // Best effort: it only decides who waits.
        let _ = limits::yield_to_others();
    }
    limits::apply(&plan.limits)?;
    if let Some(id) = plan.uid {
        limits::become_user(id, plan.limits.threads)?;
    }
    die_with_parent(plan.parent)?;
    set_no_new_privs()?;
    let landlock_abi = filesystem::restrict(&plan.executables, plan.degraded)?;
    let seccomp = match syscalls::restrict() {
        Ok(()) => true,
        Err(_) if plan.degraded => false,
        Err(error) => return Err(error.into()),
    };
    let uid_drop = plan.uid.is_some();
    Ok(Sandbox {
        landlock_abi,
        seccomp,
        netns,
        uid_drop,
        no_new_privs: true,
        rlimits: true,
    })
}

/// Leaves the network, the shared memory and the host name of the machine.
pub fn leave_namespaces() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS)
}

/// Corrects the claims of [`lock_down`] by trying what must be denied now.
pub fn observe(claimed: Sandbox) -> Sandbox {
    let files_denied = is_denied(std::fs::read_dir("/").map(drop));
    let sockets_denied = is_denied(UdpSocket::bind(("127.0.0.1", 0)).map(drop));
    Sandbox {
        landlock_abi: if files_denied {
            claimed.landlock_abi
        } else {
            0
        },
        seccomp: claimed.seccomp && sockets_denied,
        ..claimed
    }
}

/// Replaces this process with the program. Returns only if that fails.
pub fn become_program(program: &OsStr, args: &[OsString]) -> io::Error {
    Command::new(program)
        .args(args)
        .env_clear()
        .env("LC_ALL", "C")
        .env("MALLOC_ARENA_MAX", "2")
        .exec()
}

/// Asks to be killed when the thread that started this process ends. Changing the user id clears the
/// request, so it comes after; and the parent may have ended before it.
fn die_with_parent(parent: i32) -> Result<(), SandboxError> {
    set_pdeathsig(Signal::SIGKILL)?;
    if getppid().as_raw() == parent {
        Ok(())
    } else {
        Err(SandboxError::Orphaned)
    }
}

fn is_denied(attempt: io::Result<()>) -> bool {
    attempt.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}
