//! What a sound looks like: samples that the worker measures, and a picture.

use std::time::Duration;

use super::{Invocation, MIB, Program, input_args, words};
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

/// One channel of signed 16-bit samples.
pub fn waveform_samples(container: Container) -> Invocation {
    let mut args = input_args(container, 0);
    args.extend(words(
        "-map 0:a:0 -vn -ac 1 -ar 4000 -c:a pcm_s16le -f s16le",
    ));
    args.push(SAMPLES_NAME.to_owned());
    run(args)
}

/// The picture of the whole sound, which is made at its end.
pub fn waveform_picture(container: Container) -> Invocation {
    let mut args = input_args(container, 0);
    args.extend(words("-filter_complex"));
    args.push("[0:a:0]aformat=channel_layouts=mono,showwavespic=s=1200x160".to_owned());
    args.extend(words("-frames:v 1 -c:v png -f image2 -update 1"));
    args.push(WAVE_NAME.to_owned());
    run(args)
}

fn run(args: Vec<String>) -> Invocation {
    let wall = Duration::from_mins(1);
    Invocation {
        program: Program::Ffmpeg,
        args,
        limits: Limits {
            memory_bytes: 640 * MIB,
            cpu_seconds: 60,
            file_bytes: 256 * MIB,
            threads: 32,
        },
        wall,
        // The picture advances only at its end.
        stall: Some(wall),
        max_stdout_bytes: MIB,
    }
}
