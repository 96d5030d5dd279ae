//! Making films and sound: order, run, probe what came out, check it.

use std::time::Duration;

use super::{Work, check, has_frame, need_frame, without_detail};
use crate::api::{Failure, FailureCode, OutputFile, OutputRole};
use crate::input::{self, Container, Dimensions, Probe};
use crate::outputs::{self, FilmOrder, Length, PictureOrder, SoundOrder};
use crate::presets::{self, Invocation};
use crate::runner::Finished;

/// The largest film and the largest sound, in bytes: what `-fs` stops at, and room for the index.
const MAX_FILM_BYTES: u64 = 4096 * 1024 * 1024;
const MAX_SOUND_BYTES: u64 = 300_000_000;
const MAX_PREVIEW_BYTES: u64 = 64 * 1024 * 1024;
/// What may be missing of the longest duration where the input went on: its last frame.
const REST_SECONDS: f64 = 0.5;
/// What `FFmpeg` says of a Matroska file that was cut, and reads what there is as if that were all.
const ENDED_EARLY: &str = "File ended prematurely";
/// The version of `web-video` from which on a film that plays everywhere is not encoded again.
const KEEPS_WHAT_PLAYS: u32 = 2;

impl Work<'_> {
    pub(super) async fn web_video(
        &self,
        container: Container,
        probe: &Probe,
    ) -> Result<OutputFile, Failure> {
        let source = film_size(probe)?;
        let seconds = probe.metadata.duration_seconds;
        let has_sound = !probe.metadata.audio.is_empty();
        let order = FilmOrder {
            name: presets::WEB_NAME,
            role: OutputRole::WebVideo,
            mime: "video/mp4",
            max_bytes: self.max_bytes(MAX_FILM_BYTES),
            ends_at: Some(presets::WEB_ENDS_AT),
            picture: Some(PictureOrder {
                within: presets::WEB_BOX,
                source,
            }),
            sound: if has_sound {
                SoundOrder::Needed
            } else {
                SoundOrder::Forbidden
            },
            length: Length {
                at_least: input::film_seconds(container, probe),
                at_most: longest(),
            },
        };
        let is_ready = self.job.spec.preset_version >= KEEPS_WHAT_PLAYS
            && input::plays_as_it_is(container, probe);
        let invocation = if is_ready {
            presets::web_video_as_it_is(container, seconds)
        } else {
            presets::web_video(container, seconds)
        };
        self.film(&invocation, &order, seconds).await
    }

    pub(super) async fn preview(
        &self,
        container: Container,
        probe: &Probe,
    ) -> Result<OutputFile, Failure> {
        let source = film_size(probe)?;
        let order = FilmOrder {
            name: presets::PREVIEW_NAME,
            role: OutputRole::Preview,
            mime: "video/mp4",
            max_bytes: self.max_bytes(MAX_PREVIEW_BYTES),
            ends_at: None,
            picture: Some(PictureOrder {
                within: presets::PREVIEW_BOX,
                source,
            }),
            sound: SoundOrder::Forbidden,
            length: Length {
                at_least: None,
                at_most: presets::PREVIEW_SECONDS,
            },
        };
        let (seek_ms, seconds) = (self.seek_ms(probe), Some(presets::PREVIEW_SECONDS));
        if seek_ms > 0 {
            // The duration can lie, so there may be nothing at that time.
            let first = presets::preview(container, seek_ms);
            let finished = self.make(&first, order.name, seconds).await?;
            if has_frame(&finished) {
                return self.check_film(&order, written_seconds(&finished)).await;
            }
        }
        self.film(&presets::preview(container, 0), &order, seconds)
            .await
    }

    pub(super) async fn audio(
        &self,
        container: Container,
        probe: &Probe,
    ) -> Result<OutputFile, Failure> {
        if probe.metadata.audio.is_empty() {
            return Err(without_detail(FailureCode::NoAudioStream));
        }
        let seconds = probe.metadata.duration_seconds;
        let order = FilmOrder {
            name: presets::AUDIO_NAME,
            role: OutputRole::Audio,
            mime: "audio/mp4",
            max_bytes: self.max_bytes(MAX_SOUND_BYTES),
            ends_at: Some(presets::AUDIO_ENDS_AT),
            picture: None,
            sound: SoundOrder::Needed,
            length: Length {
                at_least: input::sound_seconds(container, probe),
                at_most: longest(),
            },
        };
        self.film(&presets::audio(container, seconds), &order, seconds)
            .await
    }

    async fn film(
        &self,
        invocation: &Invocation,
        order: &FilmOrder,
        seconds: Option<f64>,
    ) -> Result<OutputFile, Failure> {
        let finished = self.make(invocation, order.name, seconds).await?;
        let (written, whole) = (written_seconds(&finished), need_whole(&finished, seconds));
        if order.picture.is_some() {
            need_frame(finished)?;
        }
        whole?;
        self.check_film(order, written).await
    }

    pub(super) async fn check_film(
        &self,
        order: &FilmOrder,
        written_seconds: f64,
    ) -> Result<OutputFile, Failure> {
        self.leave_slot();
        let probe = self.probe_output(order.name).await?;
        let order = *order;
        check(self.job, move |folder| {
            outputs::check_film(folder, &order, &probe, written_seconds)
        })
        .await
    }

    /// What a probe in the sandbox says of an output.
    pub(super) async fn probe_output(&self, name: &'static str) -> Result<Probe, Failure> {
        let invocation = presets::probe_output(Container::Mov, name);
        let refused = |detail| Failure {
            code: FailureCode::OutputCheckFailed,
            detail,
        };
        match self.run(&invocation, |_| ()).await {
            Ok(finished) => input::parse_probe(&finished.stdout)
                .ok_or_else(|| refused("the output cannot be probed".to_owned())),
            // It is not the input that is broken.
            Err(failure) if failure.code == FailureCode::CorruptInput => {
                Err(refused(failure.detail))
            }
            Err(failure) => Err(failure),
        }
    }
}

/// How much a run says that it wrote.
pub(super) fn written_seconds(finished: &Finished) -> f64 {
    let written_us = finished.progress.out_time_us.unwrap_or_default();
    Duration::from_micros(written_us).as_secs_f64()
}

/// An error when the run saw that the input is not all there, or did not see all of it. `seconds` is what the probe
/// says of the file.
pub(super) fn need_whole(finished: &Finished, seconds: Option<f64>) -> Result<(), Failure> {
    let written = written_seconds(finished);
    let is_beyond = |seconds: f64| outputs::is_short(seconds, written);
    if written >= longest() - REST_SECONDS && seconds.is_none_or(is_beyond) {
        return Err(without_detail(FailureCode::TooLong));
    }
    let is_short = |seconds: f64| outputs::is_short(written, seconds);
    if finished.diagnostics.contains(ENDED_EARLY) && seconds.is_some_and(is_short) {
        return Err(Failure {
            code: FailureCode::OutputCheckFailed,
            detail: finished.diagnostics.clone(),
        });
    }
    Ok(())
}

/// The size of the first moving picture, if the probe knows it; cover art is none.
pub(super) fn film_size(probe: &Probe) -> Result<Option<Dimensions>, Failure> {
    let Some(stream) = probe.metadata.video.first() else {
        return Err(without_detail(FailureCode::NoVideoStream));
    };
    Ok(stream
        .width
        .zip(stream.height)
        .map(|(width, height)| Dimensions { width, height }))
}

pub(super) fn longest() -> f64 {
    f64::from(presets::MAX_DURATION_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::{Ending, Progress};

    fn judge(written_seconds: u64, said: &str, seconds: Option<f64>) -> Option<FailureCode> {
        let finished = Finished {
            ending: Ending::Exited(0),
            elapsed: Duration::ZERO,
            stdout: Vec::new(),
            diagnostics: said.to_owned(),
            progress: Progress {
                out_time_us: Some(written_seconds * 1_000_000),
                ..Progress::default()
            },
        };
        let judged = need_whole(&finished, seconds);
        judged.err().map(|failure| failure.code)
    }

    #[test]
    fn a_run_that_did_not_see_the_whole_input_has_made_nothing() {
        let early = "[matroska,webm] File ended prematurely";
        let (too_long, refused) = (FailureCode::TooLong, FailureCode::OutputCheckFailed);
        for (written, said, seconds, expected) in [
            (70, "", Some(22.0), None),
            (7200, "", Some(7200.0), None),
            (7200, "", Some(3600.0), Some(too_long)),
            (7200, "", None, Some(too_long)),
            (7100, "", None, None),
            (10, early, Some(20.0), Some(refused)),
            (20, early, Some(20.2), None),
            (10, early, None, None),
            (10, "", Some(20.0), None),
        ] {
            assert_eq!(
                judge(written, said, seconds),
                expected,
                "{written} {seconds:?}"
            );
        }
    }
}
