//! Reads ffprobe's JSON. It comes from a parser fed with untrusted bytes, so it is itself untrusted:
//! strings are cut and stripped, numbers must be finite and in range, and anything may be missing.

use serde::Deserialize;
use serde_json::Value;

use super::Dimensions;
use crate::api::{AudioStream, MediaMetadata, VideoStream};

/// Longest string that is kept, in characters. `FFmpeg`'s own names are far shorter.
const MAX_NAME_CHARS: usize = 64;

/// What the probe found: the public part, and what only the policy needs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Probe {
    pub metadata: MediaMetadata,
    /// The size of every picture stream, cover art included; `None` where the probe knows no size.
    pub pictures: Vec<Option<Dimensions>>,
    /// Streams of any kind.
    pub streams: usize,
    /// Seconds of the first sound.
    pub sound_seconds: Option<f64>,
    /// Streams that may last longer than the first film and the first sound: others of these, subtitles, data.
    pub others: usize,
    /// Of the first moving pictures: what a decoder must be able to do, as their codec counts it.
    pub level: Option<u32>,
}

/// Parses the output of the probe; `None` when it is not the expected JSON.
pub fn parse(output: &[u8]) -> Option<Probe> {
    let raw: RawProbe = serde_json::from_slice(output).ok()?;
    let mut probe = Probe {
        streams: raw.streams.len(),
        ..Probe::default()
    };
    probe.metadata.format = raw.format.format_name.as_ref().and_then(name);
    probe.metadata.duration_seconds = raw.format.duration.as_ref().and_then(positive);
    probe.metadata.bytes = raw.format.size.as_ref().and_then(whole);
    probe.metadata.bit_rate = raw.format.bit_rate.as_ref().and_then(whole);
    for stream in &raw.streams {
        probe.add(stream);
    }
    Some(probe)
}

impl Probe {
    fn add(&mut self, stream: &RawStream) {
        match stream.codec_type.as_deref() {
            Some("video") => {
                self.pictures.push(stream.dimensions());
                if stream.disposition.attached_pic != 1 {
                    if self.metadata.video.is_empty() {
                        self.level = stream.level.as_ref().and_then(small);
                    } else {
                        self.others += 1;
                    }
                    self.metadata.video.push(stream.video());
                }
            }
            Some("audio") => {
                if self.metadata.audio.is_empty() {
                    self.sound_seconds = stream.duration.as_ref().and_then(positive);
                } else {
                    self.others += 1;
                }
                self.metadata.audio.push(stream.audio());
            }
            Some("subtitle" | "data") => self.others += 1,
            _ => {}
        }
    }
}

#[derive(Debug, Default, Deserialize)]
struct RawProbe {
    #[serde(default)]
    format: RawFormat,
    #[serde(default)]
    streams: Vec<RawStream>,
}

#[derive(Debug, Default, Deserialize)]
struct RawFormat {
    format_name: Option<Value>,
    duration: Option<Value>,
    size: Option<Value>,
    bit_rate: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
struct RawStream {
    codec_type: Option<String>,
    codec_name: Option<Value>,
    profile: Option<Value>,
    level: Option<Value>,
    width: Option<Value>,
    height: Option<Value>,
    pix_fmt: Option<Value>,
    avg_frame_rate: Option<Value>,
    duration: Option<Value>,
    sample_rate: Option<Value>,
    channels: Option<Value>,
    #[serde(default)]
    disposition: RawDisposition,
    #[serde(default)]
    side_data_list: Vec<RawSideData>,
}

#[derive(Debug, Default, Deserialize)]
struct RawDisposition {
    #[serde(default)]
    attached_pic: i64,
}

#[derive(Debug, Default, Deserialize)]
struct RawSideData {
    rotation: Option<Value>,
}

impl RawStream {
    fn dimensions(&self) -> Option<Dimensions> {
        let width = self
            .width
            .as_ref()
            .and_then(small)
            .filter(|side| *side > 0)?;
        let height = self
            .height
            .as_ref()
            .and_then(small)
            .filter(|side| *side > 0)?;
        Some(Dimensions { width, height })
    }

    fn video(&self) -> VideoStream {
        let size = self.dimensions();
        VideoStream {
            codec: self.codec_name.as_ref().and_then(name),
            profile: self.profile.as_ref().and_then(name),
            width: size.map(|size| size.width),
            height: size.map(|size| size.height),
            pixel_format: self.pix_fmt.as_ref().and_then(name),
            frame_rate: self.avg_frame_rate.as_ref().and_then(ratio),
            rotation: self
                .side_data_list
                .iter()
                .find_map(|data| degrees(data.rotation.as_ref()?)),
            duration_seconds: self.duration.as_ref().and_then(positive),
        }
    }

    fn audio(&self) -> AudioStream {
        AudioStream {
            codec: self.codec_name.as_ref().and_then(name),
            sample_rate: self.sample_rate.as_ref().and_then(small),
            channels: self.channels.as_ref().and_then(small),
        }
    }
}

/// Short and printable ASCII, or nothing.
fn name(value: &Value) -> Option<String> {
    let printable = value
        .as_str()?
        .chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ');
    Some(printable.take(MAX_NAME_CHARS).collect::<String>()).filter(|name| !name.is_empty())
}

/// ffprobe writes most numbers as strings.
fn number(value: &Value) -> Option<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    number.is_finite().then_some(number)
}

fn positive(value: &Value) -> Option<f64> {
    number(value).filter(|number| *number >= 0.0)
}

fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn small(value: &Value) -> Option<u32> {
    whole(value).and_then(|number| u32::try_from(number).ok())
}

/// `30000/1001`, or nothing for the `0/0` of an unknown rate.
fn ratio(value: &Value) -> Option<f64> {
    let (above, below) = value.as_str()?.split_once('/')?;
    let (above, below): (f64, f64) = (above.parse().ok()?, below.parse().ok()?);
    let ratio = above / below;
    (ratio.is_finite() && ratio > 0.0).then_some(ratio)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked in the same expression"
)]
fn degrees(value: &Value) -> Option<i32> {
    number(value)
        .filter(|number| number.abs() <= 360.0)
        .map(|number| number.round() as i32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_a_usual_file() {
        let probe = parse(
            br#"{"streams":[
            {"index":0,"codec_name":"h264","profile":"Main","codec_type":"video","level":31,"width":1280,
             "height":720,"pix_fmt":"yuv420p","avg_frame_rate":"30000/1001",
             "disposition":{"attached_pic":0},"side_data_list":[{},{"rotation":-90}]},
            {"codec_name":"aac","codec_type":"audio","sample_rate":"48000","channels":6},
            {"codec_name":"mjpeg","codec_type":"video","width":9,"height":9,
             "disposition":{"attached_pic":1}},
            {"codec_type":"data"}],
            "format":{"format_name":"mov,mp4","duration":"5.28","size":"99","bit_rate":"1000"}}"#,
        )
        .unwrap();
        let video = &probe.metadata.video;
        assert_eq!(video.len(), 1, "cover art is not a video");
        assert_eq!((video[0].width, video[0].height), (Some(1280), Some(720)));
        assert_eq!((video[0].rotation, probe.level), (Some(-90), Some(31)));
        assert!((video[0].frame_rate.unwrap() - 29.97).abs() < 0.01);
        assert_eq!(probe.metadata.audio[0].sample_rate, Some(48_000));
        assert_eq!(probe.metadata.duration_seconds, Some(5.28));
        assert_eq!((probe.streams, probe.pictures.len()), (4, 2));
    }

    #[test]
    fn strange_values_become_unknown_or_harmless() {
        let probe = parse(
            br#"{"streams":[{"codec_type":"video","codec_name":"\u001b[31mx\n\u0000","width":-1,
            "height":"9999999999","avg_frame_rate":"0/0","side_data_list":[{"rotation":1e9}]}],
            "format":{"duration":"NaN","bit_rate":"-5","format_name":17}}"#,
        )
        .unwrap();
        let video = &probe.metadata.video[0];
        assert_eq!(video.codec.as_deref(), Some("[31mx"));
        assert_eq!(
            (video.width, video.height, video.frame_rate),
            (None, None, None)
        );
        assert_eq!(video.rotation, None);
        assert_eq!(probe.metadata.duration_seconds, None);
        assert_eq!(
            (probe.metadata.bit_rate, probe.metadata.format),
            (None, None)
        );
    }

    proptest! {
        #[test]
        fn no_output_makes_it_panic(output in prop::collection::vec(any::<u8>(), 0..512)) {
            parse(&output);
        }

        #[test]
        fn every_string_is_short_and_printable(text in any::<String>()) {
            let json = serde_json::json!({
                "streams": [{"codec_type": "audio", "codec_name": text}],
                "format": {"format_name": text},
            });
            let probe = parse(json.to_string().as_bytes()).unwrap();
            let names = [probe.metadata.format, probe.metadata.audio[0].codec.clone()];
            for name in names.into_iter().flatten() {
                prop_assert!(name.len() <= MAX_NAME_CHARS && !name.contains(char::is_control));
            }
        }
    }
}
