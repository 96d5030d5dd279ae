//! Which account holds which address, by the claim's keyed identifier. Inline.

use aggregates::email_claim::EmailClaimEvent;
use aggregates::values::{EmailClaimId, UserId};
use chrono::{DateTime, Utc};
use eventlog::{
    Change, Column, Database, DbError, Kind, Projection, ProjectionError, RecordedEvent, Table,
};

use crate::support::{micros, parse, typed};
use crate::users::{self, UserRow};

/// The projection.
#[derive(Debug)]
pub struct EmailClaims;

static TABLES: &[&Table] = &[&TABLE];
static TABLE: Table = Table {
    name: "email_claims",
    columns: &[
        Column {
            name: "claim_id",
            kind: Kind::Text,
        },
        Column {
            name: "user_id",
            kind: Kind::Text,
        },
        Column {
            name: "state",
            kind: Kind::Text,
        },
        Column {
            name: "since",
            kind: Kind::Int,
        },
    ],
};
const STATE: usize = 2;

impl Projection for EmailClaims {
    fn name(&self) -> &'static str {
        "email_claims"
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    fn project(
        &self,
        event: &RecordedEvent,
        changes: &mut Vec<Change>,
    ) -> Result<(), ProjectionError> {
        if event.aggregate_type != "email_claim" {
            return Ok(());
        }
        let key = || event.aggregate_id.as_str().into();
        changes.push(match parse(event)? {
            EmailClaimEvent::EmailClaimed { user_id, at, .. } => Change::Upsert {
                table: &TABLE,
                row: vec![
                    key(),
                    user_id.to_string().into(),
                    "claimed".into(),
                    micros(at),
                ],
            },
            EmailClaimEvent::EmailClaimConfirmed { .. } => Change::Update {
                table: &TABLE,
                key: key(),
                set: vec![(STATE, "confirmed".into())],
            },
            EmailClaimEvent::EmailClaimReleased { .. } => Change::Delete {
                table: &TABLE,
                key: key(),
            },
        });
        Ok(())
    }
}

/// The account that holds the address; a claim counts from the moment it is made.
///
/// # Errors
/// The database failed.
pub async fn holder(database: &Database, claim: EmailClaimId) -> Result<Option<UserId>, DbError> {
    const SQL: &str = "SELECT user_id FROM email_claims WHERE claim_id = $1";
    let rows = database.query(SQL, &[claim.to_string().into()]).await?;
    rows.first().map(|row| typed(row, 0)).transpose()
}

/// The account whose address it is; see [`users::by_claim`].
///
/// # Errors
/// The database failed.
pub async fn account(database: &Database, claim: EmailClaimId) -> Result<Option<UserRow>, DbError> {
    database.ask(users::by_claim(claim)).await
}

/// Claims that were made before `before` and never confirmed, oldest first. Those for a change of the address that waits
/// are left out.
///
/// # Errors
/// The database failed.
pub async fn unconfirmed(
    database: &Database,
    before: DateTime<Utc>,
    limit: usize,
) -> Result<Vec<(EmailClaimId, UserId)>, DbError> {
    const SQL: &str = "SELECT c.claim_id, c.user_id FROM email_claims c \
                       WHERE c.state = 'claimed' AND c.since < $1 AND NOT EXISTS (SELECT 1 FROM users u \
                       WHERE u.user_id = c.user_id AND u.pending_email_claim_id = c.claim_id) \
                       ORDER BY c.since LIMIT $2";
    let rows = database
        .query(SQL, &[micros(before), crate::support::int(limit as u64)])
        .await?;
    rows.iter()
        .map(|row| Ok((typed(row, 0)?, typed(row, 1)?)))
        .collect()
}
