//! Rotating the master key: every key that a former one wraps is wrapped under the one in force. What those keys seal is
//! not touched. Servers may run meanwhile; see [`super::wraps`].

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use eventlog::Value;

use super::pepper::{Pepper, Peppers};
use super::system_keys;
use super::vault::{Vault, VaultError, place};
use crate::config::{MasterKeys, PasswordConfig};

/// Keys of one round.
const ROUND: i64 = 500;
/// The names under which peppers are kept whose master key may go.
const PEPPER: &str = "pepper/";

/// A table of wrapped keys.
struct Table {
    select: &'static str,
    update: &'static str,
    place: &'static str,
}

const TABLES: [Table; 2] = [
    Table {
        select: "SELECT name, wrapped_key, master_key_id FROM vault_system_keys \
                 WHERE master_key_id <> $1 AND name > $2 ORDER BY name LIMIT $3",
        update: "UPDATE vault_system_keys SET wrapped_key = $1, master_key_id = $2 \
                 WHERE name = $3 AND wrapped_key = $4",
        place: "system_key",
    },
    Table {
        select: "SELECT user_id, wrapped_key, master_key_id FROM vault_person_keys \
                 WHERE master_key_id <> $1 AND user_id > $2 ORDER BY user_id LIMIT $3",
        update: "UPDATE vault_person_keys SET wrapped_key = $1, master_key_id = $2 \
                 WHERE user_id = $3 AND wrapped_key = $4",
        place: "person_key",
    },
];

impl Vault {
    /// Wraps every key under the master key in force: how many were under a former one. May be repeated, and cut off at
    /// any point.
    ///
    /// # Errors
    /// The database failed, or a key is under a master key that is not known.
    pub async fn rewrap(&self) -> Result<u64, VaultError> {
        let mut moved = 0;
        for table in &TABLES {
            moved += self.rewrap_table(table).await?;
        }
        Ok(moved)
    }

    async fn rewrap_table(&self, table: &Table) -> Result<u64, VaultError> {
        let current = self.keyring.wraps.current_id();
        let (mut moved, mut after) = (0, String::new());
        loop {
            let params = [current.as_str().into(), after.as_str().into(), ROUND.into()];
            let rows = self.database.query(table.select, &params).await?;
            let Some(last) = rows.last() else {
                return Ok(moved);
            };
            after = last.text(0)?;
            let mut statements = Vec::with_capacity(rows.len());
            for row in &rows {
                let (name, wrapped) = (row.text(0)?, row.bytes(1)?);
                let aad = place(table.place, &name);
                let key = self.keyring.wraps.open(&row.text(2)?, &wrapped, &aad)?;
                let (sealed, id) = self.keyring.wraps.seal(&key, &aad)?;
                // Whoever was erased in the meantime stays so.
                let row: Vec<Value> = vec![sealed.into(), id.into(), name.into(), wrapped.into()];
                statements.push((table.update.to_owned(), row));
            }
            moved += self.database.execute(statements).await?.iter().sum::<u64>();
        }
    }

    /// Keeps the peppers of former master keys, so that these can go while passwords are still hashed with them.
    ///
    /// # Errors
    /// The database failed.
    pub async fn keep_peppers(
        &self,
        masters: &MasterKeys,
        now: DateTime<Utc>,
    ) -> Result<(), VaultError> {
        for master in &masters.former {
            let pepper = Pepper::derive(master.bytes());
            let name = format!("{PEPPER}{}", hex::encode(pepper.id()));
            let bytes = pepper.to_bytes();
            system_keys::put(&self.database, &self.keyring.wraps, &name, &bytes, now).await?;
        }
        Ok(())
    }

    /// Those that were kept.
    ///
    /// # Errors
    /// The database failed, or one does not open.
    async fn kept_peppers(&self) -> Result<Vec<Pepper>, VaultError> {
        const SQL: &str = "SELECT name, wrapped_key, master_key_id FROM vault_system_keys \
                           WHERE name >= 'pepper/' AND name < 'pepper0' ORDER BY name";
        let rows = self.database.query(SQL, &[]).await?;
        let mut kept = Vec::with_capacity(rows.len());
        for row in rows {
            let aad = place("system_key", &row.text(0)?);
            let bytes = self
                .keyring
                .wraps
                .open(&row.text(2)?, &row.bytes(1)?, &aad)?;
            kept.extend(Pepper::from_bytes(&bytes));
        }
        Ok(kept)
    }

    /// Every pepper that is known by now.
    ///
    /// # Errors
    /// The database failed, or one that was kept does not open.
    pub async fn peppers(&self, config: &PasswordConfig) -> Result<Peppers, VaultError> {
        let peppers = Peppers::load(&self.keyring.wraps.keys(), config);
        Ok(peppers.with_former(self.kept_peppers().await?))
    }

    /// As [`Self::peppers`], of the master keys as their files have them by now: somebody may be rotating them at this
    /// moment.
    ///
    /// # Errors
    /// As [`Self::peppers`].
    pub async fn peppers_anew(&self, config: &PasswordConfig) -> Result<Peppers, VaultError> {
        self.keyring.wraps.reread();
        self.peppers(config).await
    }

    /// The pepper of new hashes, as the master keys are known by now.
    pub fn pepper_in_force(&self, config: &PasswordConfig) -> Pepper {
        let peppers = Peppers::load(&self.keyring.wraps.keys(), config);
        peppers.current().clone()
    }

    /// Takes the master key that the database's keys are under by now, if a rotation went on beside this process.
    ///
    /// # Errors
    /// The database failed.
    pub async fn follow_rotation(&self) -> Result<(), VaultError> {
        const SQL: &str = "SELECT master_key_id FROM vault_system_keys WHERE name = 'email_claims'";
        static TOLD: AtomicBool = AtomicBool::new(false);
        let rows = self.database.query(SQL, &[]).await?;
        let Some(row) = rows.first() else {
            return Ok(());
        };
        let stored = row.text(0)?;
        if stored == self.keyring.wraps.current_id() {
            TOLD.store(false, Ordering::Relaxed);
            return Ok(());
        }
        self.keyring.wraps.reread();
        let current = self.keyring.wraps.current_id();
        if stored == current {
            tracing::info!(master_key = current, "goes on under a new master key");
        } else if !TOLD.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                stored,
                current,
                "the keys of the database are under another master key than new ones here: rotate, or restart with it"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Source};
    use crate::ports::clock;

    /// A database from before the installation's keys were kept: they are what that version derived.
    #[tokio::test]
    async fn keys_that_a_former_version_derived_are_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        let source = Source::from_pairs(&[("DATA_DIR", path.as_str())], &[]);
        let config = Config::load(&source).unwrap();
        let url = config.database_url.expose();
        let database = eventlog::Database::open(url).await.unwrap();
        database.migrate().await.unwrap();
        let open = || Vault::open(database.clone(), &config.master_keys, clock::now());
        let by_chance = open().await.unwrap().keyring.links;
        let derived = super::super::derive(config.master_keys.current.bytes(), "gatelog/links/v1");
        assert_ne!(by_chance, derived, "a new installation's");
        let before = "DELETE FROM vault_system_keys WHERE name <> 'email_claims'";
        let statement = (before.to_owned(), Vec::new());
        database.execute(vec![statement]).await.unwrap();
        assert_eq!(open().await.unwrap().keyring.links, derived);
        assert_eq!(open().await.unwrap().keyring.links, derived, "for good");
        database.close().await;
    }
}
