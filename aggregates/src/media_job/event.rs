//! What happened to a media job. Stored for ever: fields may be added, with a default, and never
//! changed or taken away.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FailureClass, FailureCode, MediaMetadata};
use crate::domain_event::domain_event;
use crate::values::{JobId, MediaId, Sha256Hex, UserId, named};

/// A fact of a job's life. `at` is when it was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum MediaJobEvent {
    /// The job was asked for.
    MediaJobRequested {
        /// The job.
        job_id: JobId,
        /// The input.
        media_id: MediaId,
        /// Whose it is.
        owner: UserId,
        /// The recipe.
        preset: Preset,
        /// The recipe's version.
        preset_version: u32,
        /// What the input hashes to.
        input_sha256: Sha256Hex,
        /// The input's size.
        input_bytes: u64,
        /// What the caller chose.
        #[serde(default)]
        options: JobOptions,
        /// From then on no attempt is begun, and one that runs is ended.
        deadline_at: DateTime<Utc>,
        /// When.
        at: DateTime<Utc>,
    },
    /// The job was asked for again after it was given up, or had failed for a reason that goes by.
    MediaJobRequestedAgain {
        /// The last attempt's number; the next one goes on from it. 0 when there was none.
        last_attempt: u32,
        /// From then on no attempt is begun, and one that runs is ended.
        deadline_at: DateTime<Utc>,
        /// When.
        at: DateTime<Utc>,
    },
    /// A worker was given the job.
    MediaJobDispatched {
        /// The attempt's number, from 1; it fences off all lower ones.
        attempt: u32,
        /// The worker's name.
        worker: String,
        /// When the worker counts as silent, if nothing renews the lease.
        lease_until: DateTime<Utc>,
        /// When.
        at: DateTime<Utc>,
    },
    /// The attempt's worker has gone silent. `MediaJobDispatched` or `MediaJobFailed` follows in
    /// the same append.
    MediaJobLeaseExpired {
        /// The attempt.
        attempt: u32,
        /// When that was noted.
        at: DateTime<Utc>,
    },
    /// The attempt failed; there will be another.
    MediaJobAttemptFailed {
        /// The attempt.
        attempt: u32,
        /// What went wrong.
        code: FailureCode,
        /// What that meant for a retry.
        class: FailureClass,
        /// Not to be tried again before.
        retry_at: DateTime<Utc>,
        /// When.
        at: DateTime<Utc>,
    },
    /// The job is done.
    MediaJobSucceeded {
        /// The attempt that did it.
        attempt: u32,
        /// The files that it made.
        #[serde(default)]
        outputs: Vec<JobOutput>,
        /// What it learnt about the input.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<MediaMetadata>,
        /// When.
        at: DateTime<Utc>,
    },
    /// The job has failed: nothing more is tried unless it is asked for again.
    MediaJobFailed {
        /// The last attempt; 0 when there was none.
        attempt: u32,
        /// What went wrong.
        code: FailureCode,
        /// What that meant for a retry.
        class: FailureClass,
        /// When.
        at: DateTime<Utc>,
    },
    /// The job was given up.
    MediaJobCancelled {
        /// The attempt that was under way, to be stopped at its worker.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        running_attempt: Option<u32>,
        /// The last attempt, whether it was under way or not; 0 when there was none.
        #[serde(default, skip_serializing_if = "is_zero")]
        last_attempt: u32,
        /// Who decided so, if it was a person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
        /// When.
        at: DateTime<Utc>,
    },
    /// The read models know nothing of the job any more.
    MediaJobForgotten {
        /// When.
        at: DateTime<Utc>,
    },
}

named! {
    /// A fixed recipe of the worker.
    pub enum Preset {
        /// Reads format and streams.
        Metadata = "metadata",
        /// Makes one still picture.
        Poster = "poster",
        /// Makes a film that every browser plays.
        WebVideo = "web-video",
        /// Makes a few silent seconds in a small size.
        Preview = "preview",
        /// Makes the sound alone.
        Audio = "audio",
        /// Makes a picture for the web of a still one.
        Image = "image",
        /// Measures the loudness of a sound, and draws it.
        Waveform = "waveform",
        /// Makes a film in several sizes, with playlists.
        Hls = "hls",
    }
}

/// What a caller may choose. Numbers only: no text of theirs reaches a command line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobOptions {
    /// `poster` and `preview`: where to take it, in milliseconds. Without it the worker chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seek_ms: Option<u32>,
}

/// A file that a job made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobOutput {
    /// One of the recipe's fixed names.
    pub name: String,
    /// Its media type, as the recipe fixes it.
    pub content_type: String,
    /// Its size.
    pub bytes: u64,
    /// What it hashes to.
    pub sha256: Sha256Hex,
    /// Its key in the blob store.
    pub object: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

domain_event!(MediaJobEvent {
    MediaJobRequested,
    MediaJobRequestedAgain,
    MediaJobDispatched,
    MediaJobLeaseExpired,
    MediaJobAttemptFailed,
    MediaJobSucceeded,
    MediaJobFailed,
    MediaJobCancelled,
    MediaJobForgotten,
});
