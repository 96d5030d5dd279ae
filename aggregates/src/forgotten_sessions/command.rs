//! What can be asked of ended sessions.

use chrono::{DateTime, Utc};

use crate::values::SessionId;

/// A wish, with the facts that the decision needs. `at` is the time of deciding.
#[derive(Debug, Clone, PartialEq)]
pub enum ForgottenSessionsCommand {
    /// Takes ended sessions out of the read models, all at once.
    Forget {
        /// Which; at most [`super::SESSIONS_MAX`].
        sessions: Vec<EndedSession>,
        /// Each of them must have ended before.
        ended_before: DateTime<Utc>,
        /// Now.
        at: DateTime<Utc>,
    },
}

/// A session and its end. What has ended stays so, so this cannot become untrue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EndedSession {
    /// Which.
    pub session_id: SessionId,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
}
