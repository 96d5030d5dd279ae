//! The lease: for how long this node may believe its memory.
//!
//! A node renews it in three steps: it notes the time; it writes how far it has applied the log, with an end
//! one second later, where every node can see it; then it reads the log to its head. A node that has revoked
//! something answers only when every other node has applied that position or its lease has run out, so after
//! the answer nobody accepts the revoked token: a commit before the read is known to the reader, and a commit
//! after it meets the written row and waits. The node's own end is counted from before the write, on the
//! monotonic clock, and the one that others see from the write, on the database's clock: the first always
//! comes first.
//!
//! On SQLite there is one server, whose own commits feed its memory before they are answered, so the lease
//! is always valid.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use eventlog::{Database, DbError, Engine, Log};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::ports::clock;

/// How long a lease lasts.
const LEASE: Duration = Duration::from_secs(1);
/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_millis(250);
/// However much is written, it is not renewed more often than this.
const RENEW_AT_MOST_EVERY: Duration = Duration::from_millis(20);
/// Rows of nodes that are this long gone are removed.
const FORGET_AFTER_MICROS: i64 = 60_000_000;
/// How often a waiting node looks again; each look is one row by primary key.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The lease could not be settled.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
    /// Another node holds a lease far longer than leases last: its row is wrong.
    #[error("another node neither follows the log nor lets its lease run out")]
    Stuck,
}

/// This node's lease.
#[derive(Debug)]
pub struct Lease {
    node_id: Uuid,
    database: Database,
    /// `None`: never valid yet.
    valid_until: Mutex<Option<Instant>>,
    is_alone: bool,
}

impl Lease {
    /// A lease that is not valid yet (or, on SQLite, always).
    pub fn new(database: Database, node_id: Uuid) -> Self {
        let is_alone = database.engine() == Engine::Sqlite;
        Self {
            node_id,
            database,
            valid_until: Mutex::new(None),
            is_alone,
        }
    }

    /// Whether memory may be believed at `now`.
    pub fn is_valid(&self, now: Instant) -> bool {
        if self.is_alone {
            return true;
        }
        self.valid_until
            .lock()
            .is_ok_and(|until| until.is_some_and(|until| now < until))
    }

    /// Reads the log to its head and renews the lease from `now` on.
    ///
    /// # Errors
    /// The database failed; the lease then runs out by itself.
    pub async fn renew(&self, log: &Log, now: Instant) -> Result<(), DbError> {
        let applied = log.catch_up().await?;
        if self.is_alone {
            return Ok(());
        }
        let sql = format!(
            "INSERT INTO nodes (node_id, applied_position, lease_until) VALUES ($1, $2, {DB_NOW} + $3) \
             ON CONFLICT (node_id) DO UPDATE \
             SET applied_position = excluded.applied_position, lease_until = excluded.lease_until"
        );
        let lease = i64::try_from(LEASE.as_micros()).unwrap_or(i64::MAX);
        let row = vec![
            self.node_id.to_string().into(),
            position(applied),
            lease.into(),
        ];
        self.database.execute(vec![(sql, row)]).await?;
        // Only now: what was committed before the row could be seen has to be read before memory is believed.
        log.catch_up().await?;
        if let Ok(mut until) = self.valid_until.lock() {
            *until = Some(now + LEASE);
        }
        Ok(())
    }

    /// Gives the lease up, so that nobody waits for a node that has stopped.
    ///
    /// # Errors
    /// The database failed.
    pub async fn release(&self) -> Result<(), DbError> {
        if let Ok(mut until) = self.valid_until.lock() {
            *until = None;
        }
        if self.is_alone {
            return Ok(());
        }
        let sql = format!("DELETE FROM nodes WHERE node_id = $1 OR lease_until < {DB_NOW} - $2");
        let row = vec![self.node_id.to_string().into(), FORGET_AFTER_MICROS.into()];
        self.database.execute(vec![(sql, row)]).await.map(|_| ())
    }

    /// Waits until every other node has applied `wanted`, or its lease has run out.
    ///
    /// # Errors
    /// The database failed, or a node's row cannot be true.
    pub async fn settle(&self, wanted: u64) -> Result<(), LeaseError> {
        if self.is_alone {
            return Ok(());
        }
        let sql = format!(
            "SELECT node_id FROM nodes \
             WHERE node_id <> $1 AND applied_position < $2 AND lease_until > {DB_NOW} LIMIT 1"
        );
        let params = [self.node_id.to_string().into(), position(wanted)];
        let looks = 3 * LEASE.as_millis() / LOOK_AGAIN.as_millis();
        for _ in 0..looks {
            if self.database.query(&sql, &params).await?.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Err(LeaseError::Stuck)
    }
}

/// The database's own clock, the one that all nodes share. Microseconds since the epoch.
const DB_NOW: &str = "(extract(epoch from clock_timestamp()) * 1000000)::bigint";

fn position(position: u64) -> eventlog::Value {
    i64::try_from(position).unwrap_or(i64::MAX).into()
}

/// Keeps the lease until told to stop, then gives it up. Renews at once when another node has written, so that
/// whoever revokes something does not wait for long.
pub async fn keep_lease(lease: &Lease, log: &Log, stop: &CancellationToken) {
    let mut head = log.watch_head();
    while !stop.is_cancelled() {
        head.mark_unchanged();
        if let Err(error) = lease.renew(log, clock::monotonic()).await {
            tracing::warn!(%error, "the lease was not renewed; tokens are checked in the database meanwhile");
        }
        tokio::select! {
            _ = head.changed() => tokio::time::sleep(RENEW_AT_MOST_EVERY).await,
            () = tokio::time::sleep(RENEW_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
    if let Err(error) = lease.release().await {
        tracing::warn!(%error, "the lease was not given up and runs out by itself");
    }
}
