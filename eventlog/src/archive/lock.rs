//! One process archives at a time. The lock goes with its holder, however that ends.

use sqlx::ConnectOptions as _;

use crate::database::DatabaseKind;
use crate::{Database, DbError};

/// PostgreSQL's number for it; any will do that nobody else uses.
const NUMBER: i64 = 0x6761_7465_6c6f_6701;

/// Held as long as it lives.
#[derive(Debug)]
pub struct ArchiveLock(#[expect(dead_code, reason = "held, never looked at")] Held);

#[derive(Debug)]
#[expect(dead_code, reason = "held, never looked at")]
enum Held {
    File(std::fs::File),
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
}
