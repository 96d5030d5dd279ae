//! What a probe of a file says about the other jobs on it, before a worker is troubled.

use super::{FailureClass, FailureCode, MediaMetadata, Preset};

impl Preset {
    /// Whether it takes so long that the file is probed first.
    pub fn wants_probe(self) -> bool {
        match self {
            Self::WebVideo | Self::Hls => true,
            Self::Metadata
            | Self::Poster
            | Self::Preview
            | Self::Audio
            | Self::Image
            | Self::Waveform => false,
        }
    }

    /// Why it cannot succeed on a file of which a probe has learnt this. A poster may be made of cover art, of which
    /// the probe does not tell.
    pub fn obstacle(self, metadata: &MediaMetadata) -> Option<FailureCode> {
        match self {
            Self::WebVideo | Self::Preview | Self::Hls | Self::Image => metadata
                .video
                .is_empty()
                .then_some(FailureCode::NoVideoStream),
            Self::Audio | Self::Waveform => metadata
                .audio
                .is_empty()
                .then_some(FailureCode::NoAudioStream),
            Self::Metadata | Self::Poster => None,
        }
    }
}

impl FailureCode {
    /// Whether a probe that failed so has shown that nothing can be made of the file.
    pub fn condemns_input(self) -> bool {
        match self {
            // These are about the recipe and its output.
            Self::BadParams | Self::OutputCheckFailed => false,
            other => matches!(
                other.class(),
                FailureClass::Permanent | FailureClass::Limit | FailureClass::Crash
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_job::{AudioStream, VideoStream};

    fn with(pictures: usize, sounds: usize) -> MediaMetadata {
        MediaMetadata {
            video: vec![VideoStream::default(); pictures],
            audio: vec![AudioStream::default(); sounds],
            ..MediaMetadata::default()
        }
    }

    #[test]
    fn a_file_with_pictures_and_sound_stops_nothing() {
        for preset in Preset::ALL {
            assert_eq!(preset.obstacle(&with(1, 1)), None, "{preset}");
        }
    }

    #[test]
    fn without_pictures_no_film_and_without_sound_no_sound() {
        for (preset, without_pictures, without_sound) in [
            (Preset::Metadata, None, None),
            (Preset::Poster, None, None),
            (Preset::Image, Some(FailureCode::NoVideoStream), None),
            (Preset::Preview, Some(FailureCode::NoVideoStream), None),
            (Preset::WebVideo, Some(FailureCode::NoVideoStream), None),
            (Preset::Hls, Some(FailureCode::NoVideoStream), None),
            (Preset::Audio, None, Some(FailureCode::NoAudioStream)),
            (Preset::Waveform, None, Some(FailureCode::NoAudioStream)),
        ] {
            assert_eq!(preset.obstacle(&with(0, 1)), without_pictures, "{preset}");
            assert_eq!(preset.obstacle(&with(1, 0)), without_sound, "{preset}");
        }
    }

    #[test]
    fn what_goes_by_or_is_the_workers_fault_says_nothing_about_the_file() {
        for code in [
            FailureCode::WorkerUnreachable,
            FailureCode::DiskFull,
            FailureCode::VersionSkew,
            FailureCode::DeadlineExceeded,
            FailureCode::OutputCheckFailed,
        ] {
            assert!(!code.condemns_input(), "{code}");
        }
        for code in [
            FailureCode::TooLong,
            FailureCode::TooLargeDimensions,
            FailureCode::CorruptInput,
            FailureCode::LimitMemory,
            FailureCode::Crashed,
        ] {
            assert!(code.condemns_input(), "{code}");
        }
    }
}
