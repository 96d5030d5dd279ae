//! Films and sound that every browser plays.

use std::time::Duration;

use super::{Invocation, MIB, Program, fitted, input_args, whole_seconds, words};
use crate::input::{Container, Dimensions};
use crate::sandbox::Limits;

pub const WEB_NAME: &str = "web.mp4";
/// The box that a film for the web fits in.
pub const WEB_BOX: Dimensions = Dimensions {
    width: 1920,
    height: 1080,
};
pub const PREVIEW_NAME: &str = "preview.mp4";
/// The box that a preview fits in.
pub const PREVIEW_BOX: Dimensions = Dimensions {
    width: 480,
    height: 270,
};
pub const PREVIEW_SECONDS: f64 = 4.0;
pub const AUDIO_NAME: &str = "audio.m4a";
/// Where `FFmpeg` stops to write, though there is more: in bytes, without the index, which has room below the limit.
pub const WEB_ENDS_AT: u64 = 3840 * MIB;
pub const AUDIO_ENDS_AT: u64 = 256 * MIB;

/// The encoder of pictures, the same for every film.
pub(super) const X264: &str = "-c:v libx264 -preset veryfast -threads 2 -profile:v high";
pub(super) const STALL: Duration = Duration::from_secs(30);

/// The whole film, its index first so that it plays while it loads. `0:V` leaves cover art out.
pub fn web_video(container: Container, duration_seconds: Option<f64>) -> Invocation {
    let mut args = input_args(container, 0);
    args.extend(words("-map 0:V:0 -map 0:a:0? -vf"));
    args.push(format!("{},setsar=1,format=yuv420p", fitted(WEB_BOX)));
    args.extend(words("-fpsmax 60"));
    args.extend(words(X264));
    args.extend(words("-crf 23 -maxrate 6M -bufsize 12M -g 60"));
    args.extend(words(
        "-c:a aac -b:a 128k -ac 2 -ar 48000 -movflags +faststart",
    ));
    args.extend(web_file());
    whole_film(args, duration_seconds)
}

/// The same of a film that plays everywhere already: its streams in another file. They are decoded beside, into nothing,
/// so that what is broken is found out as if it had been encoded.
pub fn web_video_as_it_is(container: Container, duration_seconds: Option<f64>) -> Invocation {
    let mut args = input_args(container, 0);
    args.extend(words("-map 0:V:0 -map 0:a:0? -c copy -movflags +faststart"));
    args.extend(web_file());
    args.extend(words("-map 0:V:0 -map 0:a:0? -f null -"));
    whole_film(args, duration_seconds)
}

/// How a film for the web is written.
fn web_file() -> Vec<String> {
    let ends_at = WEB_ENDS_AT.to_string();
    let mut args: Vec<String> = words("-max_muxing_queue_size 1024 -fs").collect();
    args.extend([
        ends_at,
        "-f".to_owned(),
        "mp4".to_owned(),
        WEB_NAME.to_owned(),
    ]);
    args
}

fn whole_film(args: Vec<String>, duration_seconds: Option<f64>) -> Invocation {
    let seconds = whole_seconds(duration_seconds);
    Invocation {
        program: Program::Ffmpeg,
        args,
        limits: Limits {
            memory_bytes: 1536 * MIB,
            cpu_seconds: 60 + 12 * seconds,
            file_bytes: 4096 * MIB,
            threads: 64,
        },
        wall: Duration::from_secs(30 + 8 * seconds).min(Duration::from_hours(2)),
        stall: Some(STALL),
        max_stdout_bytes: 16 * MIB,
    }
}

/// A few silent seconds from `seek_ms` milliseconds on.
pub fn preview(container: Container, seek_ms: u64) -> Invocation {
    let mut args = input_args(container, seek_ms);
    args.extend(words("-t 4 -map 0:V:0 -an -vf"));
    let scale = fitted(PREVIEW_BOX);
    args.push(format!("fps=15,{scale},setsar=1,format=yuv420p"));
    args.extend(words(X264));
    args.extend(words("-crf 28 -movflags +faststart -f mp4"));
    args.push(PREVIEW_NAME.to_owned());
    Invocation {
        program: Program::Ffmpeg,
        args,
        limits: Limits {
            memory_bytes: 1024 * MIB,
            cpu_seconds: 120,
            file_bytes: 64 * MIB,
            threads: 64,
        },
        wall: Duration::from_secs(90),
        stall: Some(STALL),
        max_stdout_bytes: MIB,
    }
}

/// The first sound stream alone.
pub fn audio(container: Container, duration_seconds: Option<f64>) -> Invocation {
    let mut args = input_args(container, 0);
    args.extend(words("-map 0:a:0 -vn -c:a aac -b:a 128k -ac 2 -ar 48000"));
    args.extend(words("-movflags +faststart"));
    args.extend(["-fs".to_owned(), AUDIO_ENDS_AT.to_string()]);
    args.extend(words("-f ipod"));
    args.push(AUDIO_NAME.to_owned());
    let seconds = whole_seconds(duration_seconds);
    Invocation {
        program: Program::Ffmpeg,
        args,
        limits: Limits {
            memory_bytes: 640 * MIB,
            cpu_seconds: 60 + seconds,
            file_bytes: 512 * MIB,
            threads: 32,
        },
        wall: Duration::from_secs(60 + seconds),
        stall: Some(STALL),
        max_stdout_bytes: 16 * MIB,
    }
}
