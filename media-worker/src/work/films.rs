//! Making films and sound: order, run, probe what came out, check it.

use super::{Work, has_frame, need_frame, without_detail};
use crate::api::{Failure, FailureCode, OutputFile, OutputRole};
use crate::input::{self, Container, Dimensions, Probe};
use crate::outputs::{self, FilmOrder, Length, PictureOrder, SoundOrder};
use crate::presets::{self, Invocation};

/// The largest film and the largest sound, in bytes: what `-fs` stops at, and room for the index.
const MAX_FILM_BYTES: u64 = 2_200_000_000;
const MAX_SOUND_BYTES: u64 = 300_000_000;
const MAX_PREVIEW_BYTES: u64 = 64 * 1024 * 1024;

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
            picture: Some(PictureOrder {
                within: presets::WEB_BOX,
                source,
            }),
            sound: if has_sound {
                SoundOrder::Needed
            } else {
                SoundOrder::Forbidden
            },
            length: seconds.map_or(Length::AtMost(longest()), Length::Near),
        };
        self.film(&presets::web_video(container, seconds), &order, seconds)
            .await
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
            picture: Some(PictureOrder {
                within: presets::PREVIEW_BOX,
                source,
            }),
            sound: SoundOrder::Forbidden,
            length: Length::AtMost(presets::PREVIEW_SECONDS),
        };
        let (seek_ms, seconds) = (self.seek_ms(probe), Some(presets::PREVIEW_SECONDS));
        if seek_ms > 0 {
            // The duration can lie, so there may be nothing at that time.
            let first = presets::preview(container, seek_ms);
            if has_frame(&self.make(&first, order.name, seconds).await?) {
                return self.check_film(&order).await;
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
            picture: None,
            sound: SoundOrder::Needed,
            // The pictures may be longer than the sound.
            length: Length::AtMost(seconds.unwrap_or_else(longest)),
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
        if order.picture.is_some() {
            need_frame(finished)?;
        }
        self.check_film(order).await
    }

    pub(super) async fn check_film(&self, order: &FilmOrder) -> Result<OutputFile, Failure> {
        let probe = self.probe_output(order.name).await?;
        outputs::check_film(&self.job.folder, order, &probe)
    }

    /// What a probe in the sandbox says of an output.
    async fn probe_output(&self, name: &'static str) -> Result<Probe, Failure> {
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
    std::time::Duration::from_secs(presets::MAX_DURATION_SECONDS).as_secs_f64()
}
