//! What is on this machine: files of keys, and room on its disks.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

use super::finding::Finding;
use crate::config::{Config, StorageConfig};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Below it a node may stop between two commits.
const TOO_LITTLE: u64 = 256 * MIB;
const LITTLE: u64 = 2 * GIB;

/// The files in the data folder that hold keys or secrets. Those that the operator keeps elsewhere are theirs to guard.
const KEY_FILES: [&str; 4] = [
    "master.key",
    "master.key.former",
    "media-worker.secret",
    "log-signing-key",
];

/// Loading the settings has read every key already; here is who else may.
pub(super) fn keys(config: &Config) -> Vec<Finding> {
    let paths = KEY_FILES.map(|name| config.data_dir.join(name));
    let present: Vec<PathBuf> = paths.into_iter().filter(|path| path.exists()).collect();
    let mut findings: Vec<Finding> = present.iter().filter_map(|path| key(path)).collect();
    if findings.is_empty() {
        let detail = match present.len() {
            0 => "every key is given by a setting".to_owned(),
            count => format!(
                "{count} files in {} are for their owner alone",
                config.data_dir.display()
            ),
        };
        findings.push(Finding::ok("keys", detail));
    }
    let made = [
        (
            &config.master_keys.made_file,
            "back it up where the database's backups are not: without it nobody can sign in again",
        ),
        (
            &config.log.made_file,
            "back it up where the database's backups are not: without it the log has to begin anew for whoever verifies it",
        ),
    ];
    for (path, advice) in made {
        if let Some(path) = path {
            let detail = format!("{path} was made just now");
            findings.push(Finding::warn("keys", detail, advice));
        }
    }
    findings
}

/// What is wrong with a file of a key.
fn key(path: &Path) -> Option<Finding> {
    let shown = path.display();
    match std::fs::metadata(path) {
        Err(error) => {
            let advice = "let the server's user read it";
            Some(Finding::fail("keys", format!("{shown}: {error}"), advice))
        }
        Ok(file) if file.permissions().mode() & 0o077 != 0 => {
            let mode = file.permissions().mode() & 0o777;
            let detail = format!("{shown} has mode {mode:04o}: others than its owner can use it");
            let advice = "chmod 600 it, and rotate the key if others use this machine";
            Some(Finding::fail("keys", detail, advice))
        }
        Ok(_) => None,
    }
}

/// Room where the server writes.
pub(super) fn disk(config: &Config) -> Vec<Finding> {
    let mut folders = vec![config.data_dir.as_path()];
    if let StorageConfig::Folder(folder) = &config.media.storage
        && !folder.starts_with(&config.data_dir)
    {
        folders.push(folder);
    }
    folders.into_iter().map(room).collect()
}

fn room(folder: &Path) -> Finding {
    let shown = folder.display();
    // A folder that is not there yet is made in one that is.
    let there = folder
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(folder);
    let free = match statvfs(there) {
        Ok(disk) => disk.blocks_available().saturating_mul(disk.fragment_size()),
        Err(error) => {
            let advice = "let the server's user reach the folder";
            return Finding::fail("disk", format!("{shown}: {error}"), advice);
        }
    };
    let detail = format!("{shown} has {} MiB free", free / MIB);
    match free {
        0..TOO_LITTLE => {
            let advice = "free some room now: the server refuses writes when there is none";
            Finding::fail("disk", detail, advice)
        }
        TOO_LITTLE..LITTLE => Finding::warn("disk", detail, "free some room soon"),
        LITTLE.. => Finding::ok("disk", detail),
    }
}
