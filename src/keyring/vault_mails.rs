//! What the vault seals for mails: letters, requests of strangers, and registrations that wait.

use aggregates::values::UserId;
use eventlog::Value;
use zeroize::Zeroizing;

use super::vault::{Vault, VaultError, place};

/// A table with entries that are sealed under the vault's key, which the master key wraps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTable {
    /// Letters on their way.
    Outbox,
    /// What strangers asked for.
    Requests,
    /// Registrations that wait.
    Registrations,
}

impl MailTable {
    fn name(self) -> &'static str {
        match self {
            Self::Outbox => "outbox",
            Self::Requests => "mail_requests",
            Self::Registrations => "pending_registrations",
        }
    }
}

impl Vault {
    /// Seals an entry. It opens only in that row of that table.
    ///
    /// # Errors
    /// No randomness.
    pub fn seal_entry(
        &self,
        table: MailTable,
        row: &str,
        entry: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        Ok(self.keyring.vault.seal(entry, &place(table.name(), row))?)
    }

    /// Opens what [`Self::seal_entry`] made.
    ///
    /// # Errors
    /// It does not open.
    pub fn open_entry(
        &self,
        table: MailTable,
        row: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        Ok(self.keyring.vault.open(sealed, &place(table.name(), row))?)
    }

    /// The master key in force, for the columns `master_key_id` of entries. Nothing reads them: entries are sealed under
    /// the vault's key, so after a rotation they name the key of the time, and are none the worse for it.
    pub fn master_key_id(&self) -> Value {
        self.keyring.wraps.current_id().into()
    }

    /// What removes everything that waits to be mailed to a person or came by mail.
    pub(super) fn mail_removals(user: UserId) -> [(String, Vec<Value>); 3] {
        [
            "DELETE FROM outbox WHERE user_id = $1",
            "DELETE FROM mail_tokens WHERE user_id = $1",
            "DELETE FROM seen_devices WHERE user_id = $1",
        ]
        .map(|sql| (sql.to_owned(), vec![user.to_string().into()]))
    }
}
