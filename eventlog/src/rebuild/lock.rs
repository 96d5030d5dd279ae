//! Only one rebuild or comparison of a projection at once, on whatever node. The lock ends with its holder.

use std::fs::File;
use std::path::PathBuf;

use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions as _, Row as _};

use crate::database::DatabaseKind;
use crate::{Database, DbError};

/// Held as long as it lives.
#[derive(Debug)]
pub(super) enum Lock {
    /// SQLite: a file beside the database.
    File(#[expect(dead_code, reason = "closing it gives the lock back")] File),
    /// PostgreSQL: a connection of its own.
    Connection(#[expect(dead_code, reason = "closing it gives the lock back")] Box<PgConnection>),
}

/// The lock of a projection; none when somebody has it.
pub(super) async fn take(database: &Database, name: &str) -> Result<Option<Lock>, DbError> {
    const SQL: &str = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))";
    match &*database.kind {
        DatabaseKind::Sqlite { path, .. } => {
            let file = File::create(beside(path, name))?;
            match file.try_lock() {
                Ok(()) => Ok(Some(Lock::File(file))),
                Err(std::fs::TryLockError::WouldBlock) => Ok(None),
                Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
            }
        }
        DatabaseKind::Postgres { options, .. } => {
            let mut connection = options.connect().await?;
            let row = sqlx::query(SQL)
                .bind(format!("gatelog projection {name}"))
                .fetch_one(&mut connection)
                .await?;
            let is_ours: bool = row.try_get(0)?;
            Ok(is_ours.then(|| Lock::Connection(Box::new(connection))))
        }
    }
}

fn beside(path: &std::path::Path, name: &str) -> PathBuf {
    path.with_extension(format!("{name}.lock"))
}
