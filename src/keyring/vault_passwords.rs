//! The vault's password hashes.
//!
//! A person has one for each password that counts or is about to: the hash of a new password is written before the
//! event that makes it count, under an identifier that the event names. So the event alone decides which one counts,
//! whatever dies when; hashes that no event made count are swept.

use aggregates::values::{PasswordId, UserId};
use chrono::{DateTime, Utc};
use eventlog::{DbError, Statement};
use zeroize::Zeroizing;

use super::KeyringError;
use super::vault::{StoredPassword, Vault, VaultError, place};
use crate::ports::clock::micros;
use crate::ports::passwords::HashedPassword;

impl Vault {
    /// The hash of one password of a person.
    ///
    /// # Errors
    /// The database failed, or the entry does not open.
    pub async fn password(
        &self,
        user: UserId,
        password: PasswordId,
    ) -> Result<Option<StoredPassword>, VaultError> {
        const SQL: &str =
            "SELECT sealed_phc FROM vault_passwords WHERE user_id = $1 AND password_id = $2";
        let key = [user.to_string().into(), password.to_string().into()];
        let rows = self.database.query(SQL, &key).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let sealed = row.bytes(0)?;
        let bytes = self
            .keyring
            .vault
            .open(&sealed, &password_place(user, password))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| KeyringError::DoesNotOpen)?;
        Ok(Some(StoredPassword {
            password_id: password,
            phc: Zeroizing::new(text.to_owned()),
            sealed,
        }))
    }

    /// Stores the hash of a new password beside the one that counts.
    ///
    /// # Errors
    /// The database failed, or there is no randomness.
    pub async fn add_password(
        &self,
        user: UserId,
        password: PasswordId,
        hash: &HashedPassword,
        now: DateTime<Utc>,
    ) -> Result<(), VaultError> {
        let statement = self.insert_password(user, password, hash, now)?;
        self.database.execute(vec![statement]).await?;
        Ok(())
    }

    /// Removes one hash; again: nothing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn remove_password(
        &self,
        user: UserId,
        password: PasswordId,
    ) -> Result<(), VaultError> {
        const SQL: &str = "DELETE FROM vault_passwords WHERE user_id = $1 AND password_id = $2";
        let key = vec![user.to_string().into(), password.to_string().into()];
        self.database.execute(vec![(SQL.into(), key)]).await?;
        Ok(())
    }

    /// Puts another hash of the same password in the place of `stored`. False, and nothing done, when the row was
    /// written or removed since.
    ///
    /// # Errors
    /// The database failed, or there is no randomness.
    pub async fn upgrade_password(
        &self,
        user: UserId,
        stored: &StoredPassword,
        hash: &HashedPassword,
        now: DateTime<Utc>,
    ) -> Result<bool, VaultError> {
        const SQL: &str = "UPDATE vault_passwords SET sealed_phc = $1, pepper_id = $2, master_key_id = $3, \
                           updated_at = $4 WHERE user_id = $5 AND password_id = $6 AND sealed_phc = $7";
        let place = password_place(user, stored.password_id);
        let sealed = self.keyring.vault.seal(hash.phc().as_bytes(), &place)?;
        let row = vec![
            sealed.into(),
            hash.pepper_id().into(),
            self.keyring.wraps.current_id().into(),
            micros(now).into(),
            user.to_string().into(),
            stored.password_id.to_string().into(),
            stored.sealed.clone().into(),
        ];
        let affected = self.database.execute(vec![(SQL.into(), row)]).await?;
        Ok(affected.first() == Some(&1))
    }

    /// How many hashes there are for each pepper, by its identifier; `None` for those without one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn count_by_pepper(&self) -> Result<Vec<(Option<String>, i64)>, VaultError> {
        const SQL: &str = "SELECT pepper_id, COUNT(*) FROM vault_passwords GROUP BY pepper_id";
        let rows = self.database.query(SQL, &[]).await?;
        let counts: Result<_, DbError> = rows
            .iter()
            .map(|row| Ok((row.opt_text(0)?, row.int(1)?)))
            .collect();
        Ok(counts?)
    }

    /// Hashes from before `before` of people who have several. At most one of each person's counts.
    ///
    /// # Errors
    /// The database failed.
    pub async fn surplus_passwords(
        &self,
        before: DateTime<Utc>,
        limit: i64,
    ) -> Result<Vec<(UserId, PasswordId)>, VaultError> {
        const SQL: &str = "SELECT user_id, password_id FROM vault_passwords WHERE updated_at < $1 AND user_id IN \
                           (SELECT user_id FROM vault_passwords GROUP BY user_id HAVING COUNT(*) > 1) \
                           ORDER BY user_id, password_id LIMIT $2";
        let rows = self
            .database
            .query(SQL, &[micros(before).into(), limit.into()])
            .await?;
        let bad = |_| DbError::decode("an identifier that is none");
        let parsed: Result<_, DbError> = rows
            .iter()
            .map(|row| {
                let user = row.text(0)?.parse().map_err(bad)?;
                Ok((user, row.text(1)?.parse().map_err(bad)?))
            })
            .collect();
        Ok(parsed?)
    }

    pub(super) fn insert_password(
        &self,
        user: UserId,
        password: PasswordId,
        hash: &HashedPassword,
        now: DateTime<Utc>,
    ) -> Result<Statement, VaultError> {
        const SQL: &str = "INSERT INTO vault_passwords \
                           (user_id, password_id, sealed_phc, pepper_id, master_key_id, updated_at) \
                           VALUES ($1, $2, $3, $4, $5, $6)";
        let place = password_place(user, password);
        let sealed = self.keyring.vault.seal(hash.phc().as_bytes(), &place)?;
        let row = vec![
            user.to_string().into(),
            password.to_string().into(),
            sealed.into(),
            hash.pepper_id().into(),
            self.keyring.wraps.current_id().into(),
            micros(now).into(),
        ];
        Ok((SQL.into(), row))
    }
}

/// A person's first password is sealed for the person, as it was when there was only one.
fn password_place(user: UserId, password: PasswordId) -> Vec<u8> {
    if password == PasswordId(user.0) {
        return place("password", &user.to_string());
    }
    place("password", &format!("{user}/{password}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Source};
    use crate::ports::{clock, ids};
    use eventlog::Database;

    async fn vault(folder: &tempfile::TempDir) -> Vault {
        let path = folder.path().display().to_string();
        let config =
            Config::load(&Source::from_pairs(&[("DATA_DIR", path.as_str())], &[])).unwrap();
        let database = Database::open(config.database_url.expose()).await.unwrap();
        database.migrate().await.unwrap();
        Vault::open(database, &config.master_keys, clock::now())
            .await
            .unwrap()
    }

    fn hash(text: &str) -> HashedPassword {
        HashedPassword::for_test(text)
    }

    #[tokio::test]
    async fn a_hash_is_upgraded_only_where_it_is_still_the_one_that_was_verified() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(&folder).await;
        let (user, now) = (UserId::from(ids::new_id()), clock::now());
        let first = PasswordId(user.0);
        vault.create_person(user, &hash("one"), now).await.unwrap();
        let seen = vault.password(user, first).await.unwrap().unwrap();
        assert!(
            vault
                .upgrade_password(user, &seen, &hash("two"), now)
                .await
                .unwrap()
        );
        assert!(
            !vault
                .upgrade_password(user, &seen, &hash("late"), now)
                .await
                .unwrap()
        );
        let stored = vault.password(user, first).await.unwrap().unwrap();
        assert_eq!(stored.phc(), "two");
        vault.remove_password(user, first).await.unwrap();
        assert!(
            !vault
                .upgrade_password(user, &stored, &hash("late"), now)
                .await
                .unwrap()
        );
        assert!(
            vault.password(user, first).await.unwrap().is_none(),
            "a removed one does not come back"
        );
    }

    #[tokio::test]
    async fn a_hash_opens_only_as_the_password_that_it_was_stored_for() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(&folder).await;
        let (user, now) = (UserId::from(ids::new_id()), clock::now());
        let (one, two) = (
            PasswordId::from(ids::new_id()),
            PasswordId::from(ids::new_id()),
        );
        vault
            .add_password(user, one, &hash("one"), now)
            .await
            .unwrap();
        let swap = format!("UPDATE vault_passwords SET password_id = '{two}'");
        vault
            .database
            .execute(vec![(swap, Vec::new())])
            .await
            .unwrap();
        assert!(matches!(
            vault.password(user, two).await,
            Err(VaultError::Keyring(_))
        ));
        assert!(vault.password(user, one).await.unwrap().is_none());
    }
}
