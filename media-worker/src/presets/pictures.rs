//! A still picture in the format of the web.

use std::time::Duration;

use super::{Invocation, MIB, Program, fitted, input_args, words};
use crate::input::{Container, Dimensions};
use crate::sandbox::Limits;

pub const IMAGE_NAME: &str = "image.webp";
pub const AVIF_NAME: &str = "image.avif";
/// The encoder of AVIF, where the build of `FFmpeg` has it. Another, libsvtav1, hangs where it cannot have its many threads.
pub const AVIF_ENCODER: &str = "libaom-av1";
pub const AVIF_MUXER: &str = "avif";
/// The box that a picture fits in.
pub const IMAGE_BOX: Dimensions = Dimensions {
    width: 2048,
    height: 2048,
};

/// The picture itself, of an animated one the first.
pub fn image(container: Container) -> Invocation {
    let mut args = input_args(container, 0);
    args.extend(words("-map 0:v:0 -an -vf"));
    // Transparency stays where there is some.
    let scale = fitted(IMAGE_BOX);
    args.push(format!("{scale},setsar=1,format=yuv420p|yuva420p"));
    args.extend(words("-frames:v 1 -c:v libwebp -quality 80 -f webp"));
    args.push(IMAGE_NAME.to_owned());
    one_picture(args, Duration::from_secs(45), Duration::from_secs(30))
}

/// The same as AVIF. The encoder knows no transparency.
pub fn image_avif(container: Container) -> Invocation {
    let mut args = input_args(container, 0);
    args.extend(words("-map 0:v:0 -an -vf"));
    let scale = fitted(IMAGE_BOX);
    args.push(format!("{scale},setsar=1,format=yuv420p"));
    args.extend(words("-frames:v 1 -c:v libaom-av1 -still-picture 1"));
    args.extend(words("-cpu-used 6 -row-mt 0 -threads 2 -crf 24 -f avif"));
    args.push(AVIF_NAME.to_owned());
    let wall = Duration::from_mins(3);
    // It advances only at its end.
    one_picture(args, wall, wall)
}

fn one_picture(args: Vec<String>, wall: Duration, stall: Duration) -> Invocation {
    Invocation {
        program: Program::Ffmpeg,
        args,
        limits: Limits {
            memory_bytes: 1024 * MIB,
            cpu_seconds: 60,
            file_bytes: 16 * MIB,
            threads: 64,
        },
        wall,
        stall: Some(stall),
        max_stdout_bytes: MIB,
    }
}
