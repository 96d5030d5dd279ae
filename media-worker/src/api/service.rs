//! What the worker says about itself.

use serde::{Deserialize, Serialize};

use super::Preset;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub draining: bool,
    pub sandbox: Sandbox,
    pub ffmpeg_version: String,
}

/// The layers that the launcher really applied to itself when it was asked at start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a list of independent facts, as JSON"
)]
pub struct Sandbox {
    /// 0 when Landlock is not enforced.
    pub landlock_abi: u32,
    pub seccomp: bool,
    /// A network namespace of its own, without any interface up.
    pub netns: bool,
    /// Each slot runs under a user id of its own.
    pub uid_drop: bool,
    pub no_new_privs: bool,
    pub rlimits: bool,
}

impl Sandbox {
    /// Whether the two mandatory layers hold: Landlock that also covers TCP (ABI 4), and seccomp.
    /// Measured: either of them alone can be walked around.
    pub fn is_strict(&self) -> bool {
        self.landlock_abi >= 4 && self.seccomp && self.no_new_privs && self.rlimits
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceLimits {
    /// Slots for any preset.
    pub slots: u32,
    /// Further slots for `metadata`, `poster` and `image` only.
    pub light_slots: u32,
    /// Slots that are free now, light ones included.
    pub free: u32,
    /// Of these, the slots for any preset; unknown of a worker that does not tell.
    #[serde(default)]
    pub free_general: Option<u32>,
    /// Further jobs that are taken now, of presets that take long: each begins when a program that is about to end
    /// has ended, and its input is here by then.
    #[serde(default)]
    pub free_soon: u32,
    /// Every version of every recipe that is made here.
    pub presets: Vec<PresetInfo>,
    pub max_input_bytes: u64,
    pub max_duration_seconds: u32,
    pub max_pixels: u64,
    pub max_side_pixels: u32,
    pub max_streams: u32,
    pub ffmpeg_version: String,
    pub sandbox: Sandbox,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresetInfo {
    pub name: Preset,
    pub version: u32,
    /// The names of what may come out, in their order.
    #[serde(default)]
    pub outputs: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainStatus {
    /// Jobs that have not ended yet.
    pub unfinished: u32,
}
