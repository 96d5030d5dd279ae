//! Checks of a film in several sizes: the playlists may only lead to the job's own files.

use std::io::Read as _;

use super::{open_regular, read_whole, refused};
use crate::api::{Failure, OutputFile, OutputRole};
use crate::jobs::Folder;
use crate::playlist::{MAX_PLAYLIST_BYTES, is_master, is_variant};
use crate::presets::{MASTER_NAME, Rung};

/// The media type of a playlist (RFC 8216, section 4).
pub const PLAYLIST_MIME: &str = "application/vnd.apple.mpegurl";

pub fn check_master(folder: &Folder, rungs: &[Rung]) -> Result<OutputFile, Failure> {
    let variants: Vec<&str> = rungs.iter().map(|rung| rung.playlist).collect();
    check(folder, MASTER_NAME, |text| is_master(text, &variants))
}

/// `segments` is the rung's file as it was checked.
pub fn check_variant(
    folder: &Folder,
    rung: &Rung,
    segments: &OutputFile,
) -> Result<OutputFile, Failure> {
    check(folder, rung.playlist, |text| {
        is_variant(text, rung.segments, segments.size)
    })
}

fn check(
    folder: &Folder,
    name: &str,
    is_good: impl FnOnce(&str) -> bool,
) -> Result<OutputFile, Failure> {
    let (mut file, size) = open_regular(folder, name, MAX_PLAYLIST_BYTES)?;
    let (sha256, _) = read_whole(&mut file, size).map_err(|_| refused("it changed"))?;
    let mut text = String::new();
    let (again, _) = open_regular(folder, name, MAX_PLAYLIST_BYTES)?;
    again
        .take(size)
        .read_to_string(&mut text)
        .map_err(|_| refused("it is no text"))?;
    if !is_good(&text) {
        return Err(refused("it is not the ordered playlist"));
    }
    Ok(OutputFile {
        name: name.to_owned(),
        role: OutputRole::Playlist,
        mime: PLAYLIST_MIME.to_owned(),
        size,
        sha256,
        width: None,
        height: None,
        duration_ms: None,
        codec: None,
    })
}
