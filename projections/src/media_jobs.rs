//! Media jobs: what their owners see, and the queue that the process manager works through. A tail.

use aggregates::media_job::{
    FailureCode, JobOptions, JobOutput, MediaJobEvent, MediaMetadata, Preset,
};
use aggregates::values::{JobId, MediaId, UserId};
use chrono::{DateTime, Utc};
use eventlog::{
    Change, Column, Database, DbError, Kind, Projection, ProjectionError, RecordedEvent, Row,
    Table, Value,
};

mod queue;

pub use queue::{
    LANES, Turns, Wanted, crash_of, due, is_any_queued, lane, orphaned, overdue, probe_of,
};

use crate::page::{Cursor, Page, probe_limit};
use crate::support::{count, int, micros, opt_time, parse, time, typed};

/// The projection.
#[derive(Debug)]
pub struct MediaJobs;

static TABLES: &[&Table] = &[&TABLE];
static TABLE: Table = Table {
    name: "media_jobs",
    columns: &[
        Column {
            name: "job_id",
            kind: Kind::Text,
        },
        Column {
            name: "media_id",
            kind: Kind::Text,
        },
        Column {
            name: "owner_id",
            kind: Kind::Text,
        },
        Column {
            name: "preset",
            kind: Kind::Text,
        },
        Column {
            name: "preset_version",
            kind: Kind::Int,
        },
        Column {
            name: "options",
            kind: Kind::Text,
        },
        Column {
            name: "input_sha256",
            kind: Kind::Text,
        },
        Column {
            name: "input_bytes",
            kind: Kind::Int,
        },
        Column {
            name: "state",
            kind: Kind::Text,
        },
        Column {
            name: "attempt",
            kind: Kind::Int,
        },
        Column {
            name: "not_before",
            kind: Kind::Int,
        },
        Column {
            name: "deadline_at",
            kind: Kind::Int,
        },
        Column {
            name: "error_code",
            kind: Kind::Text,
        },
        Column {
            name: "outputs",
            kind: Kind::Text,
        },
        Column {
            name: "result",
            kind: Kind::Text,
        },
        Column {
            name: "created_at",
            kind: Kind::Int,
        },
        Column {
            name: "started_at",
            kind: Kind::Int,
        },
        Column {
            name: "finished_at",
            kind: Kind::Int,
        },
        Column {
            name: "lane",
            kind: Kind::Int,
        },
        Column {
            name: "output_bytes",
            kind: Kind::Int,
        },
    ],
};
const STATE: usize = 8;
const ATTEMPT: usize = 9;
const NOT_BEFORE: usize = 10;
const DEADLINE_AT: usize = 11;
const ERROR_CODE: usize = 12;
const OUTPUTS: usize = 13;
const RESULT: usize = 14;
const STARTED_AT: usize = 16;
const FINISHED_AT: usize = 17;
const OUTPUT_BYTES: usize = 19;

impl Projection for MediaJobs {
    fn name(&self) -> &'static str {
        "media_jobs"
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    fn project(
        &self,
        event: &RecordedEvent,
        changes: &mut Vec<Change>,
    ) -> Result<(), ProjectionError> {
        if event.aggregate_type != "media_job" {
            return Ok(());
        }
        let key: Value = event.aggregate_id.as_str().into();
        changes.push(match parse(event)? {
            requested @ MediaJobEvent::MediaJobRequested { .. } => Change::Upsert {
                table: &TABLE,
                row: requested_row(key, requested)?,
            },
            MediaJobEvent::MediaJobForgotten { .. } => Change::Delete { table: &TABLE, key },
            later => Change::Update {
                table: &TABLE,
                key,
                set: changed(later)?,
            },
        });
        Ok(())
    }
}

fn requested_row(key: Value, event: MediaJobEvent) -> Result<Vec<Value>, ProjectionError> {
    let MediaJobEvent::MediaJobRequested {
        media_id,
        owner,
        preset,
        preset_version,
        input_sha256,
        input_bytes,
        options,
        deadline_at,
        at,
        ..
    } = event
    else {
        return Err(ProjectionError::new("not a MediaJobRequested".to_owned()));
    };
    Ok(vec![
        key,
        media_id.to_string().into(),
        owner.to_string().into(),
        preset.as_str().into(),
        int(preset_version.into()),
        json(&options)?.into(),
        input_sha256.as_str().into(),
        int(input_bytes),
        JobState::Queued.as_str().into(),
        0.into(),
        0.into(),
        micros(deadline_at),
        Value::Text(None),
        "[]".into(),
        Value::Text(None),
        micros(at),
        Value::Int(None),
        Value::Int(None),
        int(lane(preset) as u64),
        0.into(),
    ])
}

/// What an event after the first changes.
fn changed(event: MediaJobEvent) -> Result<Vec<(usize, Value)>, ProjectionError> {
    let state = |state: JobState| (STATE, state.as_str().into());
    Ok(match event {
        MediaJobEvent::MediaJobRequestedAgain { deadline_at, .. } => vec![
            state(JobState::Queued),
            (NOT_BEFORE, 0.into()),
            (DEADLINE_AT, micros(deadline_at)),
            (ERROR_CODE, Value::Text(None)),
            (FINISHED_AT, Value::Int(None)),
        ],
        MediaJobEvent::MediaJobDispatched { attempt, at, .. } => {
            vec![
                state(JobState::Running),
                (ATTEMPT, int(attempt.into())),
                (STARTED_AT, micros(at)),
            ]
        }
        MediaJobEvent::MediaJobLeaseExpired { .. } => vec![state(JobState::Queued)],
        MediaJobEvent::MediaJobAttemptFailed { retry_at, .. } => {
            vec![state(JobState::Queued), (NOT_BEFORE, micros(retry_at))]
        }
        MediaJobEvent::MediaJobSucceeded {
            outputs,
            result,
            at,
            ..
        } => vec![
            state(JobState::Succeeded),
            (OUTPUTS, json(&outputs)?.into()),
            (
                OUTPUT_BYTES,
                int(outputs.iter().map(|output| output.bytes).sum()),
            ),
            (RESULT, Value::Text(result.as_ref().map(json).transpose()?)),
            (FINISHED_AT, micros(at)),
        ],
        MediaJobEvent::MediaJobFailed { code, at, .. } => vec![
            state(JobState::Failed),
            (ERROR_CODE, code.as_str().into()),
            (FINISHED_AT, micros(at)),
        ],
        MediaJobEvent::MediaJobCancelled { at, .. } => {
            vec![state(JobState::Cancelled), (FINISHED_AT, micros(at))]
        }
        MediaJobEvent::MediaJobRequested { .. } | MediaJobEvent::MediaJobForgotten { .. } => {
            return Err(ProjectionError::new("not a change of a job".to_owned()));
        }
    })
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, ProjectionError> {
    serde_json::to_string(value).map_err(|error| ProjectionError::new(error.to_string()))
}

/// Where a job stands, as clients see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Waiting, for the first or another try.
    Queued,
    /// A worker has it.
    Running,
    /// Done.
    Succeeded,
    /// Failed. It waits again when it is asked for again and the code allows it.
    Failed,
    /// Given up.
    Cancelled,
}

impl JobState {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn from_name(name: &str) -> Result<Self, DbError> {
        let all = [
            Self::Queued,
            Self::Running,
            Self::Succeeded,
            Self::Failed,
            Self::Cancelled,
        ];
        let found = all.into_iter().find(|state| state.as_str() == name);
        found.ok_or_else(|| DbError::decode("an unknown job state"))
    }
}

/// One job.
#[derive(Debug, Clone)]
pub struct JobRow {
    /// Which.
    pub job_id: JobId,
    /// Of which file.
    pub media_id: MediaId,
    /// Whose.
    pub owner: UserId,
    /// The recipe.
    pub preset: Preset,
    /// The recipe's version.
    pub preset_version: u32,
    /// What the caller chose.
    pub options: JobOptions,
    /// SHA-256 of the input, hexadecimal.
    pub input_sha256: String,
    /// Size of the input.
    pub input_bytes: u64,
    /// Where it stands.
    pub state: JobState,
    /// The last attempt's number; 0 before the first.
    pub attempt: u32,
    /// From then on no attempt is begun, and one that runs is ended.
    pub deadline_at: DateTime<Utc>,
    /// Why it failed.
    pub error: Option<FailureCode>,
    /// What it made.
    pub outputs: Vec<JobOutput>,
    /// What it learnt.
    pub result: Option<MediaMetadata>,
    /// Asked for when, the first time.
    pub created_at: DateTime<Utc>,
    /// When the last attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// Succeeded, failed or cancelled when.
    pub finished_at: Option<DateTime<Utc>>,
}

const SELECT: &str = "SELECT job_id, media_id, owner_id, preset, preset_version, options, input_sha256, \
     input_bytes, state, attempt, deadline_at, error_code, outputs, result, created_at, started_at, \
     finished_at FROM media_jobs";

/// One job of `owner`; another person's is not found.
///
/// # Errors
/// The database failed.
pub async fn find(
    database: &Database,
    owner: UserId,
    job: JobId,
) -> Result<Option<JobRow>, DbError> {
    let sql = format!("{SELECT} WHERE job_id = $1 AND owner_id = $2");
    let rows = database
        .query(&sql, &[job.to_string().into(), owner.to_string().into()])
        .await?;
    rows.first().map(from_row).transpose()
}

/// One job, whoever's it is; for the process manager.
///
/// # Errors
/// The database failed.
pub async fn find_any(database: &Database, job: JobId) -> Result<Option<JobRow>, DbError> {
    let sql = format!("{SELECT} WHERE job_id = $1");
    let rows = database.query(&sql, &[job.to_string().into()]).await?;
    rows.first().map(from_row).transpose()
}

/// A person's jobs, newest first.
///
/// # Errors
/// The database failed.
pub async fn list(
    database: &Database,
    owner: UserId,
    after: &Cursor,
    limit: usize,
) -> Result<Page<JobRow>, DbError> {
    let sql = format!(
        "{SELECT} WHERE owner_id = $1 AND (created_at, job_id) < ($2, $3) \
         ORDER BY created_at DESC, job_id DESC LIMIT $4"
    );
    let [created_at, id] = after.values();
    let params = [owner.to_string().into(), created_at, id, probe_limit(limit)];
    let rows = database.query(&sql, &params).await?;
    let rows: Vec<JobRow> = rows.iter().map(from_row).collect::<Result<_, _>>()?;
    Ok(Page::from_rows(rows, limit, |row| Cursor {
        created_at: row.created_at.timestamp_micros(),
        id: row.job_id.to_string(),
    }))
}

/// Jobs of a file, by their identifiers, from the one after `after` on.
///
/// # Errors
/// The database failed.
pub async fn of_media(
    database: &Database,
    media: MediaId,
    after: Option<JobId>,
    limit: usize,
) -> Result<Vec<JobId>, DbError> {
    const SQL: &str = "SELECT job_id FROM media_jobs WHERE media_id = $1 AND job_id > $2 ORDER BY job_id LIMIT $3";
    let after = after.map(|job| job.to_string()).unwrap_or_default();
    let params = [media.to_string().into(), after.into(), int(limit as u64)];
    let rows = database.query(SQL, &params).await?;
    rows.iter().map(|row| typed(row, 0)).collect()
}

/// How many jobs there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Of a person, and not over.
    pub unfinished: u64,
    /// Of a file, in whatever state.
    pub of_media: u64,
}

/// How many jobs a person has that are not over, and how many a file.
///
/// # Errors
/// The database failed.
pub async fn counts(database: &Database, owner: UserId, media: MediaId) -> Result<Counts, DbError> {
    const SQL: &str = "SELECT \
         (SELECT COUNT(*) FROM media_jobs WHERE owner_id = $1 AND state IN ('queued', 'running')), \
         (SELECT COUNT(*) FROM media_jobs WHERE media_id = $2)";
    let params = [owner.to_string().into(), media.to_string().into()];
    let rows = database.query(SQL, &params).await?;
    let row = rows
        .first()
        .ok_or_else(|| DbError::decode("no row of counts"))?;
    Ok(Counts {
        unfinished: count(row, 0)?,
        of_media: count(row, 1)?,
    })
}

fn from_row(row: &Row) -> Result<JobRow, DbError> {
    let error: Option<FailureCode> = match row.opt_text(11)? {
        Some(_) => Some(typed(row, 11)?),
        None => None,
    };
    let result = row.opt_text(13)?.map(|text| from_json(&text)).transpose()?;
    Ok(JobRow {
        job_id: typed(row, 0)?,
        media_id: typed(row, 1)?,
        owner: typed(row, 2)?,
        preset: typed(row, 3)?,
        preset_version: number(row, 4)?,
        options: from_json(&row.text(5)?)?,
        input_sha256: row.text(6)?,
        input_bytes: count(row, 7)?,
        state: JobState::from_name(&row.text(8)?)?,
        attempt: number(row, 9)?,
        deadline_at: time(row, 10)?,
        error,
        outputs: from_json(&row.text(12)?)?,
        result,
        created_at: time(row, 14)?,
        started_at: opt_time(row, 15)?,
        finished_at: opt_time(row, 16)?,
    })
}

fn number(row: &Row, index: usize) -> Result<u32, DbError> {
    u32::try_from(row.int(index)?).map_err(|_| DbError::decode("a number out of range"))
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, DbError> {
    serde_json::from_str(text).map_err(|_| DbError::decode("a stored JSON text"))
}
