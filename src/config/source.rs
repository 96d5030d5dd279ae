//! Where settings come from: the environment first, then the TOML file, then the default.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What is wrong with a setting: always one line that names it, never its value.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The value cannot be used.
    #[error("setting {key}: {reason}")]
    Bad {
        /// The setting.
        key: String,
        /// What is expected.
        reason: String,
    },
    /// The file has a key that is no setting.
    #[error("setting {0}: no such setting (in the configuration file)")]
    Unknown(String),
    /// The file itself cannot be read or is not TOML.
    #[error("configuration file {path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

impl ConfigError {
    /// A bad value for `key`.
    pub fn bad(key: &str, reason: impl Display) -> Self {
        Self::Bad {
            key: key.to_owned(),
            reason: reason.to_string().replace('\n', " "),
        }
    }
}

/// The raw settings, with a note of every key that was asked for.
#[derive(Debug)]
pub struct Source {
    environment: BTreeMap<String, String>,
    file: BTreeMap<String, String>,
    asked: RefCell<BTreeSet<String>>,
}

impl Source {
    /// The process environment and, if given, a TOML file.
    ///
    /// # Errors
    /// A file that cannot be read or parsed, or that holds anything but plain values.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one reader of the environment"
    )]
    pub fn from_process(file: Option<&Path>) -> Result<Self, ConfigError> {
        let environment = std::env::vars().collect();
        let file = file.map(read_file).transpose()?.unwrap_or_default();
        Ok(Self {
            environment,
            file,
            asked: RefCell::default(),
        })
    }

    /// Settings given outright, for tests and tools.
    pub fn from_pairs(environment: &[(&str, &str)], file: &[(&str, &str)]) -> Self {
        let own = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect()
        };
        Self {
            environment: own(environment),
            file: own(file),
            asked: RefCell::default(),
        }
    }

    /// The value of `key`, if it is set and not empty.
    fn get(&self, key: &str) -> Option<&str> {
        self.asked.borrow_mut().insert(key.to_owned());
        let value = self.environment.get(key).or_else(|| self.file.get(key));
        value.map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A text, or its default.
    ///
    /// # Errors
    /// A value with control characters.
    pub fn text(&self, key: &str, default: &str) -> Result<String, ConfigError> {
        let value = self.get(key).unwrap_or(default);
        if value.chars().any(char::is_control) {
            return Err(ConfigError::bad(key, "holds control characters"));
        }
        Ok(value.to_owned())
    }

    /// A value with a `FromStr`, or its default.
    ///
    /// # Errors
    /// A value that does not parse.
    pub fn parse<T: FromStr<Err: Display>>(
        &self,
        key: &str,
        default: &str,
    ) -> Result<T, ConfigError> {
        self.text(key, default)?
            .parse()
            .map_err(|error| ConfigError::bad(key, error))
    }

    /// A whole number inside `range`, or its default.
    ///
    /// # Errors
    /// Not a number, or outside the range.
    pub fn number<T>(
        &self,
        key: &str,
        default: T,
        range: RangeInclusive<T>,
    ) -> Result<T, ConfigError>
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let wanted = || {
            format!(
                "must be a whole number from {} to {}",
                range.start(),
                range.end()
            )
        };
        let Some(text) = self.get(key) else {
            return Ok(default);
        };
        let value = text
            .parse::<T>()
            .map_err(|_| ConfigError::bad(key, wanted()))?;
        if range.contains(&value) {
            Ok(value)
        } else {
            Err(ConfigError::bad(key, wanted()))
        }
    }

    /// A comma-separated list; empty when unset.
    ///
    /// # Errors
    /// An entry that does not parse.
    pub fn list<T: FromStr<Err: Display>>(&self, key: &str) -> Result<Vec<T>, ConfigError> {
        let text = self.text(key, "")?;
        let entries = text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        entries
            .map(|entry| entry.parse().map_err(|error| ConfigError::bad(key, error)))
            .collect()
    }

    /// The content of the file that `key` names, if it is set.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn file(&self, key: &str) -> Result<Option<Vec<u8>>, ConfigError> {
        let path = self.text(key, "")?;
        if path.is_empty() {
            return Ok(None);
        }
        let read = std::fs::read(path).map_err(|error| ConfigError::bad(key, error))?;
        Ok(Some(read))
    }

    /// A secret from `key`, or from the file that `key_FILE` names.
    ///
    /// # Errors
    /// Both are set, or the file cannot be read.
    pub fn secret(&self, key: &str) -> Result<Option<String>, ConfigError> {
        let file_key = format!("{key}_FILE");
        match (self.get(key), self.get(&file_key)) {
            (Some(_), Some(_)) => Err(ConfigError::bad(key, "is set twice, here and as _FILE")),
            (Some(value), None) => Ok(Some(value.to_owned())),
            (None, Some(path)) => std::fs::read_to_string(path)
                .map(|text| Some(text.trim().to_owned()))
                .map_err(|error| ConfigError::bad(&file_key, error)),
            (None, None) => Ok(None),
        }
    }

    /// The path that `key` names.
    pub(super) fn path(&self, key: &str) -> Option<PathBuf> {
        self.get(key).map(PathBuf::from)
    }

    /// Refuses file keys that no section asked for.
    ///
    /// # Errors
    /// The first unknown key.
    pub fn refuse_unknown(&self) -> Result<(), ConfigError> {
        let asked = self.asked.borrow();
        let unknown = self.file.keys().find(|key| !asked.contains(*key));
        unknown.map_or(Ok(()), |key| Err(ConfigError::Unknown(key.clone())))
    }
}

fn read_file(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let fail = |reason: String| ConfigError::File {
        path: path.display().to_string(),
        reason: reason.replace('\n', " "),
    };
    let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| fail(error.message().to_owned()))?;
    table
        .into_iter()
        .map(|(key, value)| {
            plain(&value)
                .map(|text| (key.clone(), text))
                .ok_or_else(|| {
                    ConfigError::bad(
                        &key,
                        "must be a text, a number, a boolean or a list of texts",
                    )
                })
        })
        .collect()
}

/// Lists become the comma-separated form that the environment uses.
fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<_>> = items.iter().map(|item| item.as_str()).collect();
            texts.map(|texts| texts.join(","))
        }
        _ => None,
    }
}
