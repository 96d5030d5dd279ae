//! The accounts. Inline, because a token's answer names the account's roles and state.

use aggregates::user::UserEvent;
use aggregates::values::{EmailClaimId, PasswordId, RecoveryCodesId, Role, TotpId, UserId};
use chrono::{DateTime, Utc};
use eventlog::{
    Change, Column, Database, DbError, Kind, Projection, ProjectionError, RecordedEvent, Row,
    Table, Value,
};
use uuid::Uuid;

use crate::page::{Cursor, Page, probe_limit};
use crate::support::{int, micros, names, opt_time, parse, time, to_names, typed};

/// The projection.
#[derive(Debug)]
pub struct Users;

static TABLES: &[&Table] = &[&TABLE];
static TABLE: Table = Table {
    name: "users",
    columns: &[
        Column {
            name: "user_id",
            kind: Kind::Text,
        },
        Column {
            name: "email_claim_id",
            kind: Kind::Text,
        },
        Column {
            name: "email",
            kind: Kind::Text,
        },
        Column {
            name: "email_event_id",
            kind: Kind::Text,
        },
        Column {
            name: "name",
            kind: Kind::Text,
        },
        Column {
            name: "name_event_id",
            kind: Kind::Text,
        },
        Column {
            name: "roles",
            kind: Kind::Text,
        },
        Column {
            name: "disabled",
            kind: Kind::Int,
        },
        Column {
            name: "created_at",
            kind: Kind::Int,
        },
        Column {
            name: "password_id",
            kind: Kind::Text,
        },
        Column {
            name: "totp_id",
            kind: Kind::Text,
        },
        Column {
            name: "totp_enabled_at",
            kind: Kind::Int,
        },
        Column {
            name: "recovery_codes_id",
            kind: Kind::Text,
        },
        Column {
            name: "recovery_codes_left",
            kind: Kind::Int,
        },
        Column {
            name: "email_verified",
            kind: Kind::Int,
        },
        Column {
            name: "pending_email",
            kind: Kind::Text,
        },
        Column {
            name: "pending_email_event_id",
            kind: Kind::Text,
        },
        Column {
            name: "pending_email_claim_id",
            kind: Kind::Text,
        },
        Column {
            name: "pending_email_at",
            kind: Kind::Int,
        },
        Column {
            name: "erase_at",
            kind: Kind::Int,
        },
    ],
};
const EMAIL_CLAIM_ID: usize = 1;
const EMAIL: usize = 2;
const EMAIL_EVENT_ID: usize = 3;
const NAME: usize = 4;
const NAME_EVENT_ID: usize = 5;
const ROLES: usize = 6;
const DISABLED: usize = 7;
const PASSWORD_ID: usize = 9;
const TOTP_ID: usize = 10;
const TOTP_ENABLED_AT: usize = 11;
const RECOVERY_CODES_ID: usize = 12;
const RECOVERY_CODES_LEFT: usize = 13;
const EMAIL_VERIFIED: usize = 14;
const PENDING_EMAIL: usize = 15;
const PENDING_EMAIL_EVENT_ID: usize = 16;
const PENDING_EMAIL_CLAIM_ID: usize = 17;
const PENDING_EMAIL_AT: usize = 18;
const ERASE_AT: usize = 19;

impl Projection for Users {
    fn name(&self) -> &'static str {
        "users"
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    fn project(
        &self,
        event: &RecordedEvent,
        changes: &mut Vec<Change>,
    ) -> Result<(), ProjectionError> {
        if event.aggregate_type != "user" {
            return Ok(());
        }
        let key: Value = event.aggregate_id.as_str().into();
        let event_id = event.event_id.to_string();
        let update = |set| Change::Update {
            table: &TABLE,
            key: key.clone(),
            set,
        };
        match parse(event)? {
            UserEvent::UserRegistered {
                email,
                email_claim_id,
                name,
                roles,
                at,
                ..
            } => {
                changes.push(Change::Upsert {
                    table: &TABLE,
                    row: vec![
                        key,
                        email_claim_id.to_string().into(),
                        email.as_str().into(),
                        event_id.as_str().into(),
                        Value::Text(name.as_ref().map(|name| name.as_str().to_owned())),
                        Value::Text(name.map(|_| event_id)),
                        to_names(&roles)?.into(),
                        0.into(),
                        micros(at),
                        event.aggregate_id.as_str().into(),
                        Value::Text(None),
                        Value::Int(None),
                        Value::Text(None),
                        0.into(),
                        0.into(),
                        Value::Text(None),
                        Value::Text(None),
                        Value::Text(None),
                        Value::Int(None),
                        Value::Int(None),
                    ],
                });
            }
            UserEvent::UserNameChanged { name, .. } => {
                let name = Value::Text(name.map(|name| name.as_str().to_owned()));
                changes.push(update(vec![(NAME, name), (NAME_EVENT_ID, event_id.into())]));
            }
            UserEvent::PasswordChanged { password_id, .. }
            | UserEvent::PasswordReset { password_id, .. } => {
                changes.push(update(vec![(PASSWORD_ID, password_id.to_string().into())]));
            }
            event @ (UserEvent::EmailVerified { .. }
            | UserEvent::EmailChangeRequested { .. }
            | UserEvent::EmailChangeCancelled { .. }
            | UserEvent::EmailChanged { .. }) => {
                changes.push(update(address(&event, event_id)));
            }
            event @ (UserEvent::TotpEnabled { .. }
            | UserEvent::TotpDisabled { .. }
            | UserEvent::RecoveryCodesIssued { .. }
            | UserEvent::RecoveryCodeUsed { .. }) => {
                changes.push(update(second_factor(&event)));
            }
            UserEvent::UserRolesChanged { roles, .. } => {
                changes.push(update(vec![(ROLES, to_names(&roles)?.into())]));
            }
            UserEvent::UserDisabled { .. } => changes.push(update(vec![(DISABLED, 1.into())])),
            UserEvent::UserEnabled { .. } => changes.push(update(vec![(DISABLED, 0.into())])),
            UserEvent::UserDeletionRequested { erase_at, .. } => {
                changes.push(update(vec![(ERASE_AT, micros(erase_at))]));
            }
            UserEvent::UserDeletionCancelled { .. } => {
                changes.push(update(vec![(ERASE_AT, Value::Int(None))]));
            }
            UserEvent::UserErasureStarted { .. } => changes.push(update(vec![
                (DISABLED, 1.into()),
                (ERASE_AT, Value::Int(None)),
            ])),
            UserEvent::UserErased { .. } => changes.push(Change::Delete {
                table: &TABLE,
                key: key.clone(),
            }),
            UserEvent::UserRegistrationAbandoned { .. }
            | UserEvent::SignInFailuresBegan { .. }
            | UserEvent::SignInFailuresCounted { .. } => {}
        }
        Ok(())
    }
}

/// What an event changes about the address.
fn address(event: &UserEvent, event_id: String) -> Vec<(usize, Value)> {
    let none = || {
        vec![
            (PENDING_EMAIL, Value::Text(None)),
            (PENDING_EMAIL_EVENT_ID, Value::Text(None)),
            (PENDING_EMAIL_CLAIM_ID, Value::Text(None)),
            (PENDING_EMAIL_AT, Value::Int(None)),
        ]
    };
    match event {
        UserEvent::EmailVerified { .. } => vec![(EMAIL_VERIFIED, 1.into())],
        UserEvent::EmailChangeRequested {
            email,
            email_claim_id,
            at,
        } => vec![
            (PENDING_EMAIL, email.as_str().into()),
            (PENDING_EMAIL_EVENT_ID, event_id.into()),
            (PENDING_EMAIL_CLAIM_ID, email_claim_id.to_string().into()),
            (PENDING_EMAIL_AT, micros(*at)),
        ],
        UserEvent::EmailChangeCancelled { .. } => none(),
        UserEvent::EmailChanged {
            email,
            email_claim_id,
            ..
        } => {
            let mut set = vec![
                (EMAIL_CLAIM_ID, email_claim_id.to_string().into()),
                (EMAIL, email.as_str().into()),
                (EMAIL_EVENT_ID, event_id.into()),
                (EMAIL_VERIFIED, 1.into()),
            ];
            set.extend(none());
            set
        }
        _ => Vec::new(),
    }
}

/// What an event changes about the second factor.
fn second_factor(event: &UserEvent) -> Vec<(usize, Value)> {
    match event {
        UserEvent::TotpEnabled { totp_id, at } => vec![
            (TOTP_ID, totp_id.to_string().into()),
            (TOTP_ENABLED_AT, micros(*at)),
        ],
        UserEvent::TotpDisabled { .. } => vec![
            (TOTP_ID, Value::Text(None)),
            (TOTP_ENABLED_AT, Value::Int(None)),
            (RECOVERY_CODES_ID, Value::Text(None)),
            (RECOVERY_CODES_LEFT, 0.into()),
        ],
        UserEvent::RecoveryCodesIssued {
            codes_id, count, ..
        } => vec![
            (RECOVERY_CODES_ID, codes_id.to_string().into()),
            (RECOVERY_CODES_LEFT, i64::from(*count).into()),
        ],
        UserEvent::RecoveryCodeUsed { left, .. } => {
            vec![(RECOVERY_CODES_LEFT, i64::from(*left).into())]
        }
        _ => Vec::new(),
    }
}

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
    let sql = format!("{SELECT} WHERE user_id = $1");
    let rows = database.query(&sql, &[user.to_string().into()]).await?;
    rows.first().map(from_row).transpose()
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

/// Accounts whose erasure is due, the longest overdue first.
///
/// # Errors
/// The database failed.
pub async fn due_for_erasure(
    database: &Database,
    now: DateTime<Utc>,
    limit: usize,
) -> Result<Vec<UserId>, DbError> {
    const SQL: &str = "SELECT user_id FROM users WHERE erase_at <= $1 ORDER BY erase_at LIMIT $2";
    let params = [micros(now), int(limit as u64)];
    let rows = database.query(SQL, &params).await?;
    rows.iter().map(|row| typed(row, 0)).collect()
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
