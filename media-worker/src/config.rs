//! The worker's settings: a command line, and one secret from the environment, which is read here and
//! nowhere else. The secret is never passed on to a child.

use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::auth::{Keys, KeysError};
use crate::endpoint::Endpoint;

const SECRET: &str = "MEDIA_WORKER_SECRET";
const SECRET_FILE: &str = "MEDIA_WORKER_SECRET_FILE";

/// The isolated `FFmpeg` service. The shared secret comes from `MEDIA_WORKER_SECRET`, or from the file
/// that `MEDIA_WORKER_SECRET_FILE` names: at least 32 bytes, or `id:secret,id:secret` to rotate.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "gatelog-media-worker", version)]
pub struct Options {
    /// `unix:/path/to/socket` (mode 0600) or `tcp:127.0.0.1:PORT`
    #[arg(long, overrides_with = "listen")]
    pub listen: Endpoint,
    /// Where jobs keep their files while they last. Job folders left behind are removed at the start.
    #[arg(long)]
    pub jobs_dir: PathBuf,
    #[arg(long, default_value = "/usr/bin/ffmpeg")]
    pub ffmpeg: PathBuf,
    #[arg(long, default_value = "/usr/bin/ffprobe")]
    pub ffprobe: PathBuf,
    /// The sandbox launcher [default: gatelog-media-launcher beside this program]
    #[arg(long)]
    pub launcher: Option<PathBuf>,
    /// Jobs at a time, beside the one slot for quick presets [default: half the cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub slots: Option<u16>,
    /// Whether to start when a mandatory layer of the sandbox is missing
    #[arg(long, value_enum, default_value_t = SandboxPolicy::Strict)]
    pub sandbox: SandboxPolicy,
    /// The first of the user ids of its own that each job gets, when the worker may change to them: two for each slot, and
    /// one; 0 for never
    #[arg(long, default_value_t = 64_001)]
    pub first_slot_uid: u32,
    /// Kill a job that nobody asks about for so long
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub orphan_seconds: u32,
    /// How long an ended job and its outputs are kept once nobody asks about them
    #[arg(long, default_value_t = 15 * 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub keep_seconds: u32,
    /// How long SIGTERM or SIGINT lets jobs end and their outputs be collected; the second signal kills what is left
    #[arg(long, default_value_t = 30)]
    pub drain_seconds: u32,
    /// The window within which an upload must keep 64 KiB/s on average
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub upload_window_seconds: u32,
    /// Which processor time programs get
    #[arg(long, value_enum, default_value_t = Priority::Idle)]
    pub priority: Priority,
    #[arg(long, value_enum, default_value_t = LogFormat::Json)]
    pub log: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SandboxPolicy {
    /// Refuse to start without Landlock (ABI 4) and seccomp.
    Strict,
    /// Start with what there is, and report it.
    Degraded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Priority {
    /// What everything else on the machine leaves. On a machine that is never idle jobs reach their limits of time.
    Idle,
    /// The same as everything else, for a machine that the worker has to itself.
    Normal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Json,
    Pretty,
}

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("set {SECRET} or {SECRET_FILE}")]
    Missing,
    #[error("set only one of {SECRET} and {SECRET_FILE}")]
    Both,
    #[error("{SECRET_FILE} cannot be read: {0}")]
    File(#[source] std::io::Error),
    #[error("{SECRET}: {0}")]
    Keys(#[from] KeysError),
}

/// Reads the shared secret.
pub fn keys_from_environment() -> Result<Keys, SecretError> {
    let secret = match (read(SECRET), read(SECRET_FILE)) {
        (Some(secret), None) => Zeroizing::new(secret),
        (None, Some(path)) => {
            Zeroizing::new(std::fs::read_to_string(path).map_err(SecretError::File)?)
        }
        (None, None) => return Err(SecretError::Missing),
        (Some(_), Some(_)) => return Err(SecretError::Both),
    };
    Ok(Keys::parse(secret.trim())?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one reader of the environment"
)]
fn read(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
