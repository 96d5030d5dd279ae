//! Keys of the installation: made once, wrapped under the master key, and the same after that was rotated.

use chrono::{DateTime, Utc};
use eventlog::{Database, Value};
use zeroize::Zeroizing;

use super::vault::{VaultError, place};
use super::wraps::{Wraps, identify};
use super::{KeyringError, derive};
use crate::config::{MasterKey, MasterKeys};
use crate::ports::clock::micros;
use crate::ports::ids;

const SELECT: &str = "SELECT wrapped_key, master_key_id FROM vault_system_keys WHERE name = $1";

/// The keys of an installation, as the database has them.
pub(super) struct SystemKeys<'a> {
    database: &'a Database,
    wraps: &'a Wraps,
    /// The master key that a former version derived them from; none in a new installation.
    derived_from: Option<MasterKey>,
    now: DateTime<Utc>,
}

impl<'a> SystemKeys<'a> {
    /// # Errors
    /// The database failed, or none of the master keys is the one that it was sealed under.
    pub async fn open(
        database: &'a Database,
        masters: &MasterKeys,
        wraps: &'a Wraps,
        now: DateTime<Utc>,
    ) -> Result<Self, VaultError> {
        let rows = database.query(SELECT, &["email_claims".into()]).await?;
        let derived_from = match rows.first() {
            None => None,
            Some(row) => {
                let id = row.text(1)?;
                let known = masters.all().find(|master| identify(master) == id);
                let known = known.ok_or_else(|| VaultError::WrongMasterKey {
                    stored: id,
                    given: wraps.current_id(),
                })?;
                Some(known.clone())
            }
        };
        Ok(Self {
            database,
            wraps,
            derived_from,
            now,
        })
    }

    /// The key of this name, made now if it is not there: by chance, or as a former version derived it for `purpose`.
    ///
    /// # Errors
    /// The database failed, or the key does not open.
    pub async fn get(
        &self,
        name: &str,
        purpose: Option<&str>,
    ) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let mut rows = self.database.query(SELECT, &[name.into()]).await?;
        if rows.is_empty() {
            let key = match (&self.derived_from, purpose) {
                (Some(master), Some(purpose)) => derive(master.bytes(), purpose),
                _ => ids::random_bytes::<32>().map_err(KeyringError::from)?,
            };
            put(self.database, self.wraps, name, key.as_slice(), self.now).await?;
            rows = self.database.query(SELECT, &[name.into()]).await?;
        }
        let row = rows.first().ok_or(KeyringError::DoesNotOpen)?;
        let key = self
            .wraps
            .open(&row.text(1)?, &row.bytes(0)?, &place("system_key", name))?;
        let key: [u8; 32] = key
            .as_slice()
            .try_into()
            .map_err(|_| KeyringError::DoesNotOpen)?;
        Ok(Zeroizing::new(key))
    }
}

/// Stores a key, unless there is one of this name.
pub(super) async fn put(
    database: &Database,
    wraps: &Wraps,
    name: &str,
    key: &[u8],
    now: DateTime<Utc>,
) -> Result<(), VaultError> {
    const INSERT: &str = "INSERT INTO vault_system_keys (name, wrapped_key, master_key_id, created_at) \
                          VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO NOTHING";
    let (wrapped, id) = wraps.seal(key, &place("system_key", name))?;
    let row: Vec<Value> = vec![name.into(), wrapped.into(), id.into(), micros(now).into()];
    database.execute(vec![(INSERT.into(), row)]).await?;
    Ok(())
}
