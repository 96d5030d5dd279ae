//! Checks of films and sound: what the file is by its own boxes, and what a probe in the sandbox says.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use super::{is_scaled, open_regular, read_whole, refused};
use crate::api::{Failure, FailureCode, OutputFile, OutputRole, VideoStream};
use crate::input::{Dimensions, Probe};
use crate::jobs::Folder;

/// Boxes of the top level that are looked at: `ftyp`, `moov` and a few fillers come before `mdat`.
const MAX_BOXES: usize = 16;
/// How far a duration may be off: a second or two hundredths.
const DURATION_SLACK_SECONDS: f64 = 1.0;
const DURATION_SLACK_SHARE: f64 = 0.02;

/// What a film must be.
#[derive(Debug, Clone, Copy)]
pub struct FilmOrder {
    pub name: &'static str,
    pub role: OutputRole,
    pub mime: &'static str,
    pub max_bytes: u64,
    /// The size at which `FFmpeg` stops though there is more, and calls that success.
    pub ends_at: Option<u64>,
    pub picture: Option<PictureOrder>,
    pub sound: SoundOrder,
    pub length: Length,
}

/// The box that the pictures must fit in, and what they were scaled from if that is known.
#[derive(Debug, Clone, Copy)]
pub struct PictureOrder {
    pub within: Dimensions,
    pub source: Option<Dimensions>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoundOrder {
    Needed,
    Forbidden,
}

/// Seconds.
#[derive(Debug, Clone, Copy)]
pub struct Length {
    /// What there is of it in a whole input, if that is known.
    pub at_least: Option<f64>,
    pub at_most: f64,
}

/// The film, if it is the ordered one. `probe` is what ffprobe says of the file itself, `written_seconds` what `FFmpeg`
/// said that it wrote.
pub fn check_film(
    folder: &Folder,
    order: &FilmOrder,
    probe: &Probe,
    written_seconds: f64,
) -> Result<OutputFile, Failure> {
    let (mut file, size) = open_regular(folder, order.name, order.max_bytes)?;
    if order.ends_at.is_some_and(|ends_at| size >= ends_at) {
        return Err(cut_off());
    }
    let (sha256, head) = read_whole(&mut file, size).map_err(|_| refused("it changed"))?;
    if head.get(4..8) != Some(b"ftyp") {
        return Err(refused("it is not an MP4 file"));
    }
    if !has_index_first(&mut file).map_err(|_| refused("it cannot be read"))? {
        return Err(refused("its index does not come first"));
    }
    let picture = check_picture(probe, order.picture)?;
    check_sound(probe, order.sound)?;
    let seconds = probe.metadata.duration_seconds.unwrap_or_default();
    if !order.length.admits(seconds) || !is_near(seconds, written_seconds) {
        return Err(refused("it does not have the expected duration"));
    }
    let codec = picture.map_or_else(|| first_sound(probe), |stream| stream.codec.clone());
    Ok(OutputFile {
        name: order.name.to_owned(),
        role: order.role,
        mime: order.mime.to_owned(),
        size,
        sha256,
        width: picture.and_then(|stream| stream.width),
        height: picture.and_then(|stream| stream.height),
        duration_ms: Some(milliseconds(seconds)),
        codec,
    })
}

impl Length {
    fn admits(self, seconds: f64) -> bool {
        let is_whole = self.at_least.is_none_or(|least| !is_short(seconds, least));
        is_whole && seconds <= self.at_most + slack(self.at_most)
    }
}

/// Whether something is shorter than it should be, by more than rounding.
pub fn is_short(seconds: f64, wanted: f64) -> bool {
    seconds < wanted - slack(wanted)
}

fn is_near(seconds: f64, wanted: f64) -> bool {
    (seconds - wanted).abs() <= slack(wanted)
}

fn slack(wanted: f64) -> f64 {
    (wanted * DURATION_SLACK_SHARE).max(DURATION_SLACK_SECONDS)
}

fn cut_off() -> Failure {
    Failure {
        code: FailureCode::LimitOutput,
        detail: "there is more than fits into the output".to_owned(),
    }
}

/// Exactly the ordered streams of pictures: H.264, 4:2:0, scaled as ordered.
fn check_picture(
    probe: &Probe,
    order: Option<PictureOrder>,
) -> Result<Option<&VideoStream>, Failure> {
    let Some(order) = order else {
        let is_silent = probe.pictures.is_empty();
        return is_silent
            .then_some(None)
            .ok_or_else(|| refused("it has pictures"));
    };
    let [stream] = probe.metadata.video.as_slice() else {
        return Err(refused("it does not have one stream of pictures"));
    };
    let is_playable = stream.codec.as_deref() == Some("h264")
        && stream.pixel_format.as_deref() == Some("yuv420p");
    if !is_playable {
        return Err(refused("its pictures are not H.264"));
    }
    let (Some(width), Some(height)) = (stream.width, stream.height) else {
        return Err(refused("its pictures have no size"));
    };
    if !is_scaled(Dimensions { width, height }, order.source, order.within) {
        return Err(refused("it does not have the expected dimensions"));
    }
    Ok(Some(stream))
}

fn check_sound(probe: &Probe, order: SoundOrder) -> Result<(), Failure> {
    let is_aac = first_sound(probe).as_deref() == Some("aac");
    match (order, probe.metadata.audio.len()) {
        (SoundOrder::Needed, 1) if is_aac => Ok(()),
        (SoundOrder::Forbidden, 0) => Ok(()),
        (SoundOrder::Needed | SoundOrder::Forbidden, _) => {
            Err(refused("its sound is not the ordered one"))
        }
    }
}

fn first_sound(probe: &Probe) -> Option<String> {
    probe.metadata.audio.first()?.codec.clone()
}

/// Whether `moov` stands before `mdat` (ISO/IEC 14496-12, 4.2), so that it plays before all of it is there.
fn has_index_first(file: &mut File) -> io::Result<bool> {
    let mut position = 0_u64;
    for _ in 0..MAX_BOXES {
        file.seek(SeekFrom::Start(position))?;
        let mut header = [0; 16];
        if file.read(&mut header)? < 8 {
            return Ok(false);
        }
        let [a, b, c, d, k0, k1, k2, k3, large @ ..] = header;
        match &[k0, k1, k2, k3] {
            b"moov" => return Ok(true),
            b"mdat" => return Ok(false),
            _ => {}
        }
        let size = match u32::from_be_bytes([a, b, c, d]) {
            1 => u64::from_be_bytes(large),
            size => u64::from(size),
        };
        position = position.saturating_add(size.max(8));
    }
    Ok(false)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a checked duration is not negative and far below the limit"
)]
fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{AudioStream, JobKey};

    fn atom(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap();
        [&size.to_be_bytes(), &kind, content].concat()
    }

    fn film(kinds: &[&[u8; 4]]) -> Vec<u8> {
        kinds
            .iter()
            .flat_map(|kind| atom(**kind, b"isom...."))
            .collect()
    }

    fn probe() -> Probe {
        let mut probe = Probe::default();
        probe.metadata.duration_seconds = Some(5.3);
        probe.metadata.video = vec![VideoStream {
            codec: Some("h264".to_owned()),
            pixel_format: Some("yuv420p".to_owned()),
            width: Some(1280),
            height: Some(720),
            ..VideoStream::default()
        }];
        probe.metadata.audio = vec![AudioStream {
            codec: Some("aac".to_owned()),
            ..AudioStream::default()
        }];
        probe
    }

    fn check(content: &[u8], change: impl FnOnce(&mut Probe)) -> Result<OutputFile, String> {
        check_written(content, 5.28, change)
    }

    fn check_written(
        content: &[u8],
        written_seconds: f64,
        change: impl FnOnce(&mut Probe),
    ) -> Result<OutputFile, String> {
        let jobs = tempfile::tempdir().unwrap();
        let key = JobKey {
            job: uuid::Uuid::nil(),
            attempt: 1,
        };
        let folder = Folder::create(jobs.path(), key, None).unwrap();
        std::fs::write(folder.path().join("web.mp4"), content).unwrap();
        let within = Dimensions {
            width: 1920,
            height: 1080,
        };
        let source = Some(Dimensions {
            width: 1280,
            height: 720,
        });
        let order = FilmOrder {
            name: "web.mp4",
            role: OutputRole::WebVideo,
            mime: "video/mp4",
            max_bytes: 1000,
            ends_at: Some(900),
            picture: Some(PictureOrder { within, source }),
            sound: SoundOrder::Needed,
            length: Length {
                at_least: Some(5.0),
                at_most: 7200.0,
            },
        };
        let mut probe = probe();
        change(&mut probe);
        check_film(&folder, &order, &probe, written_seconds).map_err(|failure| failure.detail)
    }

    #[test]
    fn only_the_ordered_film_is_accepted() {
        type Change = fn(&mut Probe);
        let good = film(&[b"ftyp", b"free", b"moov", b"mdat"]);
        let made = check(&good, |_| ()).unwrap();
        assert_eq!((made.duration_ms, made.width), (Some(5300), Some(1280)));
        let cases: [(&str, Change); 6] = [
            ("it does not have the expected duration", |p| {
                p.metadata.duration_seconds = Some(3.0);
            }),
            ("it does not have the expected duration", |p| {
                p.metadata.duration_seconds = None;
            }),
            ("it does not have the expected dimensions", |p| {
                p.metadata.video[0].height = Some(1280);
            }),
            ("its pictures are not H.264", |p| {
                p.metadata.video[0].codec = Some("vp9".to_owned());
            }),
            ("it does not have one stream of pictures", |p| {
                p.metadata.video.clear();
            }),
            ("its sound is not the ordered one", |p| {
                p.metadata.audio.clear();
            }),
        ];
        for (reason, change) in cases {
            assert_eq!(
                check(&good, change),
                Err(format!("output refused: {reason}"))
            );
        }
    }

    #[test]
    fn a_film_is_as_long_as_was_written_and_no_shorter_than_its_input() {
        let good = film(&[b"ftyp", b"moov", b"mdat"]);
        let seen = |written, seconds| {
            let set = |p: &mut Probe| p.metadata.duration_seconds = Some(seconds);
            check_written(&good, written, set).is_ok()
        };
        assert!(seen(5.28, 5.3) && seen(70.0, 70.1) && seen(4.5, 4.5) && seen(7200.0, 7200.1));
        assert!(!seen(70.0, 5.3), "shorter than was written");
        assert!(!seen(5.3, 70.0), "longer than was written");
        assert!(!seen(3.0, 3.0), "less than there was");
        assert!(!seen(7400.0, 7400.0), "longer than anything");
    }

    #[test]
    fn a_film_that_ffmpeg_left_off_at_its_size_is_no_film() {
        let whole = film(&[b"ftyp", b"moov", b"mdat"]);
        let of = |size: usize| [&whole[..], &vec![0; size - whole.len()]].concat();
        assert!(check(&of(899), |_| ()).is_ok());
        let left_off = Err("there is more than fits into the output".to_owned());
        assert_eq!(check(&of(900), |_| ()), left_off);
    }

    #[test]
    fn the_file_itself_must_be_a_film_with_its_index_first() {
        for (content, reason) in [
            (
                film(&[b"ftyp", b"mdat", b"moov"]),
                "its index does not come first",
            ),
            (film(&[b"ftyp", b"free"]), "its index does not come first"),
            (
                b"#EXTM3U\nfile:///etc/passwd\n".to_vec(),
                "it is not an MP4 file",
            ),
            (vec![0; 1001], "it is too large"),
        ] {
            let seen = check(&content, |_| ());
            assert_eq!(seen, Err(format!("output refused: {reason}")));
        }
    }
}
