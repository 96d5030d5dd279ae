//! Making a picture for the web, and the picture of a sound.

use super::{Work, check, need_frame, without_detail};
use crate::api::{Failure, FailureCode, OutputFile};
use crate::input::{Container, Probe};
use crate::outputs::{self, MAX_PICTURE_BYTES};
use crate::presets;

impl Work<'_> {
    /// For every browser, and for the new ones where it can be made.
    pub(super) async fn image(
        &self,
        container: Container,
        probe: &Probe,
    ) -> Result<Vec<OutputFile>, Failure> {
        let source = probe.pictures.first().filter(|_| container.is_picture());
        let source = *source.ok_or_else(|| without_detail(FailureCode::NoVideoStream))?;
        let invocation = presets::image(container);
        let finished = self.make(&invocation, presets::IMAGE_NAME, None).await?;
        need_frame(finished)?;
        let has_avif = self.makes_avif(probe);
        if has_avif {
            let invocation = presets::image_avif(container);
            need_frame(self.make(&invocation, presets::AVIF_NAME, None).await?)?;
        }
        self.leave_slot();
        let max_bytes = self.max_bytes(MAX_PICTURE_BYTES);
        let image = check(self.job, move |folder| {
            outputs::check_image(folder, source, max_bytes)
        });
        let mut made = vec![image.await?];
        if has_avif {
            let probe = self.probe_output(presets::AVIF_NAME).await?;
            let avif = check(self.job, move |folder| {
                outputs::check_avif(folder, source, &probe, max_bytes)
            });
            made.push(avif.await?);
        }
        Ok(made)
    }

    /// A transparent picture is left as it is: the encoder would lose that.
    fn makes_avif(&self, probe: &Probe) -> bool {
        let format = probe
            .metadata
            .video
            .first()
            .and_then(|stream| stream.pixel_format.as_deref());
        self.shop.has_avif
            && self.job.spec.preset_version >= presets::IMAGE_WITH_AVIF
            && format.is_some_and(is_opaque)
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

/// By `FFmpeg`'s names of the formats of pixels. One of a palette may be transparent in a colour.
fn is_opaque(format: &str) -> bool {
    const OPAQUE: [&str; 8] = [
        "yuv4", "yuvj4", "gray", "rgb24", "rgb48", "bgr24", "gbrp", "mono",
    ];
    OPAQUE.iter().any(|beginning| format.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_transparent_is_told_from_what_cannot() {
        for format in [
            "yuvj420p", "yuv444p", "rgb24", "gray16be", "rgb48be", "gbrp",
        ] {
            assert!(is_opaque(format), "{format}");
        }
        for format in [
            "yuva420p", "rgba", "bgra", "argb", "ya8", "pal8", "gbrap", "rgba64be", "",
        ] {
            assert!(!is_opaque(format), "{format}");
        }
    }
}
