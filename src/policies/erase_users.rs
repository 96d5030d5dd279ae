//! An erasure that began is carried out to its end; one that is due begins.

use std::sync::Arc;

use aggregates::user::{ErasureReason, UserError, UserEvent};
use async_trait::async_trait;
use eventlog::{ExecuteError, ReactError, Reactor, RecordedEvent};
use projections::users;

use super::again;
use crate::administration::AdministrationError;
use crate::app::{Acting, App};
use crate::erasure::{self, ErasureError};
use crate::ports::clock;

const NAME: &str = "erase_users";
/// Accounts of one turn; the next turn takes more.
const TURN: usize = 100;

/// The policy.
pub struct EraseUsers {
    app: Arc<App>,
}

impl EraseUsers {
    /// Over `app`.
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

impl std::fmt::Debug for EraseUsers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(NAME)
    }
}

#[async_trait]
impl Reactor for EraseUsers {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reacts_to(&self, aggregate_type: &str) -> bool {
        aggregate_type == "user"
    }

    async fn react(&self, event: &RecordedEvent) -> Result<(), ReactError> {
        let parsed: UserEvent = serde_json::from_str(&event.payload).map_err(again)?;
        if !matches!(parsed, UserEvent::UserErasureStarted { .. }) {
            return Ok(());
        }
        let user = event.aggregate_id.parse().map_err(again)?;
        let acting = Acting::policy(NAME);
        erasure::carry_out(&self.app, user, &acting)
            .await
            .map_err(again)
    }
}

/// One turn: begins what is due.
///
/// # Errors
/// The database or the log failed.
pub async fn run(app: Arc<App>) -> Result<(), String> {
    let due = users::due_for_erasure(&app.database, clock::now(), TURN).await;
    let mut failed = None;
    for user in due.map_err(|error| error.to_string())? {
        let acting = Acting::policy(NAME);
        match erasure::start(&app, user, ErasureReason::Requested, &acting).await {
            // Taken back in the meantime, or to stay until another can administer.
            Ok(_)
            | Err(
                ErasureError::User(ExecuteError::Refused(UserError::ErasureNotDue))
                | ErasureError::Administration(AdministrationError::LastAdministrator),
            ) => {}
            Err(error) => failed = Some(error.to_string()),
        }
    }
    failed.map_or(Ok(()), Err)
}
