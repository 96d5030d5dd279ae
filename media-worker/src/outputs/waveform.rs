//! Measures raw samples and checks the picture of them.

use std::io::Read;

use serde::{Deserialize, Serialize};

use super::{check_picture, open_regular, refused, write_json};
use crate::api::{Failure, OutputFile, OutputRole};
use crate::input::Container;
use crate::jobs::Folder;
use crate::presets::{PEAKS_NAME, SAMPLE_RATE, SAMPLES_NAME, WAVE_NAME, WAVE_SIZE};

/// The most peaks of a sound.
const MAX_PEAKS: u64 = 2000;
const SAMPLE_BYTES: u64 = 2;
const MAX_SAMPLES_BYTES: u64 = 256 * 1024 * 1024;
const MAX_WAVE_BYTES: u64 = 4 * 1024 * 1024;

/// The loudness of a sound over its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peaks {
    pub version: u32,
    /// Samples a second, of one channel.
    pub sample_rate: u32,
    /// How many samples a peak stands for; the last one may stand for fewer.
    pub samples_per_peak: u64,
    pub samples: u64,
    /// The lowest and the highest sample of each stretch, at most 2000 of them.
    pub peaks: Vec<(i16, i16)>,
}

impl Peaks {
    /// Whether it is what it says it is.
    pub fn is_consistent(&self) -> bool {
        let expected = self
            .samples
            .checked_div(self.samples_per_peak)
            .map(|whole| whole + u64::from(!self.samples.is_multiple_of(self.samples_per_peak)));
        let count = self.peaks.len() as u64;
        self.version == 1
            && self.sample_rate == SAMPLE_RATE
            && count <= MAX_PEAKS
            && expected == Some(count)
            && self.peaks.iter().all(|(lowest, highest)| lowest <= highest)
    }
}

/// Measures the samples, deletes them and writes the peaks.
pub fn write_peaks(folder: &Folder) -> Result<OutputFile, Failure> {
    let (file, size) = open_regular(folder, SAMPLES_NAME, MAX_SAMPLES_BYTES)?;
    let samples = size / SAMPLE_BYTES;
    let peaks = measure(file, samples).map_err(|_| refused("it changed"))?;
    folder
        .remove_output(SAMPLES_NAME)
        .map_err(|_| refused("it cannot be removed"))?;
    write_json(folder, PEAKS_NAME, OutputRole::Waveform, &peaks)
}

/// The picture, if it is a PNG of the ordered size.
pub fn check_wave(folder: &Folder, max_bytes: u64) -> Result<OutputFile, Failure> {
    let max_bytes = max_bytes.min(MAX_WAVE_BYTES);
    let role = OutputRole::Waveform;
    let made = check_picture(folder, WAVE_NAME, role, Container::Png, max_bytes)?;
    let is_ordered = (made.width, made.height) == (Some(WAVE_SIZE.width), Some(WAVE_SIZE.height));
    is_ordered
        .then_some(made)
        .ok_or_else(|| refused("it does not have the expected dimensions"))
}

/// One stretch of samples is read at a time; of the largest file that is 128 KiB.
fn measure(mut from: impl Read, samples: u64) -> std::io::Result<Peaks> {
    let samples_per_peak = samples.div_ceil(MAX_PEAKS).max(1);
    let (mut peaks, mut stretch) = (Vec::new(), Vec::new());
    let mut left = samples;
    while left > 0 {
        let length = left.min(samples_per_peak);
        stretch.clear();
        let bytes = length * SAMPLE_BYTES;
        if from.by_ref().take(bytes).read_to_end(&mut stretch)? as u64 != bytes {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        peaks.push(bounds(&stretch));
        left -= length;
    }
    Ok(Peaks {
        version: 1,
        sample_rate: SAMPLE_RATE,
        samples_per_peak,
        samples,
        peaks,
    })
}

/// The lowest and the highest of some samples.
fn bounds(samples: &[u8]) -> (i16, i16) {
    let (pairs, _) = samples.as_chunks();
    let samples = pairs.iter().map(|pair| i16::from_le_bytes(*pair));
    samples.fold((i16::MAX, i16::MIN), |(lowest, highest), sample| {
        (lowest.min(sample), highest.max(sample))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(samples: &[i16]) -> Peaks {
        let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        measure(bytes.as_slice(), samples.len() as u64).unwrap()
    }

    #[test]
    fn every_stretch_has_its_lowest_and_its_highest_sample() {
        assert_eq!(of(&[5, -3, 7]).peaks, [(5, 5), (-3, -3), (7, 7)]);
        let ramp: Vec<i16> = (0..4001).collect();
        let peaks = of(&ramp);
        assert_eq!((peaks.samples_per_peak, peaks.peaks.len()), (3, 1334));
        assert_eq!(peaks.peaks[0], (0, 2));
        assert_eq!(peaks.peaks[1333], (3999, 4000));
        assert!(peaks.is_consistent() && of(&[]).is_consistent());
        assert!(measure(&[1_u8][..], 1).is_err(), "half a sample");
    }

    #[test]
    fn peaks_that_contradict_themselves_are_seen() {
        let good = of(&[1, 2, 3]);
        let cases: [fn(&mut Peaks); 6] = [
            |p| p.version = 2,
            |p| p.sample_rate = 1,
            |p| p.samples = 9,
            |p| p.samples_per_peak = 0,
            |p| p.peaks[0] = (2, 1),
            |p| p.peaks.push((0, 0)),
        ];
        for change in cases {
            let mut bad = good.clone();
            change(&mut bad);
            assert!(!bad.is_consistent(), "{bad:?}");
        }
    }
}
