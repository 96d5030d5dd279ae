//! One file of the corpus, and what makes files.

use std::fs;
use std::process::Command;

use media_worker::api::{FailureCode, Preset};

/// A file and how each preset must end with it.
#[derive(Debug, Clone)]
pub struct File {
    pub name: String,
    pub bytes: Vec<u8>,
    pub expected: Expected,
}

/// `None` is success.
pub type Outcome = Option<FailureCode>;

#[derive(Debug, Clone, Copy)]
pub enum Expected {
    /// The same for every preset.
    Refused(FailureCode),
    /// Every preset that fits what is in it succeeds.
    Works(Content),
    /// The probe admits it; every preset that decodes fails with this, unless nothing is there for it.
    OnlyProbed(FailureCode, Content),
}

/// What is in a file.
#[derive(Debug, Clone, Copy)]
pub enum Content {
    Picture,
    Film,
    SilentFilm,
    Sound,
    /// Sound with a picture that does not move.
    CoveredSound,
}

impl Expected {
    pub fn of(self, preset: Preset) -> Outcome {
        match self {
            Self::Refused(code) => Some(code),
            Self::Works(content) => content.outcome(preset),
            Self::OnlyProbed(code, content) => {
                let missing = content.outcome(preset);
                missing.or_else(|| (preset != Preset::Metadata).then_some(code))
            }
        }
    }
}

impl Content {
    fn outcome(self, preset: Preset) -> Outcome {
        let has_sound = matches!(self, Self::Film | Self::Sound | Self::CoveredSound);
        let has_film = matches!(self, Self::Film | Self::SilentFilm | Self::Picture);
        let missing = match preset {
            Preset::Metadata => false,
            Preset::Poster => !has_film && !matches!(self, Self::CoveredSound),
            Preset::WebVideo | Preset::Preview | Preset::Hls => !has_film,
            Preset::Image => !matches!(self, Self::Picture),
            Preset::Audio | Preset::Waveform => {
                return (!has_sound).then_some(FailureCode::NoAudioStream);
            }
        };
        missing.then_some(FailureCode::NoVideoStream)
    }
}

pub fn file(name: &str, bytes: impl Into<Vec<u8>>, expected: Expected) -> File {
    File {
        name: name.to_owned(),
        bytes: bytes.into(),
        expected,
    }
}

/// What `FFmpeg` makes, outside of any sandbox. `NAME` in the arguments is a file of the returned kind; `{}` in them
/// is the folder.
pub fn made(name: &str, args: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    made_in(folder.path(), name, args)
}

pub fn made_in(folder: &std::path::Path, name: &str, args: &str) -> Vec<u8> {
    let mut command = Command::new("ffmpeg");
    command.current_dir(folder);
    command.args(["-nostdin", "-loglevel", "error", "-y"]);
    let status = command.args(args.split_whitespace()).arg(name).status();
    assert!(status.unwrap().success(), "{name}: {args}");
    fs::read(folder.join(name)).unwrap()
}

/// A box of an MP4 file.
pub fn atom(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).unwrap();
    [&size.to_be_bytes(), &kind, content].concat()
}

/// An element of a Matroska file.
pub fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
    let size = content.len() as u64 | 1 << 56;
    [id, &size.to_be_bytes()[..], content].concat()
}

pub fn ftyp() -> Vec<u8> {
    atom(*b"ftyp", b"isom\0\0\x02\0isomiso2mp41")
}

/// Bytes without a pattern, the same each time.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[3]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Where `needle` first is.
pub fn find(bytes: &[u8], needle: &[u8]) -> usize {
    let mut windows = bytes.windows(needle.len());
    windows.position(|window| window == needle).unwrap()
}
