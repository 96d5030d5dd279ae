//! A film in several sizes, of which a player takes what its connection carries (RFC 8216).

use std::time::Duration;

use super::films::{STALL, X264};
use super::{Invocation, MIB, Program, input_args, whole_seconds, words};
use crate::input::Container;
use crate::sandbox::Limits;

pub const MASTER_NAME: &str = "master.m3u8";

/// One size of the film.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// Pixels.
    pub height: u32,
    pub playlist: &'static str,
    pub segments: &'static str,
    rate: &'static str,
}

/// From the smallest on. A film gets those that are no higher than itself, and at least the first.
pub const RUNGS: [Rung; 3] = [
    Rung {
        height: 360,
        playlist: "v360p.m3u8",
        segments: "v360p.m4s",
        rate: "-b:v:0 800k -maxrate:v:0 900k -bufsize:v:0 1600k",
    },
    Rung {
        height: 720,
        playlist: "v720p.m3u8",
        segments: "v720p.m4s",
        rate: "-b:v:1 2800k -maxrate:v:1 3000k -bufsize:v:1 5600k",
    },
    Rung {
        height: 1080,
        playlist: "v1080p.m3u8",
        segments: "v1080p.m4s",
        rate: "-b:v:2 5000k -maxrate:v:2 5500k -bufsize:v:2 10000k",
    },
];

/// The rungs of a film of this height; of one of unknown height the first.
pub fn rungs(height: Option<u32>) -> &'static [Rung] {
    let fitting = RUNGS
        .iter()
        .filter(|rung| height.is_some_and(|height| rung.height <= height))
        .count();
    RUNGS.get(..fitting.max(1)).unwrap_or_default()
}

/// Each rung as one file of byte ranges with a playlist, and a playlist of the rungs.
pub fn hls(
    container: Container,
    rungs: &[Rung],
    has_sound: bool,
    duration_seconds: Option<f64>,
) -> Invocation {
    let mut args = input_args(container, 0);
    args.extend(words("-filter_complex"));
    args.push(filter(rungs));
    for index in 0..rungs.len() {
        args.extend(["-map".to_owned(), format!("[v{index}]")]);
        if has_sound {
            args.extend(words("-map 0:a:0"));
        }
    }
    // A stream of segments has frames at a fixed rate. Of one whose times are milliseconds that is a thousand a
    // second, unless there is a limit.
    args.extend(words("-fpsmax 60"));
    args.extend(words(X264));
    args.extend(words(
        "-force_key_frames expr:gte(t,n_forced*4) -sc_threshold 0",
    ));
    args.extend(rungs.iter().flat_map(|rung| words(rung.rate)));
    args.extend(words(
        "-c:a aac -b:a 128k -ac 2 -ar 48000 -f hls -hls_time 4",
    ));
    args.extend(words(
        "-hls_playlist_type vod -hls_list_size 0 -hls_segment_type fmp4",
    ));
    args.extend(words("-hls_flags independent_segments+single_file"));
    args.extend(words(
        "-hls_segment_filename v%v.m4s -master_pl_name master.m3u8",
    ));
    args.extend(["-var_stream_map".to_owned(), streams(rungs, has_sound)]);
    args.extend(words("v%v.m3u8"));
    let seconds = whole_seconds(duration_seconds);
    Invocation {
        program: Program::Ffmpeg,
        args,
        limits: Limits {
            memory_bytes: 2048 * MIB,
            cpu_seconds: 60 + 30 * seconds,
            file_bytes: 4096 * MIB,
            threads: 64,
        },
        wall: Duration::from_secs(30 + 15 * seconds).min(Duration::from_hours(4)),
        stall: Some(STALL),
        max_stdout_bytes: 16 * MIB,
    }
}

fn filter(rungs: &[Rung]) -> String {
    let outputs: Vec<String> = (0..rungs.len())
        .map(|index| format!("[s{index}]"))
        .collect();
    let scales = rungs
        .iter()
        .enumerate()
        .map(|(index, rung)| format!(";[s{index}]{}[v{index}]", scale(rung.height)));
    let scales: Vec<String> = scales.collect();
    let (outputs, scales) = (outputs.concat(), scales.concat());
    format!("[0:V:0]split={}{outputs}{scales}", rungs.len())
}

/// To this height or its own, the width as the proportions have it, both even and at least two pixels.
fn scale(height: u32) -> String {
    let width = format!("'max(2,2*round(iw*min(1,{height}/ih)/2))'");
    format!("scale={width}:'max(2,2*trunc(min({height},ih)/2))',setsar=1,format=yuv420p")
}

fn streams(rungs: &[Rung], has_sound: bool) -> String {
    let of = |(index, rung): (usize, &Rung)| {
        let sound = if has_sound {
            format!(",a:{index}")
        } else {
            String::new()
        };
        format!("v:{index}{sound},name:{}p", rung.height)
    };
    let all: Vec<String> = rungs.iter().enumerate().map(of).collect();
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_film_gets_no_rung_above_its_own_height_but_one() {
        for (height, expected) in [
            (None, 1),
            (Some(1), 1),
            (Some(719), 1),
            (Some(720), 2),
            (Some(1079), 2),
            (Some(1080), 3),
            (Some(4320), 3),
        ] {
            assert_eq!(rungs(height).len(), expected, "{height:?}");
        }
    }
}
