//! Which inputs are admitted to decoding, judged by what the probe says.

use super::{Dimensions, Probe};
use crate::api::{FailureCode, JobLimits};
use crate::presets::MAX_DURATION_SECONDS;

/// The widest limits; a job may narrow them, never widen them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputPolicy {
    pub max_input_bytes: u64,
    pub max_duration_seconds: u32,
    pub max_side_pixels: u32,
    /// Width times height.
    pub max_pixels: u64,
    pub max_frame_rate: u32,
    pub max_streams: u32,
    /// Sound and picture streams; the rest (subtitles, data) is never read.
    pub max_used_streams: u32,
    pub max_channels: u32,
    pub min_sample_rate: u32,
    pub max_sample_rate: u32,
}

impl Default for InputPolicy {
    fn default() -> Self {
        Self {
            max_input_bytes: 2 * 1024 * 1024 * 1024,
            max_duration_seconds: MAX_DURATION_SECONDS,
            max_side_pixels: 8192,
            max_pixels: 8192 * 4320,
            max_frame_rate: 120,
            max_streams: 32,
            max_used_streams: 16,
            max_channels: 8,
            min_sample_rate: 8_000,
            max_sample_rate: 192_000,
        }
    }
}

impl InputPolicy {
    /// The policy for one job.
    #[must_use]
    pub fn narrowed(self, limits: &JobLimits) -> Self {
        Self {
            max_duration_seconds: limits
                .max_duration_seconds
                .map_or(self.max_duration_seconds, |own| {
                    own.min(self.max_duration_seconds)
                }),
            max_pixels: limits
                .max_pixels
                .map_or(self.max_pixels, |own| own.min(self.max_pixels)),
            ..self
        }
    }

    pub fn admit_dimensions(&self, picture: Dimensions) -> Result<(), FailureCode> {
        let Dimensions { width, height } = picture;
        let is_side_ok = |side: u32| (1..=self.max_side_pixels).contains(&side);
        let pixels = u64::from(width) * u64::from(height);
        if is_side_ok(width) && is_side_ok(height) && pixels <= self.max_pixels {
            Ok(())
        } else {
            Err(FailureCode::TooLargeDimensions)
        }
    }

    /// Judges everything that the probe found. A value that is unknown is not judged.
    pub fn admit(&self, probe: &Probe) -> Result<(), FailureCode> {
        let duration = probe.metadata.duration_seconds.unwrap_or_default();
        if duration > f64::from(self.max_duration_seconds) {
            return Err(FailureCode::TooLong);
        }
        let used = probe.pictures.len() + probe.metadata.audio.len();
        if exceeds(probe.streams, self.max_streams) || exceeds(used, self.max_used_streams) {
            return Err(FailureCode::TooManyStreams);
        }
        for picture in probe.pictures.iter().flatten() {
            self.admit_dimensions(*picture)?;
        }
        self.admit_rates(probe)
    }

    fn admit_rates(&self, probe: &Probe) -> Result<(), FailureCode> {
        let mut frame_rates = probe
            .metadata
            .video
            .iter()
            .filter_map(|stream| stream.frame_rate);
        let mut sounds = probe.metadata.audio.iter();
        let is_too_fast = frame_rates.any(|rate| rate > f64::from(self.max_frame_rate));
        let is_odd_sound = sounds.any(|stream| {
            let rates = self.min_sample_rate..=self.max_sample_rate;
            stream
                .channels
                .is_some_and(|channels| channels > self.max_channels)
                || stream
                    .sample_rate
                    .is_some_and(|rate| !rates.contains(&rate))
        });
        if is_too_fast || is_odd_sound {
            Err(FailureCode::UnsupportedCodec)
        } else {
            Ok(())
        }
    }
}

fn exceeds(count: usize, limit: u32) -> bool {
    u32::try_from(count).map_or(true, |count| count > limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{AudioStream, VideoStream};

    fn probe() -> Probe {
        let mut probe = Probe::default();
        probe.metadata.duration_seconds = Some(7200.0);
        probe.metadata.video = vec![VideoStream {
            frame_rate: Some(120.0),
            ..VideoStream::default()
        }];
        probe.metadata.audio = vec![AudioStream {
            sample_rate: Some(192_000),
            channels: Some(8),
            ..AudioStream::default()
        }];
        probe.pictures = vec![Some(Dimensions {
            width: 8192,
            height: 4320,
        })];
        probe.streams = 32;
        probe
    }

    fn judge(change: impl FnOnce(&mut Probe)) -> Result<(), FailureCode> {
        let mut probe = probe();
        change(&mut probe);
        InputPolicy::default().admit(&probe)
    }

    #[test]
    fn every_limit_is_inclusive_and_one_more_is_refused() {
        assert_eq!(judge(|_| ()), Ok(()));
        let too_large = Err(FailureCode::TooLargeDimensions);
        let unsupported = Err(FailureCode::UnsupportedCodec);
        let size = |width, height| vec![Some(Dimensions { width, height })];
        assert_eq!(
            judge(|p| p.metadata.duration_seconds = Some(7200.1)),
            Err(FailureCode::TooLong)
        );
        assert_eq!(judge(|p| p.streams = 33), Err(FailureCode::TooManyStreams));
        assert_eq!(
            judge(|p| p.pictures = vec![None; 16]),
            Err(FailureCode::TooManyStreams)
        );
        assert_eq!(judge(|p| p.pictures = size(8192, 4321)), too_large);
        assert_eq!(judge(|p| p.pictures = size(8193, 1)), too_large);
        assert_eq!(
            judge(|p| p.metadata.video[0].frame_rate = Some(121.0)),
            unsupported
        );
        assert_eq!(
            judge(|p| p.metadata.audio[0].channels = Some(9)),
            unsupported
        );
        assert_eq!(
            judge(|p| p.metadata.audio[0].sample_rate = Some(1)),
            unsupported
        );
    }

    #[test]
    fn a_job_can_narrow_but_not_widen() {
        let limits = JobLimits {
            max_duration_seconds: Some(10),
            max_pixels: Some(u64::MAX),
            max_output_bytes: None,
        };
        let policy = InputPolicy::default().narrowed(&limits);
        assert_eq!(policy.max_duration_seconds, 10);
        assert_eq!(policy.max_pixels, InputPolicy::default().max_pixels);
    }
}
