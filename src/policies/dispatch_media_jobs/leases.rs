//! Which node drives which running job.

use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{DbError, Engine};

use aggregates::media_job::MediaJob;
use aggregates::values::JobId;

use crate::app::App;
use crate::ports::clock::{self, micros};

/// How long a lease lasts without being renewed.
pub const LEASE: TimeDelta = TimeDelta::seconds(30);
/// A node that has not renewed its row for this long is dead. Should it live on, its attempts are fenced as ever.
const DEAD_AFTER_MICROS: i64 = 5_000_000;
/// How often it is renewed.
pub const RENEW_EVERY: std::time::Duration = std::time::Duration::from_secs(8);

/// Takes the lease of a job, if it is free, run out, or this node's own. True when it is taken.
pub async fn take(
    app: &App,
    job: JobId,
    attempt: u32,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    const SQL: &str = "INSERT INTO media_job_leases (job_id, node_id, attempt, lease_until) \
         VALUES ($1, $2, $3, $4) ON CONFLICT (job_id) DO UPDATE SET node_id = excluded.node_id, \
         attempt = excluded.attempt, lease_until = excluded.lease_until \
         WHERE media_job_leases.lease_until <= $5 OR media_job_leases.node_id = excluded.node_id";
    let row = vec![
        job.to_string().into(),
        app.node_id.to_string().into(),
        i64::from(attempt).into(),
        micros(now + LEASE).into(),
        micros(now).into(),
    ];
    let affected = app.database.execute(vec![(SQL.to_owned(), row)]).await?;
    Ok(affected.first() == Some(&1))
}

/// Gives the lease back.
pub async fn release(app: &App, job: JobId) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM media_job_leases WHERE job_id = $1 AND node_id = $2";
    let row = vec![job.to_string().into(), app.node_id.to_string().into()];
    app.database
        .execute(vec![(SQL.to_owned(), row)])
        .await
        .map(|_| ())
}

/// Why a job is not looked after any more.
pub enum Lost {
    /// Another node has the lease.
    Lease,
    /// The attempt is over, whatever its worker says.
    Job,
}

/// Renews the lease as long as it can be, and the job goes on.
pub async fn keep(app: &App, job: JobId, attempt: u32) -> Lost {
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        match take(app, job, attempt, clock::now()).await {
            Ok(true) => {}
            Ok(false) => return Lost::Lease,
            Err(error) => tracing::warn!(%job, %error, "the lease of a media job was not renewed"),
        }
        // The stream and not the read model: one that is behind must end nothing.
        let loaded = app.log.load::<MediaJob>(&job.to_string()).await;
        if loaded.is_ok_and(|(job, _)| !is_current(&job, attempt)) {
            return Lost::Job;
        }
    }
}

/// Whether the attempt is the one that may report. A job that is over may have been asked for again.
fn is_current(job: &MediaJob, attempt: u32) -> bool {
    matches!(job, MediaJob::Dispatched { lease, .. } if lease.attempt == attempt)
}

/// Ends the leases of nodes that are gone: those that stopped, and those whose row in `nodes`, which a node renews
/// several times a second, is long out of date. On SQLite there is no other node.
pub async fn forget_dead(app: &App) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM media_job_leases WHERE node_id <> $1 AND NOT EXISTS (SELECT 1 FROM nodes n \
         WHERE n.node_id = media_job_leases.node_id AND n.lease_until > \
         (extract(epoch from clock_timestamp()) * 1000000)::bigint - $2)";
    if app.database.engine() == Engine::Sqlite {
        return Ok(());
    }
    let row = vec![app.node_id.to_string().into(), DEAD_AFTER_MICROS.into()];
    app.database
        .execute(vec![(SQL.to_owned(), row)])
        .await
        .map(|_| ())
}

/// On SQLite there is one server: leases that it finds at its start are its own past's.
pub async fn forget_own_past(app: &App) -> Result<(), DbError> {
    if app.database.engine() == Engine::Sqlite {
        app.database
            .execute(vec![(
                "DELETE FROM media_job_leases".to_owned(),
                Vec::new(),
            )])
            .await?;
    }
    Ok(())
}
