//! A claim whose account never came is released.
//!
//! First the account's stream is fenced: a registration that was only slow then fails, instead of slipping in
//! after its address was given away.

use std::sync::Arc;

use aggregates::email_claim::{EmailClaim, EmailClaimCommand, EmailClaimError, ReleaseReason};
use aggregates::user::{User, UserCommand, UserError};
use aggregates::values::{EmailClaimId, UserId};
use chrono::TimeDelta;
use eventlog::ExecuteError;
use projections::email_claims;

use super::{context, settle_email_changes};
use crate::app::App;
use crate::ports::clock;

const NAME: &str = "release_email_claims";
/// A registration takes well under a second.
const PATIENCE: TimeDelta = TimeDelta::seconds(60);
/// Claims of one turn; the next turn takes more.
const TURN: usize = 500;

/// One turn.
///
/// # Errors
/// The database or the log failed.
pub async fn run(app: Arc<App>) -> Result<(), String> {
    let before = clock::now() - PATIENCE;
    let claims = email_claims::unconfirmed(&app.database, before, TURN).await;
    for (claim, user) in claims.map_err(|error| error.to_string())? {
        settle(&app, claim, user).await?;
    }
    Ok(())
}

async fn settle(app: &App, claim: EmailClaimId, user: UserId) -> Result<(), String> {
    let abandon = UserCommand::AbandonRegistration { at: clock::now() };
    match app
        .log
        .execute::<User>(&user.to_string(), abandon, &context(NAME))
        .await
    {
        Ok(_) | Err(ExecuteError::Refused(UserError::RegistrationAbandoned)) => {
            release(app, claim, user).await
        }
        // It came after all; or it is one of a change of the address, and what is left of that.
        Err(ExecuteError::Refused(_)) => {
            settle_email_changes::settle_leftover(app, user, claim).await
        }
        Err(error) => Err(error.to_string()),
    }
}

async fn release(app: &App, claim: EmailClaimId, user: UserId) -> Result<(), String> {
    app.vault
        .remove_person(user)
        .await
        .map_err(|error| error.to_string())?;
    let reason = ReleaseReason::RegistrationAbandoned;
    let command = EmailClaimCommand::Release {
        user_id: user,
        reason,
        at: clock::now(),
    };
    match app
        .log
        .execute::<EmailClaim>(&claim.to_string(), command, &context(NAME))
        .await
    {
        Ok(_)
        | Err(ExecuteError::Refused(
            EmailClaimError::NotClaimed | EmailClaimError::HeldByAnother,
        )) => {
            tracing::info!(%claim, "released the claim of a registration that never came");
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}
