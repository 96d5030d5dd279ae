//! Secrets: read from a setting, from a file, or made on the first start. They never print.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rand::TryRngCore as _;
use zeroize::Zeroizing;

use super::{ConfigError, Source};

/// A text that must not be shown.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself; for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// The secret `key`; when it is not set, the one in `data_dir/file`, which is made (mode 0600) if missing.
pub(super) fn load_or_make(
    source: &Source,
    key: &str,
    data_dir: &Path,
    file: &str,
) -> Result<Secret, ConfigError> {
    if let Some(value) = source.secret(key)? {
        if value.len() < 32 {
            return Err(ConfigError::bad(
                key,
                "is too short: at least 32 characters",
            ));
        }
        return Ok(Secret::new(value));
    }
    let path = data_dir.join(file);
    if !path.exists() {
        make_file(&path)
            .map_err(|error| ConfigError::bad(key, format!("{}: {error}", path.display())))?;
    }
    let text = std::fs::read_to_string(&path)
        .map_err(|error| ConfigError::bad(key, format!("{}: {error}", path.display())))?;
    Ok(Secret::new(text.trim().to_owned()))
}

/// Written beside and linked into place, so that a second process that starts at the same moment reads a
/// whole secret or loses the race and reads the winner's.
pub(super) fn make_file(path: &Path) -> std::io::Result<()> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    rand::rngs::OsRng
        .try_fill_bytes(bytes.as_mut_slice())
        .map_err(std::io::Error::other)?;
    make_file_with(path, &Zeroizing::new(hex::encode(bytes.as_slice())))
}

/// As [`make_file`], of a secret that is there.
pub(super) fn make_file_with(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}
