//! Reads the `key=value` lines of `-progress`. They come from a process that may be hostile: a line is
//! bounded, and a value that is no number is ignored.

/// Longest line that is looked at, in bytes; a longer one is skipped.
const MAX_LINE_BYTES: usize = 256;

/// The latest report.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Progress {
    /// Frames written so far.
    pub frames: Option<u64>,
    /// How much media was written, in microseconds.
    pub out_time_us: Option<u64>,
    /// Frames a second.
    pub fps: Option<f64>,
    /// Media seconds a wall second.
    pub speed: Option<f64>,
    /// Whether the last report says `progress=end`.
    pub ended: bool,
}

#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    latest: Progress,
}

impl Parser {
    /// Takes a piece of output; calls `report` at the end of every complete report in it.
    pub(super) fn feed(&mut self, piece: &[u8], mut report: impl FnMut(Progress)) {
        for byte in piece {
            if *byte != b'\n' {
                // One byte above the limit marks the line as too long.
                if self.line.len() <= MAX_LINE_BYTES {
                    self.line.push(*byte);
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            if line.len() <= MAX_LINE_BYTES && self.take_line(&line) {
                report(self.latest);
            }
        }
    }

    pub(super) fn latest(&self) -> Progress {
        self.latest
    }

    /// Whether the line ends a report.
    fn take_line(&mut self, line: &[u8]) -> bool {
        let Some((key, value)) = std::str::from_utf8(line)
            .ok()
            .and_then(|line| line.split_once('='))
        else {
            return false;
        };
        let value = value.trim();
        match key {
            "frame" => self.latest.frames = value.parse().ok(),
            "out_time_us" => self.latest.out_time_us = value.parse().ok(),
            "fps" => self.latest.fps = finite(value),
            "speed" => self.latest.speed = finite(value.trim_end_matches('x')),
            "progress" => self.latest.ended = value == "end",
            _ => {}
        }
        key == "progress"
    }
}

fn finite(text: &str) -> Option<f64> {
    text.parse()
        .ok()
        .filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reports(pieces: &[&[u8]]) -> Vec<Progress> {
        let (mut parser, mut seen) = (Parser::default(), Vec::new());
        for piece in pieces {
            parser.feed(piece, |progress| seen.push(progress));
        }
        seen
    }

    #[test]
    fn reads_reports_cut_anywhere() {
        let text = b"frame=1\nfps=2.5\nout_time_us=361000\nspeed=1.5x\nprogress=continue\n\
                     out_time_us=400000\nspeed=N/A\nprogress=end\n";
        let first = Progress {
            frames: Some(1),
            out_time_us: Some(361_000),
            fps: Some(2.5),
            speed: Some(1.5),
            ended: false,
        };
        let last = Progress {
            out_time_us: Some(400_000),
            speed: None,
            ended: true,
            ..first
        };
        for at in 0..text.len() {
            assert_eq!(
                reports(&[&text[..at], &text[at..]]),
                [first, last],
                "cut at {at}"
            );
        }
    }

    #[test]
    fn ignores_nonsense_and_endless_lines() {
        let endless = vec![b'9'; 1_000_000];
        let seen = reports(&[
            b"out_time_us=",
            &endless,
            b"\nfps=inf\nspeed=-1x\n\xFF=1\nprogress=x\n",
        ]);
        assert_eq!(seen, [Progress::default()]);
    }
}
