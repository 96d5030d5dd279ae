//! Pruning: the archived events of streams that have ended leave the table, stream by stream, in small transactions.
//! What stays of a stream is one row, so that its version is still known.

use crate::tiles::TILE_WIDTH;
use crate::{Database, DbError, Row, Statement, Value};

use super::position;

/// Streams of one look.
const STREAMS: i64 = 500;
/// Positions of one look: whatever is in the table of them is read, and no statement may take long.
const LOOK: u64 = 100_000;
/// Events of one transaction; those of one stream go together.
const EVENTS: u64 = 1000;

/// The events that end a stream of a type: after one of them the stream's first and last event say as much as all of
/// them, and at most further ending events follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// The kind of stream.
    pub aggregate_type: &'static str,
    /// The types of the events that end it.
    pub event_types: &'static [&'static str],
}

/// What went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Streams that shrank to their summary.
    pub streams: u64,
    /// Events that left the table.
    pub events: u64,
}

/// A stream that can go.
struct Ended {
    place: u64,
    params: Vec<Value>,
    version: u64,
}

impl Database {
    /// Removes the archived events of streams that have ended from the table. May be repeated, and cut off at any point.
    ///
    /// # Errors
    /// The database failed.
    pub async fn prune_archived(&self, endings: &[Ending]) -> Result<Pruned, DbError> {
        let archived = position(self).await?;
        let mut pruned = Pruned::default();
        for ending in endings {
            for (after, up_to) in looks(archived) {
                prune(self, ending, after, up_to, &mut pruned).await?;
            }
        }
        Ok(pruned)
    }

    /// Removes the leaves of full tiles that are archived, whose lines give them as well, and with them the tile where a full
    /// one of the next level has its root. Those behind the first `signed` leaves stay: so the root over these, or more, needs
    /// nothing of the archive.
    ///
    /// # Errors
    /// The database failed.
    pub async fn forget_archived_leaves(&self, signed: u64) -> Result<(), DbError> {
        const SQL: &str = "UPDATE log_tiles SET hashes = NULL WHERE level = 0 AND tile < $1 AND hashes IS NOT NULL";
        const BELOW: &str = "DELETE FROM log_tiles WHERE level = 0 AND tile < $1 AND EXISTS \
             (SELECT 1 FROM log_tiles above WHERE above.level = 1 AND above.tile = log_tiles.tile / 256)";
        let tiles = position(self).await?.min(signed) / TILE_WIDTH;
        let whole = tiles / TILE_WIDTH * TILE_WIDTH;
        let statements = vec![
            (SQL.to_owned(), vec![tiles.into()]),
            (BELOW.to_owned(), vec![whole.into()]),
        ];
        self.execute(statements).await.map(drop)
    }
}

/// The archive in stretches, each behind a position and up to another one.
fn looks(archived: u64) -> impl Iterator<Item = (u64, u64)> {
    let step = usize::try_from(LOOK).unwrap_or(usize::MAX);
    let begins = (0..archived).step_by(step);
    begins.map(move |after| (after, archived.min(after + LOOK)))
}

/// Removes the streams that end within a stretch.
async fn prune(
    database: &Database,
    ending: &Ending,
    mut after: u64,
    up_to: u64,
    pruned: &mut Pruned,
) -> Result<(), DbError> {
    loop {
        let ended = find(database, ending, after, up_to).await?;
        let Some(last) = ended.last() else {
            return Ok(());
        };
        after = last.place;
        for group in groups(ended) {
            let (streams, events) = remove(database, &group).await?;
            pruned.streams += streams;
            pruned.events += events;
        }
    }
}

/// The streams of a type whose last event ends them and is within an archived stretch. A stream that has a summary already is one that got
/// a last event since.
async fn find(
    database: &Database,
    ending: &Ending,
    after: u64,
    up_to: u64,
) -> Result<Vec<Ended>, DbError> {
    let names: Vec<String> = (5..)
        .take(ending.event_types.len())
        .map(|n| format!("${n}"))
        .collect();
    let sql = format!(
        "SELECT e.aggregate_id, e.sequence, e.position, \
           (SELECT f.position FROM events f WHERE f.aggregate_type = e.aggregate_type \
             AND f.aggregate_id = e.aggregate_id AND f.sequence = 1), \
           (SELECT s.first_position FROM log_ended_streams s WHERE s.aggregate_type = e.aggregate_type \
             AND s.aggregate_id = e.aggregate_id) \
         FROM events e WHERE e.aggregate_type = $1 AND e.position > $2 AND e.position <= $3 \
           AND e.event_type IN ({}) AND NOT EXISTS (SELECT 1 FROM events l \
             WHERE l.aggregate_type = e.aggregate_type AND l.aggregate_id = e.aggregate_id \
             AND l.sequence > e.sequence) \
         ORDER BY e.position LIMIT $4",
        names.join(", ")
    );
    let mut params: Vec<Value> = vec![
        ending.aggregate_type.into(),
        after.into(),
        up_to.into(),
        STREAMS.into(),
    ];
    params.extend(ending.event_types.iter().map(|name| Value::from(*name)));
    let rows = database.query(&sql, &params).await?;
    rows.iter().map(|row| ended(ending, row)).collect()
}

fn ended(ending: &Ending, row: &Row) -> Result<Ended, DbError> {
    let number =
        |index| u64::try_from(row.int(index)?).map_err(|_| DbError::decode("a negative number"));
    let first = match row.opt_int(4)? {
        Some(first) => first,
        None => row.int(3)?,
    };
    Ok(Ended {
        place: number(2)?,
        version: number(1)?,
        params: vec![
            ending.aggregate_type.into(),
            row.text(0)?.into(),
            number(1)?.into(),
            first.into(),
            number(2)?.into(),
        ],
    })
}

fn groups(ended: Vec<Ended>) -> Vec<Vec<Ended>> {
    let mut groups: Vec<Vec<Ended>> = Vec::new();
    let mut events = EVENTS;
    for stream in ended {
        events += stream.version;
        if events > EVENTS {
            groups.push(Vec::new());
            events = stream.version;
        }
        if let Some(group) = groups.last_mut() {
            group.push(stream);
        }
    }
    groups
}

/// In one transaction; how many streams and events.
async fn remove(database: &Database, group: &[Ended]) -> Result<(u64, u64), DbError> {
    const SUMMARY: &str = "INSERT INTO log_ended_streams \
        (aggregate_type, aggregate_id, version, first_position, last_position) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (aggregate_type, aggregate_id) DO UPDATE SET version = excluded.version, \
          last_position = excluded.last_position";
    const EVENTS: &str =
        "DELETE FROM events WHERE aggregate_type = $1 AND aggregate_id = $2 AND sequence <= $3";
    let mut statements: Vec<Statement> = Vec::with_capacity(group.len() * 2);
    for stream in group {
        statements.push((SUMMARY.to_owned(), stream.params.clone()));
        let which = stream.params.iter().take(3).cloned().collect();
        statements.push((EVENTS.to_owned(), which));
    }
    let affected = database.execute(statements).await?;
    let events = affected.iter().skip(1).step_by(2).sum();
    Ok((group.len() as u64, events))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_archived_position_is_looked_at_once_and_few_at_a_time() {
        for archived in [0, 1, LOOK, LOOK + 1, 5 * LOOK - 1] {
            let mut reached = 0;
            for (after, up_to) in looks(archived) {
                assert_eq!(after, reached);
                assert!(after < up_to && up_to - after <= LOOK, "{after} {up_to}");
                reached = up_to;
            }
            assert_eq!(reached, archived);
        }
    }
}
