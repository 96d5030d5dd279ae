//! Refresh tokens that were used up, so that a reuse finds its session. Inline.
//!
//! A session has a bounded number of slots, more than its aggregate remembers; its events fill them in turn, and its end
//! empties them. So the table is bounded by live sessions and still a pure function of the log.

use aggregates::session::{SPENT_REFRESH_TOKENS_MAX, SessionEvent};
use aggregates::values::{SessionId, TokenHash};
use eventlog::{
    Change, Column, Database, DbError, Kind, Projection, ProjectionError, RecordedEvent, Table,
    Value,
};

use crate::support::{parse, typed};

/// Slots of a session. Other events than refreshes use some up, so there are more than tokens that are recognised.
const SLOTS: u64 = 2 * SPENT_REFRESH_TOKENS_MAX as u64;

/// The projection.
#[derive(Debug)]
pub struct SpentRefreshTokens;

static TABLES: &[&Table] = &[&TABLE];
static TABLE: Table = Table {
    name: "spent_refresh_tokens",
    columns: &[
        Column {
            name: "slot",
            kind: Kind::Text,
        },
        Column {
            name: "session_id",
            kind: Kind::Text,
        },
        Column {
            name: "token_hash",
            kind: Kind::Text,
        },
    ],
};

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
                row: vec![
                    slot(session, event.sequence),
                    session.into(),
                    spent.as_str().into(),
                ],
            }),
            SessionEvent::SessionRevoked { .. } | SessionEvent::SessionExpired { .. } => {
                changes.extend(
                    (1..=event.sequence.min(SLOTS)).map(|sequence| Change::Delete {
                        table: &TABLE,
                        key: slot(session, sequence),
                    }),
                );
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

fn slot(session: &str, sequence: u64) -> Value {
    format!("{session}/{}", sequence % SLOTS).into()
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
