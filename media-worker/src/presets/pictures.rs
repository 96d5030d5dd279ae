//! A still picture in the format of the web.

use std::time::Duration;

use super::{Invocation, MIB, Program, fitted, input_args, words};
use crate::input::{Container, Dimensions};
use crate::sandbox::Limits;

pub const IMAGE_NAME: &str = "image.webp";
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
