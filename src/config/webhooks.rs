//! How the log is sent to others.

use super::{ConfigError, Source};

/// Everything about webhooks.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// Whether receivers may be in private networks, and on loopback without TLS.
    pub allow_private: bool,
    /// How often a message is tried before its sink is parked.
    pub attempts: u64,
    /// Seconds before the second try; each further one waits twice as long, up to an hour.
    pub retry_seconds: u64,
    /// Certificates of authorities that are trusted beside the public ones (PEM).
    pub authorities: Option<Vec<u8>>,
}

impl WebhookConfig {
    pub(super) fn load(source: &Source) -> Result<Self, ConfigError> {
        let allow_private = match source.text("WEBHOOKS_ALLOW_PRIVATE", "false")?.as_str() {
            "true" => true,
            "false" => false,
            _ => {
                return Err(ConfigError::bad(
                    "WEBHOOKS_ALLOW_PRIVATE",
                    "must be true or false",
                ));
            }
        };
        Ok(Self {
            allow_private,
            attempts: source.number("WEBHOOK_ATTEMPTS", 16, 1..=50)?,
            retry_seconds: source.number("WEBHOOK_RETRY_DELAY", 5, 1..=3_600)?,
            authorities: source.file("WEBHOOK_CA_FILE")?,
        })
    }
}
