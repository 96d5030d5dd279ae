//! The master keys: the one in force, and former ones that may still be needed to open what was sealed before a rotation.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::secrets::{load_or_make, make_file};
use super::{ConfigError, Secret, Source};

const KEY: &str = "MASTER_KEY";
const FORMER: &str = "MASTER_KEY_FORMER";

/// A master key: 32 bytes that all other keys are wrapped under.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// The key's bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn parse(setting: &str, text: &str) -> Result<Self, ConfigError> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        hex::decode_to_slice(text, bytes.as_mut_slice())
            .map_err(|_| ConfigError::bad(setting, "must be 64 hexadecimal characters"))?;
        Ok(Self(bytes))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MasterKey(..)")
    }
}

/// Where keys are read from, again and again.
#[derive(Debug, Clone)]
enum Origin {
    Given(Secret),
    File(PathBuf),
}

impl Origin {
    fn of(source: &Source, setting: &str) -> Result<Option<Self>, ConfigError> {
        let given = source.secret(setting)?.map(Secret::new);
        Ok(match (source.path(&format!("{setting}_FILE")), given) {
            (Some(path), _) => Some(Self::File(path)),
            (None, Some(text)) => Some(Self::Given(text)),
            (None, None) => None,
        })
    }

    /// A file that is not there holds nothing.
    fn text(&self, setting: &str) -> Result<Zeroizing<String>, ConfigError> {
        match self {
            Self::Given(text) => Ok(Zeroizing::new(text.expose().to_owned())),
            Self::File(path) => match std::fs::read_to_string(path) {
                Ok(text) => Ok(Zeroizing::new(text)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    Ok(Zeroizing::default())
                }
                Err(error) => {
                    let path = path.display();
                    Err(ConfigError::bad(setting, format!("{path}: {error}")))
                }
            },
        }
    }
}

/// The master keys.
#[derive(Debug, Clone)]
pub struct MasterKeys {
    /// What is sealed from now on is sealed under this one.
    pub current: MasterKey,
    /// These only open.
    pub former: Vec<MasterKey>,
    /// The file that this start made, so that the operator can be told to back it up.
    pub made_file: Option<String>,
    origins: [Origin; 2],
    /// The current key is in the data folder, where a rotation makes the next one itself.
    own_file: Option<PathBuf>,
}

impl MasterKeys {
    pub(super) fn load(source: &Source, data_dir: &Path) -> Result<Self, ConfigError> {
        const FILE: &str = "master.key";
        let path = data_dir.join(FILE);
        let given = Origin::of(source, KEY)?;
        let former = Origin::of(source, FORMER)?;
        let mut made_file = None;
        if given.is_none() {
            let is_new = !path.exists();
            load_or_make(source, KEY, data_dir, FILE)?;
            made_file = is_new.then(|| path.display().to_string());
        }
        let own_file = given.is_none().then(|| path.clone());
        let origins = [
            given.unwrap_or(Origin::File(path.clone())),
            former.unwrap_or(Origin::File(former_file(&path))),
        ];
        Self::read(origins, own_file, made_file)
    }

    fn read(
        origins: [Origin; 2],
        own_file: Option<PathBuf>,
        made_file: Option<String>,
    ) -> Result<Self, ConfigError> {
        let [current, former] = &origins;
        let current = MasterKey::parse(KEY, current.text(KEY)?.trim())?;
        let former = former.text(FORMER)?;
        let former = former
            .split([',', '\n'])
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(|text| MasterKey::parse(FORMER, text));
        Ok(Self {
            current,
            former: former.collect::<Result<_, _>>()?,
            made_file,
            origins,
            own_file,
        })
    }

    /// The keys as their files have them by now.
    ///
    /// # Errors
    /// A file that cannot be read or holds no key.
    pub fn reread(&self) -> Result<Self, ConfigError> {
        Self::read(self.origins.clone(), self.own_file.clone(), None)
    }

    /// All of them, the current one first.
    pub fn all(&self) -> impl Iterator<Item = &MasterKey> {
        std::iter::once(&self.current).chain(&self.former)
    }

    /// Makes a new key in the data folder and keeps the present one as a former one; `None` where the operator keeps the
    /// keys. Whatever is cut off, no key is lost: the former one is written down first.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn replace_own(&self) -> Result<Option<Self>, ConfigError> {
        let Some(path) = &self.own_file else {
            return Ok(None);
        };
        let write = || {
            let mut former = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(former_file(path))?;
            let text = Zeroizing::new(hex::encode(self.current.bytes()));
            writeln!(former, "{}", text.as_str())?;
            former.sync_all()?;
            let next = path.with_extension("key.next");
            // What a rotation left that was cut off was never in force.
            if next.exists() {
                std::fs::remove_file(&next)?;
            }
            make_file(&next)?;
            std::fs::rename(&next, path)
        };
        write().map_err(|error| ConfigError::bad(KEY, format!("{}: {error}", path.display())))?;
        self.reread().map(Some)
    }
}

fn former_file(path: &Path) -> PathBuf {
    path.with_extension("key.former")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_master_key_is_made_once_and_only_its_owner_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let source = Source::from_pairs(&[], &[]);
        let first = MasterKeys::load(&source, dir.path()).unwrap();
        let second = MasterKeys::load(&source, dir.path()).unwrap();
        assert_eq!(first.current, second.current);
        assert!(first.made_file.is_some() && second.made_file.is_none());
        let mode = |name: &str| {
            let file = std::fs::metadata(dir.path().join(name)).unwrap();
            file.permissions().mode() & 0o777
        };
        assert_eq!(mode("master.key"), 0o600);
        let rotated = second.replace_own().unwrap().unwrap();
        assert_ne!(rotated.current, first.current);
        assert_eq!(rotated.former, std::slice::from_ref(&first.current));
        assert_eq!(second.reread().unwrap().current, rotated.current);
        let again = rotated.replace_own().unwrap().unwrap();
        assert_eq!(again.former, [first.current, rotated.current]);
        assert_eq!(
            (mode("master.key"), mode("master.key.former")),
            (0o600, 0o600)
        );
    }

    #[test]
    fn keys_that_the_operator_keeps_are_theirs_to_replace() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = ("0a".repeat(32), "0b".repeat(32));
        let former = format!("{two}, {two}");
        let pairs = [("MASTER_KEY", one.as_str()), ("MASTER_KEY_FORMER", &former)];
        let keys = MasterKeys::load(&Source::from_pairs(&pairs, &[]), dir.path()).unwrap();
        assert_eq!((keys.current.bytes(), keys.former.len()), (&[10; 32], 2));
        assert!(keys.replace_own().unwrap().is_none());
        assert!(!format!("{keys:?}").contains("0a0a"));
        for bad in ["x", "0a"] {
            let pairs = [("MASTER_KEY", one.as_str()), ("MASTER_KEY_FORMER", bad)];
            assert!(MasterKeys::load(&Source::from_pairs(&pairs, &[]), dir.path()).is_err());
        }
    }
}
