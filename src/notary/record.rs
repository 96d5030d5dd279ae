//! The file beside the key that remembers the last checkpoint that was signed or taken over, so that a database that
//! was set back is noticed. It only ever moves forwards.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::NotaryError;
use super::checkpoint::Checkpoint;
use super::note::Note;
use crate::ports::ids;

/// How the name of a draft ends.
const DRAFT: &str = ".draft";

/// The file.
#[derive(Debug, Clone)]
pub struct Record {
    path: PathBuf,
}

impl Record {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The checkpoint in it, as a note; `None` before the first.
    pub(super) fn read(&self) -> Result<Option<(Checkpoint, String)>, NotaryError> {
        let note = match std::fs::read_to_string(&self.path) {
            Ok(note) => note,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let checkpoint = Note::parse(&note).and_then(|note| Checkpoint::parse(&note.text));
        let checkpoint = checkpoint.map_err(|reason| self.failed(reason))?;
        Ok(Some((checkpoint, note)))
    }

    /// Puts a checkpoint in, unless the one that is there is of a tree as large. When this has returned, the checkpoint
    /// outlives a loss of power.
    pub(super) fn advance(&self, checkpoint: &Checkpoint, note: &str) -> Result<(), NotaryError> {
        let lock = File::create(self.path.with_extension("lock"))
            .and_then(|lock| lock.lock().map(|()| lock))
            .map_err(|error| self.failed(error))?;
        if let Some((there, _)) = self.read()?
            && there.origin == checkpoint.origin
            && there.tree.size >= checkpoint.tree.size
        {
            return Ok(());
        }
        self.write(note).map_err(|error| self.failed(error))?;
        drop(lock);
        Ok(())
    }

    /// While the lock is held every draft is of a process that was killed.
    fn write(&self, note: &str) -> std::io::Result<()> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let folder = self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let begin = format!("{name}.");
        sweep(
            folder.unwrap_or(Path::new(".")),
            &begin,
            DRAFT,
            Duration::ZERO,
        )?;
        write(&self.path, note.as_bytes(), 0o600)
    }

    /// Puts the file aside; what is to be believed of it is elsewhere by now.
    pub(super) fn retire(&self, suffix: &str) -> Result<(), NotaryError> {
        let to = self.path.with_extension(suffix);
        match std::fs::rename(&self.path, to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    fn failed(&self, reason: impl std::fmt::Display) -> NotaryError {
        NotaryError::File(format!("{}: {reason}", self.path.display()))
    }
}

/// Writes a file whole or not at all, by a draft beside it.
pub(super) fn write(path: &Path, content: &[u8], mode: u32) -> std::io::Result<()> {
    let draft = path.with_added_extension(format!("{}{DRAFT}", ids::new_id()));
    write_by(&draft, path, content, mode)
}

/// Writes a file beside, brings it to the disk and puts it into its place, so that it is whole or not there. The draft is
/// nobody else's.
pub(super) fn write_by(
    draft: &Path,
    path: &Path,
    content: &[u8],
    mode: u32,
) -> std::io::Result<()> {
    let written = write_draft(draft, content, mode).and_then(|()| std::fs::rename(draft, path));
    if let Err(error) = written {
        // What is left of it is swept otherwise.
        let _ = std::fs::remove_file(draft);
        return Err(error);
    }
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn write_draft(draft: &Path, content: &[u8], mode: u32) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(draft)?;
    file.write_all(content)?;
    // The umask of this program leaves nothing to groups.
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    file.sync_all()
}

/// Removes the files of a folder that were last written to before a time and whose names begin and end so.
pub(super) fn sweep(folder: &Path, begin: &str, end: &str, age: Duration) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_one = name
            .to_str()
            .is_some_and(|name| name.starts_with(begin) && name.ends_with(end));
        if !is_one {
            continue;
        }
        // Somebody else may have removed it.
        let Ok(written) = entry.metadata().and_then(|metadata| metadata.modified()) else {
            continue;
        };
        if written.elapsed().is_ok_and(|passed| passed >= age) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Ok(())
}
