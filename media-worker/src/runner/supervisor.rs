//! Watches one run: the wall clock, progress, the amount of output and the caller's wish to stop. It
//! kills the whole process group with SIGKILL, because anything gentler lets `FFmpeg` finish a file that
//! looks valid.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::progress::Parser;
use super::{Ending, KillReason, Progress, Spawner, output};
use crate::api::Sandbox;
use crate::presets::{self, Invocation, Program};
use crate::sandbox::{Limits, Plan};

/// Starts programs through the launcher.
#[derive(Debug, Clone)]
pub struct Runner {
    pub spawner: Spawner,
    pub launcher: PathBuf,
    pub ffmpeg: PathBuf,
    pub ffprobe: PathBuf,
    /// Run even where a mandatory layer of the sandbox is missing.
    pub degraded: bool,
    /// Leave the processor to whatever else wants it.
    pub yielding: bool,
}

/// Where and as whom a run takes place.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub dir: &'a Path,
    pub uid: Option<u32>,
    /// The job may not run past this.
    pub deadline: Instant,
}

#[derive(Debug)]
pub struct Finished {
    pub ending: Ending,
    pub elapsed: Duration,
    /// Standard output, of a program that reports no progress there.
    pub stdout: Vec<u8>,
    /// At most 8 KiB of standard error, printable.
    pub diagnostics: String,
    pub progress: Progress,
}

#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    #[error("the launcher cannot be started: {0}")]
    Spawn(#[source] io::Error),
    #[error("the child process cannot be watched: {0}")]
    Watch(#[source] io::Error),
    #[error("the launcher cannot build the sandbox: {0}")]
    NoLayers(String),
}

impl Runner {
    /// Runs to the end, whatever that is. `report` gets every progress report.
    pub async fn run(
        &self,
        invocation: &Invocation,
        place: Place<'_>,
        cancel: &CancellationToken,
        report: impl FnMut(Progress),
    ) -> Result<Finished, RunnerError> {
        let started = Instant::now();
        let command = self.command(invocation, place);
        let name = invocation.program.as_str();
        metrics::counter!("media_worker_programs_started_total", "program" => name).increment(1);
        let mut child = self
            .spawner
            .spawn(command)
            .await
            .map_err(RunnerError::Spawn)?;
        let pipes = (child.stdout.take(), child.stderr.take());
        let (Some(stdout), Some(stderr)) = pipes else {
            return Err(RunnerError::Watch(io::Error::other("a pipe is missing")));
        };
        let watch = Watch::new(invocation, place.deadline.min(started + invocation.wall));
        let mut collector = Collector::new(invocation, report);
        let reading = output::read_chunks(stdout, |chunk| collector.take(chunk, &watch));
        let (ending, (), diagnostics) = tokio::join!(
            watch.end(&mut child, cancel),
            reading,
            output::read_diagnostics(stderr)
        );
        let ending = ending.map_err(RunnerError::Watch)?;
        let (stdout, progress) = (collector.stdout, collector.parser.latest());
        Ok(Finished {
            ending,
            elapsed: started.elapsed(),
            stdout,
            diagnostics,
            progress,
        })
    }

    /// The layers that the launcher enforces and has seen to hold, with or without a user of its own.
    pub async fn layers(&self, dir: &Path, uid: Option<u32>) -> Result<Sandbox, RunnerError> {
        let mut command = Command::new(&self.launcher);
        command
            .args(self.plan(presets::version().limits, dir, uid).to_args())
            .arg("--report");
        command.env_clear().stdin(Stdio::null());
        let output = command.output().await.map_err(RunnerError::Spawn)?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            RunnerError::NoLayers(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        })
    }

    fn plan(&self, limits: Limits, dir: &Path, uid: Option<u32>) -> Plan {
        Plan {
            dir: dir.to_owned(),
            limits,
            parent: Pid::this().as_raw(),
            uid,
            degraded: self.degraded,
            yielding: self.yielding,
            executables: vec![self.ffmpeg.clone(), self.ffprobe.clone()],
        }
    }

    fn command(&self, invocation: &Invocation, place: Place<'_>) -> Command {
        let plan = self.plan(invocation.limits, place.dir, place.uid);
        let program = match invocation.program {
            Program::Ffmpeg => &self.ffmpeg,
            Program::Ffprobe => &self.ffprobe,
        };
        let mut command = Command::new(&self.launcher);
        command
            .args(plan.to_args())
            .arg("--")
            .arg(program)
            .args(&invocation.args);
        command.env_clear().process_group(0);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// The conditions under which a run is killed.
struct Watch {
    wall: Instant,
    stall: Option<Duration>,
    /// When the output last advanced; changes while the supervisor waits.
    advanced: tokio::sync::watch::Sender<Instant>,
    overflow: CancellationToken,
}

impl Watch {
    fn new(invocation: &Invocation, wall: Instant) -> Self {
        let (advanced, _) = tokio::sync::watch::channel(Instant::now());
        Self {
            wall,
            stall: invocation.stall,
            advanced,
            overflow: CancellationToken::new(),
        }
    }

    /// Waits for the end of the child, or brings it about.
    async fn end(&self, child: &mut Child, cancel: &CancellationToken) -> io::Result<Ending> {
        let reason = tokio::select! {
            biased;
            () = cancel.cancelled() => KillReason::Cancelled,
            // Before the child's end: it may die of the pipe that was closed on it.
            () = self.overflow.cancelled() => KillReason::Output,
            status = child.wait() => return Ok(Ending::new(None, status?)),
            () = sleep_until(self.wall) => KillReason::Time,
            () = self.stalled() => KillReason::Stall,
        };
        kill_group(child);
        Ok(Ending::new(Some(reason), child.wait().await?))
    }

    fn advance(&self) {
        self.advanced.send_replace(Instant::now());
    }

    /// Returns once there was no advance for the whole stall time.
    async fn stalled(&self) {
        let Some(stall) = self.stall else {
            return std::future::pending().await;
        };
        let mut advanced = self.advanced.subscribe();
        loop {
            let limit = *advanced.borrow_and_update() + stall;
            tokio::select! {
                biased;
                // First: an advance just before the limit counts. The sender outlives this future.
                _ = advanced.changed() => {}
                () = sleep_until(limit) => return,
            }
        }
    }
}

/// The child is not reaped yet, so its process group cannot belong to anyone else.
fn kill_group(child: &Child) {
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) {
        // It may have ended by itself in this moment; waiting for it comes next either way.
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// Takes standard output: progress or a document.
struct Collector<R> {
    is_progress: bool,
    parser: Parser,
    stdout: Vec<u8>,
    taken: u64,
    limit: u64,
    best_out_time_us: u64,
    report: R,
}

impl<R: FnMut(Progress)> Collector<R> {
    fn new(invocation: &Invocation, report: R) -> Self {
        Self {
            is_progress: invocation.stall.is_some(),
            parser: Parser::default(),
            stdout: Vec::new(),
            taken: 0,
            limit: invocation.max_stdout_bytes,
            best_out_time_us: 0,
            report,
        }
    }

    /// False when this is too much.
    fn take(&mut self, chunk: &[u8], watch: &Watch) -> bool {
        self.taken += chunk.len() as u64;
        if self.taken > self.limit {
            watch.overflow.cancel();
            return false;
        }
        if self.is_progress {
            self.take_progress(chunk, watch);
        } else {
            self.stdout.extend_from_slice(chunk);
        }
        true
    }

    fn take_progress(&mut self, chunk: &[u8], watch: &Watch) {
        let Self {
            parser,
            report,
            best_out_time_us,
            ..
        } = self;
        parser.feed(chunk, |progress| {
            let out_time_us = progress.out_time_us.unwrap_or_default();
            if out_time_us > *best_out_time_us {
                *best_out_time_us = out_time_us;
                watch.advance();
            }
            report(progress);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Container;

    #[tokio::test(start_paused = true)]
    async fn a_run_stalls_thirty_seconds_after_its_last_advance() {
        let watch = Watch::new(&presets::poster(Container::Mov, 0), Instant::now());
        let stalled = watch.stalled();
        tokio::pin!(stalled);
        tokio::time::advance(Duration::from_secs(29)).await;
        assert!(futures::poll!(&mut stalled).is_pending());
        watch.advance();
        tokio::time::advance(Duration::from_secs(29)).await;
        assert!(futures::poll!(&mut stalled).is_pending());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(futures::poll!(&mut stalled).is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_without_progress_does_not_stall() {
        let watch = Watch::new(&presets::probe(Container::Mov), Instant::now());
        let stalled = watch.stalled();
        tokio::pin!(stalled);
        tokio::time::advance(Duration::from_hours(1)).await;
        assert!(futures::poll!(&mut stalled).is_pending());
    }

    #[test]
    fn progress_must_advance_to_count() {
        let invocation = presets::poster(Container::Mov, 0);
        let watch = Watch::new(&invocation, Instant::now());
        let mut seen = watch.advanced.subscribe();
        let mut collector = Collector::new(&invocation, |_| ());
        for (report, is_advance) in [
            ("out_time_us=5\nprogress=continue\n", true),
            ("out_time_us=5\nprogress=continue\n", false),
            ("out_time_us=N/A\nprogress=continue\n", false),
            ("out_time_us=6\nprogress=continue\n", true),
        ] {
            assert!(collector.take(report.as_bytes(), &watch));
            assert_eq!(seen.has_changed().unwrap(), is_advance, "{report}");
            seen.mark_unchanged();
        }
    }
}
