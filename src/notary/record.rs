//! The file beside the key that remembers the last checkpoint that was signed or taken over, so that a database that
//! was set back is noticed. It only ever moves forwards.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::NotaryError;
use super::checkpoint::Checkpoint;
use super::note::Note;

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
        write(&self.path, note.as_bytes(), 0o600).map_err(|error| self.failed(error))?;
        drop(lock);
        Ok(())
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

/// Writes a file beside, brings it to the disk and puts it into its place, so that it is whole or not there.
pub(super) fn write(path: &Path, content: &[u8], mode: u32) -> std::io::Result<()> {
    let draft = path.with_added_extension("draft");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&draft)?;
    file.write_all(content)?;
    // The umask of this program leaves nothing to groups.
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
