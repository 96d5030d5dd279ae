//! A disabled account loses its sessions.
//!
//! One that was let in again meanwhile lost them before that: those that it has now are of afterwards.

use std::sync::Arc;

use aggregates::session::RevokeReason;
use aggregates::user::{User, UserEvent};
use aggregates::values::UserId;
use async_trait::async_trait;
use eventlog::{Metadata, ReactError, Reactor, RecordedEvent};

use super::again;
use crate::app::{Acting, App};
use crate::revocation;

/// Its name.
pub const NAME: &str = "end_sessions_of_disabled_users";

/// The policy.
pub struct EndSessions {
    app: Arc<App>,
}

impl EndSessions {
    /// Over `app`.
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

impl std::fmt::Debug for EndSessions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(NAME)
    }
}

#[async_trait]
impl Reactor for EndSessions {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reacts_to(&self, aggregate_type: &str) -> bool {
        aggregate_type == "user"
    }

    async fn react(&self, event: &RecordedEvent) -> Result<(), ReactError> {
        let parsed: UserEvent = super::parsed(&self.app, event)?;
        if !matches!(parsed, UserEvent::UserDisabled { .. }) {
            return Ok(());
        }
        let user: UserId = super::stream_id(event)?;
        let loaded = self.app.log.load::<User>(&user.to_string()).await;
        if let (User::Active(_), _) = loaded.map_err(again)? {
            return Ok(());
        }
        let acting = Acting::policy(NAME);
        let reason = RevokeReason::UserDisabled;
        let by = actor(event);
        revocation::revoke_all_by(&self.app, user, None, reason, &acting, by)
            .await
            .map_err(again)?;
        Ok(())
    }
}

/// The administrator who disabled the account, whose node may be ending the same sessions at this moment.
fn actor(event: &RecordedEvent) -> Option<UserId> {
    let metadata: Metadata = serde_json::from_str(&event.metadata).ok()?;
    metadata.actor?.parse().ok()
}
