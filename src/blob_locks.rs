//! One process at a time, on whichever node: over an object of the blob store, or over the whole of it. A lock is a lease,
//! so that nobody waits for long for a node that died.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use eventlog::{Database, DbError};
use uuid::Uuid;

use crate::ports::clock::{self, micros};
use crate::ports::ids;

/// How long a lock holds when it is not given back.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// For how long its holder may rely on it. The rest is for calls of the store that are under way.
const RELIABLE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A lock that is held.
#[derive(Debug)]
pub struct BlobLock {
    database: Database,
    object: String,
    holder: Uuid,
    since: Instant,
}

impl BlobLock {
    /// Takes the lock if it is free or has run out.
    ///
    /// # Errors
    /// The database failed.
    pub async fn take(database: &Database, object: &str) -> Result<Option<Self>, DbError> {
        let lock = Self {
            database: database.clone(),
            object: object.to_owned(),
            holder: ids::new_id(),
            since: clock::monotonic(),
        };
        Ok(lock.lease().await?.then_some(lock))
    }

    /// Takes the lock as soon as it is free; `None` when it is not within `patience`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn wait(
        database: &Database,
        object: &str,
        patience: Duration,
    ) -> Result<Option<Self>, DbError> {
        let begun = clock::monotonic();
        loop {
            if let Some(lock) = Self::take(database, object).await? {
                return Ok(Some(lock));
            }
            if begun.elapsed() >= patience {
                return Ok(None);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether its holder may still rely on it.
    pub fn is_reliable(&self) -> bool {
        self.since.elapsed() < RELIABLE
    }

    /// Renews it: whether it is still held.
    ///
    /// # Errors
    /// The database failed.
    pub async fn renew(&mut self) -> Result<bool, DbError> {
        let since = clock::monotonic();
        let is_held = self.lease().await?;
        if is_held {
            self.since = since;
        }
        Ok(is_held)
    }

    async fn lease(&self) -> Result<bool, DbError> {
        const SQL: &str = "INSERT INTO blob_locks (object, holder, lease_until) VALUES ($1, $2, $3) \
             ON CONFLICT (object) DO UPDATE SET holder = excluded.holder, lease_until = excluded.lease_until \
             WHERE blob_locks.lease_until <= $4 OR blob_locks.holder = excluded.holder";
        let now = clock::now();
        let row = vec![
            self.object.as_str().into(),
            self.holder.to_string().into(),
            micros(now + LEASE).into(),
            micros(now).into(),
        ];
        let affected = self.database.execute(vec![(SQL.to_owned(), row)]).await?;
        Ok(affected.first() == Some(&1))
    }

    /// Gives it back: whether it was held until now.
    ///
    /// # Errors
    /// The database failed.
    pub async fn release(self) -> Result<bool, DbError> {
        const SQL: &str = "DELETE FROM blob_locks WHERE object = $1 AND holder = $2";
        let row = vec![self.object.into(), self.holder.to_string().into()];
        let affected = self.database.execute(vec![(SQL.to_owned(), row)]).await?;
        Ok(affected.first() == Some(&1))
    }
}
