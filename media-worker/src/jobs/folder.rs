//! A job's folder: the only place that its `FFmpeg` can write to. Removed with everything in it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::statvfs::statvfs;

use crate::api::JobKey;
use crate::presets::INPUT_NAME;

/// About a poster, in bytes.
const SMALL_OUTPUT_BYTES: u64 = 256 * 1024;

#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The user that `FFmpeg` runs as, when it is not the worker's own.
    uid: Option<u32>,
}

impl Folder {
    /// Makes an empty folder, in place of any that was left behind by an earlier use of the key.
    pub fn create(jobs_dir: &Path, key: JobKey, uid: Option<u32>) -> io::Result<Self> {
        let path = jobs_dir.join(format!("{}-{}", key.job, key.attempt));
        remove(&path)?;
        DirBuilder::new().mode(0o700).create(&path)?;
        if let Some(uid) = uid {
            // The slot's user owns the folder; what it makes there belongs to the worker's group.
            chown(&path, Some(uid), None)?;
            fs::set_permissions(&path, Permissions::from_mode(0o2770))?;
        }
        Ok(Self { path, uid })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new, empty input file to write to. Never the file of an earlier, broken transfer, whose last
    /// write may still be on its way to the disk.
    pub fn create_input(&self) -> io::Result<File> {
        self.remove_input()?;
        let mut options = OpenOptions::new();
        options
            .write(true)
            .create_new(true)
            .mode(0o640)
            .open(self.path.join(INPUT_NAME))
    }

    /// The input is complete: from now on it is only read, by the slot's user too.
    pub fn seal_input(&self) -> io::Result<()> {
        let path = self.path.join(INPUT_NAME);
        fs::set_permissions(&path, Permissions::from_mode(0o440))?;
        self.uid.map_or(Ok(()), |uid| chown(&path, Some(uid), None))
    }

    pub fn open_input(&self) -> io::Result<File> {
        File::open(self.path.join(INPUT_NAME))
    }

    /// Opens a file that `FFmpeg` may have made, without following a link.
    pub fn open_output(&self, name: &str) -> io::Result<File> {
        open_regular(&self.path.join(name))
    }

    /// Writes an output of the worker's own; a file of that name must not exist.
    pub fn create_output(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o640)
            .open(self.path.join(name))?;
        file.write_all(content)
    }

    pub fn remove_input(&self) -> io::Result<()> {
        ignore_missing(fs::remove_file(self.path.join(INPUT_NAME)))
    }

    pub fn remove_output(&self, name: &str) -> io::Result<()> {
        ignore_missing(fs::remove_file(self.path.join(name)))
    }

    /// Whether its disk has no room for even a small output.
    pub fn is_disk_full(&self) -> bool {
        statvfs(&self.path).is_ok_and(|disk| {
            let free = disk.blocks_available().saturating_mul(disk.fragment_size());
            free < SMALL_OUTPUT_BYTES
        })
    }

    pub fn remove(&self) -> io::Result<()> {
        remove(&self.path)
    }
}

/// Removes the folders of an earlier worker that was killed. Only what looks like a job's folder is
/// touched.
pub fn clear_leftovers(jobs_dir: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(jobs_dir)? {
        let entry = entry?;
        if is_job_folder(&entry.file_name().to_string_lossy()) && entry.file_type()?.is_dir() {
            remove(&entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn is_job_folder(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(job, attempt)| {
        uuid::Uuid::try_parse(job).is_ok() && attempt.parse::<u32>().is_ok()
    })
}

/// Non-blocking, so that a named pipe in place of a file cannot hold the worker.
fn open_regular(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn remove(path: &Path) -> io::Result<()> {
    ignore_missing(fs::remove_dir_all(path))
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_job_folders_are_cleared() {
        let jobs = tempfile::tempdir().unwrap();
        let key = JobKey {
            job: uuid::Uuid::nil(),
            attempt: 3,
        };
        let folder = Folder::create(jobs.path(), key, None).unwrap();
        fs::write(folder.path().join("poster.webp"), "x").unwrap();
        for name in [
            "keep",
            "00000000-0000-0000-0000-000000000000",
            "not-a-job-1",
        ] {
            fs::create_dir(jobs.path().join(name)).unwrap();
        }
        assert_eq!(clear_leftovers(jobs.path()).unwrap(), 1);
        assert!(!folder.path().exists());
        assert_eq!(fs::read_dir(jobs.path()).unwrap().count(), 3);
        folder.remove().unwrap();
    }

    #[test]
    fn a_late_write_of_a_broken_transfer_cannot_reach_the_next_one() {
        let jobs = tempfile::tempdir().unwrap();
        let key = JobKey {
            job: uuid::Uuid::nil(),
            attempt: 1,
        };
        let folder = Folder::create(jobs.path(), key, None).unwrap();
        let mut broken = folder.create_input().unwrap();
        let mut complete = folder.create_input().unwrap();
        complete.write_all(b"complete").unwrap();
        broken.write_all(b"late").unwrap();
        folder.seal_input().unwrap();
        assert_eq!(
            io::read_to_string(folder.open_input().unwrap()).unwrap(),
            "complete"
        );
    }

    #[test]
    fn a_link_is_not_followed_and_a_pipe_does_not_block() {
        let jobs = tempfile::tempdir().unwrap();
        let key = JobKey {
            job: uuid::Uuid::nil(),
            attempt: 1,
        };
        let folder = Folder::create(jobs.path(), key, None).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        assert!(folder.open_output("link").is_err());
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(
            folder.open_output("pipe").is_ok(),
            "opening returns; the checks refuse it"
        );
    }
}
