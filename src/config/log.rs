//! The log's proof: the key that signs checkpoints, where tiles are written, and the witness.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::TryRngCore as _;
use zeroize::Zeroizing;

use super::secrets::make_file_with;
use super::{ConfigError, Source};
use crate::notary::note::{KeyKind, SigningKey, VerifierKey, is_name};

const KEY: &str = "LOG_SIGNING_KEY";
const ORIGIN: &str = "LOG_ORIGIN";
const TILES: &str = "LOG_TILES_DIR";
const WITNESS_URL: &str = "LOG_WITNESS_URL";
const WITNESS_KEY: &str = "LOG_WITNESS_KEY";

/// How the log is proved.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Signs checkpoints; its name is the log's origin.
    pub signing_key: Arc<SigningKey>,
    /// Whether the key is the one in the data folder.
    pub key_is_own: bool,
    /// That file, whether it is used or not.
    pub key_file: PathBuf,
    /// The file that this start made, so that the operator can be told to back it up.
    pub made_file: Option<String>,
    /// Remembers what was signed last.
    pub record_file: PathBuf,
    /// Where tiles are written as files.
    pub tiles_dir: Option<PathBuf>,
    /// Who cosigns checkpoints.
    pub witness: Option<WitnessConfig>,
}

/// A witness (C2SP tlog-witness).
#[derive(Clone)]
pub struct WitnessConfig {
    /// The submission prefix, without a trailing slash.
    pub url: String,
    /// Its key.
    pub key: VerifierKey,
}

impl fmt::Debug for WitnessConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "WitnessConfig({})", self.key.name())
    }
}

impl LogConfig {
    pub(super) fn load(
        source: &Source,
        data_dir: &Path,
        public_url: &str,
    ) -> Result<Self, ConfigError> {
        let key_file = data_dir.join("log-signing-key");
        let wanted = source.text(ORIGIN, "")?;
        let wanted = (!wanted.is_empty()).then_some(wanted);
        let default = || wanted.clone().unwrap_or_else(|| default_origin(public_url));
        let given = source.secret(KEY)?.map(Zeroizing::new);
        let key_is_own = given.is_none();
        let mut made_file = None;
        let signing_key = if let Some(text) = given {
            parse(&text, &default())?
        } else {
            let is_new = !key_file.exists();
            let key = load_or_make(&key_file, &default())?;
            made_file = is_new.then(|| key_file.display().to_string());
            key
        };
        if wanted.is_some_and(|origin| origin != signing_key.public().name()) {
            let name = signing_key.public().name();
            let reason =
                format!("is not the name of the signing key, {name}: a log keeps its name");
            return Err(ConfigError::bad(ORIGIN, reason));
        }
        Ok(Self {
            signing_key: Arc::new(signing_key),
            key_is_own,
            record_file: key_file.with_extension("signed"),
            key_file,
            made_file,
            tiles_dir: tiles_dir(source, data_dir)?,
            witness: witness(source)?,
        })
    }
}

/// The prefix that the log is served under, without its scheme, as C2SP tlog-tiles asks.
fn default_origin(public_url: &str) -> String {
    let (_, rest) = public_url.split_once("://").unwrap_or(("", public_url));
    format!("{rest}/v1/audit/log")
}

/// A signed-note key, or the 32 bytes of one.
fn parse(text: &str, origin: &str) -> Result<SigningKey, ConfigError> {
    const WANTED: &str = "must be PRIVATE+KEY+<name>+<id>+<base64> (signed-note, Ed25519) or 64 hexadecimal characters";
    if let Some(key) = SigningKey::parse(text) {
        return Ok(key);
    }
    let mut seed = Zeroizing::new([0_u8; 32]);
    hex::decode_to_slice(text.trim(), seed.as_mut_slice())
        .map_err(|_| ConfigError::bad(KEY, WANTED))?;
    named(origin)?;
    SigningKey::new(origin, KeyKind::Note, &seed).ok_or_else(|| ConfigError::bad(KEY, WANTED))
}

fn named(origin: &str) -> Result<(), ConfigError> {
    if is_name(origin) {
        return Ok(());
    }
    let reason = "must be a name without spaces and plus signs, up to 200 bytes";
    Err(ConfigError::bad(ORIGIN, reason))
}

fn load_or_make(path: &Path, origin: &str) -> Result<SigningKey, ConfigError> {
    let failed = |reason: String| ConfigError::bad(KEY, format!("{}: {reason}", path.display()));
    if !path.exists() {
        named(origin)?;
        let key = make_signing_key(origin).ok_or_else(|| failed("cannot be made".to_owned()))?;
        make_file_with(path, &key.encode()).map_err(|error| failed(error.to_string()))?;
    }
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error| failed(error.to_string()))?;
    SigningKey::parse(&text).ok_or_else(|| failed("is no signed-note key".to_owned()))
}

/// A new key from the operating system's randomness; `None` when that fails or the name cannot be one.
pub fn make_signing_key(origin: &str) -> Option<SigningKey> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    rand::rngs::OsRng.try_fill_bytes(seed.as_mut_slice()).ok()?;
    SigningKey::new(origin, KeyKind::Note, &seed)
}

fn tiles_dir(source: &Source, data_dir: &Path) -> Result<Option<PathBuf>, ConfigError> {
    let default = data_dir.join("log").display().to_string();
    let dir = source.text(TILES, &default)?;
    Ok((dir != "off").then(|| PathBuf::from(dir)))
}

fn witness(source: &Source) -> Result<Option<WitnessConfig>, ConfigError> {
    let url = source.text(WITNESS_URL, "")?;
    let key = source.text(WITNESS_KEY, "")?;
    match (url.is_empty(), key.is_empty()) {
        (true, true) => return Ok(None),
        (true, false) => return Err(ConfigError::bad(WITNESS_KEY, "needs LOG_WITNESS_URL")),
        (false, true) => return Err(ConfigError::bad(WITNESS_URL, "needs LOG_WITNESS_KEY")),
        (false, false) => {}
    }
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(ConfigError::bad(
            WITNESS_URL,
            "must be an http or https URL",
        ));
    }
    let key: VerifierKey = source.parse(WITNESS_KEY, "")?;
    if key.kind() != KeyKind::Cosignature {
        return Err(ConfigError::bad(
            WITNESS_KEY,
            "must be a cosignature/v1 key",
        ));
    }
    let url = url.trim_end_matches('/').to_owned();
    Ok(Some(WitnessConfig { url, key }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn load(dir: &Path, pairs: &[(&str, &str)]) -> Result<LogConfig, ConfigError> {
        LogConfig::load(
            &Source::from_pairs(pairs, &[]),
            dir,
            "https://id.example.com/base",
        )
    }

    #[test]
    fn the_key_is_made_once_and_keeps_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let first = load(dir.path(), &[]).unwrap();
        assert_eq!(
            first.signing_key.public().name(),
            "id.example.com/base/v1/audit/log"
        );
        let again = load(dir.path(), &[]).unwrap();
        assert_eq!(first.signing_key.public(), again.signing_key.public());
        assert!(first.made_file.is_some() && again.made_file.is_none());
        let mode = std::fs::metadata(&first.key_file)
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(load(dir.path(), &[("LOG_ORIGIN", "other.example")]).is_err());
    }

    #[test]
    fn a_key_is_given_as_a_note_key_or_as_a_seed() {
        let dir = tempfile::tempdir().unwrap();
        let seed = "07".repeat(32);
        let pairs = [
            ("LOG_SIGNING_KEY", seed.as_str()),
            ("LOG_ORIGIN", "a.example"),
        ];
        let given = load(dir.path(), &pairs).unwrap();
        assert!(!given.key_is_own && !given.key_file.exists());
        let text = given.signing_key.encode();
        let again = load(dir.path(), &[("LOG_SIGNING_KEY", text.as_str())]).unwrap();
        assert_eq!(again.signing_key.public(), given.signing_key.public());
        assert!(!format!("{again:?}").contains(&seed));
        for bad in [
            ("LOG_SIGNING_KEY", "07"),
            ("LOG_ORIGIN", "a b"),
            ("LOG_WITNESS_URL", "http://w"),
        ] {
            let error = load(&dir.path().join("new"), &[bad])
                .unwrap_err()
                .to_string();
            assert!(error.contains("LOG_"), "{error}");
        }
        let off = load(dir.path(), &[("LOG_TILES_DIR", "off")]).unwrap();
        assert_eq!(off.tiles_dir, None);
    }
}
