//! The table of sessions, and how events change it.

use aggregates::forgotten_sessions::ForgottenSessionsEvent;
use aggregates::session::SessionEvent;
use aggregates::values::AuthMethod;
use chrono::{DateTime, Utc};
use eventlog::{Change, Column, Kind, Projection, ProjectionError, RecordedEvent, Table, Value};

use crate::support::{micros, parse, to_name, to_names};

/// The projection.
#[derive(Debug)]
pub struct Sessions;

static TABLES: &[&Table] = &[&TABLE];
static TABLE: Table = Table {
    name: "sessions",
    columns: &[
        Column {
            name: "session_id",
            kind: Kind::Text,
        },
        Column {
            name: "user_id",
            kind: Kind::Text,
        },
        Column {
            name: "access_token_hash",
            kind: Kind::Text,
        },
        Column {
            name: "access_expires_at",
            kind: Kind::Int,
        },
        Column {
            name: "refresh_token_hash",
            kind: Kind::Text,
        },
        Column {
            name: "refresh_expires_at",
            kind: Kind::Int,
        },
        Column {
            name: "start_event_id",
            kind: Kind::Text,
        },
        Column {
            name: "device_name",
            kind: Kind::Text,
        },
        Column {
            name: "user_agent",
            kind: Kind::Text,
        },
        Column {
            name: "ip",
            kind: Kind::Text,
        },
        Column {
            name: "auth_methods",
            kind: Kind::Text,
        },
        Column {
            name: "auth_time",
            kind: Kind::Int,
        },
        Column {
            name: "created_at",
            kind: Kind::Int,
        },
        Column {
            name: "expires_at",
            kind: Kind::Int,
        },
        Column {
            name: "ended_at",
            kind: Kind::Int,
        },
        Column {
            name: "end_reason",
            kind: Kind::Text,
        },
        Column {
            name: "tokens_issued_at",
            kind: Kind::Int,
        },
        Column {
            name: "totp_proved_at",
            kind: Kind::Int,
        },
        Column {
            name: "recovery_code_proved_at",
            kind: Kind::Int,
        },
    ],
};
const ACCESS_TOKEN_HASH: usize = 2;
const ACCESS_EXPIRES_AT: usize = 3;
const REFRESH_TOKEN_HASH: usize = 4;
const REFRESH_EXPIRES_AT: usize = 5;
const AUTH_TIME: usize = 11;
const ENDED_AT: usize = 14;
const END_REASON: usize = 15;
const TOKENS_ISSUED_AT: usize = 16;
const TOTP_PROVED_AT: usize = 17;
const RECOVERY_CODE_PROVED_AT: usize = 18;

impl Projection for Sessions {
    fn name(&self) -> &'static str {
        "sessions"
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    fn project(
        &self,
        event: &RecordedEvent,
        changes: &mut Vec<Change>,
    ) -> Result<(), ProjectionError> {
        match event.aggregate_type.as_str() {
            "session" => {}
            "forgotten_sessions" => return forget(event, changes),
            _ => return Ok(()),
        }
        let update = |set| Change::Update {
            table: &TABLE,
            key: event.aggregate_id.as_str().into(),
            set,
        };
        match parse(event)? {
            started @ SessionEvent::SessionStarted { .. } => changes.push(Change::Upsert {
                table: &TABLE,
                row: started_row(event, started)?,
            }),
            SessionEvent::TokensIssued { tokens, at, .. } => changes.push(update(vec![
                (ACCESS_TOKEN_HASH, tokens.access_token.as_str().into()),
                (ACCESS_EXPIRES_AT, micros(tokens.access_expires_at)),
                (REFRESH_TOKEN_HASH, tokens.refresh_token.as_str().into()),
                (REFRESH_EXPIRES_AT, micros(tokens.refresh_expires_at)),
                (TOKENS_ISSUED_AT, micros(at)),
            ])),
            SessionEvent::SessionRevoked { reason, at, .. } => {
                changes.push(update(ended(at, &to_name(&reason)?)));
            }
            SessionEvent::SessionExpired { reason, at } => {
                changes.push(update(ended(at, &to_name(&reason)?)));
            }
            SessionEvent::SessionReauthenticated { auth_method, at } => {
                changes.push(update(proved(auth_method, at)));
            }
            SessionEvent::SessionForgotten { .. } => changes.push(Change::Delete {
                table: &TABLE,
                key: event.aggregate_id.as_str().into(),
            }),
            SessionEvent::RefreshTokenReused { .. } => {}
        }
        Ok(())
    }
}

/// Each method has its own time, so that what was proved before stays.
fn proved(method: AuthMethod, at: DateTime<Utc>) -> Vec<(usize, Value)> {
    let own = match method {
        AuthMethod::Password => None,
        AuthMethod::Totp => Some(TOTP_PROVED_AT),
        AuthMethod::RecoveryCode => Some(RECOVERY_CODE_PROVED_AT),
    };
    let columns = std::iter::once(AUTH_TIME).chain(own);
    columns.map(|column| (column, micros(at))).collect()
}

fn ended(at: DateTime<Utc>, reason: &str) -> Vec<(usize, Value)> {
    vec![
        (ENDED_AT, micros(at)),
        (END_REASON, reason.into()),
        (TOKENS_ISSUED_AT, Value::Int(None)),
    ]
}

/// Each by its key: what else stands in the same batch, or comes when a rebuild is under way, makes no difference.
fn forget(event: &RecordedEvent, changes: &mut Vec<Change>) -> Result<(), ProjectionError> {
    let ForgottenSessionsEvent::EndedSessionsForgotten { sessions, .. } = parse(event)?;
    changes.extend(sessions.iter().map(|session| Change::Delete {
        table: &TABLE,
        key: session.to_string().into(),
    }));
    Ok(())
}

/// The tokens come with the event that follows in the same append.
fn started_row(
    event: &RecordedEvent,
    started: SessionEvent,
) -> Result<Vec<Value>, ProjectionError> {
    let SessionEvent::SessionStarted {
        user_id,
        device_name,
        user_agent,
        ip,
        auth_methods,
        auth_time,
        expires_at,
        at,
        ..
    } = started
    else {
        return Err(ProjectionError::new("not a SessionStarted".to_owned()));
    };
    let sealed = |field: Option<aggregates::values::Sealed>| {
        Value::Text(field.map(|field| field.as_str().to_owned()))
    };
    let proved = |method| {
        let is_proved = auth_methods.contains(&method);
        Value::Int(is_proved.then_some(auth_time.timestamp_micros()))
    };
    Ok(vec![
        event.aggregate_id.as_str().into(),
        user_id.to_string().into(),
        "".into(),
        0.into(),
        "".into(),
        0.into(),
        event.event_id.to_string().into(),
        sealed(device_name),
        sealed(user_agent),
        sealed(ip),
        to_names(&auth_methods)?.into(),
        micros(auth_time),
        micros(at),
        micros(expires_at),
        Value::Int(None),
        Value::Text(None),
        Value::Int(None),
        proved(AuthMethod::Totp),
        proved(AuthMethod::RecoveryCode),
    ])
}
