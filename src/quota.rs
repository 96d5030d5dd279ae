//! What one person may have stored, and what is claimed of it by files that are on their way.
//!
//! What counts is the read model of media, every claim that is not in it yet, and what jobs made of files that are there,
//! in one statement, so no file is counted twice or left out. A job reserves nothing: it is refused when nothing is left,
//! and what runs by then may go beyond the quota once by what it makes. Claims of one person are made one after the other, on every node: the row of their key is the lock.
//! A claim goes when its file fails or is deleted, and else as soon as the read model has the file.

use aggregates::media::Media;
use aggregates::values::{MediaId, UserId};
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{Database, DbError, Statement, Value};

use crate::app::App;
use crate::ports::clock::{self, micros};

/// A claim of this age is made anew before its file becomes media.
const FRESH: TimeDelta = TimeDelta::hours(1);
/// A claim of this age, of no file and no resumable upload, was left by a node that died.
const ABANDONED: TimeDelta = TimeDelta::hours(2);
/// How often the claim of a plain upload that is on its way is renewed.
const RENEW_EVERY: std::time::Duration = std::time::Duration::from_mins(10);
/// Claims of one sweep.
const ROUND: i64 = 500;

/// Locks the person; no row of it is affected when they are gone.
const LOCK: &str = "UPDATE vault_person_keys SET created_at = created_at WHERE user_id = $1";
/// Removes claims that the read model has taken over.
const SETTLED: &str = "DELETE FROM media_claims WHERE owner_id = $1 \
     AND EXISTS (SELECT 1 FROM media WHERE media.media_id = media_claims.media_id)";

/// Why there is no room.
#[derive(Debug, thiserror::Error)]
pub enum QuotaError {
    /// Too many bytes.
    #[error("the files of one account may have at most {limit} bytes together")]
    Bytes {
        /// The quota.
        limit: u64,
    },
    /// Too many files.
    #[error("one account may have at most {limit} files")]
    Files {
        /// The quota.
        limit: u64,
    },
    /// Too many uploads at once.
    #[error("one account may have at most {limit} uploads open at once")]
    Uploads {
        /// The quota.
        limit: u64,
    },
    /// The owner is gone.
    #[error("there is no such account")]
    NoSuchAccount,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// Room for a file.
#[derive(Debug, Clone)]
pub struct Claim {
    /// What it will be.
    pub media_id: MediaId,
    /// Whose.
    pub owner: UserId,
    /// How much.
    pub bytes: u64,
    /// Since when.
    pub at: DateTime<Utc>,
}

/// What a person has, with what is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all files together, with what was made of them.
    pub bytes: u64,
    /// Of these, what was made.
    pub output_bytes: u64,
    /// Files.
    pub files: u64,
    /// Resumable uploads that are not finished.
    pub open_uploads: u64,
}

/// Claims room for a file of `bytes`.
///
/// # Errors
/// See [`QuotaError`].
pub async fn claim(
    app: &App,
    owner: UserId,
    media_id: MediaId,
    bytes: u64,
) -> Result<Claim, QuotaError> {
    let claim = Claim {
        media_id,
        owner,
        bytes,
        at: clock::now(),
    };
    let made = app.database.execute(statements(app, &claim, None)).await?;
    match made.last() {
        Some(1) => Ok(claim),
        _ => Err(why(app, &claim).await?),
    }
}

/// Claims room for a file of which nobody knows the size yet: all that is left, up to `most` bytes. What the file does not
/// need comes back with [`settle`].
///
/// # Errors
/// See [`QuotaError`].
pub async fn claim_rest(
    app: &App,
    owner: UserId,
    media_id: MediaId,
    most: u64,
) -> Result<Claim, QuotaError> {
    const MADE: &str = "SELECT bytes FROM media_claims WHERE media_id = $1";
    let used = format!("CAST({} AS BIGINT)", used_bytes("$2"));
    let sql = format!(
        "INSERT INTO media_claims (media_id, owner_id, bytes, created_at) \
         SELECT $1, $2, CASE WHEN $5 - {used} < $3 THEN $5 - {used} ELSE $3 END, $4 FROM vault_person_keys \
         WHERE user_id = $2 AND {used} < $5 AND {} < $6",
        used_files("$2"),
    );
    let least = Claim {
        media_id,
        owner,
        bytes: 1,
        at: clock::now(),
    };
    let media = &app.config.media;
    let key: Value = owner.to_string().into();
    let row = vec![
        media_id.to_string().into(),
        key.clone(),
        int(most).into(),
        micros(least.at).into(),
        int(media.quota_bytes).into(),
        int(media.quota_files).into(),
    ];
    let statements = vec![
        (LOCK.into(), vec![key.clone()]),
        (SETTLED.into(), vec![key]),
        (sql, row),
    ];
    if app.database.execute(statements).await?.last() != Some(&1) {
        return Err(why(app, &least).await?);
    }
    let key = [media_id.to_string().into()];
    let rows = app.database.query(MADE, &key).await?;
    let made = rows.first().ok_or_else(|| DbError::decode("no claim"))?;
    Ok(Claim {
        bytes: made.int(0)?.unsigned_abs(),
        ..least
    })
}

/// A claim of a plain upload; given up when this is dropped, as when the client goes away, unless it was kept.
#[derive(Debug)]
pub struct Held {
    database: Database,
    /// What is claimed.
    pub claim: Claim,
    is_settled: bool,
}

impl Held {
    /// Of a claim that was made.
    pub fn new(app: &App, claim: Claim) -> Self {
        Self {
            database: app.database.clone(),
            claim,
            is_settled: false,
        }
    }

    /// The file has become media, and the read model takes the claim over.
    pub fn keep(mut self) {
        self.is_settled = true;
    }

    /// Gives the claim up.
    ///
    /// # Errors
    /// The database failed; then the sweeper does.
    pub async fn release(mut self) -> Result<(), DbError> {
        self.is_settled = true;
        release(&self.database, self.claim.media_id).await
    }

    /// Renews the claim as long as it is polled: one of a node that died is soon swept.
    pub async fn renew(&self) -> std::convert::Infallible {
        const SQL: &str = "UPDATE media_claims SET created_at = $1 WHERE media_id = $2";
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            let row = vec![
                micros(clock::now()).into(),
                self.claim.media_id.to_string().into(),
            ];
            if let Err(error) = self.database.execute(vec![(SQL.to_owned(), row)]).await {
                tracing::warn!(%error, "the claim of an upload was not renewed");
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let runtime = tokio::runtime::Handle::try_current();
        if let (Ok(runtime), false) = (runtime, self.is_settled) {
            let (database, media_id) = (self.database.clone(), self.claim.media_id);
            runtime.spawn(async move {
                if let Err(error) = release(&database, media_id).await {
                    tracing::info!(%error, "a claim is left to the sweeper");
                }
            });
        }
    }
}

/// The statements that make a claim; the last one affects a row when there is room. `uploads` is the most uploads that may
/// be open, for one more of them.
pub fn statements(app: &App, claim: &Claim, uploads: Option<u64>) -> Vec<Statement> {
    let sql = format!(
        "INSERT INTO media_claims (media_id, owner_id, bytes, created_at) \
         SELECT $1, $2, $3, $4 FROM vault_person_keys WHERE user_id = $2 AND {} <= $5 AND {} < $6 AND {} < $7",
        used_bytes("$2"),
        used_files("$2"),
        open_uploads("$2")
    );
    let media = &app.config.media;
    let owner: Value = claim.owner.to_string().into();
    let row = vec![
        claim.media_id.to_string().into(),
        owner.clone(),
        int(claim.bytes).into(),
        micros(claim.at).into(),
        (int(media.quota_bytes) - int(claim.bytes)).into(),
        int(media.quota_files).into(),
        uploads.map_or(i64::MAX, int).into(),
    ];
    vec![
        (LOCK.into(), vec![owner.clone()]),
        (SETTLED.into(), vec![owner]),
        (sql, row),
    ]
}

/// Which limit a claim that was not made has met.
///
/// # Errors
/// The database failed.
pub async fn why(app: &App, claim: &Claim) -> Result<QuotaError, DbError> {
    const SQL: &str = "SELECT 1 FROM vault_person_keys WHERE user_id = $1";
    let key = [claim.owner.to_string().into()];
    if app.database.query(SQL, &key).await?.is_empty() {
        return Ok(QuotaError::NoSuchAccount);
    }
    let media = &app.config.media;
    let used = usage(&app.database, claim.owner).await?;
    Ok(
        if used.bytes.saturating_add(claim.bytes) > media.quota_bytes {
            QuotaError::Bytes {
                limit: media.quota_bytes,
            }
        } else if used.files >= media.quota_files {
            QuotaError::Files {
                limit: media.quota_files,
            }
        } else {
            QuotaError::Uploads {
                limit: media.uploads_per_user,
            }
        },
    )
}

/// Makes the claim that of a file of `bytes`, which has arrived.
///
/// # Errors
/// See [`QuotaError`].
pub async fn settle(app: &App, claim: &Claim, bytes: u64) -> Result<(), QuotaError> {
    let now = clock::now();
    if bytes == claim.bytes && now - claim.at < FRESH {
        return Ok(());
    }
    let sql = format!(
        "UPDATE media_claims SET bytes = $1, created_at = $2 WHERE media_id = $3 AND owner_id = $4 \
         AND {} <= $5 + media_claims.bytes",
        used_bytes("$4")
    );
    let quota = app.config.media.quota_bytes;
    let owner: Value = claim.owner.to_string().into();
    let row = vec![
        int(bytes).into(),
        micros(now).into(),
        claim.media_id.to_string().into(),
        owner.clone(),
        (int(quota) - int(bytes)).into(),
    ];
    let lock = (LOCK.to_owned(), vec![owner]);
    let done = app.database.execute(vec![lock, (sql, row)]).await?;
    match done.last() {
        Some(1) => Ok(()),
        _ => Err(QuotaError::Bytes { limit: quota }),
    }
}

/// Gives a claim up; one that is gone already is fine.
///
/// # Errors
/// The database failed.
pub async fn release(database: &Database, media_id: MediaId) -> Result<(), DbError> {
    let statement = release_statement(media_id);
    database.execute(vec![statement]).await.map(|_| ())
}

/// The statement of [`release`].
pub fn release_statement(media_id: MediaId) -> Statement {
    const SQL: &str = "DELETE FROM media_claims WHERE media_id = $1";
    (SQL.to_owned(), vec![media_id.to_string().into()])
}

/// Gives every claim of a person up who is gone.
///
/// # Errors
/// The database failed.
pub async fn forget(database: &Database, owner: UserId) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM media_claims WHERE owner_id = $1";
    let row = vec![owner.to_string().into()];
    database
        .execute(vec![(SQL.to_owned(), row)])
        .await
        .map(|_| ())
}

/// Whether nothing is left of a person's bytes.
///
/// # Errors
/// The database failed.
pub async fn is_used_up(app: &App, owner: UserId) -> Result<bool, DbError> {
    let used = usage(&app.database, owner).await?;
    Ok(used.bytes >= app.config.media.quota_bytes)
}

/// What a person has.
///
/// # Errors
/// The database failed.
pub async fn usage(database: &Database, owner: UserId) -> Result<Usage, DbError> {
    let sql = format!(
        "SELECT CAST({} AS BIGINT), {}, {}, CAST({} AS BIGINT)",
        used_bytes("$1"),
        used_files("$1"),
        open_uploads("$1"),
        output_bytes("$1")
    );
    let rows = database.query(&sql, &[owner.to_string().into()]).await?;
    let row = rows
        .first()
        .ok_or_else(|| DbError::decode("no row of usage"))?;
    Ok(Usage {
        bytes: row.int(0)?.unsigned_abs(),
        files: row.int(1)?.unsigned_abs(),
        open_uploads: row.int(2)?.unsigned_abs(),
        output_bytes: row.int(3)?.unsigned_abs(),
    })
}

/// Removes claims that nodes left which died. Whether there is a file is asked of the log itself.
///
/// # Errors
/// The database or the log failed.
pub async fn sweep(app: &App) -> Result<(), String> {
    const SQL: &str = "SELECT media_id FROM media_claims WHERE created_at < $1 \
         AND NOT EXISTS (SELECT 1 FROM uploads WHERE uploads.media_id = media_claims.media_id) LIMIT $2";
    const REMOVE: &str = "DELETE FROM media_claims WHERE media_id = $1 AND created_at < $2";
    let before = micros(clock::now() - ABANDONED);
    let text = |error: DbError| error.to_string();
    let key = [before.into(), ROUND.into()];
    for row in app.database.query(SQL, &key).await.map_err(text)? {
        let id = row.text(0).map_err(text)?;
        let loaded = app.log.load::<Media>(&id).await;
        let (media, _) = loaded.map_err(|error| error.to_string())?;
        if matches!(media, Media::Stored { .. })
            && !is_read(&app.database, &id).await.map_err(text)?
        {
            continue;
        }
        let row = vec![id.into(), before.into()];
        let removed = app.database.execute(vec![(REMOVE.into(), row)]).await;
        removed.map_err(text)?;
    }
    Ok(())
}

/// Whether the read model has the file.
async fn is_read(database: &Database, media_id: &str) -> Result<bool, DbError> {
    const SQL: &str = "SELECT 1 FROM media WHERE media_id = $1";
    let rows = database.query(SQL, &[media_id.into()]).await?;
    Ok(!rows.is_empty())
}

/// Claims of this owner that the read model does not have yet.
fn unread(owner: &str) -> String {
    format!(
        "FROM media_claims AS own WHERE own.owner_id = {owner} \
         AND NOT EXISTS (SELECT 1 FROM media AS stored WHERE stored.media_id = own.media_id)"
    )
}

fn used_bytes(owner: &str) -> String {
    format!(
        "((SELECT COALESCE(SUM(mine.bytes), 0) FROM media AS mine WHERE mine.owner_id = {owner}) \
         + (SELECT COALESCE(SUM(own.bytes), 0) {}) + {})",
        unread(owner),
        output_bytes(owner)
    )
}

/// Outputs go with their file, so those of a file that is gone do not count.
fn output_bytes(owner: &str) -> String {
    format!(
        "(SELECT COALESCE(SUM(made.output_bytes), 0) FROM media_jobs AS made WHERE made.owner_id = {owner} \
         AND made.output_bytes > 0 \
         AND EXISTS (SELECT 1 FROM media AS source WHERE source.media_id = made.media_id))"
    )
}

fn used_files(owner: &str) -> String {
    format!(
        "((SELECT COUNT(*) FROM media AS mine WHERE mine.owner_id = {owner}) + (SELECT COUNT(*) {}))",
        unread(owner)
    )
}

fn open_uploads(owner: &str) -> String {
    format!(
        "(SELECT COUNT(*) FROM uploads AS open WHERE open.owner_id = {owner} AND open.state = 'open')"
    )
}

/// Sizes are bounded by the settings, far below the sign.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
