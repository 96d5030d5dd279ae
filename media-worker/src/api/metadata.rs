//! What the probe says about a file. It comes from a parser fed with untrusted bytes: every string is
//! short and printable, every number finite, and everything may be missing.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MediaMetadata {
    /// `FFmpeg`'s name of the container, for example `mov,mp4,m4a,3gp,3g2,mj2`.
    pub format: Option<String>,
    pub duration_seconds: Option<f64>,
    pub bytes: Option<u64>,
    /// Bits per second.
    pub bit_rate: Option<u64>,
    /// Moving or still pictures; cover art attached to a sound file is not listed.
    pub video: Vec<VideoStream>,
    pub audio: Vec<AudioStream>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VideoStream {
    pub codec: Option<String>,
    pub profile: Option<String>,
    /// Pixels, as coded, before rotation.
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub pixel_format: Option<String>,
    /// Frames per second.
    pub frame_rate: Option<f64>,
    /// Degrees, as the container says (for example -90).
    pub rotation: Option<i32>,
    /// Seconds of this stream; the container's duration is that of its longest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AudioStream {
    pub codec: Option<String>,
    /// Hertz.
    pub sample_rate: Option<u32>,
    pub channels: Option<u32>,
}
