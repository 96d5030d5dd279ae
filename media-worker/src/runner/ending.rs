//! From how a run ended to why the job failed.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::api::FailureCode;
use crate::sandbox::{EXIT_PROGRAM_MISSING, EXIT_SANDBOX_UNAVAILABLE};

/// Threads that a run uses fully at most; together with the wall clock it bounds the CPU time.
const BUSY_THREADS: u64 = 2;

/// What a program says on a full disk. It may still end well.
pub const NO_SPACE: &str = "No space left on device";

/// Why the supervisor killed a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillReason {
    Cancelled,
    /// The wall clock or the job's deadline.
    Time,
    /// No progress for too long.
    Stall,
    /// More on standard output than agreed.
    Output,
}

/// How a run ended. The supervisor's own reason comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Killed(KillReason),
    Exited(i32),
    Signalled(i32),
}

impl Ending {
    pub(super) fn new(reason: Option<KillReason>, status: ExitStatus) -> Self {
        match (reason, status.code()) {
            (Some(reason), _) => Self::Killed(reason),
            (None, Some(code)) => Self::Exited(code),
            (None, None) => Self::Signalled(status.signal().unwrap_or_default()),
        }
    }

    /// Why the job failed; `None` if the program ended well. `cpu_seconds` is the limit of the run,
    /// `elapsed` its time on the wall.
    pub fn failure(
        self,
        diagnostics: &str,
        cpu_seconds: u64,
        elapsed: Duration,
    ) -> Option<FailureCode> {
        match self {
            Self::Exited(0) => None,
            Self::Killed(KillReason::Cancelled) => Some(FailureCode::Cancelled),
            Self::Killed(KillReason::Time) => Some(FailureCode::LimitTime),
            Self::Killed(KillReason::Stall) => Some(FailureCode::LimitStall),
            Self::Killed(KillReason::Output) => Some(FailureCode::LimitOutput),
            Self::Exited(EXIT_SANDBOX_UNAVAILABLE) => Some(FailureCode::SandboxUnavailable),
            Self::Exited(EXIT_PROGRAM_MISSING) => Some(FailureCode::FfmpegMissing),
            Self::Exited(_) => Some(from_diagnostics(diagnostics)),
            Self::Signalled(signal) => Some(from_signal(signal, cpu_seconds, elapsed)),
        }
    }
}

/// The kernel kills at the CPU limit and when memory runs out, with the same signal. A run that had no
/// time to use up its CPU cannot have been killed for that.
fn from_signal(signal: i32, cpu_seconds: u64, elapsed: Duration) -> FailureCode {
    let spent_at_most = elapsed
        .as_secs()
        .saturating_add(1)
        .saturating_mul(BUSY_THREADS);
    match Signal::try_from(signal) {
        Ok(Signal::SIGXCPU) => FailureCode::LimitCpu,
        Ok(Signal::SIGKILL) if spent_at_most >= cpu_seconds => FailureCode::LimitCpu,
        Ok(Signal::SIGKILL) => FailureCode::LimitMemory,
        Ok(Signal::SIGXFSZ) => FailureCode::LimitOutput,
        Ok(Signal::SIGSYS) => FailureCode::SandboxViolation,
        _ => FailureCode::Crashed,
    }
}

/// `FFmpeg`'s exit code says little, its messages more. The order matters: too many streams also prints
/// that memory cannot be allocated.
fn from_diagnostics(diagnostics: &str) -> FailureCode {
    let is_said = |text: &str| diagnostics.contains(text);
    match () {
        () if is_said("exceeds max_streams") => FailureCode::TooManyStreams,
        () if is_said("Cannot allocate memory") => FailureCode::LimitMemory,
        () if is_said(NO_SPACE) => FailureCode::DiskFull,
        () if is_said("Resource temporarily unavailable") => FailureCode::ThreadLimit,
        () if is_said("not whitelisted") || is_said("not on whitelist") => {
            FailureCode::UnsupportedCodec
        }
        () if is_said("Decoder (codec") || is_said("no decoder") => FailureCode::UnsupportedCodec,
        () if is_said("Picture size") => FailureCode::TooLargeDimensions,
        () => FailureCode::CorruptInput,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(ending: Ending, diagnostics: &str, elapsed_seconds: u64) -> Option<FailureCode> {
        ending.failure(diagnostics, 60, Duration::from_secs(elapsed_seconds))
    }

    #[test]
    fn every_ending_has_its_code() {
        use Ending::{Exited, Killed, Signalled};
        let sigkill = Signal::SIGKILL as i32;
        for (ending, text, seconds, expected) in [
            (Killed(KillReason::Time), "", 1, FailureCode::LimitTime),
            (
                Killed(KillReason::Stall),
                "Invalid data",
                1,
                FailureCode::LimitStall,
            ),
            (Exited(125), "", 1, FailureCode::SandboxUnavailable),
            (Exited(127), "", 1, FailureCode::FfmpegMissing),
            (
                Exited(1),
                "Invalid data found",
                1,
                FailureCode::CorruptInput,
            ),
            (
                Exited(1),
                "Number of streams exceeds max_streams\nCannot allocate memory",
                1,
                FailureCode::TooManyStreams,
            ),
            (
                Exited(1),
                "x: Cannot allocate memory",
                1,
                FailureCode::LimitMemory,
            ),
            (Exited(255), "", 1, FailureCode::CorruptInput),
            (Signalled(sigkill), "", 1, FailureCode::LimitMemory),
            (Signalled(sigkill), "", 30, FailureCode::LimitCpu),
            (
                Signalled(Signal::SIGXFSZ as i32),
                "",
                1,
                FailureCode::LimitOutput,
            ),
            (
                Signalled(Signal::SIGSYS as i32),
                "",
                1,
                FailureCode::SandboxViolation,
            ),
            (
                Signalled(Signal::SIGSEGV as i32),
                "",
                1,
                FailureCode::Crashed,
            ),
        ] {
            assert_eq!(
                code(ending, text, seconds),
                Some(expected),
                "{ending:?} {text}"
            );
        }
        assert_eq!(code(Exited(0), "warning", 1), None);
    }

    #[test]
    fn the_supervisors_reason_wins_over_a_clean_exit() {
        let clean = ExitStatus::from_raw(0);
        let ending = Ending::new(Some(KillReason::Cancelled), clean);
        assert_eq!(code(ending, "", 1), Some(FailureCode::Cancelled));
        assert_eq!(code(Ending::new(None, clean), "", 1), None);
    }
}
