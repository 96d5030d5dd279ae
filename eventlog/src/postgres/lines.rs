//! Reading lines from PostgreSQL: `COPY … TO STDOUT` in the binary format, whose rows are taken apart in place.

use chrono::DateTime;
use futures::TryStreamExt as _;
use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPool;
use uuid::Uuid;

use crate::DbError;
use crate::database::LostConnections;
use crate::line::LineParts;
use crate::lines::Lines;

/// How the format begins (PostgreSQL's manual, COPY, "Binary Format").
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Columns of a row.
const COLUMNS: i16 = 10;

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
    let sql = format!("COPY ({sql}) TO STDOUT (FORMAT binary)");
    let mut lost = LostConnections::default();
    loop {
        let lines = copy(pool, &sql).await;
        if !lost.again(&lines) {
            return lines;
        }
    }
}

async fn copy(pool: &PgPool, sql: &str) -> Result<Lines, DbError> {
    let mut copying = Copying(Some(pool.acquire().await?));
    let mut lines = Lines::default();
    if let Some(connection) = &mut copying.0 {
        let mut messages = connection.copy_out_raw(sql).await?;
        let (mut is_first, mut has_room) = (true, true);
        while let Some(message) = messages.try_next().await? {
            let mut row = Fields(&message);
            if std::mem::take(&mut is_first) {
                row.skip_header()?;
            }
            // What a full step has no room for is still read, so that the connection can be used again.
            if has_room && let Some(event) = row.event()? {
                has_room = lines.take(&event);
            }
        }
    }
    copying.finish();
    Ok(lines)
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

    /// The row; nothing at the end.
    fn event(&mut self) -> Result<Option<LineParts<'a>>, DbError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        match i16::from_be_bytes(self.array()?) {
            -1 => return Ok(None),
            COLUMNS => {}
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
