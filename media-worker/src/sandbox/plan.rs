//! What the worker asks of the launcher, as command-line arguments: numbers and the worker's own paths.

use std::ffi::OsString;
use std::path::PathBuf;

/// The resource limits of one run (setrlimit(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct Limits {
    /// Address space, in bytes. Below about 300 MiB `FFmpeg` cannot even be loaded.
    #[arg(long)]
    pub memory_bytes: u64,
    /// CPU time, in seconds; the kernel kills the program at this value.
    #[arg(long)]
    pub cpu_seconds: u64,
    /// Size of the largest file that may be written, in bytes.
    #[arg(long)]
    pub file_bytes: u64,
    /// Threads of the slot's user. Applied only together with a user id of its own, because the
    /// kernel counts all processes of a user.
    #[arg(long)]
    pub threads: u64,
}

/// One run: where, within which limits, as whom, and what.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Plan {
    /// The only folder that the program can write to; also its working directory.
    #[arg(long)]
    pub dir: PathBuf,
    #[command(flatten)]
    pub limits: Limits,
    /// The process that must be the parent; if it is gone the program is not started.
    #[arg(long)]
    pub parent: i32,
    /// Run as this user and group id. Needs privileges.
    #[arg(long)]
    pub uid: Option<u32>,
    /// Run even without a mandatory layer.
    #[arg(long)]
    pub degraded: bool,
    /// Leave the processor to whatever else wants it.
    #[arg(long)]
    pub yielding: bool,
    /// The programs that may be executed: absolute paths.
    #[arg(long = "executable", required = true)]
    pub executables: Vec<PathBuf>,
}

impl Plan {
    /// The launcher's arguments for this plan, without the program to run.
    pub fn to_args(&self) -> Vec<OsString> {
        let numbers = [
            ("--memory-bytes", self.limits.memory_bytes.to_string()),
            ("--cpu-seconds", self.limits.cpu_seconds.to_string()),
            ("--file-bytes", self.limits.file_bytes.to_string()),
            ("--threads", self.limits.threads.to_string()),
            ("--parent", self.parent.to_string()),
        ];
        let mut args: Vec<OsString> = vec!["--dir".into(), self.dir.clone().into()];
        args.extend(
            numbers
                .into_iter()
                .flat_map(|(name, value)| [name.into(), value.into()]),
        );
        if let Some(uid) = self.uid {
            args.extend(["--uid".into(), uid.to_string().into()]);
        }
        if self.degraded {
            args.push("--degraded".into());
        }
        if self.yielding {
            args.push("--yielding".into());
        }
        for path in &self.executables {
            args.extend(["--executable".into(), path.clone().into()]);
        }
        args
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        plan: Plan,
    }

    #[test]
    fn the_launcher_reads_what_the_worker_writes() {
        let limits = Limits {
            memory_bytes: 1,
            cpu_seconds: 2,
            file_bytes: 3,
            threads: 4,
        };
        for (uid, degraded) in [(None, false), (Some(64_001), true)] {
            let executables = vec!["/usr/bin/ffmpeg".into(), "/usr/bin/ffprobe".into()];
            let plan = Plan {
                dir: "/jobs/a b".into(),
                limits,
                parent: 9,
                uid,
                degraded,
                yielding: degraded,
                executables,
            };
            let args = std::iter::once("launcher".into()).chain(plan.to_args());
            assert_eq!(Cli::try_parse_from(args).unwrap().plan, plan);
        }
    }
}
