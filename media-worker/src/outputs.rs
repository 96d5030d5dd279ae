//! Checks what came out before anybody may fetch it. `FFmpeg`'s folder is untrusted: a file must be a
//! regular one, of the expected name, size, format and dimensions.

mod films;
mod hls;
mod waveform;

pub use films::{FilmOrder, Length, PictureOrder, SoundOrder, check_film, is_short};
pub use hls::{PLAYLIST_MIME, check_master, check_variant};
pub use waveform::{Peaks, check_wave, write_peaks};

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::MetadataExt as _;

use sha2::{Digest as _, Sha256};

use crate::api::{Failure, FailureCode, MediaMetadata, OutputFile, OutputRole, Sha256Digest};
use crate::input::{Container, Dimensions, Probe, of_image, sniff};
use crate::jobs::Folder;
use crate::presets::{AVIF_NAME, IMAGE_BOX, IMAGE_NAME, METADATA_NAME, POSTER_BOX, POSTER_NAME};

/// The largest picture, in bytes; the launcher's file limit is the same.
pub const MAX_PICTURE_BYTES: u64 = 16 * 1024 * 1024;
pub const AVIF_MIME: &str = "image/avif";
/// What stands behind the first four bytes of an AVIF picture: its first box and its brand.
pub const AVIF_MAGIC: &[u8] = b"ftypavif";
/// How far a side may be from the exact scale, in pixels: `FFmpeg` rounds to even numbers.
const ROUNDING_PIXELS: f64 = 2.0;
const CHUNK_BYTES: usize = 64 * 1024;

/// The poster, if it is one: a `WebP` picture that is the source scaled into the box.
pub fn check_poster(
    folder: &Folder,
    source: Option<Dimensions>,
    max_bytes: u64,
) -> Result<OutputFile, Failure> {
    let role = OutputRole::Poster;
    let made = check_picture(folder, POSTER_NAME, role, Container::WebP, max_bytes)?;
    scaled(made, source, POSTER_BOX)
}

/// The picture for the web, by the same rule.
pub fn check_image(
    folder: &Folder,
    source: Option<Dimensions>,
    max_bytes: u64,
) -> Result<OutputFile, Failure> {
    let role = OutputRole::Image;
    let made = check_picture(folder, IMAGE_NAME, role, Container::WebP, max_bytes)?;
    scaled(made, source, IMAGE_BOX)
}

/// The same as AVIF, which the worker does not read itself: `probe` is what ffprobe says of it.
pub fn check_avif(
    folder: &Folder,
    source: Option<Dimensions>,
    probe: &Probe,
    max_bytes: u64,
) -> Result<OutputFile, Failure> {
    let (mut file, size) = open_regular(folder, AVIF_NAME, max_bytes.min(MAX_PICTURE_BYTES))?;
    let (sha256, head) = read_whole(&mut file, size).map_err(|_| refused("it changed"))?;
    if head.get(4..12) != Some(AVIF_MAGIC) {
        return Err(refused("it is not an AVIF picture"));
    }
    let [stream] = probe.metadata.video.as_slice() else {
        return Err(refused("it does not have one picture"));
    };
    let is_expected = stream.codec.as_deref() == Some("av1")
        && stream.pixel_format.as_deref() == Some("yuv420p")
        && probe.streams == 1;
    if !is_expected {
        return Err(refused("it is not an AVIF picture"));
    }
    let made = OutputFile {
        name: AVIF_NAME.to_owned(),
        role: OutputRole::Image,
        mime: AVIF_MIME.to_owned(),
        size,
        sha256,
        width: stream.width,
        height: stream.height,
        duration_ms: None,
        codec: stream.codec.clone(),
    };
    scaled(made, source, IMAGE_BOX)
}

fn scaled(
    made: OutputFile,
    source: Option<Dimensions>,
    within: Dimensions,
) -> Result<OutputFile, Failure> {
    let size = made.width.zip(made.height);
    let is_fitting =
        size.is_some_and(|(width, height)| is_scaled(Dimensions { width, height }, source, within));
    is_fitting
        .then_some(made)
        .ok_or_else(|| refused("it does not have the expected dimensions"))
}

/// A `WebP` or PNG picture of any size.
fn check_picture(
    folder: &Folder,
    name: &str,
    role: OutputRole,
    format: Container,
    max_bytes: u64,
) -> Result<OutputFile, Failure> {
    let (mut file, size) = open_regular(folder, name, max_bytes.min(MAX_PICTURE_BYTES))?;
    let (sha256, head) = read_whole(&mut file, size).map_err(|_| refused("it changed"))?;
    let picture = of_image(format, &head).filter(|_| sniff(&head) == Some(format));
    let (mime, codec, reason) = match format {
        Container::Png => ("image/png", "png", "it is not a PNG picture"),
        _ => ("image/webp", "webp", "it is not a WebP picture"),
    };
    let picture = picture.ok_or_else(|| refused(reason))?;
    Ok(OutputFile {
        name: name.to_owned(),
        role,
        mime: mime.to_owned(),
        size,
        sha256,
        width: Some(picture.width),
        height: Some(picture.height),
        duration_ms: None,
        codec: Some(codec.to_owned()),
    })
}

/// Writes the metadata as JSON; a file of that name must not exist yet.
pub fn write_metadata(folder: &Folder, metadata: &MediaMetadata) -> Result<OutputFile, Failure> {
    write_json(folder, METADATA_NAME, OutputRole::Metadata, metadata)
}

fn write_json(
    folder: &Folder,
    name: &str,
    role: OutputRole,
    content: &impl serde::Serialize,
) -> Result<OutputFile, Failure> {
    let json = serde_json::to_vec(content).map_err(|_| refused("it cannot be written"))?;
    folder
        .create_output(name, &json)
        .map_err(|error| unwritten(&error))?;
    Ok(OutputFile {
        name: name.to_owned(),
        role,
        mime: "application/json".to_owned(),
        size: json.len() as u64,
        sha256: Sha256Digest::of(&json),
        width: None,
        height: None,
        duration_ms: None,
        codec: None,
    })
}

fn open_regular(folder: &Folder, name: &str, max_bytes: u64) -> Result<(File, u64), Failure> {
    let file = folder
        .open_output(name)
        .map_err(|_| refused("it is missing or a link"))?;
    let metadata = file.metadata().map_err(|_| refused("it cannot be read"))?;
    match metadata.len() {
        _ if !metadata.is_file() || metadata.nlink() != 1 => Err(refused("it is no regular file")),
        0 => Err(refused("it is empty")),
        size if size > max_bytes => Err(refused("it is too large")),
        size => Ok((file, size)),
    }
}

/// The digest of exactly `size` bytes, and the first of them.
fn read_whole(file: &mut File, size: u64) -> io::Result<(Sha256Digest, Vec<u8>)> {
    let mut head = Vec::new();
    file.take(64).read_to_end(&mut head)?;
    file.rewind()?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut total = 0;
    while let length @ 1.. = file.read(&mut chunk)? {
        hasher.update(chunk.get(..length).unwrap_or_default());
        total += length as u64;
    }
    let is_whole = total == size;
    is_whole
        .then(|| (Sha256Digest::from_hasher(hasher), head))
        .ok_or_else(|| io::Error::other("the size changed while it was read"))
}

/// Whether the picture is the source fitted into the box, never enlarged; the source may be rotated.
/// When the probe knew no size, only the box counts.
fn is_scaled(picture: Dimensions, source: Option<Dimensions>, within: Dimensions) -> bool {
    let is_in_box = picture.width <= within.width && picture.height <= within.height;
    let Some(Dimensions { width, height }) = source else {
        return is_in_box;
    };
    is_in_box
        && (is_fitted(picture, (width, height), within)
            || is_fitted(picture, (height, width), within))
}

fn is_fitted(picture: Dimensions, (width, height): (u32, u32), within: Dimensions) -> bool {
    let across = f64::from(within.width) / f64::from(width);
    let down = f64::from(within.height) / f64::from(height);
    let scale = across.min(down).min(1.0);
    let is_near = |side: u32, source: u32| {
        // The smallest picture has two pixels a side.
        (f64::from(side) - (f64::from(source) * scale).max(2.0)).abs() <= ROUNDING_PIXELS
    };
    is_near(picture.width, width) && is_near(picture.height, height)
}

/// A full disk is no fault of the input.
fn unwritten(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Failure {
            code: FailureCode::DiskFull,
            detail: String::new(),
        },
        _ => refused("it cannot be written"),
    }
}

fn refused(reason: &str) -> Failure {
    Failure {
        code: FailureCode::OutputCheckFailed,
        detail: format!("output refused: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::JobKey;

    fn folder() -> (tempfile::TempDir, Folder) {
        let jobs = tempfile::tempdir().unwrap();
        let key = JobKey {
            job: uuid::Uuid::nil(),
            attempt: 1,
        };
        let folder = Folder::create(jobs.path(), key, None).unwrap();
        (jobs, folder)
    }

    fn webp(width: u16, height: u16) -> Vec<u8> {
        let mut bytes = b"RIFF\x16\0\0\0WEBPVP8 \x0A\0\0\0\x30\x01\0\x9D\x01\x2A".to_vec();
        bytes.extend(width.to_le_bytes());
        bytes.extend(height.to_le_bytes());
        bytes
    }

    const HD: Option<Dimensions> = Some(Dimensions {
        width: 1920,
        height: 1080,
    });

    fn check(prepare: impl FnOnce(&std::path::Path)) -> Result<OutputFile, String> {
        let (_jobs, folder) = folder();
        prepare(&folder.path().join(POSTER_NAME));
        check_poster(&folder, HD, MAX_PICTURE_BYTES).map_err(|failure| failure.detail)
    }

    #[test]
    fn accepts_the_expected_picture_only() {
        let good = check(|path| std::fs::write(path, webp(1280, 720)).unwrap()).unwrap();
        assert_eq!(
            (good.width, good.height, good.size),
            (Some(1280), Some(720), 30)
        );
        let says = |detail: &str| Err(format!("output refused: {detail}"));
        let size = says("it does not have the expected dimensions");
        assert_eq!(check(|_| ()), says("it is missing or a link"));
        assert_eq!(
            check(|path| std::fs::write(path, "").unwrap()),
            says("it is empty")
        );
        assert_eq!(
            check(|path| std::fs::write(path, "root:x:0:0").unwrap()),
            says("it is not a WebP picture")
        );
        assert_eq!(
            check(|path| std::fs::write(path, webp(1280, 1280)).unwrap()),
            size
        );
        assert_eq!(
            check(|path| std::fs::write(path, webp(1920, 1080)).unwrap()),
            size
        );
    }

    #[test]
    fn an_avif_is_one_by_its_head_and_by_its_probe() {
        const MAGIC: &[u8] = b"\0\0\0\x20ftypavif";
        let check = |content: &[u8], change: fn(&mut Probe)| {
            let (_jobs, folder) = folder();
            std::fs::write(folder.path().join(AVIF_NAME), content).unwrap();
            let mut probe = Probe {
                streams: 1,
                ..Probe::default()
            };
            probe.metadata.video = vec![crate::api::VideoStream {
                codec: Some("av1".to_owned()),
                pixel_format: Some("yuv420p".to_owned()),
                width: Some(1920),
                height: Some(1080),
                ..crate::api::VideoStream::default()
            }];
            change(&mut probe);
            check_avif(&folder, HD, &probe, 100).map(|made| made.mime)
        };
        assert_eq!(check(MAGIC, |_| ()), Ok("image/avif".to_owned()));
        assert!(check(b"\0\0\0\x20ftypisom", |_| ()).is_err());
        assert!(check(&[MAGIC, &[0; 100]].concat(), |_| ()).is_err());
        let changes: [fn(&mut Probe); 4] = [
            |probe| probe.streams = 2,
            |probe| probe.metadata.video[0].codec = Some("h264".to_owned()),
            |probe| probe.metadata.video[0].height = Some(1920),
            |probe| probe.metadata.video.clear(),
        ];
        for change in changes {
            assert!(check(MAGIC, change).is_err());
        }
    }

    #[test]
    fn refuses_what_is_no_plain_file() {
        let link = Err("output refused: it is missing or a link".to_owned());
        let irregular = Err("output refused: it is no regular file".to_owned());
        let at = |path: &std::path::Path| path.with_file_name("other");
        let symbolic = check(|path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap());
        assert_eq!(symbolic, link);
        let hard = check(|path| {
            std::fs::write(at(path), webp(1280, 720)).unwrap();
            std::fs::hard_link(at(path), path).unwrap();
        });
        assert_eq!(hard, irregular);
        assert_eq!(check(|path| std::fs::create_dir(path).unwrap()), irregular);
        let too_large = check(|path| {
            File::create(path)
                .unwrap()
                .set_len(MAX_PICTURE_BYTES + 1)
                .unwrap();
        });
        assert_eq!(too_large, Err("output refused: it is too large".to_owned()));
    }

    #[test]
    fn knows_what_a_scaled_picture_looks_like() {
        let size = |width, height| Dimensions { width, height };
        for (source, picture, expected) in [
            (size(1920, 1080), size(1280, 720), true),
            (size(1080, 1920), size(720, 1280), true),
            (size(1920, 1080), size(720, 1280), true),
            (size(320, 241), size(320, 240), true),
            (size(320, 240), size(640, 480), false),
            (size(8192, 1), size(1280, 2), true),
            (size(1920, 1080), size(1280, 700), false),
        ] {
            assert_eq!(
                is_scaled(picture, Some(source), POSTER_BOX),
                expected,
                "{source:?} {picture:?}"
            );
        }
        let of_unknown = |picture| is_scaled(picture, None, POSTER_BOX);
        assert!(of_unknown(size(9, 9)) && !of_unknown(size(9, 1281)));
        let tall = Some(size(1080, 1920));
        let wide = size(1920, 1080);
        assert!(is_scaled(size(608, 1080), tall, wide) && is_scaled(wide, tall, wide));
        assert!(!is_scaled(size(1080, 1080), tall, wide));
    }
}
