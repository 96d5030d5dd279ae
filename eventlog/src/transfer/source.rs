//! The database that is copied, as it is at one moment, while others go on writing to it.

use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Sqlite, Transaction};

use super::CopyError;
use crate::database::DatabaseKind;
use crate::rebuild::keep_off;
use crate::{Database, DbError, Row};

/// A transaction that only reads, and sees one state of all tables.
pub(super) enum Snapshot {
    Sqlite(Transaction<'static, Sqlite>),
    /// A connection of its own, whose locks go with it.
    Postgres(Box<PgConnection>),
}

impl Snapshot {
    /// Begins. On SQLite the state has the tables' names in it. On PostgreSQL it has not: a table that a rebuild puts in
    /// the place of another would be read as empty. So no projection is rebuilt there until the end.
    pub(super) async fn begin(
        database: &Database,
        tables: &[&str],
        projections: &[&str],
    ) -> Result<Self, CopyError> {
        match &*database.kind {
            DatabaseKind::Sqlite { pool, .. } => {
                let begun = pool.begin().await;
                Ok(Self::Sqlite(begun.map_err(DbError::from)?))
            }
            DatabaseKind::Postgres { options, .. } => {
                begin_postgres(options, tables, projections).await
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
            Self::Postgres(connection) => sqlx::query(sql)
                .fetch(&mut **connection)
                .map_err(DbError::from)
                .and_then(async |row| Row::from_postgres(&row))
                .boxed(),
        }
    }

    /// Ends, and lets projections be rebuilt again.
    pub(super) async fn end(self) -> Result<(), DbError> {
        match self {
            Self::Sqlite(transaction) => Ok(transaction.rollback().await?),
            Self::Postgres(connection) => Ok(connection.close().await?),
        }
    }
}

async fn begin_postgres(
    options: &PgConnectOptions,
    tables: &[&str],
    projections: &[&str],
) -> Result<Snapshot, CopyError> {
    let mut connection = options.connect().await.map_err(DbError::from)?;
    if let Some(name) = keep_off(&mut connection, projections).await? {
        return Err(CopyError::BeingRebuilt(name));
    }
    let tables = tables.join(", ");
    for sql in [
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        // The other side sets the pace.
        "SET LOCAL statement_timeout = 0",
        // Before the first query, which is what the state is of: so these names stand for these tables in it.
        &format!("LOCK TABLE {tables} IN ACCESS SHARE MODE"),
    ] {
        connection.execute(sql).await.map_err(DbError::from)?;
    }
    Ok(Snapshot::Postgres(Box::new(connection)))
}
