//! Comparing a read model with the log: its rows are made anew beside it and both are read in the order of their keys,
//! at one position, a row at a time.

use std::cmp::Ordering;
use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use super::beside::{Beside, Purpose};
use super::{Mode, RebuildError, begin, fill, locked, remove_all, schema};
use crate::database::DatabaseKind;
use crate::{Database, DbError, Engine, Hash, Kind, Log, Projection, Row, Table, Value};

/// Keys of a difference that are told.
const KEYS: usize = 5;

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// At which position.
    pub position: u64,
    /// Rows of the live tables.
    pub rows: u64,
    /// The digest of the live tables.
    pub live: Hash,
    /// The digest of what the log makes.
    pub log: Hash,
    /// How many keys differ.
    pub different: u64,
    /// The first of them, as `table key`.
    pub keys: Vec<String>,
}

/// Makes the projection's rows anew and compares them with the live ones.
///
/// # Errors
/// See [`RebuildError`].
pub async fn verify(
    database: &Database,
    log: &Log,
    projection: Arc<dyn Projection>,
    mode: Mode,
) -> Result<Verified, RebuildError> {
    let _lock = locked(database, projection.name()).await?;
    schema::check(database, projection.as_ref()).await?;
    let tables = Arc::new(Beside::new(Arc::clone(&projection), Purpose::Verify));
    remove_all(database, &projection).await?;
    let verified = compare(database, log, projection.as_ref(), &tables, mode).await;
    schema::remove(database, &tables).await?;
    verified
}

async fn compare(
    database: &Database,
    log: &Log,
    projection: &dyn Projection,
    tables: &Arc<Beside>,
    mode: Mode,
) -> Result<Verified, RebuildError> {
    let tail = begin(database, log, tables).await?;
    let reached = match mode {
        Mode::Inline => "SELECT position FROM log_head".to_owned(),
        Mode::Tail => {
            let name = projection.name();
            format!("SELECT position FROM tails WHERE name = '{name}'")
        }
    };
    // Most of the way first, so that the moment below is not held long.
    let mut connection = Connection::open(database).await?;
    let almost = connection.number(&reached).await?;
    connection.close().await?;
    fill(database, &tail, almost).await?;
    let mut live = Connection::at_a_moment(database).await?;
    let position = live.number(&reached).await?;
    fill(database, &tail, position).await?;
    let mut anew = Connection::open(database).await?;
    let mut found = Comparison::default();
    for (table, copy) in tables.pairs() {
        let ignored = projection.not_from_events();
        let live_rows = select(database.engine(), table, ignored);
        let anew_rows = select(database.engine(), copy, ignored);
        let (live, anew) = (live.stream(&live_rows), anew.stream(&anew_rows));
        found.table(table.name, live, anew).await?;
    }
    live.close().await?;
    anew.close().await?;
    Ok(found.verified(position))
}

/// A connection of its own, for long reads.
enum Connection {
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<PgConnection>),
}

impl Connection {
    async fn open(database: &Database) -> Result<Self, DbError> {
        match &*database.kind {
            DatabaseKind::Sqlite { path, .. } => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .busy_timeout(crate::sqlite::BUSY_TIMEOUT)
                    .pragma("query_only", "ON");
                Ok(Self::Sqlite(Box::new(options.connect().await?)))
            }
            DatabaseKind::Postgres { options, .. } => {
                let mut connection = options.connect().await?;
                connection.execute("SET statement_timeout = 0").await?;
                Ok(Self::Postgres(Box::new(connection)))
            }
        }
    }

    /// Whatever it reads is as it was at the first read.
    async fn at_a_moment(database: &Database) -> Result<Self, DbError> {
        let mut opened = Self::open(database).await?;
        match &mut opened {
            Self::Sqlite(connection) => connection.execute("BEGIN").await.map(drop)?,
            Self::Postgres(connection) => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                connection.execute(begin).await?;
            }
        }
        Ok(opened)
    }

    async fn close(self) -> Result<(), DbError> {
        match self {
            Self::Sqlite(connection) => Ok(connection.close().await?),
            Self::Postgres(connection) => Ok(connection.close().await?),
        }
    }

    async fn number(&mut self, sql: &str) -> Result<u64, DbError> {
        let row = self.stream(sql).try_next().await?;
        let number = row.map_or(Ok(0), |row| row.int(0))?;
        u64::try_from(number).map_err(|_| DbError::decode("a negative position"))
    }

    fn stream<'a>(&'a mut self, sql: &'a str) -> BoxStream<'a, Result<Row, DbError>> {
        match self {
            Self::Sqlite(connection) => {
                let rows = sqlx::query(sql).fetch(&mut **connection);
                rows.map(|row| Row::from_sqlite(&row?)).boxed()
            }
            Self::Postgres(connection) => {
                let rows = sqlx::query(sql).fetch(&mut **connection);
                rows.map(|row| Row::from_postgres(&row?)).boxed()
            }
        }
    }
}

/// Every row in the order of the keys' bytes: the key, then what comes from events.
fn select(engine: Engine, table: &Table, ignored: &[&str]) -> String {
    let columns = table.columns.iter().map(|column| column.name);
    let names: Vec<&str> = columns.filter(|name| !ignored.contains(name)).collect();
    let key = table.columns.first();
    let order = match (engine, key.map(|key| key.kind)) {
        (Engine::Postgres, Some(Kind::Text)) => " COLLATE \"C\"",
        _ => "",
    };
    let (key, columns) = (key.map_or("1", |key| key.name), names.join(", "));
    format!("SELECT {columns} FROM {} ORDER BY {key}{order}", table.name)
}

/// Both sides, as far as they were read.
#[derive(Default)]
struct Comparison {
    verified: Verified,
    live: Sha256,
    log: Sha256,
}

impl Comparison {
    /// Reads both sides of one table, side by side.
    async fn table(
        &mut self,
        table: &str,
        mut live: BoxStream<'_, Result<Row, DbError>>,
        mut log: BoxStream<'_, Result<Row, DbError>>,
    ) -> Result<(), DbError> {
        let (mut left, mut right) = (live.try_next().await?, log.try_next().await?);
        loop {
            let order = match (&left, &right) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(left), Some(right)) => by_key(left, right),
            };
            if left != right {
                let is_only_right = order == Ordering::Greater;
                let row = if is_only_right { &right } else { &left };
                self.differs(table, row.as_ref());
            }
            if order.is_le()
                && let Some(row) = &left
            {
                self.verified.rows += 1;
                row.digest(&mut self.live);
                left = live.try_next().await?;
            }
            if order.is_ge()
                && let Some(row) = &right
            {
                row.digest(&mut self.log);
                right = log.try_next().await?;
            }
        }
    }

    fn differs(&mut self, table: &str, row: Option<&Row>) {
        self.verified.different += 1;
        if self.verified.keys.len() < KEYS {
            let key = match row.and_then(Row::key) {
                Some(Value::Text(Some(text))) => text.clone(),
                Some(Value::Int(Some(number))) => number.to_string(),
                _ => "?".to_owned(),
            };
            self.verified.keys.push(format!("{table} {key}"));
        }
    }

    fn verified(self, position: u64) -> Verified {
        Verified {
            position,
            live: self.live.finalize().into(),
            log: self.log.finalize().into(),
            ..self.verified
        }
    }
}

/// The order in which both engines give rows: that of the keys' bytes.
fn by_key(left: &Row, right: &Row) -> Ordering {
    match (left.key(), right.key()) {
        (Some(Value::Text(left)), Some(Value::Text(right))) => left.cmp(right),
        (Some(Value::Int(left)), Some(Value::Int(right))) => left.cmp(right),
        (Some(Value::Bytes(left)), Some(Value::Bytes(right))) => left.cmp(right),
        _ => Ordering::Equal,
    }
}
