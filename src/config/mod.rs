//! The settings: one struct a section, read once at the start from a TOML file and the environment.
//!
//! This module is the only reader of the environment and of secret files. A bad value or an unknown key
//! stops the start with one line that names it. It never logs a value.

mod log;
mod mail;
mod master_keys;
mod media;
mod network;
mod passwords;
mod secrets;
mod source;
mod storage;
mod throttles;
mod tokens;
mod webhooks;

use std::path::PathBuf;

pub use log::{LogConfig, WitnessConfig, make_signing_key};
pub use mail::{MailConfig, SmtpConfig, SmtpTls};
pub use master_keys::{MasterKey, MasterKeys};
pub use media::MediaConfig;
pub use network::NetworkConfig;
pub use passwords::{Argon2Cost, PasswordConfig, PasswordProfile, PepperKey};
pub use secrets::Secret;
pub use source::{ConfigError, Source};
pub use storage::{S3Config, StorageConfig};
pub use throttles::ThrottleConfig;
pub use tokens::{Registration, SecondFactorRequiredFor, TokenConfig, TotpDisablePolicy};
pub use webhooks::WebhookConfig;

/// Where and how log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people at a terminal.
    Pretty,
}

/// Every setting of the server, checked.
#[derive(Debug)]
pub struct Config {
    /// `sqlite://path` or `postgres://…`. May hold a password, so it never is printed.
    pub database_url: Secret,
    /// The folder for everything that the embedded default writes.
    pub data_dir: PathBuf,
    /// Listeners, proxies, origins.
    pub network: NetworkConfig,
    /// Lifetimes of tokens and sessions, and who may register.
    pub tokens: TokenConfig,
    /// Blob storage and the media worker.
    pub media: MediaConfig,
    /// The key that everything sealed is sealed under.
    pub master_keys: MasterKeys,
    /// The rules for passwords, and what hashing costs.
    pub passwords: PasswordConfig,
    /// How often passwords may be guessed.
    pub throttles: ThrottleConfig,
    /// How the log is proved.
    pub log: LogConfig,
    /// How mails leave.
    pub mail: MailConfig,
    /// How the log is sent to others.
    pub webhooks: WebhookConfig,
    /// Log line format.
    pub log_format: LogFormat,
    /// `tracing` filter directives.
    pub log_filter: String,
    /// The folder with the built web application, if there is one.
    pub web_dir: Option<PathBuf>,
}

impl Config {
    /// Reads every setting from `source`.
    ///
    /// # Errors
    /// The first bad value, missing secret or unknown key, by name.
    pub fn load(source: &Source) -> Result<Self, ConfigError> {
        let data_dir = PathBuf::from(source.text("DATA_DIR", "./data")?);
        let network = NetworkConfig::load(source)?;
        let config = Self {
            log: LogConfig::load(source, &data_dir, &network.public_url)?,
            database_url: Secret::new(database_url(source, &data_dir)?),
            network,
            tokens: TokenConfig::load(source)?,
            media: MediaConfig::load(source, &data_dir)?,
            master_keys: MasterKeys::load(source, &data_dir)?,
            passwords: PasswordConfig::load(source)?,
            throttles: ThrottleConfig::load(source)?,
            mail: MailConfig::load(source, &data_dir)?,
            webhooks: WebhookConfig::load(source)?,
            log_format: log_format(source)?,
            log_filter: source.text("LOG_FILTER", "info,sqlx=warn")?,
            web_dir: web_dir(source)?,
            data_dir,
        };
        source.refuse_unknown()?;
        Ok(config)
    }
}

fn database_url(source: &Source, data_dir: &std::path::Path) -> Result<String, ConfigError> {
    let default = format!("sqlite://{}", data_dir.join("gatelog.db").display());
    let url = source.secret("DATABASE_URL")?.unwrap_or(default);
    let known = ["sqlite://", "postgres://", "postgresql://"];
    if known.iter().any(|scheme| url.starts_with(scheme)) {
        return Ok(url);
    }
    Err(ConfigError::bad(
        "DATABASE_URL",
        "must begin with sqlite:// or postgres://",
    ))
}

fn log_format(source: &Source) -> Result<LogFormat, ConfigError> {
    match source.text("LOG_FORMAT", "json")?.as_str() {
        "json" => Ok(LogFormat::Json),
        "pretty" => Ok(LogFormat::Pretty),
        _ => Err(ConfigError::bad("LOG_FORMAT", "must be json or pretty")),
    }
}

fn web_dir(source: &Source) -> Result<Option<PathBuf>, ConfigError> {
    let dir = PathBuf::from(source.text("WEB_DIR", "web/dist")?);
    Ok(dir.join("index.html").is_file().then_some(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display().to_string();
        let mut all = vec![("DATA_DIR", path.as_str())];
        all.extend_from_slice(pairs);
        Config::load(&Source::from_pairs(&all, &[]))
    }

    #[test]
    fn the_defaults_are_a_complete_configuration() {
        let config = load(&[]).unwrap();
        assert_eq!(config.network.listen_addr.to_string(), "127.0.0.1:8080");
        assert_eq!(config.tokens.access_ttl_seconds, 900);
    }

    #[test]
    fn each_bad_value_is_named() {
        for (key, value) in [
            ("LISTEN_ADDR", "nowhere"),
            ("OPS_LISTEN_ADDR", "80"),
            ("CORS_ORIGINS", "*"),
            ("CORS_ORIGINS", "https://a.example/path"),
            ("TRUSTED_PROXIES", "10.0.0.0/64"),
            ("ACCESS_TOKEN_TTL", "-1"),
            ("SESSION_MAX_AGE", "soon"),
            ("SESSION_HISTORY", "86399"),
            ("SESSIONS_PER_USER", "0"),
            ("REGISTRATION", "maybe"),
            ("SESSION_PROFILE", "aal3"),
            ("SESSION_IDLE_TIMEOUT", "0"),
            ("TOTP_DISABLE_POLICY", "never"),
            ("SECOND_FACTOR_REQUIRED_FOR", "admins"),
            ("DATABASE_URL", "mysql://x"),
            ("MASTER_KEY", "abc"),
            ("STORAGE_URL", "ftp://x"),
            ("MEDIA_WORKER_URL", "ftp://x"),
            ("MEDIA_WORKER_URL", "unix:/a,unix:///a"),
            ("MEDIA_SANDBOX", "off"),
            ("UPLOAD_MAX_BYTES", "0"),
            ("LOG_FORMAT", "xml"),
            ("SMTP_URL", "http://x"),
            ("MAIL_FROM", "nobody"),
            ("MAIL_ATTEMPTS", "0"),
            ("MAIL_RETRY_DELAY", "0"),
            ("SMTP_CA_FILE", "/nowhere/ca.pem"),
            ("PUBLIC_URL", "not a url"),
            ("WEBHOOKS_ALLOW_PRIVATE", "perhaps"),
            ("WEBHOOK_ATTEMPTS", "0"),
            ("WEBHOOK_RETRY_DELAY", "0"),
            ("WEBHOOK_CA_FILE", "/nowhere/ca.pem"),
            ("PASSWORD_HASH_THREADS", "0"),
            ("SIGN_IN_FREE_PER_DEVICE", "0"),
            ("SIGN_IN_FREE_PER_ACCOUNT", "-1"),
            ("SIGN_IN_FREE_PER_NETWORK", "many"),
            ("SIGN_IN_MAX_DELAY", "86401"),
            ("ANONYMOUS_REQUESTS_PER_HOUR", "0"),
            ("NAME_CHANGES_PER_HOUR", "0"),
            ("EXPORTS_PER_HOUR", "0"),
            ("SERVICE_NAME", "a:b"),
            ("SERVICE_NAME", " "),
            ("REFRESHES_PER_HOUR", "0"),
            ("FACTOR_CHANGES_PER_HOUR", "0"),
            ("SIGN_INS_PER_HOUR", "0"),
            ("LOG_SIGNING_KEY", "00"),
            ("LOG_ORIGIN", "a+b"),
            ("LOG_WITNESS_KEY", "w"),
            ("LOG_WITNESS_URL", "http://w.example"),
        ] {
            let error = load(&[(key, value)]).unwrap_err().to_string();
            assert!(error.contains(key), "{key}: {error}");
            assert!(!error.contains('\n'), "one line: {error}");
        }
    }

    #[test]
    fn an_unknown_key_in_the_file_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display().to_string();
        let source = Source::from_pairs(&[("DATA_DIR", path.as_str())], &[("LISTEN_ADR", "x")]);
        let error = Config::load(&source).unwrap_err().to_string();
        assert!(error.contains("LISTEN_ADR"), "{error}");
    }

    #[test]
    fn no_secret_is_in_the_debug_text() {
        let key = "11".repeat(32);
        let url = "postgres://u:hunter2pass@localhost/db";
        let config = load(&[("MASTER_KEY", &key), ("DATABASE_URL", url)]).unwrap();
        let text = format!("{config:?}");
        assert!(
            !text.contains(&key) && !text.contains("hunter2pass"),
            "{text}"
        );
    }
}
