//! How events change the table of accounts.

use aggregates::user::UserEvent;
use eventlog::{Change, Column, Kind, Projection, ProjectionError, RecordedEvent, Table, Value};
use uuid::Uuid;

use crate::support::{micros, parse, to_names};

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
        match parse(event)? {
            registered @ UserEvent::UserRegistered { .. } => changes.push(Change::Upsert {
                table: &TABLE,
                row: registered_row(key, event, registered)?,
            }),
            UserEvent::UserErased { .. } => changes.push(Change::Delete { table: &TABLE, key }),
            other => {
                let set = changed(&other, event.event_id)?;
                if !set.is_empty() {
                    changes.push(Change::Update {
                        table: &TABLE,
                        key,
                        set,
                    });
                }
            }
        }
        Ok(())
    }
}

fn registered_row(
    key: Value,
    event: &RecordedEvent,
    registered: UserEvent,
) -> Result<Vec<Value>, ProjectionError> {
    let UserEvent::UserRegistered {
        email,
        email_claim_id,
        name,
        roles,
        at,
        ..
    } = registered
    else {
        return Err(ProjectionError::new("not a UserRegistered".to_owned()));
    };
    let event_id = event.event_id.to_string();
    Ok(vec![
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
    ])
}

/// What an event after the first changes.
fn changed(event: &UserEvent, event_id: Uuid) -> Result<Vec<(usize, Value)>, ProjectionError> {
    let event_id = event_id.to_string();
    Ok(match event {
        UserEvent::UserNameChanged { name, .. } => {
            let name = Value::Text(name.as_ref().map(|name| name.as_str().to_owned()));
            vec![(NAME, name), (NAME_EVENT_ID, event_id.into())]
        }
        UserEvent::PasswordChanged { password_id, .. }
        | UserEvent::PasswordReset { password_id, .. } => {
            vec![(PASSWORD_ID, password_id.to_string().into())]
        }
        UserEvent::EmailVerified { .. }
        | UserEvent::EmailChangeRequested { .. }
        | UserEvent::EmailChangeCancelled { .. }
        | UserEvent::EmailChanged { .. } => address(event, event_id),
        UserEvent::TotpEnabled { .. }
        | UserEvent::TotpDisabled { .. }
        | UserEvent::RecoveryCodesIssued { .. }
        | UserEvent::RecoveryCodeUsed { .. } => second_factor(event),
        UserEvent::UserRolesChanged { roles, .. } => vec![(ROLES, to_names(roles)?.into())],
        UserEvent::UserDisabled { .. } => vec![(DISABLED, 1.into())],
        UserEvent::UserEnabled { .. } => vec![(DISABLED, 0.into())],
        UserEvent::UserDeletionRequested { erase_at, .. } => vec![(ERASE_AT, micros(*erase_at))],
        UserEvent::UserDeletionCancelled { .. } => vec![(ERASE_AT, Value::Int(None))],
        UserEvent::UserErasureStarted { .. } => {
            vec![(DISABLED, 1.into()), (ERASE_AT, Value::Int(None))]
        }
        UserEvent::UserRegistered { .. }
        | UserEvent::UserErased { .. }
        | UserEvent::UserRegistrationAbandoned { .. }
        | UserEvent::SignInFailuresBegan { .. }
        | UserEvent::SecondFactorFailuresBegan { .. }
        | UserEvent::SecondFactorFailuresCounted { .. }
        | UserEvent::SignInFailuresCounted { .. } => Vec::new(),
    })
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
