//! Making a picture for the web, and the picture of a sound.

use super::{Work, check, need_frame, without_detail};
use crate::api::{Failure, FailureCode, OutputFile};
use crate::input::{Container, Probe};
use crate::outputs::{self, MAX_PICTURE_BYTES};
use crate::presets;

impl Work<'_> {
    pub(super) async fn image(
        &self,
        container: Container,
        probe: &Probe,
    ) -> Result<OutputFile, Failure> {
        let source = probe.pictures.first().filter(|_| container.is_picture());
        let source = *source.ok_or_else(|| without_detail(FailureCode::NoVideoStream))?;
        let invocation = presets::image(container);
        let finished = self.make(&invocation, presets::IMAGE_NAME, None).await?;
        need_frame(finished)?;
        self.leave_slot();
        let max_bytes = self.max_bytes(MAX_PICTURE_BYTES);
        check(self.job, move |folder| {
            outputs::check_image(folder, source, max_bytes)
        })
        .await
    }

    pub(super) async fn waveform(
        &self,
        container: Container,
        probe: &Probe,
    ) -> Result<Vec<OutputFile>, Failure> {
        if probe.metadata.audio.is_empty() {
            return Err(without_detail(FailureCode::NoAudioStream));
        }
        let seconds = probe.metadata.duration_seconds;
        let samples = presets::waveform_samples(container, seconds);
        self.make(&samples, presets::SAMPLES_NAME, seconds).await?;
        let picture = presets::waveform_picture();
        self.make(&picture, presets::WAVE_NAME, None).await?;
        self.leave_slot();
        let max_bytes = self.max_bytes(MAX_PICTURE_BYTES);
        check(self.job, move |folder| {
            let peaks = outputs::write_peaks(folder)?;
            Ok(vec![peaks, outputs::check_wave(folder, max_bytes)?])
        })
        .await
    }
}
