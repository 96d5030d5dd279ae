//! Refresh tokens that were used up, so that a reuse finds its session. Inline.
//!
//! Every one that a session used up is kept until the session ends, and goes with it: a thief must not get rid of the one
//! that betrays them by refreshing often. So the table has at most as many rows as the live sessions have events.

use aggregates::session::SessionEvent;
use aggregates::values::{SessionId, TokenHash};
use eventlog::{
    Change, Column, Database, DbError, Kind, Projection, ProjectionError, RecordedEvent, Table,
};

use crate::support::{parse, typed};

/// The projection.
#[derive(Debug)]
pub struct SpentRefreshTokens;

static TABLES: &[&Table] = &[&TABLE];
static TABLE: Table = Table {
    name: "spent_refresh_tokens",
    columns: &[
        Column {
            name: "token_hash",
            kind: Kind::Text,
        },
        Column {
            name: "session_id",
            kind: Kind::Text,
        },
    ],
};
const SESSION_ID: usize = 1;

impl Projection for SpentRefreshTokens {
    fn name(&self) -> &'static str {
        "spent_refresh_tokens"
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    fn project(
        &self,
        event: &RecordedEvent,
        changes: &mut Vec<Change>,
    ) -> Result<(), ProjectionError> {
        if event.aggregate_type != "session" {
            return Ok(());
        }
        let session = event.aggregate_id.as_str();
        match parse(event)? {
            SessionEvent::TokensIssued {
                replaced_refresh: Some(spent),
                ..
            } => changes.push(Change::Upsert {
                table: &TABLE,
                row: vec![spent.as_str().into(), session.into()],
            }),
            SessionEvent::SessionRevoked { .. } | SessionEvent::SessionExpired { .. } => {
                changes.push(Change::DeleteWhere {
                    table: &TABLE,
                    column: SESSION_ID,
                    value: session.into(),
                });
            }
            SessionEvent::SessionStarted { .. }
            | SessionEvent::TokensIssued { .. }
            | SessionEvent::SessionReauthenticated { .. }
            | SessionEvent::RefreshTokenReused { .. }
            | SessionEvent::SessionForgotten { .. } => {}
        }
        Ok(())
    }
}

/// The session, not ended, that used this refresh token up.
///
/// # Errors
/// The database failed.
pub async fn session_of(
    database: &Database,
    token: &TokenHash,
) -> Result<Option<SessionId>, DbError> {
    const SQL: &str = "SELECT session_id FROM spent_refresh_tokens WHERE token_hash = $1";
    let rows = database.query(SQL, &[token.as_str().into()]).await?;
    rows.first().map(|row| typed(row, 0)).transpose()
}
