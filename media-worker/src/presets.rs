//! The fixed recipes: what `FFmpeg` is told, within which limits, and what must come out.
//!
//! Every argument is a constant of this module, the name of a sniffed container, or a number. No
//! caller's string can reach a command line, because nothing here takes one.

mod films;
mod hls;
mod pictures;
mod waveform;

pub use films::{
    AUDIO_ENDS_AT, AUDIO_NAME, PREVIEW_BOX, PREVIEW_NAME, PREVIEW_SECONDS, WEB_BOX, WEB_ENDS_AT,
    WEB_NAME, audio, preview, web_video, web_video_as_it_is,
};
pub use hls::{MASTER_NAME, RUNGS, Rung, hls, rungs};
pub use pictures::{AVIF_ENCODER, AVIF_MUXER, AVIF_NAME, IMAGE_BOX, IMAGE_NAME, image, image_avif};
pub use waveform::{
    PEAKS_NAME, SAMPLE_RATE, SAMPLES_NAME, WAVE_NAME, WAVE_SIZE, waveform_picture, waveform_samples,
};

use std::time::Duration;

use crate::api::Preset;
use crate::input::{Container, Dimensions};
use crate::sandbox::Limits;

/// The version of `image` from which on a picture is made as AVIF, too.
pub const IMAGE_WITH_AVIF: u32 = 2;
/// The name of the input in every job's folder.
pub const INPUT_NAME: &str = "input";
pub const METADATA_NAME: &str = "metadata.json";
pub const POSTER_NAME: &str = "poster.webp";
/// The box that a poster fits in.
pub const POSTER_BOX: Dimensions = Dimensions {
    width: 1280,
    height: 1280,
};
/// The longest input that is worked on, in seconds; `-t` says the same.
pub const MAX_DURATION_SECONDS: u32 = 2 * 60 * 60;

const MIB: u64 = 1024 * 1024;

/// Demuxers of the accepted containers.
const FORMATS: &str = "mov,matroska,webm,wav,avi,ogg,flac,mp3,flv,mpegts,mpeg,gif,png_pipe,jpeg_pipe,\
                       webp_pipe";
/// Decoders that may be opened.
const CODECS: &str = "h264,hevc,vp8,vp9,av1,libdav1d,libaom-av1,mpeg4,mpeg2video,mpeg1video,h263,\
                      theora,flv,vp6,vp6f,msmpeg4,msmpeg4v2,wmv2,mjpeg,png,apng,gif,webp,prores,\
                      dvvideo,rawvideo,aac,aac_latm,mp3,mp3float,mp2,mp2float,ac3,eac3,opus,libopus,\
                      vorbis,libvorbis,flac,alac,pcm_u8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,\
                      pcm_s32le,pcm_f32le,pcm_mulaw,pcm_alaw,adpcm_ms,adpcm_ima_wav";
/// Decoders that the probe may open beside: of text under the pictures, which no recipe uses and many a film has. Nothing
/// is fed to them.
const SUBTITLES: &str = "ssa,ass,subrip,srt,mov_text,webvtt,dvbsub,dvdsub,pgssub";
/// What the probe reports. No tags: they are free text of any size.
const PROBED: &str = "format=format_name,duration,size,bit_rate:stream=index,codec_type,codec_name,\
                      profile,level,width,height,pix_fmt,avg_frame_rate,sample_rate,channels,duration,\
                      color_transfer:stream_disposition=attached_pic:stream_side_data=rotation";
/// How every `FFmpeg` is told to report, and that one piece of memory may not be too large.
const QUIETLY: &str = "-nostdin -hide_banner -nostats -loglevel error -y -max_alloc 536870912 \
                       -filter_threads 1 -progress pipe:1 -stats_period 1";
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Ffmpeg,
    Ffprobe,
}

impl Program {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ffmpeg => "ffmpeg",
            Self::Ffprobe => "ffprobe",
        }
    }
}

/// One run of one program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    pub program: Program,
    pub args: Vec<String>,
    pub limits: Limits,
    pub wall: Duration,
    /// The longest time without progress; `None` for a program whose standard output is a document
    /// and not its progress.
    pub stall: Option<Duration>,
    /// The most that may come on standard output, in bytes.
    pub max_stdout_bytes: u64,
}

/// Reads format and streams as JSON on standard output. Fails if any stream has another decoder than those listed.
pub fn probe(container: Container) -> Invocation {
    probe_file(container, INPUT_NAME, Decoding::OfListed)
}

/// Reads what the headers alone say, for a file with a stream that nothing here decodes.
pub fn probe_headers(container: Container) -> Invocation {
    probe_file(container, INPUT_NAME, Decoding::OfNothing)
}

/// Reads what a preset made, which is as untrusted as the input that it was made from.
pub fn probe_output(container: Container, name: &'static str) -> Invocation {
    probe_file(container, name, Decoding::OfListed)
}

/// What a probe may decode to find out what headers leave open.
#[derive(Debug, Clone, Copy)]
enum Decoding {
    OfListed,
    OfNothing,
}

fn probe_file(container: Container, name: &'static str, decoding: Decoding) -> Invocation {
    let decoders = match decoding {
        Decoding::OfListed => vec![
            "-codec_whitelist".to_owned(),
            format!("{CODECS},{SUBTITLES}"),
        ],
        Decoding::OfNothing => vec!["-nofind_stream_info".to_owned()],
    };
    let args = words("-v error -protocol_whitelist file -format_whitelist")
        .chain([FORMATS.to_owned()])
        .chain(decoders)
        .chain(["-f".to_owned(), container.demuxer().to_owned()])
        .chain(words(
            "-max_streams 32 -probesize 5000000 -analyzeduration 5000000 -show_entries",
        ))
        .chain([PROBED.to_owned()])
        .chain(words("-of json=c=1"))
        .chain([name.to_owned()]);
    Invocation {
        program: Program::Ffprobe,
        args: args.collect(),
        limits: Limits {
            memory_bytes: 640 * MIB,
            cpu_seconds: 20,
            file_bytes: MIB,
            threads: 32,
        },
        wall: Duration::from_secs(20),
        stall: None,
        max_stdout_bytes: MIB,
    }
}

/// Says on standard output which `FFmpeg` this is.
pub fn version() -> Invocation {
    told("-version")
}

/// Lists on standard output what it encodes to.
pub fn encoders() -> Invocation {
    told("-hide_banner -encoders")
}

/// Lists on standard output what it puts that into.
pub fn muxers() -> Invocation {
    told("-hide_banner -muxers")
}

fn told(question: &'static str) -> Invocation {
    Invocation {
        program: Program::Ffmpeg,
        args: words(question).collect(),
        ..probe(Container::Mov)
    }
}

/// The names of what a recipe may leave behind, in their order; `has_avif` tells whether AVIF can be made.
pub fn outputs(preset: Preset, version: u32, has_avif: bool) -> Vec<&'static str> {
    match preset {
        Preset::Metadata => vec![METADATA_NAME],
        Preset::Poster => vec![POSTER_NAME],
        Preset::WebVideo => vec![WEB_NAME],
        Preset::Preview => vec![PREVIEW_NAME],
        Preset::Audio => vec![AUDIO_NAME],
        Preset::Image if has_avif && version >= IMAGE_WITH_AVIF => vec![IMAGE_NAME, AVIF_NAME],
        Preset::Image => vec![IMAGE_NAME],
        Preset::Waveform => vec![PEAKS_NAME, WAVE_NAME],
        Preset::Hls => {
            let of = |rung: &Rung| [rung.playlist, rung.segments];
            std::iter::once(MASTER_NAME)
                .chain(RUNGS.iter().flat_map(of))
                .collect()
        }
    }
}

/// Takes one picture at `seek_ms` milliseconds.
pub fn poster(container: Container, seek_ms: u64) -> Invocation {
    let mut args = input_args(container, seek_ms);
    args.extend(words("-map 0:v:0 -an -vf"));
    // Scales before it chooses: 24 whole frames of the source would be held otherwise.
    let scale = fitted(POSTER_BOX);
    args.push(format!("{scale},setsar=1,format=yuv420p,thumbnail=n=24"));
    args.extend(words("-frames:v 1 -c:v libwebp -quality 80 -f webp"));
    args.push(POSTER_NAME.to_owned());
    Invocation {
        program: Program::Ffmpeg,
        args,
        limits: Limits {
            memory_bytes: 1024 * MIB,
            cpu_seconds: 60,
            file_bytes: 16 * MIB,
            threads: 64,
        },
        wall: Duration::from_secs(45),
        stall: Some(Duration::from_secs(30)),
        max_stdout_bytes: MIB,
    }
}

/// Where a poster is taken when the caller does not say: a tenth of the duration, at most 10 s.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value lies between 0 and 10,000"
)]
pub fn default_seek_ms(duration_seconds: Option<f64>) -> u64 {
    (duration_seconds.unwrap_or_default() * 100.0).clamp(0.0, 10_000.0) as u64
}

/// Whole seconds, rounded up; the longest possible when the duration is not known.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value lies between 0 and the longest duration"
)]
fn whole_seconds(duration_seconds: Option<f64>) -> u64 {
    let longest = f64::from(MAX_DURATION_SECONDS);
    let known = duration_seconds.filter(|seconds| seconds.is_finite());
    known.unwrap_or(longest).clamp(0.0, longest).ceil() as u64
}

/// Scales into the box with the proportions kept and both sides even, never up but to the two pixels that
/// every encoder wants.
fn fitted(within: Dimensions) -> String {
    let Dimensions { width, height } = within;
    let share = format!("min(1,min({width}/iw,{height}/ih))");
    let even = |side: &str| format!("'max(2,2*trunc(round({side}*{share})/2))'");
    format!("scale={}:{}", even("iw"), even("ih"))
}

/// The part of `FFmpeg`'s command line that is the same for every preset.
fn input_args(container: Container, seek_ms: u64) -> Vec<String> {
    // A seek to the start of the sound would leave a cover behind that comes before it.
    let seek = (seek_ms > 0).then(|| {
        let (seconds, ms) = (seek_ms / 1000, seek_ms % 1000);
        ["-ss".to_owned(), format!("{seconds}.{ms:03}")]
    });
    words(QUIETLY)
        .chain(words("-protocol_whitelist file -format_whitelist"))
        .chain(
            [
                FORMATS,
                "-codec_whitelist",
                CODECS,
                "-f",
                container.demuxer(),
            ]
            .map(str::to_owned),
        )
        .chain(words("-max_pixels 35389440 -max_streams 32"))
        .chain(words(
            "-probesize 5000000 -analyzeduration 5000000 -threads 2",
        ))
        .chain(seek.into_iter().flatten())
        .chain(words("-t 7200 -i"))
        .chain([INPUT_NAME.to_owned()])
        .chain(words("-sn -dn -map_metadata -1 -map_chapters -1"))
        .collect()
}

fn words(constant: &'static str) -> impl Iterator<Item = String> {
    constant.split(' ').map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::Params;

    /// One argument a line, so that a change shows as a line in a review.
    fn golden(name: &str, invocation: &Invocation) {
        let path = format!("{}/tests/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        let expected = std::fs::read_to_string(&path).unwrap();
        assert_eq!(invocation.args.join("\n") + "\n", expected, "{path}");
    }

    #[test]
    fn the_command_lines_are_the_reviewed_ones() {
        golden("metadata", &probe(Container::Mov));
        golden("metadata-headers", &probe_headers(Container::Mov));
        golden("poster", &poster(Container::Matroska, 1_250));
        golden("web-video", &web_video(Container::Mov, Some(5.28)));
        golden(
            "web-video-as-it-is",
            &web_video_as_it_is(Container::Mov, Some(5.28)),
        );
        golden("preview", &preview(Container::Mov, 528));
        golden("audio", &audio(Container::Mov, Some(5.28)));
        golden("hls", &hls(Container::Mov, &RUNGS, true, Some(5.28)));
        golden(
            "hls-silent",
            &hls(Container::Mov, rungs(Some(200)), false, None),
        );
        golden("image", &image(Container::Png));
        golden("image-avif", &image_avif(Container::Png));
        golden("waveform-samples", &waveform_samples(Container::Mp3, None));
        golden("waveform-picture", &waveform_picture());
        golden("probe-output", &probe_output(Container::Mov, WEB_NAME));
    }

    /// Every recipe, with the numbers that an order can change.
    fn all(container: Container, seek_ms: u64, seconds: Option<f64>) -> Vec<Invocation> {
        vec![
            probe(container),
            probe_headers(container),
            poster(container, seek_ms),
            web_video(container, seconds),
            web_video_as_it_is(container, seconds),
            preview(container, seek_ms),
            audio(container, seconds),
            hls(container, &RUNGS, true, seconds),
            image(container),
            image_avif(container),
            waveform_samples(container, seconds),
            waveform_picture(),
        ]
    }

    proptest! {
        /// Whatever order is accepted, its command line differs from the reviewed one in two places:
        /// the sniffed demuxer and a number.
        #[test]
        fn no_callers_string_reaches_a_command_line(
            order in r#"\{"preset":"[a-z-]{5,9}","params":\{"seek_ms":("\PC{0,9}"|[0-9]{1,12})\}\}"#,
            which in 0..Container::ALL.len(),
            seconds in proptest::option::of(proptest::num::f64::ANY),
        ) {
            #[derive(serde::Deserialize)]
            struct Order { params: Params }
            let Ok(order) = serde_json::from_str::<Order>(&order) else { return Ok(()) };
            let seek_ms = order.params.seek_ms.map_or(0, u64::from);
            let made = all(Container::ALL[which], seek_ms, seconds);
            for (made, reviewed) in made.iter().zip(all(Container::Mov, seek_ms.min(1), None)) {
                prop_assert_eq!(made.args.len(), reviewed.args.len());
                for (argument, expected) in made.args.iter().zip(&reviewed.args) {
                    let is_number = argument.bytes().all(|b| b.is_ascii_digit() || b == b'.');
                    let is_demuxer = Container::ALL.iter().any(|c| c.demuxer() == argument);
                    prop_assert!(argument == expected || is_number || is_demuxer, "{}", argument);
                }
            }
        }
    }

    /// With less it cannot even load its libraries.
    #[test]
    fn every_run_has_room_to_load_ffmpeg() {
        for invocation in all(Container::Mov, 0, Some(0.0)) {
            assert!(
                invocation.limits.memory_bytes >= 640 * MIB,
                "{invocation:?}"
            );
        }
    }

    #[test]
    fn no_duration_makes_a_run_endless() {
        for seconds in [
            None,
            Some(f64::NAN),
            Some(f64::INFINITY),
            Some(1e300),
            Some(7200.0),
        ] {
            let film = web_video(Container::Mov, seconds);
            assert_eq!(film.wall, Duration::from_hours(2), "{seconds:?}");
            assert_eq!(film.limits.cpu_seconds, 60 + 12 * 7200, "{seconds:?}");
        }
        assert_eq!(
            web_video(Container::Mov, Some(-1.0)).wall,
            Duration::from_secs(30)
        );
    }

    #[test]
    fn a_poster_is_taken_early_but_not_at_the_start() {
        for (duration, expected) in [
            (None, 0),
            (Some(0.0), 0),
            (Some(5.28), 528),
            (Some(7200.0), 10_000),
            (Some(f64::NAN), 0),
        ] {
            assert_eq!(default_seek_ms(duration), expected, "{duration:?}");
        }
    }
}
