//! What the vault seals for webhooks: secrets, and addresses, which may hold some.

use aggregates::values::{WebhookSecretId, WebhookSinkId};
use chrono::{DateTime, Utc};
use eventlog::{Statement, Value};
use zeroize::Zeroizing;

use super::vault::{Vault, VaultError, place};
use crate::ports::clock::micros;
use crate::webhooks::WebhookSecret;

impl Vault {
    /// Seals the address of a sink's receiver.
    ///
    /// # Errors
    /// No randomness.
    pub fn seal_webhook_url(&self, sink: WebhookSinkId, url: &str) -> Result<Vec<u8>, VaultError> {
        let place = place("webhook_url", &sink.to_string());
        Ok(self.keyring.vault.seal(url.as_bytes(), &place)?)
    }

    /// Opens what [`Self::seal_webhook_url`] made.
    ///
    /// # Errors
    /// It does not open.
    pub fn open_webhook_url(
        &self,
        sink: WebhookSinkId,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let place = place("webhook_url", &sink.to_string());
        Ok(self.keyring.vault.open(sealed, &place)?)
    }

    /// What keeps a secret of a sink.
    ///
    /// # Errors
    /// No randomness.
    pub fn insert_webhook_secret(
        &self,
        sink: WebhookSinkId,
        id: WebhookSecretId,
        secret: &WebhookSecret,
        now: DateTime<Utc>,
    ) -> Result<Statement, VaultError> {
        const SQL: &str = "INSERT INTO vault_webhook_secrets (secret_id, webhook_sink_id, sealed_secret, created_at) \
                           VALUES ($1, $2, $3, $4)";
        let place = place("webhook_secret", &id.to_string());
        let sealed = self.keyring.vault.seal(secret.bytes(), &place)?;
        let row: Vec<Value> = vec![
            id.to_string().into(),
            sink.to_string().into(),
            sealed.into(),
            micros(now).into(),
        ];
        Ok((SQL.to_owned(), row))
    }

    /// A sink's secrets, the newest first, the one in force among them.
    ///
    /// # Errors
    /// The database failed, or one does not open.
    pub async fn webhook_secrets(
        &self,
        sink: WebhookSinkId,
    ) -> Result<Vec<(WebhookSecretId, WebhookSecret)>, VaultError> {
        const SQL: &str = "SELECT secret_id, sealed_secret FROM vault_webhook_secrets WHERE webhook_sink_id = $1 \
                           ORDER BY created_at DESC, secret_id DESC LIMIT 8";
        let rows = self.database.query(SQL, &[sink.to_string().into()]).await?;
        let mut secrets = Vec::with_capacity(rows.len());
        for row in rows {
            let id = row.text(0)?;
            let sealed = self
                .keyring
                .vault
                .open(&row.bytes(1)?, &place("webhook_secret", &id))?;
            let id = id
                .parse()
                .map_err(|_| eventlog::DbError::decode("an identifier that is none"))?;
            secrets.push((id, WebhookSecret::from_bytes(sealed)));
        }
        Ok(secrets)
    }
}
