//! What a sound looks like: samples that the worker measures, and a picture.

use std::time::Duration;

use super::{Invocation, MIB, Program, QUIETLY, input_args, whole_seconds, words};
use crate::input::{Container, Dimensions};
use crate::sandbox::Limits;

/// Raw samples, which never leave the job's folder.
pub const SAMPLES_NAME: &str = "samples.raw";
/// Samples a second.
pub const SAMPLE_RATE: u32 = 4000;
pub const PEAKS_NAME: &str = "waveform.json";
pub const WAVE_NAME: &str = "waveform.png";
pub const WAVE_SIZE: Dimensions = Dimensions {
    width: 1200,
    height: 160,
};

/// What a run may take, whatever the length of the sound.
const BASE_SECONDS: u64 = 60;

/// One channel of signed 16-bit samples.
pub fn waveform_samples(container: Container, duration_seconds: Option<f64>) -> Invocation {
    let mut args = input_args(container, 0);
    args.extend(words(
        "-map 0:a:0 -vn -ac 1 -ar 4000 -c:a pcm_s16le -f s16le",
    ));
    args.push(SAMPLES_NAME.to_owned());
    run(args, BASE_SECONDS + whole_seconds(duration_seconds) / 20)
}

/// The picture of the whole sound, which is made at its end. Until then the filter keeps all that it was given: the
/// samples of two hours have room in its memory, the sound itself has not.
pub fn waveform_picture() -> Invocation {
    let mut args: Vec<String> = words(QUIETLY).collect();
    args.extend(words("-protocol_whitelist file -format_whitelist s16le"));
    args.extend(words("-codec_whitelist pcm_s16le -f s16le"));
    args.extend(["-ar".to_owned(), SAMPLE_RATE.to_string()]);
    args.extend(words("-ac 1 -i"));
    args.push(SAMPLES_NAME.to_owned());
    args.extend(words("-filter_complex"));
    args.push("[0:a:0]aformat=channel_layouts=mono,showwavespic=s=1200x160".to_owned());
    args.extend(words("-frames:v 1 -c:v png -f image2 -update 1"));
    args.push(WAVE_NAME.to_owned());
    run(args, BASE_SECONDS)
}

/// `seconds` is the most that it may take, on the wall and of one processor.
fn run(args: Vec<String>, seconds: u64) -> Invocation {
    let wall = Duration::from_secs(seconds);
    Invocation {
        program: Program::Ffmpeg,
        args,
        limits: Limits {
            memory_bytes: 640 * MIB,
            cpu_seconds: seconds,
            file_bytes: 256 * MIB,
            threads: 32,
        },
        wall,
        // The picture advances only at its end.
        stall: Some(wall),
        max_stdout_bytes: MIB,
    }
}
