//! The rows of uploads and of their pieces.

use aggregates::values::{MediaId, UserId};
use chrono::{DateTime, Utc};
use eventlog::{Database, DbError, Row, Statement};
use uuid::Uuid;

use super::{State, Upload};
use crate::ports::clock::micros;
use crate::quota;

const COLUMNS: &str = "upload_id, owner_id, media_id, command_id, sealed_metadata, bytes, received, parts, state, \
                       position, created_at, expires_at";

/// A piece that counts.
#[derive(Debug, Clone)]
pub struct Part {
    pub id: Uuid,
    pub start: u64,
    pub bytes: u64,
}

/// The statement that adds an upload, when its claim was made.
pub fn insert(upload: &Upload) -> Statement {
    const SQL: &str = "INSERT INTO uploads (upload_id, owner_id, media_id, command_id, sealed_metadata, bytes, received, \
         parts, writer, state, finish_until, created_at, expires_at) \
         SELECT $1, $2, media_id, $3, $4, $5, 0, 0, '', 'open', 0, $6, $7 FROM media_claims WHERE media_id = $8";
    let row = vec![
        upload.upload_id.to_string().into(),
        upload.owner.to_string().into(),
        upload.command_id.to_string().into(),
        upload.sealed_metadata.as_str().into(),
        int(upload.bytes).into(),
        micros(upload.created_at).into(),
        micros(upload.expires_at).into(),
        upload.media_id.to_string().into(),
    ];
    (SQL.to_owned(), row)
}

pub async fn find(database: &Database, upload_id: Uuid) -> Result<Option<Upload>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM uploads WHERE upload_id = $1");
    let rows = database
        .query(&sql, &[upload_id.to_string().into()])
        .await?;
    rows.first().map(upload).transpose()
}

pub async fn of_owner(database: &Database, owner: UserId) -> Result<Vec<Upload>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM uploads WHERE owner_id = $1 ORDER BY created_at");
    let rows = database.query(&sql, &[owner.to_string().into()]).await?;
    rows.iter().map(upload).collect()
}

/// Uploads that something is to be done about without a request: complete ones, and those whose time is over.
pub async fn due(
    database: &Database,
    now: DateTime<Utc>,
    most: i64,
) -> Result<Vec<Upload>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM uploads WHERE state = 'removed' OR expires_at <= $1 \
         OR (state = 'open' AND received = bytes AND finish_until <= $1) ORDER BY expires_at LIMIT $2"
    );
    let rows = database
        .query(&sql, &[micros(now).into(), most.into()])
        .await?;
    rows.iter().map(upload).collect()
}

/// Makes `writer` the only one whose pieces count, when the upload is where it believes; false otherwise.
pub async fn begin(
    database: &Database,
    upload: &Upload,
    writer: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    const SQL: &str = "UPDATE uploads SET writer = $1 WHERE upload_id = $2 AND state = 'open' AND received = $3 \
                       AND expires_at > $4";
    let row = vec![
        writer.to_string().into(),
        upload.upload_id.to_string().into(),
        int(upload.received).into(),
        micros(now).into(),
    ];
    one(database, vec![(SQL.to_owned(), row)]).await
}

/// Makes pieces count that follow one another; false, and nothing done, when `writer` was fenced off.
pub async fn commit(
    database: &Database,
    upload: &Upload,
    writer: Uuid,
    parts: &[Part],
    expires_at: DateTime<Utc>,
) -> Result<bool, DbError> {
    const UPDATE: &str = "UPDATE uploads SET received = received + $1, parts = parts + $2, expires_at = $3 \
         WHERE upload_id = $4 AND writer = $5 AND state = 'open' AND received = $6 AND received + $1 <= bytes";
    const INSERT: &str = "INSERT INTO upload_parts (part_id, upload_id, start_at, bytes) \
         SELECT $1, upload_id, $2, $3 FROM uploads WHERE upload_id = $4 AND writer = $5 AND state = 'open' \
         AND received = $6";
    let Some(first) = parts.first() else {
        return Ok(true);
    };
    let added: u64 = parts.iter().map(|part| part.bytes).sum();
    let (id, writer) = (upload.upload_id.to_string(), writer.to_string());
    let update = vec![
        int(added).into(),
        int(parts.len() as u64).into(),
        micros(expires_at).into(),
        id.as_str().into(),
        writer.as_str().into(),
        int(first.start).into(),
    ];
    let mut statements = vec![(UPDATE.to_owned(), update)];
    for part in parts {
        let row = vec![
            part.id.to_string().into(),
            int(part.start).into(),
            int(part.bytes).into(),
            id.as_str().into(),
            writer.as_str().into(),
            int(first.start + added).into(),
        ];
        statements.push((INSERT.to_owned(), row));
    }
    one(database, statements).await
}

/// The pieces of an upload, in their order.
pub async fn parts(database: &Database, upload_id: Uuid) -> Result<Vec<Part>, DbError> {
    const SQL: &str =
        "SELECT part_id, start_at, bytes FROM upload_parts WHERE upload_id = $1 ORDER BY start_at";
    let rows = database.query(SQL, &[upload_id.to_string().into()]).await?;
    let part = |row: &Row| {
        Ok(Part {
            id: parsed(row, 0)?,
            start: row.int(1)?.unsigned_abs(),
            bytes: row.int(2)?.unsigned_abs(),
        })
    };
    rows.iter().map(part).collect()
}

/// Takes a complete upload to make it media, or goes on doing so; false when another node is at it.
pub async fn take_to_finish(
    database: &Database,
    upload_id: Uuid,
    writer: Uuid,
    (now, until): (DateTime<Utc>, DateTime<Utc>),
) -> Result<bool, DbError> {
    const SQL: &str = "UPDATE uploads SET writer = $1, finish_until = $2 WHERE upload_id = $3 AND state = 'open' \
                       AND received = bytes AND (writer = $1 OR finish_until <= $4)";
    let row = vec![
        writer.to_string().into(),
        micros(until).into(),
        upload_id.to_string().into(),
        micros(now).into(),
    ];
    one(database, vec![(SQL.to_owned(), row)]).await
}

/// Gives back what was taken to finish it.
pub async fn give_back(database: &Database, upload_id: Uuid, writer: Uuid) -> Result<(), DbError> {
    const SQL: &str = "UPDATE uploads SET finish_until = 0 WHERE upload_id = $1 AND writer = $2";
    let row = vec![upload_id.to_string().into(), writer.to_string().into()];
    database
        .execute(vec![(SQL.to_owned(), row)])
        .await
        .map(|_| ())
}

/// Notes that it is media.
pub async fn finished(
    database: &Database,
    upload_id: Uuid,
    position: Option<u64>,
) -> Result<(), DbError> {
    const SQL: &str = "UPDATE uploads SET state = 'stored', position = $1 WHERE upload_id = $2 AND state = 'open'";
    let row = vec![
        eventlog::Value::Int(position.map(int)),
        upload_id.to_string().into(),
    ];
    database
        .execute(vec![(SQL.to_owned(), row)])
        .await
        .map(|_| ())
}

/// Lets nothing more happen to an upload that is no media, and frees what it had claimed; false when it is complete, unless
/// `even_complete`, or media.
pub async fn give_up(
    database: &Database,
    upload: &Upload,
    even_complete: bool,
) -> Result<bool, DbError> {
    const SQL: &str = "UPDATE uploads SET state = 'removed', writer = '' WHERE upload_id = $1 \
                       AND (state = 'removed' OR (state = 'open' AND (received < bytes OR $2 = 1)))";
    const CLAIM: &str = "DELETE FROM media_claims WHERE media_id = $1 \
         AND EXISTS (SELECT 1 FROM uploads WHERE upload_id = $2 AND state = 'removed')";
    let id = upload.upload_id.to_string();
    let row = vec![id.as_str().into(), i64::from(even_complete).into()];
    let claim = vec![upload.media_id.to_string().into(), id.into()];
    one(
        database,
        vec![(SQL.to_owned(), row), (CLAIM.to_owned(), claim)],
    )
    .await
}

/// As [`give_up`], whatever became of it.
pub async fn forget(database: &Database, upload: &Upload) -> Result<(), DbError> {
    const SQL: &str = "UPDATE uploads SET state = 'removed', writer = '' WHERE upload_id = $1";
    let row = vec![upload.upload_id.to_string().into()];
    let claim = quota::release_statement(upload.media_id);
    let statements = vec![(SQL.to_owned(), row), claim];
    database.execute(statements).await.map(|_| ())
}

/// Removes the rows of the pieces.
pub async fn clear_parts(database: &Database, upload_id: Uuid) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM upload_parts WHERE upload_id = $1";
    let row = vec![upload_id.to_string().into()];
    database
        .execute(vec![(SQL.to_owned(), row)])
        .await
        .map(|_| ())
}

/// Removes every row of an upload.
pub async fn clear(database: &Database, upload_id: Uuid) -> Result<(), DbError> {
    const PARTS: &str = "DELETE FROM upload_parts WHERE upload_id = $1";
    const UPLOAD: &str = "DELETE FROM uploads WHERE upload_id = $1";
    let row = vec![upload_id.to_string().into()];
    let statements = [PARTS, UPLOAD].map(|sql| (sql.to_owned(), row.clone()));
    database.execute(statements.to_vec()).await.map(|_| ())
}

/// Whether the first statement affected a row.
async fn one(database: &Database, statements: Vec<Statement>) -> Result<bool, DbError> {
    let affected = database.execute(statements).await?;
    Ok(affected.first() == Some(&1))
}

fn upload(row: &Row) -> Result<Upload, DbError> {
    let owner: Uuid = parsed(row, 1)?;
    let media: Uuid = parsed(row, 2)?;
    let state = match row.text(8)?.as_str() {
        "open" => State::Open,
        "stored" => State::Stored,
        "removed" => State::Removed,
        _ => return Err(DbError::decode("the state of an upload")),
    };
    Ok(Upload {
        upload_id: parsed(row, 0)?,
        owner: UserId::from(owner),
        media_id: MediaId::from(media),
        command_id: parsed(row, 3)?,
        sealed_metadata: row.text(4)?,
        bytes: row.int(5)?.unsigned_abs(),
        received: row.int(6)?.unsigned_abs(),
        parts: row.int(7)?.unsigned_abs(),
        state,
        position: row.opt_int(9)?.map(i64::unsigned_abs),
        created_at: time(row, 10)?,
        expires_at: time(row, 11)?,
    })
}

fn parsed(row: &Row, index: usize) -> Result<Uuid, DbError> {
    let text = row.text(index)?;
    text.parse().map_err(|_| DbError::decode("an identifier"))
}

fn time(row: &Row, index: usize) -> Result<DateTime<Utc>, DbError> {
    let time = DateTime::from_timestamp_micros(row.int(index)?);
    time.ok_or_else(|| DbError::decode("a time"))
}

fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
