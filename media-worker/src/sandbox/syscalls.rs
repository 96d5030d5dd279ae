//! seccomp: which system calls the program, and the worker itself, may make.
//!
//! The program gets an allow list. Two further filters stand before it, because among filters with the
//! same action the newest decides: `clone3` answers `ENOSYS`, so that the C library falls back to
//! `clone`, whose flags can be read (the allow list must therefore let `clone3` through); and what only
//! an exploit would call kills the process, so that the supervisor can tell.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Allowed with any argument. What is not listed answers `EPERM`.
const ALLOWED: &[i64] = &[
    // Files: Landlock decides which.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_statfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_dup,
    libc::SYS_dup3,
    // Memory.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mlock,
    libc::SYS_munlock,
    libc::SYS_membarrier,
    libc::SYS_get_mempolicy,
    // Threads, time and signals.
    libc::SYS_futex,
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_getcpu,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // The process itself. Landlock decides what can be executed.
    libc::SYS_execve,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_getrandom,
    libc::SYS_sysinfo,
    libc::SYS_uname,
];

/// Calls that only the older architecture has.
#[cfg(target_arch = "x86_64")]
const ALLOWED_LEGACY: &[i64] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_dup2,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_time,
    libc::SYS_getrlimit,
    libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_LEGACY: &[i64] = &[];

/// Nothing that `FFmpeg` does leads here.
const FATAL: &[i64] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_setns,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
];

/// What the worker itself gives up once it listens: any further socket, and what could be used to
/// watch or load something. It still accepts connections and starts programs.
const WORKER_DENIED: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_bpf,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Restricts the calls of this process for good, and nothing else.
pub fn restrict() -> Result<(), seccompiler::Error> {
    let errno = |code: libc::c_int| SeccompAction::Errno(code.unsigned_abs());
    let allow = SeccompAction::Allow;
    let fallback = compile(
        any_argument(&[libc::SYS_clone3]),
        allow.clone(),
        errno(libc::ENOSYS),
    )?;
    let fatal = compile(
        any_argument(FATAL),
        allow.clone(),
        SeccompAction::KillProcess,
    )?;
    let allowed = compile(allow_list()?, errno(libc::EPERM), allow)?;
    for filter in [fallback, fatal, allowed] {
        seccompiler::apply_filter(&filter)?;
    }
    Ok(())
}

/// What `FFmpeg`'s libraries call in vain when they are loaded: libnuma and libcap.
const CALLED_IN_VAIN: &[i64] = &[libc::SYS_set_mempolicy, libc::SYS_prctl];

/// As [`restrict`], but a call that is not listed kills this process instead of failing. Shows whether
/// another version of `FFmpeg` calls something new.
pub fn restrict_and_tell() -> Result<(), seccompiler::Error> {
    let mut known = allow_list()?;
    known.extend(any_argument(CALLED_IN_VAIN));
    // For the filters that come after.
    known.extend(any_argument(&[libc::SYS_seccomp]));
    let strict = compile(known, SeccompAction::KillProcess, SeccompAction::Allow)?;
    seccompiler::apply_filter(&strict)?;
    restrict()
}

/// Takes from every thread of this process, and from all that it starts, the ability to open a socket.
/// Call it after binding and after the runtime's signal handling is set up, which needs a socket pair.
pub fn lock_worker() -> Result<(), seccompiler::Error> {
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = compile(any_argument(WORKER_DENIED), SeccompAction::Allow, denied)?;
    seccompiler::apply_filter_all_threads(&filter)
}

fn compile(
    rules: Rules,
    otherwise: SeccompAction,
    listed: SeccompAction,
) -> Result<BpfProgram, seccompiler::Error> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    Ok(SeccompFilter::new(rules, otherwise, listed, architecture)?.try_into()?)
}

fn any_argument(calls: &[i64]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

fn allow_list() -> Result<Rules, seccompiler::Error> {
    let mut rules = any_argument(ALLOWED);
    rules.extend(any_argument(ALLOWED_LEGACY));
    let thread = libc::CLONE_THREAD.unsigned_abs().into();
    let in_same_namespaces = thread | u64::from(NEW_NAMESPACES.unsigned_abs());
    let own_process = std::process::id().into();
    // Threads where this one is, never processes; a name, never another setting; reading a limit, never
    // raising it; a signal to itself (abort), never to another; the terminal's size, never a device's
    // settings; a descriptor's flags, never its owner, whom it signals.
    rules.insert(
        libc::SYS_clone,
        vec![when(0, SeccompCmpOp::MaskedEq(in_same_namespaces), thread)?],
    );
    rules.insert(
        libc::SYS_prctl,
        vec![when(0, SeccompCmpOp::Eq, PR_SET_NAME)?],
    );
    rules.insert(libc::SYS_prlimit64, vec![when(2, SeccompCmpOp::Eq, 0)?]);
    rules.insert(
        libc::SYS_tgkill,
        vec![when(0, SeccompCmpOp::Eq, own_process)?],
    );
    let ioctls = [libc::TCGETS, libc::TIOCGWINSZ, libc::FIONREAD];
    rules.insert(libc::SYS_ioctl, second_is_one_of(ioctls)?);
    rules.insert(
        libc::SYS_fcntl,
        second_is_one_of(FCNTLS.map(|command| command.unsigned_abs().into()))?,
    );
    Ok(rules)
}

/// prctl(2): names the calling thread.
const PR_SET_NAME: u64 = 15;

/// Flags of clone(2) that a thread must not have. `CLONE_NEWTIME` is none of clone(2)'s.
const NEW_NAMESPACES: libc::c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP;

/// What fcntl(2) may do: copy a descriptor, read and set its flags, lock a part of its file.
const FCNTLS: [libc::c_int; 8] = [
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
    libc::F_GETLK,
    libc::F_SETLK,
];

fn second_is_one_of<const N: usize>(
    values: [u64; N],
) -> Result<Vec<SeccompRule>, seccompiler::Error> {
    let rules = values.map(|value| when(1, SeccompCmpOp::Eq, value));
    rules.into_iter().collect()
}

fn when(
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompRule, seccompiler::Error> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, operator, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}
