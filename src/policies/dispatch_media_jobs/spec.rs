//! What a worker is asked to do.

use std::time::Duration;

use aggregates::media_job::{FailureCode, Preset};
use media_worker::api::{self, JobSpec, Params, Sha256Digest};
use projections::media_jobs::JobRow;

use super::drive::Stop;
use crate::workers::worker_preset;

/// The order as the worker takes it.
pub(super) fn spec(row: &JobRow) -> Result<JobSpec, Stop> {
    Ok(JobSpec {
        preset: worker_preset(row.preset),
        preset_version: row.preset_version,
        params: Params {
            seek_ms: row.options.seek_ms,
        },
        input_size: row.input_bytes,
        input_sha256: digest(row)?,
        deadline_ms: u64::try_from(run_at_most(row.preset).as_millis()).unwrap_or(u64::MAX),
        limits: api::JobLimits::default(),
    })
}

/// What the input hashes to.
pub(super) fn digest(row: &JobRow) -> Result<Sha256Digest, Stop> {
    row.input_sha256
        .parse()
        .map_err(|_| Stop::Failed(FailureCode::DigestMismatch))
}

/// The longest that an attempt may run once started: above the worker's own limits, which depend on the input.
fn run_at_most(preset: Preset) -> Duration {
    match preset {
        Preset::Metadata | Preset::Poster | Preset::Preview | Preset::Image | Preset::Waveform => {
            Duration::from_mins(10)
        }
        Preset::WebVideo | Preset::Audio => Duration::from_mins(150),
        Preset::Hls => Duration::from_mins(270),
    }
}
