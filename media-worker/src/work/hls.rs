//! Making a film in several sizes.

use super::films::{film_size, longest, need_whole, written_seconds};
use super::{Work, check, need_frame, without_detail};
use crate::api::{Failure, FailureCode, OutputFile, OutputRole, VideoStream};
use crate::input::{self, Container, Dimensions, Probe};
use crate::outputs::{self, FilmOrder, Length, PictureOrder, SoundOrder};
use crate::presets::{self, Rung};

/// The largest rung, in bytes; the launcher's file limit is the same.
const MAX_RUNG_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// No rung is wider: the widest that H.264 knows.
const MAX_WIDTH: u32 = 16_384;

impl Work<'_> {
    /// The playlist of the rungs, then of each rung its playlist and its file.
    pub(super) async fn hls(
        &self,
        container: Container,
        probe: &Probe,
    ) -> Result<Vec<OutputFile>, Failure> {
        let source = film_size(probe)?;
        let rungs = presets::rungs(probe.metadata.video.first().and_then(shown_height));
        let has_sound = !probe.metadata.audio.is_empty();
        let seconds = probe.metadata.duration_seconds;
        let invocation = presets::hls(container, rungs, has_sound, seconds);
        let finished = self.make(&invocation, presets::MASTER_NAME, seconds);
        let finished = finished.await?;
        let (written, whole) = (written_seconds(&finished), need_whole(&finished, seconds));
        need_frame(finished)?;
        whole?;
        let at_least = input::film_seconds(container, probe);
        self.leave_slot();
        let master = check(self.job, move |folder| outputs::check_master(folder, rungs));
        let mut made = vec![master.await?];
        for rung in rungs {
            let order = self.rung_order(rung, source, has_sound, at_least);
            let segments = self.check_film(&order, written).await?;
            let of = segments.clone();
            let variant = check(self.job, move |folder| {
                outputs::check_variant(folder, rung, &of)
            });
            made.extend([variant.await?, segments]);
        }
        let bytes: u64 = made.iter().map(|file| file.size).sum();
        if bytes > self.max_bytes(u64::MAX) {
            return Err(without_detail(FailureCode::LimitOutput));
        }
        Ok(made)
    }

    fn rung_order(
        &self,
        rung: &Rung,
        source: Option<Dimensions>,
        has_sound: bool,
        at_least: Option<f64>,
    ) -> FilmOrder {
        let within = Dimensions {
            width: MAX_WIDTH,
            height: rung.height,
        };
        FilmOrder {
            name: rung.segments,
            role: OutputRole::Rung,
            mime: "video/mp4",
            max_bytes: self.max_bytes(MAX_RUNG_BYTES),
            ends_at: None,
            picture: Some(PictureOrder { within, source }),
            sound: if has_sound {
                SoundOrder::Needed
            } else {
                SoundOrder::Forbidden
            },
            length: Length {
                at_least,
                at_most: longest(),
            },
        }
    }
}

/// The height as it is shown: a quarter turn swaps the sides.
fn shown_height(stream: &VideoStream) -> Option<u32> {
    let is_turned = stream.rotation.is_some_and(|degrees| degrees % 180 != 0);
    if is_turned {
        stream.width
    } else {
        stream.height
    }
}
