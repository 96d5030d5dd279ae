//! The media worker, and what it and uploads may take.

use std::path::Path;

use media_worker::endpoint::Endpoint;

use super::secrets::{self, Secret};
use super::storage::StorageConfig;
use super::{ConfigError, Source};

/// Workers that one server may have. Each is a label of the metrics.
const MAX_WORKERS: usize = 64;

/// Where uploads are kept and who processes them.
#[derive(Debug, Clone)]
pub struct MediaConfig {
    /// The blob store.
    pub storage: StorageConfig,
    /// Seconds after which what nothing refers to is removed from it.
    pub sweep_after_seconds: i64,
    /// Where the workers listen (`unix:/path` or `tcp:ADDRESS:PORT`), each once.
    pub worker_endpoints: Vec<Endpoint>,
    /// Whether a worker must enforce every mandatory layer of its sandbox.
    pub demands_sandbox: bool,
    /// The HMAC secret shared with the workers.
    pub worker_secret: Secret,
    /// The largest upload, in bytes.
    pub upload_max_bytes: u64,
    /// What the files of one person may have together, in bytes; claimed by uploads before they arrive.
    pub quota_bytes: u64,
    /// Files that one person may have.
    pub quota_files: u64,
    /// Resumable uploads that one person may have open at once.
    pub uploads_per_user: u64,
    /// After so much time without a piece a resumable upload is removed.
    pub upload_expiry_seconds: i64,
    /// Jobs that one person may have running at once.
    pub jobs_per_user: usize,
    /// Jobs that one person may have queued or running.
    pub jobs_queued_per_user: u64,
    /// Jobs that this node drives at once.
    pub jobs_per_node: usize,
}

impl MediaConfig {
    pub(super) fn load(source: &Source, data_dir: &Path) -> Result<Self, ConfigError> {
        const GIB: u64 = 1 << 30;
        const DAY: i64 = 24 * 60 * 60;
        const MONTH: i64 = 30 * DAY;
        Ok(Self {
            storage: StorageConfig::load(source, data_dir)?,
            sweep_after_seconds: source.number("STORAGE_SWEEP_AFTER", DAY, 1..=MONTH)?,
            worker_endpoints: worker_endpoints(source, data_dir)?,
            demands_sandbox: demands_sandbox(source)?,
            worker_secret: secrets::load_or_make(
                source,
                "MEDIA_WORKER_SECRET",
                data_dir,
                "media-worker.secret",
            )?,
            upload_max_bytes: source.number("UPLOAD_MAX_BYTES", 2 * GIB, 1..=1024 * GIB)?,
            quota_bytes: source.number("MEDIA_QUOTA_BYTES", 10 * GIB, 1..=1024 * 1024 * GIB)?,
            quota_files: source.number("MEDIA_QUOTA_FILES", 10_000, 1..=100_000_000)?,
            uploads_per_user: source.number("UPLOADS_PER_USER", 10, 1..=10_000)?,
            upload_expiry_seconds: source.number("UPLOAD_EXPIRY", 86_400, 60..=MONTH)?,
            jobs_per_user: source.number("MEDIA_JOBS_PER_USER", 2, 1..=1_000)?,
            jobs_queued_per_user: source.number(
                "MEDIA_JOBS_QUEUED_PER_USER",
                100,
                1..=1_000_000,
            )?,
            jobs_per_node: source.number("MEDIA_JOBS_PER_NODE", 16, 1..=1_000)?,
        })
    }
}

fn worker_endpoints(source: &Source, data_dir: &Path) -> Result<Vec<Endpoint>, ConfigError> {
    const KEY: &str = "MEDIA_WORKER_URL";
    let listed: Vec<Endpoint> = source.list(KEY)?;
    if listed.is_empty() {
        let socket = std::path::absolute(data_dir.join("media-worker.sock"))
            .map_err(|error| ConfigError::bad("DATA_DIR", error))?;
        return Ok(vec![Endpoint::Unix(socket)]);
    }
    if listed.len() > MAX_WORKERS {
        return Err(ConfigError::bad(KEY, "names too many workers"));
    }
    let is_twice = |(n, one): (usize, &Endpoint)| listed.iter().take(n).any(|other| other == one);
    if listed.iter().enumerate().any(is_twice) {
        return Err(ConfigError::bad(KEY, "names a worker twice"));
    }
    Ok(listed)
}

fn demands_sandbox(source: &Source) -> Result<bool, ConfigError> {
    match source.text("MEDIA_SANDBOX", "strict")?.as_str() {
        "strict" => Ok(true),
        "degraded" => Ok(false),
        _ => Err(ConfigError::bad(
            "MEDIA_SANDBOX",
            "must be strict or degraded",
        )),
    }
}
