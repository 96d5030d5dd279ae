//! From settings to a service that listens. Everything that can be wrong with an installation is
//! found here, before the first call is accepted.

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use nix::sys::stat::{Mode, umask};
use nix::unistd::geteuid;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Listener, Service};
use crate::api::Sandbox;
use crate::auth::{Keys, Verifier};
use crate::config::{Options, Priority, SandboxPolicy};
use crate::input::InputPolicy;
use crate::jobs::{Registry, RegistryLimits, clear_leftovers};
use crate::presets::{self, Invocation};
use crate::runner::{Place, Runner, RunnerError, Spawner};
use crate::sandbox::lock_worker;
use crate::work::Workshop;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("signals cannot be handled: {0}")]
    Signals(#[source] io::Error),
    #[error("the folder for jobs cannot be used: {0}")]
    JobsDir(#[source] io::Error),
    #[error("another worker uses the same folder for jobs")]
    JobsDirInUse,
    #[error("the launcher cannot be found: {0}")]
    Launcher(#[source] io::Error),
    #[error(transparent)]
    Runner(#[from] RunnerError),
    #[error("a mandatory layer of the sandbox is missing: {0:?}")]
    SandboxIncomplete(Sandbox),
    #[error("FFmpeg does not run in the sandbox: {0}")]
    Ffmpeg(String),
    #[error("listening on anything but a Unix socket or a loopback address is refused")]
    PublicAddress,
    #[error("cannot listen: {0}")]
    Listen(#[source] io::Error),
    #[error("the worker cannot lock itself: {0}")]
    SelfLock(#[source] seccompiler::Error),
    #[error("metrics cannot be set up")]
    Metrics,
}

pub(super) struct Started {
    pub(super) service: Arc<Service>,
    pub(super) listener: Listener,
}

pub(super) async fn start(options: &Options, keys: Keys) -> Result<Started, StartError> {
    // Whatever the worker makes is its own.
    umask(Mode::from_bits_truncate(0o077));
    let metrics = start_metrics()?;
    let (jobs_dir, lock) = claim_jobs_dir(&options.jobs_dir)?;
    let is_degraded = options.sandbox == SandboxPolicy::Degraded;
    let runner = Runner {
        spawner: Spawner::start().map_err(RunnerError::Spawn)?,
        launcher: launcher(options)?,
        ffmpeg: options.ffmpeg.clone(),
        ffprobe: options.ffprobe.clone(),
        degraded: is_degraded,
        yielding: options.priority == Priority::Idle,
    };
    let (sandbox, first_uid) = layers(&runner, &jobs_dir, options.first_slot_uid).await?;
    if !sandbox.is_strict() && !is_degraded {
        return Err(StartError::SandboxIncomplete(sandbox));
    }
    // However busy the machine is, a start is not to wait for it.
    let asking = Runner {
        yielding: false,
        ..runner.clone()
    };
    let version = told(&asking, &jobs_dir, &presets::version()).await?;
    let ffmpeg_version: String = version
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect();
    let has_avif = makes_avif(&asking, &jobs_dir).await?;
    let limits = RegistryLimits {
        jobs_dir,
        orphan_after: Duration::from_secs(options.orphan_seconds.into()),
        keep_for: Duration::from_secs(options.keep_seconds.into()),
        first_uid,
    };
    let listener = Listener::bind(&options.listen, lock)?;
    lock_self(is_degraded)?;
    let listen = listener
        .endpoint()
        .unwrap_or_else(|| options.listen.clone());
    tracing::info!(%listen, ?sandbox, ffmpeg = ffmpeg_version, has_avif, "started");
    let service = Service {
        jobs: Registry::new(limits, slots(options)),
        shop: Workshop {
            runner,
            policy: InputPolicy::default(),
            ffmpeg_version,
            has_avif,
        },
        verifier: Verifier::new(keys),
        sandbox,
        metrics,
        upload_window: Duration::from_secs(options.upload_window_seconds.into()),
        tasks: TaskTracker::new(),
    };
    Ok(Started {
        service: Arc::new(service),
        listener,
    })
}

fn start_metrics() -> Result<PrometheusHandle, StartError> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| StartError::Metrics)?;
    Ok(handle)
}

/// Makes the folder, claims it for this process alone, and removes what an earlier worker left.
fn claim_jobs_dir(path: &Path) -> Result<(PathBuf, File), StartError> {
    let builder = DirBuilder::new().recursive(true).mode(0o700).create(path);
    builder.map_err(StartError::JobsDir)?;
    let path = path.canonicalize().map_err(StartError::JobsDir)?;
    let lock = File::create(path.join("lock")).map_err(StartError::JobsDir)?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => StartError::JobsDirInUse,
        TryLockError::Error(error) => StartError::JobsDir(error),
    })?;
    let removed = clear_leftovers(&path).map_err(StartError::JobsDir)?;
    if removed > 0 {
        tracing::warn!(removed, "folders of an earlier worker were removed");
    }
    Ok((path, lock))
}

fn launcher(options: &Options) -> Result<PathBuf, StartError> {
    let beside = || {
        let own = std::env::current_exe()?;
        Ok(own.with_file_name("gatelog-media-launcher"))
    };
    let path = options.launcher.clone().map_or_else(beside, Ok);
    path.and_then(|path| path.canonicalize())
        .map_err(StartError::Launcher)
}

/// The layers in force, and the first user id of the slots if the worker can change to it.
async fn layers(
    runner: &Runner,
    jobs_dir: &Path,
    first_uid: u32,
) -> Result<(Sandbox, Option<u32>), StartError> {
    if geteuid().is_root() && first_uid > 0 {
        match runner.layers(jobs_dir, Some(first_uid)).await {
            Ok(sandbox) => return Ok((sandbox, Some(first_uid))),
            Err(error) => tracing::warn!(%error, "slots do not get a user id of their own"),
        }
    }
    Ok((runner.layers(jobs_dir, None).await?, None))
}

/// Whether the encoder of AVIF and its container are in this build.
async fn makes_avif(runner: &Runner, jobs_dir: &Path) -> Result<bool, StartError> {
    let encoders = told(runner, jobs_dir, &presets::encoders()).await?;
    let muxers = told(runner, jobs_dir, &presets::muxers()).await?;
    Ok(lists(&encoders, presets::AVIF_ENCODER) && lists(&muxers, presets::AVIF_MUXER))
}

/// Each line has flags, a name, and what it is.
fn lists(text: &str, name: &str) -> bool {
    let mut lines = text.lines();
    lines.any(|line| line.split_whitespace().nth(1) == Some(name))
}

/// What `FFmpeg` says of itself, run in the sandbox as every job is.
async fn told(
    runner: &Runner,
    jobs_dir: &Path,
    invocation: &Invocation,
) -> Result<String, StartError> {
    let place = Place {
        dir: jobs_dir,
        uid: None,
        deadline: Instant::now() + invocation.wall,
    };
    let finished = runner
        .run(invocation, place, &CancellationToken::new(), |_| ())
        .await?;
    let cpu_seconds = invocation.limits.cpu_seconds;
    if finished
        .ending
        .failure(&finished.diagnostics, cpu_seconds, finished.elapsed)
        .is_some()
    {
        return Err(StartError::Ffmpeg(finished.diagnostics));
    }
    Ok(String::from_utf8_lossy(&finished.stdout).into_owned())
}

fn slots(options: &Options) -> usize {
    let half_the_cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get() / 2);
    options
        .slots
        .map_or_else(half_the_cores, usize::from)
        .max(1)
}

fn lock_self(is_degraded: bool) -> Result<(), StartError> {
    match lock_worker() {
        Ok(()) => Ok(()),
        Err(error) if is_degraded => {
            tracing::warn!(%error, "the worker cannot lock itself");
            Ok(())
        }
        Err(error) => Err(StartError::SelfLock(error)),
    }
}
