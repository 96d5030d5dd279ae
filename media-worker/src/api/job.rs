//! A job: what is ordered, where it stands, what came out.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Failure, MediaMetadata, Sha256Digest};

/// Names one attempt at one job. A higher attempt fences off all lower ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobKey {
    pub job: Uuid,
    pub attempt: u32,
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.job, self.attempt)
    }
}

/// A fixed recipe. What `FFmpeg` is told follows from this, from numbers and from the sniffed container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Reads format and streams; the one output is `metadata.json`.
    Metadata,
    /// One picture in a 1280 x 1280 box as `poster.webp`.
    Poster,
    /// H.264 and AAC in a 1920 x 1080 box as `web.mp4`, whose index comes first. A film that is so already keeps its
    /// streams.
    WebVideo,
    /// Four silent seconds in a 480 x 270 box as `preview.mp4`.
    Preview,
    /// The first sound stream as AAC in `audio.m4a`.
    Audio,
    /// A still picture in a 2048 x 2048 box as `image.webp`, and as `image.avif` where the worker can and nothing in it is
    /// transparent.
    Image,
    /// The loudness of the first sound stream as `waveform.json` and `waveform.png`.
    Waveform,
    /// H.264 and AAC in up to three sizes, as files of byte ranges with HLS playlists; `master.m3u8`
    /// names them.
    Hls,
}

impl Preset {
    pub const ALL: [Self; 8] = [
        Self::Metadata,
        Self::Poster,
        Self::WebVideo,
        Self::Preview,
        Self::Audio,
        Self::Image,
        Self::Waveform,
        Self::Hls,
    ];

    /// The newest version of the recipe. It changes when the bytes that come out may; the former ones are still made, for
    /// jobs that were asked for before.
    pub fn version(self) -> u32 {
        match self {
            Self::WebVideo | Self::Image | Self::Waveform | Self::Hls => 2,
            Self::Metadata | Self::Poster | Self::Preview | Self::Audio => 1,
        }
    }

    /// Whether it is done in a moment; the others may take hours.
    pub fn is_quick(self) -> bool {
        match self {
            Self::Metadata | Self::Poster | Self::Image => true,
            Self::WebVideo | Self::Preview | Self::Audio | Self::Waveform | Self::Hls => false,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Poster => "poster",
            Self::WebVideo => "web-video",
            Self::Preview => "preview",
            Self::Audio => "audio",
            Self::Image => "image",
            Self::Waveform => "waveform",
            Self::Hls => "hls",
        }
    }
}

/// The order. Sending it again unchanged is harmless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    pub preset: Preset,
    /// At most [`Preset::version`]; a worker that does not know it answers `invalid_spec`.
    pub preset_version: u32,
    #[serde(default)]
    pub params: Params,
    /// Bytes.
    pub input_size: u64,
    pub input_sha256: Sha256Digest,
    /// The longest that the job may run once started, in milliseconds.
    pub deadline_ms: u64,
    #[serde(default)]
    pub limits: JobLimits,
}

/// The numbers a caller may choose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// `poster` and `preview` only: where to take it, in milliseconds. Without it: a tenth of the
    /// duration, at most ten seconds.
    pub seek_ms: Option<u32>,
}

/// Narrows the worker's own limits for this job; a value can never widen them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobLimits {
    pub max_duration_seconds: Option<u32>,
    /// Width times height of the largest picture.
    pub max_pixels: Option<u64>,
    pub max_output_bytes: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// A slot is reserved; the input has not come yet.
    AwaitingInput,
    Receiving,
    /// The input is here and verified; the job waits for `start`.
    Ready,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl JobState {
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// Whether the input is not here, or not all of it.
    pub fn awaits_input(self) -> bool {
        matches!(self, Self::AwaitingInput | Self::Receiving)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AwaitingInput => "awaiting_input",
            Self::Receiving => "receiving",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobStatus {
    pub job: Uuid,
    pub attempt: u32,
    pub preset: Preset,
    pub state: JobState,
    /// 0 to 100, when known.
    pub pct: Option<f64>,
    /// The `seq` of the job's last event.
    pub last_seq: u64,
    pub failure: Option<Failure>,
    pub result: Option<JobResult>,
    /// Whether the files were deleted (after `ack`, a cancellation or the time to live).
    pub files_deleted: bool,
}

impl JobStatus {
    pub fn key(&self) -> JobKey {
        JobKey {
            job: self.job,
            attempt: self.attempt,
        }
    }
}

/// What a job that succeeded learnt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobResult {
    pub metadata: MediaMetadata,
    /// The first line of `ffmpeg -version`, so that an output can be traced to what made it.
    pub ffmpeg_version: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputRole {
    Metadata,
    Poster,
    WebVideo,
    Preview,
    Audio,
    Image,
    Waveform,
    /// Names other outputs.
    Playlist,
    /// One of several sizes.
    Rung,
}

/// One entry of the manifest of outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFile {
    /// One of the preset's fixed names.
    pub name: String,
    pub role: OutputRole,
    pub mime: String,
    /// Bytes.
    pub size: u64,
    pub sha256: Sha256Digest,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub duration_ms: Option<u64>,
    pub codec: Option<String>,
}
