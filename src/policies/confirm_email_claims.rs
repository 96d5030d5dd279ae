//! A registered account confirms its claim on its address.

use std::sync::Arc;

use aggregates::email_claim::{EmailClaim, EmailClaimCommand};
use aggregates::user::UserEvent;
use async_trait::async_trait;
use eventlog::{ReactError, Reactor, RecordedEvent};

use super::{again, context};
use crate::app::App;
use crate::ports::clock;

/// Its name.
pub const NAME: &str = "confirm_email_claims";

/// The policy.
pub struct ConfirmEmailClaims {
    app: Arc<App>,
}

impl ConfirmEmailClaims {
    /// Over `app`.
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

impl std::fmt::Debug for ConfirmEmailClaims {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(NAME)
    }
}

#[async_trait]
impl Reactor for ConfirmEmailClaims {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reacts_to(&self, aggregate_type: &str) -> bool {
        aggregate_type == "user"
    }

    async fn react(&self, event: &RecordedEvent) -> Result<(), ReactError> {
        let parsed: UserEvent = super::parsed(&self.app, event)?;
        let UserEvent::UserRegistered {
            user_id,
            email_claim_id,
            ..
        } = parsed
        else {
            return Ok(());
        };
        let command = EmailClaimCommand::Confirm {
            user_id,
            at: clock::now(),
        };
        let executed = self
            .app
            .log
            .execute::<EmailClaim>(&email_claim_id.to_string(), command, &context(NAME))
            .await;
        match executed {
            // A later life of the address is none of this registration's business.
            Ok(_) | Err(eventlog::ExecuteError::Refused(_)) => Ok(()),
            Err(error) => Err(again(error)),
        }
    }
}
