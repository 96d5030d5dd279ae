//! The database that is filled: one transaction, from the first row to the last.

use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Postgres, SqliteConnection, Transaction};

use super::table::Shape;
use crate::database::{DatabaseKind, postgres_arguments, sqlite_arguments};
use crate::postgres::{bind, group_statement, groups};
use crate::projection::Change;
use crate::{Database, DbError, Kind, Row, Value, postgres, sqlite};

/// Rows of one statement.
pub(super) const ROWS: usize = 500;
/// Parameters of one statement on SQLite.
const PARAMETERS: usize = 30_000;

pub(super) enum Target {
    Sqlite(SqliteConnection),
    Postgres(Transaction<'static, Postgres>),
}

impl Target {
    /// Begins, and keeps everybody else from writing to the log until the end.
    pub(super) async fn begin(database: &Database) -> Result<Self, DbError> {
        match &*database.kind {
            DatabaseKind::Sqlite { path, .. } => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .busy_timeout(sqlite::BUSY_TIMEOUT)
                    .pragma("synchronous", "FULL");
                let mut connection = options.connect().await?;
                sqlx::query("BEGIN IMMEDIATE")
                    .execute(&mut connection)
                    .await?;
                Ok(Self::Sqlite(connection))
            }
            DatabaseKind::Postgres { pool, .. } => {
                let mut transaction = postgres::begin(pool).await?;
                for sql in [
                    "SET LOCAL statement_timeout = 0",
                    "SELECT position FROM log_head FOR UPDATE",
                ] {
                    sqlx::query(sql).execute(&mut *transaction).await?;
                }
                Ok(Self::Postgres(transaction))
            }
        }
    }

    pub(super) async fn query(&mut self, sql: &str) -> Result<Vec<Row>, DbError> {
        match self {
            Self::Sqlite(connection) => {
                let rows = sqlx::query(sql).fetch_all(connection).await?;
                rows.iter().map(Row::from_sqlite).collect()
            }
            Self::Postgres(transaction) => {
                let rows = sqlx::query(sql).fetch_all(&mut **transaction).await?;
                rows.iter().map(Row::from_postgres).collect()
            }
        }
    }

    pub(super) async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<(), DbError> {
        match self {
            Self::Sqlite(connection) => {
                let query = sqlx::query_with(sql, sqlite_arguments(params)?);
                query.execute(connection).await?;
            }
            Self::Postgres(transaction) => {
                let query = sqlx::query_with(sql, postgres_arguments(params)?);
                query.execute(&mut **transaction).await?;
            }
        }
        Ok(())
    }

    /// Inserts rows whose values are in the order of the table's columns.
    pub(super) async fn insert(
        &mut self,
        table: &Shape,
        rows: &[Vec<Value>],
    ) -> Result<(), DbError> {
        match self {
            Self::Sqlite(connection) => {
                let at_once = (PARAMETERS / table.columns.len().max(1)).max(1);
                for rows in rows.chunks(at_once) {
                    let values = format!("({})", vec!["?"; table.columns.len()].join(", "));
                    let sql = format!(
                        "INSERT INTO {} ({}) VALUES {}",
                        table.name,
                        table.names(),
                        vec![values; rows.len()].join(", ")
                    );
                    let params: Vec<Value> = rows.concat();
                    let query = sqlx::query_with(&sql, sqlite_arguments(&params)?);
                    query.execute(&mut *connection).await?;
                }
            }
            Self::Postgres(transaction) => {
                let (sql, arguments) = insert_statement(table, rows)?;
                let query = sqlx::query_with(&sql, arguments);
                query.execute(&mut **transaction).await?;
            }
        }
        Ok(())
    }

    /// Applies a projection's changes.
    pub(super) async fn apply(&mut self, changes: &[Change]) -> Result<(), DbError> {
        match self {
            Self::Sqlite(connection) => {
                for change in changes {
                    let (sql, values) = sqlite::statement_of(change);
                    let values: Vec<Value> = values.into_iter().cloned().collect();
                    let query = sqlx::query_with(&sql, sqlite_arguments(&values)?);
                    query.execute(&mut *connection).await?;
                }
            }
            Self::Postgres(transaction) => {
                for group in groups(changes) {
                    let mut arguments = PgArguments::default();
                    let sql = group_statement(&group, changes, &mut arguments, "TRUE")?;
                    let query = sqlx::query_with(&sql, arguments);
                    query.execute(&mut **transaction).await?;
                }
            }
        }
        Ok(())
    }

    pub(super) async fn commit(self) -> Result<(), DbError> {
        match self {
            Self::Sqlite(mut connection) => {
                sqlx::query("COMMIT").execute(&mut connection).await?;
                connection.close().await?;
            }
            Self::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }
}

/// One array for each column.
fn insert_statement(table: &Shape, rows: &[Vec<Value>]) -> Result<(String, PgArguments), DbError> {
    let mut arguments = PgArguments::default();
    let (mut arrays, mut values) = (Vec::new(), Vec::new());
    for (n, column) in table.columns.iter().enumerate() {
        let cells = rows.iter().filter_map(|row| row.get(n).cloned());
        let array = bind_array(&mut arguments, column.kind, cells)?;
        arrays.push(format!("${}::{array}[]", n + 1));
        values.push(format!("c{n}::{}", column.declared));
    }
    let places: Vec<String> = (0..arrays.len()).map(|n| format!("c{n}")).collect();
    let sql = format!(
        "INSERT INTO {} ({}) SELECT {} FROM UNNEST({}) AS r({})",
        table.name,
        table.names(),
        values.join(", "),
        arrays.join(", "),
        places.join(", ")
    );
    Ok((sql, arguments))
}

fn bind_array(
    arguments: &mut PgArguments,
    kind: Kind,
    cells: impl Iterator<Item = Value>,
) -> Result<&'static str, DbError> {
    let wrong = || DbError::decode("a value that is not of its column's type");
    match kind {
        Kind::Text => {
            let texts: Option<Vec<_>> = cells
                .map(|cell| {
                    if let Value::Text(text) = cell {
                        Some(text)
                    } else {
                        None
                    }
                })
                .collect();
            bind(arguments, texts.ok_or_else(wrong)?)?;
            Ok("text")
        }
        Kind::Int => {
            let numbers: Option<Vec<_>> = cells
                .map(|cell| {
                    if let Value::Int(n) = cell {
                        Some(n)
                    } else {
                        None
                    }
                })
                .collect();
            bind(arguments, numbers.ok_or_else(wrong)?)?;
            Ok("bigint")
        }
        Kind::Bytes => {
            let bytes: Option<Vec<_>> = cells
                .map(|cell| {
                    if let Value::Bytes(b) = cell {
                        Some(b)
                    } else {
                        None
                    }
                })
                .collect();
            bind(arguments, bytes.ok_or_else(wrong)?)?;
            Ok("bytea")
        }
    }
}
