//! The log as plain files (C2SP tlog-tiles): `checkpoint`, `tile/…`, which a web server can serve as they are.
//!
//! Tiles come first and the checkpoint last, each written beside and put into its place, so that whoever reads a
//! checkpoint finds every tile of its tree. After a start every file is held against the log once, and written again
//! where it differs.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use eventlog::{Hash, Log, TILE_WIDTH, Tree, leaf_hash, root_of};

use super::checkpoint::Checkpoint;
use super::note::Note;
use super::record::{sweep, write_by};
use super::tile_path::{TileKind, TilePath};
use super::{NotaryError, Signed};
use crate::ports::ids;

/// What web servers of the same group may read.
const FILE_MODE: u32 = 0o640;
const FOLDER_MODE: u32 = 0o750;
/// Where files are written before they are put into their places.
const DRAFTS: &str = ".drafts";
/// A draft that was not written to for so long is of a process that was killed.
const LEFT: Duration = Duration::from_mins(1);
/// Events whose tiles are written in one go.
const STEP: u64 = 256 * TILE_WIDTH;

/// The folder.
#[derive(Debug)]
pub struct TileFiles {
    folder: PathBuf,
    log: Log,
    tree: Tree,
    /// The tree whose files are in the folder, and the position up to which that was looked at.
    size: Option<u64>,
    /// Up to where tiles were written.
    written: Option<u64>,
    note: String,
    checked: u64,
}

impl TileFiles {
    /// The files of a log in a folder.
    pub fn new(folder: PathBuf, log: Log, tree: Tree) -> Self {
        Self {
            folder,
            log,
            tree,
            size: None,
            written: None,
            note: String::new(),
            checked: 0,
        }
    }

    /// Brings the folder to a checkpoint, or a step towards it.
    ///
    /// # Errors
    /// A file could not be written, or the database failed.
    pub async fn publish(&mut self, signed: &Signed) -> Result<(), NotaryError> {
        let size = signed.checkpoint.tree.size;
        if self.size == Some(size) && self.note == signed.note {
            return Ok(());
        }
        let before = if let Some(written) = self.written {
            written
        } else {
            // What is left there does no harm.
            let _ = sweep(&self.folder.join(DRAFTS), "", "", LEFT);
            self.published(&signed.checkpoint.origin)?
        };
        let end = size.min(before.saturating_add(STEP));
        self.write_tiles(before.min(end), end).await?;
        self.written = Some(end);
        if end < size {
            return Ok(());
        }
        self.put("checkpoint", signed.note.clone().into_bytes())
            .await?;
        self.size = Some(size);
        self.note.clone_from(&signed.note);
        Ok(())
    }

    /// Looks at the next files that were there at the start; false when there are none any more.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub async fn check_next(&mut self) -> Result<bool, NotaryError> {
        let Some(size) = self.size.filter(|size| self.checked < *size) else {
            return Ok(false);
        };
        for level in 0..8 {
            let leaves = 1_u64.checked_shl(8 * (level + 1)).unwrap_or(u64::MAX);
            // The tiles that begin here.
            if !self.checked.is_multiple_of(leaves) {
                break;
            }
            let index = self.checked / leaves;
            let width = (size >> (8 * level)) - index * TILE_WIDTH;
            if width > 0 {
                self.write_tile(level, index, width.min(TILE_WIDTH)).await?;
            }
        }
        self.checked += TILE_WIDTH;
        Ok(self.checked < size)
    }

    /// The size of the checkpoint in the folder; 0 where there is none of this log that can be read.
    fn published(&self, origin: &str) -> Result<u64, NotaryError> {
        let note = match std::fs::read_to_string(self.folder.join("checkpoint")) {
            Ok(note) => note,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            Err(error) if error.kind() == ErrorKind::InvalidData => return Ok(0),
            Err(error) => return Err(self.failed(Path::new("checkpoint"), &error)),
        };
        let checkpoint = Note::parse(&note).and_then(|note| Checkpoint::parse(&note.text));
        let ours = checkpoint.ok().filter(|there| there.origin == origin);
        Ok(ours.map_or(0, |checkpoint| checkpoint.tree.size))
    }

    /// Every tile of the tree of `to` leaves that the tree of `from` leaves does not have.
    async fn write_tiles(&self, from: u64, to: u64) -> Result<(), NotaryError> {
        for level in 0..8 {
            let (old, new) = (from >> (8 * level), to >> (8 * level));
            if old == new {
                break;
            }
            for index in old / TILE_WIDTH..=new / TILE_WIDTH {
                let width = (new - index * TILE_WIDTH).min(TILE_WIDTH);
                if width > 0 {
                    self.write_tile(level, index, width).await?;
                }
            }
        }
        Ok(())
    }

    async fn write_tile(&self, level: u32, index: u64, width: u64) -> Result<(), NotaryError> {
        let kind = TileKind::Hashes(level);
        let path = TilePath { kind, index, width };
        let mut hashes = self.right_hashes(path, level).await?;
        if hashes.is_none() {
            hashes = self.tree.tile(level, index, width).await?;
        }
        let hashes = hashes.ok_or(NotaryError::Damaged)?;
        let make = || async { Ok(Some(hashes.concat())) };
        self.correct(path, |there| there == hashes.concat(), make)
            .await?;
        if level == 0 {
            let kind = TileKind::Entries;
            let path = TilePath { kind, index, width };
            let make = || entries(&self.log, index, width);
            self.correct(path, |there| holds_entries(there, &hashes), make)
                .await?;
        }
        Ok(())
    }

    /// The hashes of a full tile's file, if their root is the tree's: then neither the leaves of what is archived nor its lines
    /// have to be fetched from the store.
    async fn right_hashes(
        &self,
        path: TilePath,
        level: u32,
    ) -> Result<Option<Vec<Hash>>, NotaryError> {
        let there = std::fs::read(self.folder.join(format!("tile/{path}"))).unwrap_or_default();
        let (hashes, rest) = there.as_chunks::<32>();
        if !path.is_full() || hashes.len() as u64 != path.width || !rest.is_empty() {
            return Ok(None);
        }
        let root = self.tree.tile_root(level, path.index).await?;
        Ok((root == Some(root_of(hashes))).then(|| hashes.to_vec()))
    }

    /// Writes a file where it is missing or wrong; what a full tile has replaced goes.
    async fn correct<F: Future<Output = Result<Option<Vec<u8>>, NotaryError>>>(
        &self,
        path: TilePath,
        is_right: impl FnOnce(&[u8]) -> bool,
        make: impl FnOnce() -> F,
    ) -> Result<(), NotaryError> {
        let name = format!("tile/{path}");
        let there = std::fs::read(self.folder.join(&name));
        if !there.is_ok_and(|there| is_right(&there)) {
            match make().await? {
                Some(content) => self.put(&name, content).await?,
                None => {
                    tracing::warn!(name, "a bundle is not written: an entry is too long for it");
                }
            }
        }
        if path.is_full() {
            let partial = self.folder.join(format!("{name}.p"));
            match std::fs::remove_dir_all(&partial) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(self.failed(&partial, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn put(&self, name: &str, content: Vec<u8>) -> Result<(), NotaryError> {
        let (root, path) = (self.folder.clone(), self.folder.join(name));
        let put = move || {
            let made = path
                .parent()
                .map_or(Ok(()), |folder| make_folder(&root, folder));
            let drafts = root.join(DRAFTS);
            made.and_then(|()| make_folder(&root, &drafts))?;
            write_by(
                &drafts.join(ids::new_id().to_string()),
                &path,
                &content,
                FILE_MODE,
            )
        };
        let done = tokio::task::spawn_blocking(put).await;
        done.map_err(std::io::Error::other)
            .flatten()
            .map_err(|error| self.failed(Path::new(name), &error))
    }

    fn failed(&self, path: &Path, error: &std::io::Error) -> NotaryError {
        NotaryError::File(format!("{}: {error}", self.folder.join(path).display()))
    }
}

/// Each folder from the root down to this one.
fn make_folder(root: &Path, folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|_| folder != root) {
        make_folder(root, parent)?;
    }
    std::fs::create_dir_all(folder)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(FOLDER_MODE))
}

/// A bundle of entries: each with its length before it, in 16 bits. `None` when the log has not so many, or one that is
/// too long, from before there was a limit.
///
/// # Errors
/// The database failed.
pub async fn entries(log: &Log, index: u64, width: u64) -> Result<Option<Vec<u8>>, NotaryError> {
    let after = index
        .checked_mul(TILE_WIDTH)
        .filter(|after| i64::try_from(*after).is_ok());
    let (Some(after), Ok(limit)) = (after, usize::try_from(width)) else {
        return Ok(None);
    };
    let events = log.read_all(after, limit).await?;
    if events.len() != limit {
        return Ok(None);
    }
    let mut bundle = Vec::new();
    for event in &events {
        let line = eventlog::cloud_event_line(event);
        let Ok(length) = u16::try_from(line.len()) else {
            return Ok(None);
        };
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(line.as_bytes());
    }
    Ok(Some(bundle))
}

fn holds_entries(mut bundle: &[u8], leaves: &[Hash]) -> bool {
    for leaf in leaves {
        let Some((length, rest)) = bundle.split_first_chunk::<2>() else {
            return false;
        };
        let Some((line, rest)) = rest.split_at_checked(u16::from_be_bytes(*length).into()) else {
            return false;
        };
        if !std::str::from_utf8(line).is_ok_and(|line| leaf_hash(line) == *leaf) {
            return false;
        }
        bundle = rest;
    }
    bundle.is_empty()
}
