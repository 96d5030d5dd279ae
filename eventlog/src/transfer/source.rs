//! The database that is copied, as it is at one moment, while others go on writing to it.

use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use sqlx::{Postgres, Sqlite, Transaction};

use crate::database::DatabaseKind;
use crate::{Database, DbError, Row, postgres};

/// A transaction that only reads, and sees one state of all tables.
pub(super) enum Snapshot {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Snapshot {
    pub(super) async fn begin(database: &Database) -> Result<Self, DbError> {
        match &*database.kind {
            DatabaseKind::Sqlite { pool, .. } => Ok(Self::Sqlite(pool.begin().await?)),
            DatabaseKind::Postgres { pool, .. } => {
                let mut transaction = postgres::begin(pool).await?;
                for sql in [
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
                    // The other side sets the pace.
                    "SET LOCAL statement_timeout = 0",
                ] {
                    sqlx::query(sql).execute(&mut *transaction).await?;
                }
                Ok(Self::Postgres(transaction))
            }
        }
    }

    /// The rows of a query, as they come.
    pub(super) fn rows<'a>(&'a mut self, sql: &'a str) -> BoxStream<'a, Result<Row, DbError>> {
        match self {
            Self::Sqlite(transaction) => sqlx::query(sql)
                .fetch(&mut **transaction)
                .map_err(DbError::from)
                .and_then(async |row| Row::from_sqlite(&row))
                .boxed(),
            Self::Postgres(transaction) => sqlx::query(sql)
                .fetch(&mut **transaction)
                .map_err(DbError::from)
                .and_then(async |row| Row::from_postgres(&row))
                .boxed(),
        }
    }
}
