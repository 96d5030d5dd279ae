//! Copying a database into an empty one, of either engine.

use futures::TryStreamExt as _;

use super::CopyError;
use super::source::Snapshot;
use super::table::{Shape, shape, typed};
use super::target::{ROWS, Target};
use crate::{Database, DbError, Hash, Row, Value};

/// Bytes of the texts of one statement, after which no further row is put into it.
const BYTES: usize = 4 * 1024 * 1024;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// The position of the log's last event at the moment of the copy.
    pub position: u64,
    /// The root of the tree at that position.
    pub root: Hash,
    /// Rows of all tables.
    pub rows: u64,
}

impl Database {
    /// Copies the head of the log and `tables` into an empty, migrated database, all as they are at one moment. The
    /// source may be written to meanwhile; of that nothing is copied. On PostgreSQL none of `projections` is rebuilt or
    /// compared meanwhile. What rebuilds have made beside the live tables stays behind.
    ///
    /// # Errors
    /// See [`CopyError`].
    pub async fn copy_to(
        &self,
        target: &Self,
        tables: &[&str],
        projections: &[&str],
    ) -> Result<Copied, CopyError> {
        let mut shapes = Vec::with_capacity(tables.len() + 1);
        // First, because segments must not be beyond the head.
        let all = [&["log_head"], tables].concat();
        for table in &all {
            let from = shape(self, table).await?;
            let to = shape(target, table).await?;
            if !from.fits(&to) {
                return Err(CopyError::Differs((*table).to_owned()));
            }
            shapes.push((from, to));
        }
        let mut source = Snapshot::begin(self, &all, projections).await?;
        let mut writer = Target::begin(target).await?;
        check_empty(&mut writer, tables).await?;
        writer.execute("DELETE FROM log_head", &[]).await?;
        let mut rows = 0;
        for (from, to) in &shapes {
            rows += copy_table(&mut source, &mut writer, from, to).await?;
        }
        source.end().await?;
        let heads = writer.query("SELECT position, root FROM log_head").await?;
        let copied = copied(&heads, rows)?;
        writer.commit().await?;
        Ok(copied)
    }
}

fn copied(heads: &[Row], rows: u64) -> Result<Copied, DbError> {
    let broken = || DbError::decode("a head that is none");
    let head = heads.first().ok_or_else(broken)?;
    Ok(Copied {
        position: u64::try_from(head.int(0)?).map_err(|_| broken())?,
        root: head.bytes(1)?.try_into().map_err(|_| broken())?,
        rows,
    })
}

/// Every table is empty, and nothing was ever appended.
async fn check_empty(target: &mut Target, tables: &[&str]) -> Result<(), CopyError> {
    let log = ("log_head", " WHERE position <> 0");
    for (table, which) in tables.iter().map(|table| (*table, "")).chain([log]) {
        let sql = format!("SELECT 1 FROM {table}{which} LIMIT 1");
        if !target.query(&sql).await?.is_empty() {
            return Err(CopyError::NotEmpty(table.to_owned()));
        }
    }
    Ok(())
}

/// A few hundred rows in memory at once; how many they were.
async fn copy_table(
    source: &mut Snapshot,
    target: &mut Target,
    from: &Shape,
    to: &Shape,
) -> Result<u64, DbError> {
    let which = match from.name.as_str() {
        // What follows on one another is written in that order.
        "events" => " ORDER BY position",
        "log_segments" => " ORDER BY last_position",
        // The checkpoints of rebuilds are of tables that are not copied.
        "tails" => " WHERE name NOT LIKE '%!_!_%' ESCAPE '!'",
        _ => "",
    };
    let sql = from.select() + which;
    let mut rows = source.rows(&sql);
    let (mut chunk, mut bytes, mut count) = (Vec::with_capacity(ROWS), 0, 0);
    while let Some(row) = rows.try_next().await? {
        let values = row.into_values().into_iter().zip(&to.columns);
        let values: Vec<Value> = values
            .map(|(value, column)| typed(value, column.kind))
            .collect();
        bytes += values.iter().map(size).sum::<usize>();
        chunk.push(values);
        count += 1;
        if chunk.len() == ROWS || bytes > BYTES {
            target.insert(to, &chunk).await?;
            chunk.clear();
            bytes = 0;
        }
    }
    if !chunk.is_empty() {
        target.insert(to, &chunk).await?;
    }
    Ok(count)
}

fn size(value: &Value) -> usize {
    match value {
        Value::Text(Some(text)) => text.len(),
        Value::Bytes(Some(bytes)) => bytes.len(),
        _ => 8,
    }
}
