//! The vault's password hashes.
//!
//! A person has one for each password that counts or is about to: the hash of a new password is written before the
//! event that makes it count, under an identifier that the event names. So the event alone decides which one counts,
//! whatever dies when; hashes that no event made count are swept.

use aggregates::values::{EmailClaimId, PasswordId, UserId};
use chrono::{DateTime, Utc};
use eventlog::{DbError, Question, Row, Statement};
use projections::users;
use zeroize::Zeroizing;

use super::KeyringError;
use super::vault::{StoredPassword, Vault, VaultError, place};
use crate::ports::clock::micros;
use crate::ports::passwords::HashedPassword;

/// A hash as it is stored.
#[derive(Debug)]
pub struct SealedPassword {
    user_id: UserId,
    password_id: PasswordId,
    phc: Vec<u8>,
}

impl SealedPassword {
    /// Whether it is this password of this person.
    pub fn is(&self, user: UserId, password: PasswordId) -> bool {
        (self.user_id, self.password_id) == (user, password)
    }
}

/// The hash of one password of a person, sealed.
pub fn of_person(user: UserId, password: PasswordId) -> Question<Option<SealedPassword>> {
    const SQL: &str = "SELECT user_id, password_id, sealed_phc FROM vault_passwords \
                       WHERE user_id = $1 AND password_id = $2";
    let params = vec![user.to_string().into(), password.to_string().into()];
    Question::new(SQL, params, first)
}

/// The hash of the password that counts of whoever holds a claim, sealed.
pub fn of_claim(claim: EmailClaimId) -> Question<Option<SealedPassword>> {
    let sql = format!(
        "SELECT v.user_id, v.password_id, v.sealed_phc FROM vault_passwords v JOIN users u \
         ON u.user_id = v.user_id AND u.password_id = v.password_id WHERE u.user_id = {}",
        users::HOLDER
    );
    let nobody = users::nobody().to_string();
    Question::new(sql, vec![claim.to_string().into(), nobody.into()], first)
}

fn first(rows: &[Row]) -> Result<Option<SealedPassword>, DbError> {
    let bad = |_| DbError::decode("an identifier that is none");
    let read = |row: &Row| {
        Ok(SealedPassword {
            user_id: row.text(0)?.parse().map_err(bad)?,
            password_id: row.text(1)?.parse().map_err(bad)?,
            phc: row.bytes(2)?,
        })
    };
    rows.first().map(read).transpose()
}

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
        let sealed = self.database.ask(of_person(user, password)).await?;
        sealed.map(|sealed| self.open_password(sealed)).transpose()
    }

    /// Opens a hash.
    ///
    /// # Errors
    /// It does not open.
    pub fn open_password(&self, sealed: SealedPassword) -> Result<StoredPassword, VaultError> {
        let place = password_place(sealed.user_id, sealed.password_id);
        let bytes = self.keyring.vault.open(&sealed.phc, &place)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| KeyringError::DoesNotOpen)?;
        Ok(StoredPassword {
            password_id: sealed.password_id,
            phc: Zeroizing::new(text.to_owned()),
            sealed: sealed.phc,
        })
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
