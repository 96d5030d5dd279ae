//! Importing exported lines into an empty log: the very positions, times and identifiers, and so the very root.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::CopyError;
use super::table::{Shape, shape};
use super::target::Target;
use crate::batch::Head;
use crate::upcast::{Upcasters, newest};
use crate::{
    Database, DbError, Hash, LineError, Projection, ProjectionError, RecordedEvent, Value, fold,
};

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
    /// There is something in the log already.
    #[error("the log is not empty")]
    NotEmpty,
    /// A line is not one of an export.
    #[error("line {0}: {1}")]
    Line(u64, LineError),
    /// The lines could not be read.
    #[error("the lines end before their end: {0}")]
    Unreadable(std::io::Error),
    /// A line is not at its place.
    #[error("line {0}: its position is not {0}")]
    NotDense(u64),
    /// A line is of an earlier time than the one before it.
    #[error("line {0}: its time is before that of the line above it")]
    OutOfTime(u64),
    /// A stream's versions are not 1 to n, in the order of the log.
    #[error("the versions of a stream are not 1 to n, in the order of their positions")]
    Versions,
    /// A projection cannot take an event.
    #[error("line {0}: {1}")]
    Projection(u64, ProjectionError),
    /// The tree is not the one that was expected.
    #[error("the lines are another log: they have {0} events and the root {1}")]
    OtherTree(u64, String),
}

/// What the lines must come to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected {
    /// How many they are.
    pub size: Option<u64>,
    /// The root of their tree.
    pub root: Option<Hash>,
}

/// What was imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// How many events.
    pub size: u64,
    /// The root of their tree.
    pub root: Hash,
}

impl Database {
    /// Imports what comes from `chunks` until that closes, as it stands, and the inline projections of it in its newest
    /// form, in one transaction. Tails follow when they run.
    ///
    /// # Errors
    /// See [`ImportError`]; then nothing was written.
    pub async fn import(
        &self,
        inline: Vec<Arc<dyn Projection>>,
        upcasters: &Upcasters,
        mut chunks: mpsc::Receiver<Result<Vec<RecordedEvent>, ImportError>>,
        expected: Expected,
    ) -> Result<Imported, ImportError> {
        let inline = newest(inline, upcasters);
        let events = shape(self, "events").await.map_err(database_error)?;
        let mut target = Target::begin(self).await?;
        if !target
            .query("SELECT 1 FROM log_head WHERE position <> 0")
            .await?
            .is_empty()
        {
            return Err(ImportError::NotEmpty);
        }
        let mut head = Head::default();
        while let Some(chunk) = chunks.recv().await {
            import(&mut target, &events, &inline, &mut head, &chunk?).await?;
        }
        let imported = Imported {
            size: head.position(),
            root: head.frontier.root(),
        };
        let is_size = expected.size.is_none_or(|size| size == imported.size);
        if !is_size || expected.root.is_some_and(|root| root != imported.root) {
            let root = imported.root.iter().map(|byte| format!("{byte:02x}"));
            return Err(ImportError::OtherTree(
                imported.size,
                root.collect::<Vec<_>>().concat(),
            ));
        }
        check_versions(&mut target).await?;
        write_head(&mut target, &head).await?;
        target.commit().await?;
        Ok(imported)
    }
}

fn database_error(error: CopyError) -> ImportError {
    ImportError::Database(match error {
        CopyError::Database(error) => error,
        _ => DbError::decode("an unknown table of events"),
    })
}

async fn import(
    target: &mut Target,
    table: &Shape,
    inline: &[Arc<dyn Projection>],
    head: &mut Head,
    events: &[RecordedEvent],
) -> Result<(), ImportError> {
    let (mut changes, mut rows) = (Vec::new(), Vec::with_capacity(events.len()));
    for event in events {
        let line = head.position() + 1;
        if event.position != line {
            return Err(ImportError::NotDense(line));
        }
        let recorded_at = event.recorded_at.timestamp_micros();
        if recorded_at < head.recorded_at_micros {
            return Err(ImportError::OutOfTime(line));
        }
        head.recorded_at_micros = recorded_at;
        head.frontier.push(event.leaf_hash);
        for projection in inline {
            projection
                .project(event, &mut changes)
                .map_err(|error| ImportError::Projection(line, error))?;
        }
        rows.push(
            table
                .columns
                .iter()
                .map(|column| cell(event, &column.name))
                .collect(),
        );
    }
    target.insert(table, &rows).await?;
    Ok(target.apply(&fold(changes)).await?)
}

fn cell(event: &RecordedEvent, column: &str) -> Value {
    match column {
        "position" => event.position.into(),
        "event_id" => event.event_id.to_string().into(),
        "recorded_at" => event.recorded_at.timestamp_micros().into(),
        "aggregate_type" => event.aggregate_type.as_str().into(),
        "aggregate_id" => event.aggregate_id.as_str().into(),
        "sequence" => event.sequence.into(),
        "event_type" => event.event_type.as_str().into(),
        "event_version" => event.event_version.as_str().into(),
        "payload" => event.payload.as_str().into(),
        "metadata" => event.metadata.as_str().into(),
        "leaf_hash" => event.leaf_hash.to_vec().into(),
        // A column that this does not know stays empty, or the database refuses.
        _ => Value::Text(None),
    }
}

/// No two events of a stream have the same version: the table sees to that.
async fn check_versions(target: &mut Target) -> Result<(), ImportError> {
    const COUNTED: &str = "SELECT 1 FROM events GROUP BY aggregate_type, aggregate_id \
                           HAVING COUNT(*) <> MAX(sequence) OR MIN(sequence) <> 1 LIMIT 1";
    const ORDERED: &str = "SELECT 1 FROM (SELECT position, LAG(position) OVER \
            (PARTITION BY aggregate_type, aggregate_id ORDER BY sequence) AS earlier FROM events) AS pairs \
        WHERE earlier > position LIMIT 1";
    for sql in [COUNTED, ORDERED] {
        if !target.query(sql).await?.is_empty() {
            return Err(ImportError::Versions);
        }
    }
    Ok(())
}

async fn write_head(target: &mut Target, head: &Head) -> Result<(), DbError> {
    const SQL: &str =
        "UPDATE log_head SET position = $1, recorded_at = $2, frontier = $3, root = $4";
    let params = [
        head.position().into(),
        head.recorded_at_micros.into(),
        head.frontier.to_bytes().into(),
        head.frontier.root().to_vec().into(),
    ];
    target.execute(SQL, &params).await
}
