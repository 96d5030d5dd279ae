//! After a change of the password, the sessions that were to end do end, and the former hash goes, also when the
//! node that took the change died before it came to that.

use std::sync::Arc;

use aggregates::session::RevokeReason;
use aggregates::user::UserEvent;
use async_trait::async_trait;
use eventlog::{ReactError, Reactor, RecordedEvent};

use super::again;
use crate::app::{Acting, App};
use crate::revocation;

/// Its name.
pub const NAME: &str = "follow_password_changes";

/// The policy.
pub struct FollowPasswordChanges {
    app: Arc<App>,
}

impl FollowPasswordChanges {
    /// Over `app`.
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

impl std::fmt::Debug for FollowPasswordChanges {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(NAME)
    }
}

#[async_trait]
impl Reactor for FollowPasswordChanges {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reacts_to(&self, aggregate_type: &str) -> bool {
        aggregate_type == "user"
    }

    async fn react(&self, event: &RecordedEvent) -> Result<(), ReactError> {
        let parsed: UserEvent = super::parsed(&self.app, event)?;
        let (replaced, keep, ends_sessions, at, reason) = match parsed {
            UserEvent::PasswordChanged {
                replaced,
                from_session,
                end_other_sessions,
                at,
                ..
            } => {
                let reason = RevokeReason::PasswordChanged;
                (replaced, Some(from_session), end_other_sessions, at, reason)
            }
            UserEvent::PasswordReset { replaced, at, .. } => {
                (replaced, None, true, at, RevokeReason::PasswordReset)
            }
            _ => return Ok(()),
        };
        let user = super::stream_id(event)?;
        let vault = &self.app.vault;
        vault.remove_password(user, replaced).await.map_err(again)?;
        if ends_sessions {
            let acting = Acting::policy(NAME);
            revocation::revoke_begun_by(&self.app, user, keep, at, reason, &acting)
                .await
                .map_err(again)?;
        }
        Ok(())
    }
}
