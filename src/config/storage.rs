//! Where uploads, outputs and the log's segments are kept.

use std::path::{Path, PathBuf};

use url::Url;

use super::secrets::Secret;
use super::{ConfigError, Source};

/// The store.
#[derive(Debug, Clone)]
pub enum StorageConfig {
    /// A folder (`STORAGE_URL=file://…`).
    Folder(PathBuf),
    /// A bucket of a server that speaks S3 (`STORAGE_URL=s3://…`).
    S3(Box<S3Config>),
}

/// A bucket, and how to get at it.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// Its name.
    pub bucket: String,
    /// What every object's name begins with; empty, or without a slash at its ends.
    pub prefix: String,
    /// The server; of Amazon, by the region, when it is not set.
    pub endpoint: Option<Url>,
    /// The region that requests are signed for.
    pub region: String,
    /// Who signs.
    pub access_key_id: Secret,
    /// With what.
    pub secret_access_key: Secret,
    /// Certificates of authorities that are trusted beside the public ones (PEM).
    pub authorities: Option<Vec<u8>>,
}

impl StorageConfig {
    pub(super) fn load(source: &Source, data_dir: &Path) -> Result<Self, ConfigError> {
        const WANTED: &str = "must be file:// and a folder, or s3:// and a bucket";
        let default = format!("file://{}", data_dir.join("blobs").display());
        let url = source.text("STORAGE_URL", &default)?;
        // Read in any case, so that they are known as settings.
        let region = source.text("STORAGE_REGION", "us-east-1")?;
        let endpoint = endpoint(source)?;
        let authorities = source.file("STORAGE_CA_FILE")?;
        let access_key_id = source.secret("STORAGE_ACCESS_KEY_ID")?;
        let secret_access_key = source.secret("STORAGE_SECRET_ACCESS_KEY")?;
        if let Some(folder) = url.strip_prefix("file://").filter(|path| !path.is_empty()) {
            return Ok(Self::Folder(PathBuf::from(folder)));
        }
        let bucket = url.strip_prefix("s3://").map(|rest| rest.trim_matches('/'));
        let bucket = bucket.filter(|rest| !rest.is_empty());
        let rest = bucket.ok_or_else(|| ConfigError::bad("STORAGE_URL", WANTED))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_bucket(bucket) || !is_prefix(prefix) {
            return Err(ConfigError::bad(
                "STORAGE_URL",
                "must name a bucket, and a prefix of letters, digits, '.', '_' and '-'",
            ));
        }
        let needed = |key: &str, value: Option<String>| {
            let value = value.filter(|value| !value.is_empty());
            let value = value.ok_or_else(|| ConfigError::bad(key, "is needed for s3://"))?;
            Ok(Secret::new(value))
        };
        Ok(Self::S3(Box::new(S3Config {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            endpoint,
            region,
            access_key_id: needed("STORAGE_ACCESS_KEY_ID", access_key_id)?,
            secret_access_key: needed("STORAGE_SECRET_ACCESS_KEY", secret_access_key)?,
            authorities,
        })))
    }
}

fn endpoint(source: &Source) -> Result<Option<Url>, ConfigError> {
    const WANTED: &str =
        "must be http:// or https:// and a host, without a path, a name or a query";
    let text = source.text("STORAGE_ENDPOINT", "")?;
    if text.is_empty() {
        return Ok(None);
    }
    let bad = || ConfigError::bad("STORAGE_ENDPOINT", WANTED);
    let url: Url = text.parse().map_err(|_| bad())?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let is_open = url.username().is_empty() && url.password().is_none();
    let is_web = ["http", "https"].contains(&url.scheme()) && url.has_host();
    if is_bare && is_open && is_web {
        return Ok(Some(url));
    }
    Err(bad())
}

fn is_bucket(name: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    (3..=63).contains(&name.len()) && name.chars().all(is_fine)
}

fn is_prefix(text: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let is_segment =
        |segment: &str| !segment.trim_matches('.').is_empty() && segment.chars().all(is_fine);
    text.is_empty() || (text.len() <= 200 && text.split('/').all(is_segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [(&str, &str); 2] = [
        ("STORAGE_ACCESS_KEY_ID", "who"),
        ("STORAGE_SECRET_ACCESS_KEY", "not-to-be-seen"),
    ];

    fn load(pairs: &[(&str, &str)]) -> Result<StorageConfig, ConfigError> {
        StorageConfig::load(&Source::from_pairs(pairs, &[]), Path::new("data"))
    }

    #[test]
    fn a_bucket_is_named_with_or_without_a_prefix() {
        for (url, bucket, prefix) in [
            ("s3://media", "media", ""),
            ("s3://media/", "media", ""),
            ("s3://my.media-1/a/b_c/", "my.media-1", "a/b_c"),
        ] {
            let loaded = load(&[&[("STORAGE_URL", url)], &KEYS[..]].concat()).unwrap();
            let StorageConfig::S3(s3) = loaded else {
                panic!("{url} is no folder");
            };
            assert_eq!((s3.bucket.as_str(), s3.prefix.as_str()), (bucket, prefix));
            let shown = format!("{s3:?}");
            assert!(
                !shown.contains("not-to-be-seen") && !shown.contains("who"),
                "{shown}"
            );
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_its_name() {
        for url in [
            "s3://",
            "s3:///x",
            "s3://Media",
            "s3://ab",
            "s3://media/a//b",
            "s3://media/../x",
            "s3://media/a b",
            "file://",
            "ftp://x",
        ] {
            let refused = load(&[&[("STORAGE_URL", url)], &KEYS[..]].concat());
            let said = refused.unwrap_err().to_string();
            assert!(said.starts_with("setting STORAGE_URL"), "{url}: {said}");
        }
        for endpoint in [
            "minio",
            "ftp://x",
            "http://a/b",
            "http://u:p@a",
            "http://a/?x",
        ] {
            let said = load(&[("STORAGE_ENDPOINT", endpoint)]).unwrap_err();
            let said = said.to_string();
            assert!(said.starts_with("setting STORAGE_ENDPOINT"), "{said}");
        }
        let said = load(&[("STORAGE_URL", "s3://media"), KEYS[0]]).unwrap_err();
        assert!(
            said.to_string()
                .starts_with("setting STORAGE_SECRET_ACCESS_KEY")
        );
    }
}
