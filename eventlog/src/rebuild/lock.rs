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

/// With whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum With {
    /// Whoever rebuilds or compares.
    Nobody,
    /// Whoever only wants that nobody does.
    Others,
}

/// The lock of a projection; none when somebody has it.
pub(super) async fn take(
    database: &Database,
    name: &str,
    with: With,
) -> Result<Option<Lock>, DbError> {
    match &*database.kind {
        DatabaseKind::Sqlite { path, .. } => {
            let file = File::create(beside(path, name))?;
            let locked = match with {
                With::Nobody => file.try_lock(),
                With::Others => file.try_lock_shared(),
            };
            match locked {
                Ok(()) => {
                    // What one that was dropped in this process had given to the writer is done by then.
                    database.execute(Vec::new()).await?;
                    Ok(Some(Lock::File(file)))
                }
                Err(std::fs::TryLockError::WouldBlock) => Ok(None),
                Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
            }
        }
        DatabaseKind::Postgres { options, .. } => {
            let mut connection = options.connect().await?;
            let is_ours = take_on(&mut connection, name, with).await?;
            Ok(is_ours.then(|| Lock::Connection(Box::new(connection))))
        }
    }
}

/// PostgreSQL: the lock on a connection, as long as that lives; false when somebody has it.
pub(super) async fn take_on(
    connection: &mut PgConnection,
    name: &str,
    with: With,
) -> Result<bool, DbError> {
    let sql = match with {
        With::Nobody => "SELECT pg_try_advisory_lock(hashtextextended($1, 0))",
        With::Others => "SELECT pg_try_advisory_lock_shared(hashtextextended($1, 0))",
    };
    let query = sqlx::query(sql).bind(format!("gatelog projection {name}"));
    Ok(query.fetch_one(connection).await?.try_get(0)?)
}

fn beside(path: &std::path::Path, name: &str) -> PathBuf {
    path.with_extension(format!("{name}.lock"))
}
