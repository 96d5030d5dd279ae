//! A still picture in the format of the web.

use std::time::Duration;

use super::{Invocation, MIB, Program, input_args, words};
use crate::input::{Container, Dimensions};
use crate::sandbox::Limits;

pub const IMAGE_NAME: &str = "image.webp";
/// The box that a picture fits in.
pub const IMAGE_BOX: Dimensions = Dimensions {
    width: 2048,
    height: 2048,
};

/// Transparency stays where there is some.
const IMAGE_FILTER: &str = "scale='min(2048,iw)':'min(2048,ih)':\
                            force_original_aspect_ratio=decrease:force_divisible_by=2,setsar=1,\
                            format=yuv420p|yuva420p";

/// The picture itself, of an animated one the first.
pub fn image(container: Container) -> Invocation {
    let mut args = input_args(container, None);
    args.extend(words("-map 0:v:0 -an -vf"));
    args.push(IMAGE_FILTER.to_owned());
    args.extend(words("-frames:v 1 -c:v libwebp -quality 80 -f webp"));
    args.push(IMAGE_NAME.to_owned());
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
