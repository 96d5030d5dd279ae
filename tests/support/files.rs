//! Files of a server at work: they may go, or be replaced, while they are read.

use std::path::{Path, PathBuf};

/// Every file under a folder.
pub fn under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(under(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

/// The bytes of a file; nothing when it has gone.
pub fn read(file: &Path) -> Option<Vec<u8>> {
    match std::fs::read(file) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            let has_gone = error.kind() == std::io::ErrorKind::NotFound;
            assert!(has_gone, "{}: {error}", file.display());
            None
        }
    }
}
