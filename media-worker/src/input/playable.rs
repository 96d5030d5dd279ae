//! Whether a film plays in every browser as it is, so that nothing has to be encoded again: its streams need only be
//! put into another file.

use super::{Container, Probe};
use crate::api::{AudioStream, VideoStream};

const PROFILES: [&str; 4] = ["Constrained Baseline", "Baseline", "Main", "High"];
/// H.264's level 4.1, as the probe counts: what the decoder of a small device can do.
const MAX_LEVEL: u32 = 41;
const MAX_SIDES: (u32, u32) = (1920, 1080);
/// Frames a second.
const MAX_FRAME_RATE: f64 = 60.0;
/// Bits a second of the whole file: what the encoder would allow for the pictures.
const MAX_BIT_RATE: u64 = 6_000_000;
const MAX_CHANNELS: u32 = 2;
const SAMPLE_RATES: [u32; 2] = [44_100, 48_000];

/// What the probe does not know counts as too much. Only the streams that a film for the web is made of are looked at.
pub fn plays_as_it_is(container: Container, probe: &Probe) -> bool {
    // The others number their frames in ways that another container does not have.
    let is_of_a_kind = matches!(container, Container::Mov | Container::Matroska);
    let metadata = &probe.metadata;
    let is_slow = metadata.bit_rate.is_some_and(|rate| rate <= MAX_BIT_RATE);
    let is_simple = probe
        .level
        .is_some_and(|level| (1..=MAX_LEVEL).contains(&level));
    let has_pictures = metadata.video.first().is_some_and(has_playable_pictures);
    let has_sound = metadata.audio.first().is_none_or(is_playable_sound);
    is_of_a_kind && is_slow && is_simple && has_pictures && has_sound
}

fn has_playable_pictures(stream: &VideoStream) -> bool {
    let is = |text: &Option<String>, wanted| text.as_deref() == Some(wanted);
    let has_profile = PROFILES.iter().any(|profile| is(&stream.profile, *profile));
    let fits = |side: Option<u32>, most| side.is_some_and(|side| side <= most && side % 2 == 0);
    let (width, height) = MAX_SIDES;
    is(&stream.codec, "h264")
        && is(&stream.pixel_format, "yuv420p")
        && has_profile
        && fits(stream.width, width)
        && fits(stream.height, height)
        && stream
            .frame_rate
            .is_some_and(|rate| rate <= MAX_FRAME_RATE)
        // What is made has its pictures upright.
        && stream.rotation.is_none_or(|degrees| degrees == 0)
}

fn is_playable_sound(stream: &AudioStream) -> bool {
    stream.codec.as_deref() == Some("aac")
        && stream
            .channels
            .is_some_and(|channels| (1..=MAX_CHANNELS).contains(&channels))
        && stream
            .sample_rate
            .is_some_and(|rate| SAMPLE_RATES.contains(&rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe() -> Probe {
        let mut probe = Probe {
            level: Some(41),
            ..Probe::default()
        };
        probe.metadata.bit_rate = Some(6_000_000);
        probe.metadata.video = vec![VideoStream {
            codec: Some("h264".to_owned()),
            profile: Some("High".to_owned()),
            width: Some(1920),
            height: Some(1080),
            pixel_format: Some("yuv420p".to_owned()),
            frame_rate: Some(60.0),
            rotation: None,
            duration_seconds: None,
        }];
        probe.metadata.audio = vec![AudioStream {
            codec: Some("aac".to_owned()),
            sample_rate: Some(48_000),
            channels: Some(2),
        }];
        probe
    }

    fn plays(change: impl FnOnce(&mut Probe)) -> bool {
        let mut probe = probe();
        change(&mut probe);
        plays_as_it_is(Container::Mov, &probe)
    }

    #[test]
    fn every_limit_is_inclusive_and_nothing_unknown_is_taken_for_good() {
        assert!(plays(|_| ()) && plays(|p| p.metadata.audio.clear()));
        assert!(plays_as_it_is(Container::Matroska, &probe()));
        assert!(!plays_as_it_is(Container::Flv, &probe()));
        let changes: [fn(&mut Probe); 18] = [
            |p| p.level = Some(42),
            |p| p.level = None,
            |p| p.metadata.bit_rate = Some(6_000_001),
            |p| p.metadata.bit_rate = None,
            |p| p.metadata.video.clear(),
            |p| p.metadata.video[0].codec = Some("hevc".to_owned()),
            |p| p.metadata.video[0].profile = Some("High 4:2:2".to_owned()),
            |p| p.metadata.video[0].pixel_format = Some("yuv444p".to_owned()),
            |p| p.metadata.video[0].width = Some(1922),
            |p| p.metadata.video[0].width = Some(1919),
            |p| p.metadata.video[0].height = Some(1082),
            |p| p.metadata.video[0].height = None,
            |p| p.metadata.video[0].frame_rate = Some(60.1),
            |p| p.metadata.video[0].rotation = Some(90),
            |p| p.metadata.audio[0].codec = Some("mp3".to_owned()),
            |p| p.metadata.audio[0].channels = Some(6),
            |p| p.metadata.audio[0].sample_rate = Some(96_000),
            |p| p.metadata.audio[0].sample_rate = None,
        ];
        for (number, change) in changes.into_iter().enumerate() {
            assert!(!plays(change), "change {number}");
        }
    }
}
