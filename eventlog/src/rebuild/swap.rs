//! Putting rebuilt tables in the place of the live ones, in one transaction.
//!
//! Locks are taken in the order of the appends and of the tails: the head of the log or the tail's checkpoint first, then
//! the tables. On PostgreSQL the head is locked as a table, because a statement that appends has locked every table that
//! it writes before it waits for the head's row.

use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior, params};
use sqlx::postgres::PgConnection;
use sqlx::{Executor as _, Row as _};

use super::Mode;
use super::beside::Beside;
use super::schema::{former, indexes};
use crate::database::DatabaseKind;
use crate::upcast::Newest;
use crate::{Change, Database, DbError, Log, Projection, RecordedEvent, fold, postgres, sqlite};

/// Events of the last stretch that are read at once.
const STRETCH: usize = 500;
/// A checkpoint that moves leaves the event behind that it was parked at.
const LEAVE: &str = "UPDATE tails SET parked_at = NULL, failed_position = NULL, failed_event_id = NULL, \
                     failed_reason = NULL, attempts = 0 WHERE name = $1 AND position < $2";
const MOVE: &str = "UPDATE tails SET position = $2 WHERE name = $1 AND position <= $2";
const FORGET: &str = "DELETE FROM tails WHERE name = $1 AND position = $2";

/// PostgreSQL: appends wait while this transaction has the head, so it gives up soon when somebody is at a table, and its
/// server ends it when this process says nothing more.
const LIMITS: [&str; 2] = [
    "SET LOCAL lock_timeout = '200ms'",
    "SET LOCAL idle_in_transaction_session_timeout = '5s'",
];

/// What is swapped.
pub(super) struct Swap {
    name: &'static str,
    log: Log,
    tables: Arc<Beside>,
    newest: Newest,
    mode: Mode,
    /// How far the new tables are filled.
    at: u64,
    /// PostgreSQL: the names of indexes and what they are called afterwards.
    renames: Vec<(String, String)>,
}

impl Swap {
    pub(super) async fn new(
        database: &Database,
        log: &Log,
        name: &'static str,
        tables: &Arc<Beside>,
        mode: Mode,
        at: u64,
    ) -> Result<Self, DbError> {
        let mut renames = Vec::new();
        for (live, _) in tables.pairs() {
            let indexes = indexes(database, live).await?.into_iter();
            renames.extend(indexes.map(|index| (index.name, index.live)));
        }
        let projection: Arc<dyn Projection> = Arc::<Beside>::clone(tables);
        Ok(Self {
            name,
            log: log.clone(),
            tables: Arc::clone(tables),
            newest: Newest {
                projection,
                upcasters: log.upcasters(),
            },
            mode,
            at,
            renames,
        })
    }

    /// The position of the tables that are live now; nothing when the new ones were behind.
    pub(super) async fn run(self, database: &Database) -> Result<Option<u64>, DbError> {
        match &*database.kind {
            DatabaseKind::Sqlite { writer, .. } => {
                writer
                    .run(move |connection| self.on_sqlite(connection))
                    .await
            }
            DatabaseKind::Postgres { pool, .. } => {
                let mut transaction = postgres::begin(pool).await?;
                let Some(position) = self.on_postgres(&mut transaction).await? else {
                    return Ok(None);
                };
                transaction.commit().await?;
                Ok(Some(position))
            }
        }
    }

    /// What the events make that follow on `position`. One that is missing would be missing in the tables for good.
    fn changes(&self, position: u64, events: &[RecordedEvent]) -> Result<Vec<Change>, DbError> {
        let mut changes = Vec::new();
        for (event, wanted) in events.iter().zip(position + 1..) {
            if event.position != wanted {
                return Err(DbError::decode("a log with a gap"));
            }
            let projected = self.newest.project(event, &mut changes);
            projected.map_err(|error| DbError::Event(error.to_string()))?;
        }
        Ok(fold(changes))
    }

    fn on_sqlite(&self, connection: &mut Connection) -> Result<Option<u64>, DbError> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let own = sqlite::numbered;
        let at = self.at.cast_signed();
        if transaction.execute(&own(FORGET), params![self.tables.name(), at])? == 0 {
            return Err(DbError::decode("no rebuilt table"));
        }
        let mut position = self.at;
        if self.mode == Mode::Inline {
            loop {
                let events = sqlite::read_all(&transaction, position, STRETCH)?;
                let Some(last) = events.last() else { break };
                sqlite::apply(&transaction, &self.changes(position, &events)?)?;
                position = last.position;
            }
        } else {
            transaction.execute(&own(LEAVE), params![self.name, at])?;
            if transaction.execute(&own(MOVE), params![self.name, at])? == 0 {
                return Ok(None);
            }
        }
        for (live, copy) in self.tables.pairs() {
            let (former, live, copy) = (former(live), live.name, copy.name);
            transaction.execute_batch(&format!(
                "ALTER TABLE {live} RENAME TO {former}; ALTER TABLE {copy} RENAME TO {live};"
            ))?;
        }
        transaction.commit()?;
        Ok(Some(position))
    }

    async fn on_postgres(&self, connection: &mut PgConnection) -> Result<Option<u64>, DbError> {
        for limit in LIMITS {
            connection.execute(limit).await?;
        }
        let position = match self.mode {
            Mode::Inline => self.last_stretch(connection).await?,
            Mode::Tail => {
                self.execute(connection, LEAVE, self.name).await?;
                if self.execute(connection, MOVE, self.name).await? == 0 {
                    return Ok(None);
                }
                self.at
            }
        };
        let own = self.tables.name();
        if self.execute(connection, FORGET, own).await? == 0 {
            return Err(DbError::decode("no rebuilt table"));
        }
        for (live, copy) in self.tables.pairs() {
            let (former, live, copy) = (former(live), live.name, copy.name);
            for sql in [
                format!("LOCK TABLE {live} IN ACCESS EXCLUSIVE MODE"),
                format!("ALTER TABLE {live} RENAME TO {former}"),
                format!("ALTER TABLE {copy} RENAME TO {live}"),
                format!("DROP TABLE {former}"),
            ] {
                connection.execute(sql.as_str()).await?;
            }
        }
        for (made, wanted) in &self.renames {
            let rename = format!("ALTER INDEX {made} RENAME TO {wanted}");
            connection.execute(rename.as_str()).await?;
        }
        Ok(Some(position))
    }

    /// Keeps every append waiting and takes what came since.
    async fn last_stretch(&self, connection: &mut PgConnection) -> Result<u64, DbError> {
        let lock = "LOCK TABLE log_head IN EXCLUSIVE MODE";
        connection.execute(lock).await?;
        let row = connection
            .fetch_one("SELECT position FROM log_head")
            .await?;
        let head = row.try_get::<i64, _>(0)?.cast_unsigned();
        let mut position = self.at;
        while position < head {
            let events = self.log.read_all(position, STRETCH).await?;
            let Some(last) = events.last() else {
                return Err(DbError::decode("a head beyond its events"));
            };
            postgres::apply(connection, &self.changes(position, &events)?).await?;
            position = last.position;
        }
        Ok(position)
    }

    async fn execute(
        &self,
        connection: &mut PgConnection,
        sql: &str,
        name: &str,
    ) -> Result<u64, DbError> {
        let query = sqlx::query(sql).bind(name).bind(self.at.cast_signed());
        Ok(query.execute(connection).await?.rows_affected())
    }
}
