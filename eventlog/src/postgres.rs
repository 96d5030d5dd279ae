//! PostgreSQL: the group commit as one statement.
//!
//! The row of `log_head` is the append lock. When this node's last commit is still the head, a batch is one
//! statement and one round trip: the update of that row, conditional on the head and on every stream's
//! version, decides whether anything of the batch is written (under READ COMMITTED a waiting update looks at
//! the row again). When another node has written, or something conflicts, the batch goes through an explicit
//! transaction that locks the row first.

mod changes;
mod lines;
mod statement;

use std::time::Duration;

use sqlx::postgres::{
    PgArguments, PgConnectOptions, PgConnection, PgDatabaseError, PgPool, PgSeverity,
};
use sqlx::{ConnectOptions as _, Executor as _, Postgres, Row as _, Transaction};
use uuid::Uuid;

pub(crate) use changes::{group_statement, groups};
pub(crate) use lines::{read_events, read_lines};
pub(crate) use statement::bind;
use statement::{Outcome, append_statement, outcome};

use crate::batch::{Batch, Head};
use crate::checkpoint::MOVE;
use crate::database::{LostConnections, postgres_arguments};
use crate::merkle::Hash;
use crate::projection::Change;
use crate::tiles::{Edge, TILE_WIDTH, edge_tiles};
use crate::{AppendError, DbError};

/// Batches that go through the explicit transaction after a lost prediction: other nodes are writing.
const CAUTIOUS_BATCHES: u32 = 16;
/// How long an answer is waited for: longer than the database's own time-outs, for when it is the network that hangs.
const ANSWER: Duration = Duration::from_secs(30);
/// How long the outcome of a lost commit is looked for.
const FIND_OUT: Duration = Duration::from_secs(10);

/// Settings of the appending connection.
///
/// The plan of the one statement is made once, perhaps while the tables are still empty, and must serve for ever:
/// every look-up in it is by an index, so the plans that read whole tables are ruled out rather than left to
/// statistics. Time-outs keep a holder of the append lock that hangs from stopping every other node.
const SETTINGS: [(&str, &str); 7] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("statement_timeout", "20s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "5s"),
];

/// The connection that appends.
#[derive(Debug)]
pub(crate) struct PostgresAppender {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
    /// Who serves it, or served the last one.
    backend: Option<Backend>,
    head: Option<Head>,
    cautious: u32,
}

impl PostgresAppender {
    pub(crate) fn new(options: PgConnectOptions) -> Self {
        Self {
            options: options.options(SETTINGS),
            connection: None,
            backend: None,
            head: None,
            cautious: 0,
        }
    }

    /// Commits the batch; appends that conflict are answered here and are not in what comes back.
    pub(crate) async fn commit(&mut self, batch: Batch) -> Result<Batch, (Batch, AppendError)> {
        let prediction = self.head.take().filter(|_| self.cautious == 0);
        self.cautious = self.cautious.saturating_sub(1);
        let batch = match prediction {
            Some(head) => match self.predict(batch, head).await {
                Ok(Ok(batch)) => return Ok(batch),
                Ok(Err(batch)) => batch,
                Err(failed) => return self.find_out(failed).await,
            },
            None => batch,
        };
        match self.lock_and_commit(batch).await {
            Ok(batch) => Ok(batch),
            Err(failed) => self.find_out(failed).await,
        }
    }

    /// One round trip, on the head that this node knows. Gives the batch back when the prediction was wrong.
    async fn predict(&mut self, batch: Batch, head: Head) -> Result<Result<Batch, Batch>, Failed> {
        if batch.wants_edge(&head) {
            return Ok(Err(batch));
        }
        let batch = built(batch, &head)?;
        if batch.appends.is_empty() {
            self.head = Some(head);
            return Ok(Ok(batch));
        }
        let connection = match self.connect().await {
            Ok(connection) => connection,
            Err(error) => return Err(Failed::before_commit(batch, error)),
        };
        match append(connection, &batch, &head).await {
            Ok(Outcome::Moved) => {
                self.head = Some(batch.new_head.clone());
                Ok(Ok(batch))
            }
            Ok(Outcome::NotMoved(conflicts)) => {
                if conflicts.is_empty() {
                    self.cautious = CAUTIOUS_BATCHES;
                }
                Ok(Err(batch))
            }
            Err(error) => Err(Failed::at_commit(batch, error)),
        }
    }

    async fn lock_and_commit(&mut self, batch: Batch) -> Result<Batch, Failed> {
        let connection = match self.connect().await {
            Ok(connection) => connection,
            Err(error) => return Err(Failed::before_commit(batch, error)),
        };
        let head = match lock_head(connection).await {
            Ok(head) => head,
            Err(error) => return Err(Failed::before_commit(batch, error)),
        };
        let mut batch = batch;
        if batch.wants_edge(&head) {
            match read_edge(connection, head.position()).await {
                Ok(edge) => batch.edge = edge,
                Err(error) => return Err(Failed::before_commit(batch, error)),
            }
        }
        loop {
            batch = built(batch, &head)?;
            if batch.appends.is_empty() {
                let rolled_back = sqlx::query("ROLLBACK").execute(&mut *connection).await;
                self.head = rolled_back.is_ok().then_some(head);
                return Ok(batch);
            }
            match append(connection, &batch, &head).await {
                Ok(Outcome::Moved) => break,
                Ok(Outcome::NotMoved(conflicts)) if conflicts.is_empty() => {
                    let error = DbError::decode("a head that moved under its lock");
                    return Err(Failed::before_commit(batch, error));
                }
                Ok(Outcome::NotMoved(conflicts)) => batch.refuse(&conflicts),
                Err(error) => return Err(Failed::before_commit(batch, error)),
            }
        }
        match sqlx::query("COMMIT").execute(&mut *connection).await {
            Ok(_) => {
                self.head = Some(batch.new_head.clone());
                Ok(batch)
            }
            Err(error) => Err(Failed::at_commit(batch, error.into())),
        }
    }

    /// The connection may have been lost after the commit, or before it, while the database has not noticed: it may still
    /// wait for a lock and commit later. So a new one ends the old one's backend, waits for the lock, and looks whether
    /// the events are there.
    async fn find_out(&mut self, failed: Failed) -> Result<Batch, (Batch, AppendError)> {
        self.connection = None;
        self.head = None;
        let lost = self.backend.take();
        let Failed {
            batch,
            error,
            may_be_committed,
        } = failed;
        if !may_be_committed {
            return Err((batch, error.into()));
        }
        match tokio::time::timeout(FIND_OUT, self.is_committed(&batch, lost)).await {
            Ok(true) => Ok(batch),
            Ok(false) => Err((batch, error.into())),
            Err(_) => Err((batch, AppendError::OutcomeUnknown)),
        }
    }

    /// The batch is there when its first event is, at its own position: an event of the same name elsewhere is that
    /// of an earlier try.
    async fn is_committed(&mut self, batch: &Batch, lost: Option<Backend>) -> bool {
        let Some(first) = batch.events.first() else {
            return false;
        };
        loop {
            match self.look_for(first.position, first.event_id, lost).await {
                Ok(Found::Known(found)) => return found,
                // Archived since: nobody can tell any more.
                Ok(Found::Archived) => std::future::pending().await,
                Ok(Found::StillRunning) => {}
                Err(_) => self.connection = None,
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn look_for(
        &mut self,
        position: u64,
        event_id: Uuid,
        lost: Option<Backend>,
    ) -> Result<Found, DbError> {
        const SQL: &str = "SELECT COALESCE((SELECT event_id = $2 FROM events WHERE position = $1), \
            CASE WHEN EXISTS (SELECT 1 FROM log_segments WHERE last_position >= $1) THEN NULL ELSE FALSE END)";
        let connection = self.connect().await?;
        if let Some(lost) = lost
            && !lost.is_gone(connection).await?
        {
            return Ok(Found::StillRunning);
        }
        lock_head(connection).await?;
        let found: Option<bool> = sqlx::query_scalar(SQL)
            .bind(position.cast_signed())
            .bind(event_id)
            .fetch_one(&mut *connection)
            .await?;
        sqlx::query("ROLLBACK").execute(&mut *connection).await?;
        Ok(found.map_or(Found::Archived, Found::Known))
    }

    async fn connect(&mut self) -> Result<&mut PgConnection, DbError> {
        let connection = if let Some(connection) = self.connection.take() {
            connection
        } else {
            let mut connection = self.options.connect().await?;
            self.backend = Some(Backend::of(&mut connection).await?);
            connection
        };
        Ok(self.connection.insert(connection))
    }
}

/// What is known of a batch whose answer was lost.
enum Found {
    /// Whether it is in the log.
    Known(bool),
    /// Its place is in the archive.
    Archived,
    /// Whoever was to commit it has not ended yet.
    StillRunning,
}

/// The server's side of a connection: processes' numbers come again, but not with the same start.
#[derive(Debug, Clone, Copy)]
struct Backend {
    pid: i32,
    started_micros: i64,
}

impl Backend {
    async fn of(connection: &mut PgConnection) -> Result<Self, DbError> {
        const SQL: &str = "SELECT pid, (extract(epoch FROM backend_start) * 1000000)::bigint \
                           FROM pg_stat_activity WHERE pid = pg_backend_pid()";
        let row = connection.fetch_one(SQL).await?;
        Ok(Self {
            pid: row.try_get(0)?,
            started_micros: row.try_get(1)?,
        })
    }

    /// Ends it, if it has not ended: whether it had. It is of this connection's own role.
    async fn is_gone(self, connection: &mut PgConnection) -> Result<bool, DbError> {
        const SQL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
            WHERE pid = $1 AND (extract(epoch FROM backend_start) * 1000000)::bigint = $2";
        let query = sqlx::query(SQL).bind(self.pid).bind(self.started_micros);
        Ok(query.fetch_optional(connection).await?.is_none())
    }
}

/// A batch that did not go through.
struct Failed {
    batch: Batch,
    error: DbError,
    may_be_committed: bool,
}

impl Failed {
    fn before_commit(batch: Batch, error: DbError) -> Self {
        Self {
            batch,
            error,
            may_be_committed: false,
        }
    }

    /// An error that the database reports says that nothing was committed. A lost connection leaves it open, and so
    /// does a database that ends the connection: it may do that after the commit.
    fn at_commit(batch: Batch, error: DbError) -> Self {
        let is_answer = match &error {
            DbError::Sqlx(sqlx::Error::Database(answer)) => answer
                .try_downcast_ref::<PgDatabaseError>()
                .is_some_and(|answer| answer.severity() == PgSeverity::Error),
            _ => false,
        };
        Self {
            batch,
            error,
            may_be_committed: !is_answer,
        }
    }
}

fn built(mut batch: Batch, head: &Head) -> Result<Batch, Failed> {
    match batch.build(head) {
        Ok(()) => Ok(batch),
        Err(error) => Err(Failed::before_commit(batch, error)),
    }
}

async fn lock_head(connection: &mut PgConnection) -> Result<Head, DbError> {
    const SQL: &str = "BEGIN; SELECT position, recorded_at, frontier FROM log_head FOR UPDATE";
    // A text alone goes as a simple query: both in one round trip.
    let row = connection.fetch_one(SQL).await?;
    Head::from_row(
        row.try_get(0)?,
        row.try_get(1)?,
        row.try_get::<Vec<u8>, _>(2)?.as_slice(),
    )
}

async fn read_edge(connection: &mut PgConnection, size: u64) -> Result<Option<Edge>, DbError> {
    const LEAVES: &str = "SELECT leaf_hash FROM events WHERE position > $1 ORDER BY position";
    const ROOTS: &str =
        "SELECT root FROM log_tiles WHERE level = $2 - 1 AND tile >= $1 ORDER BY tile";
    let mut levels = Vec::new();
    for (level, tile, _) in edge_tiles(size) {
        let first = (tile * TILE_WIDTH).cast_signed();
        let rows = if level == 0 {
            sqlx::query(LEAVES)
                .bind(first)
                .fetch_all(&mut *connection)
                .await?
        } else {
            let query = sqlx::query(ROOTS).bind(first).bind(i64::from(level));
            query.fetch_all(&mut *connection).await?
        };
        let hashes = rows.iter().map(|row| row.try_get::<Hash, _>(0));
        levels.push(hashes.collect::<Result<_, _>>()?);
    }
    Ok(Edge::new(size, levels))
}

/// Runs the statement for a built batch on `head`.
async fn append(
    connection: &mut PgConnection,
    batch: &Batch,
    head: &Head,
) -> Result<Outcome, DbError> {
    let (sql, arguments) = append_statement(batch, head)?;
    let statement = sqlx::query_with(&sql, arguments).fetch_one(&mut *connection);
    let row = tokio::time::timeout(ANSWER, statement)
        .await
        .map_err(|_| DbError::Io(std::io::ErrorKind::TimedOut.into()))??;
    outcome(&row)
}

/// Begins a transaction.
pub(crate) async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, DbError> {
    let mut lost = LostConnections::default();
    loop {
        let transaction = pool.begin().await.map_err(DbError::from);
        if !lost.again(&transaction) {
            return transaction;
        }
    }
}

/// Moves a tail's checkpoint and applies its changes. The checkpoint's row is the tail's lock.
pub(crate) async fn advance(
    pool: &PgPool,
    tail: &str,
    from: u64,
    to: u64,
    changes: &[Change],
) -> Result<bool, DbError> {
    let mut transaction = begin(pool).await?;
    let params = [
        to.cast_signed().into(),
        tail.into(),
        from.cast_signed().into(),
    ];
    let moved = sqlx::query_with(MOVE, postgres_arguments(&params)?)
        .execute(&mut *transaction)
        .await?;
    if moved.rows_affected() == 0 {
        return Ok(false);
    }
    apply(&mut transaction, changes).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Applies folded changes.
pub(crate) async fn apply(
    connection: &mut PgConnection,
    changes: &[Change],
) -> Result<(), DbError> {
    for group in groups(changes) {
        let mut arguments = PgArguments::default();
        let sql = group_statement(&group, changes, &mut arguments, "TRUE")?;
        sqlx::query_with(&sql, arguments)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
