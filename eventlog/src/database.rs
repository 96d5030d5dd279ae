//! A database of either engine: opening, migrating, queries and small transactions.
//!
//! Statements are portable: `$1..$n` in the order of their first appearance, TEXT, 64-bit numbers and bytes.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions,
};
use sqlx::{Arguments as _, ConnectOptions as _, Connection as _, Executor as _};

use crate::archive::{Archive, SegmentStore};
use crate::projection::Change;
use crate::rebuild::schema::REBUILT;
use crate::sqlite::{Durability, Readers, SqliteWriter};
use crate::{DbError, Row, Value, postgres, sqlite};

/// Connections of a pool.
const POOL_CONNECTIONS: u32 = 10;
/// How long a request waits for one.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Which engine a database is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Embedded, one server.
    Sqlite,
    /// Any number of servers.
    Postgres,
}

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("../migrations/postgres");

/// A handle; cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    pub(crate) kind: Arc<DatabaseKind>,
    pub(crate) archive: Option<Arc<Archive>>,
}

#[derive(Debug)]
pub(crate) enum DatabaseKind {
    Sqlite {
        path: PathBuf,
        readers: Arc<Readers>,
        writer: SqliteWriter,
        /// What the cqrs-es persistence crates read through.
        pool: SqlitePool,
    },
    Postgres {
        pool: PgPool,
        options: Box<PgConnectOptions>,
    },
}

/// A statement with its parameters.
pub type Statement = (String, Vec<Value>);

impl Database {
    /// Opens `sqlite://path` (made with mode 0600 if missing) or `postgres://…`.
    ///
    /// # Errors
    /// The engine is unknown or does not answer.
    pub async fn open(url: &str) -> Result<Self, DbError> {
        let kind = if let Some(path) = url.strip_prefix("sqlite://") {
            open_sqlite(Path::new(path)).await?
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            open_postgres(url).await?
        } else {
            return Err(DbError::UnknownEngine);
        };
        Ok(Self {
            kind: Arc::new(kind),
            archive: None,
        })
    }

    /// The same database with the store of its log's segments, without which what was archived cannot be read.
    #[must_use]
    pub fn with_archive(self, store: Arc<dyn SegmentStore>) -> Self {
        Self {
            archive: Some(Arc::new(Archive::new(store))),
            ..self
        }
    }

    /// Which engine it is.
    pub fn engine(&self) -> Engine {
        match &*self.kind {
            DatabaseKind::Sqlite { .. } => Engine::Sqlite,
            DatabaseKind::Postgres { .. } => Engine::Postgres,
        }
    }

    /// Brings the schema up to date. Several processes may do so at once.
    ///
    /// # Errors
    /// A migration failed, or the database is of a newer version.
    pub async fn migrate(&self) -> Result<(), DbError> {
        match &*self.kind {
            DatabaseKind::Sqlite { path, .. } => migrate_sqlite(path).await,
            DatabaseKind::Postgres { pool, .. } => Ok(POSTGRES_MIGRATIONS.run(pool).await?),
        }
    }

    /// The number of the last migration that this database has; 0 before the first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn schema(&self) -> Result<i64, DbError> {
        const LAST: &str = "SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations";
        let is_there = match self.engine() {
            Engine::Sqlite => {
                "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'"
            }
            Engine::Postgres => {
                "SELECT COUNT(*) FROM pg_tables WHERE schemaname = CURRENT_SCHEMA AND tablename = '_sqlx_migrations'"
            }
        };
        if first_number(&self.query(is_there, &[]).await?)? == 0 {
            return Ok(0);
        }
        first_number(&self.query(LAST, &[]).await?)
    }

    /// The time by the database's own clock; `None` where it has none but this machine's.
    ///
    /// # Errors
    /// The database failed.
    pub async fn clock(&self) -> Result<Option<DateTime<Utc>>, DbError> {
        const SQL: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
        match self.engine() {
            Engine::Sqlite => Ok(None),
            Engine::Postgres => self.time(SQL).await,
        }
    }

    /// When the newest event was recorded that is still in the database.
    ///
    /// # Errors
    /// The database failed.
    pub async fn last_recorded_at(&self) -> Result<Option<DateTime<Utc>>, DbError> {
        const SQL: &str = "SELECT recorded_at FROM events ORDER BY position DESC LIMIT 1";
        self.time(SQL).await
    }

    /// The microseconds that a query gives.
    async fn time(&self, sql: &str) -> Result<Option<DateTime<Utc>>, DbError> {
        let rows = self.query(sql, &[]).await?;
        let micros = rows.first().map(|row| row.int(0)).transpose()?;
        Ok(micros.and_then(DateTime::from_timestamp_micros))
    }

    /// The number of the last migration that this program knows.
    pub fn newest_schema(&self) -> i64 {
        let migrator = match self.engine() {
            Engine::Sqlite => &SQLITE_MIGRATIONS,
            Engine::Postgres => &POSTGRES_MIGRATIONS,
        };
        let versions = migrator.iter().map(|migration| migration.version);
        versions.max().unwrap_or_default()
    }

    /// The rows of a query.
    ///
    /// # Errors
    /// The database failed.
    pub async fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
        match &*self.kind {
            DatabaseKind::Sqlite { readers, .. } => {
                let queries = vec![(sql.to_owned(), params.to_vec())];
                let mut rows = readers.rows_of_each(queries).await?;
                Ok(rows.pop().unwrap_or_default())
            }
            DatabaseKind::Postgres { pool, .. } => {
                let mut lost = LostConnections::default();
                loop {
                    let query = sqlx::query_with(sql, postgres_arguments(params)?);
                    let rows = query.fetch_all(pool).await.map_err(DbError::from);
                    if !lost.again(&rows) {
                        return rows?.iter().map(Row::from_postgres).collect();
                    }
                }
            }
        }
    }

    /// The rows of each query.
    pub(crate) async fn query_each(
        &self,
        queries: Vec<Statement>,
    ) -> Result<Vec<Vec<Row>>, DbError> {
        if let DatabaseKind::Sqlite { readers, .. } = &*self.kind {
            return readers.rows_of_each(queries).await;
        }
        let mut all = Vec::with_capacity(queries.len());
        for (sql, params) in &queries {
            all.push(self.query(sql, params).await?);
        }
        Ok(all)
    }

    /// Executes statements in one transaction; the rows that each affected.
    ///
    /// # Errors
    /// The database failed; then nothing was written.
    pub async fn execute(&self, statements: Vec<Statement>) -> Result<Vec<u64>, DbError> {
        self.execute_as(statements, Durability::Durable).await
    }

    /// As [`Self::execute`], for what may be lost when the machine loses its power in the next moments, together with
    /// everything of its kind that came after it. On SQLite it waits for no disk; what is durable takes along what came
    /// before it. On PostgreSQL it is as durable as everything else.
    ///
    /// # Errors
    /// The database failed; then nothing was written.
    pub async fn execute_relaxed(&self, statements: Vec<Statement>) -> Result<Vec<u64>, DbError> {
        self.execute_as(statements, Durability::Relaxed).await
    }

    async fn execute_as(
        &self,
        statements: Vec<Statement>,
        durability: Durability,
    ) -> Result<Vec<u64>, DbError> {
        match &*self.kind {
            DatabaseKind::Sqlite { writer, .. } => {
                let job =
                    move |connection: Result<&_, _>| sqlite::execute(connection?, &statements);
                writer.write(durability, job, |_, error| error).await?
            }
            DatabaseKind::Postgres { pool, .. } => {
                let mut transaction = postgres::begin(pool).await?;
                let mut affected = Vec::with_capacity(statements.len());
                for (sql, params) in &statements {
                    let query = sqlx::query_with(sql, postgres_arguments(params)?);
                    affected.push(query.execute(&mut *transaction).await?.rows_affected());
                }
                transaction.commit().await?;
                Ok(affected)
            }
        }
    }

    /// Moves a tail's checkpoint from `from` to `to` and applies its changes, in one transaction. False, and
    /// nothing done, when somebody else has moved it. Both are relaxed: what is lost together is done again from the log.
    pub(crate) async fn advance(
        &self,
        tail: &'static str,
        from: u64,
        to: u64,
        changes: Vec<Change>,
    ) -> Result<bool, DbError> {
        match &*self.kind {
            DatabaseKind::Sqlite { writer, .. } => {
                let job = move |connection: Result<&_, _>| {
                    sqlite::advance(connection?, tail, from, to, &changes)
                };
                let relaxed = Durability::Relaxed;
                writer.write(relaxed, job, |_, error| error).await?
            }
            DatabaseKind::Postgres { pool, .. } => {
                postgres::advance(pool, tail, from, to, &changes).await
            }
        }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn check(&self) -> Result<(), DbError> {
        self.query("SELECT position FROM log_head", &[])
            .await
            .map(|_| ())
    }

    /// Closes, and leaves everything that was written in SQLite's one file, for one that is to be copied.
    ///
    /// # Errors
    /// Somebody else is using it.
    pub async fn close_whole(&self) -> Result<(), DbError> {
        const SQL: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.close().await;
        if let DatabaseKind::Sqlite { path, .. } = &*self.kind {
            let connection = rusqlite::Connection::open(path)?;
            if connection.query_row(SQL, [], |row| row.get(0))? {
                return Err(DbError::Busy);
            }
        }
        Ok(())
    }

    /// Waits for what is being written and closes every connection.
    pub async fn close(&self) {
        match &*self.kind {
            DatabaseKind::Sqlite {
                readers,
                writer,
                pool,
                ..
            } => {
                readers.close().await;
                pool.close().await;
                // Last, as the others may not move what is in the write-ahead log.
                writer.close().await;
            }
            DatabaseKind::Postgres { pool, .. } => pool.close().await,
        }
    }
}

async fn open_sqlite(path: &Path) -> Result<DatabaseKind, DbError> {
    sqlite::create_file(path)?;
    let writer = SqliteWriter::open(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(sqlite::BUSY_TIMEOUT)
        .pragma("query_only", "ON")
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(POOL_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_with(options)
        .await?;
    Ok(DatabaseKind::Sqlite {
        readers: Arc::new(Readers::new(path.to_owned())),
        path: path.to_owned(),
        writer,
        pool,
    })
}

fn first_number(rows: &[Row]) -> Result<i64, DbError> {
    rows.first().map_or(Ok(0), |row| row.int(0))
}

/// A lock file keeps two processes from migrating at once.
async fn migrate_sqlite(path: &Path) -> Result<(), DbError> {
    let lock_path = path.with_extension("migrate.lock");
    let lock = std::fs::File::create(&lock_path)?;
    lock.lock()?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(sqlite::BUSY_TIMEOUT);
    let mut connection = options.connect().await?;
    restore_index_names(&mut connection, &SQLITE_MIGRATIONS).await?;
    SQLITE_MIGRATIONS.run_direct(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// A rebuild leaves indexes under other names. Migrations know them by their own: before one runs they get them back.
async fn restore_index_names(
    connection: &mut SqliteConnection,
    migrator: &Migrator,
) -> Result<(), DbError> {
    const INDEXES: &str = "SELECT name, sql FROM sqlite_master WHERE type = 'index'";
    const LAST: &str = "SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations";
    let rows = sqlx::query(INDEXES).fetch_all(&mut *connection).await?;
    let indexes = rows
        .iter()
        .map(Row::from_sqlite)
        .collect::<Result<Vec<_>, _>>()?;
    let mut restore = String::new();
    for index in indexes {
        let (name, made) = (index.text(0)?, index.opt_text(1)?);
        if let (Some(plain), Some(made)) = (name.strip_suffix(REBUILT), made) {
            let anew = made.replacen(&name, plain, 1);
            for part in ["DROP INDEX ", &name, "; ", &anew, ";"] {
                restore.push_str(part);
            }
        }
    }
    if restore.is_empty() {
        return Ok(());
    }
    let last: i64 = sqlx::query_scalar(LAST).fetch_one(&mut *connection).await?;
    if migrator.iter().any(|migration| migration.version > last) {
        let all = format!("BEGIN IMMEDIATE; {restore} COMMIT;");
        connection.execute(all.as_str()).await?;
    }
    Ok(())
}

async fn open_postgres(url: &str) -> Result<DatabaseKind, DbError> {
    let options = PgConnectOptions::from_str(url)?
        .options([
            ("jit", "off"),
            ("statement_timeout", "30s"),
            ("lock_timeout", "10s"),
        ])
        .application_name("gatelog")
        .disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(POOL_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_with(options.clone())
        .await?;
    Ok(DatabaseKind::Postgres {
        pool,
        options: Box::new(options),
    })
}

/// Lets what leaves no trace be done again when it met a connection that was lost: after a restart of the database
/// every idle connection of the pool is, and the pool learns of each by its use.
#[derive(Debug, Default)]
pub(crate) struct LostConnections(u32);

impl LostConnections {
    /// Whether to do again what ended so.
    pub(crate) fn again<T>(&mut self, result: &Result<T, DbError>) -> bool {
        let is_lost = result.as_ref().is_err_and(DbError::is_lost_connection);
        self.0 += u32::from(is_lost);
        is_lost && self.0 <= POOL_CONNECTIONS
    }
}

pub(crate) fn sqlite_arguments(params: &[Value]) -> Result<SqliteArguments<'_>, DbError> {
    let mut arguments = SqliteArguments::default();
    for param in params {
        let added = match param {
            Value::Text(text) => arguments.add(text.as_deref()),
            Value::Int(number) => arguments.add(*number),
            Value::Bytes(bytes) => arguments.add(bytes.as_deref()),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

pub(crate) fn postgres_arguments(params: &[Value]) -> Result<PgArguments, DbError> {
    let mut arguments = PgArguments::default();
    for param in params {
        let added = match param {
            Value::Text(text) => arguments.add(text.as_deref()),
            Value::Int(number) => arguments.add(*number),
            Value::Bytes(bytes) => arguments.add(bytes.as_deref()),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}
