//! Snapshots: what loading a long stream would give. A cache in the database, which anybody may empty at any time.
//!
//! They are written after the commit, off the caller's path, by a task that gives way when it cannot keep up. A row that
//! is of another shape than the present code's, or is not what was written, is passed over.

use std::collections::BTreeMap;

use cqrs_es::Aggregate;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{Database, DbError, Log, RecordedEvent, Statement, Value};

/// Events of a stream from one snapshot to the next.
pub const SNAPSHOT_EVERY: u64 = 100;
/// Snapshots that may wait to be written; more are not.
const QUEUE: usize = 256;
/// Snapshots of one transaction.
const AT_ONCE: usize = 64;

/// A kind of aggregate that has snapshots.
#[derive(Debug, Clone, Copy)]
pub struct Snapshotted {
    /// The kind of stream.
    pub aggregate_type: &'static str,
    /// A text that is another one whenever the state's JSON has another shape.
    pub shape: &'static str,
    /// The types of events after which nothing of a stream is kept any more.
    pub last_events: &'static [&'static str],
}

/// What of a kind the database is asked for.
#[derive(Debug)]
struct Kind {
    shape_hash: String,
    last_events: &'static [&'static str],
}

#[derive(Debug)]
pub(crate) struct Snapshots {
    kinds: BTreeMap<&'static str, Kind>,
    waiting: mpsc::Sender<Statement>,
}

impl Snapshots {
    /// The snapshots, and what writes them until `stop`.
    pub(crate) fn new(
        kinds: &[Snapshotted],
        database: Database,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (waiting, queue) = mpsc::channel(QUEUE);
        let kind = |kind: &Snapshotted| {
            let known = Kind {
                shape_hash: hex(&Sha256::digest(kind.shape)),
                last_events: kind.last_events,
            };
            (kind.aggregate_type, known)
        };
        let kinds = kinds.iter().map(kind).collect();
        (Self { kinds, waiting }, write(database, queue, stop))
    }

    /// The state that is kept of a stream, and its version.
    pub(crate) async fn find<A: Aggregate>(
        &self,
        database: &Database,
        id: &str,
    ) -> Result<Option<(A, u64)>, DbError> {
        const SQL: &str = "SELECT version, state, digest FROM snapshots \
                           WHERE aggregate_type = $1 AND aggregate_id = $2 AND schema_hash = $3";
        let Some(kind) = self.kinds.get(A::TYPE) else {
            return Ok(None);
        };
        let params = [A::TYPE.into(), id.into(), kind.shape_hash.as_str().into()];
        let rows = database.query(SQL, &params).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let (version, state) = (row.int(0)?.cast_unsigned(), row.text(1)?);
        let is_whole = row.text(2)? == digest(version, &state);
        match serde_json::from_str(&state) {
            Ok(aggregate) if is_whole => Ok(Some((aggregate, version))),
            _ => {
                let aggregate_type = A::TYPE;
                tracing::warn!(
                    aggregate_type,
                    id,
                    version,
                    "a broken snapshot is passed over"
                );
                // A version that is no stream's would keep every other one out.
                let _ = self.waiting.try_send(delete(A::TYPE, id));
                Ok(None)
            }
        }
    }

    /// Keeps the state of a stream that went from one version to another, if that is worth it.
    pub(crate) fn keep<A: Aggregate>(&self, id: &str, aggregate: &A, from: u64, to: u64) {
        let Some(kind) = self.kinds.get(A::TYPE) else {
            return;
        };
        if to / SNAPSHOT_EVERY == from / SNAPSHOT_EVERY {
            return;
        }
        if let Ok(state) = serde_json::to_string(aggregate) {
            // When the queue is full the next one will do.
            let _ = self.waiting.try_send(insert(A::TYPE, kind, id, to, state));
        }
    }

    /// Removes what is kept of a stream whose last event has come.
    pub(crate) fn end(&self, events: &[RecordedEvent]) {
        let Some(event) = events
            .last()
            .filter(|event| event.sequence >= SNAPSHOT_EVERY)
        else {
            return;
        };
        let kind = self.kinds.get(event.aggregate_type.as_str());
        if kind.is_some_and(|kind| kind.last_events.contains(&event.event_type.as_str())) {
            let gone = delete(&event.aggregate_type, &event.aggregate_id);
            let _ = self.waiting.try_send(gone);
        }
    }

    /// Removes those of other shapes than the present ones, and those of streams that have ended: a node that died may
    /// not have come to it.
    fn sweep(&self) -> Vec<Statement> {
        let mut statements: Vec<Statement> = Vec::new();
        for (aggregate_type, kind) in &self.kinds {
            let hash = kind.shape_hash.as_str();
            let others =
                "DELETE FROM snapshots WHERE aggregate_type = $1 AND schema_hash <> $2".to_owned();
            statements.push((others, vec![(*aggregate_type).into(), hash.into()]));
            let ended = kind.has_ended("snapshots.aggregate_id");
            let ended = format!("DELETE FROM snapshots WHERE aggregate_type = $1 AND {ended}");
            statements.push((ended, vec![(*aggregate_type).into()]));
        }
        statements
    }
}

impl Kind {
    /// A condition: the last event of the stream `id` of the type `$1` is one after which nothing is kept.
    fn has_ended(&self, id: &str) -> String {
        let names: Vec<String> = self
            .last_events
            .iter()
            .map(|name| format!("'{name}'"))
            .collect();
        if names.is_empty() {
            return "FALSE".to_owned();
        }
        format!(
            "(EXISTS (SELECT 1 FROM events e WHERE e.aggregate_type = $1 AND e.aggregate_id = {id} \
             AND e.event_type IN ({}) AND e.sequence = (SELECT MAX(l.sequence) FROM events l \
             WHERE l.aggregate_type = $1 AND l.aggregate_id = {id})) \
             OR EXISTS (SELECT 1 FROM log_ended_streams s WHERE s.aggregate_type = $1 AND s.aggregate_id = {id}))",
            names.join(", ")
        )
    }
}

impl Log {
    /// Removes the snapshots of a stream, for ever if its last event has come.
    ///
    /// # Errors
    /// The database failed.
    pub async fn forget_snapshots<A: Aggregate>(&self, id: &str) -> Result<(), DbError> {
        let gone = delete(A::TYPE, id);
        self.inner.database.execute(vec![gone]).await.map(drop)
    }

    /// Removes the snapshots that other versions of the code, and nodes that died, have left.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sweep_snapshots(&self) -> Result<(), DbError> {
        let sweep = self.inner.snapshots.sweep();
        self.inner.database.execute(sweep).await.map(drop)
    }
}

/// Removes the snapshots of a stream.
fn delete(aggregate_type: &str, id: &str) -> Statement {
    const SQL: &str = "DELETE FROM snapshots WHERE aggregate_type = $1 AND aggregate_id = $2";
    (SQL.to_owned(), vec![aggregate_type.into(), id.into()])
}

/// A later snapshot stays, and a stream that has ended in the meantime gets none.
fn insert(aggregate_type: &str, kind: &Kind, id: &str, version: u64, state: String) -> Statement {
    let ended = kind.has_ended("$2");
    let sql = format!(
        "INSERT INTO snapshots (aggregate_type, aggregate_id, schema_hash, version, state, digest) \
         SELECT $1, $2, $3, $4, $5, $6 WHERE NOT {ended} \
         ON CONFLICT (aggregate_type, aggregate_id, schema_hash) DO UPDATE \
         SET version = excluded.version, state = excluded.state, digest = excluded.digest \
         WHERE excluded.version > snapshots.version"
    );
    let digest = digest(version, &state);
    let params: Vec<Value> = vec![
        aggregate_type.into(),
        id.into(),
        kind.shape_hash.as_str().into(),
        version.into(),
        state.into(),
        digest.into(),
    ];
    (sql, params)
}

fn digest(version: u64, state: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(version.to_be_bytes());
    digest.update(state);
    hex(&digest.finalize())
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or_default();
    let digits = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    digits.collect()
}

/// Writes what waits, together. What fails is lost, which costs a longer load.
async fn write(database: Database, mut queue: mpsc::Receiver<Statement>, stop: CancellationToken) {
    let mut statements = Vec::new();
    loop {
        let taken = tokio::select! {
            () = stop.cancelled() => return,
            taken = queue.recv_many(&mut statements, AT_ONCE) => taken,
        };
        if taken == 0 {
            return;
        }
        if let Err(error) = database.execute(std::mem::take(&mut statements)).await {
            tracing::warn!(%error, "snapshots were not written");
        }
    }
}
