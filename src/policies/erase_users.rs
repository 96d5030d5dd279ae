//! An erasure that began is carried out to its end; one that is due begins.

use std::sync::Arc;

use aggregates::user::{ErasureReason, UserError, UserEvent};
use aggregates::values::UserId;
use async_trait::async_trait;
use eventlog::{ExecuteError, ReactError, Reactor, RecordedEvent};
use projections::users;

use super::{again, write_mails};
use crate::administration::AdministrationError;
use crate::app::{Acting, App};
use crate::erasure::{self, ErasureError};
use crate::mail::letters::Letter;
use crate::mail::outbox::{self, NewMail};
use crate::mail::{MailError, Person, Recipient};
use crate::ports::clock;

/// Its name.
pub const NAME: &str = "erase_users";
/// Accounts that are looked up at once.
const ROUND: usize = 100;

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
        let parsed: UserEvent = super::parsed(&self.app, event)?;
        if !matches!(parsed, UserEvent::UserErasureStarted { .. }) {
            return Ok(());
        }
        let user = super::stream_id(event)?;
        let told = tell(&self.app, user, event).await;
        write_mails::not_for_ever(NAME, event, told)?;
        let acting = Acting::policy(NAME);
        erasure::carry_out(&self.app, user, &acting)
            .await
            .map_err(again)
    }
}

/// The last mail, while the address can still be read. It is nobody's, so that it outlives what else waits for the person.
async fn tell(app: &App, user: UserId, event: &RecordedEvent) -> Result<(), MailError> {
    let Some(person) = Person::find(app, user).await? else {
        return Ok(());
    };
    let mail = NewMail {
        id: format!("{}/{}", event.event_id, outbox::LAST_MAIL),
        to: Recipient {
            user: None,
            ..person.at_home()?
        },
        letter: Letter::AccountErased(event.recorded_at),
        token: None,
    };
    outbox::put(app, mail, Vec::new(), clock::now()).await
}

/// One turn: begins what is due. Whose erasure cannot begin yet is in nobody's way.
///
/// # Errors
/// The database or the log failed.
pub async fn run(app: Arc<App>) -> Result<(), String> {
    let (now, mut after, mut failed) = (clock::now(), None, None);
    loop {
        let due = users::due_for_erasure(&app.database, now, after, ROUND).await;
        let due = due.map_err(|error| error.to_string())?;
        for one in &due {
            failed = begin(&app, one.user_id).await.err().or(failed);
        }
        after = due.last().copied();
        if due.len() < ROUND {
            return failed.map_or(Ok(()), Err);
        }
    }
}

async fn begin(app: &App, user: UserId) -> Result<(), String> {
    let acting = Acting::policy(NAME);
    match erasure::start(app, user, ErasureReason::Requested, &acting).await {
        // Taken back in the meantime, or to stay until another can administer.
        Ok(_)
        | Err(
            ErasureError::User(ExecuteError::Refused(UserError::ErasureNotDue))
            | ErasureError::Administration(AdministrationError::LastAdministrator),
        ) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
