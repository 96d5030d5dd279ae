//! The key and the password of a person who never came are removed: what a node left that died before it claimed the
//! address for them.
//!
//! As where a claim is released, the account's stream is fenced first: a registration that was only slow then fails,
//! instead of making an account whose key is gone.

use std::sync::Arc;

use aggregates::user::{User, UserCommand, UserError};
use aggregates::values::UserId;
use chrono::TimeDelta;
use eventlog::ExecuteError;

use super::context;
use crate::app::App;
use crate::ports::clock;

const NAME: &str = "sweep_person_keys";
/// A registration takes well under a minute.
const PATIENCE: TimeDelta = TimeDelta::hours(1);
/// Keys of one turn; the next turn takes more.
const TURN: i64 = 500;

/// One turn.
///
/// # Errors
/// The database or the log failed.
pub async fn run(app: Arc<App>) -> Result<(), String> {
    let before = clock::now() - PATIENCE;
    let nobodys = app.vault.persons_of_nobody(before, TURN).await;
    for user in nobodys.map_err(|error| error.to_string())? {
        sweep(&app, user).await?;
    }
    Ok(())
}

async fn sweep(app: &App, user: UserId) -> Result<(), String> {
    let abandon = UserCommand::AbandonRegistration { at: clock::now() };
    let fenced = app
        .log
        .execute::<User>(&user.to_string(), abandon, &context(NAME))
        .await;
    match fenced {
        Ok(_) | Err(ExecuteError::Refused(UserError::RegistrationAbandoned)) => {
            let removed = app.vault.remove_person(user).await;
            removed.map_err(|error| error.to_string())?;
            tracing::info!(%user, "removed the key of a registration that never came");
            Ok(())
        }
        // It came after all, or there was an account.
        Err(ExecuteError::Refused(_)) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
