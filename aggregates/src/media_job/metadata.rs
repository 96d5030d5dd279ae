//! What a job learns about its input. The worker makes every text short and printable and every
//! number finite; what a file does not tell is absent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Container and streams.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MediaMetadata {
    /// `FFmpeg`'s name of the container, for example `mov,mp4,m4a,3gp,3g2,mj2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    /// Size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Bits per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bit_rate: Option<u64>,
    /// Moving or still pictures.
    pub video: Vec<VideoStream>,
    /// Sound.
    pub audio: Vec<AudioStream>,
}

/// A moving or still picture.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct VideoStream {
    /// For example `h264`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// For example `High`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Pixels, as coded, before rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Pixels, as coded, before rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// For example `yuv420p`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixel_format: Option<String>,
    /// Frames per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<f64>,
    /// Degrees, as the container says, for example -90.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<i32>,
    /// Seconds of this stream; the container's duration is that of its longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
}

/// A sound track.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AudioStream {
    /// For example `aac`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// Hertz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
    /// 2 for stereo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u32>,
}
