//! The vault: mutable tables of secrets that must never be in an event, sealed under a key that the master key wraps.
//!
//! An entry is written before the event that refers to it. An entry whose event never came is an orphan: the policy that
//! abandons the registration removes it, or `sweep_person_keys` where there is not even a claim to abandon.

use aggregates::values::{EmailClaimId, PasswordId, UserId};
use chrono::{DateTime, Utc};
use eventlog::{Database, DbError, Question, Row, Value};
use projections::users;
use zeroize::Zeroizing;

use super::system_keys::SystemKeys;
use super::wraps::Wraps;
use super::{Cipher, Keyring, KeyringError, PersonKey, derive};
use crate::config::MasterKeys;
use crate::ports::clock::micros;
use crate::ports::ids;
use crate::ports::passwords::HashedPassword;

/// Why the vault did not answer.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
    /// An entry does not open.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The vault was sealed under another master key.
    #[error(
        "the database was sealed under another master key (it names {stored}, the given key is {given})"
    )]
    WrongMasterKey {
        /// The identifier in the database.
        stored: String,
        /// The identifier of the key given.
        given: String,
    },
}

/// The hash of a password as it is in the vault.
pub struct StoredPassword {
    pub(super) password_id: PasswordId,
    pub(super) phc: Zeroizing<String>,
    /// As it is stored; sealing anew gives other bytes, so they tell whether the row was written since.
    pub(super) sealed: Vec<u8>,
}

impl StoredPassword {
    /// Which password of the person it is.
    pub fn password_id(&self) -> PasswordId {
        self.password_id
    }

    /// The PHC string; for verifying only.
    pub fn phc(&self) -> &str {
        &self.phc
    }

    /// One that is in no vault.
    #[cfg(test)]
    pub fn for_test(password_id: PasswordId, phc: &str) -> Self {
        Self {
            password_id,
            phc: Zeroizing::new(phc.to_owned()),
            sealed: Vec::new(),
        }
    }
}

impl std::fmt::Debug for StoredPassword {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "StoredPassword({})", self.password_id)
    }
}

/// The sealed tables.
#[derive(Debug, Clone)]
pub struct Vault {
    pub(super) database: Database,
    pub(super) keyring: Keyring,
}

impl Vault {
    /// Opens the vault, and makes the system keys on the first start.
    ///
    /// # Errors
    /// The database failed, or the master key is not the one that it was sealed under.
    pub async fn open(
        database: Database,
        masters: &MasterKeys,
        now: DateTime<Utc>,
    ) -> Result<Self, VaultError> {
        let wraps = Wraps::new(masters);
        let keys = SystemKeys::open(&database, masters, &wraps, now).await?;
        let email_claims = keys.get("email_claims", None).await?;
        let keyring = Keyring {
            vault: Cipher::new(&*keys.get("vault", Some("gatelog/vault/v1")).await?),
            idempotency: keys
                .get("idempotency", Some("gatelog/idempotency/v1"))
                .await?,
            recovery_codes: keys
                .get("recovery_codes", Some("gatelog/recovery-codes/v1"))
                .await?,
            links: keys.get("links", Some("gatelog/links/v1")).await?,
            throttles: derive(&email_claims, "gatelog/throttles/v1"),
            device_tokens: derive(&email_claims, "gatelog/device-tokens/v1"),
            wraps,
            email_claims,
        };
        Ok(Self { database, keyring })
    }

    /// The keyring.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Makes a person's key and stores it with the hash of their first password, together.
    ///
    /// # Errors
    /// The database failed, or there is no randomness.
    pub async fn create_person(
        &self,
        user: UserId,
        password: &HashedPassword,
        now: DateTime<Utc>,
    ) -> Result<PersonKey, VaultError> {
        const KEY: &str = "INSERT INTO vault_person_keys (user_id, wrapped_key, master_key_id, created_at) \
                           VALUES ($1, $2, $3, $4)";
        let key = ids::random_bytes::<32>().map_err(KeyringError::from)?;
        let name = user.to_string();
        let aad = place("person_key", &name);
        let (wrapped, master_key_id) = self.keyring.wraps.seal(key.as_slice(), &aad)?;
        let row = vec![
            name.into(),
            wrapped.into(),
            master_key_id.into(),
            micros(now).into(),
        ];
        let password = self.insert_password(user, PasswordId(user.0), password, now)?;
        self.database
            .execute(vec![(KEY.into(), row), password])
            .await?;
        Ok(PersonKey::from_bytes(&key))
    }

    /// Removes everything of a person, their key with it: what was sealed under it opens no more. For registrations that
    /// failed, and for erasures.
    ///
    /// # Errors
    /// The database failed.
    pub async fn remove_person(&self, user: UserId) -> Result<(), VaultError> {
        let statements = [
            "DELETE FROM vault_person_keys WHERE user_id = $1",
            "DELETE FROM vault_passwords WHERE user_id = $1",
            "DELETE FROM vault_totp WHERE user_id = $1",
            "DELETE FROM vault_recovery_codes WHERE user_id = $1",
            "DELETE FROM sign_in_challenges WHERE user_id = $1",
            "DELETE FROM second_factor_failures WHERE user_id = $1",
            "DELETE FROM second_factor_floods WHERE user_id = $1",
        ];
        let key: Value = user.to_string().into();
        let mut statements = statements
            .map(|sql| (sql.into(), vec![key.clone()]))
            .to_vec();
        statements.extend(Self::mail_removals(user));
        self.database.execute(statements).await?;
        Ok(())
    }

    /// People whose key was made before `before`, and whom neither an account nor a claim on an address knows. What the
    /// log says of them is for the caller to ask.
    ///
    /// # Errors
    /// The database failed.
    pub async fn persons_of_nobody(
        &self,
        before: DateTime<Utc>,
        limit: i64,
    ) -> Result<Vec<UserId>, VaultError> {
        const SQL: &str = "SELECT k.user_id FROM vault_person_keys k WHERE k.created_at < $1 \
            AND NOT EXISTS (SELECT 1 FROM users u WHERE u.user_id = k.user_id) \
            AND NOT EXISTS (SELECT 1 FROM email_claims c WHERE c.user_id = k.user_id) \
            ORDER BY k.user_id LIMIT $2";
        let params = [micros(before).into(), limit.into()];
        let rows = self.database.query(SQL, &params).await?;
        let bad = |_| DbError::decode("an identifier that is none");
        let parsed: Result<_, DbError> = rows
            .iter()
            .map(|row| row.text(0)?.parse().map_err(bad))
            .collect();
        Ok(parsed?)
    }

    /// A person's key; `None` when it was destroyed.
    ///
    /// # Errors
    /// The database failed, or the key does not open.
    pub async fn person_key(&self, user: UserId) -> Result<Option<PersonKey>, VaultError> {
        let wrapped = self.database.ask(person_key_of(user)).await?;
        wrapped.map(|key| self.open_person_key(&key)).transpose()
    }

    /// Opens a person's key.
    ///
    /// # Errors
    /// It does not open.
    pub fn open_person_key(&self, key: &WrappedPersonKey) -> Result<PersonKey, VaultError> {
        let aad = place("person_key", &key.user_id);
        let wraps = &self.keyring.wraps;
        let bytes = wraps.open(&key.master_key_id, &key.wrapped, &aad)?;
        Ok(PersonKey::from_bytes(&*key_bytes(&bytes)?))
    }

    /// Seals the name of a device for the sign-in that waits for its second factor.
    ///
    /// # Errors
    /// No randomness.
    pub fn seal_device_name(&self, challenge: &str, name: &str) -> Result<Vec<u8>, VaultError> {
        let place = place("challenge", challenge);
        Ok(self.keyring.vault.seal(name.as_bytes(), &place)?)
    }

    /// Opens what [`Self::seal_device_name`] made.
    ///
    /// # Errors
    /// It does not open.
    pub fn open_device_name(&self, challenge: &str, sealed: &[u8]) -> Result<String, VaultError> {
        let place = place("challenge", challenge);
        let open = self.keyring.vault.open(sealed, &place)?;
        let text = String::from_utf8(open.to_vec());
        Ok(text.map_err(|_| KeyringError::DoesNotOpen)?)
    }

    /// Seals a stored answer of the idempotency table.
    ///
    /// # Errors
    /// No randomness.
    pub fn seal_answer(&self, record: &str, answer: &[u8]) -> Result<Vec<u8>, VaultError> {
        Ok(self.keyring.vault.seal(answer, &place("answer", record))?)
    }

    /// Opens what [`Self::seal_answer`] made.
    ///
    /// # Errors
    /// It does not open.
    pub fn open_answer(
        &self,
        record: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        Ok(self.keyring.vault.open(sealed, &place("answer", record))?)
    }
}

/// A person's key as it is stored.
#[derive(Debug)]
pub struct WrappedPersonKey {
    user_id: String,
    wrapped: Vec<u8>,
    master_key_id: String,
}

impl WrappedPersonKey {
    /// Whether it is this person's.
    pub fn is_of(&self, user: UserId) -> bool {
        self.user_id == user.to_string()
    }
}

/// A person's key; nothing when it was destroyed.
pub fn person_key_of(user: UserId) -> Question<Option<WrappedPersonKey>> {
    const SQL: &str =
        "SELECT user_id, wrapped_key, master_key_id FROM vault_person_keys WHERE user_id = $1";
    Question::new(SQL, vec![user.to_string().into()], first_key)
}

/// The key of whoever holds a claim.
pub fn person_key_of_claim(claim: EmailClaimId) -> Question<Option<WrappedPersonKey>> {
    let sql = format!(
        "SELECT user_id, wrapped_key, master_key_id FROM vault_person_keys WHERE user_id = {}",
        users::HOLDER
    );
    let nobody = users::nobody().to_string();
    let params = vec![claim.to_string().into(), nobody.into()];
    Question::new(sql, params, first_key)
}

fn first_key(rows: &[Row]) -> Result<Option<WrappedPersonKey>, DbError> {
    let read = |row: &Row| {
        Ok(WrappedPersonKey {
            user_id: row.text(0)?,
            wrapped: row.bytes(1)?,
            master_key_id: row.text(2)?,
        })
    };
    rows.first().map(read).transpose()
}

/// The associated data: which table and row an entry belongs to, so that entries cannot be swapped.
pub(super) fn place(table: &str, row: &str) -> Vec<u8> {
    format!("{table}/{row}").into_bytes()
}

fn key_bytes(bytes: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyringError> {
    bytes
        .try_into()
        .map(Zeroizing::new)
        .map_err(|_| KeyringError::DoesNotOpen)
}
