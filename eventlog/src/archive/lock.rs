//! One process archives at a time. The lock goes with its holder, however that ends.

use sqlx::ConnectOptions as _;

use crate::database::DatabaseKind;
use crate::{Database, DbError};

/// PostgreSQL's number for it; any will do that nobody else uses.
const NUMBER: i64 = 0x6761_7465_6c6f_6701;

/// Held as long as it lives. Dropped, it is free for others a moment later; [`Self::release`] waits for that.
#[derive(Debug)]
pub struct ArchiveLock(Held);

#[derive(Debug)]
enum Held {
    File(#[expect(dead_code, reason = "held, never looked at")] std::fs::File),
    Connection(Box<sqlx::PgConnection>),
}

impl ArchiveLock {
    /// The lock, or nothing when another process has it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn take(database: &Database) -> Result<Option<Self>, DbError> {
        match &*database.kind {
            DatabaseKind::Sqlite { path, .. } => {
                let file = std::fs::File::create(path.with_extension("archive.lock"))?;
                match file.try_lock() {
                    Ok(()) => Ok(Some(Self(Held::File(file)))),
                    Err(std::fs::TryLockError::WouldBlock) => Ok(None),
                    Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
                }
            }
            DatabaseKind::Postgres { options, .. } => {
                let mut connection = options.connect().await?;
                let is_taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
                    .bind(NUMBER)
                    .fetch_one(&mut connection)
                    .await?;
                Ok(is_taken.then(|| Self(Held::Connection(Box::new(connection)))))
            }
        }
    }

    /// Gives it up: whoever tries next gets it.
    ///
    /// # Errors
    /// The database failed; then the lock goes with the connection.
    pub async fn release(self) -> Result<(), DbError> {
        if let Held::Connection(mut connection) = self.0 {
            sqlx::query("SELECT pg_advisory_unlock($1)")
                .bind(NUMBER)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
}
