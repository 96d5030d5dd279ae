//! The accounts. Inline, because a token's answer names the account's roles and state.

mod projection;

use aggregates::values::{EmailClaimId, PasswordId, RecoveryCodesId, Role, TotpId, UserId};
use chrono::{DateTime, Utc};
use eventlog::{Database, DbError, Question, Row};
use uuid::Uuid;

use crate::page::{Cursor, Page, probe_limit};
use crate::support::{int, micros, names, opt_time, time, typed};

pub use projection::Users;

/// A field of an event, still sealed, with the event that it was sealed for.
#[derive(Debug, Clone)]
pub struct SealedField {
    /// The sealed text.
    pub text: String,
    /// The event it belongs to.
    pub event_id: Uuid,
}

/// A change of the address that waits for its confirmation.
#[derive(Debug, Clone)]
pub struct PendingEmail {
    /// The address, sealed.
    pub email: SealedField,
    /// The claim on it.
    pub email_claim_id: EmailClaimId,
    /// When it was asked for; also which request it is.
    pub requested_at: DateTime<Utc>,
}

/// One account.
#[derive(Debug, Clone)]
pub struct UserRow {
    /// Who.
    pub user_id: UserId,
    /// The claim on the address.
    pub email_claim_id: EmailClaimId,
    /// The address, sealed.
    pub email: SealedField,
    /// The name, sealed.
    pub name: Option<SealedField>,
    /// Roles.
    pub roles: Vec<Role>,
    /// Whether it was disabled.
    pub is_disabled: bool,
    /// Registered when.
    pub created_at: DateTime<Utc>,
    /// The password that counts.
    pub password_id: PasswordId,
    /// The second factor that is on.
    pub totp_id: Option<TotpId>,
    /// It is on since.
    pub totp_enabled_at: Option<DateTime<Utc>>,
    /// Its recovery codes.
    pub recovery_codes_id: Option<RecoveryCodesId>,
    /// Those that were not used yet.
    pub recovery_codes_left: u32,
    /// Whether the address was confirmed by mail.
    pub is_email_verified: bool,
    /// The address that the person asked for instead.
    pub pending_email: Option<PendingEmail>,
    /// When the account is to be erased, if the person asked for that.
    pub erase_at: Option<DateTime<Utc>>,
}

const SELECT: &str = "SELECT user_id, email_claim_id, email, email_event_id, name, name_event_id, roles, \
                      disabled, created_at, password_id, totp_id, totp_enabled_at, \
                      recovery_codes_id, recovery_codes_left, email_verified, pending_email, \
                      pending_email_event_id, pending_email_claim_id, pending_email_at, erase_at FROM users";

/// One account.
///
/// # Errors
/// The database failed.
pub async fn find(database: &Database, user: UserId) -> Result<Option<UserRow>, DbError> {
    database.ask(by_id(user)).await
}

/// The account of a person.
pub fn by_id(user: UserId) -> Question<Option<UserRow>> {
    let sql = format!("{SELECT} WHERE user_id = $1");
    Question::new(sql, vec![user.to_string().into()], first)
}

fn first(rows: &[Row]) -> Result<Option<UserRow>, DbError> {
    rows.first().map(from_row).transpose()
}

/// Who holds a claim, as a term of SQL for `$1` the claim and `$2` [`nobody`]. One that nobody holds is looked for as
/// well, so that it takes as long.
pub const HOLDER: &str =
    "COALESCE((SELECT c.user_id FROM email_claims c WHERE c.claim_id = $1), $2)";

/// The person that is none.
pub fn nobody() -> UserId {
    UserId(Uuid::nil())
}

/// The account whose address it is. One that claims the address for a change that waits, or that had it before, is not
/// found. It takes as long when there is none.
pub fn by_claim(claim: EmailClaimId) -> Question<Option<UserRow>> {
    let sql = format!("{SELECT} WHERE user_id = {HOLDER}");
    let params = vec![claim.to_string().into(), nobody().to_string().into()];
    Question::new(sql, params, move |rows| {
        Ok(first(rows)?.filter(|row| row.email_claim_id == claim))
    })
}

/// Accounts after `after` (by identifier), for loading them all in bounded steps.
///
/// # Errors
/// The database failed.
pub async fn all(database: &Database, after: &str, limit: usize) -> Result<Vec<UserRow>, DbError> {
    let sql = format!("{SELECT} WHERE user_id > $1 ORDER BY user_id LIMIT $2");
    let rows = database
        .query(&sql, &[after.into(), int(limit as u64)])
        .await?;
    rows.iter().map(from_row).collect()
}

/// Accounts whose change of the address was asked for before `before`.
///
/// # Errors
/// The database failed.
pub async fn with_pending_email(
    database: &Database,
    before: DateTime<Utc>,
    limit: usize,
) -> Result<Vec<UserId>, DbError> {
    const SQL: &str =
        "SELECT user_id FROM users WHERE pending_email_at < $1 ORDER BY pending_email_at LIMIT $2";
    let rows = database
        .query(SQL, &[micros(before), int(limit as u64)])
        .await?;
    rows.iter().map(|row| typed(row, 0)).collect()
}

/// An account whose erasure is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueForErasure {
    /// Since when.
    pub erase_at: DateTime<Utc>,
    /// Whose.
    pub user_id: UserId,
}

/// Accounts whose erasure is due, the longest overdue first; those behind `after`. Who is disabled stays until they are
/// not: they could not take it back.
///
/// # Errors
/// The database failed.
pub async fn due_for_erasure(
    database: &Database,
    now: DateTime<Utc>,
    after: Option<DueForErasure>,
    limit: usize,
) -> Result<Vec<DueForErasure>, DbError> {
    const SQL: &str = "SELECT erase_at, user_id FROM users WHERE erase_at <= $1 AND disabled = 0 \
                       AND (erase_at, user_id) > ($2, $3) ORDER BY erase_at, user_id LIMIT $4";
    let first = DueForErasure {
        erase_at: DateTime::UNIX_EPOCH,
        user_id: UserId(Uuid::nil()),
    };
    let after = after.unwrap_or(first);
    let params = [
        micros(now),
        micros(after.erase_at),
        after.user_id.to_string().into(),
        int(limit as u64),
    ];
    let rows = database.query(SQL, &params).await?;
    let due = rows.iter().map(|row| {
        Ok(DueForErasure {
            erase_at: time(row, 0)?,
            user_id: typed(row, 1)?,
        })
    });
    due.collect()
}

/// Which accounts to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Search {
    /// Those with this role.
    pub role: Option<Role>,
    /// Those that are disabled, or those that are not.
    pub is_disabled: Option<bool>,
    /// Those with an identifier from the first to the second.
    pub ids: Option<(UserId, UserId)>,
}

/// Accounts, newest first.
///
/// # Errors
/// The database failed.
pub async fn search(
    database: &Database,
    search: Search,
    after: &Cursor,
    limit: usize,
) -> Result<Page<UserRow>, DbError> {
    let [created_at, id] = after.values();
    let mut params = vec![created_at, id, probe_limit(limit)];
    let mut wanted = vec!["(created_at, user_id) < ($1, $2)".to_owned()];
    if let Some(role) = search.role {
        params.push(format!("%,{role},%").into());
        // The first half lets the index over the few accounts with roles serve.
        let n = params.len();
        wanted.push(format!("roles <> '' AND ',' || roles || ',' LIKE ${n}"));
    }
    if let Some(is_disabled) = search.is_disabled {
        wanted.push(format!("disabled = {}", u8::from(is_disabled)));
    }
    if let Some((first, last)) = search.ids {
        params.extend([first.to_string().into(), last.to_string().into()]);
        let n = params.len();
        wanted.push(format!("user_id BETWEEN ${} AND ${n}", n - 1));
    }
    let sql = format!(
        "{SELECT} WHERE {} ORDER BY created_at DESC, user_id DESC LIMIT $3",
        wanted.join(" AND ")
    );
    let rows = database.query(&sql, &params).await?;
    let rows: Vec<UserRow> = rows.iter().map(from_row).collect::<Result<_, _>>()?;
    Ok(Page::from_rows(rows, limit, |row| Cursor {
        created_at: row.created_at.timestamp_micros(),
        id: row.user_id.to_string(),
    }))
}

fn from_row(row: &Row) -> Result<UserRow, DbError> {
    let name = match row.opt_text(4)? {
        Some(text) => Some(SealedField {
            text,
            event_id: typed(row, 5)?,
        }),
        None => None,
    };
    Ok(UserRow {
        user_id: typed(row, 0)?,
        email_claim_id: typed(row, 1)?,
        email: SealedField {
            text: row.text(2)?,
            event_id: typed(row, 3)?,
        },
        name,
        roles: names(row, 6)?,
        is_disabled: row.int(7)? != 0,
        created_at: time(row, 8)?,
        password_id: typed(row, 9)?,
        totp_id: opt_typed(row, 10)?,
        totp_enabled_at: opt_time(row, 11)?,
        recovery_codes_id: opt_typed(row, 12)?,
        recovery_codes_left: u32::try_from(row.int(13)?).unwrap_or_default(),
        is_email_verified: row.int(14)? != 0,
        pending_email: pending_email(row)?,
        erase_at: opt_time(row, 19)?,
    })
}

fn pending_email(row: &Row) -> Result<Option<PendingEmail>, DbError> {
    let Some(text) = row.opt_text(15)? else {
        return Ok(None);
    };
    Ok(Some(PendingEmail {
        email: SealedField {
            text,
            event_id: typed(row, 16)?,
        },
        email_claim_id: typed(row, 17)?,
        requested_at: time(row, 18)?,
    }))
}

fn opt_typed<T: std::str::FromStr>(row: &Row, index: usize) -> Result<Option<T>, DbError> {
    row.opt_text(index)?.map(|_| typed(row, index)).transpose()
}
