//! Sessions, live and ended, and the token lookup. Inline.

mod projection;

use aggregates::forgotten_sessions::EndedSession;
use aggregates::values::{AuthMethod, SessionId, TokenHash, UserId};
use chrono::{DateTime, Utc};
use eventlog::{Database, DbError, Question, Row};
use uuid::Uuid;

use crate::page::{Cursor, Page, probe_limit};
use crate::support::{int, micros, names, opt_time, time, typed};

pub use projection::Sessions;

/// One session; personal text is sealed for the event `start_event_id`.
#[derive(Debug, Clone)]
pub struct SessionRow {
    /// Which.
    pub session_id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// The access token's hash.
    pub access_token_hash: String,
    /// The access token's end.
    pub access_expires_at: DateTime<Utc>,
    /// The event that the sealed fields belong to.
    pub start_event_id: Uuid,
    /// The name that the person gave the device, sealed.
    pub device_name: Option<String>,
    /// The `User-Agent`, sealed.
    pub user_agent: Option<String>,
    /// The address that it was opened from, sealed.
    pub ip: Option<String>,
    /// Every way in which the person proved who they are, at the beginning and since.
    pub auth_methods: Vec<AuthMethod>,
    /// When they last did, in whichever way.
    pub auth_time: DateTime<Utc>,
    /// When they last did by a second factor.
    pub second_factor_at: Option<DateTime<Utc>>,
    /// Opened when.
    pub created_at: DateTime<Utc>,
    /// The absolute end.
    pub expires_at: DateTime<Utc>,
    /// The refresh token's end.
    pub refresh_expires_at: DateTime<Utc>,
    /// The end of the last of its tokens; never after the absolute one.
    pub tokens_end: DateTime<Utc>,
    /// When its tokens were issued, while it lives; unknown of what a node of a former version wrote.
    pub tokens_issued_at: Option<DateTime<Utc>>,
    /// The real end, once there is one.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it ended.
    pub end_reason: Option<String>,
    /// Last seen, as the coalesced table has it.
    pub last_seen_at: Option<DateTime<Utc>>,
}

/// Which sessions of a person to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not ended, and some token is good.
    Active,
    /// Ended, or past the end of their last token.
    Ended,
}

const SELECT: &str = "SELECT s.session_id, s.user_id, s.access_token_hash, s.access_expires_at, \
     s.start_event_id, s.device_name, s.user_agent, s.ip, s.auth_methods, s.auth_time, s.created_at, \
     s.expires_at, s.ended_at, s.end_reason, a.last_seen_at, s.refresh_expires_at, \
     s.tokens_issued_at, s.totp_proved_at, s.recovery_code_proved_at \
     FROM sessions s LEFT JOIN session_activity a ON a.session_id = s.session_id";

/// One session.
///
/// # Errors
/// The database failed.
pub async fn find(database: &Database, session: SessionId) -> Result<Option<SessionRow>, DbError> {
    database.ask(by_id(session)).await
}

/// The session with this identifier.
pub fn by_id(session: SessionId) -> Question<Option<SessionRow>> {
    let sql = format!("{SELECT} WHERE s.session_id = $1");
    Question::new(sql, vec![session.to_string().into()], |rows| {
        rows.first().map(from_row).transpose()
    })
}

/// The live session that an access token belongs to.
///
/// # Errors
/// The database failed.
pub async fn find_by_access_token(
    database: &Database,
    token: &TokenHash,
) -> Result<Option<SessionRow>, DbError> {
    let sql = format!("{SELECT} WHERE s.access_token_hash = $1 AND s.ended_at IS NULL");
    let rows = database.query(&sql, &[token.as_str().into()]).await?;
    rows.first().map(from_row).transpose()
}

/// The live session whose current refresh token this is.
///
/// # Errors
/// The database failed.
pub async fn find_by_refresh_token(
    database: &Database,
    token: &TokenHash,
) -> Result<Option<SessionRow>, DbError> {
    let sql = format!("{SELECT} WHERE s.refresh_token_hash = $1 AND s.ended_at IS NULL");
    let rows = database.query(&sql, &[token.as_str().into()]).await?;
    rows.first().map(from_row).transpose()
}

/// A person's sessions, newest first.
///
/// # Errors
/// The database failed.
pub async fn list(
    database: &Database,
    user: UserId,
    state: State,
    now: DateTime<Utc>,
    after: &Cursor,
    limit: usize,
) -> Result<Page<SessionRow>, DbError> {
    let state = match state {
        State::Active => {
            "s.ended_at IS NULL AND (s.access_expires_at > $2 OR s.refresh_expires_at > $2)"
        }
        State::Ended => {
            "(s.ended_at IS NOT NULL OR (s.access_expires_at <= $2 AND s.refresh_expires_at <= $2))"
        }
    };
    let sql = format!(
        "{SELECT} WHERE s.user_id = $1 AND {state} AND (s.created_at, s.session_id) < ($3, $4) \
         ORDER BY s.created_at DESC, s.session_id DESC LIMIT $5"
    );
    let [created_at, id] = after.values();
    let params = [
        user.to_string().into(),
        micros(now),
        created_at,
        id,
        probe_limit(limit),
    ];
    let rows = database.query(&sql, &params).await?;
    let rows: Vec<SessionRow> = rows.iter().map(from_row).collect::<Result<_, _>>()?;
    Ok(Page::from_rows(rows, limit, |row| Cursor {
        created_at: row.created_at.timestamp_micros(),
        id: row.session_id.to_string(),
    }))
}

/// Every session of a person that has not ended, at most `limit`.
///
/// # Errors
/// The database failed.
pub async fn not_ended(
    database: &Database,
    user: UserId,
    limit: usize,
) -> Result<Vec<SessionId>, DbError> {
    const SQL: &str = "SELECT session_id FROM sessions WHERE user_id = $1 AND ended_at IS NULL \
                       ORDER BY session_id LIMIT $2";
    let rows = database
        .query(SQL, &[user.to_string().into(), int(limit as u64)])
        .await?;
    rows.iter().map(|row| typed(row, 0)).collect()
}

/// Sessions of everybody after `after` that have not ended, by identifier, at most `limit`; each with whose it is.
///
/// # Errors
/// The database failed.
pub async fn not_ended_of_all(
    database: &Database,
    after: Option<SessionId>,
    limit: usize,
) -> Result<Vec<(SessionId, UserId)>, DbError> {
    const SQL: &str = "SELECT session_id, user_id FROM sessions WHERE ended_at IS NULL \
                       AND session_id > $1 ORDER BY session_id LIMIT $2";
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let rows = database
        .query(SQL, &[after.into(), int(limit as u64)])
        .await?;
    rows.iter()
        .map(|row| Ok((typed(row, 0)?, typed(row, 1)?)))
        .collect()
}

/// Whether a person has more sessions that have not ended than `most`.
pub fn has_more_than(user: UserId, most: usize) -> Question<bool> {
    const SQL: &str = "SELECT session_id FROM sessions WHERE user_id = $1 AND ended_at IS NULL \
                       LIMIT 1 OFFSET $2";
    let params = vec![user.to_string().into(), int(most as u64)];
    Question::new(SQL, params, |rows| Ok(!rows.is_empty()))
}

/// Live sessions of a person that are too many when `most` may stay: those that nobody used for longest, at most `limit`.
/// A use is known within about a minute; the beginning is one.
///
/// # Errors
/// The database failed.
pub async fn too_many(
    database: &Database,
    user: UserId,
    most: usize,
    limit: usize,
) -> Result<Vec<SessionId>, DbError> {
    const SQL: &str = "SELECT s.session_id FROM sessions s \
         LEFT JOIN session_activity a ON a.session_id = s.session_id \
         WHERE s.user_id = $1 AND s.ended_at IS NULL \
         ORDER BY COALESCE(a.last_seen_at, s.created_at) DESC, s.session_id DESC LIMIT $3 OFFSET $2";
    let params = [user.to_string().into(), int(most as u64), int(limit as u64)];
    let rows = database.query(SQL, &params).await?;
    rows.iter().map(|row| typed(row, 0)).collect()
}

/// Sessions of a person, ended or not, at most `limit`.
///
/// # Errors
/// The database failed.
pub async fn any(
    database: &Database,
    user: UserId,
    limit: usize,
) -> Result<Vec<SessionId>, DbError> {
    const SQL: &str =
        "SELECT session_id FROM sessions WHERE user_id = $1 ORDER BY session_id LIMIT $2";
    let params = [user.to_string().into(), int(limit as u64)];
    let rows = database.query(SQL, &params).await?;
    rows.iter().map(|row| typed(row, 0)).collect()
}

/// As [`not_ended`], those that had begun by `begun_by`.
///
/// # Errors
/// The database failed.
pub async fn not_ended_begun_by(
    database: &Database,
    user: UserId,
    begun_by: DateTime<Utc>,
    limit: usize,
) -> Result<Vec<SessionId>, DbError> {
    const SQL: &str = "SELECT session_id FROM sessions WHERE user_id = $1 AND ended_at IS NULL \
                       AND created_at <= $2 ORDER BY session_id LIMIT $3";
    let params = [user.to_string().into(), micros(begun_by), int(limit as u64)];
    let rows = database.query(SQL, &params).await?;
    rows.iter().map(|row| typed(row, 0)).collect()
}

/// Sessions past the end of their last token that have not ended yet, oldest first. No token outlives its session, so
/// these are all whose time is over.
///
/// # Errors
/// The database failed.
pub async fn overdue(
    database: &Database,
    now: DateTime<Utc>,
    limit: usize,
) -> Result<Vec<SessionId>, DbError> {
    const SQL: &str = "SELECT session_id FROM sessions WHERE ended_at IS NULL AND refresh_expires_at <= $1 \
                       AND access_expires_at <= $1 ORDER BY refresh_expires_at LIMIT $2";
    let rows = database
        .query(SQL, &[micros(now), int(limit as u64)])
        .await?;
    rows.iter().map(|row| typed(row, 0)).collect()
}

/// Sessions that ended before `before`, those first that ended first, at most `limit`.
///
/// # Errors
/// The database failed.
pub async fn ended_before(
    database: &Database,
    before: DateTime<Utc>,
    limit: usize,
) -> Result<Vec<EndedSession>, DbError> {
    const SQL: &str = "SELECT session_id, ended_at FROM sessions WHERE ended_at < $1 \
                       ORDER BY ended_at, session_id LIMIT $2";
    let params = [micros(before), int(limit as u64)];
    let rows = database.query(SQL, &params).await?;
    let ended = |row: &Row| {
        Ok(EndedSession {
            session_id: typed(row, 0)?,
            ended_at: time(row, 1)?,
        })
    };
    rows.iter().map(ended).collect()
}

/// The access token of a session that ended.
#[derive(Debug, Clone)]
pub struct EndedToken {
    /// The token's hash.
    pub access_token_hash: String,
    /// The session.
    pub session_id: SessionId,
    /// Whose it was.
    pub user_id: UserId,
    /// Why it ended.
    pub end_reason: String,
}

/// The access tokens of the sessions that ended last, the latest first, at most `limit`.
///
/// # Errors
/// The database failed.
pub async fn ended_last(database: &Database, limit: usize) -> Result<Vec<EndedToken>, DbError> {
    const SQL: &str = "SELECT access_token_hash, session_id, user_id, COALESCE(end_reason, '') \
                       FROM sessions WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT $1";
    let rows = database.query(SQL, &[int(limit as u64)]).await?;
    let ended = |row: &Row| {
        Ok(EndedToken {
            access_token_hash: row.text(0)?,
            session_id: typed(row, 1)?,
            user_id: typed(row, 2)?,
            end_reason: row.text(3)?,
        })
    };
    rows.iter().map(ended).collect()
}

/// Live sessions after `after` (by identifier), for loading them all in bounded steps.
///
/// # Errors
/// The database failed.
pub async fn live(
    database: &Database,
    after: &str,
    limit: usize,
) -> Result<Vec<SessionRow>, DbError> {
    let sql = format!(
        "{SELECT} WHERE s.ended_at IS NULL AND s.session_id > $1 ORDER BY s.session_id LIMIT $2"
    );
    let rows = database
        .query(&sql, &[after.into(), int(limit as u64)])
        .await?;
    rows.iter().map(from_row).collect()
}

fn from_row(row: &Row) -> Result<SessionRow, DbError> {
    let mut auth_methods = names(row, 8)?;
    let proved = [
        (AuthMethod::Totp, opt_time(row, 17)?),
        (AuthMethod::RecoveryCode, opt_time(row, 18)?),
    ];
    for (method, at) in proved {
        if at.is_some() && !auth_methods.contains(&method) {
            auth_methods.push(method);
        }
    }
    Ok(SessionRow {
        session_id: typed(row, 0)?,
        user_id: typed(row, 1)?,
        access_token_hash: row.text(2)?,
        access_expires_at: time(row, 3)?,
        start_event_id: typed(row, 4)?,
        device_name: row.opt_text(5)?,
        user_agent: row.opt_text(6)?,
        ip: row.opt_text(7)?,
        auth_methods,
        auth_time: time(row, 9)?,
        second_factor_at: proved.into_iter().filter_map(|(_, at)| at).max(),
        created_at: time(row, 10)?,
        expires_at: time(row, 11)?,
        ended_at: opt_time(row, 12)?,
        end_reason: row.opt_text(13)?,
        last_seen_at: opt_time(row, 14)?,
        refresh_expires_at: time(row, 15)?,
        tokens_end: time(row, 15)?.max(time(row, 3)?),
        tokens_issued_at: opt_time(row, 16)?,
    })
}
