//! Reading many rows of the log from PostgreSQL: `COPY … TO STDOUT` in the binary format, whose rows are taken apart in place.

use chrono::DateTime;
use futures::TryStreamExt as _;
use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPool;
use uuid::Uuid;

use crate::database::LostConnections;
use crate::line::LineParts;
use crate::lines::Lines;
use crate::{DbError, RecordedEvent};

/// How the format begins (PostgreSQL's manual, COPY, "Binary Format").
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Columns of a line.
const COLUMNS: i16 = 10;
/// And with the leaf hash behind them.
const COLUMNS_OF_EVENT: i16 = 11;

/// A connection that goes back to the pool only when everything that it was sent has been read.
struct Copying(Option<PoolConnection<Postgres>>);

impl Copying {
    fn finish(mut self) {
        self.0 = None;
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.0 {
            connection.close_on_drop();
        }
    }
}

/// The lines of a query for [`crate::lines::COLUMNS`].
pub(crate) async fn read_lines(pool: &PgPool, sql: &str) -> Result<Lines, DbError> {
    read(pool, sql, |row, lines: &mut Lines| {
        Ok(match row.parts(COLUMNS)? {
            Some(parts) => lines.take(&parts),
            None => true,
        })
    })
    .await
}

/// The events of a query for [`crate::lines::COLUMNS`] and the leaf hash.
pub(crate) async fn read_events(pool: &PgPool, sql: &str) -> Result<Vec<RecordedEvent>, DbError> {
    read(pool, sql, |row, events: &mut Vec<RecordedEvent>| {
        if let Some(parts) = row.parts(COLUMNS_OF_EVENT)? {
            let leaf_hash = row.field()?.try_into().map_err(|_| broken())?;
            events.push(parts.to_event(leaf_hash));
        }
        Ok(true)
    })
    .await
}

/// What `take` makes of the rows, until it says that there is no room for more.
async fn read<T: Default>(
    pool: &PgPool,
    sql: &str,
    take: impl Fn(&mut Fields<'_>, &mut T) -> Result<bool, DbError>,
) -> Result<T, DbError> {
    let sql = format!("COPY ({sql}) TO STDOUT (FORMAT binary)");
    let mut lost = LostConnections::default();
    loop {
        let taken = copy(pool, &sql, &take).await;
        if !lost.again(&taken) {
            return taken;
        }
    }
}

async fn copy<T: Default>(
    pool: &PgPool,
    sql: &str,
    take: impl Fn(&mut Fields<'_>, &mut T) -> Result<bool, DbError>,
) -> Result<T, DbError> {
    let mut copying = Copying(Some(pool.acquire().await?));
    let mut taken = T::default();
    if let Some(connection) = &mut copying.0 {
        let mut messages = connection.copy_out_raw(sql).await?;
        let (mut is_first, mut has_room) = (true, true);
        while let Some(message) = messages.try_next().await? {
            let mut row = Fields(&message);
            if std::mem::take(&mut is_first) {
                row.skip_header()?;
            }
            // What a full step has no room for is still read, so that the connection can be used again.
            if has_room {
                has_room = take(&mut row, &mut taken)?;
            }
        }
    }
    copying.finish();
    Ok(taken)
}

/// What is left of a message.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, length: usize) -> Result<&'a [u8], DbError> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or_else(broken)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DbError> {
        self.bytes(N)?.try_into().map_err(|_| broken())
    }

    fn length(&mut self) -> Result<usize, DbError> {
        usize::try_from(i32::from_be_bytes(self.array()?)).map_err(|_| broken())
    }

    fn skip_header(&mut self) -> Result<(), DbError> {
        if self.bytes(SIGNATURE.len())? != SIGNATURE {
            return Err(broken());
        }
        self.bytes(4)?;
        let extension = self.length()?;
        self.bytes(extension)?;
        Ok(())
    }

    /// What a line has of a row of so many columns; nothing at the end.
    fn parts(&mut self, columns: i16) -> Result<Option<LineParts<'a>>, DbError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        match i16::from_be_bytes(self.array()?) {
            -1 => return Ok(None),
            count if count == columns => {}
            _ => return Err(broken()),
        }
        Ok(Some(LineParts {
            position: self.positive()?,
            event_id: Uuid::from_bytes(self.field()?.try_into().map_err(|_| broken())?),
            recorded_at: DateTime::from_timestamp_micros(self.number()?)
                .ok_or_else(|| DbError::decode("a time out of range"))?,
            aggregate_type: self.text()?,
            aggregate_id: self.text()?,
            sequence: self.positive()?,
            event_type: self.text()?,
            event_version: self.text()?,
            payload: self.text()?,
            metadata: self.text()?,
        }))
    }

    fn field(&mut self) -> Result<&'a [u8], DbError> {
        let length = self.length()?;
        self.bytes(length)
    }

    fn number(&mut self) -> Result<i64, DbError> {
        let bytes = self.field()?.try_into().map_err(|_| broken())?;
        Ok(i64::from_be_bytes(bytes))
    }

    fn positive(&mut self) -> Result<u64, DbError> {
        u64::try_from(self.number()?).map_err(|_| DbError::decode("a negative number"))
    }

    fn text(&mut self) -> Result<&'a str, DbError> {
        std::str::from_utf8(self.field()?).map_err(|_| DbError::decode("a text that is not UTF-8"))
    }
}

fn broken() -> DbError {
    DbError::decode("a row that cannot be taken apart")
}
